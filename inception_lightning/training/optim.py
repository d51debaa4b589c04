"""Optimizers and learning-rate schedules, as a YAML page or a Python caller gives them."""

import functools
import math
from abc import abstractmethod
from collections.abc import Callable, Collection, Iterable, Sequence
from typing import Any, TypeAlias

import lightning.pytorch as pl
import torch
from torch import Tensor, nn
from torch.optim import Adam, AdamW, Optimizer, lr_scheduler
from torch.optim.lr_scheduler import LRScheduler

from inception_lightning.configurable import partial_class
from inception_lightning.errors import InputError

OptimizerCallable: TypeAlias = Callable[[Iterable[Any]], Optimizer]
"""Parameter groups -> optimizer; ``functools.partial(torch.optim.SGD, lr=0.1)`` is one."""

LRSchedulerCallable: TypeAlias = Callable[[Optimizer], LRScheduler]
"""Optimizer -> schedule."""


class GroupOptimizer(Optimizer):
    """An optimizer that moves all parameters of a group at once."""

    @torch.no_grad()
    def step(self, closure: Callable[[], Any] | None = None) -> Any:
        """Move all parameters that have a gradient, group by group."""
        loss = None
        if closure is not None:
            with torch.enable_grad():
                loss = closure()
        for group in self.param_groups:
            moved = [parameter for parameter in group["params"] if parameter.grad is not None]
            if moved:
                self.move(moved, group)
        return loss

    @abstractmethod
    def move(self, parameters: list[Tensor], group: dict[str, Any]) -> None:
        """Move some parameters of a group, which all have a gradient."""


class RMSpropTF(GroupOptimizer):
    """RMSProp as TensorFlow has it, which is what the papers trained with.

    ``ms = alpha ms + (1 - alpha) g^2``, which starts at 1; ``mom = momentum mom + lr g / sqrt(ms + eps)``;
    ``w = w - mom``. `torch.optim.RMSprop` starts ``ms`` at 0, adds eps outside the root and the rate
    outside the momentum: with the papers' eps of 1 that is another optimizer.
    """

    def __init__(
        self,
        params: Iterable[Any],
        lr: float = 0.01,
        alpha: float = 0.9,
        eps: float = 1e-10,
        momentum: float = 0.0,
        weight_decay: float = 0.0,
    ) -> None:
        """Say how parameters move.

        Args:
            params: Parameters or parameter groups.
            lr: The learning rate.
            alpha: Decay of the running mean of squared gradients, 0..1.
            eps: Added to that mean, inside the root.
            momentum: Share of the step before that is taken again.
            weight_decay: Share of the parameter that is added to its gradient.

        Raises:
            ValueError: A number is negative.
        """
        defaults = {"lr": lr, "alpha": alpha, "eps": eps, "momentum": momentum, "weight_decay": weight_decay}
        for name, value in defaults.items():
            if value < 0:
                raise ValueError(f"{name} must be at least 0, got {value}")
        super().__init__(params, defaults)

    def move(self, parameters: list[Tensor], group: dict[str, Any]) -> None:
        """Move them, all tensors at once."""
        for parameter in parameters:
            if not self.state[parameter]:
                self.state[parameter]["square_avg"] = torch.ones_like(parameter)
                self.state[parameter]["momentum_buffer"] = torch.zeros_like(parameter)
        squares = [self.state[parameter]["square_avg"] for parameter in parameters]
        steps = [self.state[parameter]["momentum_buffer"] for parameter in parameters]
        gradients: Any = [parameter.grad for parameter in parameters]
        if group["weight_decay"]:
            gradients = torch._foreach_add(gradients, parameters, alpha=group["weight_decay"])
        torch._foreach_mul_(squares, group["alpha"])
        torch._foreach_addcmul_(squares, gradients, gradients, value=1 - group["alpha"])
        roots = torch._foreach_add(squares, group["eps"])
        torch._foreach_sqrt_(roots)
        torch._foreach_mul_(steps, group["momentum"])
        torch._foreach_addcdiv_(steps, gradients, roots, value=group["lr"])
        torch._foreach_sub_(parameters, steps)


class SequentialLR(lr_scheduler.SequentialLR):
    """torch's: one schedule after another, here of schedules that a page can name, without their optimizer."""

    def __init__(
        self, optimizer: Optimizer, schedules: list[LRSchedulerCallable], milestones: list[int], last_epoch: int = -1
    ) -> None:
        """Say which and when.

        Args:
            optimizer: Its rates are what the schedules start from.
            schedules: Makes each schedule from the optimizer, in order.
            milestones: The epoch, or step, at which each but the first begins: one number fewer.
            last_epoch: Where to go on; -1 starts.
        """
        super().__init__(optimizer, [make(optimizer) for make in schedules], milestones, last_epoch)


