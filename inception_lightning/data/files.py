"""`ImagesInFiles`: data sets whose images are files, of whatever bands these have."""

import contextlib
from abc import abstractmethod
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from inception_lightning.data.base import ImageDataModule
from inception_lightning.errors import InputError
from inception_lightning.loading.bands import Bands, Content, bands_of_all
from inception_lightning.loading.dataset import ImageFiles
from inception_lightning.loading.decoding import ImageInputError, read_file

LOOKED_AT = 5
"""Files, evenly spread over the training images, by which it is known what all of them have."""


@dataclass(kw_only=True, eq=False)
class ImagesInFiles(ImageDataModule):
    """Images in files.

    Pictures are shown in red, green and blue, 8 bits each, whatever they are. ``.npy`` arrays, which count as images
    where no picture is among them, and TIFFs that are no pictures have their own bands.

    Args:
        channels: The bands that every file has, read as they are and with all their bits: 1 of grey images, 4 of RGBA.
            By default 3, red, green and blue; of arrays their own number.
        scale: The number that is 1.0 in files of more than 8 bits; by default 65535 for 16 bits, 32767 for signed ones,
            and 1 for fractions.
    """

    channels: int | None = None
    scale: float | None = None

    def __post_init__(self) -> None:
        """Refuse impossible numbers.

        Raises:
            InputError: One is.
        """
        super().__post_init__()
        if self.channels is not None and self.channels < 1:
            raise InputError(f"data.channels must be at least 1, got {self.channels}")
        if self.scale is not None and not 0 < self.scale < float("inf"):
            raise InputError(f"data.scale must be a number above 0, got {self.scale}")

    @abstractmethod
    def some_files(self) -> Iterator[tuple[Content, str]]:
        """Content and name of a few of the files."""

    @cached_property
    def bands(self) -> Bands | None:
        """What the images have; None for pictures in RGB.

        Raises:
            InputError: It is not what `channels` says.
        """
        return bands_of_all(self.some_files(), self.channels, self.scale)


def some_of(files: ImageFiles) -> Iterator[tuple[Content, str]]:
    """Content and name of `LOOKED_AT` files, evenly spread, without those that cannot be read."""
    for index in np.linspace(0, len(files) - 1, min(len(files), LOOKED_AT), dtype=np.int64):
        name = files.files.path(int(index))
        with contextlib.suppress(ImageInputError):
            yield read_file(name), name
