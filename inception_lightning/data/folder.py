"""One's own images: `ImageFolder` to train on, `Photos` to predict."""

import logging
import os
import tempfile
import uuid
from array import array
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from itertools import combinations
from pathlib import Path
from typing import Literal, TypeAlias

import torch
from torch import Tensor
from torch.utils.data import DataLoader

from inception_lightning.data.base import Split
from inception_lightning.data.division import DividedImages, Groups, groups_by_pattern, shared_groups
from inception_lightning.data.files import ImagesInFiles, some_of
from inception_lightning.data.fingerprint import warn_of_shared
from inception_lightning.data.splits import Splits, find_splits
from inception_lightning.errors import InputError, visible
from inception_lightning.loading.bands import Content
from inception_lightning.loading.dataset import ImageDataset, ImageFiles, Label
from inception_lightning.loading.decoding import ImageInputError
from inception_lightning.loading.listing import (
    FileNames,
    LeftOut,
    beside_folders,
    class_folders,
    files_like,
    has_pictures,
    image_files,
    image_names,
)
from inception_lightning.loading.quarantine import Quarantine
from inception_lightning.loading.views import PhotoViews

log = logging.getLogger(__name__)

OnBadImage: TypeAlias = Literal["quarantine", "error"]
BAD_IMAGES = "bad_images.csv"


