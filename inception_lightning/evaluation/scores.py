"""The numbers to decide by, from probabilities and true classes: over all images, per class, and with intervals.

They are scikit-learn's where it has them: classes that are neither true nor predicted anywhere are left out of macro
means, and a class without images has no recall, no AUROC and no average precision, so that none of it counts there.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from inception_lightning.errors import InputError
from inception_lightning.evaluation.bootstrap import intervals
from inception_lightning.evaluation.calibration import Reliability, bins_of, reliability
from inception_lightning.evaluation.ranking import rank
from inception_lightning.evaluation.titles import TITLES
from inception_lightning.training.validation_scores import BINS

Array = NDArray[np.float64]

LEAST = float(np.finfo(np.float64).eps)
"""The least that a probability counts in the log loss, as scikit-learn has it for float64."""


@dataclass(frozen=True)
class Scores:
    """The numbers of one evaluation.

    Attributes:
        images: How many images there were.
        class_names: The name of each class index.
        overall: Name (a key of `titles.TITLES`) -> number; NaN where it means nothing.
        low: Name -> lower limit of its 95 % bootstrap interval over images.
        high: Name -> upper limit.
        per_class: Column -> number of each class (K,): ``images``, ``predicted``, ``precision``, ``recall``, ``f1``,
            ``auroc``, ``average_precision``, each of the rates with ``_low`` and ``_high``.
        confusion: Images of (true class, predicted class) (K, K); None where images have several labels.
        reliability: Confidence against accuracy.
        thresholds: From which probability on an image has a label (K,); None where each image has one class.
    """

    images: int
    class_names: tuple[str, ...]
    overall: Mapping[str, float]
    low: Mapping[str, float]
    high: Mapping[str, float]
    per_class: Mapping[str, NDArray[Any]]
    confusion: NDArray[np.int64] | None
    reliability: Reliability
    thresholds: Array | None = None


def scores(
    probabilities: ArrayLike,
    targets: ArrayLike,
    class_names: Sequence[str] | None = None,
    *,
    thresholds: ArrayLike | None = None,
    with_intervals: bool = True,
) -> Scores:
    """What a network is worth on images of known classes.

    Args:
        probabilities: Of every class (N, K), 0..1.
        targets: Class indices (N,); or, where an image may have several labels, 0 or 1 for each (N, K).
        class_names: The name of each class index; by default its number.
        thresholds: From which probability on an image has a label: one number, or one for each class (K,); 0.5 by
            default. Only for several labels.
        with_intervals: Whether intervals are wanted, which take a thousand replicates.

    Raises:
        InputError: Shapes do not fit, there is no image, a probability is none, or a target is no class.
    """
    answers, truth, names, limits = _checked(probabilities, targets, class_names, thresholds)
    counted = _OneClass(answers, truth) if limits is None else _SeveralLabels(answers, truth, limits)
    ranked = _rankings(answers, truth)
    ones = np.ones((1, len(answers)))

    def numbers(weights: Array) -> dict[str, Array]:
        tp, true, predicted = counted.counts(weights)
        found = counted.numbers(weights, tp, true, predicted)
        for name in ("auroc", "average_precision"):
            mean, influence = ranked.macro[name]
            found[name] = np.clip(mean + weights @ influence, 0, 1)
        return found | {f"class {name}": values for name, values in rates(tp, true, predicted).items()}

    found = {name: values[0] for name, values in numbers(ones).items()}
    between = intervals(len(answers), numbers) if with_intervals else {}
    overall = {name: float(found[name]) for name in TITLES if name in found}
    _, true, predicted = (values[0] for values in counted.counts(ones))
    per_class: dict[str, NDArray[Any]] = {"images": true.astype(int), "predicted": predicted.astype(int)}
    for name in ("precision", "recall", "f1"):
        per_class[name] = found[f"class {name}"]
        if with_intervals:
            per_class[f"{name}_low"], per_class[f"{name}_high"] = between[f"class {name}"]
    return Scores(
        images=len(answers),
        class_names=names,
        overall=overall,
        low={name: float(between[name][0]) for name in overall if name in between},
        high={name: float(between[name][1]) for name in overall if name in between},
        per_class=per_class | ranked.per_class,
        confusion=counted.confusion(),
        reliability=counted.reliability,
        thresholds=limits,
    )


def rates(tp: Array, true: Array, predicted: Array) -> dict[str, Array]:
    """Precision, recall and F1 of each class (..., K) from counts (..., K); NaN where they mean nothing.

    Args:
        tp: Images of the class that are predicted as it.
        true: Images of the class.
        predicted: Images that are predicted as it.
    """
    return {
        "precision": _share(tp, predicted),
        "recall": _share(tp, true),
        "f1": _share(2 * tp, true + predicted),
    }


def averages(tp: Array, true: Array, predicted: Array) -> dict[str, Array]:
    """Macro and weighted means (...) of the rates of `rates`, as scikit-learn's with ``zero_division=0``."""
    seen = true + predicted > 0
    found = {}
    for name, values in rates(tp, true, predicted).items():
        known = np.nan_to_num(values)  # what is not defined counts nothing
        found[name] = _share((known * seen).sum(axis=-1), seen.sum(axis=-1))
        found[f"{name}_weighted"] = _share((known * true).sum(axis=-1), true.sum(axis=-1))
    return found


