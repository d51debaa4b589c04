"""Images of any channels as pictures that a person can look at, and the words that say how."""

import torch
from torch import Tensor

from inception_lightning.loading.bands import RGB, Pixels

DARKEST, BRIGHTEST = 0.02, 0.98
"""The shares of a channel's pixels below which it is black, and above which it is white."""


def pictured(image: Tensor) -> Tensor:
    """An image (C, H, W) as a uint8 picture (3, H, W): its first three channels, or the first in grey.

    One whose pixels are fractions is stretched, each channel by itself, from `DARKEST` to `BRIGHTEST` of its pixels.
    """
    first = image[:RGB] if len(image) >= RGB else image[:1].expand(RGB, -1, -1)
    if first.dtype == torch.uint8:
        return first
    limits = torch.tensor([DARKEST, BRIGHTEST])
    low, high = torch.quantile(first.float().flatten(1), limits, dim=1)[:, :, None, None]  # (3, 1, 1) each
    stretched = (first - low) / (high - low).clamp(min=1e-12)
    return (255 * stretched).round().clamp(0, 255).to(torch.uint8)


def how_pictured(channels: int, pixels: Pixels) -> str:
    """What `pictured` does to images of so many channels, as a sentence; empty where it does nothing."""
    shown = {1: "Pictures are grey", 2: "Pictures show channel 1 of 2, in grey", RGB: "Pictures show the channels"}
    said = shown.get(channels, f"Pictures show channels 1, 2 and 3 of {channels} as red, green and blue")
    if pixels == "float32":
        return f"{said}, each stretched to its own range."
    return f"{said}." if channels != RGB else ""
