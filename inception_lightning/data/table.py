"""Images that a CSV lists: `ImageTable`."""

import codecs
import csv
import io
import os
from functools import cached_property

import torch

from inception_lightning.data.base import Split, split_by_fraction
from inception_lightning.data.folder import ImageFolder
from inception_lightning.data.splits import split_of
from inception_lightning.errors import InputError, visible
from inception_lightning.loading.dataset import ImageFiles
from inception_lightning.loading.listing import FileNames

Row = dict[str, str]
COLUMNS = ("path", "label", "split")
SEPARATORS = (",", ";", "\t", "|")
UTF_16 = (codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)
"""How spreadsheets begin what they call Unicode text."""


class ImageTable(ImageFolder):
    """Images listed in a CSV, ``root``, with the columns ``path``, ``label`` and, if one likes, ``split``.

    Paths are relative to the CSV's folder, labels are the names of classes, a split is train, val or
    test. Without that column, or without val, a seeded share of each class is held out. Capitals and spaces around
    names and values do not matter, and columns may be parted by commas, semicolons, tabs or ``|``. Arguments as
    `ImageFolder`.
    """

    @cached_property
    def rows(self) -> list[Row]:
        """The rows of the CSV, each image once in a split.

        Raises:
            InputError: There is no such file, it has other columns, or an image has two labels.
        """
        text = self._text()
        first = text.lstrip().partition("\n")[0]
        separator = max(SEPARATORS, key=lambda each: len({*_cleaned(first.split(each))} & {*COLUMNS}))
        reader = csv.reader(io.StringIO(text, newline=""), delimiter=separator, skipinitialspace=True)
        columns: list[str] = []
        rows: dict[tuple[str, str], Row] = {}
        known: dict[str, tuple[str, int]] = {}
        try:
            for values in reader:
                if not any(map(str.strip, values)):
                    continue
                if not columns:
                    columns = _cleaned(values)
                    continue
                row = self._row(dict(zip(columns, map(str.strip, values), strict=False)), columns, reader.line_num)
                label, line = known.setdefault(row["path"], (row["label"], reader.line_num))
                if label != row["label"]:
                    raise InputError(
                        f"{self.root}, line {reader.line_num}: {visible(row['path'])} is {row['label']!r}, and "
                        f"{label!r} in line {line}: keep one of them"
                    )
                rows[row["path"], row["split"]] = row
        except csv.Error as error:
            raise InputError(f"cannot read the table {self.root}: {error}") from None
        if not rows:
            raise InputError(f"{self.root} lists no images: a row is path,label")
        return list(rows.values())

    def _text(self) -> str:
        try:
            content = self.root.read_bytes()
            return content.decode("utf-16" if content.startswith(UTF_16) else "utf-8").lstrip("\ufeff")
        except (OSError, UnicodeDecodeError) as error:
            raise InputError(f"cannot read the table {self.root}: {error}") from None

    def _row(self, row: Row, columns: list[str], line: int) -> Row:
        split = split_of(row.get("split", "")) if "split" in columns else "train"
        if not row.get("path") or not row.get("label") or split is None:
            raise InputError(
                f"{self.root}, line {line}: a row is path,label or path,label,split with a train, val or test; "
                f"the columns are {', '.join(map(visible, columns))}"
            )
        path = row["path"]
        if "\\" in path and not (self.root.parent / path).exists():  # written on Windows
            path = path.replace("\\", "/")
        return {"path": os.path.normpath(path), "label": row["label"], "split": split}

    @cached_property
    def class_folders(self) -> list[str]:
        """The labels of the training images, sorted: their order is the class index."""
        return sorted({row["label"] for row in self._rows("train")})

    def undivided(self) -> ImageFiles:
        """The images that training and validation are taken from."""
        return self._listed("train")

    def dataset(self, split: Split) -> ImageFiles:
        """The whole images of one split.

        Raises:
            InputError: The table is no table of images, or val or test has a class that training does not know.
        """
        wanted = "val" if split == "test" and not self._rows("test") else split
        if self._rows("val") or wanted == "test":
            return self._listed(wanted)
        whole = self._listed("train")
        train, val = split_by_fraction(whole.labels, self.val_fraction, seed=0)
        return whole.subset(train if wanted == "train" else val)

    def _rows(self, split: Split) -> list[Row]:
        return [row for row in self.rows if row["split"] == split]

    def _listed(self, split: Split) -> ImageFiles:
        indices = {name: index for index, name in enumerate(self.class_folders)}
        rows = self._rows(split)
        unknown = [row for row in rows if row["label"] not in indices]
        if unknown:
            raise InputError(f"{self.root} has a class {unknown[0]['label']!r} in {split} that train does not have")
        files = FileNames(self.root.parent, (os.fsencode(row["path"]) for row in rows))
        return ImageFiles(files, torch.tensor([indices[row["label"]] for row in rows]))


def _cleaned(names: list[str]) -> list[str]:
    return [name.strip().strip("\"'").strip().lower() for name in names]
