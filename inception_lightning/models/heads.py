"""The auxiliary classifiers that the papers hang on inner stages."""

import math
from typing import TypeAlias

from torch import Tensor, nn
from torch.nn import functional as F

from inception_lightning.models.initialisation import linear
from inception_lightning.models.layers import AvgPool, Conv, Spec, Style, build, smallest

Chain: TypeAlias = tuple[Spec, ...]
"""Words in order."""

AUXILIARY_HEAD = (  # Rethinking, Figure 8: 17x17 -> 5x5 -> 5x5x128 -> 1x1x768
    AvgPool(5, stride=3, valid=True),
    Conv(128, 1),
    Conv(768, 5, valid=True),
)


class AuxiliaryHead(nn.Module):
    """A classifier on an inner stage: (N, C, H, W) -> (N, num_classes), for a grid of any size.

    Its table may open with a pool; 5 x 5 with stride 3 makes 5 x 5 of v3's 17 x 17. A grid too small
    for that, or any grid where there is no such pool, is averaged to what the convolutions need, so
    the head trains on every image the network takes.

    Attributes:
        num_features: Features that the classifier reads.
        pooled_size: Side of the smallest grid that its convolutions take.
        minimum_grid: Side of the smallest grid that its own pool takes; infinite where it has none.
    """

    def __init__(self, table: Chain, channels: int, num_classes: int, dropout: float, style: Style) -> None:
        super().__init__()
        pools, convolutions = (table[:1], table[1:]) if isinstance(table[0], AvgPool) else ((), table)
        self.pool, channels = build(pools, channels, style)
        self.features, self.num_features = build(convolutions, channels, style)
        self.dropout = nn.Dropout(dropout)
        self.classifier = linear(self.num_features, num_classes, style.init)
        self.pooled_size = smallest(convolutions)
        self.minimum_grid = smallest(table) if pools else math.inf

    def forward(self, x: Tensor) -> Tensor:
        """Shapes as above; where there are no classes, the pooled features (N, num_features)."""
        too_small = min(x.shape[-2:]) < self.minimum_grid
        x = F.adaptive_avg_pool2d(x, self.pooled_size) if too_small else self.pool(x)  # (N, C, 5, 5), GoogLeNet's 4 x 4
        pooled = self.features(x).mean(dim=(2, 3))  # (N, C)
        logits: Tensor = self.classifier(self.dropout(pooled))
        return logits
