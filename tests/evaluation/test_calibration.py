"""The calibration error and the temperature against what Guo et al. write, written out."""

import numpy as np
import pytest
import torch
from scipy.optimize import minimize_scalar  # type: ignore[import-untyped]  # its stubs are a package of their own
from torch.nn import functional as F

from inception_lightning.errors import InputError
from inception_lightning.evaluation.calibration import fit_temperature, reliability
from inception_lightning.training.validation_scores import BINS


def test_the_calibration_error_is_that_of_the_paper() -> None:
    draw = np.random.default_rng(0)
    confidence = np.append(draw.random(500), [0.0, 1.0, 1 / 15, 0.6])  # 1/15 and 9/15 are edges
    right = draw.random(504) < confidence
    expected = 0.0
    for number in range(1, BINS + 1):  # equations 3 and 5
        inside = [i for i, one in enumerate(confidence) if (number - 1) / BINS < one <= number / BINS]
        inside += [i for i, one in enumerate(confidence) if one == 0 and number == 1]
        if inside:
            gap = sum(right[i] for i in inside) / len(inside) - sum(confidence[i] for i in inside) / len(inside)
            expected += len(inside) / len(confidence) * abs(gap)
    found = reliability(confidence, right)
    assert found.error == pytest.approx(expected, abs=1e-12)
    assert found.counts.sum() == 504


@pytest.mark.parametrize("several", [False, True])
@pytest.mark.parametrize("true", [0.3, 1.0, 4.0])
def test_the_temperature_is_the_one_of_least_loss(several: bool, true: float) -> None:
    torch.manual_seed(0)
    calm = torch.randn(2000, 7)
    probabilities = calm.sigmoid() if several else calm.softmax(dim=1)
    targets = torch.bernoulli(probabilities) if several else torch.multinomial(probabilities, 1)[:, 0]
    logits = calm * true

    def loss(logarithm: float) -> float:
        scaled = logits.double() / np.exp(logarithm)
        if several:
            return float(F.binary_cross_entropy_with_logits(scaled, targets.double()))
        return float(F.cross_entropy(scaled, targets))

    found = fit_temperature(logits, targets)
    least = minimize_scalar(loss, bounds=(-3, 3), method="bounded", options={"xatol": 1e-9})
    assert found == pytest.approx(float(np.exp(least.x)), rel=1e-5)
    assert found == pytest.approx(true, rel=0.1)


def test_a_network_without_a_mistake_has_a_temperature_too() -> None:
    found = fit_temperature(10 * torch.eye(4), torch.arange(4))
    assert 0 < found < 1
    assert 1 < fit_temperature(-10 * torch.eye(4), torch.arange(4)) < float("inf")


def test_no_images_and_no_numbers_are_refused() -> None:
    with pytest.raises(InputError, match="needs images"):
        fit_temperature(torch.zeros(0, 3), torch.zeros(0, dtype=torch.long))
    with pytest.raises(InputError, match="finite"):
        fit_temperature(torch.full((1, 3), torch.nan), torch.zeros(1, dtype=torch.long))
