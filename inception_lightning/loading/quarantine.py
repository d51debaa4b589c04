"""Bad training images: another of the class is shown instead, they are listed, and they are few, or the run stops."""

import csv
import io
import logging
import sys
from collections.abc import Iterator
from functools import cached_property
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from torch import Tensor

from inception_lightning.errors import InputError, visible
from inception_lightning.loading.dataset import ImageDataset
from inception_lightning.loading.decoding import ImageInputError

if sys.platform != "win32":  # which has no such locks
    import fcntl

log = logging.getLogger(__name__)

MOST = 0.001
"""The share of bad training images above which a run stops."""


class Quarantine:
    """Says which image is shown instead of one that cannot be read: the next good one of its class, always the same.

    Every bad file is listed once with its reason, whichever process and epoch meets it.
    """

    def __init__(self, dataset: ImageDataset, listed: Path) -> None:
        """Watch over the training images ``dataset`` and list bad ones in the CSV ``listed``."""
        self.dataset = dataset
        self.listed = listed
        self.replacements: dict[int, int] = {}
        self.in_memory: dict[str, str] = {}
        self.is_written = True

    def candidates(self, index: int) -> Iterator[int]:
        """What may be shown for ``index``, the first choice first: itself, or what was shown before, then its class."""
        yield self.replacements.get(index, index)
        label = self.kinds[index]
        members = self.by_class[self.bounds[label] : self.bounds[label + 1]]
        yield from np.roll(members, -int(np.searchsorted(members, index)))[1:].tolist()

    def keep(self, index: int, shown: int) -> None:
        """Remember which image was shown for ``index``, where it is another, so that it is the first choice again."""
        if shown != index:
            self.replacements[index] = shown

    def add(self, index: int, error: ImageInputError) -> None:
        """List the bad image at ``index``.

        Raises:
            InputError: Too many images are bad.
        """
        bad = self._add(self.dataset.name(index), error.reason)
        if bad > MOST * len(self.dataset):
            raise InputError(
                f"{error} ({bad} of {len(self.dataset)} training images are bad, more than 0.1 %: see {self.listed}, "
                "and lightning data check finds all of them)"
            ) from None

    def _add(self, file: str, reason: str) -> int:
        """List a bad file, in memory where the disk takes no more; how many are known."""
        self.in_memory[file] = reason
        try:
            return add_to_list(self.listed, file, reason)
        except OSError as error:
            if self.is_written:
                told = (self.listed, error.strerror, visible(file), reason)
                log.warning("cannot write %s (%s): bad images are counted in memory, the first is %s: %s", *told)
            self.is_written = False
            return len(self.in_memory)

    @cached_property
    def kinds(self) -> NDArray[np.int64]:
        """What images must share to stand for one another (N,): the class; where there may be several, all of them."""
        labels = self.dataset.labels
        kinds: Tensor = labels if labels.ndim == 1 else labels.unique(dim=0, return_inverse=True)[1]
        return kinds.numpy()

    @cached_property
    def by_class(self) -> NDArray[np.int64]:
        """All indices (N,), class by class."""
        return np.argsort(self.kinds, kind="stable")

    @cached_property
    def bounds(self) -> NDArray[np.int64]:
        """Where each class begins in `by_class` (classes + 1,)."""
        return np.concatenate([[0], np.cumsum(np.bincount(self.kinds))])


def add_to_list(listed: Path, file: str, reason: str) -> int:
    """List a bad file unless it is there already; how many are listed. Several processes may do so at once."""
    listed.parent.mkdir(parents=True, exist_ok=True)
    with listed.open("a+", newline="", encoding="utf-8", errors="surrogateescape") as opened:
        if sys.platform != "win32":
            fcntl.flock(opened, fcntl.LOCK_EX)
        opened.seek(0)
        rows = list(csv.reader(opened))[1:]
        known = {row[0] for row in rows}
        if file in known:
            return len(known)
        new = io.StringIO()
        csv.writer(new).writerows([*([] if rows else [("file", "reason")]), (file, reason)])
        opened.write(new.getvalue())
        return len(known) + 1
