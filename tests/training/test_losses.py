import math
from typing import Any

import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional as F
from torchvision.ops import sigmoid_focal_loss

from inception_lightning.errors import InputError
from inception_lightning.training.losses import (
    BinaryCrossEntropy,
    BinaryFocalLoss,
    FocalLoss,
    classification_losses,
    shares,
    weighted,
)

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


SHARES = 0.25 * F.one_hot(LABELS, 5).double() + 0.75 * F.one_hot(LABELS.roll(1), 5)


def focal(logits: Tensor, targets: Tensor, gamma: float) -> float:
    """Focal Loss, equation 4, written out for each class's share: - share (1 - p) ** gamma log p."""
    total = 0.0
    for row, parts in zip(logits, targets, strict=True):
        p = row.exp() / row.exp().sum()
        total -= sum(float(part * (1 - one) ** gamma * one.log()) for part, one in zip(parts, p, strict=True))
    return total / len(logits)


def binary(logits: Tensor, targets: Tensor) -> float:
    """ResNet strikes back, section 2: each class yes or no, summed over classes."""
    total = 0.0
    for row, parts in zip(logits, targets, strict=True):
        for logit, part in zip(row, parts, strict=True):
            p = 1 / (1 + (-logit).exp())
            total -= float(part * p.log() + (1 - part) * (1 - p).log())
    return total / len(logits)


def binary_focal(logits: Tensor, targets: Tensor, gamma: float) -> float:
    """Focal Loss, equation 4, of each class's own probability, summed over classes."""
    p, total = logits.sigmoid(), 0.0
    for one, part in zip(p.flatten().tolist(), targets.flatten().tolist(), strict=True):
        total -= part * (1 - one) ** gamma * math.log(one) + (1 - part) * one**gamma * math.log(1 - one)
    return total / len(logits)


@pytest.mark.parametrize("targets", [LABELS, SHARES], ids=["indices", "shares"])
def test_focal_and_binary_losses_are_the_papers(targets: Tensor) -> None:
    parts = F.one_hot(targets, 5).double() if targets.ndim == 1 else targets
    for gamma in (0.0, 1.0, 2.0, 0.5):
        assert FocalLoss(gamma)(logits(0), targets).item() == pytest.approx(focal(logits(0), parts, gamma), rel=1e-12)
        of_each = BinaryFocalLoss(gamma)(logits(0), targets).item()
        assert of_each == pytest.approx(binary_focal(logits(0), parts, gamma), rel=1e-12)
    assert BinaryCrossEntropy()(logits(0), targets).item() == pytest.approx(binary(logits(0), parts), rel=1e-12)


def test_binary_focal_loss_is_torchvisions_and_without_focus_binary_cross_entropy() -> None:
    labels = F.one_hot(LABELS, 5).double() + F.one_hot(LABELS.roll(1), 5)
    for gamma in (0.0, 2.0):
        theirs = sigmoid_focal_loss(logits(0), labels.clamp(max=1), alpha=-1, gamma=gamma).sum(dim=1).mean()
        torch.testing.assert_close(BinaryFocalLoss(gamma)(logits(0), labels.clamp(max=1)), theirs)
    for weight in (None, WEIGHT):
        torch.testing.assert_close(
            BinaryFocalLoss(0)(logits(0), SHARES, weight), BinaryCrossEntropy()(logits(0), SHARES, weight)
        )


FOCAL = [kind(gamma) for kind in (FocalLoss, BinaryFocalLoss) for gamma in (2.0, 0.5, 0.0)]


def test_focal_loss_without_focus_is_cross_entropy_and_with_it_less() -> None:
    torch.testing.assert_close(FocalLoss(0)(logits(0), LABELS), F.cross_entropy(logits(0), LABELS))
    torch.testing.assert_close(FocalLoss(0)(logits(0), SHARES), F.cross_entropy(logits(0), SHARES))
    values = [FocalLoss(gamma)(logits(0), LABELS).item() for gamma in (0, 1, 2, 5)]
    assert values == sorted(values, reverse=True)


@pytest.mark.parametrize("loss", [*FOCAL, BinaryCrossEntropy()])
@pytest.mark.parametrize("scale", [1.0, 1e4])
def test_losses_and_gradients_are_finite_where_the_network_is_sure(loss: nn.Module, scale: float) -> None:
    given = (scale * logits(0)).requires_grad_()
    value = loss(given, LABELS)
    value.backward()
    assert given.grad is not None
    assert value.isfinite()
    assert given.grad.isfinite().all()


@pytest.mark.parametrize("loss", [FocalLoss(2.0), BinaryFocalLoss(2.0), BinaryCrossEntropy()])
def test_low_precision_keeps_its_type(loss: nn.Module) -> None:
    assert loss(logits(0).bfloat16(), LABELS).dtype == torch.bfloat16
    assert loss(logits(0).bfloat16(), SHARES).dtype == torch.bfloat16


