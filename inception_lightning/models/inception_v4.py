"""Inception-v4.

Szegedy et al., Inception-v4, Inception-ResNet and the Impact of Residual Connections on Learning,
arXiv:1602.07261.

The asymmetric convolutions stand in the order of the network that its authors released, which is
not everywhere the figures'. Released names for our stages: stem = Conv2d_1a .. Mixed_5a,
inception_a = Mixed_5b-5e, reduction_a = Mixed_6a, inception_b = Mixed_6b-6h, reduction_b =
Mixed_7a, inception_c = Mixed_7b-7d.
"""

from inception_lightning.models.heads import AUXILIARY_HEAD
from inception_lightning.models.initialisation import Init, filler, truncated_he
from inception_lightning.models.knobs import check_depths
from inception_lightning.models.layers import AvgPool, Concat, Conv, MaxPool, Spec, Stem, Style, stem_for
from inception_lightning.models.network import Inception

POOL = MaxPool(3, stride=2, valid=True)

STEM = (  # Figure 3: 299x299x3 -> 35x35x384
    Conv(32, 3, stride=2, valid=True),
    Conv(32, 3, valid=True),
    Conv(64, 3),
    Concat(POOL, Conv(96, 3, stride=2, valid=True)),
    Concat(
        (Conv(64, 1), Conv(96, 3, valid=True)),
        (Conv(64, 1), Conv(64, (1, 7)), Conv(64, (7, 1)), Conv(96, 3, valid=True)),
    ),
    Concat(Conv(192, 3, stride=2, valid=True), POOL),
)

INCEPTION_A = Concat(  # Figure 4: 35x35x384 -> 35x35x384
    Conv(96, 1),
    (Conv(64, 1), Conv(96, 3)),
    (Conv(64, 1), Conv(96, 3), Conv(96, 3)),
    (AvgPool(3), Conv(96, 1)),
)
INCEPTION_B = Concat(  # Figure 5: 17x17x1024 -> 17x17x1024
    Conv(384, 1),
    (Conv(192, 1), Conv(224, (1, 7)), Conv(256, (7, 1))),
    (Conv(192, 1), Conv(192, (7, 1)), Conv(224, (1, 7)), Conv(224, (7, 1)), Conv(256, (1, 7))),
    (AvgPool(3), Conv(128, 1)),
)
EXPANDED = Concat(Conv(256, (1, 3)), Conv(256, (3, 1)))  # the fork at the top of Figure 6
INCEPTION_C = Concat(  # Figure 6: 8x8x1536 -> 8x8x1536
    Conv(256, 1),
    (Conv(384, 1), EXPANDED),
    (Conv(384, 1), Conv(448, (3, 1)), Conv(512, (1, 3)), EXPANDED),
    (AvgPool(3), Conv(256, 1)),
)


def reduction_a(k: int, l: int, m: int, n: int) -> Concat:  # noqa: E741 - the paper's letters
    """Figure 7: 35x35 -> 17x17, with the letters of Table 1."""
    return Concat(
        Conv(n, 3, stride=2, valid=True),
        (Conv(k, 1), Conv(l, 3), Conv(m, 3, stride=2, valid=True)),
        POOL,
    )


REDUCTION_B = Concat(  # Figure 8: 17x17x1024 -> 8x8x1536
    (Conv(192, 1), Conv(192, 3, stride=2, valid=True)),
    (Conv(256, 1), Conv(256, (1, 7)), Conv(320, (7, 1)), Conv(320, 3, stride=2, valid=True)),
    POOL,
)


class InceptionV4(Inception):
    """Inception-v4 (Figure 9): 42.7 M parameters, 299x299 images."""

    def __init__(
        self,
        num_classes: int = 1000,
        *,
        in_channels: int = 3,
        depths: tuple[int, int, int] = (4, 7, 3),
        width: float = 1.0,
        stem: Stem = "imagenet",
        aux: bool = False,
        dropout: float = 0.2,
        init: Init = "he",
    ) -> None:
        """Describe the network.

        Args:
            num_classes: Length of the logits; with 0 the network gives features instead.
            in_channels: Channels of the images: 3 are red, green and blue.
            depths: Number of blocks in the stages inception_a, inception_b and inception_c.
            width: Factor on every number of filters.
            stem: ``imagenet`` or ``small``, the latter for images of about 32 pixels.
            aux: Whether an auxiliary classifier on inception_b is built, as in TF-slim (not in the paper).
            dropout: Share of the pooled features dropped in training.
            init: ``he``, or ``paper`` for TF-slim's truncated normal.
        """
        a, b, c = check_depths(depths)
        stages: dict[str, Spec] = {
            "stem": stem_for(stem, STEM),
            "inception_a": a * (INCEPTION_A,),
            "reduction_a": reduction_a(192, 224, 256, 384),
            "inception_b": b * (INCEPTION_B,),
            "reduction_b": REDUCTION_B,
            "inception_c": c * (INCEPTION_C,),
        }
        heads = {"inception_b": AUXILIARY_HEAD} if aux else {}
        style = Style(width, init=filler(init, truncated_he))
        super().__init__(stages, num_classes, in_channels=in_channels, aux=heads, dropout=dropout, style=style)
