"""Bad images among the training images: replaced, listed, and few, or the run stops."""

import csv
import fcntl
import io
from collections.abc import Callable
from functools import cached_property
from pathlib import Path

import numpy as np
from torch import Tensor

from inception_lightning.errors import InputError
from inception_lightning.loading.decoding import ImageFiles, ImageInputError
from inception_lightning.loading.jpeg import Place
from inception_lightning.loading.loaders import Sample

MOST = 0.001
"""The share of bad training images above which a run stops."""


class QuarantinedFiles(ImageFiles):
    """Training images of which a bad one is replaced by the next good one of its class, always the same.

    Every bad file is listed once with its reason, whichever process and epoch meets it.
    """

    def __init__(self, files: ImageFiles, listed: Path) -> None:
        """Serve ``files`` and list bad ones in the CSV ``listed``."""
        super().__init__(files.files, files.labels)
        self.listed = listed
        self.replacements: dict[int, int] = {}

    def __getitem__(self, index: int) -> tuple[Tensor, int]:
        """The image at ``index`` or in its place.

        Raises:
            InputError: Too many images are bad, or all of the class.
        """
        return self._good(index, super().__getitem__)

    def part(self, index: int, place: Place) -> tuple[Tensor, int]:
        """A part of the image at ``index`` or in its place.

        Raises:
            InputError: Too many images are bad, or all of the class.
        """
        return self._good(index, lambda chosen: super(QuarantinedFiles, self).part(chosen, place))

    def _good(self, index: int, read: Callable[[int], Sample]) -> Sample:
        try:
            return read(self.replacements.get(index, index))
        except ImageInputError as error:
            return self._replacement(index, error, read)

    def _replacement(self, index: int, error: ImageInputError, read: Callable[[int], Sample]) -> Sample:
        self._add(index, error)
        members = self.by_class[self.bounds[self.labels[index]] : self.bounds[self.labels[index] + 1]]
        place = int(np.searchsorted(members, index))
        for candidate in np.roll(members, -place)[1:].tolist():
            try:
                sample = read(candidate)
            except ImageInputError as another:
                self._add(candidate, another)
            else:
                self.replacements[index] = candidate
                return sample
        raise InputError(f"{error}; no other image of its class can be read")

    @cached_property
    def by_class(self) -> np.ndarray[tuple[int], np.dtype[np.int64]]:
        """All indices (N,), class by class."""
        return np.argsort(self.labels.numpy(), kind="stable")

    @cached_property
    def bounds(self) -> np.ndarray[tuple[int], np.dtype[np.int64]]:
        """Where each class begins in ``by_class`` (classes + 1,)."""
        return np.concatenate([[0], np.cumsum(np.bincount(self.labels.numpy()))])

    def _add(self, index: int, error: ImageInputError) -> None:
        bad = add_to_list(self.listed, self.file(index), error.reason)
        if bad > MOST * len(self):
            raise InputError(
                f"{error} ({bad} of {len(self)} training images are bad, more than 0.1 %: see {self.listed}, "
                "and lightning data check finds all of them)"
            ) from None


def add_to_list(listed: Path, file: Path, reason: str) -> int:
    """List a bad file unless it is there already; how many are listed. Several processes may do so at once."""
    listed.parent.mkdir(parents=True, exist_ok=True)
    with listed.open("a+", newline="") as opened:
        fcntl.flock(opened, fcntl.LOCK_EX)
        opened.seek(0)
        rows = list(csv.reader(opened))[1:]
        known = {row[0] for row in rows}
        if str(file) in known:
            return len(known)
        new = io.StringIO()
        csv.writer(new).writerows([*([] if rows else [("file", "reason")]), (file, reason)])
        opened.write(new.getvalue())
        return len(known) + 1
