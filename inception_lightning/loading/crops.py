"""The papers' crops, and other views of an image whose answers are averaged: where they lie, and their pixels.

Going deeper with convolutions, section 7: "we resize the image to 4 scales where the shorter dimension (height or
width) is 256, 288, 320 and 352 respectively, take the left, center and right square of these resized images (in the
case of portrait images, we take the top, center and bottom squares). For each square, we then take the 4 corners and
the center 224x224 crop as well as the square resized to 224x224, and their mirrored versions. This leads to
4x3x6x2 = 144 crops per image." It is what the papers on BN-Inception, Inception-v3 and v4 go by.
"""

import math
from collections.abc import Iterator
from typing import Literal, NamedTuple

from torch import Tensor
from torchvision.transforms import InterpolationMode, v2

from inception_lightning.errors import InputError
from inception_lightning.loading.image import OpenImage, Window, crop
from inception_lightning.loading.views import STRIP, CenterCrop, FixedView, settings

SCALES = (256, 288, 320, 352)
"""Shorter sides of the 144 crops, for a network that sees 224 pixels; for others in proportion, as no paper says."""
SEEN = 224
CORNERS = ((0.0, 0.0), (0.0, 1.0), (1.0, 0.0), (1.0, 1.0), (0.5, 0.5))
"""Where in what is left over above and to the left of a crop it lies: four corners and the centre."""


class Rectangle(NamedTuple):
    """One view: an image is resized, a window is cut out of it, brought to the network's size and perhaps mirrored.

    Attributes:
        part: The part of the image that is resized, the whole unless it is a long strip.
        height: Rows that it is resized to.
        width: Columns.
        window: The window in the resized image.
        mirrored: Whether left and right are exchanged.
    """

    part: Window
    height: int
    width: int
    window: Window
    mirrored: bool


@settings
class Crops:
    """The views of an image whose softmax is averaged: one, the papers' crops, or plain flips and scales.

    Attributes:
        count: 1 is the crop of the centre. 10: four corners and the centre, and their mirror images, as AlexNet's paper
            and GoogLeNet's Table 3 count. 144: see the head of this file. 12: the six crops and mirror images of one
            square, the one in the centre, at the evaluation's own scale; the Inception-v4 paper says "12 crops as
            described in" GoogLeNet's, which describes 144, so this is our reading.
        flips: With one crop, its mirror image too.
        scales: With one crop, factors on the side that the image's shorter one is resized to.
    """

    count: Literal[1, 10, 12, 144] = 1
    flips: bool = False
    scales: tuple[float, ...] = (1.0,)

    @property
    def per_image(self) -> int:
        """How many views an image has."""
        return self.count if self.count > 1 else len(self.scales) * (2 if self.flips else 1)

    @property
    def plain(self) -> bool:
        """Whether the only view is the crop of the centre."""
        return self.count == 1 and not self.flips and tuple(self.scales) == (1.0,)

    def build(self, evaluation: CenterCrop, image_size: int) -> FixedView:
        """The views that come out as uint8 (3, image_size, image_size).

        Raises:
            InputError: A scale leaves less than the network sees, or belongs to one crop only.
        """
        view = evaluation.build(image_size)
        if self.plain:
            return view
        if self.count > 1 and (self.flips or tuple(self.scales) != (1.0,)):
            raise InputError(
                f"flips and scales go with one crop: {self.count} crops have mirror images, say one of them"
            )
        shorter = math.floor(image_size / evaluation.fraction)
        for scale in self.scales:
            if not round(shorter * scale) >= image_size:
                least = image_size / shorter
                raise InputError(
                    f"scales: {scale} leaves less than the crop of {image_size} pixels: at least {least:.3g}"
                )
        return ManyViews(self, evaluation, image_size)

    def rectangles(self, height: int, width: int, image_size: int, fraction: float = 0.875) -> list[Rectangle]:
        """Where the views of an image lie, in their order.

        Args:
            height: Of the image, in pixels.
            width: The same.
            image_size: Side of what the network sees.
            fraction: Share of the shorter side that the crop of the centre keeps; it gives the scale of 1, 10 and 12.
        """
        shorter = math.floor(image_size / fraction)
        if self.count in (10, 12) and shorter <= image_size:  # corners would be the centre
            shorter = round(image_size * SCALES[0] / SEEN)
        sides = {
            1: [round(shorter * scale) for scale in self.scales],
            144: [round(image_size * side / SEEN) for side in SCALES],
        }.get(self.count, [shorter])
        found: list[Rectangle] = []
        for side in sides:
            for part, (tall, wide), window in self._windows(height, width, side, image_size):
                found.append(Rectangle(part, tall, wide, window, False))
                if self.count > 1 or self.flips:
                    found.append(Rectangle(part, tall, wide, window, True))
        return found

    def _windows(
        self, height: int, width: int, side: int, image_size: int
    ) -> Iterator[tuple[Window, tuple[int, int], Window]]:
        """The part, its size once resized, and the window of each view at one scale, not mirrored."""
        if self.count in (1, 10):
            for down, right in CORNERS[-1:] if self.count == 1 else CORNERS:
                part = strip_part(height, width, down if height > width else right)
                tall, wide = resized_sides(part[2], part[3], side)
                yield part, (tall, wide), _placed(0, 0, tall, wide, image_size, (down, right))
            return
        for place in (0.5,) if self.count == 12 else (0.0, 0.5, 1.0):  # left, centre and right, or top to bottom
            part = strip_part(height, width, place)
            tall, wide = resized_sides(part[2], part[3], side)
            square = _placed(0, 0, tall, wide, side, (place, place))
            for corner in CORNERS:
                yield part, (tall, wide), _placed(square[0], square[1], side, side, image_size, corner)
            yield part, (tall, wide), square


