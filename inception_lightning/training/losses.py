"""The objective: label-smoothed cross-entropy of the classifier and of its auxiliary heads."""

from collections.abc import Mapping

from torch import Tensor
from torch.nn import functional as F

from inception_lightning.errors import InputError
from inception_lightning.models.network import Inception


def classification_losses(
    logits: Tensor,
    aux_logits: Mapping[str, Tensor],
    labels: Tensor,
    *,
    aux_weights: Mapping[str, float],
    label_smoothing: float,
) -> dict[str, Tensor]:
    """The loss to minimise and its parts.

    Label smoothing is Rethinking, section 7: the target is 1 - eps of the label and eps / K on each
    of the K classes. Auxiliary losses are Going deeper with convolutions, section 5.

    Args:
        logits: (N, K).
        aux_logits: Stage name -> its head's logits (N, K).
        labels: Class indices (N,), or each class's share (N, K).
        aux_weights: Stage name -> weight of its head's loss, at least 0.
        label_smoothing: eps, 0..1.

    Returns:
        ``loss``, the weighted sum; ``loss_main``; and ``loss_<stage>`` of each head, unweighted.
    """
    main = F.cross_entropy(logits, labels, label_smoothing=label_smoothing)
    heads = {name: F.cross_entropy(head, labels, label_smoothing=label_smoothing) for name, head in aux_logits.items()}
    total = main
    for name, loss in heads.items():
        total = total + aux_weights[name] * loss
    return {"loss": total, "loss_main": main} | {f"loss_{name}": loss for name, loss in heads.items()}


def weights_by_stage(net: Inception, weight: float | Mapping[str, float] | None) -> dict[str, float]:
    """The weight of each head's loss: ``weight`` itself, its entry for the stage, or the network's own.

    Raises:
        InputError: It names a stage that has no head, or is negative.
    """
    if not isinstance(weight, Mapping):
        weight = dict.fromkeys(net.aux_heads, net.aux_weight if weight is None else weight)
    unknown = sorted(set(weight) - set(net.aux_heads))
    if unknown:
        raise InputError(f"aux_weight names {unknown[0]!r}, and the heads are on {sorted(net.aux_heads) or 'no stage'}")
    weights = {name: float(weight.get(name, net.aux_weight)) for name in net.aux_heads}
    lowest = min(weights.values(), default=0.0)
    if not lowest >= 0:
        raise InputError(f"aux_weight must be at least 0, got {lowest}")
    return weights
