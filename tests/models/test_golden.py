"""Parameters, multiply-accumulates and shapes of every variant, exact. On the meta device: no memory, no time."""

import math
from collections.abc import Callable
from typing import Any, TypeAlias

import pytest
import torch
from torch.utils.flop_counter import FlopCounterMode

from inception_lightning.models import Inception, InceptionResNetV1, InceptionResNetV2, InceptionV3

Variant: TypeAlias = Callable[..., Inception]

STAGES = {
    "stem": (172_672, (192, 35, 35)),
    "inception_a": (255_904 + 277_472 + 285_152, (288, 35, 35)),
    "reduction_a": (1_153_280, (768, 17, 17)),
    "inception_b": (1_297_408 + 2 * 1_691_008 + 2_141_952, (768, 17, 17)),
    "reduction_b": (1_698_304, (1280, 8, 8)),
    "inception_c": (5_044_608 + 6_076_800, (2048, 8, 8)),
}
STAGES_V1 = {
    "stem": (615_552, (256, 35, 35)),
    "inception_a": (5 * 77_440, (256, 35, 35)),
    "reduction_a": (1_710_080, (896, 17, 17)),
    "inception_b": (10 * 690_048, (896, 17, 17)),
    "reduction_b": (3_346_176, (1792, 8, 8)),
    "inception_c": (5 * 1_600_768, (1792, 8, 8)),
}
STAGES_V2 = {
    "stem": (440_992, (320, 35, 35)),
    "inception_a": (10 * 123_168, (320, 35, 35)),
    "reduction_a": (2_664_960, (1088, 17, 17)),
    "inception_b": (20 * 1_126_784, (1088, 17, 17)),
    "reduction_b": (3_880_960, (2080, 8, 8)),
    "inception_c": (10 * 2_035_424, (2080, 8, 8)),
    "conv_7b": (3_197_952, (1536, 8, 8)),
}
GOLDEN: list[tuple[Variant, dict[str, Any], int, int, int, dict[str, Any]]] = [
    # variant, knobs, parameters at 1000 classes, parameters of the head, multiply-accumulates at 299, stages
    (InceptionV3, {}, 23_834_568, 3_326_696, 5_713_216_096, STAGES),
    (InceptionResNetV1, {}, 22_756_328, 3_343_080, 6_206_361_696, STAGES_V1),
    (InceptionResNetV2, {}, 55_843_464, 3_367_656, 13_155_794_016, STAGES_V2),
]


def parameters(module: torch.nn.Module) -> int:
    return sum(parameter.numel() for parameter in module.parameters())


@pytest.mark.parametrize(("variant", "knobs", "total", "head", "macs", "stages"), GOLDEN)
def test_exact_size_cost_and_shapes(
    variant: Variant, knobs: dict[str, Any], total: int, head: int, macs: int, stages: dict[str, Any]
) -> None:
    with torch.device("meta"):
        net = variant(aux=False, **knobs)
        with_head = variant(aux=True, **knobs)
        images = torch.empty(1, 3, 299, 299)
        with FlopCounterMode(display=False) as counter:
            logits = net(images)
        ends = net.endpoints(images)
    assert parameters(net) == total
    assert parameters(with_head) == total + head
    assert counter.get_total_flops() == 2 * macs
    assert logits.shape == (1, 1000)
    assert {n: (parameters(net.get_submodule(n)), tuple(x.shape[1:])) for n, x in ends.items()} == stages


@pytest.mark.parametrize(
    ("variant", "ten", "hundred"),
    [
        (InceptionV3, 21_806_058, 21_990_468),
        (InceptionResNetV1, 20_981_258, 21_142_628),
        (InceptionResNetV2, 54_321_834, 54_460_164),
    ],
)
def test_other_class_counts(variant: Variant, ten: int, hundred: int) -> None:
    with torch.device("meta"):
        assert parameters(variant(10, aux=False)) == ten
        assert parameters(variant(100, aux=False)) == hundred


@pytest.mark.parametrize("variant", [InceptionV3, InceptionResNetV1, InceptionResNetV2])
def test_width_scales_parameters_by_its_square(variant: Variant) -> None:
    with torch.device("meta"):
        full, half = variant(10, aux=False), variant(10, width=0.5, aux=False)
    assert math.isclose(parameters(half) / parameters(full), 0.25, rel_tol=0.03)


@pytest.mark.parametrize("variant", [InceptionV3, InceptionResNetV1, InceptionResNetV2])
def test_small_stem_keeps_every_weight_and_the_papers_grids(variant: Variant) -> None:
    with torch.device("meta"):
        paper, small = variant(10), variant(10, stem="small")
        ends = small.endpoints(torch.empty(1, 3, 32, 32))
    shapes = {name: weight.shape for name, weight in paper.state_dict().items()}
    assert {name: weight.shape for name, weight in small.state_dict().items()} == shapes
    assert [ends[name].shape[-1] for name in ("inception_a", "inception_b", "inception_c")] == [32, 15, 7]
