"""GoogLeNet, also called Inception-v1: Szegedy et al., Going Deeper with Convolutions, arXiv:1409.4842."""

from dataclasses import replace
from functools import partial
from typing import ClassVar, Literal, TypeAlias

from inception_lightning.models.initialisation import Init, filler, truncated_normal
from inception_lightning.models.knobs import one_of
from inception_lightning.models.layers import LRN, AvgPool, Concat, Conv, MaxPool, Spec, Stem, Style, stem_for
from inception_lightning.models.network import Inception

Preset: TypeAlias = Literal["batch_norm", "paper", "torchvision", "biased"]

PRESETS = {
    "batch_norm": Style(),
    "paper": Style(batch_norm=False),
    "torchvision": Style(),
    "biased": Style(conv_bias=True, bn_eps=1e-5),
}

POOL = MaxPool(3, stride=2, valid=True, ceil=True)

AUXILIARY_HEAD = (  # section 5: 14x14 -> 4x4 -> 4x4x128 -> 1024
    AvgPool(5, stride=3, valid=True),
    Conv(128, 1),
    Conv(1024, 4, valid=True, norm=False),
)


def stem_table(pool: MaxPool, lrn: Spec, norm: bool) -> Spec:
    """Figure 3, from the input to the first Inception module: 224x224x3 -> 28x28x192."""
    return (
        Conv(64, 7, stride=2, norm=norm),
        pool,
        lrn,
        Conv(64, 1, norm=norm),
        Conv(192, 3, norm=norm),
        lrn,
        pool,
    )


def inception(one: int, reduce3: int, three: int, reduce5: int, five: int, pool: int, *, kernel: int = 5) -> Concat:
    """Figure 2b, with the columns of Table 1: 1x1, 3x3 reduce, 3x3, 5x5 reduce, 5x5, pool projection."""
    return Concat(
        Conv(one, 1),
        (Conv(reduce3, 1), Conv(three, 3)),
        (Conv(reduce5, 1), Conv(five, kernel)),
        (MaxPool(3), Conv(pool, 1)),
    )


class GoogLeNet(Inception):
    """GoogLeNet (Table 1): 7.0 M parameters without its two heads, 224x224 images."""

    image_size = 224
    aux_weight: ClassVar[float] = 0.3  # section 5
    aux_dropout: ClassVar[float] = 0.7  # section 5

    def __init__(
        self,
        num_classes: int = 1000,
        *,
        in_channels: int = 3,
        preset: Preset = "batch_norm",
        width: float = 1.0,
        stem: Stem = "imagenet",
        aux: bool | None = None,
        dropout: float = 0.4,
        init: Init = "he",
    ) -> None:
        """Describe the network.

        Args:
            num_classes: Length of the logits; with 0 the network gives features instead.
            in_channels: Channels of the images: 3 are red, green and blue.
            preset: ``batch_norm``: the paper's with batch norm instead of local response normalisation
                and biases; ``paper``: exactly the paper's; ``torchvision``: as batch_norm, but 3x3
                convolutions in the 5x5's place, a 2x2 pool before 5a and heads that average to 4x4,
                which torchvision's weights need; ``biased``: biases everywhere, blocks with batch norm
                of epsilon 1e-5, a stem without it, padded pools.
            width: Factor on every number of filters.
            stem: ``imagenet`` or ``small``, the latter for images of about 32 pixels.
            aux: Whether the auxiliary classifiers on 4a and 4d are built; if not said, all presets
                but biased have them.
            dropout: Share of the pooled features dropped in training (torchvision trains with 0.2).
            init: ``he``, or ``paper`` for TF-slim's truncated normal of 0.01; the preset paper, without
                batch norm, learns nothing from weights as small as that.
        """
        one_of("preset", preset, PRESETS)
        torchvision, biased = preset == "torchvision", preset == "biased"
        pool = MaxPool(3, stride=2) if biased else POOL
        table = stem_table(pool, LRN() if preset == "paper" else (), norm=not biased)
        block = partial(inception, kernel=3 if torchvision else 5)
        stages: dict[str, Spec] = {  # Table 1
            "stem": stem_for(stem, table),
            "inception_3a": block(64, 96, 128, 16, 32, 32),  # 28x28x256
            "inception_3b": block(128, 128, 192, 32, 96, 64),  # 28x28x480
            "pool_3": (pool,),  # a chain, because torchvision's feature extractor loses a layer's name that ends in _3
            "inception_4a": block(192, 96, 208, 16, 48, 64),  # 14x14x512
            "inception_4b": block(160, 112, 224, 24, 64, 64),  # 14x14x512
            "inception_4c": block(128, 128, 256, 24, 64, 64),  # 14x14x512
            "inception_4d": block(112, 144, 288, 32, 64, 64),  # 14x14x528
            "inception_4e": block(256, 160, 320, 32, 128, 128),  # 14x14x832
            "pool_4": (MaxPool(2, stride=2, valid=True, ceil=True) if torchvision else pool,),
            "inception_5a": block(256, 160, 320, 32, 128, 128),  # 7x7x832
            "inception_5b": block(384, 192, 384, 48, 128, 128),  # 7x7x1024
        }
        head = AUXILIARY_HEAD[1:] if torchvision else AUXILIARY_HEAD
        heads = {"inception_4a": head, "inception_4d": head} if (not biased if aux is None else aux) else {}
        style = replace(PRESETS[preset], width=width, init=filler(init, partial(truncated_normal, std=0.01)))
        super().__init__(stages, num_classes, in_channels=in_channels, aux=heads, dropout=dropout, style=style)
