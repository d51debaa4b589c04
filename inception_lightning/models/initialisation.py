"""How weights start: He et al.'s normal weights, or truncated normal ones as the authors had them."""

import math
from collections.abc import Callable, Sequence
from typing import Any, Literal, TypeAlias

import torch
from torch import Tensor, nn
from torch.overrides import TorchFunctionMode

from inception_lightning.errors import InputError

Init: TypeAlias = Literal["he", "paper"]
"""``he``: He et al.'s; ``paper``: the authors' own."""

Filler: TypeAlias = Callable[[Tensor], object]
"""Draws new weights into a tensor."""

DRAWS = {nn.init.kaiming_uniform_, nn.init.uniform_, nn.init.normal_, Tensor.normal_, Tensor.uniform_}
"""What torch's layers and the fillers below draw with."""


class NoDraws(TorchFunctionMode):
    """Within it, weights are made and not drawn: for those that are drawn by other means, or are never needed."""

    def __torch_function__(
        self, func: Callable[..., Any], types: Sequence[type], args: Any = (), kwargs: Any = None
    ) -> Any:
        """Call ``func``, unless it draws into a tensor."""
        kwargs = kwargs or {}
        if func in DRAWS:
            return kwargs["tensor"] if "tensor" in kwargs else args[0]
        return func(*args, **kwargs)


def initialised(make: Callable[[], nn.Conv2d], fill: Filler) -> nn.Conv2d:
    """The convolution that ``make`` makes, its weights drawn once, by ``fill``; its bias is zero."""
    with NoDraws():
        layer = make()
    fill(layer.weight)
    if layer.bias is not None:
        nn.init.zeros_(layer.bias)
    return layer


def linear(features: int, num_classes: int, fill: Filler) -> nn.Module:
    """A classifier: (N, features) -> (N, num_classes), or the features themselves where there are no classes.

    Its weights start as PyTorch's or, where ``fill`` is the paper's, as the paper's.
    """
    if num_classes == 0:
        return nn.Identity()
    layer = nn.Linear(features, num_classes)
    if fill is not he:
        fill(layer.weight)
        nn.init.zeros_(layer.bias)
    return layer


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
