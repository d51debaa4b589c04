"""Inception-v2, also called BN-Inception: Ioffe and Szegedy, Batch Normalization, arXiv:1502.03167.

The Rethinking paper's own "v2" is another network: see `InceptionV3`.
"""

from dataclasses import replace
from typing import ClassVar, Literal, TypeAlias

from torch import Tensor

from inception_lightning.models.googlenet import AUXILIARY_HEAD, POOL
from inception_lightning.models.initialisation import Init, filler, truncated_he, truncated_normal
from inception_lightning.models.knobs import one_of
from inception_lightning.models.layers import AvgPool, Concat, Conv, MaxPool, SeparableConv, Spec, Stem, Style, stem_for
from inception_lightning.models.network import Inception

Preset: TypeAlias = Literal["paper", "slim", "cadene"]

PRESETS = {
    "paper": Style(),
    "slim": Style(),
    "cadene": Style(conv_bias=True, bn_eps=1e-5, count_include_pad=True),
}


def stem_table(first: Conv) -> Spec:
    """Figure 5, from the input to 3a: 224x224x3 -> 28x28x192."""
    return (first, POOL, Conv(64, 1), Conv(192, 3), POOL)


def inception(
    one: int, reduce3: int, three: int, reduce_double: int, double: int, pooling: AvgPool | MaxPool, pool: int
) -> Concat:
    """A row of Figure 5: 1x1, 3x3 reduce, 3x3, double 3x3 reduce, double 3x3, pool and its projection."""
    return Concat(
        Conv(one, 1),
        (Conv(reduce3, 1), Conv(three, 3)),
        (Conv(reduce_double, 1), Conv(double, 3), Conv(double, 3)),
        (pooling, Conv(pool, 1)),
    )


def reduction(reduce3: int, three: int, reduce_double: int, double: int, pool: MaxPool) -> Concat:
    """A row of Figure 5 with stride 2: no 1x1, and the pool passes all channels on."""
    return Concat(
        (Conv(reduce3, 1), Conv(three, 3, stride=2)),
        (Conv(reduce_double, 1), Conv(double, 3), Conv(double, 3, stride=2)),
        pool,
    )


class InceptionV2(Inception):
    """BN-Inception (Figure 5): 11.3 M parameters, 224x224 images."""

    image_size = 224
    aux_weight: ClassVar[float] = 0.3  # GoogLeNet's, as are the heads
    aux_dropout: ClassVar[float] = 0.7

    def __init__(
        self,
        num_classes: int = 1000,
        *,
        in_channels: int = 3,
        preset: Preset = "paper",
        width: float = 1.0,
        stem: Stem = "imagenet",
        aux: bool = False,
        dropout: float = 0.0,
        init: Init = "he",
    ) -> None:
        """Describe the network.

        Args:
            num_classes: Length of the logits; with 0 the network gives features instead.
            in_channels: Channels of the images: 3 are red, green and blue.
            preset: ``paper``: the widths of the paper's branches, which make 608 channels in 4c and 4d
                where its output column says 576; ``slim``: TF-slim's narrower pool projections there,
                which make 576, and the separable convolution of the paper's text as the first one;
                ``cadene``: as paper, but biases, batch norm of epsilon 1e-5, average pools that count
                their padding, pools 3c and 4e without padding (sides of 31..38, 63..70, 95..102, ...
                pixels only) and 0..255 images, all of which Cadene's weights need.
            width: Factor on every number of filters.
            stem: ``imagenet`` or ``small``, the latter for images of about 32 pixels.
            aux: Whether GoogLeNet's auxiliary classifiers on 4a and 4d are built (not in the paper).
            dropout: Share of the pooled features dropped in training (section 4.2.1 removes it; TF-slim
                trains with 0.2).
            init: ``he``, or ``paper`` for TF-slim's truncated normal.
        """
        one_of("preset", preset, PRESETS)
        slim, cadene = preset == "slim", preset == "cadene"
        # a single channel gets the filters of all three, so that weights for RGB fit as their sum; see weights.channels
        filters = 24 if in_channels == 1 else 8
        first = SeparableConv(64, 7, stride=2, multiplier=filters) if slim else Conv(64, 7, stride=2)
        average, pass_through = AvgPool(3), POOL if cadene else MaxPool(3, stride=2)
        pool = 96 if slim else 128
        stages: dict[str, Spec] = {  # Figure 5
            "stem": stem_for(stem, stem_table(first)),
            "inception_3a": inception(64, 64, 64, 64, 96, average, 32),  # 28x28x256
            "inception_3b": inception(64, 64, 96, 64, 96, average, 64),  # 28x28x320
            "inception_3c": reduction(128, 160, 64, 96, pass_through),  # 14x14x576
            "inception_4a": inception(224, 64, 96, 96, 128, average, 128),  # 14x14x576
            "inception_4b": inception(192, 96, 128, 96, 128, average, 128),  # 14x14x576
            "inception_4c": inception(160, 128, 160, 128, 160, average, pool),  # 14x14x608
            "inception_4d": inception(96, 128, 192, 160, 192, average, pool),  # 14x14x608
            "inception_4e": reduction(128, 192, 192, 256, pass_through),  # 7x7x1056
            "inception_5a": inception(352, 192, 320, 160, 224, average, 128),  # 7x7x1024
            "inception_5b": inception(352, 192, 320, 192, 224, MaxPool(3), 128),  # 7x7x1024
        }
        heads = {"inception_4a": AUXILIARY_HEAD, "inception_4d": AUXILIARY_HEAD} if aux else {}
        style = replace(PRESETS[preset], width=width, init=filler(init, slim_weights))
        super().__init__(stages, num_classes, in_channels=in_channels, aux=heads, dropout=dropout, style=style)
        if cadene:  # 0..255 images, of which each channel's mean is taken
            self.std = in_channels * (1 / 255,)
            self.mean = (128 / 255, 117 / 255, 104 / 255) if in_channels == 3 else in_channels * (0.5,)


def slim_weights(weight: Tensor) -> None:
    """TF-slim's: its own numbers for the first and the 1x1 convolutions, else truncated He."""
    match weight.shape[1:]:
        case (1, 7, 7):
            truncated_normal(weight, 1.0)
        case (_, 1, 1):
            truncated_normal(weight, 0.09)
        case _:
            truncated_he(weight)
