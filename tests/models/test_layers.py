from dataclasses import dataclass

import pytest
import torch
from torch import Tensor, nn

from inception_lightning.configurable import rebuild
from inception_lightning.models import Inception
from inception_lightning.models.layers import (
    LRN,
    AvgPool,
    Concat,
    Conv,
    MaxPool,
    Residual,
    SeparableConv,
    Spec,
    Style,
    Word,
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
    Conv(4, 5, valid=True),
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


@dataclass(frozen=True)
class SqueezeExcite(Word):
    """A user's word: each channel times a number that its mean decides (arXiv:1709.01507)."""

    shrink: int = 4

    def build(self, channels: int, style: Style) -> tuple[nn.Module, int]:
        return SqueezeExcitation(channels, max(1, channels // self.shrink)), channels


class SqueezeExcitation(nn.Module):
    def __init__(self, channels: int, hidden: int) -> None:
        super().__init__()
        self.expand = nn.Linear(hidden, channels)
        nn.init.constant_(self.expand.weight, 0.5)
        self.gate = nn.Sequential(nn.Linear(channels, hidden), nn.ReLU(), self.expand, nn.Sigmoid())

    def forward(self, x: Tensor) -> Tensor:
        gates: Tensor = self.gate(x.mean(dim=(2, 3)))
        return x * gates[..., None, None]


class OwnNetwork(Inception):
    """A user's network, in this file alone: a table of the papers' words and a new one."""

    def __init__(self, num_classes: int = 3, *, width: float = 1.0) -> None:
        block = Residual(Concat(Conv(32, 1), (Conv(32, 1), Conv(32, 3), SqueezeExcite())), 0.2)
        stages: dict[str, Spec] = {
            "stem": (Conv(64, 3, stride=2), SqueezeExcite(), MaxPool(3, stride=2)),
            "inception_a": 2 * (block,),
        }
        super().__init__(stages, num_classes, aux={}, dropout=0.0, style=Style(width))


def test_a_word_of_ones_own_is_one_class() -> None:
    net = OwnNetwork(width=0.25)
    assert net.feature_info[-1] == {"num_chs": 16, "reduction": 4, "module": "inception_a"}
    assert (net.minimum_size, net.misfits) == (1, ())
    images, labels = torch.randn(2, 3, 32, 32), torch.tensor([0, 2])
    nn.functional.cross_entropy(net(images), labels).backward()
    assert [name for name, parameter in net.named_parameters() if parameter.grad is None] == []
    gates = [module.expand.weight for module in net.modules() if isinstance(module, SqueezeExcitation)]
    assert [gate.unique().tolist() for gate in gates] == [[0.5]] * 3  # as the word made them
    twin: OwnNetwork = rebuild(net.config)
    twin.load_state_dict(net.state_dict())
    assert torch.equal(twin.eval()(images), net.eval()(images))
    with pytest.raises(TypeError, match="a stem has no SqueezeExcite"):
        small(SqueezeExcite())