class _OneClass:
    """Each image has one class, and the most probable one is its prediction."""

    def __init__(self, answers: NDArray[np.floating], truth: NDArray[np.int64]) -> None:
        count, self.classes = answers.shape
        self.truth = truth
        self.predicted = answers.argmax(axis=1)
        self.right = self.predicted == truth
        places = np.arange(count)
        of_truth = answers[places, truth].astype(np.float64)
        confidence = answers[places, self.predicted].astype(np.float64)
        self.bins, self.gap = bins_of(confidence), self.right - confidence
        self.reliability = reliability(confidence, self.right)
        # sums of squares class by class: a copy of all in float64 would be as large again
        squares = np.einsum("nk,nk->n", answers, answers, dtype=np.float64)
        brier = squares - 2 * of_truth + 1
        self.means = {
            "top1": self.right.astype(np.float64),
            "log_loss": -np.log(np.clip(of_truth, LEAST, 1)),
            "brier": brier / 2 if self.classes == 2 else brier,
        }
        if self.classes > 5:
            self.means["top5"] = self._in_best_five(answers, of_truth)

    def _in_best_five(self, answers: NDArray[np.floating], of_truth: Array) -> Array:
        """Whether fewer than five classes come before the true one; of equals the one of the lower index does."""
        before = np.zeros(len(answers), np.int64)
        for index in range(self.classes):
            column = answers[:, index]
            before += (column > of_truth) | ((column == of_truth) & (index < self.truth))
        return (before < 5).astype(np.float64)

    def counts(self, weights: Array) -> tuple[Array, Array, Array]:
        """Of each class (B, K): images that are rightly predicted, that are of it, and that are predicted as it."""
        right, classes = self.right, self.classes
        each = [
            (
                np.bincount(self.truth[right], one[right], classes),
                np.bincount(self.truth, one, classes),
                np.bincount(self.predicted, one, classes),
            )
            for one in weights
        ]
        tp, true, predicted = (np.stack(rows) for rows in zip(*each, strict=True))
        return tp, true, predicted

    def numbers(self, weights: Array, tp: Array, true: Array, predicted: Array) -> dict[str, Array]:
        """Numbers over all images, of each replicate (B,)."""
        total = weights.sum(axis=1)
        found = {name: weights @ values / total for name, values in self.means.items()}
        found["balanced_accuracy"] = _share(np.nan_to_num(_share(tp, true)).sum(axis=1), (true > 0).sum(axis=1))
        found["matthews"] = matthews(tp, true, predicted)
        gaps = np.stack([np.bincount(self.bins, one * self.gap, BINS) for one in weights])  # (B, BINS)
        found["ece"] = np.abs(gaps).sum(axis=1) / total
        return found | averages(tp, true, predicted)

    def confusion(self) -> NDArray[np.int64] | None:
        """Images of (true class, predicted class)."""
        pairs = np.bincount(self.truth * self.classes + self.predicted, minlength=self.classes**2)
        return pairs.reshape(self.classes, self.classes)


