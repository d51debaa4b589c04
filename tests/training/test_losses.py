from typing import Any

import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from inception_lightning.training.losses import classification_losses

LABELS = torch.tensor([0, 3, 2, 3])


def smoothed(epsilon: float) -> nn.Module:
    return nn.CrossEntropyLoss(label_smoothing=epsilon)


def logits(seed: int) -> Tensor:
    return torch.randn(4, 5, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)  # (N, K)


def paper(logits: Tensor, labels: Tensor, epsilon: float) -> float:
    """Rethinking, section 7, written out: q'(k) = (1 - eps) [k = y] + eps / K, and H(q', p)."""
    total = 0.0
    for row, label in zip(logits, labels, strict=True):
        p = row.exp() / row.exp().sum()
        for k in range(len(row)):
            q = (1 - epsilon) * (k == int(label)) + epsilon / len(row)
            total -= q * float(p[k].log())
    return total / len(labels)


@pytest.mark.parametrize("epsilon", [0.0, 0.1, 1.0])
def test_label_smoothing_is_the_papers(epsilon: float) -> None:
    losses = classification_losses(
        logits(0), {}, LABELS, aux_weights={}, loss=nn.CrossEntropyLoss(label_smoothing=epsilon)
    )
    assert losses.keys() == {"loss", "loss_main"}
    assert losses["loss"].item() == pytest.approx(paper(logits(0), LABELS, epsilon), rel=1e-12)
    assert losses["loss_main"].item() == losses["loss"].item()


def test_the_loss_is_the_weighted_sum_and_its_parts_are_unweighted() -> None:
    heads = {"inception_4a": logits(1), "inception_4d": logits(2)}
    weights = {"inception_4a": 0.3, "inception_4d": 2.0}
    losses = classification_losses(
        logits(0), heads, LABELS, aux_weights=weights, loss=nn.CrossEntropyLoss(label_smoothing=0.1)
    )
    main, first, second = (paper(logits(seed), LABELS, 0.1) for seed in range(3))
    assert list(losses) == ["loss", "loss_main", "loss_inception_4a", "loss_inception_4d"]
    assert [loss.item() for loss in losses.values()] == pytest.approx(
        [main + 0.3 * first + 2 * second, main, first, second]
    )


def test_gradients_are_weighted_too() -> None:
    main, head = logits(0).requires_grad_(), logits(1).requires_grad_()
    losses = classification_losses(main, {"b": head}, LABELS, aux_weights={"b": 0.25}, loss=nn.CrossEntropyLoss())
    losses["loss"].backward()
    alone = logits(1).requires_grad_()
    F.cross_entropy(alone, LABELS).backward()
    assert head.grad is not None
    assert alone.grad is not None
    torch.testing.assert_close(head.grad, 0.25 * alone.grad)


def test_soft_targets_are_weighted_by_their_shares() -> None:
    shares = 0.25 * F.one_hot(LABELS, 5).double() + 0.75 * F.one_hot(LABELS.roll(1), 5)
    options: dict[str, Any] = {"aux_weights": {"b": 0.4}, "loss": smoothed(0.1)}
    soft = classification_losses(logits(0), {"b": logits(1)}, shares, **options)
    one = classification_losses(logits(0), {"b": logits(1)}, LABELS, **options)
    other = classification_losses(logits(0), {"b": logits(1)}, LABELS.roll(1), **options)
    for name in ("loss", "loss_main", "loss_b"):
        assert soft[name].item() == pytest.approx(0.25 * one[name].item() + 0.75 * other[name].item())
