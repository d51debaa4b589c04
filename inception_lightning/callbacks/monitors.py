"""What is watched must be logged: a misspelled name is known before the first step, not after the first epoch."""

import difflib
from collections.abc import Iterator

import lightning.pytorch as pl
from lightning.pytorch.callbacks import Callback, EarlyStopping, ModelCheckpoint

from inception_lightning.errors import InputError
from inception_lightning.training.classifier import InceptionClassifier
from inception_lightning.training.validation_scores import KNOWN


class Monitors(Callback):
    """Refuses a number to watch that no validation logs, as soon as two batches of one have been tried.

    What training steps alone will log is not known by then, unless the module is an `InceptionClassifier`.
    """

    def on_sanity_check_end(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """Compare what is watched with what was logged.

        Raises:
            InputError: Something is watched that nobody logs.
        """
        logged = {str(name) for name in trainer.callback_metrics}
        if type(pl_module) is InceptionClassifier:
            logged |= pl_module.logged_in_training()
        for owner, name in _watched(trainer):
            known = name in logged or name in ("epoch", "step")
            if not known and (name.startswith("val") or type(pl_module) is InceptionClassifier):
                could_be = {f"val/{score}" for score in KNOWN} if type(pl_module) is InceptionClassifier else set()
                nearest = difflib.get_close_matches(name, logged | could_be, n=1)
                hint = f"did you mean {nearest[0]}? There are " if nearest else "say one of "
                raise InputError(f"{owner} watches {name}, which nobody logs: {hint}{', '.join(sorted(logged))}")


def _watched(trainer: pl.Trainer) -> Iterator[tuple[str, str]]:
    """Who watches which number."""
    for callback in trainer.callbacks:  # type: ignore[attr-defined]  # set by the callback connector
        if isinstance(callback, EarlyStopping) and callback.strict:
            yield type(callback).__name__, callback.monitor
        elif isinstance(callback, ModelCheckpoint) and callback.monitor is not None:
            ours = "checkpoint.monitor" if type(callback).__name__ == "BestCheckpoint" else type(callback).__name__
            yield ours, callback.monitor
    for schedule in trainer.lr_scheduler_configs:
        if schedule.reduce_on_plateau and schedule.strict and schedule.monitor is not None:
            yield "model.lr_monitor", schedule.monitor
