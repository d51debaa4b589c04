import pytest
import torch
from torch import nn

from inception_lightning.models.blocks import FullConv2d
from inception_lightning.models.layers import (
    LRN,
    AvgPool,
    Concat,
    Conv,
    FullConv,
    MaxPool,
    Residual,
    SeparableConv,
    Spec,
    Style,
    build,
    grid,
    small,
)

WORDS: list[Spec] = [
    Conv(4, 3),
    Conv(4, 3, stride=2, valid=True),
    Conv(4, (1, 7)),
    MaxPool(3, stride=2, valid=True),
    MaxPool(3, stride=2, valid=True, ceil=True),
    MaxPool(2, stride=2, valid=True, ceil=True),
    AvgPool(3),
    LRN(),
    SeparableConv(4, 7, stride=2),
    FullConv(4, 5),
    (Conv(4, 3, valid=True), MaxPool(3, stride=2, valid=True)),
    Concat(Conv(4, 1), (Conv(2, 1), Conv(5, 3)), MaxPool(3)),
    Residual(Concat(Conv(4, 1), Conv(2, 3)), 0.1),
]


@pytest.mark.parametrize("spec", WORDS)
@pytest.mark.parametrize("size", [7, 12])
def test_build_threads_channels_and_grid_foretells_the_shape(spec: Spec, size: int) -> None:
    module, channels = build(spec, 3, Style())
    side = grid(spec, size)
    assert module(torch.randn(2, 3, size, size)).shape == (2, channels, side, side)


def test_width_acts_on_filters() -> None:
    _, channels = build((Conv(64, 1), Concat(Conv(32, 1), Conv(32, 3))), 3, Style(width=0.25))
    assert channels == 16
    assert Style(width=0.01).filters(8) == 1


def test_count_include_pad_acts_on_average_pools() -> None:
    ones = torch.ones(1, 1, 4, 4)
    excluded, _ = build(AvgPool(3), 1, Style())
    included, _ = build(AvgPool(3), 1, Style(count_include_pad=True))
    assert torch.equal(excluded(ones), ones)
    assert included(ones)[0, 0, 0, 0].item() == pytest.approx(4 / 9)


@pytest.mark.parametrize("count_include_pad", [True, False])
@pytest.mark.parametrize("bias", [True, False])
def test_an_average_pool_before_a_1x1_convolution_may_be_computed_after_it(count_include_pad: bool, bias: bool) -> None:
    style = Style(count_include_pad=count_include_pad, conv_bias=bias)
    module, _ = build((AvgPool(3), Conv(5, 1)), 16, style)
    pool, _ = build(AvgPool(3), 16, style)
    for parameter in module.parameters():
        torch.nn.init.normal_(parameter)
    conv, norm = module.get_submodule("1.conv"), module.get_submodule("1.bn")
    x = torch.randn(2, 16, 7, 7)
    in_the_figures_order = norm(conv(pool(x))).relu()
    torch.testing.assert_close(module(x), in_the_figures_order, rtol=1e-5, atol=1e-5)
    assert (module.get_submodule("1").pool is None) == (bias and count_include_pad)  # a bias would be diluted


@pytest.mark.parametrize("memory_format", [torch.channels_last, torch.contiguous_format])
@pytest.mark.parametrize("side", [5, 6])
def test_a_convolution_over_the_whole_grid_is_a_convolution(side: int, memory_format: torch.memory_format) -> None:
    module = FullConv2d(3, 4, 5).to(memory_format=memory_format)
    x = torch.randn(2, 3, side, side).to(memory_format=memory_format)
    found = module(x)
    expected = nn.functional.conv2d(x, module.weight, module.bias)
    torch.testing.assert_close(found, expected, rtol=1e-5, atol=1e-5)
    weights = list(module.parameters())
    gradients = [torch.autograd.grad(out.square().sum(), weights) for out in (found, expected)]
    torch.testing.assert_close(*gradients, rtol=1e-4, atol=1e-4)


def test_small_drops_strides_pools_and_borders() -> None:
    stem = small((Conv(4, 3, stride=2, valid=True), MaxPool(3, stride=2, valid=True), Concat(Conv(2, 3), MaxPool(3))))
    module, channels = build(stem, 3, Style())
    assert module(torch.randn(1, 3, 9, 9)).shape == (1, channels, 9, 9) == (1, 6, 9, 9)
    with pytest.raises(TypeError, match="a stem has no AvgPool"):
        small(AvgPool(3))


def test_stems_keep_local_response_normalisation_and_separable_convolutions() -> None:
    stem = small((SeparableConv(4, 7, stride=2, multiplier=2), LRN(), MaxPool(3, stride=2)))
    module, channels = build(stem, 3, Style())
    assert module(torch.randn(1, 3, 9, 9)).shape == (1, channels, 9, 9) == (1, 4, 9, 9)


def test_a_separable_convolution_filters_each_channel_and_then_mixes_them() -> None:
    module, _ = build(SeparableConv(64, 7, stride=2, multiplier=8), 3, Style())
    weights = {name: tuple(weight.shape) for name, weight in module.named_parameters() if "conv" in name}
    assert weights == {"conv.0.weight": (3 * 8, 1, 7, 7), "conv.1.weight": (64, 3 * 8, 1, 1)}


@pytest.mark.parametrize(
    ("word", "style", "biased", "normalised"),
    [
        (Conv(4, 3), Style(), False, True),
        (Conv(4, 3, norm=False), Style(), True, False),
        (Conv(4, 3), Style(batch_norm=False), True, False),
        (Conv(4, 3), Style(conv_bias=True), True, True),
        (SeparableConv(4, 3), Style(conv_bias=True), True, True),
    ],
)
def test_a_convolution_without_batch_norm_has_a_bias(word: Conv, style: Style, biased: bool, normalised: bool) -> None:
    module, _ = build(word, 3, style)
    names = set(module.state_dict())
    assert bool({"conv.bias", "conv.1.bias"} & names) == biased
    assert ("bn.weight" in names) == normalised


def test_epsilon_is_the_styles() -> None:
    module, _ = build(Conv(4, 3), 3, Style(bn_eps=1e-5))
    assert getattr(module.get_submodule("bn"), "eps") == 1e-5  # noqa: B009 - a submodule has any type


def test_branches_of_different_grids_do_not_fit() -> None:
    uneven = Concat(Conv(4, 3, stride=2), MaxPool(3, stride=2, valid=True, ceil=True))
    assert [grid(uneven, size) for size in (6, 7, 8, 9)] == [3, 0, 4, 0]
