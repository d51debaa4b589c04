"""Inception-ResNet-v1 and v2.

Szegedy et al., Inception-v4, Inception-ResNet and the Impact of Residual Connections on Learning,
arXiv:1602.07261.

Version 2 is the network that its authors released: they built it wider and deeper than the
figures, and all public weights are of that form. Released names for our stages, v2: stem =
conv2d_1a .. mixed_5b, inception_a = block35, reduction_a = mixed_6a, inception_b = block17,
reduction_b = mixed_7a, inception_c = block8, conv_7b = conv2d_7b.
"""

import math
from dataclasses import replace
from typing import Literal, TypeAlias

from inception_lightning.errors import InputError
from inception_lightning.models.heads import AUXILIARY_HEAD
from inception_lightning.models.inception_v3 import STEM as STEM_V3
from inception_lightning.models.inception_v4 import POOL, reduction_a
from inception_lightning.models.inception_v4 import STEM as STEM_V4
from inception_lightning.models.initialisation import Init, filler, truncated_he
from inception_lightning.models.knobs import check_depths, one_of
from inception_lightning.models.layers import AvgPool, Concat, Conv, Residual, Spec, Stem, Style, stem_for
from inception_lightning.models.network import Inception

SCALES = (0.17, 0.10, 0.20)  # the released networks'; section 3.3 says 0.1 to 0.3
Scales: TypeAlias = float | tuple[float, float, float] | Literal["learned"]
SumNorm: TypeAlias = Literal["none", "last", "all"]

STEM_V1 = (*STEM_V3[:-1], Conv(256, 3, stride=2, valid=True))  # Figure 14: 299x299x3 -> 35x35x256
STEM_V2 = STEM_V3  # as released: 299x299x3 -> 35x35x192

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
        POOL,
    )


class InceptionResNetV1(Inception):
    """Inception-ResNet-v1 (Figure 15 with Figure 14's stem): 22.8 M parameters, 299x299 images."""

    def __init__(  # noqa: PLR0913 - the knobs of the residual-scale study beside the usual eight
        self,
        num_classes: int = 1000,
        *,
        in_channels: int = 3,
        preset: Literal["paper", "facenet"] = "paper",
        residual_scales: Scales = SCALES,
        learned_scales: bool = False,
        residual_norm: SumNorm = "none",
        depths: tuple[int, int, int] = (5, 10, 5),
        width: float = 1.0,
        stem: Stem = "imagenet",
        aux: bool = False,
        dropout: float | None = None,
        init: Init = "he",
    ) -> None:
        """Describe the network.

        Args:
            num_classes: Length of the logits; with 0 the network gives features instead.
            in_channels: Channels of the images: 3 are red, green and blue.
            preset: ``paper``, or ``facenet`` for the form of the public weights: one block more in
                inception_c, linear and unscaled, and 512 features with batch norm before the classifier.
            residual_scales: Factor on the residuals before they are added (section 3.3), one number or
                one per stage inception_a, inception_b, inception_c; at least 0. ``learned`` is short
                for the released networks' with learned_scales.
            learned_scales: Whether every block's factor is trained, from its residual_scales on.
            residual_norm: Where the sum of shortcut and residual has a batch norm: ``none``, as in the paper;
                ``last`` for the last block before the average pooling, which the paper tried in vain; ``all``.
            depths: Number of blocks in these three stages.
            width: Factor on every number of filters.
            stem: ``imagenet`` or ``small``, the latter for images of about 32 pixels.
            aux: Whether an auxiliary classifier on inception_b is built (not in the paper).
            dropout: Share of the pooled features dropped in training; if not said, the preset's: 0.2 or,
                for facenet, 0.6.
            init: ``he``, or ``paper`` for TF-slim's truncated normal.
        """
        one_of("preset", preset, ("paper", "facenet"))
        facenet = preset == "facenet"
        a, b, c = check_depths(depths)
        (scale_a, scale_b, scale_c), learned = check_scales(residual_scales, learned_scales)
        linear = (Residual(BLOCK_C_V1, 1.0, relu=False),) if facenet else ()
        stages: dict[str, Spec] = {
            "stem": stem_for(stem, STEM_V1),
            "inception_a": a * (Residual(BLOCK_A_V1, scale_a),),
            "reduction_a": reduction_a(192, 192, 256, 384),
            "inception_b": b * (Residual(BLOCK_B_V1, scale_b),),
            "reduction_b": reduction_b(256, 256, 256),
            "inception_c": (*c * (Residual(BLOCK_C_V1, scale_c),), *linear),
        }
        super().__init__(
            with_norm(stages, residual_norm),
            num_classes,
            in_channels=in_channels,
            aux={"inception_b": AUXILIARY_HEAD} if aux else {},
            dropout=(0.6 if facenet else 0.2) if dropout is None else dropout,
            style=Style(width, init=filler(init, truncated_he), learned_scales=learned),
            bottleneck=512 if facenet else None,
        )


