"""Pictures at the end of training: curves of losses and accuracies, and validation images with their predictions."""

import csv
from collections.abc import Sequence
from pathlib import Path

import lightning.pytorch as pl
from lightning.pytorch.callbacks import Callback
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from inception_lightning.data.base import ImageDataModule
from inception_lightning.errors import spared
from inception_lightning.evaluation.predictions import draw_predictions, predict_some, predictions_table
from inception_lightning.runs.wandb import boards, offer
from inception_lightning.training.classifier import InceptionClassifier


class Pictures(Callback):
    """Draws ``curves.png`` and ``predictions.png`` when training ends, and logs them to W&B."""

    def __init__(self, folder: Path) -> None:
        """Create the callback.

        Args:
            folder: The run's folder: ``metrics.csv`` is read from it, the pictures are written into it.
        """
        self.folder = folder

    def on_fit_end(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """Write the pictures on the main process; without ``metrics.csv`` there are no curves."""
        data = trainer.datamodule  # type: ignore[attr-defined]  # set by Trainer.fit
        if not trainer.is_global_zero:
            return
        if (self.folder / "metrics.csv").is_file():
            with spared("curves.png"):
                self._save(trainer, "curves", draw_curves(self.folder / "metrics.csv"))
        if isinstance(data, ImageDataModule) and isinstance(pl_module, InceptionClassifier):
            with spared("predictions.png"):
                guesses = predict_some(pl_module, data)
                for board in boards(trainer):
                    offer(lambda: board.experiment.log({"predictions": predictions_table(guesses)}))  # noqa: B023  # at once
                self._save(trainer, "predictions", draw_predictions(guesses))

    def _save(self, trainer: pl.Trainer, name: str, figure: Figure) -> None:
        path = self.folder / f"{name}.png"
        figure.savefig(path, dpi=100, bbox_inches="tight")
        for board in boards(trainer):
            offer(lambda: board.log_image(f"pictures/{name}", [str(path)]))  # noqa: B023  # at once


def draw_curves(metrics: Path) -> Figure:
    """Losses and accuracies over training steps.

    Args:
        metrics: A run's ``metrics.csv``.
    """
    with metrics.open(newline="") as file:
        rows = list(csv.DictReader(file))
    names = [name for name in rows[0] if name] if rows else []
    figure = Figure(figsize=(11, 4), layout="constrained")
    losses, accuracies = figure.subplots(1, 2)
    _plot(losses, rows, [name for name in names if "/loss" in name])
    losses.set(xlabel="step", ylabel="cross-entropy", yscale="log", title="Losses")
    _plot(accuracies, rows, [name for name in names if "/top" in name or name.endswith(("/average_precision", "/f1"))])
    accuracies.set(xlabel="step", ylabel="share", ylim=(0, 1.02), title="Accuracy")
    return figure


def _plot(axis: Axes, rows: Sequence[dict[str, str]], names: Sequence[str]) -> None:
    for name in names:
        points = [(int(row["step"]), float(row[name])) for row in rows if row[name]]
        if points:
            marker = "o" if name.startswith("val") else None
            axis.plot(*zip(*points, strict=True), label=name, marker=marker, markersize=3)
    if axis.get_lines():
        axis.legend(fontsize=8)
    axis.grid(alpha=0.3)
