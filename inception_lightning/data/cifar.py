"""CIFAR-10 and CIFAR-100: Krizhevsky, Learning Multiple Layers of Features from Tiny Images, 2009."""

from collections.abc import Sequence
from http.client import HTTPException
from pathlib import Path
from typing import ClassVar

import numpy as np
import torch
from torchvision import datasets
from torchvision.datasets.utils import check_integrity, download_url

from inception_lightning.data.archives import extract
from inception_lightning.data.base import ImageDataModule, Split, split_by_fraction
from inception_lightning.data.pickles import read_pickle
from inception_lightning.errors import InputError
from inception_lightning.loading.dataset import ImageTensors
from inception_lightning.loading.views import Augmentation, CenterCrop


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
        if self._complete():
            return
        try:
            download_url(self.archive.url, str(self.root), self.archive.filename, self.archive.tgz_md5)
        except (OSError, HTTPException, RuntimeError) as error:
            raise InputError(
                f"cannot download {self.archive.__name__} ({error}): put {self.archive.filename} into {self.root}"
            ) from None
        extract(self.root / self.archive.filename, self.root)

    @property
    def class_names(self) -> Sequence[str]:
        """The names as the archive has them."""
        meta = self.archive.meta
        names: list[str] = read_pickle(self._folder() / meta["filename"])[meta["key"]]
        return tuple(names)

    def dataset(self, split: Split) -> ImageTensors:
        """The whole images of one split."""
        if split == "test" or (split == "val" and self.val_fraction == 0):
            return self._load(self.archive.test_list)
        whole = self._load(self.archive.train_list)
        if self.val_fraction == 0:
            return whole
        train, val = split_by_fraction(whole.labels, self.val_fraction, seed=0)
        chosen = train if split == "train" else val
        return ImageTensors(whole.images[chosen], whole.labels[chosen])

    def _load(self, parts: Sequence[Sequence[str]]) -> ImageTensors:
        folder = self._folder()
        batches = [read_pickle(folder / name) for name, _ in parts]
        pixels = np.concatenate([batch["data"] for batch in batches]).reshape(-1, 3, 32, 32)
        labels = [label for batch in batches for label in batch.get("labels", batch.get("fine_labels"))]
        return ImageTensors(torch.from_numpy(pixels), torch.tensor(labels))

    def _folder(self) -> Path:
        if not self._complete():
            raise InputError(
                f"no {self.archive.__name__} in {self.root}: "
                f"put {self.archive.filename} there, or say --data.root FOLDER"
            )
        return self.root / self.archive.base_folder

    def _complete(self) -> bool:
        """Whether all files are there, with their checksums."""
        folder = self.root / self.archive.base_folder
        meta = self.archive.meta
        parts = [*self.archive.train_list, *self.archive.test_list, (meta["filename"], meta["md5"])]
        return all(check_integrity(str(folder / name), md5) for name, md5 in parts)


class CIFAR100(CIFAR10):
    """50,000 training and 10,000 test images of 32 x 32 pixels in 100 classes; arguments as `CIFAR10`."""

    archive = datasets.CIFAR100
    num_classes = 100
