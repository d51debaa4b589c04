"""The golden table: what every variant and preset must measure, exactly.

Totals and multiply-accumulates are those of the public implementations where there is one, else of the
papers' widths summed up by hand; parameters per stage were counted in torchvision, timm and pytorchcv or
computed from the widths, never read off these networks.
"""

import inspect
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, TypeAlias

from inception_lightning.models import (
    GoogLeNet,
    Inception,
    InceptionResNetV1,
    InceptionResNetV2,
    InceptionV2,
    InceptionV3,
    InceptionV4,
)
from inception_lightning.models.initialisation import NoDraws

Variant: TypeAlias = Callable[..., Inception]
Stages: TypeAlias = dict[str, tuple[int, tuple[int, int, int]]]


def shallow(variant: Variant) -> dict[str, Any]:
    """Depths that leave each kind of block, for what a block more would only repeat; a few variants know none."""
    return {"depths": (1, 1, 2)} if "depths" in inspect.signature(variant).parameters else {}


def bare(variant: Variant, knobs: Mapping[str, Any]) -> Inception:
    """The network in evaluation mode, its weights not drawn."""
    with NoDraws():
        return variant(**knobs).eval()


@dataclass(frozen=True)
class Golden:
    """One variant's row.

    ``parameters`` without heads at 10, 100 and 1000 classes; ``head``: parameters of the heads at 1000;
    ``macs`` without and ``head_macs`` of the heads, at the paper's image size; ``smallest`` legal image;
    ``stages``: parameters and (C, H, W).
    """

    variant: Variant
    parameters: tuple[int, int, int]
    head: int
    macs: int
    head_macs: int
    smallest: int
    stages: Stages
    knobs: dict[str, Any] = field(default_factory=dict)

    def __str__(self) -> str:
        return "-".join([self.variant.__name__, *map(str, self.knobs.values())])


def stages(names: str, channels: list[int], sides: list[int], parameters: tuple[int, ...]) -> Stages:
    shapes = [(c, side, side) for c, side in zip(channels, sides, strict=True)]
    return dict(zip(names.split(), zip(parameters, shapes, strict=True), strict=True))


def googlenet(*parameters: int) -> Stages:
    names = "stem inception_3a inception_3b pool_3 inception_4a inception_4b inception_4c inception_4d inception_4e "
    channels = [192, 256, 480, 480, 512, 512, 512, 528, 832, 832, 832, 1024]
    return stages(names + "pool_4 inception_5a inception_5b", channels, [28] * 3 + [14] * 6 + [7] * 3, parameters)


def inception_v2(wide: int, last: int, *parameters: int) -> Stages:
    names = " inception_".join(["stem", "3a", "3b", "3c", "4a", "4b", "4c", "4d", "4e", "5a", "5b"])
    channels = [192, 256, 320, 576, 576, 576, wide, wide, last, 1024, 1024]
    return stages(names, channels, [28] * 3 + [14] * 5 + [7] * 3, parameters)


V3: Stages = {
    "stem": (172_672, (192, 35, 35)),
    "inception_a": (255_904 + 277_472 + 285_152, (288, 35, 35)),
    "reduction_a": (1_153_280, (768, 17, 17)),
    "inception_b": (1_297_408 + 2 * 1_691_008 + 2_141_952, (768, 17, 17)),
    "reduction_b": (1_698_304, (1280, 8, 8)),
    "inception_c": (5_044_608 + 6_076_800, (2048, 8, 8)),
}
V4: Stages = {
    "stem": (605_728, (384, 35, 35)),
    "inception_a": (4 * 317_632, (384, 35, 35)),
    "reduction_a": (2_306_112, (1024, 17, 17)),
    "inception_b": (7 * 2_936_256, (1024, 17, 17)),
    "reduction_b": (2_747_392, (1536, 8, 8)),
    "inception_c": (3 * 4_553_088, (1536, 8, 8)),
}
RESNET_V1: Stages = {
    "stem": (615_552, (256, 35, 35)),
    "inception_a": (5 * 77_440, (256, 35, 35)),
    "reduction_a": (1_710_080, (896, 17, 17)),
    "inception_b": (10 * 690_048, (896, 17, 17)),
    "reduction_b": (3_346_176, (1792, 8, 8)),
    "inception_c": (5 * 1_600_768, (1792, 8, 8)),
}
RESNET_V2: Stages = {
    "stem": (440_992, (320, 35, 35)),
    "inception_a": (10 * 123_168, (320, 35, 35)),
    "reduction_a": (2_664_960, (1088, 17, 17)),
    "inception_b": (20 * 1_126_784, (1088, 17, 17)),
    "reduction_b": (3_880_960, (2080, 8, 8)),
    "inception_c": (10 * 2_035_424, (2080, 8, 8)),
    "conv_7b": (3_197_952, (1536, 8, 8)),
}
RESNET_V2_PAPER: Stages = {
    "stem": V4["stem"],
    "inception_a": (5 * 137_568, (384, 35, 35)),
    "reduction_a": (2_902_528, (1152, 17, 17)),
    "inception_b": (10 * 1_171_904, (1152, 17, 17)),
    "reduction_b": (3_930_112, (2144, 8, 8)),
    "inception_c": (5 * 2_088_736, (2144, 8, 8)),
}

