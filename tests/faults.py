"""What goes wrong in training, made to happen at a step."""

import os
import signal
import time
from typing import Any

import lightning.pytorch as pl
import torch
from lightning.pytorch.callbacks import Callback

from inception_lightning.training.classifier import InceptionClassifier


class Fault(Callback):
    """Does harm once, on one process, and prints when."""

    def __init__(self, what: str, step: int = 5, rank: int = 0, number: str = "SIGTERM") -> None:
        self.what = what
        self.step = step
        self.rank = rank
        self.number = signal.Signals[number]

    def is_due(self, trainer: pl.Trainer, *kinds: str) -> bool:
        mine = trainer.global_rank == self.rank and trainer.global_step >= self.step and self.what in kinds
        if mine:
            self.kind, self.what = self.what, "done"
            print(f"fault at {time.time():.3f}", flush=True)
        return mine

    def signal(self) -> None:
        os.kill(os.getpid(), self.number)

    def on_train_batch_start(
        self, trainer: pl.Trainer, pl_module: pl.LightningModule, batch: Any, batch_idx: int
    ) -> None:
        assert isinstance(pl_module, InceptionClassifier)
        if self.is_due(trainer, "step"):
            self.signal()
        if self.is_due(trainer, "kill"):
            os.kill(os.getpid(), signal.SIGKILL)
        if self.is_due(trainer, "error"):
            raise ZeroDivisionError("the culprit")
        if self.is_due(trainer, "worker"):
            loader: Any = trainer.train_dataloader
            os.kill(loader._iterator._workers[0].pid, signal.SIGKILL)
        if self.is_due(trainer, "main", "head", "gradient"):
            weights = dict(pl_module.net.named_parameters())
            if self.kind == "gradient":
                weights["classifier.weight"].register_hook(_spoil)
            else:
                name = next(name for name in weights if name.startswith("aux") == (self.kind == "head"))
                weights[name].data.fill_(torch.nan)

    def on_validation_batch_start(
        self, trainer: pl.Trainer, pl_module: pl.LightningModule, batch: Any, batch_idx: int, dataloader_idx: int = 0
    ) -> None:
        if not trainer.sanity_checking and batch_idx == 1 and self.is_due(trainer, "validation"):
            self.signal()

    def on_save_checkpoint(
        self, trainer: pl.Trainer, pl_module: pl.LightningModule, checkpoint: dict[str, Any]
    ) -> None:
        if self.is_due(trainer, "save"):
            self.signal()


def _spoil(gradient: torch.Tensor) -> torch.Tensor:
    return gradient * torch.nan
