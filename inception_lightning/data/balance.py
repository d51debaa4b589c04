"""How even the classes are, and what is done about it: weights in the loss, or more draws of rare classes."""

from collections.abc import Sequence
from typing import Literal, TypeAlias

import torch
from torch import Tensor

from inception_lightning.errors import InputError, visible

Balance: TypeAlias = Literal["none", "weights", "sampler"]

RARE = 1 / 3
"""A class is called rare below this share of what an even share of the images would be."""
UNEVEN = 10
"""From how many times the images of the rarest class on the most frequent one is worth a hint."""
NAMED = 5


def check_power(power: float) -> None:
    """Refuse a power that would make rare classes more frequent than frequent ones.

    Raises:
        InputError: It is not in 0..1.
    """
    if not 0 <= power <= 1:
        raise InputError(f"balance_power must be 0..1, where 1 makes all classes count alike, got {power}")


def class_counts(labels: Tensor, classes: int) -> Tensor:
    """How many images have each class (K,), from class indices (N,), or from rows (N, K) of 0 and 1."""
    return labels.long().sum(dim=0) if labels.ndim == 2 else torch.bincount(labels, minlength=classes)


def class_weights(counts: Tensor, power: float) -> Tensor:
    """Weights (K,) in proportion to count ** -power, so scaled that their mean over all labels is 1.

    Absent classes have 0. With power 1 the others have scikit-learn's ``balanced`` weights.
    """
    present = counts.double() * counts.clamp(min=1).double() ** -power  # (K,), what a class's images weigh together
    weights = counts.clamp(min=1).double() ** -power * (counts > 0)
    return (weights * counts.sum() / present.sum()).float()


def strata(labels: Tensor) -> Tensor:
    """The class that a sampler goes by of each image (N,): of several labels the rarest; of none, one class more."""
    if labels.ndim == 1:
        return labels
    counts = class_counts(labels, labels.shape[1])
    of_label = torch.where(labels > 0, counts, len(labels) + 1)  # (N, K)
    return torch.where(labels.any(dim=1), of_label.argmin(dim=1), labels.shape[1])


def told(counts: Tensor, names: Sequence[str], balance: Balance, power: float) -> str:
    """One line for people: how many images the classes have, which are rare or absent, and what is done about it."""
    present = counts[counts > 0]
    least, most = int(present.min()), int(present.max())
    span = f"{least:,}" if least == most else f"{least:,} to {most:,}"
    said = [f"{len(counts)} classes of {span} training images"]
    even = counts.sum() / len(present)
    rare = [index for index in counts.argsort(stable=True).tolist() if 0 < counts[index] < RARE * even]
    said += [f"rare: {_listed([f'{visible(names[index])} {int(counts[index]):,}' for index in rare])}"] if rare else []
    absent = [visible(names[index]) for index in (counts == 0).nonzero()[:, 0].tolist()]
    said += [f"none of {_listed(absent)}"] if absent else []
    return "; ".join([*said, _chosen(counts, balance, power)])


def _chosen(counts: Tensor, balance: Balance, power: float) -> str:
    present = counts[counts > 0]
    if balance == "none":
        hint = " (--data.balance weights or sampler evens them out)" if present.max() >= UNEVEN * present.min() else ""
        return f"balance none{hint}"
    weights = class_weights(counts, power)[counts > 0]
    span = f"{float(weights.min()):.3g} to {float(weights.max()):.3g}"
    does = f"counts {span} times in the loss" if balance == "weights" else f"is drawn {span} times an epoch on average"
    absent = "; absent classes have weight 0" if len(present) < len(counts) else ""
    return f"balance {balance}, power {power:g}: an image {does}{absent}"


def _listed(texts: Sequence[str]) -> str:
    more = f" and {len(texts) - NAMED} more" if len(texts) > NAMED else ""
    return ", ".join(texts[:NAMED]) + more
