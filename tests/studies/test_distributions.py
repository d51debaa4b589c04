"""Draws against the distribution functions of scipy, which W&B's server samples by."""

import math
from random import Random
from typing import Any

import numpy as np
import pytest
from scipy import stats  # type: ignore[import-untyped]

from inception_lightning.studies.distributions import DISTRIBUTIONS, sampler

DRAWS = 4000
LOG = stats.loguniform(0.001, 0.1)
EXPECTED: dict[str, tuple[dict[str, Any], Any]] = {
    "int_uniform": ({"min": 3, "max": 7}, stats.randint(3, 8)),
    "uniform": ({"min": -1, "max": 3.0}, stats.uniform(-1, 4)),
    "log_uniform": ({"min": math.log(0.001), "max": math.log(0.1)}, LOG),
    "log_uniform_values": ({"min": 0.001, "max": 0.1}, LOG),
    "inv_log_uniform": ({"min": -math.log(0.1), "max": -math.log(0.001)}, LOG),
    "inv_log_uniform_values": ({"min": 0.001, "max": 0.1}, LOG),
    "normal": ({"mu": 2, "sigma": 0.5}, stats.norm(2, 0.5)),
    "log_normal": ({"mu": 2, "sigma": 0.5}, stats.lognorm(0.5, scale=math.exp(2))),
    "beta": ({"a": 2, "b": 5}, stats.beta(2, 5)),
}
QUANTISED = {f"q_{name}": case for name, case in EXPECTED.items() if f"q_{name}" in DISTRIBUTIONS}


def drawn(name: str, said: dict[str, Any]) -> list[float]:
    draw, generator = sampler("a", name, said), Random(0)
    return [draw(generator) for _ in range(DRAWS)]


def test_all_distributions_are_tested() -> None:
    assert EXPECTED.keys() | QUANTISED.keys() == DISTRIBUTIONS.keys()


@pytest.mark.parametrize("name", EXPECTED)
def test_draws_follow_the_distribution(name: str) -> None:
    said, expected = EXPECTED[name]
    values = drawn(name, said)
    if name == "int_uniform":
        assert sorted(set(values)) == [3, 4, 5, 6, 7]
        assert stats.chisquare(np.bincount(np.asarray(values, int))[3:]).pvalue > 0.001
    else:
        assert stats.kstest(values, expected.cdf).pvalue > 0.001


@pytest.mark.parametrize("name", QUANTISED)
def test_quantised_draws_are_multiples_of_q_nearest_to_plain_ones(name: str) -> None:
    said, _ = QUANTISED[name]
    plain = drawn(name.removeprefix("q_"), said)
    assert drawn(name, said | {"q": 0.01}) == [round(value / 0.01) * 0.01 for value in plain]
    whole = drawn(name, said)  # q is 1 by default, and a whole number gives whole numbers
    assert whole == [round(value) for value in plain]
    assert all(isinstance(value, int) for value in whole)


def test_defaults_are_those_of_wandb() -> None:
    assert stats.kstest(drawn("normal", {}), "norm").pvalue > 0.001
    assert stats.kstest(drawn("beta", {}), "uniform").pvalue > 0.001