class _SeveralLabels:
    """Each image may have several labels, and each label is decided by itself."""

    def __init__(self, answers: NDArray[np.floating], truth: NDArray[np.int64], thresholds: Array) -> None:
        self.truth = truth == 1
        self.decided = answers >= thresholds.astype(answers.dtype)
        wide = answers.astype(np.float64)
        right = self.decided == self.truth
        clipped = np.clip(np.where(self.truth, wide, 1 - wide), LEAST, 1)
        # of a label that is not predicted, the confidence is that it is not there
        self.reliability = reliability(wide.ravel(), self.truth.ravel())
        self.bins, self.gap = bins_of(wide), self.truth - wide
        self.means = {
            "exact_match": right.all(axis=1).astype(np.float64),
            "log_loss": -np.log(clipped).mean(axis=1),
            "brier": ((wide - self.truth) ** 2).mean(axis=1),
        }
        both = self.decided & self.truth
        self.tables = tuple(table.astype(np.float64) for table in (both, self.truth, self.decided))

    def counts(self, weights: Array) -> tuple[Array, Array, Array]:
        """Of each class (B, K): images that rightly have it, that have it, and that are said to have it."""
        tp, true, predicted = (weights @ table for table in self.tables)
        return tp, true, predicted

    def numbers(self, weights: Array, tp: Array, true: Array, predicted: Array) -> dict[str, Array]:
        """Numbers over all images, of each replicate (B,)."""
        total, classes = weights.sum(axis=1), self.truth.shape[1]
        found = {name: weights @ values / total for name, values in self.means.items()}
        gaps = np.stack([np.bincount(self.bins.ravel(), (one[:, None] * self.gap).ravel(), BINS) for one in weights])
        found["ece"] = np.abs(gaps).sum(axis=1) / (total * classes)
        return found | averages(tp, true, predicted)

    def confusion(self) -> None:
        """Nothing: a wrong label is not another one in the place of a right one."""


def matthews(tp: Array, true: Array, predicted: Array) -> Array:
    """Matthews correlation (...) of any number of classes from counts (..., K); 0 where one side never changes."""
    total = true.sum(axis=-1)
    together = total * tp.sum(axis=-1) - (true * predicted).sum(axis=-1)
    alone = (total**2 - (predicted**2).sum(axis=-1)) * (total**2 - (true**2).sum(axis=-1))
    return np.where(alone > 0, together / np.sqrt(np.where(alone > 0, alone, 1)), 0.0)


@dataclass(frozen=True)
class _Rankings:
    per_class: dict[str, Array]
    macro: dict[str, tuple[float, Array]]  # the mean over classes, and the influence of each image on it


def _rankings(answers: NDArray[np.floating], truth: NDArray[np.int64]) -> _Rankings:
    """Each class against all others."""
    count, classes = answers.shape
    values = {name: np.full(classes, np.nan) for name in ("auroc", "average_precision")}
    sums = {name: np.zeros(count) for name in values}
    for index in range(classes):
        positive = truth == index if truth.ndim == 1 else truth[:, index] == 1
        if not positive.any():
            continue
        ranking = rank(answers[:, index], positive)
        values["auroc"][index], values["average_precision"][index] = ranking.auroc, ranking.average_precision
        sums["auroc"] += ranking.auroc_influence
        sums["average_precision"] += ranking.precision_influence
    macro = {}
    for name, each in values.items():
        known = int((~np.isnan(each)).sum())
        macro[name] = (float(np.nanmean(each)) if known else np.nan, sums[name] / max(known, 1))
    return _Rankings(values, macro)


def _share(part: Array, whole: Array) -> Array:
    """``part / whole``; NaN where the whole is nothing."""
    with np.errstate(invalid="ignore", divide="ignore"):
        found: Array = np.where(whole > 0, part / whole, np.nan)
    return found


def _checked(
    probabilities: ArrayLike, targets: ArrayLike, class_names: Sequence[str] | None, thresholds: ArrayLike | None
) -> tuple[NDArray[np.floating], NDArray[np.int64], tuple[str, ...], Array | None]:
    answers, truth = np.asarray(probabilities), np.asarray(targets)
    if not np.issubdtype(answers.dtype, np.floating):
        answers = answers.astype(np.float64)
    if answers.ndim != 2 or len(answers) == 0 or answers.shape[1] == 0:
        raise InputError(f"probabilities are of every class for every image (N, K), not of shape {answers.shape}")
    if truth.shape not in ((len(answers),), answers.shape):
        raise InputError(f"targets of shape {truth.shape} do not fit probabilities of shape {answers.shape}")
    if not (answers.min() >= 0 and answers.max() <= 1 + 1e-6):  # neither holds for NaN
        raise InputError("a probability is below 0, above 1 or not a number: has the network diverged?")
    several, classes = truth.ndim == 2, answers.shape[1]
    if not np.isin(truth, (0, 1)).all() if several else (truth.min() < 0 or truth.max() >= classes):
        raise InputError(f"targets are {'0 or 1' if several else f'class indices 0..{classes - 1}'}")
    names = tuple(class_names) if class_names is not None else tuple(map(str, range(classes)))
    if len(names) != classes:
        raise InputError(f"there are {len(names)} class names for {classes} classes")
    if not several:
        if thresholds is not None:
            raise InputError("thresholds are for images with several labels: here each image has one class")
        return answers, truth.astype(np.int64), names, None
    limits = np.broadcast_to(np.asarray(0.5 if thresholds is None else thresholds, np.float64), (classes,))
    return answers, truth.astype(np.int64), names, limits.copy()
