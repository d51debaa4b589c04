"""Training in processes of its own, to be killed."""

import os
import re
import signal
import socket
import subprocess
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch

from tests.forks import ROOT as ROOT
from tests.forks import Process

PATIENCE = 600
"""Seconds that a test waits for what is sure to come, on a machine with ten times as much to do as it has cores."""
SOON = 120
"""Seconds within which all processes of a training that ends are gone, on such a machine; libraries wait for hours."""
LEFT_BEHIND = ("PYTEST_", "INCEPTION_", "WANDB_DATA", "WANDB_CACHE")
"""How variables begin that other runs of this process leave in its environment."""
SMALL = [
    "--config=experiments/quickstart.yaml",
    "--wandb.mode=disabled",
    "--model.net.width=0.05",
    "--model.net.depths=[1,1,1]",
    "--data.batch_size=16",
    "--trainer.max_epochs=3",
    "--trainer.limit_train_batches=8",
    "--trainer.limit_val_batches=3",
    "--trainer.log_every_n_steps=1",
    "--trainer.accelerator=cpu",
    "--trainer.enable_progress_bar=false",
    "--data.num_workers=0",
]
"""24 steps in three epochs, with dropout, a schedule and an auxiliary head, on real digits."""
UNVALIDATED = ["--trainer.limit_val_batches=0", "--checkpoint.monitor=train/loss", "--checkpoint.mode=min"]
"""For runs that are only to be there: nothing is validated, and no confusion matrix drawn."""
AVERAGED = "--ema_decay=0.99"
FAULT = ["--trust-config", "--trainer.callbacks+=tests.faults.Fault"]
NO_FAULT = ["--trust-config", "--trainer.callbacks=[]"]
TWO = ["--trainer.devices=2", "--trainer.strategy=ddp"]
PARTS = (
    *("state_dict", "current_model_state", "averaging_state", "optimizer_states", "lr_schedulers"),
    *("loops", "continuation", "epoch", "global_step"),
)
"""Of a checkpoint, what does not name a place on the disk."""


def start(place: Path, *args: str, **environment: str) -> Process:
    """``fit`` in a new process, with averaged weights, its runs in ``place``."""
    return program(*fit_words(place, *args), place=ROOT, **environment)


def start_two(*args: str) -> list[Process]:
    """The program as two processes of one training that somebody else has started, as torchrun does."""
    port = {"MASTER_ADDR": "127.0.0.1", "MASTER_PORT": str(unused_port()), "WORLD_SIZE": "2", "NODE_RANK": "0"}
    clean = _environment() | port
    words = [*args, *TWO]
    return [Process(words, place=ROOT, environment=clean | {"LOCAL_RANK": str(rank)}) for rank in range(2)]


def start_python(place: Path, *args: str) -> Process:
    """`start` in a Python that has imported nothing yet, as people start it."""
    return Process(fit_words(place, *args), place=ROOT, environment=_environment(), new_python=True)


def program(*args: str, place: Path = ROOT, **environment: str) -> Process:
    """The program in a new process, with ``place`` as its current folder."""
    return Process(args, place=place, environment=_environment() | environment)


def module(name: str, *args: str, **environment: str) -> Process:
    """``python -m name`` in a new process, with W&B's variables only where they are given."""
    clean = {name: value for name, value in _environment().items() if not name.startswith("WANDB_")}
    return Process(args, place=ROOT, environment=clean | environment, module=name)


def fit_words(place: Path, *args: str) -> list[str]:
    """What `start` says to the program."""
    return ["fit", *SMALL, AVERAGED, f"--trainer.default_root_dir={place}", *args]


def _environment() -> dict[str, str]:
    clean = {name: value for name, value in os.environ.items() if not name.startswith(LEFT_BEHIND)}
    return clean | {"PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1"}


def finish(process: Process | subprocess.Popen[str]) -> tuple[int, str]:
    """Exit code and output of a process that ends by itself, and with it all that write to the same place."""
    said: list[str] = []
    assert process.stdout is not None
    reader = threading.Thread(target=said.extend, args=(process.stdout,), daemon=True)
    reader.start()
    reader.join(PATIENCE)
    if reader.is_alive():
        _end(process)
        reader.join()
        pytest.fail(f"no end of the process after {PATIENCE} s; it has said:\n{''.join(said)}")
    process.stdout.close()
    return process.wait(), "".join(said)


def wait_until(process: Process | subprocess.Popen[str], condition: Callable[[], bool], what: str) -> None:
    """Wait for ``what``, which ``condition`` asks for, while the process lives."""
    patience = time.monotonic() + PATIENCE
    while not condition():
        assert process.poll() is None, f"the process has ended before {what}: {finish(process)}"
        if time.monotonic() > patience:
            _end(process)
            pytest.fail(f"no {what} after {PATIENCE} s; the process has said:\n{finish(process)[1]}")
        time.sleep(0.01)


def wait_for_rows(process: Process, place: Path, count: int, since: float = 0.0) -> None:
    """Wait until the newest run in ``place`` has ``count`` `rows`."""
    wait_until(process, lambda: rows(place, since) >= count, f"{count} rows of metrics.csv in {place}")


def _end(process: Process | subprocess.Popen[str]) -> None:
    if isinstance(process, Process):
        os.killpg(process.pid, signal.SIGKILL)
    else:
        process.kill()


def kill(process: Process) -> None:
    """``kill -9``."""
    process.send_signal(signal.SIGKILL)
    process.wait()
    process.stdout.close()


def unused_port() -> int:
    """A port of this machine that nobody listens on."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def rows(place: Path, since: float = 0.0) -> int:
    """Rows in the ``metrics.csv`` of the newest run in ``place``; 0 before it is written, after ``since``."""
    files = sorted(place.glob("*/metrics.csv"))
    written = bool(files) and files[-1].stat().st_mtime >= since
    return len(files[-1].read_text().splitlines()) - 1 if written else 0


def seconds_since_fault(output: str) -> float:
    """What has passed since `tests.faults.Fault` did its harm, the end of all processes included."""
    (moment,) = re.findall(r"fault at ([\d.]+)", output)
    return time.time() - float(moment)


def the_run(place: Path) -> Path:
    """The only run in ``place``."""
    (run,) = place.glob("2*")
    return run


def last_checkpoint(run: Path) -> dict[str, Any]:
    """What ``last.ckpt`` holds."""
    content: dict[str, Any] = torch.load(run / "checkpoints" / "last.ckpt", weights_only=True)
    return content


def assert_same_run(one: Path, other: Path, other_checkpoints: Path | None = None) -> None:
    """Two runs ended in the same state, bit by bit, and logged the same; so do their best checkpoints."""
    assert (one / "metrics.csv").read_text() == (other / "metrics.csv").read_text()
    for name in ("last.ckpt", "best.ckpt"):
        expected = torch.load(one / "checkpoints" / name, weights_only=True)
        found = torch.load((other_checkpoints or other / "checkpoints") / name, weights_only=True)
        for part in PARTS:
            assert_same(expected[part], found[part], f"{name}: {part}")


def assert_same(one: Any, other: Any, path: str = "") -> None:
    """Bit by bit."""
    assert type(one) is type(other), path
    if isinstance(one, torch.Tensor):
        assert torch.equal(one, other), path
    elif isinstance(one, dict):
        assert one.keys() == other.keys(), path
        for key in one:
            assert_same(one[key], other[key], f"{path}.{key}")
    elif isinstance(one, list | tuple):
        assert len(one) == len(other), path
        for index, (left, right) in enumerate(zip(one, other, strict=True)):
            assert_same(left, right, f"{path}.{index}")
    else:
        assert one == other, path
