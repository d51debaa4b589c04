"""Predictions for a few validation images, as a picture and as a table on W&B."""

from collections.abc import Sequence
from typing import NamedTuple

import torch
import wandb
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from torch import Tensor

from inception_lightning.data.base import ImageDataModule
from inception_lightning.data.show import spread
from inception_lightning.errors import visible
from inception_lightning.loading.dataset import Label, label_names
from inception_lightning.names import short_name
from inception_lightning.training.classifier import InceptionClassifier

GRID = (4, 8)  # rows and columns of the picture


class Guess(NamedTuple):
    """A validation image and its prediction.

    Attributes:
        image: uint8 (3, H, W), resized and cropped as the network sees it.
        true: Name of the true class, or names of several labels.
        predicted: Name of the most probable class, or of the labels above their thresholds.
        probability: The network's probability of the most probable class, 0..1.
    """

    image: Tensor
    true: str
    predicted: str
    probability: float


def predict_some(module: InceptionClassifier, data: ImageDataModule) -> list[Guess]:
    """Predictions for up to 32 (`GRID`) validation images, spread evenly over the validation set."""
    views = data.views("val")
    samples = [views[index] for index in spread(len(views), GRID[0] * GRID[1])]
    probabilities = _predict(module, torch.stack([image for image, _ in samples]))  # (N, K)
    names = data.class_names  # once: CIFAR reads them from its archive
    best, classes = probabilities.max(dim=1)  # (N,), (N,)
    said: list[Label] = classes.tolist()
    if module.thresholds is not None:
        said = list(probabilities >= module.thresholds.cpu())
    answers = zip(samples, said, best.tolist(), strict=True)
    return [
        Guess(image, ", ".join(label_names(label, names)), ", ".join(label_names(guess, names)), share)
        for (image, label), guess, share in answers
    ]


def draw_predictions(guesses: Sequence[Guess]) -> Figure:
    """The images with their true and predicted class names; mistakes are red and marked with a cross."""
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
    """The guesses as a W&B table: image, true class, predicted class, probability."""
    rows = [
        [wandb.Image(image.permute(1, 2, 0).numpy()), visible(true), visible(predicted), probability]
        for image, true, predicted, probability in guesses
    ]
    return wandb.Table(columns=["image", "true", "predicted", "probability"], data=rows)


def _predict(module: InceptionClassifier, images: Tensor) -> Tensor:
    """uint8 images (N, 3, H, W) -> probabilities (N, num_classes)."""
    training = module.training
    module.eval()
    with torch.inference_mode():
        logits: Tensor = module(images.to(module.device)).float().cpu()
    module.train(training)
    return logits.sigmoid() if module.several_labels else logits.softmax(dim=1)
