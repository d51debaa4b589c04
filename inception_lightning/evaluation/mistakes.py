"""The worst mistakes: where a network is surest of what is wrong, with its image and what speaks for the answer."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from inception_lightning.evaluation.activation_map import activation_maps
from inception_lightning.evaluation.predictions_csv import Predictions
from inception_lightning.loading.dataset import ImageDataset
from inception_lightning.loading.pictured import pictured
from inception_lightning.loading.views import FixedView
from inception_lightning.training.classifier import InceptionClassifier

SHOWN = 24


@dataclass(frozen=True)
class Mistake:
    """An image and a wrong answer.

    Attributes:
        index: Its place among the predictions.
        label: The class that is wrongly said or, of several labels, also the one that is missed.
        probability: What the network gives to it.
        image: uint8 (3, H, W) as the network sees it, `pictured`; None where only predictions are known.
        places: What each place adds to the class's logit (h, w); None where nobody can say.
    """

    index: int
    label: int
    probability: float
    image: Tensor | None = None
    places: Tensor | None = None


def worst_mistakes(predictions: Predictions, count: int = SHOWN) -> list[Mistake]:
    """The wrong answers of which the network is surest, the worst first; of several labels the worst of each image."""
    answers, targets = predictions.probabilities, predictions.targets
    images = np.arange(len(answers))
    if targets.ndim == 1:
        labels = answers.argmax(axis=1)
        wrong, badness = labels != targets, answers[images, labels]
    else:
        gaps = np.where((answers >= predictions.limits) == (targets == 1), -1, np.abs(answers - targets))
        labels = gaps.argmax(axis=1)
        badness = gaps[images, labels]
        wrong = badness >= 0
    found = np.flatnonzero(wrong)
    order = found[np.argsort(-badness[found], kind="stable")][:count].tolist()
    return [Mistake(index, int(labels[index]), float(answers[index, labels[index]])) for index in order]


def looked_at(
    mistakes: Sequence[Mistake],
    module: InceptionClassifier,
    dataset: ImageDataset,
    view: FixedView,
    places: Sequence[int],
) -> list[Mistake]:
    """The mistakes with their images and activation maps.

    Args:
        mistakes: Those of `worst_mistakes`.
        module: Who made them.
        dataset: The images.
        view: How they are shown.
        places: Where in ``dataset`` the image of each prediction lies.
    """
    if not mistakes:
        return []
    images = torch.stack([view.show(dataset.open(places[one.index])) for one in mistakes])
    labels = torch.tensor([one.label for one in mistakes], device=module.device)
    with torch.inference_mode():
        maps = activation_maps(module.net, module.normalize(images.to(module.device)), labels)
    shown: Sequence[Tensor | None] = [None] * len(mistakes) if maps is None else list(maps.float().cpu())
    return [
        Mistake(one.index, one.label, one.probability, pictured(image), places)
        for one, image, places in zip(mistakes, images, shown, strict=True)
    ]
