"""Averaged weights that are evaluated, selected on, saved and resumed as what they are."""

from collections.abc import Sequence
from typing import Any

import lightning.pytorch as pl
import torch
from lightning.pytorch.callbacks import WeightAveraging
from lightning.pytorch.trainer.states import TrainerFn
from torch import Tensor

from inception_lightning.errors import InputError


class WeightAverage(WeightAveraging):
    """A running average of the weights and of the batch-norm statistics, as the papers evaluate them.

    Validation during training, and everything after it, sees the averages. A checkpoint holds the
    averages as its weights and, to go on from, the trained weights as ``current_model_state``.

    Lightning's own keeps the averages on the CPU while a GPU trains, averages tensor by tensor, saves
    the two the wrong way round in the middle of a validation, and tests a checkpoint's trained weights
    with the Trainer that fitted them.
    """

    def __init__(self, decay: float = 0.9999) -> None:
        """Say how slowly the average follows.

        Args:
            decay: What the average keeps at each step, 0..1. The first steps keep less, as TensorFlow
                has it: (1 + n) / (10 + n) after n of them, so that the start is soon forgotten.

        Raises:
            InputError: It is out of range.
        """
        if not 0 <= decay <= 1:
            raise InputError(f"ema_decay must be 0..1, got {decay}")
        self.decay = decay
        self.shown = False  # whether the module holds the averages, and the averages' place the trained weights
        super().__init__(multi_avg_fn=self._average)

    def setup(self, trainer: pl.Trainer, pl_module: pl.LightningModule, stage: str) -> None:
        """Start the average where the module will be."""
        if stage != "fit":
            return
        self._device = trainer.strategy.root_device
        self.shown = False
        super().setup(trainer, pl_module, stage)
        assert self._average_model is not None
        self._average_model.n_averaged = torch.tensor(0)  # on the CPU: each step reads it

    def on_validation_epoch_start(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """Show the averages."""
        self._show(pl_module, True)

    def on_validation_epoch_end(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """Go on with the trained weights where training goes on."""
        if trainer.state.fn == TrainerFn.FITTING:
            self._show(pl_module, False)

    def on_train_end(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """Leave the averages."""
        self._show(pl_module, True)

    def on_save_checkpoint(
        self, trainer: pl.Trainer, pl_module: pl.LightningModule, checkpoint: dict[str, Any]
    ) -> None:
        """Save both, whichever of them the module holds now."""
        super().on_save_checkpoint(trainer, pl_module, checkpoint)
        if self.shown:
            averages, trained = checkpoint["current_model_state"], checkpoint["state_dict"]
            checkpoint["state_dict"], checkpoint["current_model_state"] = averages, trained

    def on_load_checkpoint(
        self, trainer: pl.Trainer, pl_module: pl.LightningModule, checkpoint: dict[str, Any]
    ) -> None:
        """Go on with the trained weights; to evaluate, the averages are loaded already."""
        if trainer.state.fn == TrainerFn.FITTING:
            super().on_load_checkpoint(trainer, pl_module, checkpoint)

    def _show(self, pl_module: pl.LightningModule, averages: bool) -> None:
        if self._average_model is not None and self.shown != averages:
            self._swap_models(pl_module)
            self.shown = averages

    @torch.no_grad()
    def _average(self, averages: Sequence[Tensor], weights: Sequence[Tensor], count: Tensor) -> None:
        assert self._average_model is not None
        averaged = int(self._average_model.n_averaged)  # `count` is the same on the device, which would have to wait
        decay = min(self.decay, (1 + averaged) / (10 + averaged))
        if averages[0].is_floating_point():
            torch._foreach_lerp_(list(averages), list(weights), 1 - decay)
        else:  # counters
            torch._foreach_copy_(list(averages), list(weights))