@pytest.mark.parametrize("gamma", [-0.5, float("nan")])
@pytest.mark.parametrize("kind", [FocalLoss, BinaryFocalLoss])
def test_a_negative_focus_is_refused(kind: type[FocalLoss | BinaryFocalLoss], gamma: float) -> None:
    with pytest.raises(InputError, match="gamma must be at least 0, got"):
        kind(gamma)


def test_shares_of_indices_are_one_hot_and_shares_stay() -> None:
    assert shares(torch.tensor([2, 0]), torch.zeros(2, 3)).tolist() == [[0, 0, 1], [1, 0, 0]]
    assert shares(SHARES, logits(0)) is SHARES


def test_every_head_has_the_loss_that_was_chosen() -> None:
    losses = classification_losses(
        logits(0), {"b": logits(1)}, SHARES, loss=BinaryCrossEntropy(), aux_weights={"b": 0.3}
    )
    main, head = binary(logits(0), SHARES), binary(logits(1), SHARES)
    assert [value.item() for value in losses.values()] == pytest.approx([main + 0.3 * head, main, head])


WEIGHT = torch.tensor([0.5, 1.0, 3.0, 0.25, 0.0], dtype=torch.float64)


class Own(nn.Module):
    """A loss that has a weight as torch's losses do."""

    weight: Tensor | None

    def __init__(self) -> None:
        super().__init__()
        self.register_buffer("weight", None)

    def forward(self, logits: Tensor, targets: Tensor) -> Tensor:
        each = -(F.log_softmax(logits, dim=1) * shares(targets, logits))  # (N, K)
        return (each if self.weight is None else each * self.weight).sum(dim=1).mean()


@pytest.mark.parametrize(
    "loss",
    [nn.CrossEntropyLoss(), smoothed(0.1), FocalLoss(), BinaryCrossEntropy(), BinaryFocalLoss(), Own()],
)
def test_a_weighted_loss_is_linear_in_the_shares_and_the_mean_of_its_parts(loss: nn.Module) -> None:
    by_class = weighted(loss, WEIGHT)
    mixed = 0.25 * by_class(logits(0), LABELS) + 0.75 * by_class(logits(0), LABELS.roll(1))
    assert by_class(logits(0), SHARES).item() == pytest.approx(mixed.item())
    parts = [by_class(logits(0)[half], LABELS[half]) for half in (slice(2), slice(2, 4))]  # two processes
    assert by_class(logits(0), LABELS).item() == pytest.approx(sum(part.item() for part in parts) / 2)
    assert weighted(loss, torch.ones(5).double())(logits(0), LABELS).item() == pytest.approx(
        loss(logits(0), LABELS).item()
    )
    assert loss(logits(0), LABELS).item() != pytest.approx(by_class(logits(0), LABELS).item())


def test_weights_are_torchs() -> None:
    for epsilon in (0.0, 0.1):
        theirs = F.cross_entropy(logits(0), LABELS, WEIGHT, reduction="none", label_smoothing=epsilon)  # (N,)
        assert weighted(smoothed(epsilon), WEIGHT)(logits(0), LABELS).item() == pytest.approx(theirs.mean().item())
    assert weighted(Own(), WEIGHT)(logits(0), LABELS).item() == pytest.approx(
        weighted(nn.CrossEntropyLoss(), WEIGHT)(logits(0), LABELS).item()
    )
    one = F.one_hot(LABELS, 5).double()
    positives = F.binary_cross_entropy_with_logits(logits(0), one, pos_weight=WEIGHT, reduction="none")
    found = weighted(BinaryCrossEntropy(), WEIGHT)(logits(0), LABELS).item()
    assert found == pytest.approx(positives.sum(dim=1).mean().item())


def test_weights_reach_the_heads() -> None:
    losses = classification_losses(
        logits(0), {"b": logits(1)}, LABELS, loss=weighted(smoothed(0.0), WEIGHT), aux_weights={"b": 0.5}
    )
    expected = F.cross_entropy(logits(1), LABELS, WEIGHT, reduction="none").mean()
    assert losses["loss_b"].item() == pytest.approx(expected.item())


@pytest.mark.parametrize(
    ("loss", "reason"),
    [
        (lambda logits, targets: logits.sum(), "takes no weights of classes: give its function an argument weight"),
        (nn.CrossEntropyLoss(weight=WEIGHT), "CrossEntropyLoss has its own weight"),
        (nn.Linear(5, 5), "Linear has a layer's weight"),
    ],
)
def test_a_loss_that_takes_no_weights_is_refused(loss: Any, reason: str) -> None:
    with pytest.raises(InputError, match=reason):
        weighted(loss, WEIGHT)
