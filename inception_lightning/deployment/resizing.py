"""The view of evaluation, resize and centre crop, as two matrix products, which every runtime computes alike.

An antialiased resize is not in every runtime, and where it is, it rounds in its own way. As products with matrices that
are made of the image's size, by plain arithmetic, it is torch's resize of uint8 images: the same weights, rounded to
the same 16 bits, and the same rounding to whole levels after each direction. Only what the crop keeps is computed.
"""

import math
from typing import Literal

import torch
from torch import Tensor, nn

from inception_lightning.loading.bands import Pixels
from inception_lightning.loading.views import STRIP, CenterCrop

MOST_BITS = 22
"""Of the binary places that torch gives the weights, which are whole numbers below 2 ** 15."""


class MatrixView(nn.Module):
    """Images (N, C, H, W) of any size -> what `FixedView` shows of them, (N, C, size, size).

    Of pixels that are fractions nothing is rounded, as torch does not.
    """

    doublings: Tensor

    def __init__(self, image_size: int, view: CenterCrop, pixels: Pixels = "uint8") -> None:
        """Say what is shown.

        Args:
            image_size: Side of the square that comes out, in pixels.
            view: How much of the shorter side the crop keeps, and how the image is resized.
            pixels: Whether they are whole levels, 0..255, or fractions.
        """
        super().__init__()
        self.is_whole = pixels == "uint8"
        self.image_size = image_size
        self.shorter_side = math.floor(image_size / view.fraction)
        self.interpolation: Literal["bilinear", "bicubic"] = view.interpolation
        self.register_buffer("doublings", 2.0 ** torch.arange(1, MOST_BITS + 1, dtype=torch.float32), persistent=False)

    def forward(self, images: Tensor) -> Tensor:
        """Shapes as above; float32."""
        height, width = images.shape[-2:]
        columns, rows = self.weights(width, height), self.weights(height, width)  # (size, W), (size, H)
        wide = self.levels(images.float() @ columns.T)  # (N, C, H, size)
        return self.levels(rows @ wide)

    def levels(self, values: Tensor) -> Tensor:
        """Whole numbers 0..255, as uint8 would hold them; of fractions what they are."""
        return torch.floor(values + 0.5).clamp(0, 255) if self.is_whole else values

    def weights(self, side: int, other: int) -> Tensor:
        """What each of ``image_size`` outputs along a side of ``side`` pixels takes of them: (image_size, side).

        ``other`` is the image's other side.
        """
        device = self.doublings.device
        length, across = (torch.full((), value, dtype=torch.int64, device=device) for value in (side, other))
        most = STRIP * across  # of a long strip only the middle is shown
        strip = torch.where(length > most, most + (length - most) % 2, length)
        start = torch.div(length - strip, 2, rounding_mode="floor")
        whole = _quotient(self.shorter_side * strip, torch.minimum(strip, across))  # once resized
        first = torch.round((whole - self.image_size) / 2).long()  # of the crop
        place = torch.arange(side, device=device) - start  # (side,)
        output = torch.arange(self.image_size, device=device)[:, None] + first  # (image_size, 1)
        apart = (2 * place + 1) * whole - (2 * output + 1) * strip  # of the centres, in whole numbers
        distance = apart.to(self.doublings.dtype) / (2 * torch.maximum(whole, strip))
        inside = (place >= 0) & (place < strip)
        weights = torch.where(inside, self.kernel(distance), 0.0)
        shares = weights / weights.sum(dim=1, keepdim=True)
        return (self.rounded(shares) if self.is_whole else shares).float()

    def kernel(self, distance: Tensor) -> Tensor:
        """The weight of a pixel at a distance, in pixels of the smaller of the two images."""
        x = distance.abs()
        if self.interpolation == "bilinear":
            return (1 - x).clamp(min=0)
        near, far = (1.5 * x - 2.5) * x * x + 1, ((-0.5 * x + 2.5) * x - 4) * x + 2  # Keys's, a = -0.5, as torch's
        return torch.where(x < 1, near, torch.where(x < 2, far, 0.0))

    def rounded(self, weights: Tensor) -> Tensor:
        """The weights as torch has them: multiples of the finest power of two that leaves the largest 15 bits."""
        fits = torch.floor(weights.amax(dim=(0, 1)) * self.doublings + 0.5) < 2**15
        unit = torch.where(fits, self.doublings, 1.0).amax(dim=0)
        scaled = weights * unit
        return torch.where(scaled < 0, torch.ceil(scaled - 0.5), torch.floor(scaled + 0.5)) / unit


def _quotient(dividend: Tensor, divisor: Tensor) -> Tensor:
    """The whole part of a quotient of whole numbers; OpenVINO's own, in float32, is at times too small by one."""
    near = torch.floor(dividend / divisor).long()
    rest = dividend - near * divisor
    return near + (rest >= divisor).long() - (rest < 0).long()
