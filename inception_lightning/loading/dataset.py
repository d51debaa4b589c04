"""Data sets of whole images: in memory, or in files."""

import os
from abc import abstractmethod
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TypeAlias

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.utils.data import Dataset

from inception_lightning.loading.bands import Bands, open_as
from inception_lightning.loading.decoding import read_file
from inception_lightning.loading.image import DecodedImage, OpenImage
from inception_lightning.loading.listing import FileNames

SIZES = 20_000
"""Of how many files the fingerprint has the size: on a network's disk each costs up to a millisecond."""


Label: TypeAlias = int | Tensor
"""A class index; or where an image may have several classes a row (K,) of 0 and 1."""


def label_names(label: Label, names: Sequence[str]) -> list[str]:
    """The class of an image, or its classes."""
    return [names[label]] if isinstance(label, int) else [names[index] for index in label.nonzero()[:, 0].tolist()]


class ImageDataset(Dataset[tuple[Tensor, Label]]):
    """Whole images: ``dataset[index]`` is a uint8 image (3, H, W) and its class index.

    Where there are ``bands``, an image is (C, H, W) and of their type.
    """

    labels: Tensor
    """The class index of every image (N,), or a row (N, K) of 0 and 1 for each."""
    groups: NDArray[np.str_] | None = None
    """The group of every image (N,), such as a patient, whose images stay on one side of every split."""
    bands: Bands | None = None
    """What the images have, where they are no pictures in RGB."""

    @abstractmethod
    def __len__(self) -> int:
        """The number of images."""

    @abstractmethod
    def __getitem__(self, index: int) -> tuple[Tensor, Label]:
        """The image and class index at ``index``."""

    def label(self, index: int) -> Label:
        """The class index at ``index``, or the row of 0 and 1."""
        return self.labels[index] if self.labels.ndim == 2 else int(self.labels[index])

    def open(self, index: int) -> OpenImage:
        """The image at ``index``; data sets of files override it, so that a window is decoded without the rest."""
        return DecodedImage(self[index][0])

    def tensor(self) -> Tensor | None:
        """All images (N, 3, H, W), where they lie in memory and are shown as they lie there; None elsewhere."""
        return None

    @abstractmethod
    def contents(self) -> Iterator[bytes]:
        """What tells two sets of images apart: all there is, or a summary of it."""

    def name(self, index: int) -> str:
        """What a person finds the image by: its file, or else its index."""
        return str(index)


class ImageTensors(ImageDataset):
    """Images that fit in memory: uint8 (N, 3, H, W) and class indices (N,)."""

    def __init__(self, images: Tensor, labels: Tensor) -> None:
        self.images = images
        self.labels = labels

    def __len__(self) -> int:
        return len(self.images)

    def __getitem__(self, index: int) -> tuple[Tensor, Label]:
        return self.images[index], self.label(index)

    def tensor(self) -> Tensor | None:
        """All images (N, 3, H, W); None in a subclass that shows them in a way of its own."""
        ours, usual = type(self), ImageTensors
        same = (ours.__getitem__, ours.open, ours.label) == (usual.__getitem__, usual.open, usual.label)
        return self.images if same else None

    def subset(self, indices: Tensor) -> "ImageTensors":
        """Some of the images, copied."""
        return ImageTensors(self.images[indices], self.labels[indices])

    def contents(self) -> Iterator[bytes]:
        """The bytes that tell these images from others: all pixels."""
        yield self.images.numpy().tobytes()


class ImageFiles(ImageDataset):
    """Files that are read and decoded when they are asked for."""

    def __init__(
        self,
        files: Sequence[Path],
        labels: Sequence[int] | Tensor,
        groups: NDArray[np.str_] | None = None,
        bands: Bands | None = None,
    ) -> None:
        self.files = files if isinstance(files, FileNames) else FileNames(Path(), map(bytes, files))
        self.labels = torch.as_tensor(labels)  # (N,)
        self.groups = groups
        self.bands = bands

    def __len__(self) -> int:
        return len(self.files)

    def __getitem__(self, index: int) -> tuple[Tensor, Label]:
        return self.open(index).pixels(), self.label(index)

    def open(self, index: int) -> OpenImage:
        """The image at ``index``, its file read and its pixels not yet decoded.

        Raises:
            ImageInputError: The file is not a readable image.
        """
        name = self.files.path(index)
        return open_as(read_file(name), name, self.bands)

    def seen_as(self, bands: Bands | None) -> "ImageFiles":
        """The same files, read so."""
        return ImageFiles(self.files, self.labels, self.groups, bands)

    def subset(self, indices: Tensor) -> "ImageFiles":
        """Some of the images."""
        groups = None if self.groups is None else self.groups[indices.numpy()]
        return ImageFiles(self.files.take(indices.tolist()), self.labels[indices], groups, self.bands)

    def __add__(self, other: "ImageFiles") -> "ImageFiles":  # type: ignore[override]  # torch's would forget the names
        """These images and after them those of ``other``."""
        groups = None if self.groups is None or other.groups is None else np.concatenate([self.groups, other.groups])
        return ImageFiles([*self.files, *other.files], torch.cat([self.labels, other.labels]), groups, self.bands)

    def file(self, index: int) -> Path:
        """The file at ``index``."""
        return self.files[index]

    def name(self, index: int) -> str:
        """The path of the file."""
        return str(self.file(index))

    def contents(self) -> Iterator[bytes]:
        """The names of all files, and the sizes of `SIZES` of them, evenly spread."""
        yield self.files.packed.tobytes()
        yield self.files.ends.tobytes()
        root = os.fsencode(self.files.root)
        for index in np.linspace(0, len(self) - 1, min(len(self), SIZES), dtype=np.int64):
            try:
                size = os.stat(os.path.join(root, self.files.name(index))).st_size
            except OSError:  # it has vanished
                size = -1
            yield b"%d\n" % size
