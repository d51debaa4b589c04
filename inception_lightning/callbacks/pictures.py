"""Pictures in the run's folder: training curves, and validation images with true and predicted names."""

import csv
from collections.abc import Sequence
from pathlib import Path

import lightning.pytorch as pl
import torch
from lightning.pytorch.callbacks import Callback
from lightning.pytorch.loggers import WandbLogger
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from torch import Tensor

from inception_lightning.data.base import ImageDataModule
from inception_lightning.module import InceptionClassifier

GRID = (4, 8)  # rows and columns of validation images


class Pictures(Callback):
    """Draws ``curves.png`` and ``predictions.png`` when training ends, and shows them to W&B."""

    def __init__(self, folder: Path) -> None:
        """Draw into ``folder``, and read ``metrics.csv`` there."""
        self.folder = folder

    def on_fit_end(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """Draw."""
        data = trainer.datamodule  # type: ignore[attr-defined]  # set by Trainer.fit
        if not trainer.is_global_zero:
            return
        drawn = {}
        if (self.folder / "metrics.csv").is_file():
            drawn["curves"] = draw_curves(self.folder / "metrics.csv")
        if isinstance(data, ImageDataModule) and isinstance(pl_module, InceptionClassifier):
            drawn["predictions"] = draw_predictions(pl_module, data)
        for name, figure in drawn.items():
            path = self.folder / f"{name}.png"
            figure.savefig(path, dpi=100, bbox_inches="tight")
            for logger in trainer.loggers:
                if isinstance(logger, WandbLogger):
                    logger.log_image(f"pictures/{name}", [str(path)])


def draw_curves(metrics: Path) -> Figure:
    """Losses and accuracies over steps, from the ``metrics.csv`` of a run."""
    with metrics.open(newline="") as file:
        rows = list(csv.DictReader(file))
    names = [name for name in rows[0] if name] if rows else []
    figure = Figure(figsize=(11, 4), layout="constrained")
    losses, accuracies = figure.subplots(1, 2)
    _plot(losses, rows, [name for name in names if "/loss" in name])
    losses.set(xlabel="step", ylabel="cross-entropy", yscale="log", title="Losses")
    _plot(accuracies, rows, [name for name in names if "/top" in name])
    accuracies.set(xlabel="step", ylabel="share of images", ylim=(0, 1.02), title="Accuracy")
    return figure


def draw_predictions(module: InceptionClassifier, data: ImageDataModule) -> Figure:
    """Validation images, evenly picked, with true and predicted names, mistakes in red."""
    views = data.views("val")
    rows, columns = GRID
    picked = torch.linspace(0, len(views) - 1, min(len(views), rows * columns)).long().tolist()
    samples = [views[index] for index in picked]
    images = torch.stack([image for image, _ in samples])  # (N, 3, H, W)
    predicted = _predict(module, images)
    names = data.class_names  # once: CIFAR reads them from its archive
    figure = Figure(figsize=(1.6 * columns, 2.0 * rows), layout="constrained")
    axes: Sequence[Axes] = figure.subplots(rows, columns).flatten()
    for axis in axes:
        axis.axis("off")
    for axis, (image, label), guess in zip(axes, samples, predicted, strict=False):
        axis.imshow(image.permute(1, 2, 0).numpy())  # (H, W, 3)
        title = f"true {_short(names[label])}\nsays {_short(names[guess])}"
        axis.set_title(title, fontsize=9, color="black" if guess == label else "#c22")
    figure.suptitle("Validation images and what the last epoch's network says; mistakes in red")
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


def _predict(module: InceptionClassifier, images: Tensor) -> list[int]:
    training = module.training
    module.eval()
    with torch.inference_mode():
        predicted: list[int] = module(images.to(module.device)).argmax(dim=1).tolist()
    module.train(training)
    return predicted


def _short(name: str) -> str:
    return name if len(name) <= 18 else f"{name[:17]}…"
