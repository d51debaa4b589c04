"""The distributions of W&B's sweep files, as W&B's documentation and schema define them.

https://docs.wandb.ai/models/sweeps/sweep-config-keys lists all but ``beta`` and ``q_beta``, which only its schema has.
"""

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from random import Random
from types import MappingProxyType
from typing import Any

from inception_lightning.errors import InputError

LARGEST = 1e300  # of a number in a sweep file; sums and differences of such numbers are still finite


@dataclass(frozen=True)
class Distribution:
    """A distribution of numbers.

    Attributes:
        sample: Draws a number; called with the generator and the distribution's numbers, in order.
        numbers: The names of its numbers, with their values where the file does not say them; None: it has to.
    """

    sample: Callable[..., float]
    numbers: Mapping[str, float | None]


RANGE = MappingProxyType({"min": None, "max": None})
NORMAL = MappingProxyType({"mu": 0.0, "sigma": 1.0})
BETA = MappingProxyType({"a": 1.0, "b": 1.0})


def _exp_uniform(generator: Random, low: float, high: float) -> float:
    return math.exp(generator.uniform(low, high))


def _inverse_exp_uniform(generator: Random, low: float, high: float) -> float:
    return math.exp(-generator.uniform(low, high))


def _log_uniform(generator: Random, low: float, high: float) -> float:
    return math.exp(generator.uniform(math.log(low), math.log(high)))


def _inverse_log_uniform(generator: Random, low: float, high: float) -> float:
    return math.exp(-generator.uniform(-math.log(high), -math.log(low)))


def _quantised(sample: Callable[..., float]) -> Callable[..., float]:
    def rounded(generator: Random, *numbers: float) -> float:
        *others, q = numbers
        return round(sample(generator, *others) / q) * q

    return rounded


_PLAIN = {
    "uniform": Distribution(Random.uniform, RANGE),
    "log_uniform": Distribution(_exp_uniform, RANGE),  # the bounds are natural logarithms
    "log_uniform_values": Distribution(_log_uniform, RANGE),
    "normal": Distribution(Random.normalvariate, NORMAL),
    "log_normal": Distribution(Random.lognormvariate, NORMAL),
    "beta": Distribution(Random.betavariate, BETA),
}
DISTRIBUTIONS = {
    "int_uniform": Distribution(Random.randint, RANGE),
    **_PLAIN,
    "inv_log_uniform": Distribution(_inverse_exp_uniform, RANGE),  # log(1 / x) is uniform between the bounds
    "inv_log_uniform_values": Distribution(_inverse_log_uniform, RANGE),
    **{f"q_{name}": Distribution(_quantised(one.sample), {**one.numbers, "q": 1}) for name, one in _PLAIN.items()},
}


def sampler(key: str, name: str, said: Mapping[str, Any]) -> Callable[[Random], float]:
    """A function that draws numbers of a distribution.

    Args:
        key: Where in the sweep file it stands, for the errors.
        name: One of `DISTRIBUTIONS`.
        said: The distribution's numbers, by name.

    Raises:
        InputError: One of them is missing, superfluous, no number or out of range.
    """
    distribution = DISTRIBUTIONS[name]
    odd = sorted(str(one) for one in said if one not in distribution.numbers)
    if odd:
        raise InputError(f"{key}: {name} takes {' and '.join(distribution.numbers)}, and no {odd[0]}")
    numbers = {one: said.get(one, default) for one, default in distribution.numbers.items()}
    for one, value in numbers.items():
        _check(f"{key}.{one}", name, one, value)
    if "min" in numbers and numbers["min"] > numbers["max"]:
        raise InputError(f"{key}: min {numbers['min']} is above max {numbers['max']}")

    def draw(generator: Random) -> float:
        try:
            return distribution.sample(generator, *numbers.values())
        except (ArithmeticError, ValueError):
            raise InputError(f"{key}: {name} draws numbers that are too large, from {numbers}") from None

    return draw


def _check(key: str, distribution: str, name: str, value: Any) -> None:
    kind = int if distribution == "int_uniform" else int | float
    if value is None:
        raise InputError(f"{key} is missing, which {distribution} needs")
    if not isinstance(value, kind) or isinstance(value, bool) or not abs(value) <= LARGEST:
        wanted = "a whole number" if distribution == "int_uniform" else "a finite number"
        raise InputError(f"{key} must be {wanted}, got {value!r}")
    if (name in ("q", "a", "b") or distribution.endswith("_values")) and value <= 0:
        raise InputError(f"{key} must be above 0 in {distribution}, got {value}")
    if name == "sigma" and value < 0:
        raise InputError(f"{key} must be at least 0, got {value}")
