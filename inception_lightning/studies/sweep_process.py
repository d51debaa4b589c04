"""One run of a sweep as a process: its start, its end, and its newest scores in between."""

import csv
import functools
import os
import subprocess
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal, TypeAlias

from inception_lightning.evaluation.titles import TITLES
from inception_lightning.runs.signals import end_with_parent
from inception_lightning.studies.sweep_run import FINAL, Run, label

STOP_SECONDS = 30.0  # how long a run that is told to stop may take
PR_SET_PDEATHSIG = 1  # of Linux's prctl: the signal that a process gets when its parent dies

SCORES = ("val/top1", "val/average_precision")
"""What shows how a run goes, the latter where images have several labels."""

State: TypeAlias = Literal["waiting", "running", "done", "failed", "done before", "elsewhere"]


@dataclass
class Process:
    """One run of a sweep and its process, if it has been started.

    Attributes:
        run: The run.
        state: ``done before`` the sweep began; ``elsewhere``: another process is running it.
        process: The process, once it has been started.
        slot: Which of the places for runs at a time it has.
        start: When it was started, on the monotonic clock.
        seconds: How long it has run.
        exit_code: That of the process, once it has ended.
        scores: Epoch and accuracy of its last validation, as text.
    """

    run: Run
    state: State = "waiting"
    process: subprocess.Popen[bytes] | None = None
    slot: int = 0
    start: float = 0.0
    seconds: float = 0.0
    exit_code: int = 0
    scores: dict[str, str] = field(default_factory=dict)

    def launch(self, slot: int, environment: dict[str, str]) -> None:
        """Start it, unless another process is running it or has finished it.

        Args:
            slot: Which of the places for runs at a time it gets.
            environment: The process's environment variables.
        """
        lock = self.run.lock()
        if lock is None:
            self.state = "elsewhere"
            return
        if self.run.done:  # meanwhile, by another process
            os.close(lock)
            self.state = "done before"
            return
        try:
            with (self.run.folder / "output.log").open("wb") as output:
                self.process = subprocess.Popen(
                    self.run.command,
                    stdin=subprocess.DEVNULL,
                    stdout=output,
                    stderr=subprocess.STDOUT,
                    env=environment,
                    pass_fds=[lock],  # so the lock lives as long as the run, even when the sweep is killed
                    start_new_session=True,  # Ctrl-C comes to the sweep, which tells its runs
                    preexec_fn=functools.partial(end_with_parent, os.getpid()),
                )
        finally:
            os.close(lock)
        self.state, self.slot, self.start = "running", slot, time.monotonic()

    def poll(self) -> bool:
        """Read its newest scores; whether it has ended since the last call."""
        if self.process is None or self.state != "running":
            return False
        code = self.process.poll()
        self.seconds = time.monotonic() - self.start
        self.scores = newest_scores(self.run.folder) or self.scores
        if code is None:
            return False
        self.exit_code = code
        self.run.finish(code, self.seconds)
        self.state = "done" if code in FINAL else "failed"
        return True

    def stop(self) -> None:
        """Terminate it; kill it if it has not ended within `STOP_SECONDS`."""
        if self.process is not None and self.process.poll() is None:
            self.process.terminate()
            try:
                self.process.wait(STOP_SECONDS)
            except subprocess.TimeoutExpired:
                self.process.kill()

    def line(self) -> str:
        """State, parameters, scores and seconds in one line; of a failed run the exit code and its last words, too."""
        scores = "  ".join(f"{name} {value}" for name, value in self.scores.items())
        last = "" if self.exit_code in FINAL else f"  exit code {self.exit_code}: {last_line(self.run.folder)}"
        return f"{self.state:8}{label(self.run.choice)}  {scores}  {self.seconds:.0f} s{last}"


def newest_scores(folder: Path) -> dict[str, str]:
    """Epoch and score of the last validation in the newest ``metrics.csv`` of a run; empty where there is none yet.

    The score is top-1 or, of several labels, average precision. A file that cannot be read, because it is being written
    just now, is none.
    """
    try:
        newest = max(folder.glob("*/metrics.csv"), key=lambda path: path.stat().st_mtime)
        with newest.open(newline="") as file:
            rows = list(csv.DictReader(file))
        name, last = next((name, row) for name in SCORES for row in reversed(rows) if row.get(name))
        heading = f"{TITLES[name.removeprefix('val/')].removesuffix(', macro')} %"
        return {"epoch": last["epoch"], heading: f"{100 * float(last[name]):.2f}"}
    except (OSError, ValueError, LookupError, TypeError, StopIteration, csv.Error):
        return {}


def last_line(folder: Path) -> str:
    """The last line that a run has printed; empty where it has printed nothing."""
    lines = (folder / "output.log").read_text(errors="replace").strip().splitlines()
    return lines[-1] if lines else ""
