"""From a whole image to what a network sees: random views for training, one fixed view for evaluation."""

import math
from dataclasses import dataclass
from typing import Literal, TypeAlias

from torchvision.transforms import InterpolationMode, v2

Interpolation: TypeAlias = Literal["bilinear", "bicubic"]


@dataclass(frozen=True)
class Augmentation:
    """A random view: the inception crop (Going deeper with convolutions, section 6) and a flip.

    Attributes:
        area: Smallest and largest share of the image's area that the crop takes, 0..1.
        aspect: Smallest and largest ratio of the crop's width to its height.
        flip: Whether every other view is mirrored left to right; wrong for digits and letters.
        interpolation: How the crop is brought to the network's size.
    """

    area: tuple[float, float] = (0.08, 1.0)
    aspect: tuple[float, float] = (3 / 4, 4 / 3)
    flip: bool = True
    interpolation: Interpolation = "bilinear"

    def build(self, image_size: int) -> v2.Transform:
        """The transform: uint8 (3, H, W) -> uint8 (3, image_size, image_size)."""
        mode = InterpolationMode(self.interpolation)
        crop = v2.RandomResizedCrop(image_size, self.area, self.aspect, mode, antialias=True)
        return v2.Compose([crop, v2.RandomHorizontalFlip(0.5 if self.flip else 0.0)])


@dataclass(frozen=True)
class CenterCrop:
    """The evaluation view: the shorter side is resized to image_size / fraction, the centre is cut out.

    Attributes:
        fraction: Share of the shorter side that the crop keeps, above 0 up to 1.
        interpolation: How the image is resized.
    """

    fraction: float = 0.875
    interpolation: Interpolation = "bilinear"

    def build(self, image_size: int) -> v2.Transform:
        """The transform: uint8 (3, H, W) -> uint8 (3, image_size, image_size)."""
        shorter_side = math.floor(image_size / self.fraction)
        resize = v2.Resize(shorter_side, InterpolationMode(self.interpolation), antialias=True)
        return v2.Compose([resize, v2.CenterCrop(image_size)])
