"""Inception-ResNet-v1 and v2.

Szegedy et al., Inception-v4, Inception-ResNet and the Impact of Residual Connections on Learning,
arXiv:1602.07261.

Version 2 is the network that its authors released: they built it wider and deeper than the
figures, and all public weights are of that form. Released names for our stages, v2: stem =
conv2d_1a .. mixed_5b, inception_a = block35, reduction_a = mixed_6a, inception_b = block17,
reduction_b = mixed_7a, inception_c = block8, conv_7b = conv2d_7b.
"""

from inception_lightning.models.inception_v4 import reduction_a
from inception_lightning.models.layers import AvgPool, Concat, Conv, MaxPool, Residual, Spec, Style
from inception_lightning.models.network import AUXILIARY_HEAD, Inception, Stem, check_depths, check_scales, stem_for

SCALES = (0.17, 0.10, 0.20)  # the released networks'; section 3.3 says 0.1 to 0.3
Scales = float | tuple[float, float, float]

STEM = (  # Figure 14, up to its last convolution: 299x299x3 -> 71x71x192
    Conv(32, 3, stride=2, valid=True),
    Conv(32, 3, valid=True),
    Conv(64, 3),
    MaxPool(3, stride=2, valid=True),
    Conv(80, 1),
    Conv(192, 3, valid=True),
)
STEM_V1 = (*STEM, Conv(256, 3, stride=2, valid=True))  # Figure 14: -> 35x35x256
STEM_V2 = (*STEM, MaxPool(3, stride=2, valid=True))  # as released: -> 35x35x192

MIXED_5B = Concat(  # as released: 35x35x192 -> 35x35x320
    Conv(96, 1),
    (Conv(48, 1), Conv(64, 5)),
    (Conv(64, 1), Conv(96, 3), Conv(96, 3)),
    (AvgPool(3), Conv(64, 1)),
)

BLOCK_A_V1 = Concat(  # Figure 10
    Conv(32, 1),
    (Conv(32, 1), Conv(32, 3)),
    (Conv(32, 1), Conv(32, 3), Conv(32, 3)),
)
BLOCK_B_V1 = Concat(  # Figure 11
    Conv(128, 1),
    (Conv(128, 1), Conv(128, (1, 7)), Conv(128, (7, 1))),
)
BLOCK_C_V1 = Concat(  # Figure 13
    Conv(192, 1),
    (Conv(192, 1), Conv(192, (1, 3)), Conv(192, (3, 1))),
)

BLOCK_A_V2 = Concat(  # Figure 16
    Conv(32, 1),
    (Conv(32, 1), Conv(32, 3)),
    (Conv(32, 1), Conv(48, 3), Conv(64, 3)),
)
BLOCK_B_V2 = Concat(  # Figure 17
    Conv(192, 1),
    (Conv(128, 1), Conv(160, (1, 7)), Conv(192, (7, 1))),
)
BLOCK_C_V2 = Concat(  # Figure 19
    Conv(192, 1),
    (Conv(192, 1), Conv(224, (1, 3)), Conv(256, (3, 1))),
)


def reduction_b(second: int, third: int, last: int) -> Concat:
    """Figures 12 (v1) and 18 (v2): 17x17 -> 8x8."""
    return Concat(
        (Conv(256, 1), Conv(384, 3, stride=2, valid=True)),
        (Conv(256, 1), Conv(second, 3, stride=2, valid=True)),
        (Conv(256, 1), Conv(third, 3), Conv(last, 3, stride=2, valid=True)),
        MaxPool(3, stride=2, valid=True),
    )


class InceptionResNetV1(Inception):
    """Inception-ResNet-v1 (Figure 15 with Figure 14's stem): 22.8 M parameters, 299x299 images."""

    def __init__(
        self,
        num_classes: int = 1000,
        *,
        residual_scales: Scales = SCALES,
        depths: tuple[int, int, int] = (5, 10, 5),
        width: float = 1.0,
        stem: Stem = "imagenet",
        aux: bool = False,
        dropout: float = 0.2,
    ) -> None:
        """Describe the network.

        Args:
            num_classes: Length of the logits.
            residual_scales: Factor on the residuals before they are added (section 3.3), one number or
                one per stage inception_a, inception_b, inception_c; at least 0.
            depths: Number of blocks in these three stages.
            width: Factor on every number of filters.
            stem: ``imagenet`` or ``small``, the latter for images of about 32 pixels.
            aux: Whether an auxiliary classifier on inception_b is built (not in the paper).
            dropout: Share of the pooled features dropped in training.
        """
        (a, b, c), (scale_a, scale_b, scale_c) = check_depths(depths), check_scales(residual_scales)
        stages: dict[str, Spec] = {
            "stem": stem_for(stem, STEM_V1),
            "inception_a": a * (Residual(BLOCK_A_V1, scale_a),),
            "reduction_a": reduction_a(192, 192, 256, 384),
            "inception_b": b * (Residual(BLOCK_B_V1, scale_b),),
            "reduction_b": reduction_b(256, 256, 256),
            "inception_c": c * (Residual(BLOCK_C_V1, scale_c),),
        }
        heads = {"inception_b": AUXILIARY_HEAD} if aux else {}
        super().__init__(stages, num_classes, aux=heads, dropout=dropout, style=Style(width))


class InceptionResNetV2(Inception):
    """Inception-ResNet-v2 as released: 55.8 M parameters, 299x299 images.

    The last block of inception_c is linear: its scale stays 1.0 and no ReLU follows it.
    """

    def __init__(
        self,
        num_classes: int = 1000,
        *,
        residual_scales: Scales = SCALES,
        depths: tuple[int, int, int] = (10, 20, 10),
        width: float = 1.0,
        stem: Stem = "imagenet",
        aux: bool = False,
        dropout: float = 0.2,
    ) -> None:
        """Describe the network; the arguments are those of `InceptionResNetV1`."""
        (a, b, c), (scale_a, scale_b, scale_c) = check_depths(depths), check_scales(residual_scales)
        linear = Residual(BLOCK_C_V2, 1.0, relu=False)
        stages: dict[str, Spec] = {
            "stem": (stem_for(stem, STEM_V2), MIXED_5B),
            "inception_a": a * (Residual(BLOCK_A_V2, scale_a),),
            "reduction_a": reduction_a(256, 256, 384, 384),
            "inception_b": b * (Residual(BLOCK_B_V2, scale_b),),
            "reduction_b": reduction_b(288, 288, 320),
            "inception_c": (*(c - 1) * (Residual(BLOCK_C_V2, scale_c),), linear),
            "conv_7b": Conv(1536, 1),
        }
        heads = {"inception_b": AUXILIARY_HEAD} if aux else {}
        super().__init__(stages, num_classes, aux=heads, dropout=dropout, style=Style(width))
