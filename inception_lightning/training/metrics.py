"""Top-k accuracy, loss and scores of labels, exact over any number of processes."""

from collections.abc import Callable, Iterable, Sequence

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional as F
from torchmetrics import Metric
from torchmetrics.utilities import dim_zero_cat

from inception_lightning.training.losses import Loss

RANKED = ("average_precision", "auroc")
"""Scores that need all answers of a validation."""


def wide(values: Tensor) -> Tensor:
    """In float64; on Apple's GPUs, which have none, in float32."""
    return values.float() if values.device.type == "mps" else values.double()


def number(value: float, device: torch.device) -> Tensor:
    """A number as precise as its device has it."""
    return torch.tensor(value, dtype=torch.float32 if device.type == "mps" else torch.float64, device=device)


def ranked_mean(score: str, columns: Iterable[tuple[NDArray[np.bool_], NDArray[np.floating]]]) -> float:
    """scikit-learn's average precision or AUROC, the mean over the classes that have one.

    Args:
        score: One of `RANKED`.
        columns: Of each class, which images have it (N,), and what is said of each image (N,).

    Returns:
        The mean over the classes that images have and, for AUROC, that others have not; NaN where there is none, or
        where something that is said is not a number.
    """
    from sklearn.metrics import average_precision_score, roc_auc_score  # not at the start: it takes a second

    function: Callable[..., float] = {"auroc": roc_auc_score, "average_precision": average_precision_score}[score]
    found = []
    for there, said in columns:
        if not np.isfinite(said).all():
            return np.nan
        if there.any() and not (score == "auroc" and there.all()):
            found.append(function(there, said))
    return float(np.mean(found)) if found else np.nan


class TopK(Metric):
    """Share of samples whose label is among the k highest logits, for several k from one search.

    torchmetrics' own accuracy searches once per k; on 1,000 classes this is seven times cheaper.
    """

    full_state_update = False
    correct: Tensor
    total: Tensor

    def __init__(self, ks: Sequence[int]) -> None:
        """Count for each k in ``ks``; none may exceed the number of classes."""
        super().__init__()
        self.ks = tuple(ks)
        self.add_state("correct", torch.zeros(len(self.ks), dtype=torch.long), dist_reduce_fx="sum")
        self.add_state("total", torch.tensor(0), dist_reduce_fx="sum")

    @property
    def names(self) -> tuple[str, ...]:
        """What the scores are called."""
        return tuple(f"top{k}" for k in self.ks)

    def update(self, logits: Tensor, labels: Tensor) -> None:
        """Count a batch: logits (N, K), class indices (N,)."""
        best = logits.topk(max(self.ks), dim=1).indices  # (N, max k), best first
        hits = best == labels[:, None]
        self.correct += torch.stack([hits[:, :k].sum() for k in self.ks])
        self.total += len(labels)

    def compute(self) -> dict[str, Tensor]:
        """``{"top1": ..., "top5": ...}``, each 0..1."""
        total = wide(self.total)
        return {f"top{k}": correct / total for k, correct in zip(self.ks, self.correct, strict=True)}


class LabelScores(Metric):
    """How well each label of images that may have several is told apart, and the best threshold of each.

    F1 is that of a threshold of one half. scikit-learn ranks the images of all processes.
    """

    full_state_update = False
    logits: list[Tensor]
    labels: list[Tensor]
    counts: Tensor

    def __init__(self, classes: int, ranked: bool) -> None:
        """Count from nothing.

        Args:
            classes: K.
            ranked: Whether all logits are kept, for average precision and thresholds.
        """
        super().__init__()
        self.ranked = ranked
        self.add_state("logits", [], dist_reduce_fx="cat")
        self.add_state("labels", [], dist_reduce_fx="cat")
        self.add_state("counts", torch.zeros(3, classes, dtype=torch.long), dist_reduce_fx="sum")

    @property
    def names(self) -> tuple[str, ...]:
        """What the scores are called."""
        return ("f1", "average_precision", "auroc") if self.ranked else ("f1",)

    def update(self, logits: Tensor, labels: Tensor) -> None:
        """Count a batch, which may be empty: logits (N, K), labels 0 or 1 (N, K)."""
        said, true = logits >= 0, labels > 0
        self.counts += torch.stack([(said & true).sum(dim=0), said.sum(dim=0), true.sum(dim=0)])
        if self.ranked:
            self.logits.append(logits.float())
            self.labels.append(true)

    def compute(self) -> dict[str, Tensor]:
        """``f1`` and, where all is ranked, ``average_precision``, ``auroc`` and the ``limits`` (K,).

        The scores are means over the labels that images have and, for AUROC, that others have not.
        """
        right, said, true = self.counts
        seen = true > 0
        f1 = wide(2 * right) / (said + true).clamp(min=1)  # (K,)
        found = {"f1": f1[seen].mean() if seen.any() else f1.sum()}
        if not self.ranked:
            return found
        logits, labels = (dim_zero_cat(part).cpu().numpy() for part in (self.logits, self.labels))  # (N, K)
        columns = [(labels[:, index], logits[:, index]) for index in range(logits.shape[1])]
        for name in RANKED:
            found[name] = number(ranked_mean(name, columns), self.device)
        return found | {"limits": torch.tensor([best_limit(logit, label) for label, logit in columns])}


def best_limit(logits: NDArray[np.float32], labels: NDArray[np.bool_]) -> float:
    """From which logit (N,) on a label is said with the best F1, halfway to the next one below; 0 where none has it."""
    from sklearn.metrics import precision_recall_curve

    if not (labels.any() and np.isfinite(logits).all()):
        return 0.0
    precision, recall, limits = precision_recall_curve(labels, logits)
    f1 = 2 * precision * recall / np.maximum(precision + recall, 1e-12)
    best = int(f1[:-1].argmax())  # the last has no limit
    below = logits[logits < limits[best]]
    return float((limits[best] + below.max()) / 2 if len(below) else limits[best])


class MeanLoss(Metric):
    """Mean loss, summed in float64: in float32 cross-entropy is the same however samples are batched and shared out.

    torchmetrics' own mean adds up the float32 means of batches, so its last digits depend on the batches.
    """

    full_state_update = False
    sum: Tensor
    count: Tensor

    def __init__(self, loss: Loss | None = None) -> None:
        """Count from nothing.

        Args:
            loss: Gives the mean over a batch, of which each sample counts alike; by default cross-entropy.
        """
        super().__init__()
        self.mean_of = loss
        self.add_state("sum", torch.tensor(0.0), dist_reduce_fx="sum")  # float64 with the first batch
        self.add_state("count", torch.tensor(0), dist_reduce_fx="sum")

    def update(self, logits: Tensor, labels: Tensor) -> None:
        """Count a batch, which may be empty: logits (N, K), class indices (N,)."""
        if self.mean_of is None:
            self.sum = self.sum + F.cross_entropy(wide(logits), labels, reduction="sum")
        elif len(labels):
            self.sum = self.sum + wide(self.mean_of(wide(logits), labels)) * len(labels)
        self.count += len(labels)

    def compute(self) -> Tensor:
        """The mean over all samples."""
        return self.sum / self.count
