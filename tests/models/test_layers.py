import pytest
import torch
from torch import nn

from inception_lightning.models.layers import AvgPool, Concat, Conv, MaxPool, Residual, Spec, Style, build, grid, small

WORDS: list[Spec] = [
    Conv(4, 3),
    Conv(4, 3, stride=2, valid=True),
    Conv(4, (1, 7)),
    MaxPool(3, stride=2, valid=True),
    AvgPool(3),
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


def test_residual_is_relu_of_the_scaled_sum() -> None:
    block, _ = build(Residual(Conv(4, 3), 0.3), 3, Style())
    linear, _ = build(Residual(Conv(4, 3), 0.3, relu=False), 3, Style())
    linear.load_state_dict(block.state_dict())
    x = torch.randn(2, 3, 8, 8)
    branch = block.get_submodule("project")(block.get_submodule("inner")(x))
    assert torch.allclose(linear(x), x + 0.3 * branch)
    assert torch.allclose(block(x), torch.relu(x + 0.3 * branch))


def test_scale_zero_is_the_identity_on_a_rectified_input() -> None:
    block, _ = build(Residual(Conv(4, 3), 0.0), 3, Style())
    x = torch.rand(2, 3, 8, 8)
    assert torch.equal(block(x), x)


def test_small_drops_strides_pools_and_borders() -> None:
    stem = small((Conv(4, 3, stride=2, valid=True), MaxPool(3, stride=2, valid=True), Concat(Conv(2, 3), MaxPool(3))))
    module, channels = build(stem, 3, Style())
    assert module(torch.randn(1, 3, 9, 9)).shape == (1, channels, 9, 9) == (1, 6, 9, 9)
    with pytest.raises(TypeError, match="a stem has no AvgPool"):
        small(AvgPool(3))


def test_convolutions_start_with_he_weights() -> None:
    module, _ = build(Conv(256, 3), 64, Style())
    conv = module.get_submodule("conv")
    assert isinstance(conv, nn.Conv2d)
    assert conv.weight.std().item() == pytest.approx((2 / (64 * 9)) ** 0.5, rel=0.02)
