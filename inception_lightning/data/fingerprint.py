"""What tells two states of the data apart, so that a run never goes on with other images unnoticed."""

import hashlib
from collections.abc import Mapping, Sequence
from typing import Any, TypeAlias

from inception_lightning.data.images import ImageDataset

Fingerprint: TypeAlias = dict[str, Any]
"""Class names; and for each split the number of images and two checksums. Plain data for a checkpoint."""


def take(class_names: Sequence[str], splits: Mapping[str, ImageDataset]) -> Fingerprint:
    """The fingerprint of these data: seconds for a million files.

    The checksums cover the labels, and names and sizes of files: of more than `files.SIZES` files it is the sizes
    of so many, evenly spread. Of images in memory they cover the pixels.
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