def resized_sides(height: int, width: int, shorter: int) -> tuple[int, int]:
    """Height and width when the shorter of them is resized to ``shorter``, as torchvision rounds the longer."""
    if height <= width:
        return shorter, int(shorter * width / height)
    return int(shorter * height / width), shorter


def strip_part(height: int, width: int, place: float) -> Window:
    """The whole image; of one longer than `STRIP` times its shorter side, the part at ``place`` (0..1) along it."""
    tall, wide = (
        side if side <= (most := STRIP * min(height, width)) else most + (side - most) % 2 for side in (height, width)
    )
    return round((height - tall) * place), round((width - wide) * place), tall, wide


def _placed(top: int, left: int, height: int, width: int, side: int, place: tuple[float, float]) -> Window:
    """A square window at a place of a larger one; halves of a pixel are rounded as torchvision's centre crop does."""
    return top + round((height - side) * place[0]), left + round((width - side) * place[1]), side, side


class ManyViews(FixedView):
    """The views of `Crops`, one at a time: decoded and resized is what the last one needed, and no more is kept."""

    def __init__(self, crops: Crops, evaluation: CenterCrop, image_size: int) -> None:
        super().__init__([v2.Identity()], image_size)
        self.crops = crops
        self.evaluation = evaluation
        self.count = crops.per_image
        self.image: OpenImage | None = None
        self.rectangles: list[Rectangle] = []
        self.decoded: tuple[Window, Tensor] | None = None
        self.resized: tuple[tuple[Window, int, int], Tensor] | None = None

    def show(self, image: OpenImage, number: int = 0) -> Tensor:
        """The view ``number`` of an image; those of one image are best asked for one after the other."""
        if image is not self.image:
            sides = (image.height, image.width)
            self.rectangles = self.crops.rectangles(*sides, self.size, self.evaluation.fraction)
            self.image, self.decoded, self.resized = image, None, None
        part, height, width, window, mirrored = self.rectangles[number]
        view = crop(self._resized(image, part, height, width), window)
        if window[2] != self.size:
            view = self._resize(view, self.size, self.size)
        return view.flip(2) if mirrored else view

    def _resized(self, image: OpenImage, part: Window, height: int, width: int) -> Tensor:
        if self.resized is None or self.resized[0] != (part, height, width):
            self.resized = None
            self.resized = (part, height, width), self._resize(self._pixels(image, part), height, width)
        return self.resized[1]

    def _pixels(self, image: OpenImage, part: Window) -> Tensor:
        if self.decoded is None or self.decoded[0] != part:
            whole = part == (0, 0, image.height, image.width)
            self.decoded = None
            self.decoded = part, image.pixels(None if whole else part)
        return self.decoded[1]

    def _resize(self, image: Tensor, height: int, width: int) -> Tensor:
        how = InterpolationMode(self.evaluation.interpolation)
        resized: Tensor = v2.functional.resize(image, [height, width], how, antialias=True)
        return resized
