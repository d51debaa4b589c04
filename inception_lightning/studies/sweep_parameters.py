"""The parameters of W&B's sweep files: values that are listed, or distributions that they are drawn from."""

import math
import re
import reprlib
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from random import Random
from typing import Any

from inception_lightning.errors import InputError
from inception_lightning.studies.distributions import DISTRIBUTIONS, sampler

LISTED = {"constant": ("value",), "categorical": ("values", "probabilities")}
LISTED["categorical_w_probabilities"] = LISTED["categorical"]
MOST_LETTERS = 100_000  # of a word of a command; Linux takes 128 KiB
NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_.+-]*")


@dataclass(frozen=True)
class Parameter:
    """One parameter of a sweep.

    Attributes:
        values: Its values, where they are listed.
        draw: Draws a value.
        weighted: Whether the values have probabilities.
    """

    values: list[Any] | None
    draw: Callable[[Random], Any]
    weighted: bool = False


def read_parameters(content: Mapping[Any, Any]) -> dict[str, Parameter]:
    """The parameters of a sweep file by dotted name.

    Args:
        content: What the file has under ``parameters``. A parameter that has nothing but ``parameters`` is a group.

    Raises:
        InputError: A parameter makes no sense, or its distribution is not known.
    """
    parameters: dict[str, Parameter] = {}
    for name, said in _flat(content, ""):
        if name in parameters:
            raise InputError(f"parameters.{name} stands there twice")
        parameters[name] = _parameter(f"parameters.{name}", said)
    return parameters


def _flat(parameters: Mapping[Any, Any], prefix: str) -> Iterator[tuple[str, Any]]:
    """The parameters by dotted name; W&B nests them by a parameter that has ``parameters`` of its own."""
    for name, said in parameters.items():
        if not isinstance(name, str) or not NAME.fullmatch(name):
            raise InputError(f"parameters.{prefix}{name}: a name has letters, digits and _ . + - only")
        nested = said.get("parameters") if isinstance(said, dict) and len(said) == 1 else None
        if isinstance(nested, dict) and nested:
            yield from _flat(nested, f"{prefix}{name}.")
        else:
            yield f"{prefix}{name}", said


def _parameter(key: str, said: Any) -> Parameter:
    kind = _kind(key, said)
    numbers = {name: value for name, value in said.items() if name != "distribution"}
    if kind not in LISTED:
        return Parameter(None, sampler(key, kind, numbers))
    odd = [str(name) for name in numbers if name not in LISTED[kind]]
    if odd:
        raise InputError(f"{key}: {kind} takes {' and '.join(LISTED[kind])}, and no {odd[0]}")
    if kind == "constant":
        value = numbers.get("value")
        check_word(key, str(value))
        return Parameter([value], lambda _: value)
    values, weights = numbers.get("values"), numbers.get("probabilities")
    if not isinstance(values, list) or not values:
        raise InputError(f"{key}.values must be a list of at least one value, got {reprlib.repr(values)}")
    for value in values:
        check_word(f"{key}.values", str(value))
    if "probabilities" not in numbers:
        return Parameter(values, lambda generator: generator.choice(values))
    _check_weights(f"{key}.probabilities", weights, len(values))
    return Parameter(values, lambda generator: generator.choices(values, weights)[0], weighted=True)


def _kind(key: str, said: Any) -> str:
    """The name of a parameter's distribution; where it has none it follows from the rest, as W&B has it."""
    match said:
        case {"distribution": str() as kind}:
            if kind not in {**DISTRIBUTIONS, **LISTED}:
                raise InputError(f"{key}: {kind} is none of the distributions {', '.join((*LISTED, *DISTRIBUTIONS))}")
            return kind
        case {"distribution": kind}:
            raise InputError(f"{key}.distribution must be a name, got {reprlib.repr(kind)}")
        case {"value": _}:
            return "constant"
        case {"values": _}:
            return "categorical"
        case {"min": int(), "max": int()}:
            return "int_uniform"
        case {"min": _, "max": _}:
            return "uniform"
    raise InputError(f"{key} is none of value, values, min and max, or a distribution, got {reprlib.repr(said)}")


def _check_weights(key: str, weights: Any, count: int) -> None:
    if not isinstance(weights, list) or len(weights) != count:
        raise InputError(f"{key} must be a list of {count} numbers, as many as values, got {reprlib.repr(weights)}")
    if not all(isinstance(one, int | float) and not isinstance(one, bool) and 0 <= one <= 1 for one in weights):
        raise InputError(f"{key} must be numbers from 0 to 1, got {reprlib.repr(weights)}")
    if not math.isclose(sum(weights), 1, abs_tol=1e-6):
        raise InputError(f"{key} must sum to 1, not to {sum(weights)}")


def check_word(key: str, text: str) -> None:
    """See to it that a text can be a word of a command.

    Raises:
        InputError: It cannot.
    """
    try:
        if len(text.encode()) > MOST_LETTERS:
            raise InputError(f"{key}: a value of {len(text):,} letters is too long for a command")
    except UnicodeEncodeError:
        raise InputError(f"{key}: {text[:100]} is no text: half a UTF-16 pair stands for no letter") from None
    if "\0" in text:
        raise InputError(f"{key}: no command takes a null character, got {text[:100]}")
