"""Training in processes of its own, to be killed."""

import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch

ROOT = Path(__file__).parent.parent
SMALL = [
    "--config=experiments/quickstart.yaml",
    "--wandb.mode=disabled",
    "--model.net.width=0.1",
    "--trainer.max_epochs=3",
    "--trainer.limit_train_batches=8",
    "--trainer.limit_val_batches=3",
    "--trainer.log_every_n_steps=1",
    "--trainer.accelerator=cpu",
    "--trainer.enable_progress_bar=false",
    "--data.num_workers=0",
]
"""24 steps in three epochs, with dropout, a schedule and an auxiliary head, on real digits."""
AVERAGED = "--ema_decay=0.99"
FAULT = ["--trust-config", "--trainer.callbacks+=tests.faults.Fault"]
NO_FAULT = ["--trust-config", "--trainer.callbacks=[]"]
TWO = ["--trainer.devices=2", "--trainer.strategy=ddp"]
PARTS = (
    *("state_dict", "current_model_state", "averaging_state", "optimizer_states", "lr_schedulers"),
    *("loops", "continuation", "epoch", "global_step"),
)
"""Of a checkpoint, what does not name a place on the disk."""


def start(place: Path, *args: str, **environment: str) -> subprocess.Popen[str]:
    """``fit`` in a new process, with averaged weights, its runs in ``place``."""
    return program("fit", *SMALL, AVERAGED, f"--trainer.default_root_dir={place}", *args, place=ROOT, **environment)


def program(*args: str, place: Path = ROOT, **environment: str) -> subprocess.Popen[str]:
    """The program in a new process, with ``place`` as its current folder."""
    return subprocess.Popen(
        [sys.executable, "-m", "inception_lightning", *args],
        cwd=place,
        env=os.environ | {"PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1"} | environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        start_new_session=True,  # a group of its own, which can be told as a whole
    )


def finish(process: subprocess.Popen[str], seconds: float = 120) -> tuple[int, str]:
    """Exit code and output of a process that ends by itself."""
    output, _ = process.communicate(timeout=seconds)
    return process.returncode, output


def wait_until(process: subprocess.Popen[str], condition: Callable[[], bool], seconds: float = 90) -> None:
    """Wait while the process lives."""
    patience = time.monotonic() + seconds
    while not condition():
        assert process.poll() is None, finish(process)
        assert time.monotonic() < patience
        time.sleep(0.005)


def kill(process: subprocess.Popen[str]) -> None:
    """``kill -9``."""
    process.send_signal(signal.SIGKILL)
    process.wait()
    assert process.stdout is not None
    process.stdout.close()


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
