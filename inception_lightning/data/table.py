"""Images that a CSV lists: `ImageTable`."""

import csv
from functools import cached_property

import torch

from inception_lightning.data.base import Split, split_by_fraction
from inception_lightning.data.folder import ImageFolder
from inception_lightning.errors import InputError
from inception_lightning.loading.dataset import ImageFiles
from inception_lightning.loading.listing import FileNames

Row = dict[str, str]


class ImageTable(ImageFolder):
    """Images listed in a CSV, ``root``, with the columns ``path``, ``label`` and, if one likes, ``split``.

    Paths are relative to the CSV's folder, labels are the names of classes, a split is train, val or
    test. Without that column, or without val, a seeded share of each class is held out. Arguments as
    `ImageFolder`.
    """

    @cached_property
    def rows(self) -> list[Row]:
        """The rows of the CSV.

        Raises:
            InputError: There is no such file, or it has other columns.
        """
        try:
            with self.root.open(newline="", encoding="utf-8-sig") as file:
                rows = list(csv.DictReader(file))
        except (OSError, UnicodeDecodeError, csv.Error) as error:
            raise InputError(f"cannot read the table {self.root}: {error}") from None
        for number, row in enumerate(rows, start=2):
            if not row.get("path") or not row.get("label") or row.get("split", "train") not in ("train", "val", "test"):
                raise InputError(
                    f"{self.root}, line {number}: a row is path,label or path,label,split with a train, val or test"
                )
        if not rows:
            raise InputError(f"{self.root} lists no images: a row is path,label")
        return rows

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
        return [row for row in self.rows if row.get("split", "train") == split]

    def _listed(self, split: Split) -> ImageFiles:
        indices = {name: index for index, name in enumerate(self.class_folders)}
        rows = self._rows(split)
        unknown = [row for row in rows if row["label"] not in indices]
        if unknown:
            raise InputError(f"{self.root} has a class {unknown[0]['label']!r} in {split} that train does not have")
        files = FileNames(self.root.parent, (row["path"].encode() for row in rows))
        return ImageFiles(files, torch.tensor([indices[row["label"]] for row in rows]))
