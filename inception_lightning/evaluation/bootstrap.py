"""How far a number would be elsewhere on other images of the same kind: bootstrap intervals over images.

Each replicate draws as many images as there are, with replacement, and so is a weight for each image: no number is
computed from the probabilities again.
"""

from collections.abc import Callable, Iterator, Mapping

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]

REPLICATES = 1000
LEVEL = 0.95
SEED = 0
AT_ONCE = 50
"""Replicates whose counts per class are held at the same time."""


def replicates(images: int) -> Iterator[Array]:
    """Weights (N,) of `REPLICATES` draws, which sum up to ``images``; the same at every call."""
    draw = np.random.default_rng(SEED)
    for _ in range(REPLICATES):
        yield np.bincount(draw.integers(images, size=images), minlength=images).astype(np.float64)


def intervals(images: int, numbers: Callable[[Array], Mapping[str, Array]]) -> dict[str, tuple[Array, Array]]:
    """The interval, 95 % (`LEVEL`), of each number, or of each class's number.

    Args:
        images: How many there are, N.
        numbers: Weights (B, N) of several replicates -> name -> the number of each (B,), or of each class (B, K). NaN
            is a replicate in which it means nothing.
    """
    drawn: dict[str, list[Array]] = {}
    weights = replicates(images)
    for _ in range(0, REPLICATES, AT_ONCE):
        batch = np.stack([next(weights) for _ in range(AT_ONCE)])  # (B, N)
        for name, values in numbers(batch).items():
            drawn.setdefault(name, []).append(values)
    return {name: _between(np.concatenate(values)) for name, values in drawn.items()}


def _between(values: Array) -> tuple[Array, Array]:
    """The limits of the middle `LEVEL` of the replicates (R, ...), those without meaning left out."""
    ordered = np.sort(values, axis=0)  # NaN last
    known = (~np.isnan(ordered)).sum(axis=0)
    limits = []
    for share in ((1 - LEVEL) / 2, (1 + LEVEL) / 2):
        place = np.maximum(known - 1, 0) * share  # as numpy.quantile: between two neighbours
        below = np.floor(place).astype(np.int64)
        above = np.minimum(below + 1, np.maximum(known - 1, 0))
        low = np.take_along_axis(ordered, below[None], axis=0)[0]
        high = np.take_along_axis(ordered, above[None], axis=0)[0]
        limits.append(low + (high - low) * (place - below))
    return limits[0], limits[1]
