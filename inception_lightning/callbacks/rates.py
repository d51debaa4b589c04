"""A run that goes on with another rate or schedule than it had: what was said is done."""

import warnings
from typing import Any

import lightning.pytorch as pl
from lightning.pytorch.callbacks import Callback
from torch.optim.lr_scheduler import ReduceLROnPlateau


class NewRates(Callback):
    """Gives a resumed optimizer the hyperparameters and the schedule that this run was asked for.

    Lightning restores those of the checkpoint, whatever was said. The optimizer's own state, such as its momentum, is
    kept; the new schedule stands where it would stand had it been this one from the start.
    """

    def on_train_start(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """Replace what was restored."""
        wanted: Any = pl_module.configure_optimizers()
        wanted = wanted if isinstance(wanted, dict) else {"optimizer": wanted}
        if "lr_scheduler" in wanted:
            self._advance(trainer, **wanted["lr_scheduler"])
        for group, new in zip(trainer.optimizers[0].param_groups, wanted["optimizer"].param_groups, strict=True):
            group.update({name: value for name, value in new.items() if name != "params"})

    @staticmethod
    def _advance(trainer: pl.Trainer, scheduler: Any, interval: str, **others: Any) -> None:
        if isinstance(scheduler, ReduceLROnPlateau):  # depends on what was seen, which the checkpoint knows
            return
        with warnings.catch_warnings():  # no optimizer has moved, nor shall one
            warnings.filterwarnings("ignore", "Detected call of `lr_scheduler.step")
            for _ in range(trainer.global_step if interval == "step" else trainer.current_epoch):
                scheduler.step()
        for config in trainer.lr_scheduler_configs:
            config.scheduler.load_state_dict(scheduler.state_dict())
