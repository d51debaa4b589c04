"""CIFAR-10 and CIFAR-100: Krizhevsky, Learning Multiple Layers of Features from Tiny Images, 2009."""

from collections.abc import Sequence
from http.client import HTTPException
from pathlib import Path
from typing import ClassVar

import torch
from torchvision import datasets

from inception_lightning.data.base import ImageDataModule, ImageTensors, Split, split_by_fraction
from inception_lightning.data.transforms import Augmentation, CenterCrop
from inception_lightning.errors import InputError


class CIFAR10(ImageDataModule):
    """50,000 training and 10,000 test images of 32 x 32 pixels in 10 classes.

    Downloaded once, with checksum, where there is a network. Validation holds out a share of the
    training images; with ``val_fraction: 0`` it is the test images, as many published numbers have it.
    """

    archive: ClassVar[type[datasets.CIFAR10]] = datasets.CIFAR10
    num_classes: int = 10

    def __init__(
        self,
        *,
        root: Path = Path("data"),
        val_fraction: float = 0.1,
        image_size: int = 32,
        batch_size: int = 128,
        num_workers: int | None = None,
        augmentation: Augmentation = Augmentation(area=(0.3, 1.0)),
        evaluation: CenterCrop = CenterCrop(fraction=1.0),
        seed: int = 0,
    ) -> None:
        """Find the data and say how images are shown to the network.

        Args:
            root: Folder that holds, or receives, the official archive.
            val_fraction: Share of each class of the training images that is held out, 0..1; always
                the same images. 0 validates on the test images.
            image_size: Side of the square images that come out, in pixels.
            batch_size: Images per batch and process.
            num_workers: Processes that make the views; by default one per core, 8 at most.
            augmentation: The random view for training.
            evaluation: The fixed view for validation, test and prediction.
            seed: Where the order of training images and their random views start.
        """
        super().__init__(
            image_size=image_size,
            batch_size=batch_size,
            num_workers=num_workers,
            augmentation=augmentation,
            evaluation=evaluation,
            seed=seed,
        )
        self.root = root
        self.val_fraction = val_fraction

    def prepare_data(self) -> None:
        """Download the archive where it is missing.

        Raises:
            InputError: It is missing and there is no network, or its checksum is wrong.
        """
        try:
            self.archive(self.root, download=True)
        except (OSError, HTTPException, RuntimeError) as error:
            raise InputError(
                f"cannot download {self.archive.__name__} ({error}): put {self.archive.filename} into {self.root}"
            ) from None

    @property
    def class_names(self) -> Sequence[str]:
        """The names as the archive has them."""
        return tuple(self._load(train=False).classes)

    def dataset(self, split: Split) -> ImageTensors:
        """The whole images of one split."""
        if split == "test" or (split == "val" and self.val_fraction == 0):
            return _tensors(self._load(train=False))
        whole = _tensors(self._load(train=True))
        if self.val_fraction == 0:
            return whole
        train, val = split_by_fraction(whole.labels, self.val_fraction, seed=0)
        chosen = train if split == "train" else val
        return ImageTensors(whole.images[chosen], whole.labels[chosen])

    def _load(self, train: bool) -> datasets.CIFAR10:
        try:
            return self.archive(self.root, train=train)
        except RuntimeError:
            raise InputError(
                f"no {self.archive.__name__} in {self.root}: "
                f"put {self.archive.filename} there, or say --data.root FOLDER"
            ) from None


class CIFAR100(CIFAR10):
    """50,000 training and 10,000 test images of 32 x 32 pixels in 100 classes; arguments as `CIFAR10`."""

    archive = datasets.CIFAR100
    num_classes = 100


def _tensors(archive: datasets.CIFAR10) -> ImageTensors:
    images = torch.from_numpy(archive.data).permute(0, 3, 1, 2).contiguous()  # (N, 32, 32, 3) -> (N, 3, 32, 32)
    return ImageTensors(images, torch.tensor(archive.targets))
