"""Data sets of whole images."""

from abc import abstractmethod
from collections.abc import Iterator

from torch import Tensor
from torch.utils.data import Dataset

from inception_lightning.loading.jpeg import Place


class ImageDataset(Dataset[tuple[Tensor, int]]):
    """Whole images: ``dataset[index]`` is a uint8 image (3, H, W) and its class index."""

    @abstractmethod
    def __len__(self) -> int:
        """The number of images."""

    @abstractmethod
    def __getitem__(self, index: int) -> tuple[Tensor, int]:
        """The image and class index at ``index``."""

    def part(self, index: int, place: Place) -> tuple[Tensor, int]:
        """A part of the image at ``index`` (3, h, w), and its class index.

        The same pixels as in the whole image; files override it, where less than the whole need be decoded.
        """
        image, label = self[index]
        return cut(image, place), label

    @abstractmethod
    def contents(self) -> Iterator[bytes]:
        """What tells two sets of images apart: all there is, or a summary of it."""

    def name(self, index: int) -> str:
        """What a person finds the image by: its file, or else its index."""
        return str(index)

    labels: Tensor
    """The class index of every image (N,)."""


def cut(image: Tensor, place: Place) -> Tensor:
    """A part (3, h, w) of an image (3, H, W)."""
    top, left, height, width = place(image.shape[1], image.shape[2])
    return image[:, top : top + height, left : left + width]


class ImageTensors(ImageDataset):
    """Images that fit in memory: uint8 (N, 3, H, W) and class indices (N,)."""

    def __init__(self, images: Tensor, labels: Tensor) -> None:
        self.images = images
        self.labels = labels

    def __len__(self) -> int:
        return len(self.images)

    def __getitem__(self, index: int) -> tuple[Tensor, int]:
        return self.images[index], int(self.labels[index])

    def contents(self) -> Iterator[bytes]:
        """The pixels."""
        yield self.images.numpy().tobytes()
