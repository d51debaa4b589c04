"""Images that a CSV lists, each with its class or with several: `ImageTable`."""

import codecs
import csv
import io
import logging
import os
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Literal

import numpy as np
import torch
from torch import Tensor

from inception_lightning.data.base import Split
from inception_lightning.data.division import Groups, groups_by_pattern
from inception_lightning.data.files import some_of
from inception_lightning.data.folder import ImageFolder
from inception_lightning.data.splits import split_of
from inception_lightning.errors import InputError, visible
from inception_lightning.loading.bands import Content
from inception_lightning.loading.dataset import ImageFiles
from inception_lightning.loading.listing import FileNames

log = logging.getLogger(__name__)

LABELS = ("label", "labels")
COLUMNS = ("path", *LABELS, "split", "group")
"""What columns are called; others may be classes, with 1 where an image has one and 0 where it has not."""
SEPARATORS = (",", ";", "\t", "|")
LABEL_SEPARATORS = (";", "|")
"""What parts several labels in one cell."""
YES, NO = ("1", "1.0", "true", "yes"), ("0", "0.0", "false", "no", "")
UTF_16 = (codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)
"""How spreadsheets begin what they call Unicode text."""


@dataclass(frozen=True)
class Row:
    """One image of a table."""

    line: int
    path: str
    split: Split
    labels: tuple[str, ...]
    group: str


@dataclass(frozen=True)
class Layout:
    """How a table says the classes.

    Attributes:
        classes: The columns that are classes, as they are called; empty where a column holds the labels.
        label: That column.
        separator: What parts several labels in it; empty where it holds one.
        several: Whether an image may have several classes.
        told: That in words, where it is not the usual.
    """

    classes: tuple[str, ...] = ()
    label: str = ""
    separator: str = ""
    several: bool = False
    told: str = ""


