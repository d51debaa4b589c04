"""The objective: a loss of the classifier and of its auxiliary heads, cross-entropy unless another is chosen."""

import inspect
from collections.abc import Callable, Mapping
from functools import partial
from typing import TypeAlias

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from inception_lightning.configurable import Configurable
from inception_lightning.errors import InputError

Loss: TypeAlias = Callable[[Tensor, Tensor], Tensor]
"""Logits (N, K), and class indices (N,) or each class's share (N, K) -> the mean loss of the batch, a scalar."""


class FocalLoss(Configurable, nn.Module):
    """Cross-entropy that counts what is already right less: Lin et al., arXiv:1708.02002, equation 4.

    ``(1 - p) ** gamma`` weighs each target's ``-log p``; targets may be shares, as MixUp and label smoothing make them.
    Of images with several labels the classifier makes it a `BinaryFocalLoss`.
    """

    def __init__(self, gamma: float = 2.0) -> None:
        """Say how much less.

        Args:
            gamma: The exponent, at least 0; 0 is cross-entropy, the paper's best is 2.

        Raises:
            InputError: It is negative.
        """
        super().__init__()
        if not gamma >= 0:
            raise InputError(f"gamma must be at least 0, got {gamma}")
        self.gamma = gamma

    def forward(self, logits: Tensor, targets: Tensor, weight: Tensor | None = None) -> Tensor:
        """Logits (N, K) and class indices (N,) or shares (N, K) -> the mean over the batch, by ``weight`` (K,)."""
        logs = F.log_softmax(logits, dim=1)  # (N, K)
        # where nothing is left to 1, a power below 1 has no slope
        rest = (1 - logs.exp()).clamp(min=torch.finfo(logs.dtype).eps)
        weighted = rest**self.gamma * logs * (1 if weight is None else weight)
        return -(weighted * shares(targets, logits)).sum(dim=1).mean()


class BinaryCrossEntropy(Configurable, nn.Module):
    """Each class against all others, as Wightman et al., arXiv:2110.00476, train: the sum over classes, K terms."""

    def forward(self, logits: Tensor, targets: Tensor, weight: Tensor | None = None) -> Tensor:
        """Logits (N, K) and class indices (N,) or shares (N, K) -> the mean over the batch.

        ``weight`` (K,) says what a class counts where it is there, and not where it is absent.
        """
        each = F.binary_cross_entropy_with_logits(
            logits, shares(targets, logits), reduction="none", pos_weight=weight
        )  # (N, K)
        return each.sum(dim=1).mean()


class BinaryFocalLoss(Configurable, nn.Module):
    """Each class against all others, and counted less where it is right already: the paper's own case, equation 4.

    Lin et al., arXiv:1708.02002. The sum over classes, K terms, as `BinaryCrossEntropy`, which it is with gamma 0.
    """

    def __init__(self, gamma: float = 2.0) -> None:
        """Say how much less.

        Args:
            gamma: As `FocalLoss`'s.

        Raises:
            InputError: It is negative.
        """
        super().__init__()
        self.gamma = FocalLoss(gamma).gamma

    def forward(self, logits: Tensor, targets: Tensor, weight: Tensor | None = None) -> Tensor:
        """Logits (N, K) and class indices (N,) or shares (N, K) -> the mean over the batch.

        ``weight`` (K,) as `BinaryCrossEntropy`'s.
        """
        wanted, yes, no = shares(targets, logits), F.logsigmoid(logits), F.logsigmoid(-logits)  # (N, K)
        there = (self.gamma * no).exp() * yes * (1 if weight is None else weight)
        absent = (self.gamma * yes).exp() * no
        return -(wanted * there + (1 - wanted) * absent).sum(dim=1).mean()


def shares(targets: Tensor, logits: Tensor) -> Tensor:
    """Class indices (N,) as each class's share (N, K), in the type of the logits (N, K); shares stay as they are."""
    if targets.ndim == 2:
        return targets.to(logits.dtype)
    return one_hot(targets, logits.shape[1]).to(logits.dtype)


def one_hot(labels: Tensor, num_classes: int) -> Tensor:
    """Class indices (N,) as shares (N, K) of 1 and 0; torch's own would wait for them, to check their range."""
    return labels.new_zeros(len(labels), num_classes, dtype=torch.float32).scatter_(1, labels[:, None], 1.0)


