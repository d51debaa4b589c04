"""The words in which the papers draw their networks, and `build`, which turns them into modules.

Five words serve all variants; GoogLeNet adds local response normalisation, BN-Inception a separable
convolution. A word says all about itself: a new one is a subclass of `Word`, in any file.
"""

from abc import ABC, abstractmethod
from dataclasses import dataclass, replace
from functools import partial
from typing import Literal, TypeAlias

from torch import nn

from inception_lightning.errors import InputError
from inception_lightning.models.blocks import ConvNormReLU, FilterConcat, ResidualBlock
from inception_lightning.models.initialisation import Filler, he, initialised
from inception_lightning.models.knobs import check_width, one_of

Stem: TypeAlias = Literal["imagenet", "small"]
"""``imagenet``: the paper's; ``small``: the same convolutions for images of about 32 pixels."""

Spec: TypeAlias = "Word | tuple[Spec, ...]"
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

    Raises:
        InputError: ``width`` is not a finite number above 0.
    """

    width: float = 1.0
    count_include_pad: bool = False
    batch_norm: bool = True
    conv_bias: bool = False
    bn_eps: float = 0.001
    init: Filler = he
    learned_scales: bool = False

    def __post_init__(self) -> None:
        check_width(self.width)

    def norm(self, conv: "Conv") -> bool:
        """Whether ``conv`` is followed by batch norm."""
        return self.batch_norm and conv.norm

    def bias(self, conv: "Conv") -> bool:
        """Whether ``conv`` has a bias."""
        return self.conv_bias or not self.norm(conv)

    def filters(self, filters: int) -> int:
        """The number of filters at this width, at least one."""
        return max(1, round(filters * self.width))


class Word(ABC):
    """A word of the figures: what it becomes, and what it does to the grid."""

    @abstractmethod
    def build(self, channels: int, style: Style) -> tuple[nn.Module, int]:
        """Its module for inputs (N, channels, H, W), ready to be trained, and its output channels."""

    def grid(self, size: int) -> int:
        """Side of the grid that it makes of a ``size`` x ``size`` one: the same; 0 or less where it does not fit."""
        return size

    def small(self) -> Spec:
        """What stands for it in the stem for 32-pixel images.

        Raises:
            TypeError: It has no place in a stem.
        """
        raise TypeError(f"a stem has no {type(self).__name__}")


class Window(Word):
    """What slides over the grid. ``kernel`` is (height, width) where they differ.

    ``valid`` is the figures' mark "V": no padding. Without it the grid is padded so that only the
    stride shrinks it.
    """

    kernel: int | tuple[int, int]
    stride: int
    valid: bool

    @property
    def padding(self) -> tuple[int, int]:
        """Rows and columns added on each side."""
        height, width = (0, 0) if self.valid else _pair(self.kernel)
        return height // 2, width // 2

    def grid(self, size: int) -> int:
        """The windows that fit."""
        reach = max(_pair(self.kernel)) if self.valid else 1
        return (size - reach) // self.stride + 1


@dataclass(frozen=True)
class Conv(Window):
    """``filters`` convolutions, batch norm, ReLU. Without ``norm`` there is no batch norm but a bias."""

    filters: int
    kernel: int | tuple[int, int]
    stride: int = 1
    valid: bool = False
    norm: bool = True

    def build(self, channels: int, style: Style) -> tuple[nn.Module, int]:
        """A convolution, its batch norm or none, a ReLU."""
        filters = style.filters(self.filters)
        norm = nn.BatchNorm2d(filters, eps=style.bn_eps) if style.norm(self) else nn.Identity()
        return ConvNormReLU(self.convolution(channels, filters, style), norm), filters

    def convolution(self, channels: int, filters: int, style: Style) -> nn.Module:
        """The convolution alone: (N, channels, H, W) -> (N, filters, H', W')."""
        make = partial(nn.Conv2d, channels, filters, self.kernel, self.stride, self.padding, bias=style.bias(self))
        return initialised(make, style.init)

    def small(self) -> Spec:
        """The same convolution, which neither strides nor loses the border."""
        return replace(self, stride=1, valid=False)


@dataclass(frozen=True)
class SeparableConv(Conv):
    """``multiplier`` filters on each channel by itself, then ``filters`` 1x1 convolutions, batch norm, ReLU."""

    multiplier: int = 8

    def convolution(self, channels: int, filters: int, style: Style) -> nn.Module:
        """Both convolutions; the first has no bias."""
        inner = channels * self.multiplier
        window = (self.kernel, self.stride, self.padding)
        depthwise = initialised(partial(nn.Conv2d, channels, inner, *window, groups=channels, bias=False), style.init)
        return nn.Sequential(depthwise, Conv(filters, 1, norm=self.norm).convolution(inner, filters, style))


@dataclass(frozen=True)
class MaxPool(Window):
    """Max pooling; ``ceil`` lets the last window reach beyond the grid, as Caffe's do."""

    kernel: int
    stride: int = 1
    valid: bool = False
    ceil: bool = False

    def build(self, channels: int, style: Style) -> tuple[nn.Module, int]:
        """Torch's max pool."""
        return nn.MaxPool2d(self.kernel, self.stride, self.padding, ceil_mode=self.ceil), channels

    def grid(self, size: int) -> int:
        """The windows that fit, or begin, inside."""
        return super().grid(size + self.stride - 1 if self.ceil else size)

    def small(self) -> Spec:
        """No pooling: small images keep their grid."""
        return ()


