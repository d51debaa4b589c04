"""The modules that the words become."""

from collections.abc import Callable

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from inception_lightning.models.initialisation import Filler, he


class ConvNormReLU(nn.Module):
    """Convolution, batch norm or none, ReLU: (N, in, H, W) -> (N, out, H', W')."""

    def __init__(self, conv: nn.Module, norm: nn.Module) -> None:
        super().__init__()
        self.conv = conv
        self.bn = norm

    def forward(self, x: Tensor) -> Tensor:
        """Shapes as above."""
        return F.relu(self.bn(self.conv(x)), inplace=True)


class FilterConcat(nn.ModuleList):
    """Branches side by side: (N, C, H, W) -> (N, sum of the branches' channels, H', W')."""

    def forward(self, x: Tensor) -> Tensor:
        """Shapes as above."""
        return torch.cat([branch(x) for branch in self], dim=1)


class ResidualBlock(nn.Module):
    """``relu(x + scale * project(inner(x)))``: (N, C, H, W) -> (N, C, H, W).

    ``scale`` is a number, or a trainable scalar where it is learned.
    """

    def __init__(self, inner: nn.Module, project: nn.Module, scale: float, relu: bool, learned: bool) -> None:
        super().__init__()
        self.inner = inner
        self.project = project
        self.scale = nn.Parameter(torch.tensor(scale)) if learned else scale
        self.activation: Callable[[Tensor], Tensor] = F.relu if relu else nn.Identity()

    def forward(self, x: Tensor) -> Tensor:
        """Shapes as above."""
        residual = self.project(self.inner(x))
        if isinstance(self.scale, Tensor):
            return self.activation(x + self.scale * residual)
        return self.activation(torch.add(x, residual, alpha=self.scale))


class Conv2d(nn.Conv2d):
    """A convolution whose weights start as ``init`` draws them and whose bias starts at zero."""

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        kernel: int | tuple[int, int],
        stride: int = 1,
        padding: tuple[int, int] = (0, 0),
        *,
        groups: int = 1,
        bias: bool = True,
        init: Filler = he,
    ) -> None:
        self.init = init
        super().__init__(in_channels, out_channels, kernel, stride, padding, groups=groups, bias=bias)

    def reset_parameters(self) -> None:
        """Draw new weights."""
        self.init(self.weight)
        if self.bias is not None:
            nn.init.zeros_(self.bias)
