"""How weights start: He et al.'s normal weights, or truncated normal ones as the authors had them."""

import math
from collections.abc import Callable
from typing import Literal, TypeAlias

import torch
from torch import Tensor, nn

from inception_lightning.errors import InputError

Init: TypeAlias = Literal["he", "paper"]
"""``he``: He et al.'s; ``paper``: the authors' own."""

Filler: TypeAlias = Callable[[Tensor], object]
"""Draws new weights into a tensor."""


def he(weight: Tensor) -> None:
    """Normal weights of variance 2 / fan-in (arXiv:1502.01852)."""
    nn.init.kaiming_normal_(weight, nonlinearity="relu")


def truncated_normal(weight: Tensor, std: float) -> None:
    """Normal weights, drawn again where they lie beyond two standard deviations, as TensorFlow does.

    ``torch.nn.init.trunc_normal_`` would take 5 s for Inception-ResNet-v2.
    """
    with torch.no_grad():
        weight.normal_()
        outside = () if weight.is_meta else (weight.abs() > 2).nonzero(as_tuple=True)
        while outside and len(outside[0]):
            redrawn = torch.randn(len(outside[0]), dtype=weight.dtype, device=weight.device)
            weight[outside] = redrawn
            outside = tuple(index[redrawn.abs() > 2] for index in outside)
        weight.mul_(std)


def truncated_he(weight: Tensor) -> None:
    """TF-slim's ``variance_scaling_initializer``: truncated normal, its 1.3 makes up for the cut tails."""
    truncated_normal(weight, math.sqrt(1.3 * 2 / weight[0].numel()))


def filler(init: Init, paper: Filler) -> Filler:
    """The filler that ``init`` names, ``paper`` being the variant's own.

    Raises:
        InputError: ``init`` is neither.
    """
    if init not in ("he", "paper"):
        raise InputError(f"init must be he or paper, got {init!r}")
    return he if init == "he" else paper
