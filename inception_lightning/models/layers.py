"""The words in which the papers draw their networks, and `build`, which turns them into modules.

Five words serve all variants; GoogLeNet adds local response normalisation, BN-Inception a separable
convolution, the heads a convolution over their whole grid.
"""

from dataclasses import dataclass, replace
from functools import reduce
from typing import TypeAlias, assert_never

from torch import nn

from inception_lightning.models.blocks import Conv2d, ConvNormReLU, FilterConcat, FullConv2d, ResidualBlock
from inception_lightning.models.initialisation import Filler, he


@dataclass(frozen=True)
class Conv:
    """``filters`` convolutions, batch norm, ReLU. ``kernel`` is (height, width) where they differ.

    ``valid`` is the figures' mark "V": no padding. Without it the grid is padded so that only the
    stride shrinks it. Without ``norm`` there is no batch norm but a bias.
    """

    filters: int
    kernel: int | tuple[int, int]
    stride: int = 1
    valid: bool = False
    norm: bool = True


@dataclass(frozen=True)
class SeparableConv(Conv):
    """``multiplier`` filters on each channel by itself, then ``filters`` 1x1 convolutions, batch norm, ReLU."""

    multiplier: int = 8


@dataclass(frozen=True)
class FullConv(Conv):
    """A convolution over the whole grid that the figures give it, which makes it a fully connected layer."""

    valid: bool = True


@dataclass(frozen=True)
class MaxPool:
    """Max pooling; ``ceil`` lets the last window reach beyond the grid, as Caffe's do."""

    kernel: int
    stride: int = 1
    valid: bool = False
    ceil: bool = False


@dataclass(frozen=True)
class AvgPool:
    """Average pooling."""

    kernel: int
    stride: int = 1
    valid: bool = False


@dataclass(frozen=True)
class LRN:
    """Local response normalisation over ``channels`` neighbours (GoogLeNet, Figure 3)."""

    channels: int = 5


class Concat:
    """Filter concat: branches that read the same input, their filters side by side."""

    def __init__(self, *branches: "Spec") -> None:
        self.branches = branches


@dataclass(frozen=True)
class Residual:
    """``relu(x + scale * project(inner(x)))``, ``project`` a 1x1 convolution without activation.

    With ``norm`` the sum goes through batch norm before the ReLU.
    """

    inner: "Spec"
    scale: float
    relu: bool = True
    norm: bool = False


Spec: TypeAlias = "Conv | MaxPool | AvgPool | LRN | Concat | Residual | tuple[Spec, ...]"
"""One word, or a chain of words in a tuple."""


@dataclass(frozen=True)
class Style:
    """What holds for every word of one network.

    Attributes:
        width: Factor on every convolution's number of filters.
        count_include_pad: Whether the padding counts in the average pools. TensorFlow, which trained
            the published networks, does not count it; torchvision's and timm's Inception-v3 do.
        batch_norm: Whether convolutions are followed by batch norm.
        conv_bias: Whether they have a bias even then.
        bn_eps: Epsilon of batch norm.
        init: Draws the weights of the convolutions.
        learned_scales: Whether the residual scales are trained.
    """

    width: float = 1.0
    count_include_pad: bool = False
    batch_norm: bool = True
    conv_bias: bool = False
    bn_eps: float = 0.001
    init: Filler = he
    learned_scales: bool = False

    def norm(self, conv: Conv) -> bool:
        """Whether ``conv`` is followed by batch norm."""
        return self.batch_norm and conv.norm

    def bias(self, conv: Conv) -> bool:
        """Whether ``conv`` has a bias."""
        return self.conv_bias or not self.norm(conv)

    def filters(self, filters: int) -> int:
        """The number of filters at this width, at least one."""
        return max(1, round(filters * self.width))


