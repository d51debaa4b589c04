"""An image between its header and its pixels, so that a view can choose its window before anything is decoded."""

from typing import Protocol, TypeAlias

from torch import Tensor

Window: TypeAlias = tuple[int, int, int, int]
"""Top, left, height and width of a part of an image, in pixels."""


class OpenImage(Protocol):
    """An image whose size is known and whose pixels are decoded when they are asked for."""

    @property
    def height(self) -> int:
        """Rows of the upright image."""

    @property
    def width(self) -> int:
        """Columns of the upright image."""

    def pixels(self, window: Window | None = None) -> Tensor:
        """The whole image, uint8 (3, H, W), or the same pixels of a window (3, h, w)."""


class DecodedImage:
    """An image of which all pixels are there: uint8 (3, H, W)."""

    def __init__(self, image: Tensor) -> None:
        self.image = image
        self.height, self.width = image.shape[1:]

    def pixels(self, window: Window | None = None) -> Tensor:
        """The whole image (3, H, W), or a window of it (3, h, w)."""
        return self.image if window is None else crop(self.image, window)


def crop(image: Tensor, window: Window) -> Tensor:
    """A window (3, h, w) of an image (3, H, W)."""
    top, left, height, width = window
    return image[:, top : top + height, left : left + width]
