"""What a run shows while it runs: Lightning's rich bar in a terminal, plain lines in files and pipes."""

import time
from typing import Any

import lightning.pytorch as pl
from lightning.pytorch.callbacks import ProgressBar, RichModelSummary, RichProgressBar
from rich import get_console
from rich.table import Table


class TerminalProgress(RichProgressBar):
    """Lightning's rich bar, which leaves one line per epoch, without the run's version number."""

    def __init__(self) -> None:
        """Leave the bars of past epochs."""
        super().__init__(leave=True)

    def get_metrics(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> dict[str, Any]:
        """The numbers beside the bar."""
        items = super().get_metrics(trainer, pl_module)
        items.pop("v_num", None)
        return items


class NetSummary(RichModelSummary):
    """The network's stages: parameters, floating-point operations for two images, output (N, C, H, W)."""

    def __init__(self) -> None:
        """Look one level into the network."""
        super().__init__(max_depth=2)

    @staticmethod
    def summarize(summary_data: list[tuple[str, list[str]]], *totals: Any, **styles: Any) -> None:
        """Print the table; Lightning calls it with the rows of all modules, of which metrics are left out."""
        columns = dict(summary_data)
        table = Table("stage")
        for heading in ("parameters", "FLOPs", "output"):
            table.add_column(heading, justify="right")
        for row in zip(*(columns[name] for name in ("Name", "Params", "FLOPs", "Out sizes")), strict=True):
            name, parameters, *rest = row
            if name.startswith("net.") and parameters.strip() != "0":
                table.add_row(name.removeprefix("net."), parameters, *rest)
        get_console().print(table)


class LineProgress(ProgressBar):
    """One line per epoch, and one per minute within longer epochs."""

    def __init__(self, seconds: float = 60.0) -> None:
        """Say at least one line every ``seconds``."""
        super().__init__()
        self.seconds = seconds
        self.enabled = True
        self.last_line = time.monotonic()

    def disable(self) -> None:
        """Print nothing: Lightning calls it on all processes but the first."""
        self.enabled = False

    def enable(self) -> None:
        """Print lines again after `disable`."""
        self.enabled = True

    def on_train_batch_end(
        self, trainer: pl.Trainer, pl_module: pl.LightningModule, outputs: Any, batch: Any, batch_idx: int
    ) -> None:
        """Say where a long epoch is."""
        if time.monotonic() - self.last_line >= self.seconds:
            self._say(trainer, f"batch {batch_idx + 1}/{trainer.num_training_batches}  ", ("train/loss",))

    def on_train_epoch_end(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """Say how the epoch went."""
        self._say(trainer, "", ("train/loss", "val/loss", "val/top1", "val/average_precision"))

    def _say(self, trainer: pl.Trainer, position: str, names: tuple[str, ...]) -> None:
        self.last_line = time.monotonic()
        metrics = trainer.callback_metrics
        values = "  ".join(f"{name} {metrics[name]:.4f}" for name in names if name in metrics)
        if self.enabled:
            print(f"epoch {trainer.current_epoch + 1}/{trainer.max_epochs}  {position}{values}", flush=True)