def build(spec: Spec, channels: int, style: Style) -> tuple[nn.Module, int]:
    """The module that ``spec`` describes for an input of ``channels``, and its output channels.

    An average pool before a 1x1 convolution is computed after it. Both are linear, one over places and one over
    channels, so nothing changes but the work: the pool reads the convolution's few filters.
    """
    match spec:
        case AvgPool(stride=1, valid=False) as pool, Conv(kernel=1, stride=1) as one if not (
            style.count_include_pad and style.bias(one)  # which the padding would dilute
        ):
            project, filters = _conv_norm_relu(one, channels, style, build(pool, channels, style)[0])
            return nn.Sequential(nn.Identity(), project), filters  # the weights are still those of the second word
        case tuple():
            modules: list[nn.Module] = []
            module: nn.Module
            for word in spec:
                module, channels = build(word, channels, style)
                modules.append(module)
            return nn.Sequential(*modules), channels
        case Conv():
            return _conv_norm_relu(spec, channels, style)
        case MaxPool():
            return nn.MaxPool2d(spec.kernel, spec.stride, _padding(spec), ceil_mode=spec.ceil), channels
        case AvgPool():
            include = style.count_include_pad
            return nn.AvgPool2d(spec.kernel, spec.stride, _padding(spec), count_include_pad=include), channels
        case LRN():
            return nn.LocalResponseNorm(spec.channels), channels
        case Concat():
            branches = [build(branch, channels, style) for branch in spec.branches]
            return FilterConcat([module for module, _ in branches]), sum(filters for _, filters in branches)
        case Residual():
            inner, inner_channels = build(spec.inner, channels, style)
            to_channels = Conv2d(inner_channels, channels, 1, init=style.init)
            on_sum = nn.BatchNorm2d(channels, eps=style.bn_eps) if spec.norm else nn.Identity()
            return ResidualBlock(inner, to_channels, on_sum, spec.scale, spec.relu, style.learned_scales), channels
        case _:
            assert_never(spec)


def grid(spec: Spec, size: int) -> int:
    """Side of the grid that ``spec`` makes of a ``size`` x ``size`` one; 0 or less where it does not fit.

    It does not fit either where branches side by side make grids of different sizes.
    """
    match spec:
        case tuple():
            return reduce(lambda side, word: grid(word, side), spec, size)
        case Conv() | MaxPool() | AvgPool():
            reach = max(_pair(spec.kernel)) if spec.valid else 1
            beyond = spec.stride - 1 if isinstance(spec, MaxPool) and spec.ceil else 0
            return (size - reach + beyond) // spec.stride + 1
        case LRN():
            return size
        case Concat():
            sides = {grid(branch, size) for branch in spec.branches}
            return sides.pop() if len(sides) == 1 else 0
        case Residual():
            return min(size, grid(spec.inner, size))
        case _:
            assert_never(spec)


def small(stem: Spec) -> Spec:
    """The stem for 32-pixel images: the same convolutions without strides, pools and lost borders.

    The grid stays 32 x 32 where 299-pixel images give 35 x 35, and every weight keeps its name and
    shape, so ImageNet weights fit a network for small images.
    """
    match stem:
        case tuple():
            return tuple(small(word) for word in stem)
        case Conv():
            return replace(stem, stride=1, valid=False)
        case MaxPool():
            return ()
        case LRN():
            return stem
        case Concat():
            return Concat(*(small(branch) for branch in stem.branches))
        case _:
            raise TypeError(f"a stem has no {type(stem).__name__}")


def convolution(channels: int, filters: int, spec: Conv, *, bias: bool, init: Filler) -> nn.Module:
    """The convolution in ``spec``: (N, channels, H, W) -> (N, filters, H', W')."""
    shape = (spec.kernel, spec.stride, _padding(spec))
    if not isinstance(spec, SeparableConv):
        kind = FullConv2d if isinstance(spec, FullConv) else Conv2d
        return kind(channels, filters, *shape, bias=bias, init=init)
    inner = channels * spec.multiplier
    depthwise = Conv2d(channels, inner, *shape, groups=channels, bias=False, init=init)
    return nn.Sequential(depthwise, Conv2d(inner, filters, 1, bias=bias, init=init))


def _conv_norm_relu(spec: Conv, channels: int, style: Style, pool: nn.Module | None = None) -> tuple[ConvNormReLU, int]:
    filters = style.filters(spec.filters)
    conv = convolution(channels, filters, spec, bias=style.bias(spec), init=style.init)
    norm = nn.BatchNorm2d(filters, eps=style.bn_eps) if style.norm(spec) else nn.Identity()
    return ConvNormReLU(conv, norm, pool), filters


def _pair(kernel: int | tuple[int, int]) -> tuple[int, int]:
    return kernel if isinstance(kernel, tuple) else (kernel, kernel)


def _padding(spec: Conv | MaxPool | AvgPool) -> tuple[int, int]:
    height, width = (0, 0) if spec.valid else _pair(spec.kernel)
    return height // 2, width // 2
