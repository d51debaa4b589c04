"""The five words in which the papers draw their networks, and `build`, which turns them into modules."""

from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import reduce
from typing import TypeAlias, assert_never

import torch
from torch import Tensor, nn
from torch.nn import functional as F


@dataclass(frozen=True)
class Conv:
    """``filters`` convolutions, batch norm, ReLU. ``kernel`` is (height, width) where they differ.

    ``valid`` is the figures' mark "V": no padding. Without it the grid is padded so that only the
    stride shrinks it.
    """

    filters: int
    kernel: int | tuple[int, int]
    stride: int = 1
    valid: bool = False


@dataclass(frozen=True)
class MaxPool:
    """Max pooling."""

    kernel: int
    stride: int = 1
    valid: bool = False


@dataclass(frozen=True)
class AvgPool:
    """Average pooling."""

    kernel: int
    stride: int = 1
    valid: bool = False


class Concat:
    """Filter concat: branches that read the same input, their filters side by side."""

    def __init__(self, *branches: "Spec") -> None:
        self.branches = branches


@dataclass(frozen=True)
class Residual:
    """``relu(x + scale * project(inner(x)))``, ``project`` a 1x1 convolution without activation."""

    inner: "Spec"
    scale: float
    relu: bool = True


Spec: TypeAlias = "Conv | MaxPool | AvgPool | Concat | Residual | tuple[Spec, ...]"
"""One word, or a chain of words in a tuple."""


@dataclass(frozen=True)
class Style:
    """What holds for every word of one network.

    Attributes:
        width: Factor on every convolution's number of filters.
        count_include_pad: Whether the padding counts in the average pools. TensorFlow, which trained
            the published networks, does not count it; torchvision's and timm's Inception-v3 do.
    """

    width: float = 1.0
    count_include_pad: bool = False

    def filters(self, filters: int) -> int:
        """The number of filters at this width, at least one."""
        return max(1, round(filters * self.width))


def build(spec: Spec, channels: int, style: Style) -> tuple[nn.Module, int]:
    """The module that ``spec`` describes for an input of ``channels``, and its output channels."""
    match spec:
        case tuple():
            modules = []
            for word in spec:
                module, channels = build(word, channels, style)
                modules.append(module)
            return nn.Sequential(*modules), channels
        case Conv():
            filters = style.filters(spec.filters)
            return ConvNormReLU(channels, filters, spec), filters
        case MaxPool():
            return nn.MaxPool2d(spec.kernel, spec.stride, _padding(spec)), channels
        case AvgPool():
            include = style.count_include_pad
            return nn.AvgPool2d(spec.kernel, spec.stride, _padding(spec), count_include_pad=include), channels
        case Concat():
            branches = [build(branch, channels, style) for branch in spec.branches]
            return FilterConcat([module for module, _ in branches]), sum(filters for _, filters in branches)
        case Residual():
            inner, inner_channels = build(spec.inner, channels, style)
            return ResidualBlock(inner, Conv2d(inner_channels, channels, 1), spec.scale, spec.relu), channels
        case _:
            assert_never(spec)


def grid(spec: Spec, size: int) -> int:
    """Side of the grid that ``spec`` makes of a ``size`` x ``size`` one; 0 or less where it does not fit."""
    match spec:
        case tuple():
            return reduce(lambda side, word: grid(word, side), spec, size)
        case Conv() | MaxPool() | AvgPool():
            reach = max(_pair(spec.kernel)) if spec.valid else 1
            return (size - reach) // spec.stride + 1
        case Concat():
            return min(grid(branch, size) for branch in spec.branches)
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
        case Concat():
            return Concat(*(small(branch) for branch in stem.branches))
        case _:
            raise TypeError(f"a stem has no {type(stem).__name__}")


class ConvNormReLU(nn.Module):
    """Convolution without bias, batch norm (epsilon 0.001), ReLU: (N, in, H, W) -> (N, out, H', W')."""

    def __init__(self, in_channels: int, out_channels: int, spec: Conv) -> None:
        super().__init__()
        self.conv = Conv2d(in_channels, out_channels, spec.kernel, spec.stride, _padding(spec), bias=False)
        self.bn = nn.BatchNorm2d(out_channels, eps=0.001)

    def forward(self, x: Tensor) -> Tensor:
        """Shapes as above."""
        return F.relu(self.bn(self.conv(x)), inplace=True)


class FilterConcat(nn.ModuleList):
    """Branches side by side: (N, C, H, W) -> (N, sum of the branches' channels, H', W')."""

    def forward(self, x: Tensor) -> Tensor:
        """Shapes as above."""
        return torch.cat([branch(x) for branch in self], dim=1)


class ResidualBlock(nn.Module):
    """``relu(x + scale * project(inner(x)))``: (N, C, H, W) -> (N, C, H, W)."""

    def __init__(self, inner: nn.Module, project: nn.Module, scale: float, relu: bool) -> None:
        super().__init__()
        self.inner = inner
        self.project = project
        self.scale = scale
        self.activation: Callable[[Tensor], Tensor] = F.relu if relu else nn.Identity()

    def forward(self, x: Tensor) -> Tensor:
        """Shapes as above."""
        return self.activation(torch.add(x, self.project(self.inner(x)), alpha=self.scale))


class Conv2d(nn.Conv2d):
    """A convolution that starts with He et al.'s normal weights (arXiv:1502.01852) and zero bias."""

    def reset_parameters(self) -> None:
        """Draw new weights."""
        nn.init.kaiming_normal_(self.weight, nonlinearity="relu")
        if self.bias is not None:
            nn.init.zeros_(self.bias)


def _pair(kernel: int | tuple[int, int]) -> tuple[int, int]:
    return kernel if isinstance(kernel, tuple) else (kernel, kernel)


def _padding(spec: Conv | MaxPool | AvgPool) -> tuple[int, int]:
    height, width = (0, 0) if spec.valid else _pair(spec.kernel)
    return height // 2, width // 2
