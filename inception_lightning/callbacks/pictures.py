"""Pictures in the run's folder: training curves, and validation images with true and predicted names."""

import csv
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

import lightning.pytorch as pl
import torch
import wandb
from lightning.pytorch.callbacks import Callback
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from torch import Tensor

from inception_lightning.data.base import ImageDataModule
from inception_lightning.runs.wandb import boards, offer
from inception_lightning.training.classifier import InceptionClassifier

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
            guesses = predict_some(pl_module, data)
            drawn["predictions"] = draw_predictions(guesses)
            for board in boards(trainer):
                offer(lambda: board.experiment.log({"predictions": predictions_table(guesses)}))  # noqa: B023  # at once
        for name, figure in drawn.items():
            path = self.folder / f"{name}.png"
            figure.savefig(path, dpi=100, bbox_inches="tight")
            for board in boards(trainer):
                offer(lambda: board.log_image(f"pictures/{name}", [str(path)]))  # noqa: B023  # at once


class Guess(NamedTuple):
    """A validation image (3, H, W) as the network sees it, and what the network says."""

    image: Tensor
    true: str
    predicted: str
    probability: float


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


def predict_some(module: InceptionClassifier, data: ImageDataModule) -> list[Guess]:
    """The network's answers to validation images, evenly picked."""
    views = data.views("val")
    picked = torch.linspace(0, len(views) - 1, min(len(views), GRID[0] * GRID[1])).long().tolist()
    samples = [views[index] for index in picked]
    probabilities, classes = _predict(module, torch.stack([image for image, _ in samples])).max(dim=1)  # (N,), (N,)
    names = data.class_names  # once: CIFAR reads them from its archive
    answers = zip(samples, classes.tolist(), probabilities.tolist(), strict=True)
    return [Guess(image, names[label], names[guess], share) for (image, label), guess, share in answers]


def draw_predictions(guesses: Sequence[Guess]) -> Figure:
    """Validation images with true and predicted names, mistakes in red with a cross."""
    rows, columns = GRID
    figure = Figure(figsize=(1.6 * columns, 2.0 * rows), layout="constrained")
    axes: Sequence[Axes] = figure.subplots(rows, columns).flatten()
    for axis in axes:
        axis.axis("off")
    for axis, guess in zip(axes, guesses, strict=False):
        right = guess.true == guess.predicted
        axis.imshow(guess.image.permute(1, 2, 0).numpy())  # (H, W, 3)
        title = f"true {short_name(guess.true)}\nsays {short_name(guess.predicted)}{'' if right else ' ✗'}"
        axis.set_title(title, fontsize=9, color="black" if right else "#c22")
    figure.suptitle("Validation images and what the last epoch's network says; mistakes in red with a cross")
    return figure


def predictions_table(guesses: Sequence[Guess]) -> wandb.Table:
    """The same as a table for W&B."""
    rows = [
        [wandb.Image(guess.image.permute(1, 2, 0).numpy()), guess.true, guess.predicted, guess.probability]
        for guess in guesses
    ]
    return wandb.Table(columns=["image", "true", "predicted", "probability"], data=rows)


def _plot(axis: Axes, rows: Sequence[dict[str, str]], names: Sequence[str]) -> None:
    for name in names:
        points = [(int(row["step"]), float(row[name])) for row in rows if row[name]]
        if points:
            marker = "o" if name.startswith("val") else None
            axis.plot(*zip(*points, strict=True), label=name, marker=marker, markersize=3)
    if axis.get_lines():
        axis.legend(fontsize=8)
    axis.grid(alpha=0.3)


def _predict(module: InceptionClassifier, images: Tensor) -> Tensor:
    """uint8 images (N, 3, H, W) -> probabilities (N, num_classes)."""
    training = module.training
    module.eval()
    with torch.inference_mode():
        probabilities: Tensor = module(images.to(module.device)).float().softmax(dim=1).cpu()
    module.train(training)
    return probabilities


def short_name(name: str) -> str:
    """A class name that fits beside a picture."""
    return name if len(name) <= 18 else f"{name[:17]}…"
