"""The views of a whole batch at once, of small images in memory: bit by bit those that `views` makes one by one.

Of the time of a small image's view most is spent on calling functions. Here every number is drawn and every crop chosen
for all images in one go, and crop, resizing and flip together are two matrices for each image: one of its columns, one
of its rows. NumPy multiplies them, since torch may be told to multiply numbers of 32 bits less exactly.
"""

import math
from collections.abc import Sequence
from functools import lru_cache
from typing import Any, TypeAlias

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional as F

from inception_lightning.loading.dataset import Label
from inception_lightning.loading.random_numbers import STEPS

Words: TypeAlias = NDArray[np.uint32]
Floats: TypeAlias = NDArray[np.float32]
Bytes: TypeAlias = NDArray[np.uint8]
Integers: TypeAlias = NDArray[np.int64]
Range: TypeAlias = tuple[float, float]
ATTEMPTS = 10
WORDS = 2 * ATTEMPTS + 3
"""Random words that a view needs at most: two for each attempt at a crop, two for its place, one for the flip."""
LONGEST = 64
"""Sides of images, in pixels, up to which a table of all crops is small: 34 MB for 64 pixels, 2 for CIFAR's 32."""
SHRUNK = 2
"""Views are no smaller than an image by more than this, so that all sums are whole numbers below 2 ** 24."""

CHUNK = 32


class SampleBatch(Sequence[tuple[Tensor, Label]]):
    """A batch that is put together already, and the sequence of its samples to whoever wants them one by one.

    Args:
        images: uint8 (N, 3, H, W), channels-last in memory.
        labels: Class indices (N,), or rows (N, K).
    """

    def __init__(self, images: Tensor, labels: Tensor) -> None:
        self.images = images
        self.labels = labels.long() if labels.ndim == 1 else labels

    def __len__(self) -> int:
        return len(self.images)

    def __getitem__(self, place: Any) -> Any:
        if isinstance(place, slice):
            return SampleBatch(self.images[place], self.labels[place])
        label = self.labels[place]
        return self.images[place], label if label.ndim else int(label)


class BatchedViews:
    """Inception crops of images of one size, resized, half of them mirrored.

    Args:
        height: Rows of the images.
        width: Their columns.
        size: Side of the views, in pixels.
        area: As `views.Augmentation` has it, and so are the others.
        aspect: Likewise.
        flip: Likewise.
        interpolation: How the crops are resized, ``bilinear`` or ``bicubic``.
    """

    def __init__(
        self, height: int, width: int, size: int, *, area: Range, aspect: Range, flip: bool, interpolation: str
    ) -> None:
        self.height, self.width, self.size = height, width, size
        self.area, self.aspect, self.flip, self.interpolation = area, aspect, flip, interpolation
        small = max(height, width) <= min(LONGEST, SHRUNK * size) and size <= LONGEST
        down, across = (_crops(side, size, interpolation) if small else None for side in (height, width))
        self.possible = down is not None and across is not None
        """Whether they are the views that are made one by one; nothing else may be asked if they are not."""
        if down is not None and across is not None:
            self.down, self.across = down, np.ascontiguousarray(across.mT)  # multiplied from the left, from the right
        # memory that is used again and again: new memory costs more than what is done in it
        self.lines = np.empty((CHUNK, height, 3, width), np.float32)
        self.narrow = np.empty((CHUNK, height, 3, size), np.float32)
        self.shown = np.empty((CHUNK, size, 3, size), np.float32)
        self.whole = np.empty((CHUNK, size, 3, size), np.uint8)

    def views(self, images: Tensor, indices: Sequence[int], words: Words) -> Tensor:
        """Of ``images[indices]``, from all that there are (N, 3, height, width).

        Args:
            images: uint8.
            indices: B of them.
            words: The random words of each (B, `WORDS`).

        Returns:
            uint8 (B, 3, size, size), channels-last in memory.
        """
        windows, used = inception_crops(self.height, self.width, self.area, self.aspect, words)  # (B, 4), (B,)
        rows = self.down[_place(windows[:, 0], windows[:, 2], self.height)]  # (B, size, H)
        columns = self.across[_place(windows[:, 1], windows[:, 3], self.width)]  # (B, W, size)
        if self.flip:
            mirrored = _uniform(words[np.arange(len(words)), used]) < 0.5
            columns[mirrored] = columns[mirrored, :, ::-1]
        pixels = np.empty((len(words), self.size, self.size, 3), np.uint8)
        for start in range(0, len(words), CHUNK):
            part = slice(start, start + CHUNK)
            chosen = images.numpy()[list(indices[part])]  # (b, 3, H, W)
            self._show(chosen, rows[part], columns[part], pixels[part])
        return torch.from_numpy(pixels).permute(0, 3, 1, 2)

    def _show(self, images: Bytes, rows: Floats, columns: Floats, pixels: Bytes) -> None:
        """Up to `CHUNK` images (b, 3, H, W) through their matrices into ``pixels`` (b, size, size, 3)."""
        count = len(images)
        lines, narrow, shown = self.lines[:count], self.narrow[:count], self.shown[:count]
        lines[:] = images.transpose(0, 2, 1, 3)
        np.matmul(lines.reshape(count, -1, self.width), columns, out=narrow.reshape(count, -1, self.size))
        np.floor(self._in_range(narrow), out=narrow)
        np.matmul(rows, narrow.reshape(count, self.height, -1), out=shown.reshape(count, self.size, -1))
        whole = self.whole[:count]
        np.copyto(whole, self._in_range(shown), casting="unsafe")  # which cuts off what is behind the point
        for channel in range(3):
            pixels[..., channel] = whole[:, :, channel]

    def _in_range(self, pixels: Floats) -> Floats:
        """A half more, so that what follows rounds by cutting off, and from 0 to 255: cubic weights go beyond."""
        pixels += np.float32(0.5)
        return pixels if self.interpolation == "bilinear" else np.clip(pixels, 0, 255.5, out=pixels)


