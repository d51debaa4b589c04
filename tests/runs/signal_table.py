"""Every signal at every moment of a training, measured: ``python -m tests.runs.signal_table FILE`` writes the rows.

Rows that ``FILE`` has are not measured again.
"""

import itertools
import os
import signal
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import lightning.pytorch as pl
from lightning.pytorch.callbacks import Callback

from tests.forks import PROGRAM, Process
from tests.processes import PATIENCE, TWO, finish, last_checkpoint, start, start_python, the_run, wait_until
from tests.runs.test_resuming import steps_done

CODES = {"SIGTERM": 143, "SIGINT": 130, "SIGHUP": 129, "SIGUSR1": 143}
MOMENTS = ("start-up", "step", "validation", "save", "pictures")
PICTURES = {"curves.png", "predictions.png", "confusion.png", "confusion.csv"}
TOLD = "told"
LEFT_SECONDS = 60


class Case(NamedTuple):
    """A training and what it is told.

    Attributes:
        processes: How many train: 1 or 2.
        workers: How many load for each of them.
        moment: What they are doing.
        whom: Who is told: the parent, the group, or the child: the second process, or else a worker of the only one.
        signal: By its name.
    """

    processes: int
    workers: int
    moment: str
    whom: str
    signal: str

    @property
    def code(self) -> int:
        """What the program has to end with; a worker leaves signals to its training."""
        return 0 if self.whom == "child" and self.processes == 1 else CODES[self.signal]


def cases() -> Iterator[Case]:
    """All that there are: one process without workers has no child; one that starts or draws has no workers either."""
    for case in itertools.starmap(
        Case, itertools.product((1, 2), (0, 2), MOMENTS, ("parent", "child", "group"), CODES)
    ):
        if (
            case.whom != "child"
            or case.processes == 2
            or (case.workers and case.moment not in ("start-up", "pictures"))
        ):
            yield case


class Pause(Callback):
    """Leaves a mark at a moment, once, and goes on when the signal has been sent."""

    def __init__(self, moment: str, place: str, step: int = 5) -> None:
        self.moment = moment
        self.place = Path(place)
        self.step = step

    def reach(self, trainer: pl.Trainer, moment: str) -> None:
        if moment != self.moment or trainer.global_step < self.step or trainer.sanity_checking:
            return
        self.moment = "passed"
        (self.place / f"rank{trainer.global_rank}").touch()
        patience = time.monotonic() + PATIENCE
        while not (self.place / TOLD).exists() and time.monotonic() < patience:
            time.sleep(0.01)

    def on_train_batch_start(self, trainer: pl.Trainer, *_: object) -> None:
        self.reach(trainer, "step")

    def on_validation_batch_start(self, trainer: pl.Trainer, *_: object) -> None:
        self.reach(trainer, "validation")

    def on_save_checkpoint(self, trainer: pl.Trainer, *_: object) -> None:
        self.reach(trainer, "save")

    def on_fit_end(self, trainer: pl.Trainer, *_: object) -> None:
        self.reach(trainer, "pictures")


class Found(NamedTuple):
    """What came of a signal: exit code, seconds to the end of all processes, what was said, and what is wrong."""

    code: int
    seconds: float
    said: str
    wrong: list[str]


def measure(case: Case, place: Path) -> Found:
    """Train in ``place``, tell it at the moment, and look at what is left."""
    runs = place / "runs"
    options = [f"--data.num_workers={case.workers}", *(TWO if case.processes == 2 else [])]
    if case.moment == "start-up":
        process = start_python(runs, *options)
        wait_until(process, lambda: _imports_torch(process, case), "import of torch")
    else:
        pause = ["--trainer.callbacks+=tests.runs.signal_table.Pause", f"--trainer.callbacks.moment={case.moment}"]
        process = start(runs, *options, "--trust=tests", *pause, f"--trainer.callbacks.place={place}")
        marks = [place / f"rank{rank}" for rank in range(case.processes)]
        wait_until(process, lambda: all(mark.exists() for mark in marks), f"{case.moment} on all processes")
    number, begun = signal.Signals[case.signal], time.monotonic()
    match case.whom:
        case "parent":
            process.send_signal(number)
        case "child":
            os.kill(children(process.pid)[0], number)
        case "group":
            os.killpg(process.pid, number)
    (place / TOLD).touch()
    code, said = finish(process)
    while _session(process) and time.monotonic() - begun < LEFT_SECONDS:
        time.sleep(0.05)
    return Found(code, time.monotonic() - begun, said, list(_wrong(case, process, code, said, runs)))


def _wrong(case: Case, process: Process, code: int, said: str, runs: Path) -> Iterator[str]:
    if code != case.code:
        yield f"exit code {code}, not {case.code}"
    if "Traceback" in said:
        yield "a traceback"
    if left := _session(process):
        yield f"{len(left)} processes are left after {LEFT_SECONDS} s"
    if case.moment == "start-up":
        return
    run = the_run(runs)
    saved, done = last_checkpoint(run)["global_step"], steps_done(run)
    if saved != done:
        yield f"saved at step {saved} of {done}"
    ended = case.moment == "pictures" or not case.code
    if ended and PICTURES - {file.name for file in run.iterdir()}:
        yield "pictures are missing"
    if ended and "test it" not in said:
        yield "the table of the end is missing"


def children(process: int) -> list[int]:
    """Those of ``process``, the eldest first: a second one that trains comes before workers."""
    return [pid for pid in _processes() if _stat(pid)[1:2] == [str(process)]]


def _session(process: Process) -> list[int]:
    """All that it has started and is still there."""
    return [pid for pid in _processes() if _stat(pid)[3:4] == [str(process.pid)]]


def _imports_torch(process: Process, case: Case) -> bool:
    """Whether the last one to start does so already: before a new Python begins it is a copy of who has started it."""
    if case.processes == 1:
        told, name = process.pid, PROGRAM
    else:
        told, name = next(iter(children(process.pid)), 0), f"{PROGRAM}.__main__"  # as Lightning calls it
    try:
        begun = name in Path(f"/proc/{told}/cmdline").read_text()
        return begun and "libtorch_python" in Path(f"/proc/{told}/maps").read_text()
    except OSError:
        return False


def _processes() -> list[int]:
    return sorted(int(entry.name) for entry in Path("/proc").iterdir() if entry.name.isdigit())


def _stat(process: int) -> list[str]:
    """State, parent, group, session and so on; nothing of a process that is gone, or only waits to be asked."""
    try:
        fields = Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()
    except OSError:
        return []
    return [] if fields[0] == "Z" else fields


def main(file: Path) -> None:
    """Measure what ``file`` has no row of."""
    measured = {tuple(line.split()[:5]) for line in file.read_text().splitlines()} if file.exists() else set()
    for case in cases():
        words = tuple(str(value) for value in case)
        if words in measured:
            continue
        with tempfile.TemporaryDirectory() as place:
            found = measure(case, Path(place))
        verdict = "; ".join(found.wrong) or "ok"
        row = "{:<2}{:<2}{:<11}{:<7}{:<8}".format(*words) + f"{found.code:>4}{found.seconds:>7.1f}  {verdict}"
        print(row, flush=True)
        with file.open("a") as table:
            table.write(f"{row}\n")
        if found.wrong:
            print(found.said, flush=True)


if __name__ == "__main__":
    main(Path(sys.argv[1]))
