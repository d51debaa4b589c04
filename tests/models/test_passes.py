"""Every pass gives the plain network's numbers, and keeps the names of its weights and torch's own layers."""

import copy
from collections import Counter
from collections.abc import Callable

import pytest
import torch
from torch import Tensor, nn

from inception_lightning.models import GoogLeNet, Inception, InceptionResNetV1, InceptionV2, InceptionV3
from inception_lightning.models.heads import AuxiliaryHead
from inception_lightning.models.layers import AvgPool, Conv, Style, build
from inception_lightning.models.passes import (
    FullConvNormReLU,
    ProjectionThenPool,
    faster,
    full_convolution_as_linear,
    pool_after_projection,
    relu_in_place,
)
from tests.models.golden import GOLDEN, Golden, shallow

PASSES = [pool_after_projection, full_convolution_as_linear, relu_in_place, faster]


def numbers(net: Inception, images: Tensor) -> dict[str, Tensor]:
    """Logits in evaluation and training, the heads' logits, statistics of batch norm and every gradient."""
    torch.manual_seed(1)  # of the dropout
    found = {"eval": net.eval()(images).detach()}
    logits, aux = net.train().forward_with_aux(images)
    (logits.square().sum() + sum(head.square().sum() for head in aux.values())).backward()
    found |= {"train": logits.detach(), **{f"head {name}": head.detach() for name, head in aux.items()}}
    found |= {f"gradient {name}": parameter.grad for name, parameter in net.named_parameters()}
    return found | dict(net.named_buffers())


@pytest.mark.parametrize("row", GOLDEN, ids=str)
def test_a_faster_network_gives_the_same_numbers(row: Golden) -> None:
    torch.manual_seed(0)
    plain = row.variant(3, width=0.05, aux=True, **row.knobs, **shallow(row.variant)).double()
    fast = faster(copy.deepcopy(plain))
    images = torch.randn(2, 3, 96, 96, dtype=torch.float64)
    found, expected = numbers(fast, images), numbers(plain, images)
    assert found.keys() == expected.keys()
    gradients = [number for name, number in expected.items() if name.startswith("gradient ")]
    rounding = 1e-12 * max(gradient.abs().max().item() for gradient in gradients)  # all that a bias before a norm has
    for name, number in expected.items():
        atol = 1e-9 * number.abs().max().item() + rounding
        torch.testing.assert_close(found[name], number, rtol=1e-9, atol=atol, msg=name)


@pytest.mark.parametrize("row", GOLDEN, ids=str)
def test_weights_go_both_ways_and_layers_stay_torchs(row: Golden) -> None:
    plain, other = (row.variant(3, width=0.05, aux=True, **row.knobs, **shallow(row.variant)) for _ in range(2))
    fast = faster(copy.deepcopy(plain))
    assert list(fast.state_dict()) == list(plain.state_dict())
    fast.load_state_dict(other.state_dict())
    plain.load_state_dict(fast.state_dict())
    state = plain.state_dict()
    assert [key for key, tensor in other.state_dict().items() if not torch.equal(tensor, state[key])] == []
    for net in (plain, fast):
        leaves = [module for module in net.modules() if not list(module.children())]
        assert [leaf for leaf in leaves if not type(leaf).__module__.startswith("torch.nn.modules.")] == []
        convolutions = [module for module in net.modules() if isinstance(module, nn.Conv2d)]
        assert {type(convolution) for convolution in convolutions} == {nn.Conv2d}
    assert len([m for m in fast.modules() if isinstance(m, nn.Conv2d)]) == len(convolutions)


def kinds(net: nn.Module) -> Counter[str]:
    return Counter(type(module).__name__ for module in net.modules())


@pytest.mark.parametrize("one", PASSES)
def test_a_pass_run_again_finds_nothing_to_do(one: Callable[[nn.Module], object]) -> None:
    net = InceptionV3(3, width=0.05, depths=(1, 1, 1))
    one(net)
    modules = list(net.modules())
    one(net)
    assert all(module is before for module, before in zip(net.modules(), modules, strict=True))


