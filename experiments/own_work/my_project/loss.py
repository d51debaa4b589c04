"""Losses of one's own: a class where there is something to set, a function where there is not."""

from torch import Tensor, nn
from torch.nn import functional as F

from inception_lightning.training.losses import shares


class Poly1(nn.Module):
    """Cross-entropy and ``epsilon * (1 - p)``: Leng et al., arXiv:2204.12511, equation 6."""

    def __init__(self, epsilon: float = 1.0) -> None:
        """Say how much of the second; 0 is cross-entropy."""
        super().__init__()
        self.epsilon = epsilon

    def forward(self, logits: Tensor, targets: Tensor) -> Tensor:
        """Logits (N, K) and class indices (N,) or, with MixUp, shares (N, K) -> the mean over the batch."""
        p = (logits.softmax(dim=1) * shares(targets, logits)).sum(dim=1)  # (N,)
        return F.cross_entropy(logits, targets) + self.epsilon * (1 - p).mean()


def margin(logits: Tensor, targets: Tensor) -> Tensor:
    """The hinge loss of all wrong classes; it knows class indices only."""
    return F.multi_margin_loss(logits, targets)
