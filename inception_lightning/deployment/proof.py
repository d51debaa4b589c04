"""The proof of an export: the file in its own runtime against the checkpoint, on whole images; and their speed."""

import statistics
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TypeAlias

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from inception_lightning.deployment.deployed import About
from inception_lightning.deployment.runtimes import Images, Probabilities
from inception_lightning.loading.dataset import ImageDataset
from inception_lightning.training.classifier import InceptionClassifier

Run = Callable[[Images], Probabilities]
Label: TypeAlias = int | list[int]
"""A class index, or 0 or 1 of each label."""

BATCH = 32
"""Of how many images of the same size are run at once, at most."""

ROUNDS = 5
"""How often each is timed, in turns."""


@dataclass
class Agreement:
    """What a file's probabilities were, beside the checkpoint's.

    Attributes:
        images: How many images were seen.
        right_before: How many of them the checkpoint was right about: of several labels about all.
        right_after: How many the file was.
        changed: How many got another class, or other labels, from the file.
        difference: The largest difference of a probability, 0..1.
    """

    images: int = 0
    right_before: int = 0
    right_after: int = 0
    changed: int = 0
    difference: float = 0.0

    def add(
        self, expected: Probabilities, found: Probabilities, labels: Sequence[Label], thresholds: Sequence[float] = ()
    ) -> None:
        """Count one batch.

        Args:
            expected: Probabilities (N, num_classes) of the checkpoint.
            found: Those of the file.
            labels: The true class indices (N,), or 0 or 1 of each label (N, num_classes).
            thresholds: Of several labels, from which probability on an image has each.
        """
        before, after = said(expected, thresholds), said(found, thresholds)
        true = np.array(labels).reshape(len(labels), -1)
        self.images += len(labels)
        self.right_before += int((before == true).all(axis=1).sum())
        self.right_after += int((after == true).all(axis=1).sum())
        self.changed += int((before != after).any(axis=1).sum())
        worst = np.abs(expected - found).max()
        self.difference = max(self.difference, float(worst)) if np.isfinite(worst) else float("inf")


def said(probabilities: Probabilities, thresholds: Sequence[float]) -> NDArray[np.generic]:
    """What images are said to be: their class index (N, 1) or, where there are thresholds, which labels they have."""
    if thresholds:
        return probabilities >= np.array(thresholds, probabilities.dtype)
    return probabilities.argmax(axis=1)[:, None]


@dataclass
class Speed:
    """Images per second, by the size of the batch."""

    rates: dict[int, float] = field(default_factory=dict)


class Checkpoint:
    """The trained module as evaluation runs it: each image is resized and cropped, the network sees the batch."""

    def __init__(self, module: InceptionClassifier, about: About) -> None:
        self.module = module.eval()
        self.view = about.view.build(about.image_size)

    def __call__(self, images: Images) -> Probabilities:
        """uint8 images (N, C, H, W) -> probabilities (N, num_classes)."""
        shown = torch.stack([self.view(image) for image in torch.from_numpy(images)])
        with torch.inference_mode():
            logits = self.module(shown)
        probabilities: Probabilities = (
            logits.sigmoid() if self.module.several_labels else logits.softmax(dim=1)
        ).numpy()
        return probabilities


def compare(
    expected: Run,
    files: Mapping[str, Run],
    images: ImageDataset,
    indices: Sequence[int],
    thresholds: Sequence[float] = (),
) -> dict[str, Agreement]:
    """Run the checkpoint and each file over the images of a data set, whole as they are decoded."""
    found = {name: Agreement() for name in files}
    for batch, labels in batches(images, indices):
        probabilities = expected(batch)
        for name, run in files.items():
            found[name].add(probabilities, run(batch), labels, thresholds)
    return found


def batches(images: ImageDataset, indices: Sequence[int]) -> Iterator[tuple[Images, list[Label]]]:
    """Whole images (N, C, H, W) of one size, at most `BATCH` at once, and their class indices or rows of labels."""
    held: list[Tensor] = []
    labels: list[Label] = []
    for index in indices:
        image = images.open(index).pixels()
        if held and (image.shape != held[0].shape or len(held) == BATCH):
            yield as_batch(held), labels
            held, labels = [], []
        held.append(image)
        labels.append(images.labels[index].tolist())
    if held:
        yield as_batch(held), labels


def as_batch(images: Sequence[Tensor]) -> Images:
    """Images (C, H, W) as they lie in other languages' memory: (N, C, H, W), contiguous."""
    return np.ascontiguousarray(torch.stack(list(images)).numpy())


def speeds(runs: Mapping[str, Run], image: Tensor, sizes: Sequence[int] = (1, BATCH)) -> dict[str, Speed]:
    """Images per second of each, in turns, so that all of them meet the machine in the same state."""
    found = {name: Speed() for name in runs}
    for size in sizes:
        batch = as_batch([image] * size)
        taken: dict[str, list[float]] = {name: [] for name in runs}
        for turn in range(ROUNDS + 1):
            for name, run in runs.items():
                start = time.perf_counter()
                run(batch)
                if turn:  # the first finds its memory
                    taken[name].append(time.perf_counter() - start)
        for name, seconds in taken.items():
            found[name].rates[size] = size / statistics.median(seconds)
    return found
