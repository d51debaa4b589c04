"""A loss that is not a number ends the run at once, instead of training on nothing for days."""

import math
from collections import deque
from collections.abc import Mapping
from typing import Any, NamedTuple

import lightning.pytorch as pl
import torch
from lightning.pytorch.callbacks import Callback
from torch import Tensor
from torch.optim import Optimizer

from inception_lightning.callbacks.agreement import Agreement, Arrival
from inception_lightning.errors import Stop
from inception_lightning.loading.loaders import TrainLoader
from inception_lightning.loading.views import RandomViews

SHOWN = 32

LATEST = 4
"""So many batches may still be unread: a GPU has that much to do ahead of it, and is never idle for the guard."""

REMEMBERED = 4 * LATEST
"""So many batches can still be told about when another process has found a loss that is not finite."""


class Seen(NamedTuple):
    """A batch that is done, and what is known of it."""

    batch: int  # counted from the start of training
    step: int
    rate: float
    place: int | None  # in the loader; None where that does not know it
    numbers: Arrival  # its loss, and the norm of its step's gradients

    def loss(self) -> float:
        """Its loss; waits for it."""
        return self.numbers.read()[0]

    def is_finite(self) -> bool:
        """Whether loss and gradients are; waits for them."""
        return all(map(math.isfinite, self.numbers.read()))


class FiniteGuard(Callback):
    """Stops all processes at a step whose loss or gradients are not finite; no checkpoint holds what came of it.

    Nobody waits for the device: loss and gradients are looked at as they arrive, on a GPU up to four batches late, and
    what is said is said of the batch that was the first. Before a validation and before anything is saved they are
    waited for. Under ``16-mixed`` gradients that overflow are skipped by the scaler, so only the loss counts there.
    """

    def __init__(self) -> None:
        self.norm: Tensor | None = None  # of the gradients, still on the device
        self.recent: deque[Seen] = deque(maxlen=REMEMBERED)
        self.unread = 0  # of the recent ones, the last
        self.batches = 0
        self.settled = 0  # batches of which all processes know that they were good
        self.bad = False
        self.agreement: Agreement

    def on_train_start(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """Meet the other processes."""
        self.agreement = Agreement(trainer.world_size)

    def on_before_optimizer_step(
        self, trainer: pl.Trainer, pl_module: pl.LightningModule, optimizer: Optimizer
    ) -> None:
        """Send for the norm of the gradients."""
        moved = (value for group in optimizer.param_groups for value in group["params"])
        gradients = [value.grad for value in moved if value.grad is not None]
        if gradients and trainer.precision != "16-mixed":
            self.norm = torch.nn.utils.get_total_norm(gradients)

    def on_train_batch_end(
        self, trainer: pl.Trainer, pl_module: pl.LightningModule, outputs: Any, batch: Any, batch_idx: int
    ) -> None:
        """Send for the batch's loss; stop where a process has found that one before was not finite."""
        self.batches += 1
        if isinstance(outputs, Mapping) and "loss" in outputs:  # not a step of one's own that optimizes by hand
            self._note(trainer, outputs["loss"].detach())
        self.norm = None
        self._read(LATEST)
        (bad,) = self.agreement.hear(int(self.bad))
        if bad:
            self._stop(trainer)
        self.agreement.say(int(self.bad))

    def on_validation_start(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """Validate and save nothing that has come of a loss that is not finite."""
        self._settle(trainer)

    def on_train_epoch_end(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """See to it that the epoch was good before it is saved."""
        self._settle(trainer)

    def on_save_checkpoint(
        self, trainer: pl.Trainer, pl_module: pl.LightningModule, checkpoint: dict[str, Any]
    ) -> None:
        """Let nothing be written before the numbers of all its steps are known."""
        self._settle(trainer)

    def on_train_end(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """Leave nothing unread, and nobody waiting for an answer."""
        self._settle(trainer)
        self.agreement.close()

    def _note(self, trainer: pl.Trainer, loss: Tensor) -> None:
        loss = loss.float().mean()
        norm = torch.zeros_like(loss) if self.norm is None else self.norm.to(loss)
        loader, rate = trainer.train_dataloader, trainer.optimizers[0].param_groups[0]["lr"]
        place = loader.batches if isinstance(loader, TrainLoader) else None
        seen = Seen(self.batches, trainer.global_step, rate, place, Arrival(torch.stack([loss, norm])))
        self.recent.append(seen)
        self.unread += 1

    def _read(self, left: int) -> None:
        """Look at what has arrived, and wait for it where more than ``left`` batches would stay unread."""
        while self.unread and (self.unread > left or self.recent[-self.unread].numbers.is_here()):
            self.bad = self.bad or not self.recent[-self.unread].is_finite()
            self.unread -= 1

    def _settle(self, trainer: pl.Trainer) -> None:
        if self.settled == self.batches:
            return
        self._read(0)
        (bad,) = self.agreement.now(int(self.bad))
        if bad:
            self._stop(trainer)
        self.settled = self.batches

    def _stop(self, trainer: pl.Trainer) -> None:
        """Say which batch was the first on any process, and what each process saw of it."""
        self.agreement.close()
        self._read(0)
        first = next((seen.batch for seen in self.recent if not seen.is_finite()), self.batches)
        first = -self.agreement.now(-first)[0]
        own = next(seen for seen in self.recent if seen.batch == first)
        reports = self.agreement.gather((own.loss(), _listed(trainer.train_dataloader, own.place)))
        culprits = [
            f"the loss is {value} on process {rank}, of the training images {seen}"
            for rank, (value, seen) in enumerate(reports)
            if not math.isfinite(value)
        ]
        loss, images = reports[0]
        what = "; ".join(culprits) or f"the gradients are not finite, the loss is {loss:g}, images {images}"
        where = f"step {own.step}, learning rate {own.rate:g}"
        raise Stop(f"{where}: {what}. Try a lower rate, or look at these images", 65)


def _listed(loader: object, place: int | None) -> str:
    """The images of the batch that ended at ``place``, by their files where they have any."""
    if not isinstance(loader, TrainLoader) or not isinstance(loader.dataset, RandomViews):
        return "(of an unknown loader)"
    indices = loader.indices(place)
    more = f" and {len(indices) - SHOWN} more" if len(indices) > SHOWN else ""
    return ", ".join(loader.dataset.dataset.name(index) for index in indices[:SHOWN]) + more
