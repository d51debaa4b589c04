"""`ImageDataModule`: everything that data sets share. A data set says its class names and its splits."""

import logging
from abc import abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass, fields
from functools import cached_property
from typing import Any, Literal, TypeAlias

import lightning.pytorch as pl
import torch
from lightning.pytorch.trainer.states import TrainerFn
from torch import Tensor
from torch.utils.data import DataLoader

from inception_lightning.configurable import Configurable
from inception_lightning.data import balance as balancing
from inception_lightning.data import fingerprint
from inception_lightning.data.balance import Balance
from inception_lightning.data.fingerprint import Fingerprint
from inception_lightning.errors import InputError
from inception_lightning.loading import shared_memory
from inception_lightning.loading.bands import RGB, Bands, Pixels
from inception_lightning.loading.crops import Crops
from inception_lightning.loading.dataset import ImageDataset, Label
from inception_lightning.loading.loaders import Collate, EvaluationLoader, TrainLoader, collate, leave_signals_to_parent
from inception_lightning.loading.quarantine import Quarantine
from inception_lightning.loading.sampler import BalancedSampler, EvaluationSampler, TrainSampler
from inception_lightning.loading.shared_memory import BatchBuffers
from inception_lightning.loading.views import Augmentation, CenterCrop, FixedViews, RandomViews

log = logging.getLogger(__name__)

Split: TypeAlias = Literal["train", "val", "test"]
Batch: TypeAlias = tuple[Tensor, Tensor]
"""uint8 images (N, 3, H, W) and class indices (N,), or rows (N, K) of 0 and 1 where images have several classes."""


class SplitInputError(InputError):
    """Images that are too few to hold some of them out. `InputError` finds its sentence by its name's end."""


