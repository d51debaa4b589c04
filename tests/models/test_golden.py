"""Parameters, multiply-accumulates and shapes of every variant, exact. Without weights: no memory, no time."""

import math
from typing import Any

import pytest
import torch
from torch import nn
from torch.utils.flop_counter import FlopCounterMode

from inception_lightning.errors import InputError
from inception_lightning.models import Inception, InceptionResNetV1, InceptionResNetV2
from inception_lightning.models.cost import empty_batch, skeleton
from tests.models.golden import GOLDEN, Golden, bare

DEFAULTS = [row for row in GOLDEN if not row.knobs]


def parameters(module: nn.Module) -> int:
    return sum(parameter.numel() for parameter in module.parameters())


def macs(net: Inception, *, aux: bool) -> int:
    """Torch's count for one image of the paper's size, with or without the heads.

    It takes the network to the meta device, where there is no arithmetic, and its norms and ReLUs from it: they count
    nothing and would take most of the time.
    """
    net.to("meta")
    for parent in net.modules():
        for name, module in parent.named_children():
            if isinstance(module, nn.BatchNorm1d | nn.BatchNorm2d | nn.ReLU):
                parent.register_module(name, nn.Identity())
    images = torch.empty(1, 3, net.image_size, net.image_size, device="meta")
    with FlopCounterMode(display=False) as counter, torch.no_grad():
        net.forward_with_aux(images) if aux else net(images)
    return counter.get_total_flops() // 2


def network(row: Golden, num_classes: int = 1000, **knobs: Any) -> Inception:
    """The row's network, its weights not drawn."""
    return bare(row.variant, {"num_classes": num_classes, **row.knobs, **knobs})


@pytest.mark.parametrize("row", GOLDEN, ids=str)
def test_exact_size_cost_and_shapes(row: Golden) -> None:
    net = network(row, aux=False)
    ends = net.endpoints(empty_batch(net))
    logits = net.forward_head(ends[net.stages[-1]])
    assert parameters(net) == row.parameters[-1]
    assert logits.shape == (0, 1000)
    assert {n: (parameters(net.get_submodule(n)), tuple(x.shape[1:])) for n, x in ends.items()} == row.stages
    assert macs(net, aux=False) == row.macs


@pytest.mark.parametrize("row", GOLDEN, ids=str)
def test_exact_size_and_cost_of_heads(row: Golden) -> None:
    net = network(row, aux=True)
    assert parameters(net) == row.parameters[-1] + row.head
    assert macs(net, aux=False) == row.macs
    assert macs(net, aux=True) == row.macs + row.head_macs


@pytest.mark.parametrize("row", GOLDEN, ids=str)
def test_other_class_counts(row: Golden) -> None:
    assert tuple(parameters(network(row, classes, aux=False)) for classes in (10, 100)) == row.parameters[:2]


@pytest.mark.parametrize("row", GOLDEN, ids=str)
def test_below_the_minimum_size_one_sentence_names_it(row: Golden) -> None:
    net = network(row)
    images = empty_batch(net, row.smallest)
    assert net.minimum_size == row.smallest
    assert net(images).shape == (0, 1000)
    sentence = f"{type(net).__name__} needs images of at least {row.smallest} x {row.smallest} pixels and got"
    with pytest.raises(InputError, match=sentence):
        net(images[..., 1:])


@pytest.mark.parametrize("row", DEFAULTS, ids=str)
def test_width_scales_parameters_by_its_square(row: Golden) -> None:
    full, half = network(row, 10, aux=False), network(row, 10, aux=False, width=0.5)
    assert math.isclose(parameters(half) / parameters(full), 0.25, rel_tol=0.03)


@pytest.mark.parametrize("row", [row for row in GOLDEN if "stem" not in row.knobs], ids=str)
def test_small_stem_keeps_every_weight_and_the_papers_grids(row: Golden) -> None:
    paper, small = network(row, 10), network(row, 10, stem="small")
    ends = small.endpoints(empty_batch(small, 32))
    shapes = {name: weight.shape for name, weight in paper.state_dict().items()}
    assert {name: weight.shape for name, weight in small.state_dict().items()} == shapes
    grids = {35: 32, 17: 15, 8: 7} if paper.image_size == 299 else {28: 32, 14: 16, 7: 8}
    assert {n: tuple(x.shape[1:]) for n, x in ends.items()} == {
        name: (channels, grids[side], grids[side]) for name, (_, (channels, side, _)) in row.stages.items()
    }


@pytest.mark.parametrize(("classes", "total"), [(8631, 27_910_327), (10575, 28_907_599)])
def test_facenet_at_the_class_counts_of_its_weights(classes: int, total: int) -> None:
    assert parameters(skeleton(InceptionResNetV1, {"num_classes": classes, "preset": "facenet"})) == total


def test_the_papers_inception_resnet_v2_at_the_released_depths() -> None:
    assert parameters(skeleton(InceptionResNetV2, {"preset": "paper", "depths": (10, 20, 10)})) == 55_284_488
