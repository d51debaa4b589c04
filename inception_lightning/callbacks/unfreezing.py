"""Fine-tuning in stages: the classifier first, then the stages from the last to the first."""

from collections.abc import Mapping

import lightning.pytorch as pl
from lightning.pytorch.callbacks import Callback
from torch import nn

from inception_lightning.callbacks.lightning_state import waits_for_every_gradient
from inception_lightning.errors import InputError
from inception_lightning.models.network import Inception


class Unfreeze(Callback):
    """Keeps stages as they are, batch-norm statistics included, until their epoch comes.

    Which stages train depends on the epoch alone, so a resumed run goes on as it was; the optimizer
    holds all parameters from the start, so schedules know them.
    """

    def __init__(self, epochs: Mapping[str, int]) -> None:
        """Say when.

        Args:
            epochs: Stage name -> the first epoch, from 0, that trains it. Stages that are not named stay frozen.
        """
        self.epochs = dict(epochs)

    def setup(self, trainer: pl.Trainer, pl_module: pl.LightningModule, stage: str) -> None:
        """Refuse what cannot work.

        Raises:
            InputError: There is no such stage, or processes would wait for gradients of frozen stages.
        """
        stages = _net(pl_module).stages
        unknown = sorted(set(self.epochs) - set(stages))
        if unknown:
            raise InputError(f"Unfreeze names {unknown[0]!r}, and the stages are {', '.join(stages)}")
        if waits_for_every_gradient(trainer):
            raise InputError(
                "Unfreeze on several processes needs --trainer.strategy ddp_find_unused_parameters_true: "
                "frozen stages have no gradients to wait for"
            )

    def on_train_start(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """Freeze, in a run that is resumed in the middle of an epoch as well."""
        self.on_train_epoch_start(trainer, pl_module)

    def on_train_epoch_start(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """Train the stages whose epoch has come."""
        net = _net(pl_module)
        for name in net.stages:
            trained = trainer.current_epoch >= self.epochs.get(name, trainer.current_epoch + 1)
            stage = net.get_submodule(name)
            stage.requires_grad_(trained)
            for module in stage.modules():
                if isinstance(module, nn.BatchNorm2d):
                    module.train(trained)


def _net(pl_module: pl.LightningModule) -> Inception:
    net = getattr(pl_module, "net", None)
    if not isinstance(net, Inception):
        raise InputError(
            f"Unfreeze names stages of an Inception network, and this is {type(net or pl_module).__name__}"
        )
    return net
