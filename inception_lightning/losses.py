"""The objective: label-smoothed cross-entropy of the classifier and of its auxiliary heads."""

from collections.abc import Mapping

from torch import Tensor
from torch.nn import functional as F


def classification_losses(
    logits: Tensor,
    aux_logits: Mapping[str, Tensor],
    labels: Tensor,
    *,
    aux_weights: Mapping[str, float],
    label_smoothing: float,
) -> dict[str, Tensor]:
    """The loss to minimise and its parts.

    Label smoothing is Rethinking, section 7: the target is 1 - eps on the label and eps / K on each
    of the K classes. Auxiliary losses are Going deeper with convolutions, section 5.

    Args:
        logits: (N, K).
        aux_logits: Stage name -> its head's logits (N, K).
        labels: Class indices (N,).
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
