"""Parameters, multiply-accumulates and shapes of every variant, exact. On the meta device: no memory, no time."""

import math
from collections.abc import Callable
from typing import Any

import pytest
import torch
from torch import nn
from torch.utils.flop_counter import FlopCounterMode

from inception_lightning.errors import InputError
from inception_lightning.models import Inception, InceptionResNetV1, InceptionResNetV2
from tests.models.golden import GOLDEN, Golden

DEFAULTS = [row for row in GOLDEN if not row.knobs]


def parameters(module: nn.Module) -> int:
    return sum(parameter.numel() for parameter in module.parameters())


def macs(net: Callable[..., Any], images: torch.Tensor) -> int:
    with FlopCounterMode(display=False) as counter:
        net(images)
    return counter.get_total_flops() // 2


def on_meta(row: Golden, num_classes: int = 1000, **knobs: Any) -> tuple[Inception, torch.Tensor]:
    """The row's network and images of the paper's size."""
    with torch.device("meta"):
        net = row.variant(num_classes, **row.knobs, **knobs).eval()
        return net, torch.empty(1, 3, net.image_size, net.image_size)


@pytest.mark.parametrize("row", GOLDEN, ids=str)
def test_exact_size_cost_and_shapes(row: Golden) -> None:
    net, images = on_meta(row, aux=False)
    with FlopCounterMode(display=False) as counter:
        ends = net.endpoints(images)
        logits = net.forward_head(ends[net.stages[-1]])
    assert parameters(net) == row.parameters[-1]
    assert counter.get_total_flops() == 2 * row.macs
    assert logits.shape == (1, 1000)
    assert {n: (parameters(net.get_submodule(n)), tuple(x.shape[1:])) for n, x in ends.items()} == row.stages


@pytest.mark.parametrize("row", GOLDEN, ids=str)
def test_exact_size_and_cost_of_heads(row: Golden) -> None:
    net, images = on_meta(row, aux=True)
    assert parameters(net) == row.parameters[-1] + row.head
    assert macs(net, images) == row.macs
    assert macs(net.forward_with_aux, images) == row.macs + row.head_macs


@pytest.mark.parametrize("row", GOLDEN, ids=str)
def test_other_class_counts(row: Golden) -> None:
    assert (parameters(on_meta(row, 10, aux=False)[0]), parameters(on_meta(row, 100, aux=False)[0])) == row.parameters[
        :2
    ]


@pytest.mark.parametrize("row", GOLDEN, ids=str)
def test_below_the_minimum_size_one_sentence_names_it(row: Golden) -> None:
    net, _ = on_meta(row)
    images = torch.empty(1, 3, row.smallest, row.smallest, device="meta")
    assert net.minimum_size == row.smallest
    assert net(images).shape == (1, 1000)
    sentence = f"{type(net).__name__} needs images of at least {row.smallest} x {row.smallest} pixels and got"
    with pytest.raises(InputError, match=sentence):
        net(images[..., 1:])


@pytest.mark.parametrize("row", DEFAULTS, ids=str)
def test_width_scales_parameters_by_its_square(row: Golden) -> None:
    full, half = on_meta(row, 10, aux=False)[0], on_meta(row, 10, aux=False, width=0.5)[0]
    assert math.isclose(parameters(half) / parameters(full), 0.25, rel_tol=0.03)


@pytest.mark.parametrize("row", [row for row in GOLDEN if "stem" not in row.knobs], ids=str)
def test_small_stem_keeps_every_weight_and_the_papers_grids(row: Golden) -> None:
    paper, small = on_meta(row, 10)[0], on_meta(row, 10, stem="small")[0]
    ends = small.endpoints(torch.empty(1, 3, 32, 32, device="meta"))
    shapes = {name: weight.shape for name, weight in paper.state_dict().items()}
    assert {name: weight.shape for name, weight in small.state_dict().items()} == shapes
    grids = {35: 32, 17: 15, 8: 7} if paper.image_size == 299 else {28: 32, 14: 16, 7: 8}
    assert {n: tuple(x.shape[1:]) for n, x in ends.items()} == {
        name: (channels, grids[side], grids[side]) for name, (_, (channels, side, _)) in row.stages.items()
    }


@pytest.mark.parametrize(("classes", "total"), [(8631, 27_910_327), (10575, 28_907_599)])
def test_facenet_at_the_class_counts_of_its_weights(classes: int, total: int) -> None:
    with torch.device("meta"):
        assert parameters(InceptionResNetV1(classes, preset="facenet")) == total


def test_the_papers_inception_resnet_v2_at_the_released_depths() -> None:
    with torch.device("meta"):
        assert parameters(InceptionResNetV2(preset="paper", depths=(10, 20, 10))) == 55_284_488