GOLDEN = [
    Golden(
        GoogLeNet,
        (5_991_082, 6_083_332, 7_005_832),
        head=6_379_984, macs=1_582_671_872, head_macs=8_372_224, smallest=31,
        stages=googlenet(
            124_736, 164_064, 389_376, 0, 376_800, 449_808, 510_768, 606_080, 869_376, 0, 1_044_480, 1_445_344
        ),
    ),
    Golden(
        GoogLeNet,
        (5_983_802, 6_076_052, 6_998_552),
        head=6_379_728, macs=1_582_671_872, head_macs=8_372_224, smallest=31,
        stages=googlenet(
            124_416, 163_696, 388_736, 0, 376_176, 449_160, 510_104, 605_376, 868_352, 0, 1_043_456, 1_444_080
        ),
        knobs={"preset": "paper"},
    ),
    Golden(
        GoogLeNet,
        (5_610_154, 5_702_404, 6_624_904),
        head=6_379_984, macs=1_498_376_192, head_macs=8_372_224, smallest=15,
        stages=googlenet(
            124_736, 155_872, 340_224, 0, 364_512, 425_232, 486_192, 573_312, 803_840, 0, 978_944, 1_347_040
        ),
        knobs={"preset": "torchvision"},
    ),
    Golden(
        GoogLeNet,
        (5_997_722, 6_089_972, 7_012_472),
        head=6_380_240, macs=1_582_671_872, head_macs=8_372_224, smallest=1,
        stages=googlenet(
            124_416, 164_432, 390_016, 0, 377_424, 450_456, 511_432, 606_784, 870_400, 0, 1_045_504, 1_446_608
        ),
        knobs={"preset": "biased"},
    ),
    Golden(
        InceptionV2,
        (10_270_474, 10_362_724, 11_285_224),
        head=6_398_416, macs=2_032_600_064, head_macs=8_667_136, smallest=7,
        stages=inception_v2(
            608, 1056,
            124_736, 219_072, 260_160, 385_088, 609_984, 665_344, 914_432, 1_142_912, 1_449_984, 2_208_896, 2_279_616,
        ),
    ),
    Golden(
        InceptionV2,
        (10_173_538, 10_265_788, 11_188_288),
        head=6_394_320, macs=1_934_857_216, head_macs=8_601_600, smallest=7,
        stages=inception_v2(
            576, 1024,
            118_040, 219_072, 260_160, 385_088, 609_984, 665_344, 895_936, 1_108_032, 1_439_744, 2_182_272, 2_279_616,
        ),
        knobs={"preset": "slim"},
    ),
    Golden(
        InceptionV2,
        (10_280_490, 10_372_740, 11_295_240),
        head=6_398_672, macs=2_032_600_064, head_macs=8_667_136, smallest=31,
        stages=inception_v2(
            608, 1056,
            125_056, 219_552, 260_704, 385_632, 610_848, 666_240, 915_456, 1_144_000, 1_451_008, 2_210_496, 2_281_248,
        ),
        knobs={"preset": "cadene"},
    ),
    Golden(
        InceptionV3,
        (21_806_058, 21_990_468, 23_834_568),
        head=3_326_696, macs=5_713_216_096, head_macs=5_683_200, smallest=75,
        stages=V3,
    ),
    Golden(  # the Rethinking paper's own v2, as we read it
        InceptionV3,
        (21_786_826, 21_971_236, 23_815_336),
        head=3_325_928, macs=5_299_886_272, head_macs=5_683_200, smallest=75,
        stages=V3 | {"stem": (172_672 - 19_232, (192, 35, 35))},
        knobs={"stem": "7x7", "aux_batch_norm": False},
    ),
    Golden(
        InceptionV4,
        (41_158_186, 41_296_516, 42_679_816),
        head=3_359_464, macs=12_253_974_624, head_macs=6_502_400, smallest=75,
        stages=V4,
    ),
    Golden(
        InceptionResNetV1,
        (20_981_258, 21_142_628, 22_756_328),
        head=3_343_080, macs=6_206_361_696, head_macs=6_092_800, smallest=75,
        stages=RESNET_V1,
    ),
    Golden(
        InceptionResNetV1,
        (23_487_754, 23_533_924, 23_995_624),
        head=3_343_080, macs=6_308_235_360, head_macs=6_092_800, smallest=75,
        stages=RESNET_V1 | {"inception_c": (6 * 1_600_768, (1792, 8, 8))},
        knobs={"preset": "facenet"},
    ),
    Golden(
        InceptionResNetV2,
        (54_321_834, 54_460_164, 55_843_464),
        head=3_367_656, macs=13_155_794_016, head_macs=6_707_200, smallest=75,
        stages=RESNET_V2,
    ),
    Golden(
        InceptionResNetV2,
        (30_310_378, 30_503_428, 32_433_928),
        head=3_375_848, macs=9_257_953_632, head_macs=6_912_000, smallest=75,
        stages=RESNET_V2_PAPER,
        knobs={"preset": "paper"},
    ),
]  # fmt: skip