class InceptionResNetV2(Inception):
    """Inception-ResNet-v2: 55.8 M parameters as released, 299x299 images.

    In the released form the last block of inception_c is linear: its scale stays 1.0, unless scales
    are learned, and no ReLU follows it.
    """

    def __init__(  # noqa: PLR0913 - the knobs of the residual-scale study beside the usual eight
        self,
        num_classes: int = 1000,
        *,
        in_channels: int = 3,
        preset: Literal["released", "paper"] = "released",
        residual_scales: Scales = SCALES,
        learned_scales: bool = False,
        residual_norm: SumNorm = "none",
        depths: tuple[int, int, int] | None = None,
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
            preset: ``released``, or ``paper`` for Figure 15: Inception-v4's stem, all blocks scaled and
                rectified, and no conv_7b (32.4 M parameters). The figures' 1154 and 2048 channels are
                misprints: what is added up must have the 1152 and 2144 of the reductions.
            residual_scales: Factor on the residuals before they are added (section 3.3), one number or
                one per stage inception_a, inception_b, inception_c; at least 0. ``learned`` is short
                for the released networks' with learned_scales.
            learned_scales: Whether every block's factor is trained, from its residual_scales on, the
                linear block's from 1.0.
            residual_norm: Where the sum of shortcut and residual has a batch norm: ``none``, as in the paper;
                ``last`` for the last block before conv_7b or the average pooling, which the paper tried in
                vain; ``all``.
            depths: Number of blocks in the three stages; if not said, the preset's: 10, 20, 10 or, for
                paper, 5, 10, 5.
            width: Factor on every number of filters.
            stem: ``imagenet`` or ``small``, the latter for images of about 32 pixels.
            aux: Whether an auxiliary classifier on inception_b is built (not in the paper).
            dropout: Share of the pooled features dropped in training.
            init: ``he``, or ``paper`` for TF-slim's truncated normal.
        """
        one_of("preset", preset, ("released", "paper"))
        paper = preset == "paper"
        a, b, c = check_depths(((5, 10, 5) if paper else (10, 20, 10)) if depths is None else depths)
        (scale_a, scale_b, scale_c), learned = check_scales(residual_scales, learned_scales)
        block_c, linear = Residual(BLOCK_C_V2, scale_c), Residual(BLOCK_C_V2, 1.0, relu=False)
        stages: dict[str, Spec] = {
            "stem": stem_for(stem, STEM_V4) if paper else (stem_for(stem, STEM_V2), MIXED_5B),
            "inception_a": a * (Residual(BLOCK_A_V2, scale_a),),
            "reduction_a": reduction_a(256, 256, 384, 384),
            "inception_b": b * (Residual(BLOCK_B_V2, scale_b),),
            "reduction_b": reduction_b(288, 288, 320),
            "inception_c": c * (block_c,) if paper else (*(c - 1) * (block_c,), linear),
        }
        if not paper:
            stages["conv_7b"] = Conv(1536, 1)
        heads = {"inception_b": AUXILIARY_HEAD} if aux else {}
        style = Style(width, init=filler(init, truncated_he), learned_scales=learned)
        stages = with_norm(stages, residual_norm)
        super().__init__(stages, num_classes, in_channels=in_channels, aux=heads, dropout=dropout, style=style)


def with_norm(stages: dict[str, Spec], where: SumNorm) -> dict[str, Spec]:
    """The stages with a batch norm on the sums of no block, of the last one or of all.

    Raises:
        InputError: ``where`` is none of them.
    """
    one_of("residual_norm", where, ("none", "last", "all"))
    result = dict(stages)
    for name in {"none": (), "last": ("inception_c",), "all": ("inception_a", "inception_b", "inception_c")}[where]:
        blocks = stages[name]
        assert isinstance(blocks, tuple)
        words = [replace(word, norm=where == "all") for word in blocks if isinstance(word, Residual)]
        result[name] = (*words[:-1], replace(words[-1], norm=True))
    return result


def check_scales(scales: Scales, learned: bool) -> tuple[tuple[float, float, float], bool]:
    """One residual scale per stage A, B and C to start from, and whether they are learned.

    Raises:
        InputError: Not one or three finite numbers of at least 0, nor ``learned``.
    """
    match (scales, scales, scales) if isinstance(scales, float | int) else scales:
        case "learned":
            return SCALES, True
        case [float() | int() as a, float() | int() as b, float() | int() as c] if all(
            0 <= scale < math.inf for scale in (a, b, c)
        ):
            return (a, b, c), learned
    raise InputError(
        f"residual_scales must be one number of at least 0, or one per stage A, B, C, or learned, got {scales!r}"
    )