@dataclass(kw_only=True, eq=False)
class ImageDataModule(Configurable, pl.LightningDataModule):
    """Image files in, batches of uint8 images and class indices out.

    A data set subclasses it and writes `class_names` and `dataset`. It is a keyword-only dataclass too: it states its
    own arguments as fields, and those whose default it changes. Images stay uint8 until they are on the device, where
    the LightningModule normalises them as the network wants; those of more than 8 bits are float32 (`bands`).

    Args:
        image_size: Side of the square images that come out, in pixels.
        batch_size: Images per batch and process.
        num_workers: Processes that load and decode; by default one per core, 8 at most. 0 loads in the main process.
        augmentation: The random view for training.
        evaluation: The fixed view for validation, test and prediction.
        crops: Several views of an image, for validation, test and prediction, whose softmax is averaged.
        balance: What is done in training about classes of uneven size: ``weights`` in the loss, a ``sampler`` that
            draws images of rare classes more often, with replacement, or nothing. Evaluation stays as it is.
        balance_power: How much, 0..1: an image of a class of n images weighs, or is drawn, in proportion to
            n ** -power; 1 makes all classes count alike, 0.5 goes half the way.
        seed: Where the order of training images and their random views start.
        allow_changes: Whether a run may go on with other data than it began with.
    """

    image_size: int = 299
    batch_size: int = 32
    num_workers: int | None = None
    augmentation: Augmentation = Augmentation()
    evaluation: CenterCrop = CenterCrop()
    crops: Crops = Crops()
    balance: Balance = "none"
    balance_power: float = 1.0
    seed: int = 0
    allow_changes: bool = False

    def __post_init__(self) -> None:
        """Record the arguments, and put a number for ``num_workers`` where none was given.

        Raises:
            InputError: A number is out of range.
        """
        if not self.is_recorded:  # by the __init__ of a subclass
            self.record(**{item.name: getattr(self, item.name) for item in fields(self) if item.init})
        super().__init__()
        balancing.check_power(self.balance_power)
        for name, least in (("image_size", 1), ("batch_size", 1), ("num_workers", 0)):
            value = getattr(self, name)
            if value is not None and value < least:
                raise InputError(f"data.{name} must be at least {least}, got {value}")
        self._chooses_workers = self.num_workers is None
        if self.num_workers is None:
            self.num_workers = shared_memory.default_workers(self.image_size, self.batch_size)

    @cached_property  # and not a property, so that a subclass may make it an argument
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
    def bands(self) -> Bands | None:
        """What the images have; None for pictures in red, green and blue, 8 bits each, as most are."""
        return None

    @property
    def num_channels(self) -> int:
        """The number of channels of the images."""
        return RGB if self.bands is None else self.bands.channels

    @property
    def pixels(self) -> Pixels:
        """What the images' pixels are: uint8, 0..255, or float32, of which 1.0 is 1.0."""
        return "uint8" if self.bands is None else self.bands.pixels

    @property
    def _pixel_bytes(self) -> int:
        return self.num_channels * (1 if self.pixels == "uint8" else 4)

    @property
    def several_labels(self) -> bool:
        """Whether an image may have several classes, or none: then labels are rows (N, K) of 0 and 1."""
        return False

    @cached_property
    def fingerprint(self) -> Fingerprint:
        """What tells two states of the data apart, as plain data."""
        return fingerprint.take(self.class_names, {split: self.dataset(split) for split in ("train", "val")})

    def state_dict(self) -> dict[str, Any]:
        """What a checkpoint holds of the data: their fingerprint."""
        return {"fingerprint": self.fingerprint}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Refuse to go on with other data than the run began with, unless `allow_changes`.

        Raises:
            InputError: They are others.
        """
        fits = self.trainer is not None and self.trainer.state.fn == TrainerFn.FITTING
        changed = fingerprint.changes(state["fingerprint"], self.fingerprint) if fits and not self.allow_changes else ""
        if changed:
            raise InputError(
                f"the data are not those that this run began with: {changed}; "
                "bring them back, start a new run, or say --allow_changes true"
            )

    def setup(self, stage: str) -> None:
        """Say how even the classes are, and refuse a machine whose shared memory does not hold the workers' batches.

        Raises:
            InputError: It does not.
        """
        size, count = self.image_size, self.batch_size
        if self._chooses_workers and self._pixel_bytes > RGB:
            self.num_workers = min(self._workers, shared_memory.default_workers(size, count, self._pixel_bytes))
        shared_memory.check_shared_memory(size, count, self._workers, self._pixel_bytes)
        if stage == "fit" and (self.trainer is None or self.trainer.is_global_zero):
            if self.bands is not None:
                log.info("%s", self.bands.told())
            log.info("%s", balancing.told(self.class_counts(), self.class_names, self.balance, self.balance_power))

    def class_counts(self) -> Tensor:
        """How many training images each class has (K,)."""
        return balancing.class_counts(self.dataset("train").labels, self.num_classes)

    def class_weights(self) -> Tensor | None:
        """The weight of each class in the training's loss (K,), where ``balance`` is ``weights``."""
        return balancing.class_weights(self.class_counts(), self.balance_power) if self.balance == "weights" else None

    def train_dataloader(self) -> TrainLoader:
        """Random views in a new order each epoch; a last, smaller batch is left out.

        Raises:
            InputError: There are fewer images than processes.
        """
        views = self.train_views()
        sampler = self._train_sampler(torch.from_numpy(views.labels))
        if len(sampler) == 0:
            raise InputError(f"{sampler.size} training images are too few for {sampler.num_replicas} processes")
        if len(sampler) < self.batch_size and sampler.rank == 0:
            log.warning("batch_size %d is more than there are: batches have %d images", self.batch_size, len(sampler))
        return TrainLoader(
            views,
            sampler,
            collate=self._collate(),
            batch_size=self.batch_size,
            num_workers=self._workers,
            drop_last=len(sampler) >= self.batch_size,
        )

    def val_dataloader(self) -> DataLoader[tuple[Tensor, Label]]:
        """Every validation image once, in order."""
        return self._scoring_loader("val")

    def test_dataloader(self) -> DataLoader[tuple[Tensor, Label]]:
        """Every test image once, in order."""
        return self._scoring_loader("test")

    def predict_dataloader(self) -> DataLoader[tuple[Tensor, Label]]:
        """Refused here: predictions are made on a folder of photos.

        Raises:
            InputError: Always; `Photos` overrides it.
        """
        raise InputError(f"predict reads a folder of photos, not {type(self).__name__}: say --data.root FOLDER")

    def _train_sampler(self, labels: Tensor) -> TrainSampler:
        if self.balance == "sampler":
            return BalancedSampler(balancing.strata(labels), self.seed, self.balance_power)
        return TrainSampler(len(labels), self.seed)

    def train_views(self) -> RandomViews:
        """The training images as training shows them to the network.

        Raises:
            InputError: The augmentation is for images in RGB, and these are others.
        """
        dataset = self.dataset("train")
        self.augmentation.check(self.num_channels)
        view = self.augmentation.build(self.image_size)
        return RandomViews(dataset, view, self.seed, self.quarantine(dataset))

    def quarantine(self, dataset: ImageDataset) -> Quarantine | None:
        """What replaces training images that cannot be read; by default nothing, so that the first is an error."""
        return None

    def views(self, split: Split) -> FixedViews:
        """The images of one split as evaluation shows them to the network."""
        return FixedViews(self.dataset(split), self.crops.build(self.evaluation, self.image_size))

    def prediction_loader(self, sampler: EvaluationSampler | None = None) -> DataLoader[tuple[Tensor, Label]]:
        """Every image of test once, or those of ``sampler``, in order."""
        # Lightning makes a loader of its own from this one
        views = self.views("test")
        every = EvaluationSampler(len(views.dataset), views.view.count)
        return DataLoader(
            views,
            batch_size=self.batch_size,
            sampler=every if sampler is None else sampler,
            num_workers=self._workers,
            collate_fn=collate,
            pin_memory=torch.cuda.is_available(),
            worker_init_fn=leave_signals_to_parent,
            generator=torch.Generator(),
        )

    def _collate(self) -> Collate:
        sizes = (self.image_size, self.batch_size, self._workers, self._pixel_bytes)
        if self._workers == 0 or self.pixels != "uint8" or not shared_memory.holds_buffers(*sizes):
            return collate
        return BatchBuffers(self._workers, self.batch_size * self.num_channels * self.image_size**2)

    def _scoring_loader(self, split: Split) -> EvaluationLoader:
        views = self.views(split)
        sampler = EvaluationSampler(len(views.dataset), views.view.count)
        return EvaluationLoader(
            views, sampler, collate=self._collate(), batch_size=self.batch_size, num_workers=self._workers
        )

    @property
    def _workers(self) -> int:
        return self.num_workers or 0  # None is a number since `__post_init__`