def _place(starts: Integers, lengths: Integers, side: int) -> Integers:
    """Where in `_crops` the crop stands that starts there and is that long."""
    return (lengths - 1) * (side + 1) - lengths * (lengths - 1) // 2 + starts


@lru_cache(maxsize=8)
def _crops(side: int, size: int, how: str) -> Floats | None:
    """For every crop of a side, the matrix that cuts it out and resizes it (crops, size, side).

    None where torch's kernel gives other pixels than such a matrix, on another machine or in another version.
    """
    table = []
    for length in range(1, side + 1):
        weights = _weights(length, size, how)
        if not _resizes_as_torch(weights, how):
            return None
        table += [np.pad(weights, ((0, 0), (start, side - length - start))) for start in range(side - length + 1)]
    return np.stack(table)


def _weights(length: int, size: int, how: str) -> Floats:
    """The weights by which torch's kernel for uint8 resizes a line of pixels with antialiasing (size, length).

    They are whole numbers of 15 bits, here divided by a power of two, which is exact.
    """
    scale = length / size
    reach = (1.0 if how == "bilinear" else 2.0) * max(scale, 1.0)
    weights = np.zeros((size, length))
    for place in range(size):
        centre = scale * (place + 0.5)
        first, last = max(int(centre - reach + 0.5), 0), min(int(centre + reach + 0.5), length)
        distances = np.abs((np.arange(first, last) - centre + 0.5) / max(scale, 1.0))
        near = _triangle(distances) if how == "bilinear" else _cubic(distances)
        weights[place, first:last] = near / near.sum()
    bits = 0
    while bits < 22 and 0.5 + weights.max() * 2 ** (bits + 1) < 2**15:
        bits += 1
    return (np.trunc(weights * 2**bits + np.copysign(0.5, weights)) / 2**bits).astype(np.float32)


def _triangle(distances: NDArray[np.float64]) -> NDArray[np.float64]:
    return np.maximum(1 - distances, 0)


def _cubic(distances: NDArray[np.float64], sharpness: float = -0.5) -> NDArray[np.float64]:
    """Keys' cubic convolution, as Pillow and torch's antialiasing have it."""
    near = ((sharpness + 2) * distances - (sharpness + 3)) * distances * distances + 1
    far = ((sharpness * distances - 5 * sharpness) * distances + 8 * sharpness) * distances - 4 * sharpness
    return np.where(distances < 1, near, np.where(distances < 2, far, 0))


def _resizes_as_torch(weights: Floats, how: str) -> bool:
    size, length = weights.shape
    line = np.random.default_rng(length).integers(0, 256, (64, length), np.uint8)
    pixels = torch.from_numpy(line).expand(1, 3, 64, length).contiguous(memory_format=torch.channels_last)
    expected = F.interpolate(pixels, (64, size), mode=how, antialias=True)[0, 0].numpy() if size != length else line
    return np.array_equal(np.clip(np.floor(line.astype(np.float32) @ weights.T + np.float32(0.5)), 0, 255), expected)


def inception_crops(
    height: int, width: int, area: Range, aspect: Range, words: Words
) -> tuple[Integers, NDArray[np.intp]]:
    """The windows that `views.inception_crop` chooses, for all views at once.

    Args:
        height: Rows of the images.
        width: Their columns.
        area: Share of the image that a crop takes.
        aspect: Ratio of its width to its height.
        words: The random words of each view (B, `WORDS`).

    Returns:
        Top, left, height and width of each (B, 4), and how many words it has used (B,).
    """
    low, high = math.log(aspect[0]), math.log(aspect[1])
    windows = np.empty((len(words), 4), np.int64)
    used = np.full(len(words), 2 * ATTEMPTS)
    undecided = np.arange(len(words))
    for attempt in range(0, 2 * ATTEMPTS, 2):
        pixels = height * width * _uniform(words[undecided, attempt], *area)
        exponents = _uniform(words[undecided, attempt + 1], low, high)
        ratio = np.array([math.exp(exponent) for exponent in exponents.tolist()])  # numpy's differs in the last bit
        wide, tall = np.rint(np.sqrt(pixels * ratio)), np.rint(np.sqrt(pixels / ratio))
        fits = (wide > 0) & (wide <= width) & (tall > 0) & (tall <= height)
        chosen = undecided[fits]
        windows[chosen, 2], windows[chosen, 3] = tall[fits], wide[fits]
        windows[chosen, 0] = words[chosen, attempt + 2] % (height - windows[chosen, 2] + 1)
        windows[chosen, 1] = words[chosen, attempt + 3] % (width - windows[chosen, 3] + 1)
        used[chosen] = attempt + 4
        undecided = undecided[~fits]
        if not len(undecided):
            return windows, used
    tall, wide = min(height, round(width / aspect[0])), min(width, round(height * aspect[1]))
    windows[undecided] = (height - tall) // 2, (width - wide) // 2, tall, wide
    return windows, used


def _uniform(words: Words, low: float = 0.0, high: float = 1.0) -> NDArray[np.float64]:
    """`RandomNumbers.uniform` of many words."""
    return low + (high - low) * (words % STEPS) / STEPS
