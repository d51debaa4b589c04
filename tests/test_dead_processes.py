"""A process that dies ends the whole training soon, and the person learns why."""

from pathlib import Path

import pytest

from tests.processes import FAULT, SOON, TWO, finish, seconds_since_fault, start


def ended(place: Path, *options: str) -> tuple[int, str]:
    """Exit code and output of a training that a fault ends."""
    code, output = finish(start(place, *FAULT, *options))
    seconds = seconds_since_fault(output)
    print(f"{seconds:.1f} s from the fault to the end of all processes, exit code {code}")
    assert seconds <= SOON
    return code, output


@pytest.mark.parametrize("rank", [pytest.param(0, marks=pytest.mark.slow), 1])
def test_an_error_on_one_process(tmp_path: Path, rank: int) -> None:
    code, output = ended(tmp_path, *TWO, "--trainer.callbacks.what=error", f"--trainer.callbacks.rank={rank}")
    assert code not in (0, 2, 65, 74, 130, 143)
    assert output.count("Traceback") == output.count("ZeroDivisionError: the culprit") == 1  # nobody else's errors
    if "has died" in output:
        assert output.index("the culprit") < output.index("has died")


@pytest.mark.slow
@pytest.mark.parametrize("rank", [0, 1])
def test_a_process_is_killed(tmp_path: Path, rank: int) -> None:
    code, output = ended(tmp_path, *TWO, "--trainer.callbacks.what=kill", f"--trainer.callbacks.rank={rank}")
    assert code not in (0, 2, 65, 74, 130, 143)
    assert "Traceback" not in output
    if rank == 1:  # the first one is what the shell sees
        assert "another process of this training has died" in output or "terminated with code -9" in output


def test_a_worker_is_killed(tmp_path: Path) -> None:
    code, output = ended(tmp_path, "--trainer.callbacks.what=worker", "--data.num_workers=2")
    assert code == 1, output
    assert "error: a loader's process died" in output
    assert "Traceback" not in output
