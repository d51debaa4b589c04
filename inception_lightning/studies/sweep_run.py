"""One run of a sweep while it runs: its process, its state and its newest scores."""

import csv
import ctypes
import functools
import os
import signal
import subprocess
import sys
import time
from dataclasses import dataclass, field
from pathlib import Path

from inception_lightning.studies.sweep_file import FINAL, Run, label

STOP_SECONDS = 30.0  # for a run that is told to stop
DIES_WITH_PARENT = 1  # PR_SET_PDEATHSIG


@dataclass
class Progress:
    """Where one run of a sweep is."""

    run: Run
    state: str = "waiting"
    process: subprocess.Popen[bytes] | None = None
    slot: int = 0
    start: float = 0.0
    seconds: float = 0.0
    exit_code: int = 0
    shown: dict[str, str] = field(default_factory=dict)

    def launch(self, slot: int, environment: dict[str, str]) -> None:
        """Start it, unless it is running in another process."""
        lock = self.run.lock()
        if lock is None:
            self.state = "busy"
            return
        if self.run.done:  # by the other process, meanwhile
            os.close(lock)
            self.state = "kept"
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
                    preexec_fn=functools.partial(_stop_with, os.getpid()) if sys.platform == "linux" else None,
                )
        finally:
            os.close(lock)
        self.state, self.slot, self.start = "running", slot, time.monotonic()

    def poll(self) -> bool:
        """Whether it has ended since it was last asked."""
        if self.process is None or self.state != "running":
            return False
        code = self.process.poll()
        self.seconds = time.monotonic() - self.start
        self.shown = newest_scores(self.run.folder) or self.shown
        if code is None:
            return False
        self.exit_code = code
        self.run.finish(code, self.seconds)
        self.state = "done" if code in FINAL else "failed"
        return True

    def stop(self) -> None:
        """Tell it to stop, and wait until it has."""
        if self.process is not None and self.process.poll() is None:
            self.process.terminate()
            try:
                self.process.wait(STOP_SECONDS)
            except subprocess.TimeoutExpired:
                self.process.kill()

    def line(self) -> str:
        """What it is and how it went."""
        scores = "  ".join(f"{name} {value}" for name, value in self.shown.items())
        last = "" if self.exit_code in FINAL else f"  exit code {self.exit_code}: {last_line(self.run.folder)}"
        return f"{self.state:8}{label(self.run.choice)}  {scores}  {self.seconds:.0f} s{last}"


def newest_scores(folder: Path) -> dict[str, str]:
    """The last validation in a run's newest ``metrics.csv``; nothing where there is none yet."""
    files = sorted(folder.glob("*/metrics.csv"), key=lambda path: path.stat().st_mtime)
    if not files:
        return {}
    with files[-1].open(newline="") as file:
        rows = [row for row in csv.DictReader(file) if row.get("val/top1")]
    return {"epoch": str(int(rows[-1]["epoch"]) + 1), "val/top1": f"{float(rows[-1]['val/top1']):.4f}"} if rows else {}


def last_line(folder: Path) -> str:
    """The last line that a run printed."""
    lines = (folder / "output.log").read_text(errors="replace").strip().splitlines()
    return lines[-1] if lines else ""


def _stop_with(parent: int) -> None:
    # a sweep that is killed outright tells its runs nothing: the kernel does
    ctypes.CDLL(None).prctl(DIES_WITH_PARENT, signal.SIGTERM)
    if os.getppid() != parent:  # it was killed just now
        os._exit(128 + signal.SIGTERM)
