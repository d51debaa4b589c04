"""Training that is told to stop has saved everything, and goes on as if it had not been."""

import re
import signal
from collections.abc import Sequence
from pathlib import Path

import pytest

from tests.processes import (
    FAULT,
    NO_FAULT,
    TWO,
    assert_same_run,
    finish,
    last_checkpoint,
    rows,
    seconds_since_fault,
    start,
    the_run,
    wait_until,
)
from tests.runs.test_resuming import steps_done

MOST_SECONDS = 20


@pytest.fixture(scope="module")
def whole_of_two(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run on two processes that nothing has disturbed."""
    place = tmp_path_factory.mktemp("two")
    code, output = finish(start(place, *TWO), 300)
    assert code == 0, output
    return the_run(place)


def stopped(place: Path, options: Sequence[str], *, code: int = 143) -> None:
    """A run that stops itself has saved all that it has done, in time."""
    found, output = finish(start(place, *FAULT, *options), 300)
    seconds = seconds_since_fault(output)
    print(f"{seconds:.1f} s from the signal to the end of all processes, exit code {found}")
    assert found == code, output
    assert seconds <= MOST_SECONDS
    (step,) = re.findall(r"^stopped at step (\d+), saved in \S+last.ckpt$", output, re.MULTILINE)
    assert "Traceback" not in output
    saved = last_checkpoint(the_run(place))["global_step"]
    assert int(step) == saved == steps_done(the_run(place))  # so nothing is done again


@pytest.mark.parametrize(
    ("moment", "number"),
    [
        ("validation", "SIGTERM"),
        pytest.param("step", "SIGTERM", marks=pytest.mark.slow),
        pytest.param("save", "SIGTERM", marks=pytest.mark.slow),
        pytest.param("step", "SIGUSR1", marks=pytest.mark.slow),
    ],
)
def test_told_to_stop(whole: Path, tmp_path: Path, moment: str, number: str) -> None:
    stopped(tmp_path, [f"--trainer.callbacks.what={moment}", f"--trainer.callbacks.number={number}"])
    code, output = finish(start(tmp_path, *NO_FAULT, "--ckpt_path=last"))
    assert code == 0, output
    assert_same_run(whole, the_run(tmp_path))


@pytest.mark.slow
def test_ctrl_c(whole: Path, tmp_path: Path) -> None:
    process = start(tmp_path)
    wait_until(process, lambda: rows(tmp_path) >= 5)
    process.send_signal(signal.SIGINT)
    assert finish(process)[0] == 130
    assert last_checkpoint(the_run(tmp_path))["global_step"] == steps_done(the_run(tmp_path))
    assert finish(start(tmp_path, "--resume=auto"))[0] == 0
    assert_same_run(whole, the_run(tmp_path))


def test_one_of_two_processes_is_told_to_stop(tmp_path: Path) -> None:
    stopped(tmp_path, [*TWO, "--trainer.callbacks.what=validation", "--trainer.callbacks.rank=1"])


@pytest.mark.slow
@pytest.mark.parametrize("rank", [0, 1])
@pytest.mark.parametrize("moment", ["step", "validation", "save"])
def test_either_of_two_processes_is_told_to_stop(whole_of_two: Path, tmp_path: Path, rank: int, moment: str) -> None:
    stopped(tmp_path, [*TWO, f"--trainer.callbacks.what={moment}", f"--trainer.callbacks.rank={rank}"])
    code, output = finish(start(tmp_path, *TWO, *NO_FAULT, "--resume=auto"), 300)
    assert code == 0, output
    assert_same_run(whole_of_two, the_run(tmp_path))
