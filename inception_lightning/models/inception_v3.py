"""Inception-v3: Szegedy et al., Rethinking the Inception Architecture for Computer Vision, arXiv:1512.00567.

The paper's figures leave the widths open; they are those of the authors' released network. Its
names for our stages: stem = Conv2d_1a .. MaxPool_5a, inception_a = Mixed_5b-5d, reduction_a =
Mixed_6a, inception_b = Mixed_6b-6e, reduction_b = Mixed_7a, inception_c = Mixed_7b-7c.
"""

from inception_lightning.models.layers import AvgPool, Concat, Conv, MaxPool, Style
from inception_lightning.models.network import AUXILIARY_HEAD, Inception, Stem, check_depths, stem_for

STEM = (  # Table 1, as released: 299x299x3 -> 35x35x192
    Conv(32, 3, stride=2, valid=True),
    Conv(32, 3, valid=True),
    Conv(64, 3),
    MaxPool(3, stride=2, valid=True),
    Conv(80, 1),
    Conv(192, 3, valid=True),
    MaxPool(3, stride=2, valid=True),
)


def inception_a(pool: int) -> Concat:
    """Figure 5, with the released 5x5: 35x35 -> 35x35x(224 + pool)."""
    return Concat(
        Conv(64, 1),
        (Conv(48, 1), Conv(64, 5)),
        (Conv(64, 1), Conv(96, 3), Conv(96, 3)),
        (AvgPool(3), Conv(pool, 1)),
    )


REDUCTION_A = Concat(  # Figure 10: 35x35x288 -> 17x17x768
    Conv(384, 3, stride=2, valid=True),
    (Conv(64, 1), Conv(96, 3), Conv(96, 3, stride=2, valid=True)),
    MaxPool(3, stride=2, valid=True),
)


def inception_b(inner: int) -> Concat:
    """Figure 6 with n = 7: 17x17x768 -> 17x17x768."""
    return Concat(
        Conv(192, 1),
        (Conv(inner, 1), Conv(inner, (1, 7)), Conv(192, (7, 1))),
        (Conv(inner, 1), Conv(inner, (7, 1)), Conv(inner, (1, 7)), Conv(inner, (7, 1)), Conv(192, (1, 7))),
        (AvgPool(3), Conv(192, 1)),
    )


REDUCTION_B = Concat(  # as released: 17x17x768 -> 8x8x1280
    (Conv(192, 1), Conv(320, 3, stride=2, valid=True)),
    (Conv(192, 1), Conv(192, (1, 7)), Conv(192, (7, 1)), Conv(192, 3, stride=2, valid=True)),
    MaxPool(3, stride=2, valid=True),
)

EXPANDED = Concat(Conv(384, (1, 3)), Conv(384, (3, 1)))  # the fork at the top of Figure 7

INCEPTION_C = Concat(  # Figure 7: 8x8 -> 8x8x2048
    Conv(320, 1),
    (Conv(384, 1), EXPANDED),
    (Conv(448, 1), Conv(384, 3), EXPANDED),
    (AvgPool(3), Conv(192, 1)),
)


class InceptionV3(Inception):
    """Inception-v3 (Rethinking, section 6): 23.8 M parameters without its head, 299x299 images."""

    def __init__(
        self,
        num_classes: int = 1000,
        *,
        depths: tuple[int, int, int] = (3, 4, 2),
        width: float = 1.0,
        stem: Stem = "imagenet",
        aux: bool = True,
        dropout: float = 0.2,
        count_include_pad: bool = False,
    ) -> None:
        """Describe the network.

        Args:
            num_classes: Length of the logits.
            depths: Number of blocks in the stages inception_a, inception_b and inception_c.
            width: Factor on every number of filters.
            stem: ``imagenet`` or ``small``, the latter for images of about 32 pixels.
            aux: Whether the auxiliary classifier on inception_b is built (Rethinking, section 4).
            dropout: Share of the pooled features dropped in training (torchvision trains with 0.5).
            count_include_pad: Whether average pools count their padding, as torchvision and timm do.
        """
        a, b, c = check_depths(depths)
        stages = {
            "stem": stem_for(stem, STEM),
            "inception_a": (inception_a(32), *(a - 1) * (inception_a(64),)),
            "reduction_a": REDUCTION_A,
            "inception_b": (inception_b(128), *(b - 2) * (inception_b(160),), inception_b(192))[:b],
            "reduction_b": REDUCTION_B,
            "inception_c": c * (INCEPTION_C,),
        }
        heads = {"inception_b": AUXILIARY_HEAD} if aux else {}
        super().__init__(stages, num_classes, aux=heads, dropout=dropout, style=Style(width, count_include_pad))
