"""A callback of one's own."""

from typing import Any

import lightning.pytorch as pl
import torch
from lightning.pytorch.callbacks import Callback


class WeightNorm(Callback):
    """Logs how long all weights together are."""

    def __init__(self, *, every_n_steps: int = 10) -> None:
        """Say how often."""
        self.every_n_steps = every_n_steps

    def on_train_batch_end(
        self, trainer: pl.Trainer, pl_module: pl.LightningModule, outputs: Any, batch: Any, batch_idx: int
    ) -> None:
        """Log it."""
        if trainer.global_step % self.every_n_steps == 0:
            norms = [parameter.detach().norm() for parameter in pl_module.parameters()]
            pl_module.log("weight_norm", torch.stack(norms).norm())
