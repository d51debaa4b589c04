"""A network of one's own: a table of the papers' words."""

from inception_lightning.models.layers import Concat, Conv, MaxPool, Spec, Style
from inception_lightning.models.network import Inception


class TwoBlocks(Inception):
    """Two Inception modules for images of 16 x 16 pixels or more."""

    image_size = 16

    def __init__(self, num_classes: int = 10, *, width: float = 1.0, dropout: float = 0.2) -> None:
        """Describe the network.

        Args:
            num_classes: Length of the logits.
            width: Factor on every number of filters.
            dropout: Share of the pooled features dropped in training.
        """
        block = Concat(Conv(16, 1), (Conv(24, 1), Conv(32, 3)), (MaxPool(3), Conv(16, 1)))
        stages: dict[str, Spec] = {
            "stem": Conv(32, 3),  # 16x16x32
            "block_a": block,  # 16x16x64
            "pool": MaxPool(3, stride=2),  # 8x8x64
            "block_b": block,  # 8x8x64
        }
        heads = {"block_a": (Conv(32, 1),)}
        super().__init__(stages, num_classes, aux=heads, dropout=dropout, style=Style(width=width))
