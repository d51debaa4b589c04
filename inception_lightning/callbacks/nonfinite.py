"""A loss that is not a number ends the run at once, instead of training on nothing for days."""

from collections.abc import Mapping
from typing import Any

import lightning.pytorch as pl
import torch
from lightning.pytorch.callbacks import Callback
from torch import Tensor, distributed
from torch.optim import Optimizer

from inception_lightning.errors import Stop
from inception_lightning.loading.loaders import TrainLoader
from inception_lightning.loading.views import RandomViews

SHOWN = 32


class FiniteGuard(Callback):
    """Stops all processes at the step whose loss or gradients are not finite; no checkpoint is saved after it.

    Under ``16-mixed`` gradients that overflow are skipped by the scaler, so only the loss counts there.
    """

    def __init__(self) -> None:
        self.finite: Tensor | None = None  # of the gradients, still on the device

    def on_before_optimizer_step(
        self, trainer: pl.Trainer, pl_module: pl.LightningModule, optimizer: Optimizer
    ) -> None:
        """Look at the gradients, without waiting for the device."""
        gradients = [value.grad for value in pl_module.parameters() if value.grad is not None]
        if gradients and trainer.precision != "16-mixed":
            self.finite = torch.nn.utils.get_total_norm(gradients).isfinite()

    def on_train_batch_end(
        self, trainer: pl.Trainer, pl_module: pl.LightningModule, outputs: Any, batch: Any, batch_idx: int
    ) -> None:
        """Stop where a process has seen a loss or gradients that are not finite."""
        if not isinstance(outputs, Mapping) or "loss" not in outputs:
            return  # a training step of somebody's own that optimizes by hand
        loss = outputs["loss"].detach()
        own = loss.isfinite().all()
        good = own if self.finite is None else own & self.finite.to(own.device)
        self.finite = None
        all_good = good.to(torch.uint8)
        if trainer.world_size > 1:
            distributed.all_reduce(all_good, distributed.ReduceOp.MIN)
        if not all_good:
            self._stop(trainer, float(loss))

    def _stop(self, trainer: pl.Trainer, loss: float) -> None:
        reports = [(loss, _listed(trainer.train_dataloader))]
        if trainer.world_size > 1:
            reports = reports * trainer.world_size
            distributed.all_gather_object(reports, reports[trainer.global_rank])
        rate = trainer.optimizers[0].param_groups[0]["lr"]
        culprits = [
            f"the loss is {value} on process {rank}, of the training images {seen}"
            for rank, (value, seen) in enumerate(reports)
            if not torch.tensor(value).isfinite()
        ]
        what = "; ".join(culprits) or f"the gradients are not finite, the loss is {loss:g}, images {reports[0][1]}"
        step = trainer.global_step
        raise Stop(f"step {step}, learning rate {rate:g}: {what}. Try a lower rate, or look at these images", 65)


def _listed(loader: object) -> str:
    """The images of the last batch, by their files where they have any."""
    if not isinstance(loader, TrainLoader) or not isinstance(loader.dataset, RandomViews):
        return "(of an unknown loader)"
    indices = loader.indices()
    more = f" and {len(indices) - SHOWN} more" if len(indices) > SHOWN else ""
    return ", ".join(loader.dataset.dataset.name(index) for index in indices[:SHOWN]) + more