@dataclass(frozen=True)
class AvgPool(Window):
    """Average pooling, with the padding counted where the style says so."""

    kernel: int
    stride: int = 1
    valid: bool = False

    def build(self, channels: int, style: Style) -> tuple[nn.Module, int]:
        """Torch's average pool."""
        include = style.count_include_pad
        return nn.AvgPool2d(self.kernel, self.stride, self.padding, count_include_pad=include), channels


@dataclass(frozen=True)
class LRN(Word):
    """Local response normalisation over ``channels`` neighbours (GoogLeNet, Figure 3)."""

    channels: int = 5

    def build(self, channels: int, style: Style) -> tuple[nn.Module, int]:
        """``nn.LocalResponseNorm``, whose channels are those before it."""
        return nn.LocalResponseNorm(self.channels), channels

    def small(self) -> Spec:
        """The word itself: it does not change the grid."""
        return self


class Concat(Word):
    """Filter concat: branches that read the same input, their filters side by side."""

    def __init__(self, *branches: Spec) -> None:
        self.branches = branches

    def build(self, channels: int, style: Style) -> tuple[nn.Module, int]:
        """The branches, whose output channels add up."""
        branches = [build(branch, channels, style) for branch in self.branches]
        return FilterConcat([module for module, _ in branches]), sum(filters for _, filters in branches)

    def grid(self, size: int) -> int:
        """The branches' grid; 0 where theirs differ, so that they cannot be joined."""
        sides = {grid(branch, size) for branch in self.branches}
        return sides.pop() if len(sides) == 1 else 0

    def small(self) -> Spec:
        """The small branches."""
        return Concat(*(small(branch) for branch in self.branches))


@dataclass(frozen=True)
class Residual(Word):
    """``relu(x + scale * project(inner(x)))``, ``project`` a 1x1 convolution without activation.

    With ``norm`` the sum goes through batch norm before the ReLU.
    """

    inner: Spec
    scale: float
    relu: bool = True
    norm: bool = False

    def build(self, channels: int, style: Style) -> tuple[nn.Module, int]:
        """The inner chain, and a projection back to as many channels as came in."""
        inner, filters = build(self.inner, channels, style)
        project = initialised(partial(nn.Conv2d, filters, channels, 1), style.init)
        on_sum = nn.BatchNorm2d(channels, eps=style.bn_eps) if self.norm else nn.Identity()
        return ResidualBlock(inner, project, on_sum, self.scale, self.relu, style.learned_scales), channels

    def grid(self, size: int) -> int:
        """The same; 0 or less where the inner chain does not fit."""
        return min(size, grid(self.inner, size))


def build(spec: Spec, channels: int, style: Style) -> tuple[nn.Module, int]:
    """The module that ``spec`` describes for inputs (N, channels, H, W), and its output channels."""
    if isinstance(spec, Word):
        return spec.build(channels, style)
    modules = []
    for word in spec:
        module, channels = build(word, channels, style)
        modules.append(module)
    return nn.Sequential(*modules), channels


def grid(spec: Spec, size: int) -> int:
    """Side of the grid that ``spec`` makes of a ``size`` x ``size`` one; 0 or less where it does not fit.

    It does not fit either where branches side by side make grids of different sizes.
    """
    if isinstance(spec, Word):
        return spec.grid(size)
    for word in spec:
        if size < 1:
            break
        size = grid(word, size)
    return size


def smallest(spec: Spec, at_least: int = 1) -> int:
    """Side of the smallest square grid, from ``at_least`` on, that passes through ``spec``.

    Raises:
        InputError: None of the next thousand sizes does.
    """
    for size in range(at_least, at_least + 1000):
        if grid(spec, size) >= 1:
            return size
    raise InputError("no image fits this table of words: branches of a Concat make grids of different sizes")


def reduction(spec: Spec) -> int:
    """Pixels from one place of the grid that ``spec`` makes to the next: the product of its strides."""
    near = smallest(spec, 2**20)
    far = smallest(spec, 2**21)
    return round((far - near) / (grid(spec, far) - grid(spec, near)))


def small(stem: Spec) -> Spec:
    """The stem for 32-pixel images: the same convolutions without strides, pools and lost borders.

    The grid stays 32 x 32 where 299-pixel images give 35 x 35, and every weight keeps its name and
    shape, so ImageNet weights fit a network for small images.

    Raises:
        TypeError: The stem has a word that none of the papers' stems has.
    """
    return stem.small() if isinstance(stem, Word) else tuple(small(word) for word in stem)


def stem_for(stem: Stem, table: Spec) -> Spec:
    """The paper's stem, or its form for small images.

    Raises:
        InputError: ``stem`` is neither.
    """
    one_of("stem", stem, ("imagenet", "small"))
    return table if stem == "imagenet" else small(table)


def _pair(kernel: int | tuple[int, int]) -> tuple[int, int]:
    return kernel if isinstance(kernel, tuple) else (kernel, kernel)