def weighted(loss: Loss, weight: Tensor) -> Loss:
    """``loss`` with a weight for each class; the mean is that over all images, whatever they weigh.

    So the weighted loss of a mixed image is the mix of two weighted losses, and that of several processes their mean.
    torch's own mean divides by the weights of the batch instead.

    Args:
        loss: Cross-entropy, or a loss whose third argument is called ``weight``, or a module that has the attribute
            ``weight`` as torch's losses do.
        weight: (K,), at least 0.

    Raises:
        InputError: The loss takes no weight, or has one already.
    """
    held = getattr(loss, "weight", None)
    if held is not None:
        kind = "a layer's" if isinstance(held, nn.Parameter) else "its own"
        raise InputError(f"{_name(loss)} has {kind} weight: leave that out, or say --data.balance sampler or none")
    if isinstance(loss, nn.CrossEntropyLoss):
        return partial(_cross_entropy, weight=weight, label_smoothing=loss.label_smoothing)
    if "weight" in inspect.signature(loss.forward if isinstance(loss, nn.Module) else loss).parameters:
        return partial(loss, weight=weight)  # type: ignore[call-arg]  # it has one
    if isinstance(loss, nn.Module) and hasattr(loss, "weight"):
        return partial(_by_attribute, loss=loss, weight=weight)
    raise InputError(
        f"{_name(loss)} takes no weights of classes: give its function an argument weight (K,), "
        "or say --data.balance sampler or none"
    )


def _cross_entropy(logits: Tensor, targets: Tensor, *, weight: Tensor, label_smoothing: float) -> Tensor:
    """Of shares torch takes the mean over images; of class indices it would divide by the weights."""
    return F.cross_entropy(logits, shares(targets, logits), weight.to(logits.dtype), label_smoothing=label_smoothing)


def _by_attribute(logits: Tensor, targets: Tensor, *, loss: nn.Module, weight: Tensor) -> Tensor:
    loss.weight = weight  # evaluation goes without, as the losses above
    try:
        value: Tensor = loss(logits, targets)
    finally:
        loss.weight = None  # type: ignore[assignment]  # as torch's losses have it
    return value


def _name(loss: Loss) -> str:
    return getattr(loss, "__qualname__", type(loss).__name__)


def classification_losses(
    logits: Tensor, aux_logits: Mapping[str, Tensor], targets: Tensor, *, loss: Loss, aux_weights: Mapping[str, float]
) -> dict[str, Tensor]:
    """The loss to minimise and its parts; auxiliary losses are Going deeper with convolutions, section 5.

    Args:
        logits: (N, K).
        aux_logits: Stage name -> its head's logits (N, K).
        targets: Class indices (N,), or each class's share (N, K).
        loss: What is computed of the classifier's and of every head's logits.
        aux_weights: Stage name -> weight of its head's loss, at least 0.

    Returns:
        ``loss``, the weighted sum; ``loss_main``; and ``loss_<stage>`` of each head, unweighted.
    """
    main = loss(logits, targets)
    heads = {name: loss(head, targets) for name, head in aux_logits.items()}
    total = main
    for name, one in heads.items():
        total = total + aux_weights[name] * one
    return {"loss": total, "loss_main": main} | {f"loss_{name}": one for name, one in heads.items()}


def weights_by_stage(net: nn.Module, weight: float | Mapping[str, float] | None) -> dict[str, float]:
    """The weight of each head's loss: ``weight`` itself, its entry for the stage, or the network's own.

    Args:
        net: The network; one without ``aux_heads`` has none.
        weight: At least 0.

    Raises:
        InputError: It names a stage that has no head, or is negative.
    """
    heads, own = list(getattr(net, "aux_heads", ())), float(getattr(net, "aux_weight", 0.0))
    if not isinstance(weight, Mapping):
        weight = dict.fromkeys(heads, own if weight is None else weight)
    unknown = sorted(set(weight) - set(heads))
    if unknown:
        raise InputError(f"aux_weight names {unknown[0]!r}, and the heads are on {sorted(heads) or 'no stage'}")
    weights = {name: float(weight.get(name, own)) for name in heads}
    lowest = min(weights.values(), default=0.0)
    if not lowest >= 0:
        raise InputError(f"aux_weight must be at least 0, got {lowest}")
    return weights
