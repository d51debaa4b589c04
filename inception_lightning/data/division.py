"""Which images are held out of training: a share of each class, or one fold of several; groups stay together."""

import math
import re
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from inception_lightning.data.base import ImageDataModule, SplitInputError
from inception_lightning.errors import InputError, visible

Groups = NDArray[np.str_]
"""The group of each image (N,), such as a patient: its images stay on one side of every split."""

SEED = 0
"""The division is always the same one, whatever the seed of the training."""


@dataclass(kw_only=True, eq=False)
class DividedImages(ImageDataModule):
    """Images of which some are held out for validation by us; `divided` says which.

    Args:
        val_fraction: Share of each class that is held out, 0..1; always the same images.
        fold: ``[k, n]`` holds out the part k (0..n-1) of n instead, the classes evenly spread over the parts;
            ``lightning crossval`` trains on each in turn.
    """

    val_fraction: float = 0.2
    fold: tuple[int, int] | None = None

    def __post_init__(self) -> None:
        """Refuse a fold that there is not.

        Raises:
            InputError: It is none of 0..n-1, or there are fewer than two.
        """
        super().__post_init__()
        if self.fold is not None and not (0 <= self.fold[0] < self.fold[1] and self.fold[1] >= 2):
            raise InputError(f"fold must be [k, n], the part k of 0..n-1 of at least 2, got {list(self.fold)}")

    def divided(self, labels: Tensor, groups: Groups | None = None) -> tuple[Tensor, Tensor]:
        """Indices for training and for validation.

        Args:
            labels: Class indices (N,), or rows (N, K) of 0 and 1.
            groups: The group of each image (N,), where some belong together.

        Raises:
            SplitInputError: There are too few images or groups.
        """
        if groups is None and labels.ndim == 1:
            if self.fold is None:
                return split_by_fraction(labels, self.val_fraction, SEED)
            part = folds(labels, self.fold[1])
        else:  # an image with several labels is a group of its own: scikit-learn spreads single labels only
            shares = [1 / self.fold[1]] * self.fold[1] if self.fold else [1 - self.val_fraction, self.val_fraction]
            part = parts_of_groups(labels, np.arange(len(labels)) if groups is None else groups, shares)
        held_out = torch.from_numpy(part == (self.fold[0] if self.fold else 1))
        return (~held_out).nonzero()[:, 0], held_out.nonzero()[:, 0]


def split_by_fraction(labels: Tensor, fraction: float, seed: int) -> tuple[Tensor, Tensor]:
    """Indices for training and for validation, ``fraction`` (0..1) of each class in the latter.

    They are those of scikit-learn's ``train_test_split(stratify=labels)``, which takes half a second to import: this
    is on the way of most runs to their first step.

    Raises:
        SplitInputError: A class is too small to be split, or the fraction leaves a class out on one side.
    """
    counts = np.unique(labels.numpy(), return_counts=True)[1]
    refusal = f"cannot hold out val_fraction {fraction} of {len(labels)} images"
    alone = np.count_nonzero(counts == 1)
    if alone:
        raise SplitInputError(
            f"{refusal}: {alone} of {len(counts)} classes have a single image, and training and validation need one "
            "each; add images, or make the folders train and val yourself"
        )
    if not 0 < fraction < 1:
        raise SplitInputError(f"{refusal}: it is a share between 0 and 1")
    held_out = math.ceil(fraction * len(labels))
    if min(held_out, len(labels) - held_out) < max(1, len(counts)):
        raise SplitInputError(
            f"{refusal}: {len(labels) - held_out} would be for training and {held_out} for validation, and either "
            f"needs one of each of {len(counts)} classes; say another share, or add images"
        )
    random = np.random.RandomState(seed)
    of_train = _shares(counts, len(labels) - held_out, random)
    of_val = _shares(counts - of_train, held_out, random)
    members = np.split(np.argsort(labels.numpy(), kind="stable"), np.cumsum(counts)[:-1])
    train, val = [], []
    for images, for_train, for_val in zip(members, of_train, of_val, strict=True):
        shuffled = images[random.permutation(len(images))]
        train.append(shuffled[:for_train])
        val.append(shuffled[for_train : for_train + for_val])
    return torch.from_numpy(np.sort(np.concatenate(train))), torch.from_numpy(np.sort(np.concatenate(val)))


