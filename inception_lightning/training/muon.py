"""Muon for whole networks: torch's rule for the weights, AdamW for the rest. It needs torch 2.15."""

from collections.abc import Iterable
from typing import Any

import torch
from torch import Tensor

from inception_lightning.errors import InputError
from inception_lightning.training.optim import GroupOptimizer

try:
    from torch.optim.functional import adamw, muon
except ImportError:  # before torch 2.15
    adamw = muon = None  # type: ignore[assignment]  # said where one is made

NEWTON_SCHULZ = (3.4445, -4.7750, 2.0315)
"""Coefficients of the iteration that makes a matrix nearly orthogonal; torch's own."""

MUON_EPS = 1e-7


class Muon(GroupOptimizer):
    """Muon (Jordan et al., 2024) for weights of two or more dimensions, AdamW for biases, batch norm and scales.

    A convolution's weight (out, in, h, w) moves as the matrix (out, in * h * w) that it multiplies patches with.
    `torch.optim.Muon` takes matrices only, and leaves the rest to a second optimizer. Steps are as long as AdamW's
    (Liu et al., arXiv:2502.16982, equation 4), so one rate serves both, and it is one that suits AdamW.
    """

    def __init__(
        self,
        params: Iterable[Any],
        lr: float = 1e-3,
        weight_decay: float = 0.1,
        momentum: float = 0.95,
        nesterov: bool = True,
        ns_steps: int = 5,
        betas: tuple[float, float] = (0.9, 0.999),
        eps: float = 1e-8,
    ) -> None:
        """Say how parameters move.

        Args:
            params: Parameters or parameter groups.
            lr: The learning rate.
            weight_decay: Share of a parameter, times the rate, that it loses at each step.
            momentum: Decay of the weights' running mean of gradients, 0..1.
            nesterov: Whether a step looks ahead along that mean.
            ns_steps: Newton-Schulz iterations that make a step nearly orthogonal.
            betas: AdamW's decays of the running means of gradients and of their squares, 0..1.
            eps: AdamW's addition to the root of the latter.

        Raises:
            ValueError: A number is out of range.
            InputError: torch is too old.
        """
        if muon is None:
            raise InputError(
                f"Muon needs torch 2.15 or later, and this is {torch.__version__}: say AdamW, or update it"
            )
        numbers = {"lr": lr, "weight_decay": weight_decay, "momentum": momentum, "ns_steps": ns_steps, "eps": eps}
        for name, value in numbers.items():
            if not value >= 0:
                raise ValueError(f"{name} must be at least 0, got {value}")
        if not all(0 <= beta < 1 for beta in (*betas, momentum)):
            raise ValueError(f"momentum and betas must be at least 0 and less than 1, got {momentum} and {betas}")
        super().__init__(params, numbers | {"nesterov": nesterov, "betas": betas})

    def move(self, parameters: list[Tensor], group: dict[str, Any]) -> None:
        """Move matrices and more by Muon, the rest by AdamW."""
        self._move_weights([one for one in parameters if one.ndim > 1], group)
        self._move_rest([one for one in parameters if one.ndim <= 1], group)

    def _move_weights(self, weights: list[Tensor], group: dict[str, Any]) -> None:
        copies = [weight.clone(memory_format=torch.contiguous_format) for weight in weights]  # not channels-last
        matrices = [weight.flatten(1) for weight in copies]  # (out, in * h * w)
        gradients = [_gradient(weight).flatten(1) for weight in weights]
        for weight, matrix in zip(weights, matrices, strict=True):
            if not self.state[weight]:
                self.state[weight]["momentum_buffer"] = torch.zeros_like(matrix)
        muon(
            matrices,
            gradients,
            [self.state[weight]["momentum_buffer"] for weight in weights],
            **{name: group[name] for name in ("lr", "weight_decay", "momentum", "nesterov", "ns_steps")},
            ns_coefficients=NEWTON_SCHULZ,
            eps=MUON_EPS,
            adjust_lr_fn="match_rms_adamw",
            has_complex=False,
        )
        for weight, matrix in zip(weights, matrices, strict=True):
            weight.copy_(matrix.view_as(weight))

    def _move_rest(self, parameters: list[Tensor], group: dict[str, Any]) -> None:
        if not parameters:
            return
        for parameter in parameters:
            if not self.state[parameter]:
                self.state[parameter]["step"] = torch.tensor(0.0)  # on the CPU, which reads it at each step
                self.state[parameter]["exp_avg"] = torch.zeros_like(parameter)
                self.state[parameter]["exp_avg_sq"] = torch.zeros_like(parameter)
        states = [self.state[parameter] for parameter in parameters]
        beta1, beta2 = group["betas"]
        adamw(
            parameters,
            [_gradient(parameter) for parameter in parameters],
            [state["exp_avg"] for state in states],
            [state["exp_avg_sq"] for state in states],
            [],
            [state["step"] for state in states],
            amsgrad=False,
            beta1=beta1,
            beta2=beta2,
            **{name: group[name] for name in ("lr", "weight_decay", "eps")},
            maximize=False,
        )


def _gradient(parameter: Tensor) -> Tensor:
    assert parameter.grad is not None
    return parameter.grad
