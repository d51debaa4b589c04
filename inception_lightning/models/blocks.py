"""The modules that the words become."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager, nullcontext
from functools import partial

import torch
from torch import Tensor, nn
from torch.nn import functional as F
from torch.utils.checkpoint import checkpoint

from inception_lightning.models.initialisation import Filler, he


class ConvNormReLU(nn.Module):
    """Convolution, batch norm or none, ReLU: (N, in, H, W) -> (N, out, H', W').

    ``pool`` is what the figures draw before a 1x1 convolution, and follows it here: see `layers.build`.
    """

    def __init__(self, conv: nn.Module, norm: nn.Module, pool: nn.Module | None = None) -> None:
        super().__init__()
        self.conv = conv
        self.bn = norm
        self.pool = pool

    def forward(self, x: Tensor) -> Tensor:
        """Shapes as above."""
        x = self.conv(x)
        if self.pool is not None:
            x = self.pool(x)
        return F.relu(self.bn(x), inplace=True)


class FilterConcat(nn.ModuleList):
    """Branches side by side: (N, C, H, W) -> (N, sum of the branches' channels, H', W')."""

    def forward(self, x: Tensor) -> Tensor:
        """Shapes as above."""
        return torch.cat([branch(x) for branch in self], dim=1)


class ResidualBlock(nn.Module):
    """``relu(norm(x + scale * project(inner(x))))``: (N, C, H, W) -> (N, C, H, W).

    ``scale`` is a number, or a trainable scalar where it is learned. ``norm`` is nothing in the papers' networks.
    """

    def __init__(
        self, inner: nn.Module, project: nn.Module, norm: nn.Module, scale: float, relu: bool, learned: bool
    ) -> None:
        super().__init__()
        self.inner = inner
        self.project = project
        self.norm = norm
        self.scale = nn.Parameter(torch.tensor(scale)) if learned else scale
        self.activation: Callable[[Tensor], Tensor] = partial(F.relu, inplace=True) if relu else nn.Identity()

    def forward(self, x: Tensor) -> Tensor:
        """Shapes as above."""
        residual = self.project(self.inner(x))
        if isinstance(self.scale, Tensor):
            return self.activation(self.norm(x + self.scale * residual))
        return self.activation(self.norm(torch.add(x, residual, alpha=self.scale)))


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


class FullConv2d(Conv2d):
    """A convolution whose kernel covers its grid: a fully connected layer, which is quicker to compute as one."""

    def forward(self, x: Tensor) -> Tensor:
        """(N, in, H, W) -> (N, out, 1, 1); on a larger grid a convolution as any other."""
        if x.shape[-2:] != self.kernel_size:
            return super().forward(x)
        rows, weight = (tensor.permute(0, 2, 3, 1).flatten(1) for tensor in (x, self.weight))  # as channels-last lies
        return F.linear(rows, weight, self.bias)[..., None, None]


def recompute(stage: nn.Module, x: Tensor) -> Tensor:
    """``stage(x)``, whose activations are computed again in the backward pass instead of being kept."""
    out: Tensor = checkpoint(stage, x, use_reentrant=False, context_fn=lambda: (nullcontext(), _statistics_kept(stage)))
    return out


@contextmanager
def _statistics_kept(stage: nn.Module) -> Iterator[None]:
    # batch norm must not count the same images twice
    norms = [module for module in stage.modules() if isinstance(module, nn.BatchNorm2d)]
    held = [(norm.momentum, norm.num_batches_tracked) for norm in norms]
    for norm in norms:
        norm.momentum, norm.num_batches_tracked = 0.0, None
    try:
        yield
    finally:
        for norm, (momentum, counter) in zip(norms, held, strict=True):
            norm.momentum, norm.num_batches_tracked = momentum, counter