def _shares(counts: NDArray[np.int64], total: int, random: np.random.RandomState) -> NDArray[np.int64]:
    """How many of each class, ``counts`` (K,), make up ``total``: what is left by rounding down goes to large rests."""
    exact = counts / counts.sum() * total
    shares = np.floor(exact)
    rest = exact - shares
    for value in np.unique(rest)[::-1]:
        missing = int(total - shares.sum())
        if missing <= 0:
            break
        equal = np.flatnonzero(rest == value)
        shares[random.choice(equal, size=min(len(equal), missing), replace=False)] += 1
    return shares.astype(np.int64)


def folds(labels: Tensor, count: int) -> NDArray[np.int64]:
    """The fold of each image (N,), each class evenly spread over ``count`` of them.

    Raises:
        SplitInputError: No class has so many images.
    """
    if int(torch.bincount(labels).max()) < count:
        raise SplitInputError(f"no class has {count} images, one for each fold: say fewer folds, or add images")
    part = np.zeros(len(labels), np.int64)
    from sklearn.model_selection import StratifiedKFold

    splitter = StratifiedKFold(count, shuffle=True, random_state=SEED)
    for index, (_, held_out) in enumerate(splitter.split(np.zeros(len(labels)), labels.numpy())):
        part[held_out] = index
    return part


def parts_of_groups(labels: Tensor, groups: Groups | NDArray[np.int64], shares: list[float]) -> NDArray[np.int64]:
    """The part of each image (N,): no group in two parts, and of each class as near to ``shares`` as that goes.

    Large groups first, each is given to the part that lacks its classes most. scikit-learn's StratifiedGroupKFold does
    the like, for equal shares and single labels only.

    Raises:
        SplitInputError: There are too few groups.
    """
    names, group = np.unique(groups, return_inverse=True)
    if len(names) < len(shares):
        some = ", ".join(visible(str(name)) for name in names[:5])
        raise SplitInputError(
            f"there are {len(names)} groups ({some}) and {len(shares)} parts to make of them: each needs one"
        )
    rows = (torch.nn.functional.one_hot(labels) if labels.ndim == 1 else labels).numpy()  # (N, K)
    order = np.argsort(group, kind="stable")
    members = np.split(order, np.flatnonzero(np.diff(group[order])) + 1)
    shuffled = np.random.RandomState(SEED).permutation(len(members))
    largest_first = shuffled[np.argsort([-len(members[index]) for index in shuffled], kind="stable")]
    totals = np.append(rows.sum(axis=0), len(rows)).clip(min=1)  # (K + 1,), the last is the number of images
    lacking = np.outer(shares, totals)  # (parts, K + 1)
    part_of, filled = np.zeros(len(members), np.int64), np.zeros(len(shares), bool)
    for place, index in enumerate(largest_first):
        counts = np.append(rows[members[index]].sum(axis=0), len(members[index]))
        gain = (lacking / totals**2) @ counts  # (parts,)
        if len(members) - place <= np.count_nonzero(~filled):  # the last groups are for parts that have none
            gain[filled] = -np.inf
        part = gain.argmax()
        part_of[index], filled[part] = part, True
        lacking[part] -= counts
    result: NDArray[np.int64] = part_of[group]
    return result


def groups_by_pattern(names: list[str], pattern: str) -> Groups:
    """The group of each file: what the parentheses match in its name, or in its path where the pattern has a slash.

    Raises:
        InputError: It is no regular expression with one group in parentheses, or a name has no match.
    """
    try:
        expression = re.compile(pattern)
    except re.error as error:
        raise InputError(f"group_pattern {pattern!r} is no regular expression: {error}") from None
    if expression.groups != 1:
        raise InputError(
            f"group_pattern {pattern!r} needs one group in parentheses, such as ^(patient\\d+)_, and has "
            f"{expression.groups}"
        )
    found = [expression.search(name if "/" in pattern else name.rpartition("/")[2]) for name in names]
    missing = [name for name, match in zip(names, found, strict=True) if match is None or match[1] is None]
    if missing:
        raise InputError(
            f"group_pattern {pattern!r} does not match {len(missing):,} of {len(names):,} names, such as "
            f"{visible(missing[0])}: every image needs a group"
        )
    return np.array([match[1] for match in found if match is not None])


def shared_groups(one: Groups | None, other: Groups | None) -> list[str]:
    """The groups that are in both."""
    if one is None or other is None:
        return []
    both: list[str] = np.intersect1d(one, other).tolist()
    return both
