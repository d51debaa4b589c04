"""The modules that the words become, made of torch's own layers."""

from collections.abc import Iterator
from contextlib import contextmanager, nullcontext

import torch
from torch import Tensor, nn
from torch.utils.checkpoint import checkpoint


class ConvNormReLU(nn.Module):
    """Convolution, batch norm or none, ReLU: (N, in, H, W) -> (N, out, H', W')."""

    def __init__(self, conv: nn.Module, norm: nn.Module) -> None:
        super().__init__()
        self.conv = conv
        self.bn = norm
        self.relu = nn.ReLU()

    def forward(self, x: Tensor) -> Tensor:
        """Shapes as above."""
        out: Tensor = self.relu(self.bn(self.conv(x)))
        return out


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
        self.activation = nn.ReLU() if relu else nn.Identity()

    def forward(self, x: Tensor) -> Tensor:
        """Shapes as above."""
        residual = self.project(self.inner(x))
        if isinstance(self.scale, float | int):  # no parameter, and none that is being traced
            total = torch.add(x, residual, alpha=self.scale)
        else:
            total = x + self.scale * residual
        out: Tensor = self.activation(self.norm(total))
        return out


def recompute(stage: nn.Module, x: Tensor) -> Tensor:
    """``stage(x)``, whose activations are computed again in the backward pass instead of being kept."""
    out: Tensor = checkpoint(stage, x, use_reentrant=False, context_fn=lambda: (nullcontext(), _statistics_kept(stage)))
    return out


@contextmanager
def _statistics_kept(stage: nn.Module) -> Iterator[None]:
    # batch norm must not count the same images twice
    norms = [module for module in stage.modules() if isinstance(module, nn.BatchNorm2d | nn.SyncBatchNorm)]
    held = [(norm.momentum, norm.num_batches_tracked) for norm in norms]
    for norm in norms:
        counter = norm.num_batches_tracked  # a copy may count: SyncBatchNorm, unlike the others, needs one
        norm.momentum, norm.num_batches_tracked = 0.0, None if counter is None else counter.clone()
    try:
        yield
    finally:
        for norm, (momentum, counter) in zip(norms, held, strict=True):
            norm.momentum, norm.num_batches_tracked = momentum, counter