@dataclass(kw_only=True, eq=False)
class ImageFolder(DividedImages, ImagesInFiles):
    """Images in one folder per class.

    Either ``root/train/CLASS/*.jpg`` and ``root/val/CLASS/*.jpg``, with ``root/test`` if there is one, or
    ``root/CLASS/*.jpg``, of which a seeded share is held out. Without test images, test shows validation's. The splits
    may have other usual names, such as ``Training``, ``valid`` or ``dev``: see `splits.find_splits`.

    Args:
        root: The folder.
        val_fraction: Share of each class that is held out where there is no ``val`` folder, 0..1; always the same
            images.
        fold: ``[k, n]`` holds out the part k (0..n-1) of n instead, of the images for training and for validation
            together.
        group_pattern: What images belong together, by their names: a regular expression with one group in
            parentheses, such as ``^(patient[0-9]+)_``. It is looked for in the file's name, or, if it has a slash, in
            the path below the folder of the split. Images of one group are never on two sides of a split.
        on_bad_image: ``quarantine`` replaces a training image that cannot be read by another of its class, lists it
            in ``bad_images.csv``, and stops above 0.1 % of them; ``error`` stops at the first. Validation and test
            always stop.

    Attributes:
        bad_images: The list of bad training images: ``bad_images.csv`` in the folder of the first logger, which is
            the run's. Without a logger it lies in a new temporary folder: a list must not count another run's.
        left_out: What lay among the images of the folders that were looked through, and is not shown.
    """

    root: Path
    group_pattern: str | None = None
    on_bad_image: OnBadImage = "quarantine"
    bad_images: Path = field(init=False, repr=False)
    left_out: LeftOut = field(init=False, repr=False, default_factory=LeftOut)

    def __post_init__(self) -> None:
        """Take a path that is given as a string, too."""
        super().__post_init__()
        self.root = Path(self.root)
        self.bad_images = Path(tempfile.gettempdir()) / f"inception_lightning-{uuid.uuid4().hex}" / BAD_IMAGES
        self._found: dict[Path, ImageFiles] = {}

    def setup(self, stage: str) -> None:
        """Say what is left out, and warn of validation images that are among the training images.

        Raises:
            InputError: A folder is missing or empty, a group is in two splits, or the machine has too little shared
                memory.
        """
        super().setup(stage)
        leak = next(self.leaks(), None)
        if leak and not self.allow_changes:
            raise InputError(f"{leak}: move their images into one split, or say --allow_changes true")
        if stage != "fit":
            return
        if self.trainer is not None and self.trainer.loggers:
            folder = self.trainer.log_dir  # asked on every process, which are all told the first's
            self.bad_images = Path(folder) / BAD_IMAGES if folder else self.bad_images
        if self.trainer is None or self.trainer.is_global_zero:
            warn_of_shared(self.dataset("train"), self.dataset("val"))
            self.say_what_is_left_out()

    def leaks(self) -> Iterator[str]:
        """A sentence for each two splits that have images of the same group."""
        splits: dict[Split, Groups | None] = {"train": self.dataset("train").groups, "val": self.dataset("val").groups}
        if self.has_test:
            splits["test"] = self.dataset("test").groups
        for (one, groups), (other, others) in combinations(splits.items(), 2):
            both = shared_groups(groups, others)
            if both:
                what = "group is" if len(both) == 1 else "groups are"
                yield f"{len(both):,} {what} in {one} and in {other}, such as {', '.join(map(visible, both[:3]))}"

    @property
    def has_test(self) -> bool:
        """Whether there are images for test, which are not validation's."""
        return "test" in self.splits.held

    def say_what_is_left_out(self) -> None:
        """One line of log about all that was not shown so far."""
        if self.left_out.counts:
            log.warning("%s", self.left_out.text())

    def undivided(self) -> ImageFiles:
        """The images that training and validation are taken from."""
        train, val = self._files(self.train_folder), self.splits.held.get("val")
        return train if val is None else train + self._files(val)

    @property
    def train_folder(self) -> Path:
        """``root/train``, or ``root`` itself where the classes lie in it."""
        return self.splits.train

    @cached_property
    def splits(self) -> Splits:
        """The folders of training, validation and test images.

        Raises:
            InputError: They are not understood.
        """
        splits = find_splits(self.root)
        for name in splits.beside:
            self.left_out.add("folders beside the splits", os.fsencode(self.root / name))
        return splits

    @cached_property
    def class_folders(self) -> list[str]:
        """The names of the training images' folders, sorted: their order is the class index.

        Raises:
            InputError: There is no such folder, or it holds no class folders.
        """
        return class_folders(self.train_folder)

    @cached_property
    def class_names(self) -> Sequence[str]:
        """The name of each class index."""
        return self.class_folders

    def dataset(self, split: Split) -> ImageFiles:
        """The whole images of one split.

        Raises:
            InputError: A folder is missing, empty, or holds a class that training does not know.
        """
        held = self.splits.held
        wanted = "val" if split == "test" and not self.has_test else split
        if wanted in held and (wanted == "test" or self.fold is None):
            return self._files(held[wanted])
        if "val" in held and self.fold is None:
            return self._files(self.train_folder)
        return self.parts[0 if wanted == "train" else 1]

    @cached_property
    def parts(self) -> tuple[ImageFiles, ImageFiles]:
        """What is trained on, and what is held out by us."""
        whole = self.undivided()
        train, val = self.divided(whole.labels, whole.groups)
        return whole.subset(train), whole.subset(val)

    def quarantine(self, dataset: ImageDataset) -> Quarantine | None:
        """What replaces training images that cannot be read, where ``on_bad_image`` says so."""
        return Quarantine(dataset, self.bad_images) if self.on_bad_image == "quarantine" else None

    def some_files(self) -> Iterator[tuple[Content, str]]:
        """Content and name of a few training files."""
        return some_of(self._listed_in(self.train_folder))

    @cached_property
    def _arrays(self) -> bool:
        """Whether ``.npy`` files are images: where no training image is a picture."""
        return not any(has_pictures(self.train_folder / name) for name in self.class_folders)

    def _files(self, folder: Path) -> ImageFiles:
        return self._listed_in(folder).seen_as(self.bands)

    def _listed_in(self, folder: Path) -> ImageFiles:
        if folder not in self._found:  # looking once is enough: ImageNet takes seconds
            self._found[folder] = self._find(folder)
        return self._found[folder]

    def _find(self, folder: Path) -> ImageFiles:
        names = class_folders(folder)
        unknown = sorted(set(names) - set(self.class_folders))
        if unknown:
            raise InputError(f"{folder} has a class {unknown[0]!r} that {self.train_folder} does not have")
        labels = array("q")
        beside_folders(folder, self.left_out)
        files = FileNames(folder, self._images(folder, labels))
        if not files:
            raise InputError(f"no images in {folder}: its class folders are empty")
        self._warn_of_empty_classes(folder, set(labels))
        names = [os.fsdecode(files.name(index)) for index in range(len(files))] if self.group_pattern else []
        groups = groups_by_pattern(names, self.group_pattern) if self.group_pattern else None
        return ImageFiles(files, torch.tensor(labels), groups)

    def _images(self, folder: Path, labels: "array[int]") -> Iterator[bytes]:
        """The images of each class, and their class indices into ``labels``."""
        for index, name in enumerate(self.class_folders):
            if (folder / name).is_dir():
                for image in image_names(folder / name, self.left_out, self._arrays):
                    labels.append(index)
                    yield os.fsencode(name) + b"/" + image

    def _warn_of_empty_classes(self, folder: Path, present: set[int]) -> None:
        empty = [name for index, name in enumerate(self.class_folders) if index not in present]
        if empty:
            rest = f" and {len(empty) - 5} more" if len(empty) > 5 else ""
            log.warning("%s has no images of %s%s", folder, ", ".join(map(repr, empty[:5])), rest)
        if len(self.class_folders) == 1:
            name = self.class_folders[0]
            log.warning("%s has one class only, %r: if its folders are the classes, say --data.root", folder, name)


