"""Optimizers and learning-rate schedules, as a YAML page or a Python caller gives them."""

from collections.abc import Callable, Iterable
from typing import Any, TypeAlias

from torch import nn
from torch.optim import Optimizer
from torch.optim.lr_scheduler import LRScheduler

OptimizerCallable: TypeAlias = Callable[[Iterable[Any]], Optimizer]
"""Parameter groups -> optimizer; ``functools.partial(torch.optim.SGD, lr=0.1)`` is one."""

LRSchedulerCallable: TypeAlias = Callable[[Optimizer], LRScheduler]
"""Optimizer -> schedule."""


def parameter_groups(net: nn.Module) -> list[dict[str, Any]]:
    """Weights first; then biases and batch norm, which no paper decays, with a weight decay of 0."""
    trained = [parameter for parameter in net.parameters() if parameter.requires_grad]
    weights = [parameter for parameter in trained if parameter.ndim > 1]
    rest = [parameter for parameter in trained if parameter.ndim <= 1]
    return [{"params": weights}, {"params": rest, "weight_decay": 0.0}]
