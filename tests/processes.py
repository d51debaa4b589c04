"""Training in processes of its own, to be killed."""

import os
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


def start(place: Path, *args: str, **environment: str) -> subprocess.Popen[str]:
    """``fit`` in a new process, its runs in ``place``."""
    return program("fit", *SMALL, f"--trainer.default_root_dir={place}", *args, **environment)


def program(*args: str, **environment: str) -> subprocess.Popen[str]:
    """The program in a new process."""
    return subprocess.Popen(
        [sys.executable, "-m", "inception_lightning", *args],
        cwd=ROOT,
        env=os.environ | {"PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1"} | environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
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


def rows(place: Path) -> int:
    """Rows in the ``metrics.csv`` of the newest run in ``place``."""
    files = sorted(place.glob("*/metrics.csv"))
    return len(files[-1].read_text().splitlines()) - 1 if files else 0


def outcome(run: Path, checkpoint: Path | None = None) -> tuple[dict[str, Any], str]:
    """The last checkpoint, without what differs from run to run, and ``metrics.csv``."""
    path = checkpoint or run / "checkpoints" / "last.ckpt"
    content = torch.load(path, weights_only=True)
    return content, (run / "metrics.csv").read_text()


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
