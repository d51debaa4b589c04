"""A training step of one's own: a penalty besides the loss."""

from collections.abc import Mapping
from typing import Any

from torch import Tensor, nn

from inception_lightning import InceptionClassifier


class ConfidencePenalty(InceptionClassifier):
    """Rewards doubt, so that the network is not too sure: Pereyra et al., arXiv:1701.06548, section 3."""

    def __init__(self, net: nn.Module, *, penalty: float = 0.1, **kwargs: Any) -> None:
        """Say how much.

        Args:
            net: The network.
            penalty: Weight of the entropy of the class probabilities, at least 0.
            kwargs: What `InceptionClassifier` takes besides.
        """
        super().__init__(net, **kwargs)
        self.penalty = penalty

    def losses(self, logits: Tensor, aux_logits: Mapping[str, Tensor], targets: Tensor) -> dict[str, Tensor]:
        """``loss`` is minimised; every entry is logged as ``train/NAME``."""
        losses = super().losses(logits, aux_logits, targets)
        logs = logits.log_softmax(dim=1)  # (N, K)
        entropy = -(logs.exp() * logs).sum(dim=1).mean()
        return losses | {"loss": losses["loss"] - self.penalty * entropy, "entropy": entropy}
