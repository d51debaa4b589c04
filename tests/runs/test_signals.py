"""Training that is told to stop has saved everything, and goes on as if it had not been."""

import os
import re
import signal
import time
from collections.abc import Sequence
from pathlib import Path

import pytest

from tests.forks import Process
from tests.processes import (
    FAULT,
    NO_FAULT,
    SOON,
    TWO,
    assert_same_run,
    finish,
    fit_words,
    last_checkpoint,
    seconds_since_fault,
    start,
    start_two,
    the_run,
    wait_for_rows,
)
from tests.runs.signal_table import Case, children, measure
from tests.runs.test_resuming import steps_done


@pytest.fixture(scope="module")
def whole_of_two(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run on two processes that nothing has disturbed."""
    place = tmp_path_factory.mktemp("two")
    code, output = finish(start(place, *TWO))
    assert code == 0, output
    return the_run(place)


def stopped(place: Path, *processes: Process) -> None:
    """A run that stops itself has saved all that it has done, in time."""
    ends = [finish(process) for process in processes]
    output = "".join(said for _, said in ends)
    seconds = seconds_since_fault(output)
    print(f"{seconds:.1f} s from the signal to the end of all processes")
    assert [code for code, _ in ends] == [143] * len(processes), output
    assert seconds <= SOON
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
    told = [f"--trainer.callbacks.what={moment}", f"--trainer.callbacks.number={number}"]
    stopped(tmp_path, start(tmp_path, *FAULT, *told))
    code, output = finish(start(tmp_path, *NO_FAULT, "--ckpt_path=last"))
    assert code == 0, output
    assert_same_run(whole, the_run(tmp_path))


@pytest.mark.slow
def test_ctrl_c(whole: Path, tmp_path: Path) -> None:
    process = start(tmp_path)
    wait_for_rows(process, tmp_path, 5)
    process.send_signal(signal.SIGINT)
    assert finish(process)[0] == 130
    assert last_checkpoint(the_run(tmp_path))["global_step"] == steps_done(the_run(tmp_path))
    assert finish(start(tmp_path, "--resume=auto"))[0] == 0
    assert_same_run(whole, the_run(tmp_path))


def test_one_of_two_processes_is_told_to_stop(tmp_path: Path) -> None:
    told = ["--trainer.callbacks.what=validation", "--trainer.callbacks.rank=1"]
    stopped(tmp_path, *start_two(*fit_words(tmp_path, *FAULT, *told)))


@pytest.mark.slow
@pytest.mark.parametrize("rank", [0, 1])
@pytest.mark.parametrize("moment", ["step", "validation", "save"])
def test_either_of_two_processes_is_told_to_stop(whole_of_two: Path, tmp_path: Path, rank: int, moment: str) -> None:
    told = [f"--trainer.callbacks.what={moment}", f"--trainer.callbacks.rank={rank}"]
    stopped(tmp_path, start(tmp_path, *FAULT, *TWO, *told))
    code, output = finish(start(tmp_path, *TWO, *NO_FAULT, "--resume=auto"))
    assert code == 0, output
    assert_same_run(whole_of_two, the_run(tmp_path))


def told(process: Process, whom: str, number: int) -> tuple[int, str]:
    """Exit code and output of a training whose parent, child or whole group is told to stop."""
    begun = time.monotonic()
    match whom:
        case "group":
            os.killpg(process.pid, number)
        case "parent":
            process.send_signal(number)
        case "child":
            os.kill(children(process.pid)[0], number)
    code, output = finish(process)
    print(f"{time.monotonic() - begun:.1f} s from the signal to the end, exit code {code}")
    assert "Traceback" not in output
    return code, output


@pytest.mark.parametrize(
    ("whom", "number", "options", "expected"),
    [
        ("group", signal.SIGTERM, ["--data.num_workers=2"], 143),
        pytest.param("group", signal.SIGINT, ["--data.num_workers=2"], 130, marks=pytest.mark.slow),
        pytest.param("parent", signal.SIGHUP, [], 129, marks=pytest.mark.slow),
        pytest.param("group", signal.SIGTERM, TWO, 143, marks=pytest.mark.slow),
        pytest.param("child", signal.SIGTERM, TWO, 143, marks=pytest.mark.slow),
        pytest.param("group", signal.SIGINT, [*TWO, "--data.num_workers=2"], 130, marks=pytest.mark.slow),
        pytest.param("group", signal.SIGHUP, [*TWO, "--data.num_workers=2"], 129, marks=pytest.mark.slow),
    ],
)
def test_whoever_is_told_all_is_saved(
    tmp_path: Path, whom: str, number: int, options: Sequence[str], expected: int
) -> None:
    process = start(tmp_path, "--trainer.max_epochs=40", *options)
    wait_for_rows(process, tmp_path, 5)
    code, output = told(process, whom, number)
    assert code == expected, output
    assert ("stopping after this batch" in output) == (whom != "child")  # the first process says it
    assert ("again: at once, unsaved" in output) == (number == signal.SIGINT)
    assert last_checkpoint(the_run(tmp_path))["global_step"] == steps_done(the_run(tmp_path))


@pytest.mark.parametrize(
    "case",
    [
        Case(1, 0, "start-up", "parent", "SIGTERM"),
        *(
            pytest.param(case, marks=pytest.mark.slow)
            for case in (
                *(Case(2, 0, "start-up", whom, "SIGTERM") for whom in ("parent", "child", "group")),
                *(Case(1, 0, "pictures", "parent", name) for name in ("SIGTERM", "SIGHUP")),
                Case(2, 0, "pictures", "child", "SIGTERM"),
                Case(1, 2, "step", "child", "SIGTERM"),
                Case(2, 2, "save", "group", "SIGINT"),
            )
        ),
    ],
    ids=lambda case: " ".join(map(str, case)),
)
def test_a_row_of_the_table_of_signals(tmp_path: Path, case: Case) -> None:
    found = measure(case, tmp_path)
    assert found.wrong == [], found.said