@dataclass(kw_only=True, eq=False)
class ImageTable(ImageFolder):
    """Images listed in a CSV, ``root``: columns ``path`` and ``label`` and, if one likes, ``split`` and ``group``.

    Paths are relative to the CSV's folder, labels are the names of classes, a split is train, val or
    test. Without that column, or without val, a seeded share of each class is held out. Capitals and spaces around
    names and values do not matter, and columns may be parted by commas, semicolons, tabs or ``|``. Images of a
    ``group``, such as a patient, stay on one side of every split. Other arguments as `ImageFolder`.

    An image has several labels where they are parted by ``;`` or ``|``, or where each class has a column of 0 and 1.

    Args:
        labels_per_image: ``one``, or ``several``, which may be none; by default what the table looks like, which is
            said.
    """

    labels_per_image: Literal["one", "several"] | None = None

    @cached_property
    def rows(self) -> list[Row]:
        """The rows of the CSV, each image once in a split.

        Raises:
            InputError: There is no such file, it has other columns, or an image has two labels.
        """
        rows: dict[tuple[str, str], Row] = {}
        known: dict[str, Row] = {}
        for line, cells in self._cells:
            row = self._row(line, cells)
            first = known.setdefault(row.path, row)
            if first.labels != row.labels and not self.layout.several:
                raise InputError(
                    f"{self.root}, line {line}: {visible(row.path)} is {_said(row.labels)}, and {_said(first.labels)} "
                    f"in line {first.line}: keep one of them, or say --data.labels_per_image several"
                )
            before = rows.get((row.path, row.split))
            labels = dict.fromkeys([*before.labels, *row.labels] if before else row.labels)
            rows[row.path, row.split] = replace(row, labels=tuple(labels))
        if not rows:
            raise InputError(f"{self.root} lists no images: a row is path,label")
        return list(rows.values())

    @cached_property
    def layout(self) -> Layout:
        """How the table says the classes.

        Raises:
            InputError: It does not.
        """
        names, said = {name.lower(): name for name in self._names}, self.labels_per_image
        label = next((name for name in LABELS if name in names), None)
        if label is not None:
            values = [cells[label] for _, cells in self._cells]
            parted = next((mark for mark in LABEL_SEPARATORS if any(mark in value for value in values)), "")
            several = bool(parted) or label == "labels" if said is None else said == "several"
            how = f"parted by {parted}" if parted else "one or none in each row"
            told = f"several labels per image, from the column {label}, {how}" if several else ""
            return Layout(label=label, separator=parted if several else "", several=several, told=told)
        others = [name for name in names if name not in COLUMNS and name]
        found = [name for name in others if all(cells[name].lower() in YES + NO for _, cells in self._cells)]
        if "path" not in names or not found:
            line = next((line for line, _ in self._cells), 1)
            raise InputError(
                f"{self.root}, line {line}: a row is path,label or path,label,split, or path and a column of 0 and 1 "
                f"for each class; the columns are {', '.join(map(visible, names))}"
            )
        one_each = all(sum(cells[name].lower() in YES for name in found) == 1 for _, cells in self._cells)
        several = not one_each if said is None else said == "several"
        if not several and not one_each:
            raise InputError(f"{self.root}: some rows have no class or several, so labels_per_image one cannot be")
        kind = "several labels" if several else "one label"
        idle = [visible(names[name]) for name in others if name not in found]
        told = f"{kind} per image, from {len(found)} columns of 0 and 1"
        told += f"; not used: {', '.join(idle)}" if idle else ""
        return Layout(classes=tuple(names[name] for name in found), several=several, told=told)

    @property
    def several_labels(self) -> bool:
        """Whether an image may have several classes, or none."""
        return self.layout.several

    @cached_property
    def class_folders(self) -> list[str]:
        """The class names: columns in their order, or else the labels of the training images, sorted."""
        return list(self.layout.classes) or sorted({label for row in self._rows("train") for label in row.labels})

    @property
    def has_test(self) -> bool:
        """Whether there are images for test, which are not validation's."""
        return bool(self._rows("test"))

    def setup(self, stage: str) -> None:
        """Say what the table looks like, and what `ImageFolder` says.

        Raises:
            InputError: As there.
        """
        if stage == "fit" and (self.trainer is None or self.trainer.is_global_zero):
            if self.layout.told:
                log.info("%s: %s", visible(str(self.root)), self.layout.told)
            groups = self.undivided().groups
            if groups is not None:
                log.info("%d groups, each on one side of every split", len(np.unique(groups)))
        super().setup(stage)

    def undivided(self) -> ImageFiles:
        """The images that training and validation are taken from."""
        return self._listed("train", "val")

    def dataset(self, split: Split) -> ImageFiles:
        """The whole images of one split.

        Raises:
            InputError: The table is no table of images, or val or test has a class that training does not know.
        """
        wanted = "val" if split == "test" and not self.has_test else split
        if wanted == "test" or (self._rows("val") and self.fold is None):
            return self._listed(wanted)
        return self.parts[0 if wanted == "train" else 1]

    def _rows(self, *splits: Split) -> list[Row]:
        return [row for row in self.rows if row.split in splits]

    def some_files(self) -> Iterator[tuple[Content, str]]:
        """Content and name of a few training files."""
        rows = self._rows("train")
        return some_of(ImageFiles(self._named(rows), torch.zeros(len(rows), dtype=torch.long)))

    def _listed(self, *splits: Split) -> ImageFiles:
        rows = self._rows(*splits)
        return ImageFiles(self._named(rows), self._labels(rows), self._groups(rows), self.bands)

    def _named(self, rows: Sequence[Row]) -> FileNames:
        return FileNames(self.root.parent, (os.fsencode(row.path) for row in rows))

    def _labels(self, rows: Sequence[Row]) -> Tensor:
        """Class indices (N,), or rows of 0 and 1 (N, K)."""
        indices = {name: index for index, name in enumerate(self.class_folders)}
        unknown = [(row, label) for row in rows for label in row.labels if label not in indices]
        if unknown:
            row, label = unknown[0]
            raise InputError(f"{self.root} has a class {label!r} in {row.split} that train does not have")
        if not self.several_labels:
            return torch.tensor([indices[row.labels[0]] for row in rows], dtype=torch.long)
        labels = torch.zeros(len(rows), len(indices), dtype=torch.uint8)
        for place, row in enumerate(rows):
            labels[place, [indices[label] for label in row.labels]] = 1
        return labels

    def _groups(self, rows: Sequence[Row]) -> Groups | None:
        if self.group_pattern:
            return groups_by_pattern([row.path for row in rows], self.group_pattern)
        if "group" not in map(str.lower, self._names):
            return None
        missing = next((row for row in rows if not row.group), None)
        if missing:
            raise InputError(f"{self.root}, line {missing.line}: {visible(missing.path)} has no group")
        return np.array([row.group for row in rows])

    @cached_property
    def _names(self) -> list[str]:
        """What the columns are called, without spaces and quotes."""
        return _cleaned(next(iter(self._lines), (1, []))[1])

    @cached_property
    def _cells(self) -> list[tuple[int, dict[str, str]]]:
        """The number of each line, and its cells by the column's name in small letters; missing ones are empty."""
        names = [name.lower() for name in self._names]
        empty = dict.fromkeys(names, "")
        return [
            (line, empty | dict(zip(names, map(str.strip, values), strict=False))) for line, values in self._lines[1:]
        ]

    @cached_property
    def _lines(self) -> list[tuple[int, list[str]]]:
        text = self._text()
        first = text.lstrip().partition("\n")[0].lower()
        separator = max(SEPARATORS, key=lambda each: len({*_cleaned(first.split(each))} & {*COLUMNS}))
        reader = csv.reader(io.StringIO(text, newline=""), delimiter=separator, skipinitialspace=True)
        try:
            return [(reader.line_num, values) for values in reader if any(map(str.strip, values))]
        except csv.Error as error:
            raise InputError(f"cannot read the table {self.root}: {error}") from None

    def _text(self) -> str:
        try:
            content = self.root.read_bytes()
            return content.decode("utf-16" if content.startswith(UTF_16) else "utf-8").lstrip("\ufeff")
        except (OSError, UnicodeDecodeError) as error:
            raise InputError(f"cannot read the table {self.root}: {error}") from None

    def _row(self, line: int, cells: dict[str, str]) -> Row:
        split = split_of(cells["split"]) if "split" in cells else "train"
        labels = tuple(self._labels_of(cells))
        if not cells.get("path") or split is None or not (labels or self.layout.several):
            raise InputError(
                f"{self.root}, line {line}: a row is path,label or path,label,split with a train, val or test; "
                f"the columns are {', '.join(map(visible, cells))}"
            )
        path = cells["path"]
        if "\\" in path and not (self.root.parent / path).exists():  # written on Windows
            path = path.replace("\\", "/")
        return Row(line, os.path.normpath(path), split, labels, cells.get("group", ""))

    def _labels_of(self, cells: dict[str, str]) -> Iterator[str]:
        layout = self.layout
        if layout.classes:
            yield from (name for name in layout.classes if cells[name.lower()].lower() in YES)
            return
        cell = cells[layout.label]
        labels = map(str.strip, cell.split(layout.separator)) if layout.separator else (cell,)
        yield from (label for label in labels if label)


def _cleaned(names: list[str]) -> list[str]:
    return [name.strip().strip("\"'").strip() for name in names]


def _said(labels: tuple[str, ...]) -> str:
    return " and ".join(map(repr, labels)) or "nothing"
