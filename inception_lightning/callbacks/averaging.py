"""Averaged weights that are evaluated, selected on, saved and resumed as what they are."""

from collections.abc import Iterable
from typing import Any

import lightning.pytorch as pl
import torch
from lightning.pytorch.callbacks import WeightAveraging
from lightning.pytorch.trainer.states import TrainerFn
from torch import Tensor, nn

from inception_lightning.errors import InputError


class WeightAverage(WeightAveraging):
    """A running average of the weights and of the batch-norm statistics, as the papers evaluate them.

    Validation during training, and everything after it, sees the averages. A checkpoint holds the
    averages as its weights and, to go on from, the trained weights as ``current_model_state``.

    Lightning's own keeps the averages on the CPU while a GPU trains, waits for it at each step, averages tensor by
    tensor, saves the two the wrong way round in the middle of a validation, and tests a checkpoint's trained
    weights with the Trainer that fitted them.
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
        self.averaged = 0  # steps
        super().__init__()

    def setup(self, trainer: pl.Trainer, pl_module: pl.LightningModule, stage: str) -> None:
        """Start the average where the module will be."""
        if stage != "fit":
            return
        self._device = trainer.strategy.root_device
        self.shown = False
        super().setup(trainer, pl_module, stage)
        assert self._average_model is not None
        self._average_model.n_averaged = torch.tensor(0)  # on the CPU, where it is only written

    def on_train_start(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """Count on where the run has stopped."""
        assert self._average_model is not None
        self.averaged = int(self._average_model.n_averaged)

    def on_train_batch_end(
        self, trainer: pl.Trainer, pl_module: pl.LightningModule, outputs: Any, batch: Any, batch_idx: int
    ) -> None:
        """Follow the weights, once in a step."""
        step = trainer.global_step
        if step > self._latest_update_step and self.should_update(step_idx=step - 1):
            self._follow(pl_module)
            self._latest_update_step = step

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
    def _follow(self, pl_module: pl.LightningModule) -> None:
        assert self._average_model is not None
        decay = min(self.decay, (1 + self.averaged) / (10 + self.averaged))
        for averages, weights in _by_type(self._average_model.module, pl_module):
            if self.averaged and averages[0].is_floating_point():
                torch._foreach_lerp_(averages, weights, 1 - decay)
            else:  # the first, and counters
                torch._foreach_copy_(averages, weights)
        self.averaged += 1
        self._average_model.n_averaged.fill_(self.averaged)


def _by_type(*modules: nn.Module) -> Iterable[tuple[list[Tensor], ...]]:
    """The parameters and buffers of modules that are alike, those of one type together."""
    groups: dict[torch.dtype, tuple[list[Tensor], ...]] = {}
    for alike in zip(*([*module.parameters(), *module.buffers()] for module in modules), strict=True):
        group = groups.setdefault(alike[0].dtype, tuple([] for _ in modules))
        for tensors, tensor in zip(group, alike, strict=True):
            tensors.append(tensor.detach())
    return groups.values()
