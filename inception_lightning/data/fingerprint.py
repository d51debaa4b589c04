"""What tells two states of the data apart, and whether validation images are among the training images."""

import hashlib
import logging
import os
import time
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, TypeAlias

import numpy as np

from inception_lightning.loading.dataset import ImageDataset, ImageFiles

log = logging.getLogger(__name__)

MOST_FILES = 20_000
"""So many files of each split, evenly spread, are compared; ``lightning data check`` compares all."""
SECONDS = 5.0
"""How long they are compared at most."""

Fingerprint: TypeAlias = dict[str, Any]
"""Class names; and for each split the number of images and two checksums. Plain data for a checkpoint."""


def take(class_names: Sequence[str], splits: Mapping[str, ImageDataset]) -> Fingerprint:
    """The fingerprint of these data: seconds for a million files.

    The checksums cover the labels, and the pixels of images in memory; of files the names, and sizes of some.
    """
    print_of = {split: _of_split(dataset) for split, dataset in splits.items()}
    return {"class_names": list(class_names), "splits": print_of}


def changes(before: Fingerprint, now: Fingerprint) -> str:
    """What first differs, for people; empty where nothing does."""
    old, new = before["class_names"], now["class_names"]
    if len(old) != len(new):
        return f"there were {len(old)} classes and are {len(new)}"
    for index, (one, other) in enumerate(zip(old, new, strict=True)):
        if one != other:
            return f"class {index} was {one!r} and is {other!r}"
    for split, one in before["splits"].items():
        other = now["splits"][split]
        if one["images"] != other["images"]:
            return f"{split} had {one['images']:,} images and has {other['images']:,}"
        if one["labels"] != other["labels"]:
            return f"images of {split} have other labels"
        if one["contents"] != other["contents"]:
            return f"images of {split} have other names, sizes or pixels"
    return ""


def _of_split(dataset: ImageDataset) -> dict[str, Any]:
    contents = hashlib.sha256()
    for part in dataset.contents():
        contents.update(part)
    labels = hashlib.sha256(dataset.labels.numpy().tobytes())
    return {"images": len(dataset), "labels": labels.hexdigest(), "contents": contents.hexdigest()}


def warn_of_shared(train: ImageFiles, val: ImageFiles) -> None:
    """Warn where validation images are training images."""
    pairs = shared(train, val)
    if pairs:
        log.warning(
            "at least %d of the validation images are training images too, %s is %s: "
            "accuracy will be too good; lightning data check lists them",
            *(len(pairs), *pairs[0]),
        )


def shared(train: ImageFiles, val: ImageFiles, seconds: float = SECONDS) -> list[tuple[str, str]]:
    """Validation files and training files of the same content, as many as are found in the time.

    Only files of the same size are read.
    """
    until = time.monotonic() + seconds
    by_size: dict[int, list[str]] = {}
    for file, size in _sizes(val, until):
        by_size.setdefault(size, []).append(file)
    hashes: dict[int, dict[bytes, str]] = {}
    found = []
    for file, size in _sizes(train, until):
        if size not in by_size or time.monotonic() > until:
            continue
        if size not in hashes:
            hashes[size] = {_hash(other): other for other in by_size[size]}
        other = hashes[size].pop(_hash(file), None)
        if other is not None:
            found.append((other, file))
    return found


def _sizes(files: ImageFiles, until: float) -> Iterator[tuple[str, int]]:
    for index in np.linspace(0, len(files) - 1, min(len(files), MOST_FILES), dtype=np.int64):
        file = files.files.path(index)
        try:
            size = os.stat(file).st_size
        except OSError:  # it has vanished
            size = 0
        if size:
            yield file, size
        if time.monotonic() > until:
            return


def _hash(file: str) -> bytes:
    try:
        with open(file, "rb") as opened:
            return hashlib.file_digest(opened, "sha256").digest()
    except OSError:
        return os.urandom(32)  # equal to none
