"""Inception-v3: Szegedy et al., Rethinking the Inception Architecture for Computer Vision, arXiv:1512.00567.

The paper's figures leave the widths open; they are those of the authors' released network. Its
names for our stages: stem = Conv2d_1a .. MaxPool_5a, inception_a = Mixed_5b-5d, reduction_a =
Mixed_6a, inception_b = Mixed_6b-6e, reduction_b = Mixed_7a, inception_c = Mixed_7b-7c.

The paper's own "Inception-v2" is this network before its last two changes (Table 3). Section 6,
Table 1 and Table 3 contradict each other on it; our reading is ``InceptionV3(stem="7x7",
aux_batch_norm=False)``: a 7x7 convolution that is not yet factorized and a head without batch norm.
"""

from dataclasses import replace
from functools import partial
from typing import Literal, TypeAlias

from inception_lightning.models.heads import AUXILIARY_HEAD
from inception_lightning.models.initialisation import Init, filler, truncated_normal
from inception_lightning.models.knobs import check_depths, one_of
from inception_lightning.models.layers import AvgPool, Concat, Conv, MaxPool, Spec, Style, stem_for
from inception_lightning.models.network import Inception

POOL = MaxPool(3, stride=2, valid=True)

FACTORIZED = (Conv(32, 3, stride=2, valid=True), Conv(32, 3, valid=True), Conv(64, 3))  # "Factorized 7x7" of Table 3
STEM = (*FACTORIZED, POOL, Conv(80, 1), Conv(192, 3, valid=True), POOL)  # Table 1, as released: -> 35x35x192
STEM_7X7 = (Conv(64, 7, stride=2, valid=True), *STEM[len(FACTORIZED) :])


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
    POOL,
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
    POOL,
)

EXPANDED = Concat(Conv(384, (1, 3)), Conv(384, (3, 1)))  # the fork at the top of Figure 7


def inception_c(pool: AvgPool | MaxPool) -> Concat:
    """Figure 7: 8x8 -> 8x8x2048."""
    return Concat(
        Conv(320, 1),
        (Conv(384, 1), EXPANDED),
        (Conv(448, 1), Conv(384, 3), EXPANDED),
        (pool, Conv(192, 1)),
    )


Preset: TypeAlias = Literal["released", "fid"]

PRESETS: dict[str, AvgPool | MaxPool] = {"released": AvgPool(3), "fid": MaxPool(3)}  # the pool of the last block

OTHER_STDS = {  # what the authors' code starts with other numbers than 0.1
    "classifier.weight": 0.01,
    "aux_heads.inception_b.features.1.conv.weight": 0.01,
    "aux_heads.inception_b.classifier.weight": 0.001,
}


class InceptionV3(Inception):
    """Inception-v3 (Rethinking, section 6): 23.8 M parameters without its head, 299x299 images."""

    def __init__(  # noqa: PLR0913  # the knobs of Table 3, and of what has been released
        self,
        num_classes: int = 1000,
        *,
        in_channels: int = 3,
        preset: Preset = "released",
        depths: tuple[int, int, int] = (3, 4, 2),
        width: float = 1.0,
        stem: Literal["imagenet", "7x7", "small"] = "imagenet",
        aux: bool = True,
        aux_batch_norm: bool = True,
        dropout: float = 0.2,
        count_include_pad: bool = False,
        init: Init = "he",
    ) -> None:
        """Describe the network.

        Args:
            num_classes: Length of the logits; with 0 the network gives features instead.
            in_channels: Channels of the images: 3 are red, green and blue.
            preset: ``released``, or ``fid``: the network of 2015 with 1008 classes that the Fréchet Inception distance
                is defined by, whose last block has a max pool.
            depths: Number of blocks in the stages inception_a, inception_b and inception_c.
            width: Factor on every number of filters.
            stem: ``imagenet``; ``7x7``, with one such convolution instead of the first three; or
                ``small``, for images of about 32 pixels.
            aux: Whether the auxiliary classifier on inception_b is built (Rethinking, section 4).
            aux_batch_norm: Whether its last convolution has batch norm ("BN-auxiliary", Table 3).
            dropout: Share of the pooled features dropped in training (torchvision trains with 0.5).
            count_include_pad: Whether average pools count their padding, as torchvision and timm do.
            init: ``he``, or ``paper`` for the truncated normal of the authors' code.
        """
        one_of("preset", preset, PRESETS)
        one_of("stem", stem, ("imagenet", "7x7", "small"))
        a, b, c = check_depths(depths)
        stages: dict[str, Spec] = {
            "stem": STEM_7X7 if stem == "7x7" else stem_for(stem, STEM),
            "inception_a": (inception_a(32), *(a - 1) * (inception_a(64),)),
            "reduction_a": REDUCTION_A,
            "inception_b": (inception_b(128), *(b - 2) * (inception_b(160),), inception_b(192))[:b],
            "reduction_b": REDUCTION_B,
            "inception_c": (*(c - 1) * (inception_c(AvgPool(3)),), inception_c(PRESETS[preset])),
        }
        pool, reduce, last = AUXILIARY_HEAD
        heads = {"inception_b": (pool, reduce, replace(last, norm=aux_batch_norm))} if aux else {}
        style = Style(width, count_include_pad, init=filler(init, partial(truncated_normal, std=0.1)))
        super().__init__(stages, num_classes, in_channels=in_channels, aux=heads, dropout=dropout, style=style)
        self.init_name = init
        self._draw_other_weights()

    def reset_classifier(self, num_classes: int) -> None:
        """As every network's; where init is ``paper``, the new classifiers too start with the authors' numbers."""
        super().reset_classifier(num_classes)
        self._draw_other_weights("classifier.weight")

    def _draw_other_weights(self, ending: str = "") -> None:
        weights = dict(self.named_parameters()) if self.init_name == "paper" else {}
        for name, std in OTHER_STDS.items():
            if name in weights and name.endswith(ending):
                truncated_normal(weights[name], std)