def test_what_each_pass_finds() -> None:
    net = InceptionV3(3, width=0.05, depths=(3, 4, 2))
    plain = kinds(net)
    assert not any(module.inplace for module in net.modules() if isinstance(module, nn.ReLU))
    faster(net)
    assert kinds(net) - plain == Counter(ProjectionThenPool=9, FullConvNormReLU=1, Identity=9)
    assert all(module.inplace for module in net.modules() if isinstance(module, nn.ReLU))
    assert isinstance(net.aux_heads["inception_b"].get_submodule("features.1"), FullConvNormReLU)
    residual = faster(InceptionResNetV1(3, width=0.05, depths=(1, 1, 1)))
    assert all(module.inplace for module in residual.modules() if isinstance(module, nn.ReLU))
    cadene = InceptionV2(3, width=0.05, preset="cadene")  # whose biases the padding dilutes
    pool_after_projection(cadene)
    assert "ProjectionThenPool" not in kinds(cadene)


def test_order_and_mode_do_not_matter() -> None:
    nets = [GoogLeNet(3, width=0.05).eval() for _ in range(2)]
    for net, passes in zip(nets, (PASSES[:3], reversed(PASSES[:3])), strict=True):
        for one in passes:
            one(net)
    assert str(nets[0]) == str(nets[1])
    assert not any(module.training for net in nets for module in net.modules())


def test_any_network_may_be_made_faster() -> None:
    net = nn.Sequential(nn.AvgPool2d(3, 1, 1), nn.Conv2d(3, 2, 1), nn.ReLU())
    before = str(net)
    assert faster(net) is net
    assert str(net) == before


@pytest.mark.parametrize("count_include_pad", [True, False])
@pytest.mark.parametrize("bias", [True, False])
def test_an_average_pool_before_a_1x1_convolution_may_be_computed_after_it(count_include_pad: bool, bias: bool) -> None:
    style = Style(count_include_pad=count_include_pad, conv_bias=bias)
    module, _ = build((AvgPool(3), Conv(5, 1)), 16, style)
    pool, _ = build(AvgPool(3), 16, style)
    pool_after_projection(module)
    for parameter in module.parameters():
        torch.nn.init.normal_(parameter)
    conv, norm = module.get_submodule("1.conv"), module.get_submodule("1.bn")
    x = torch.randn(2, 16, 7, 7)
    in_the_figures_order = norm(conv(pool(x))).relu()
    torch.testing.assert_close(module(x), in_the_figures_order, rtol=1e-5, atol=1e-5)
    moved = isinstance(module.get_submodule("1"), ProjectionThenPool)
    assert moved != (bias and count_include_pad)  # a bias would be diluted


@pytest.mark.parametrize(
    "word", [AvgPool(3, stride=2), AvgPool(3, valid=True), Conv(5, 3), Conv(5, 1, stride=2), Conv(64, 1)]
)
def test_only_what_is_linear_and_cheaper_changes_places(word: AvgPool | Conv) -> None:
    pool, conv = (word, Conv(5, 1)) if isinstance(word, AvgPool) else (AvgPool(3), word)
    plain, _ = build((pool, conv), 16, Style())
    module = copy.deepcopy(plain)
    pool_after_projection(module)
    assert ("ProjectionThenPool" in kinds(module)) == (word == AvgPool(3, valid=True))
    x = torch.randn(2, 16, 7, 7)
    torch.testing.assert_close(module(x), plain(x), rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize("memory_format", [torch.channels_last, torch.contiguous_format])
@pytest.mark.parametrize("side", [5, 6])
def test_a_convolution_over_the_whole_grid_is_a_convolution(side: int, memory_format: torch.memory_format) -> None:
    head = AuxiliaryHead((Conv(4, 5, valid=True, norm=False),), 3, 2, 0.0, Style()).to(memory_format=memory_format)
    full_convolution_as_linear(head)
    module = head.get_submodule("features.0")
    assert isinstance(module, FullConvNormReLU)
    x = torch.randn(2, 3, side, side).to(memory_format=memory_format)
    found = module(x)
    expected = nn.functional.conv2d(x, module.conv.weight, module.conv.bias).relu()
    torch.testing.assert_close(found, expected, rtol=1e-5, atol=1e-5)
    weights = list(module.parameters())
    gradients = [torch.autograd.grad(out.square().sum(), weights) for out in (found, expected)]
    torch.testing.assert_close(*gradients, rtol=1e-4, atol=1e-4)
