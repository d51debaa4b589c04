"""How fast a run trains, and what it waits for."""

import re
import sys
import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import lightning.pytorch as pl
import torch
from lightning.pytorch.callbacks import Callback

from inception_lightning.runs.metrics_csv import MetricsFile
from inception_lightning.runs.wandb import boards


@dataclass
class Stretch:
    """What some training steps took together.

    Attributes:
        images: Images of all processes.
        steps: Batches.
        seconds: Wall-clock time, validation and the start of the loader's workers left out.
        waited: The seconds of these that passed between two steps: waiting for the data, and logging.
    """

    images: int = 0
    steps: int = 0
    seconds: float = 0.0
    waited: float = 0.0

    @property
    def images_per_second(self) -> float:
        """Training images per second over all processes, 0 before the first."""
        return self.images / self.seconds if self.seconds else 0.0

    def per_step(self) -> dict[str, float]:
        """Images per second; milliseconds of a step, and of those the wait for its data."""
        steps = max(self.steps, 1)
        return {
            "speed/images_per_second": self.images_per_second,
            "speed/step_ms": 1e3 * self.seconds / steps,
            "speed/data_wait_ms": 1e3 * self.waited / steps,
        }


class Speed(Callback):
    """Logs ``speed/*`` to ``speed.csv`` and W&B at every logged step: means over the steps since the last.

    Not to ``metrics.csv``, which a resumed run repeats to the bit. A GPU works behind the clock's back: its
    steps are right on average, and the wait is the time that the process waited, at most.
    """

    def __init__(self, folder: Path | None = None) -> None:
        """Log into the run's ``folder`` too, if there is one."""
        self.file = MetricsFile(folder / "speed.csv") if folder else None
        self.run = Stretch()
        self.recent = Stretch()
        self.clock: float | None = None  # the end of the step before, if one was just before
        self.wait = 0.0

    def on_train_epoch_start(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """Start anew: the epoch's first batch waits for the workers to start."""
        self.clock = None

    def on_train_batch_start(
        self, trainer: pl.Trainer, pl_module: pl.LightningModule, batch: Any, batch_idx: int
    ) -> None:
        """Note how long the batch was waited for."""
        now = time.perf_counter()
        if self.clock is None:
            self.clock = now
        self.wait = now - self.clock

    def on_train_batch_end(
        self, trainer: pl.Trainer, pl_module: pl.LightningModule, outputs: Any, batch: Any, batch_idx: int
    ) -> None:
        """Count the batch and the time since the one before."""
        assert self.clock is not None
        now, images = time.perf_counter(), images_in(batch)
        for stretch in (self.run, self.recent):
            stretch.images += images * trainer.world_size
            stretch.steps += 1
            stretch.seconds += now - self.clock
            stretch.waited += self.wait
        self.clock = now
        every: int = trainer.log_every_n_steps  # type: ignore[attr-defined]  # set by the logger connector; 0: never
        if trainer.is_global_zero and every and (batch_idx + 1) % every == 0:
            self._log(trainer)

    def on_validation_end(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """Validation is no training time."""
        self.clock = None

    def _log(self, trainer: pl.Trainer) -> None:
        row = self.recent.per_step() | {"speed/memory_gib": peak_memory(trainer.strategy.root_device)}
        self.recent = Stretch()
        if self.file is not None:
            self.file.log_metrics(row, trainer.global_step)
        for board in boards(trainer):
            board.log_metrics(row, trainer.global_step)


def images_in(batch: Any) -> int:
    """How many images a batch has: the length of its first tensor, wherever that is."""
    if isinstance(batch, torch.Tensor):
        return len(batch) if batch.ndim else 0
    parts = batch.values() if isinstance(batch, Mapping) else batch if isinstance(batch, list | tuple) else ()
    return next((count for count in map(images_in, parts) if count), 0)


def peak_memory(device: torch.device) -> float:
    """The most memory that this process has held so far, in GiB: the GPU's, or without one the process's own."""
    if device.type == "cuda":
        return torch.cuda.max_memory_allocated(device) / 2**30
    if sys.platform == "linux":  # where getrusage begins with the memory of the program that started this one
        found = re.search(r"VmHWM:\s+(\d+) kB", Path("/proc/self/status").read_text())
        return int(found[1]) / 2**20 if found else 0.0
    if sys.platform == "win32":
        return 0.0  # not known
    import resource  # Windows has none

    unit = 1 if sys.platform == "darwin" else 2**10  # bytes there, kibibytes elsewhere
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit / 2**30
