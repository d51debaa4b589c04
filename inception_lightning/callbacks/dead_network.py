"""Very wide residual networks can die early: the Inception-ResNet paper's last layer gave zeros only (section 3.3)."""

import logging
from typing import Any

import lightning.pytorch as pl
from lightning.pytorch.callbacks import Callback
from torch import Tensor
from torch.optim import Optimizer

from inception_lightning.callbacks.agreement import Arrival
from inception_lightning.errors import Stop
from inception_lightning.models.network import Inception

log = logging.getLogger(__name__)


class DeadNetwork(Callback):
    """Says it when the last stage gives nothing but zeros, with the paper's remedy.

    Where all features are zero, so is the gradient of the weights that read them: all processes see it alike.
    """

    def __init__(self, *, stop: bool = False, every_n_steps: int = 50) -> None:
        """Say how closely to look.

        Args:
            stop: End the run, with exit code 65, instead of a warning.
            every_n_steps: Look once in so many steps.
        """
        self.stop = stop
        self.every_n_steps = every_n_steps
        self.gradient: Tensor | None = None
        self.sent: tuple[int, Arrival] | None = None  # the step, and the largest of its gradients
        self.said = False

    def on_before_optimizer_step(
        self, trainer: pl.Trainer, pl_module: pl.LightningModule, optimizer: Optimizer
    ) -> None:
        """Look at the weights that read the last stage."""
        net = getattr(pl_module, "net", None)
        if not self.said and isinstance(net, Inception):
            readers = [*net.bottleneck.parameters(), *net.classifier.parameters()]
            self.gradient = readers[0].grad if trainer.global_step % self.every_n_steps == 0 else None

    def on_train_batch_end(
        self, trainer: pl.Trainer, pl_module: pl.LightningModule, outputs: Any, batch: Any, batch_idx: int
    ) -> None:
        """Warn or stop, when no gradient reached the last layers in a step; on a GPU one step later, without a wait."""
        self._look(trainer)
        gradient, self.gradient = self.gradient, None
        if gradient is not None:
            # 1 for what is not a number, which is not dead
            largest = gradient.abs().amax().nan_to_num(nan=1.0)
            self.sent = trainer.global_step, Arrival(largest[None])
            if self.sent[1].at_once:
                self._look(trainer)

    def on_train_epoch_end(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """Look at the last step too."""
        self._look(trainer)

    def _look(self, trainer: pl.Trainer) -> None:
        sent, self.sent = self.sent, None
        if sent is None or any(sent[1].read()):
            return
        message = (
            f"step {sent[0]}: the network is dead, its last stage gives zeros only: "
            "start again with lower residual_scales (0.1 to 0.3), or a lower learning rate"
        )
        if self.stop:
            raise Stop(message, 65)
        if trainer.is_global_zero:
            log.warning(message)
        self.said = True