class WarmupCosineLR(LRScheduler):
    """A straight rise to the optimizer's rate, then half a cosine down to 0.

    One step is an epoch, or a training step with ``lr_interval: step``.
    """

    def __init__(self, optimizer: Optimizer, total: int, warmup: int = 5, last_epoch: int = -1) -> None:
        """Say how long it is.

        Args:
            optimizer: Its rates are the top.
            total: Length of the whole schedule, in epochs or steps.
            warmup: Length of the rise: the first rate is 1 / (warmup + 1) of the top.
            last_epoch: Where to go on; -1 starts.

        Raises:
            ValueError: The rise is not shorter than the whole.
        """
        if not 0 <= warmup < total:
            raise ValueError(f"warmup must be 0 or more and less than total {total}, got {warmup}")
        self.total = total
        self.warmup = warmup
        super().__init__(optimizer, last_epoch)

    def get_lr(self) -> list[float | Tensor]:
        """The rate of each parameter group now."""
        return [rate * self.factor(self.last_epoch) for rate in self.base_lrs]

    def factor(self, step: int) -> float:
        """The share of the top rate at ``step``, 0..1."""
        if step < self.warmup:
            return (step + 1) / (self.warmup + 1)
        done = min(1.0, (step - self.warmup) / (self.total - self.warmup))
        return (1 + math.cos(math.pi * done)) / 2


def made(name: str, maker: Callable[..., Any], *given: Any, **more: Any) -> Any:
    """What ``maker`` makes of its arguments; ``name`` is what a page calls it.

    Raises:
        InputError: It refuses one.
    """
    try:
        return maker(*given, **more)
    except ValueError as error:
        raise InputError(f"{name}: {error}") from error


def parameter_groups(net: nn.Module, trunk: Collection[str] = ()) -> list[dict[str, Any]]:
    """Weights first; then biases and batch norm, which no paper decays, with a weight decay of 0.

    Args:
        net: The network.
        trunk: Names of submodules whose parameters are to have groups of their own, after the others.
    """
    trained = [(name.partition(".")[0], value) for name, value in net.named_parameters() if value.requires_grad]
    others = [value for room, value in trained if room not in trunk]
    return _decayed_and_spared(others) + _decayed_and_spared([value for room, value in trained if room in trunk])


def scale_rates(optimizer: Optimizer, factor: float, trunk_factor: float) -> None:
    """Multiply all rates by ``factor``, and those of the groups after the first two by ``trunk_factor`` as well."""
    for index, group in enumerate(optimizer.param_groups):
        group["lr"] *= factor if index < 2 else factor * trunk_factor


def fused(optimizer: OptimizerCallable, trainer: pl.Trainer) -> OptimizerCallable:
    """``optimizer`` as one step of torch's own for all parameters, where that is the same but for rounding.

    That is for Adam and AdamW, unless they are told how to step or Lightning would treat their gradients otherwise:
    it clips none of a fused optimizer in mixed precision, and leaves those of ``16-mixed`` scaled.
    """
    arguments = getattr(optimizer, "keywords", {})
    told = any(arguments.get(name) is not None for name in ("fused", "foreach"))
    told = told or any(arguments.get(name) for name in ("capturable", "differentiable"))
    precision = str(trainer.precision)
    treated = precision == "16-mixed" or ("mixed" in precision and bool(trainer.gradient_clip_val))
    on_known_device = trainer.strategy.root_device.type in ("cpu", "cuda")
    if partial_class(optimizer) not in (Adam, AdamW) or told or treated or not on_known_device:
        return optimizer
    maker: Callable[..., Optimizer] = optimizer
    return functools.partial(maker, fused=True)


def check_clip(optimizer: Optimizer) -> None:
    """Lightning clips no gradients of a fused optimizer in mixed precision: its unscaling is the optimizer's own.

    Raises:
        InputError: The optimizer is fused.
    """
    if any(group.get("fused") for group in optimizer.param_groups):
        raise InputError(
            "a fused optimizer cannot have its gradients clipped in mixed precision: leave out "
            "model.optimizer.fused or trainer.gradient_clip_val"
        )


def _decayed_and_spared(parameters: Sequence[nn.Parameter]) -> list[dict[str, Any]]:
    weights = [parameter for parameter in parameters if parameter.ndim > 1]
    rest = [parameter for parameter in parameters if parameter.ndim <= 1]
    return [{"params": weights}, {"params": rest, "weight_decay": 0.0}] if parameters else []


def steps_of(trainer: pl.Trainer) -> int:
    """The optimizer steps of a whole training, for a schedule that must know them before the first.

    Lightning's own ``estimated_stepping_batches`` would make the loader that a resumed run is to go on with.

    Raises:
        InputError: Training has no end.
    """
    data = trainer.datamodule  # type: ignore[attr-defined]  # set by Trainer.fit
    if trainer.max_epochs in (None, -1):
        if trainer.max_steps == -1:
            raise InputError("OneCycleLR must know its length: say --trainer.max_epochs or --trainer.max_steps")
        return trainer.max_steps
    batches = len((data or trainer.lightning_module).train_dataloader())
    limit = trainer.limit_train_batches
    batches = int(batches * limit) if isinstance(limit, float) else min(batches, limit)
    steps = -(-batches // trainer.accumulate_grad_batches) * (trainer.max_epochs or 0)
    return steps if trainer.max_steps == -1 else min(steps, trainer.max_steps)
