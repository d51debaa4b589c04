"""Passes over a built network that make it faster: the same numbers, sooner and in less memory.

The tables of words say what the papers' figures say; these say how it is computed. A pass changes
the network in place and keeps every key of its state dict, so weights go both ways between a network
that has been through passes and one that has not. A pass that is run again finds nothing to do.
"""

from typing import TypeVar

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from inception_lightning.models.blocks import ConvNormReLU, ResidualBlock
from inception_lightning.models.heads import AuxiliaryHead

Net = TypeVar("Net", bound=nn.Module)


def faster(net: Net) -> Net:
    """``net``, after all passes of this file.

    They find what `layers.build` makes; in other networks there may be nothing for them to do.
    """
    pool_after_projection(net)
    full_convolution_as_linear(net)
    relu_in_place(net)
    return net


def pool_after_projection(net: nn.Module) -> None:
    """Compute an average pool before a 1x1 convolution after it.

    Both are linear, one over places and one over channels, so they may change places: the pool then reads
    the convolution's few filters. A bias, too, passes through an average, unless zeros of the padding count in it.
    """
    for chain in [module for module in net.modules() if isinstance(module, nn.Sequential)]:
        for index in range(1, len(chain)):
            pool, unit = chain[index - 1], chain[index]
            if type(pool) is nn.AvgPool2d and type(unit) is ConvNormReLU and _may_change_places(pool, unit.conv):
                chain[index - 1] = nn.Identity()  # which keeps the place, and so the names of those behind it
                chain[index] = ProjectionThenPool(unit, pool)


def _may_change_places(pool: nn.AvgPool2d, conv: nn.Module) -> bool:
    if type(conv) is not nn.Conv2d or pool.stride not in (1, (1, 1)):
        return False
    pointwise = conv.kernel_size == conv.stride == (1, 1) and conv.padding == (0, 0) and conv.groups == 1
    diluted = conv.bias is not None and (pool.count_include_pad or pool.divisor_override is not None)
    return pointwise and not diluted and conv.out_channels <= conv.in_channels


def full_convolution_as_linear(net: nn.Module) -> None:
    """Compute the convolutions of heads whose kernel covers the grid as the fully connected layers that they are."""
    for head in [module for module in net.modules() if isinstance(module, AuxiliaryHead)]:
        for chain in [module for module in head.features.modules() if isinstance(module, nn.Sequential)]:
            for index, unit in enumerate(chain):
                if type(unit) is ConvNormReLU and _is_full(unit.conv, head.pooled_size):
                    chain[index] = FullConvNormReLU(unit)


def _is_full(conv: nn.Module, side: int) -> bool:
    plain = type(conv) is nn.Conv2d and conv.groups == 1 and conv.dilation == (1, 1) and conv.padding == (0, 0)
    return plain and side > 1 and conv.kernel_size == (side, side)


def relu_in_place(net: nn.Module) -> None:
    """Let the ReLUs that follow a convolution, its batch norm or a residual sum write where they read.

    What is before them needs nothing of its output for the gradient, and nobody else reads it.
    """
    for module in net.modules():
        relu = None
        if type(module) in (ConvNormReLU, ProjectionThenPool, FullConvNormReLU):
            relu = module.relu
        elif type(module) is ResidualBlock:
            relu = module.activation
        if isinstance(relu, nn.ReLU):
            relu.inplace = True


class ProjectionThenPool(ConvNormReLU):
    """A 1x1 convolution, the average pool that the figures draw before it, batch norm, ReLU.

    (N, in, H, W) -> (N, out, H', W').
    """

    def __init__(self, unit: ConvNormReLU, pool: nn.AvgPool2d) -> None:
        super().__init__(unit.conv, unit.bn)
        self.relu = unit.relu
        self.pool = pool
        self.train(unit.training)

    def forward(self, x: Tensor) -> Tensor:
        """Shapes as above."""
        out: Tensor = self.relu(self.bn(self.pool(self.conv(x))))
        return out


class FullConvNormReLU(ConvNormReLU):
    """A convolution whose kernel covers its grid, batch norm, ReLU: (N, in, H, W) -> (N, out, 1, 1).

    On a larger grid it is a convolution as any other.
    """

    conv: nn.Conv2d

    def __init__(self, unit: ConvNormReLU) -> None:
        super().__init__(unit.conv, unit.bn)
        self.relu = unit.relu
        self.train(unit.training)

    def forward(self, x: Tensor) -> Tensor:
        """Shapes as above."""
        x = full_convolution(x, self.conv.weight, self.conv.bias, self.conv.stride)
        out: Tensor = self.relu(self.bn(x))
        return out


def full_convolution(x: Tensor, weight: Tensor, bias: Tensor | None, stride: tuple[int, ...]) -> Tensor:
    """The convolution of ``x`` (N, in, H, W) without padding, as a linear layer where the kernel covers the grid."""
    if x.shape[-2:] != weight.shape[-2:]:
        return F.conv2d(x, weight, bias, stride)
    rows, columns = (tensor.permute(0, 2, 3, 1).flatten(1) for tensor in (x, weight))  # as channels-last lies
    return F.linear(rows, columns, bias)[..., None, None]  # (N, out, 1, 1)


torch.fx.wrap("full_convolution")  # torch.fx keeps the call in its graph: while it traces, grids have no size
