"""A progress bar of one's own, which takes the place of the usual one."""

from typing import Any

import lightning.pytorch as pl
from lightning.pytorch.callbacks import ProgressBar


class Dots(ProgressBar):
    """A dot for every step."""

    def on_train_batch_end(self, trainer: pl.Trainer, *args: Any, **kwargs: Any) -> None:
        """Print it, on one process."""
        if trainer.is_global_zero:
            print(".", end="", flush=True)
