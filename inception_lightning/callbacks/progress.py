"""Progress for files and pipes: plain lines, where a terminal gets Lightning's rich bar."""

import time
from typing import Any

import lightning.pytorch as pl
from lightning.pytorch.callbacks import ProgressBar


class LineProgress(ProgressBar):
    """One line per epoch, and one per minute within longer epochs."""

    def __init__(self, seconds: float = 60.0) -> None:
        """Say at least one line every ``seconds``."""
        super().__init__()
        self.seconds = seconds
        self.enabled = True
        self.last_line = time.monotonic()

    def disable(self) -> None:
        """Be silent: Lightning calls it on all processes but the first."""
        self.enabled = False

    def enable(self) -> None:
        """Speak again."""
        self.enabled = True

    def on_train_batch_end(
        self, trainer: pl.Trainer, pl_module: pl.LightningModule, outputs: Any, batch: Any, batch_idx: int
    ) -> None:
        """Say where a long epoch is."""
        if time.monotonic() - self.last_line >= self.seconds:
            self._say(trainer, f"batch {batch_idx + 1}/{trainer.num_training_batches}  ", ("train/loss",))

    def on_train_epoch_end(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """Say how the epoch went."""
        self._say(trainer, "", ("train/loss", "val/loss", "val/top1"))

    def _say(self, trainer: pl.Trainer, position: str, names: tuple[str, ...]) -> None:
        self.last_line = time.monotonic()
        metrics = trainer.callback_metrics
        values = "  ".join(f"{name} {metrics[name]:.4f}" for name in names if name in metrics)
        if self.enabled:
            print(f"epoch {trainer.current_epoch + 1}/{trainer.max_epochs}  {position}{values}", flush=True)
