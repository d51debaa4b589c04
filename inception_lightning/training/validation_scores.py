"""Scores that validation logs while training, to select checkpoints by; exact over any number of processes.

They are those of `evaluation.scores`: scikit-learn's, with classes left out that no image has.
"""

import difflib
from collections.abc import Sequence

import torch
from torch import Tensor
from torch.nn import functional as F
from torchmetrics import Metric, MetricCollection
from torchmetrics.utilities import dim_zero_cat

from inception_lightning.errors import InputError
from inception_lightning.training.losses import shares
from inception_lightning.training.metrics import RANKED, MeanLoss, number, ranked_mean, wide

COUNTED = (
    *("balanced_accuracy", "matthews", "precision", "recall", "f1"),
    *("precision_weighted", "recall_weighted", "f1_weighted"),
)
"""Scores that need three counts for each class, and so cost nothing."""

SURENESS = ("log_loss", "brier", "ece")
KNOWN = (*COUNTED, *RANKED, *SURENESS)
LOWER_IS_BETTER = SURENESS

BINS = 15
"""Of the calibration error, as Guo et al., arXiv:1706.04599, have it, all of the same width: (0, 1/15], ..."""


class ClassCounts(Metric):
    """One of `COUNTED`, from how many images of each class there are, are predicted, and are rightly predicted."""

    full_state_update = False
    right: Tensor
    true: Tensor
    predicted: Tensor

    def __init__(self, score: str, num_classes: int) -> None:
        """Compute ``score`` of ``num_classes`` classes."""
        super().__init__()
        self.score = score
        self.num_classes = num_classes
        for name in ("right", "true", "predicted"):
            self.add_state(name, torch.zeros(num_classes, dtype=torch.long), dist_reduce_fx="sum")

    def update(self, logits: Tensor, labels: Tensor) -> None:
        """Count a batch, which may be empty: logits (N, K), class indices (N,)."""
        predicted = logits.argmax(dim=1)
        ones = torch.ones_like(labels)
        self.true.scatter_add_(0, labels, ones)
        self.predicted.scatter_add_(0, predicted, ones)
        self.right.scatter_add_(0, labels, (predicted == labels).long())

    def compute(self) -> Tensor:
        """The score over all images."""
        right, true, predicted = (wide(count) for count in (self.right, self.true, self.predicted))
        if self.score == "matthews":
            return _matthews(right, true, predicted)
        kind, _, average = self.score.removeprefix("balanced_").partition("_")
        part, whole = {
            "precision": (right, predicted),
            "recall": (right, true),
            "accuracy": (right, true),
            "f1": (2 * right, true + predicted),
        }[kind]
        rates = part / whole.clamp(min=1)
        if average == "weighted":
            return (rates * true).sum() / true.sum()
        seen = true > 0 if kind == "accuracy" else true + predicted > 0
        return (rates * seen).sum() / seen.sum()


def _matthews(right: Tensor, true: Tensor, predicted: Tensor) -> Tensor:
    total = true.sum()
    together = total * right.sum() - (true * predicted).sum()
    alone = (total**2 - (predicted**2).sum()) * (total**2 - (true**2).sum())
    return torch.where(alone > 0, together / alone.clamp(min=1).sqrt(), torch.zeros_like(alone))


class RankScore(Metric):
    """One of `RANKED`, macro over one class against all others, from all answers of a validation."""

    full_state_update = False
    logits: list[Tensor]
    labels: list[Tensor]

    def __init__(self, score: str) -> None:
        """Compute ``score``."""
        super().__init__()
        self.score = score
        for name in ("logits", "labels"):
            self.add_state(name, [], dist_reduce_fx="cat")

    def update(self, logits: Tensor, labels: Tensor) -> None:
        """Keep a batch, which may be empty: logits (N, K), class indices (N,)."""
        self.logits.append(logits)
        self.labels.append(labels)

    def compute(self) -> Tensor:
        """The mean over the classes that have images and, for AUROC, that others have too."""
        shares = dim_zero_cat(self.logits).cpu().double().softmax(dim=1).numpy()  # (N, K)
        labels = dim_zero_cat(self.labels).cpu().numpy()
        columns = ((labels == index, shares[:, index]) for index in range(shares.shape[1]))
        return number(ranked_mean(self.score, columns), self.device)


class CalibrationError(Metric):
    """How far confidence and accuracy are apart: the mean over `BINS` bins, each by its share of answers."""

    full_state_update = False
    gaps: Tensor
    total: Tensor

    def __init__(self) -> None:
        """Count from nothing."""
        super().__init__()
        self.add_state("gaps", torch.zeros(BINS), dist_reduce_fx="sum")  # float64 with the first batch
        self.add_state("total", torch.tensor(0), dist_reduce_fx="sum")

    def update(self, logits: Tensor, labels: Tensor) -> None:
        """Count a batch, which may be empty: logits (N, K), class indices (N,)."""
        confidence, predicted = wide(logits).softmax(dim=1).max(dim=1)
        edges = torch.arange(1, BINS, dtype=confidence.dtype, device=confidence.device) / BINS
        gaps = (predicted == labels).to(confidence.dtype) - confidence
        self.gaps = confidence.new_zeros(BINS).scatter_add(0, torch.bucketize(confidence, edges), gaps) + self.gaps
        self.total += len(labels)

    def compute(self) -> Tensor:
        """The error, 0..1."""
        return self.gaps.abs().sum() / self.total


def brier(logits: Tensor, labels: Tensor) -> Tensor:
    """The mean Brier score of logits (N, K) and class indices (N,): of two classes that of one of them."""
    squares = (logits.softmax(dim=1) - shares(labels, logits)) ** 2
    return squares.sum(dim=1).mean() / (2 if logits.shape[1] == 2 else 1)


def check_names(names: Sequence[str]) -> None:
    """Refuse a score that nobody knows.

    Raises:
        InputError: One is unknown.
    """
    for name in names:
        if name not in KNOWN:
            near = difflib.get_close_matches(name, KNOWN, n=1)
            hint = f", did you mean {near[0]}?" if near else ""
            raise InputError(f"validation_scores: there is no score {name!r}{hint} Known are {', '.join(KNOWN)}")


def validation_metrics(names: Sequence[str], num_classes: int) -> MetricCollection:
    """The metrics of these scores; each takes logits (N, K) and class indices (N,), and an empty batch too.

    Raises:
        InputError: One is unknown.
    """
    check_names(names)
    made: dict[str, Metric] = {}
    for name in names:
        if name in COUNTED:
            made[name] = ClassCounts(name, num_classes)
        elif name in RANKED:
            made[name] = RankScore(name)
        elif name == "ece":
            made[name] = CalibrationError()
        else:
            made[name] = MeanLoss(brier if name == "brier" else F.cross_entropy)
    return MetricCollection(dict(made), compute_groups=False)
