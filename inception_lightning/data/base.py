"""`ImageDataModule`: everything that data sets share. A data set says its class names and its splits."""

import hashlib
from abc import abstractmethod
from collections.abc import Iterator, Sequence
from functools import cached_property
from typing import Any, Literal, TypeAlias

import lightning.pytorch as pl
import torch
from sklearn.model_selection import train_test_split
from torch import Tensor
from torch.utils.data import DataLoader, Dataset
from torchvision.transforms import v2

from inception_lightning.configuration import Configurable
from inception_lightning.data import machine
from inception_lightning.data.draws import Draws
from inception_lightning.data.jpeg import Place, Window
from inception_lightning.data.loaders import EvaluationLoader, TrainLoader, collate
from inception_lightning.data.samplers import EvaluationSampler, TrainSampler, mixed_seed
from inception_lightning.data.transforms import Augmentation, CenterCrop, RandomView
from inception_lightning.errors import InputError

Split: TypeAlias = Literal["train", "val", "test"]
Batch: TypeAlias = tuple[Tensor, Tensor]
"""uint8 images (N, 3, H, W) and class indices (N,)."""


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


class ImageDataModule(Configurable, pl.LightningDataModule):
    """Image files in, batches of uint8 images and class indices out.

    A data set subclasses it and writes `class_names` and `dataset`. Images stay uint8 until they are
    on the device, where the LightningModule normalises them as the network wants.
    """

    def __init__(
        self,
        *,
        image_size: int,
        batch_size: int,
        num_workers: int | None,
        augmentation: Augmentation,
        evaluation: CenterCrop,
        seed: int,
    ) -> None:
        """Say how images are shown to the network.

        Args:
            image_size: Side of the square images that come out, in pixels.
            batch_size: Images per batch and process.
            num_workers: Processes that decode; by default one per core, 8 at most.
            augmentation: The random view for training.
            evaluation: The fixed view for validation, test and prediction.
            seed: Where the order of training images and their random views start.
        """
        super().__init__()
        self.image_size = image_size
        self.batch_size = batch_size
        self.num_workers = machine.workers(image_size, batch_size) if num_workers is None else num_workers
        self.augmentation = augmentation
        self.evaluation = evaluation
        self.seed = seed

    @property
    @abstractmethod
    def class_names(self) -> Sequence[str]:
        """The name of each class index: one map for every split, taken from the training images."""

    @abstractmethod
    def dataset(self, split: Split) -> ImageDataset:
        """The whole images of one split."""

    @property
    def num_classes(self) -> int:
        """The number of classes."""
        return len(self.class_names)

    @cached_property
    def fingerprint(self) -> dict[str, Any]:
        """What tells two states of the data apart, as plain data: the number of images, and a hash.

        The hash covers class names, labels, and names and sizes of files; pixels where there are no files.
        """
        digest = hashlib.sha256("\n".join(self.class_names).encode())
        counts = {}
        for split in ("train", "val"):
            dataset = self.dataset(split)
            counts[split] = len(dataset)
            digest.update(dataset.labels.numpy().tobytes())
            for part in dataset.contents():
                digest.update(part)
        return {"images": counts, "sha256": digest.hexdigest()}

    def setup(self, stage: str) -> None:
        """Refuse, before anything starts, a machine whose shared memory does not hold the workers' batches.

        Raises:
            InputError: It does not.
        """
        machine.check_shared_memory(self.image_size, self.batch_size, self.num_workers)

    def train_dataloader(self) -> TrainLoader:
        """Random views in a new order each epoch; a last, smaller batch is left out."""
        dataset = self.dataset("train")
        sampler = TrainSampler(len(dataset), self.seed)
        views = RandomViews(dataset, self.augmentation.build(self.image_size), self.seed)
        return TrainLoader(
            views,
            sampler,
            collate=collate,
            batch_size=self.batch_size,
            num_workers=self.num_workers,
            drop_last=len(sampler) >= self.batch_size,
        )

    def val_dataloader(self) -> DataLoader[tuple[Tensor, int]]:
        """Every validation image once, in order."""
        return self._scoring_loader("val")

    def test_dataloader(self) -> DataLoader[tuple[Tensor, int]]:
        """Every test image once, in order."""
        return self._scoring_loader("test")

    def predict_dataloader(self) -> DataLoader[tuple[Tensor, int]]:
        """Refused here: predictions are made on a folder of photos.

        Raises:
            InputError: Always; `Photos` overrides it.
        """
        raise InputError(f"predict reads a folder of photos, not {type(self).__name__}: say --data.root FOLDER")

    def views(self, split: Split) -> "FixedViews":
        """The images of one split as evaluation shows them to the network."""
        return FixedViews(self.dataset(split), self.evaluation.build(self.image_size))

    def _evaluation_loader(self, dataset: ImageDataset) -> DataLoader[tuple[Tensor, int]]:
        # for prediction, in which Lightning makes a loader of its own from this one
        return DataLoader(
            FixedViews(dataset, self.evaluation.build(self.image_size)),
            batch_size=self.batch_size,
            sampler=EvaluationSampler(len(dataset)),
            num_workers=self.num_workers,
            collate_fn=collate,
            pin_memory=torch.cuda.is_available(),
            generator=torch.Generator(),
        )

    def _scoring_loader(self, split: Split) -> EvaluationLoader:
        views = self.views(split)
        sampler = EvaluationSampler(len(views))
        return EvaluationLoader(
            views, sampler, collate=collate, batch_size=self.batch_size, num_workers=self.num_workers
        )


class RandomViews(Dataset[tuple[Tensor, int]]):
    """Training views: what is drawn depends on (seed, epoch, index) alone, not on worker, process or resume."""

    def __init__(self, dataset: ImageDataset, view: RandomView, seed: int) -> None:
        self.dataset = dataset
        self.view = view
        self.seed = seed
        self.draws = Draws()

    def __getitem__(self, key: tuple[int, int]) -> tuple[Tensor, int]:
        epoch, index = key
        seed = mixed_seed(self.seed, epoch, index)

        def place(height: int, width: int) -> Window:
            self.draws.seed(seed)
            return self.view.place(height, width, self.draws)

        image, label = self.dataset.part(index, place)
        return self.view.show(image, self.draws), label


class FixedViews(Dataset[tuple[Tensor, int]]):
    """Evaluation views, always the same."""

    def __init__(self, dataset: ImageDataset, transform: v2.Transform) -> None:
        self.dataset = dataset
        self.transform = transform

    def __len__(self) -> int:
        return len(self.dataset)

    def __getitem__(self, index: int) -> tuple[Tensor, int]:
        image, label = self.dataset[index]
        return self.transform(image), label


def split_by_fraction(labels: Tensor, fraction: float, seed: int) -> tuple[Tensor, Tensor]:
    """Indices for training and for validation, ``fraction`` (0..1) of each class in the latter.

    Raises:
        InputError: A class is too small to be split, or the fraction leaves one side empty.
    """
    try:
        train, val = train_test_split(range(len(labels)), test_size=fraction, stratify=labels, random_state=seed)
    except ValueError as error:
        raise InputError(
            f"cannot hold out val_fraction {fraction} of {len(labels)} images: {str(error).partition('. ')[0]}"
        ) from None
    return torch.tensor(sorted(train)), torch.tensor(sorted(val))
