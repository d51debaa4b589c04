"""A metric of one's own, exact over any number of processes."""

import torch
from torch import Tensor
from torchmetrics import Metric


class Doubt(Metric):
    """The mean probability of all classes but the right one."""

    total: Tensor
    count: Tensor

    def __init__(self) -> None:
        """Count from nothing; sums are added up over processes."""
        super().__init__()
        self.add_state("total", torch.tensor(0.0), dist_reduce_fx="sum")
        self.add_state("count", torch.tensor(0), dist_reduce_fx="sum")

    def update(self, logits: Tensor, labels: Tensor) -> None:
        """Count a batch: logits (N, K), class indices (N,)."""
        right = logits.softmax(dim=1).gather(1, labels[:, None])  # (N, 1)
        self.total += (1 - right).sum()
        self.count += len(labels)

    def compute(self) -> Tensor:
        """One number, 0..1."""
        return self.total / self.count
