"""A learning-rate schedule of one's own."""

from torch import Tensor
from torch.optim import Optimizer
from torch.optim.lr_scheduler import LRScheduler


class InverseRoot(LRScheduler):
    """The rate falls with the root of the steps: Vaswani et al., arXiv:1706.03762, equation 3, after the warm-up."""

    def __init__(self, optimizer: Optimizer, start: int = 100, last_epoch: int = -1) -> None:
        """Say from which step on; the optimizer comes from the module."""
        self.start = start
        super().__init__(optimizer, last_epoch)

    def get_lr(self) -> list[float | Tensor]:
        """The rate of each parameter group now."""
        return [rate * (self.start / max(self.start, self.last_epoch)) ** 0.5 for rate in self.base_lrs]
