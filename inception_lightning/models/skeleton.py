"""Networks without weights, made in a blink: for their shapes, names and costs."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import torch
from torch import Tensor
from torch.overrides import TorchFunctionMode

from inception_lightning.models.network import Inception


def skeleton(variant: type[Inception], knobs: Mapping[str, Any] | None = None) -> Inception:
    """The network in evaluation mode, its weights neither drawn nor, therefore, given any memory."""
    with _NoDraws():
        return variant(**(knobs or {})).eval()


def trace(net: Inception) -> Tensor:
    """An empty batch at the network's own image size: every shape, and no arithmetic (0, 3, S, S)."""
    return torch.empty(0, 3, net.image_size, net.image_size)


class _NoDraws(TorchFunctionMode):
    # Not the meta device: there, the first draw and the first ReLU import torch's compiler, 2 s.
    def __torch_function__(
        self, func: Callable[..., Any], types: Sequence[type], args: Any = (), kwargs: Any = None
    ) -> Any:
        if func in (Tensor.normal_, Tensor.uniform_, Tensor.erfinv_):
            return args[0]
        return func(*args, **(kwargs or {}))
