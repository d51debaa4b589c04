"""Mean and std of each channel of the training images, measured, as a page that trains with them."""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import torch
import yaml
from torch import Tensor

DIGITS = 5
"""Significant ones of a mean or a std."""


@dataclass(frozen=True)
class Levels:
    """What one image has, channel by channel (C,), of pixels in 0..1.

    Attributes:
        mean: The mean.
        square: The mean of the squares.
        least: The smallest value.
        most: The largest.
    """

    mean: tuple[float, ...]
    square: tuple[float, ...]
    least: tuple[float, ...]
    most: tuple[float, ...]

    @classmethod
    def of(cls, image: Tensor) -> "Levels":
        """Those of an image (C, H, W), uint8 or float32."""
        pixels = image.flatten(1).double()  # (C, H W)
        pixels = pixels / 255 if image.dtype == torch.uint8 else pixels
        found = (pixels.mean(1), pixels.square().mean(1), pixels.amin(1), pixels.amax(1))
        return cls(*(tuple(values.tolist()) for values in found))


@dataclass(frozen=True)
class Statistics:
    """Those of many images, each of which counts alike whatever its size, as it does in training.

    Attributes:
        images: How many.
        mean: Of each channel (C,).
        std: Of each channel (C,); 1 where a channel is the same everywhere.
        least: The smallest value of each.
        most: The largest.
    """

    images: int
    mean: tuple[float, ...]
    std: tuple[float, ...]
    least: tuple[float, ...]
    most: tuple[float, ...]

    @classmethod
    def of(cls, images: Sequence[Levels]) -> "Statistics":
        """Those of at least one image."""
        mean = [math.fsum(values) / len(images) for values in zip(*(one.mean for one in images), strict=True)]
        square = [math.fsum(values) / len(images) for values in zip(*(one.square for one in images), strict=True)]
        least = tuple(min(values) for values in zip(*(one.least for one in images), strict=True))
        most = tuple(max(values) for values in zip(*(one.most for one in images), strict=True))
        varies = [high > low for low, high in zip(least, most, strict=True)]
        std = [math.sqrt(max(s - m * m, 0)) for m, s in zip(mean, square, strict=True)]
        spread = [value if some and value > 0 else 1.0 for value, some in zip(std, varies, strict=True)]
        return cls(len(images), _rounded(mean), _rounded(spread), least, most)

    def page(self, told: str) -> str:
        """A page for ``--config``, or lines for another page; ``told`` says of what they are, in a comment."""
        values = {"mean": list(self.mean), "std": list(self.std)}
        return f"# of {told}\n" + yaml.safe_dump(
            {"model": values}, sort_keys=False, default_flow_style=None, width=1000
        )

    def text(self) -> str:
        """The same for people."""
        lines = [f"statistics of {self.images:,} training images, each counted alike; least and most are of all pixels"]
        lines += ["  channel      mean       std     least      most"]
        for number, values in enumerate(zip(self.mean, self.std, self.least, self.most, strict=True), 1):
            lines.append(f"  {number:7}" + "".join(f"{value:10.4g}" for value in values))
        return "\n".join(lines)


def _rounded(values: Sequence[float]) -> tuple[float, ...]:
    return tuple(float(f"{value:.{DIGITS}g}") for value in values)
