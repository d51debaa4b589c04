"""Predictions for a few validation images, as a picture and as a table on W&B."""

from collections.abc import Sequence
from typing import TYPE_CHECKING, NamedTuple

import torch
from torch import Tensor

from inception_lightning.data.base import ImageDataModule
from inception_lightning.data.show import spread
from inception_lightning.errors import visible
from inception_lightning.loading.dataset import Label, label_names
from inception_lightning.loading.pictured import pictured
from inception_lightning.names import short_name
from inception_lightning.training.classifier import InceptionClassifier

if TYPE_CHECKING:
    import wandb
    from matplotlib.figure import Figure

GRID = (4, 8)  # rows and columns of the picture
SEEN = 1024  # validation images that the worst are chosen from
BATCH = 64  # images at a time


class Guess(NamedTuple):
    """A validation image and its prediction.

    Attributes:
        image: uint8 (3, H, W), resized and cropped as the network sees it, and `pictured`.
        true: Name of the true class, or names of several labels.
        predicted: Name of the most probable class, or of the labels above their thresholds.
        probability: The network's probability of the most probable class, 0..1.
    """

    image: Tensor
    true: str
    predicted: str
    probability: float


def predict_some(module: InceptionClassifier, data: ImageDataModule) -> list[Guess]:
    """Predictions for up to 32 (`GRID`) of `SEEN` validation images: the worst mistakes first, then the least sure.

    The images are spread evenly over the validation set; a mistake is the worse the surer the network is of it.
    """
    views = data.views("val")
    places = spread(len(views), SEEN)
    names = data.class_names  # once: CIFAR reads them from its archive
    kept: list[tuple[bool, float, Guess]] = []
    for start in range(0, len(places), BATCH):
        samples = [views[index] for index in places[start : start + BATCH]]
        probabilities = _predict(module, torch.stack([image for image, _ in samples]))  # (N, K)
        best, classes = probabilities.max(dim=1)  # (N,), (N,)
        said: list[Label] = classes.tolist()
        if module.thresholds is not None:
            said = list(probabilities >= module.thresholds.cpu())
        for (image, label), guess, share in zip(samples, said, best.tolist(), strict=True):
            true, answer = (", ".join(label_names(one, names)) for one in (label, guess))
            kept.append(
                (true == answer, share if true == answer else -share, Guess(pictured(image), true, answer, share))
            )
        kept = sorted(kept, key=lambda one: one[:2])[: GRID[0] * GRID[1]]
    return [guess for *_, guess in kept]


def draw_predictions(guesses: Sequence[Guess], which: str = "the last epoch's network", how: str = "") -> "Figure":
    """The images with their true and predicted class names; mistakes are red and marked with a cross.

    Args:
        guesses: What `predict_some` gives.
        which: Whose predictions they are.
        how: What the pictures show of their images, where it is not all.
    """
    from matplotlib.figure import Figure

    rows, columns = GRID
    figure = Figure(figsize=(1.6 * columns, 2.0 * rows))
    axis = figure.add_axes((0.02, 0.01, 0.96, 0.88 if how else 0.91))  # one for all: 32 would take three times as long
    axis.axis("off")
    for place, guess in enumerate(guesses):
        top, left = divmod(place, columns)
        right = guess.true == guess.predicted
        box = (left + 0.05, left + 0.95, top + 0.97, top + 0.21)  # left, right, bottom, top
        axis.imshow(guess.image.permute(1, 2, 0).numpy(), interpolation="nearest", extent=box)  # (H, W, 3)
        says = f"says {short_name(guess.predicted, 12)} {guess.probability:.0%}{'' if right else ' ✗'}"
        text = f"true {short_name(guess.true)}\n{says}"
        color = "black" if right else "#c22"
        axis.text(left + 0.5, top + 0.19, text, fontsize=8, color=color, ha="center", va="bottom")
    axis.set(xlim=(0, columns), ylim=(rows, 0), aspect="auto")
    said = f"Validation images and what {which} says: worst mistakes first (red), then the least sure"
    figure.suptitle(f"{said}\n{how}" if how else said)
    return figure


def predictions_table(guesses: Sequence[Guess]) -> "wandb.Table":
    """The guesses as a W&B table: image, true class, predicted class, probability."""
    import wandb

    rows = [
        [wandb.Image(image.permute(1, 2, 0).numpy()), visible(true), visible(predicted), probability]
        for image, true, predicted, probability in guesses
    ]
    return wandb.Table(columns=["image", "true", "predicted", "probability"], data=rows)


def _predict(module: InceptionClassifier, images: Tensor) -> Tensor:
    """Images (N, C, H, W) -> probabilities (N, num_classes)."""
    training = module.training
    module.eval()
    with torch.inference_mode():
        logits: Tensor = module(images.to(module.device)).float().cpu()
    module.train(training)
    return logits.sigmoid() if module.several_labels else logits.softmax(dim=1)
