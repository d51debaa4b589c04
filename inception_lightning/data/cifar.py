"""CIFAR-10 and CIFAR-100: Krizhevsky, Learning Multiple Layers of Features from Tiny Images, 2009."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from http.client import HTTPException
from pathlib import Path
from typing import ClassVar

import torch
from torchvision import datasets
from torchvision.datasets.utils import check_integrity, download_url

from inception_lightning.data.archives import extract
from inception_lightning.data.base import Split
from inception_lightning.data.division import DividedImages
from inception_lightning.errors import InputError
from inception_lightning.loading.dataset import ImageTensors
from inception_lightning.loading.views import Augmentation, CenterCrop


@dataclass(kw_only=True, eq=False)
class CIFAR10(DividedImages):
    """50,000 training and 10,000 test images of 32 x 32 pixels in 10 classes.

    Downloaded once, with checksum, where there is a network. Validation holds out a share of the
    training images; with ``val_fraction: 0`` it is the test images, as many published numbers have it.

    Args:
        root: Folder that holds, or receives, the official archive.
        val_fraction: Share of each class of the training images that is held out, 0..1; always the same images.
            0 validates on the test images.
    """

    root: Path = Path("data")
    val_fraction: float = 0.1
    image_size: int = 32
    batch_size: int = 128
    augmentation: Augmentation = Augmentation(area=(0.3, 1.0))
    evaluation: CenterCrop = CenterCrop(fraction=1.0)

    archive: ClassVar[type[datasets.CIFAR10]] = datasets.CIFAR10
    num_classes = 10

    def __post_init__(self) -> None:
        """Take a path that is given as a string, too."""
        super().__post_init__()
        self.root = Path(self.root)
        self._complete = False

    def prepare_data(self) -> None:
        """Download the archive where it is missing.

        Raises:
            InputError: It is missing and there is no network, or its checksum is wrong.
        """
        if self._is_complete:
            return
        try:
            download_url(self.archive.url, str(self.root), self.archive.filename, self.archive.tgz_md5)
        except (OSError, HTTPException, RuntimeError) as error:
            raise InputError(
                f"cannot download {self.archive.__name__} ({error}): put {self.archive.filename} into {self.root}"
            ) from None
        extract(self.root / self.archive.filename, self.root)

    @cached_property
    def class_names(self) -> Sequence[str]:
        """The names as the archive has them."""
        return tuple(self._read(train=False).classes)

    def dataset(self, split: Split) -> ImageTensors:
        """The whole images of one split.

        Raises:
            InputError: The archive's files are not there, or one is not the official one.
        """
        holds_out = self.val_fraction != 0 or self.fold is not None
        if split == "test" or (split == "val" and not holds_out):
            return self._images(train=False)
        whole = self._images(train=True)
        if not holds_out:
            return whole
        train, val = self.divided(whole.labels)
        return whole.subset(train if split == "train" else val)

    def _images(self, train: bool) -> ImageTensors:
        read = self._read(train)
        images = torch.from_numpy(read.data).permute(0, 3, 1, 2).contiguous()  # (N, 3, 32, 32)
        return ImageTensors(images, torch.tensor(read.targets))

    def _read(self, train: bool) -> datasets.CIFAR10:
        """What torchvision reads from the files, whose pickles are not opened before their checksums are right."""
        if not self._is_complete:
            raise InputError(
                f"no {self.archive.__name__} in {self.root}: "
                f"put {self.archive.filename} there, or say --data.root FOLDER"
            )
        return _checked(self.archive)(self.root, train=train)

    @property
    def _is_complete(self) -> bool:
        """Whether all files are there, with their checksums; asked again only where they were not."""
        self._complete = self._complete or all(check_integrity(str(file), md5) for file, md5 in self._files())
        return self._complete

    def _files(self) -> Iterator[tuple[Path, str]]:
        meta = self.archive.meta
        for name, md5 in [*self.archive.train_list, *self.archive.test_list, (meta["filename"], meta["md5"])]:
            yield Path(self.root, self.archive.base_folder, name), md5


def _checked(archive: type[datasets.CIFAR10]) -> type[datasets.CIFAR10]:
    """``archive`` without its checksums, which have been compared: torchvision would do so for every split."""
    unchecked = {
        "train_list": [(name, None) for name, _ in archive.train_list],
        "test_list": [(name, None) for name, _ in archive.test_list],
        "meta": archive.meta | {"md5": None},
    }
    return type(archive.__name__, (archive,), unchecked)


class CIFAR100(CIFAR10):
    """50,000 training and 10,000 test images of 32 x 32 pixels in 100 classes; arguments as `CIFAR10`."""

    archive = datasets.CIFAR100
    num_classes = 100