@dataclass(kw_only=True, eq=False)
class Photos(ImagesInFiles):
    """Photos to predict: no classes, no training.

    One that cannot be read is shown as a grey image, under ``-1 - index``.

    The command line fills in everything but ``root`` from the checkpoint.

    Args:
        root: The folder, and photos in its folders count too; or a single photo; or a pattern, such as
            ``photos/**/*.jpg``.
        class_names: The name of each class index.

    Attributes:
        left_out: What lay among the photos and is none.
    """

    root: Path
    left_out: LeftOut = field(init=False, repr=False, default_factory=LeftOut)
    class_names: Sequence[str] = field()  # a field, which would else take the property of the base for its default

    def __post_init__(self) -> None:
        """Take a path that is given as a string, too."""
        super().__post_init__()
        self.root = Path(self.root)

    @cached_property
    def files(self) -> list[Path]:
        """The photos, sorted.

        Raises:
            InputError: There is no such folder, or no image in it.
        """
        files = self._found(arrays=False) or self._found(arrays=True)
        if not files:
            raise InputError(f"no images in {self.root}{f' ({self.left_out.text()})' if self.left_out.counts else ''}")
        return files

    def _found(self, arrays: bool) -> list[Path]:
        self.left_out = LeftOut()
        if self.root.is_file():
            return [self.root]
        find = image_files if self.root.is_dir() else files_like
        return find(self.root, self.left_out, arrays)

    def some_files(self) -> Iterator[tuple[Content, str]]:
        """Content and name of a few photos."""
        return some_of(self._unread)

    @cached_property
    def _unread(self) -> ImageFiles:
        return ImageFiles(self.files, range(len(self.files)))

    def dataset(self, split: Split) -> ImageFiles:
        """The photos, with their own index in place of a class."""
        return self._unread.seen_as(self.bands)

    def why_unreadable(self, index: int) -> str:
        """Why a photo could not be read: its loader has seen it in another process, and it is read once more."""
        try:
            self.dataset("test").open(index).pixels()
        except ImageInputError as error:
            return error.reason
        return "it could not be read at first"

    def predict_dataloader(self) -> DataLoader[tuple[Tensor, Label]]:
        """Every photo once, in order."""
        if self.left_out.counts and (self.trainer is None or self.trainer.is_global_zero):
            log.warning("%s", self.left_out.text())
        return self.prediction_loader()

    def views(self, split: Split) -> PhotoViews:
        """The photos as evaluation shows them to the network."""
        return PhotoViews(self.dataset(split), self.crops.build(self.evaluation, self.image_size))
