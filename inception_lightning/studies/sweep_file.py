"""W&B sweep files: the values of the parameters that each run of the sweep gets.

Grid and random search are done here, without W&B's server, in its terms and with its defaults.
"""

import itertools
import math
import random
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from inception_lightning.errors import InputError
from inception_lightning.pages import read_page

INTERPRETER = "${interpreter}"
COMMAND = (INTERPRETER, "-m", "inception_lightning", "fit", "${args}")  # where the file has none


@dataclass(frozen=True)
class Sweep:
    """What a sweep file says.

    Attributes:
        name: The sweep's name; by default its file's.
        command: The words of a run's command, with ``${args}`` where the run's arguments go.
        choices: The values of the parameters, by name, of each run in order.
    """

    name: str
    command: tuple[str, ...]
    choices: tuple[dict[str, Any], ...]


def read(file: Path, cap: int | None = None) -> Sweep:
    """Read a W&B sweep file.

    Args:
        file: The sweep file.
        cap: At most so many runs; by default the file's ``run_cap``.

    Raises:
        InputError: There is no such file, or it asks for what only W&B's server can do.
    """
    content = read_page(file)
    if not isinstance(content.get("parameters"), dict):
        raise InputError(f"{file} has no parameters: say what varies, as in experiments/residual_scale/sweep.yaml")
    cap = content.get("run_cap") if cap is None else cap
    parameters = content["parameters"]
    if any(str(name).startswith("trust") for name in parameters):
        raise InputError(f"{file} would trust a package itself: that is for the command line, lightning sweep --trust")
    match content.get("method"):
        case "grid":
            choices = grid(parameters)
        case "random" if cap is not None:
            choices = random_search(parameters, random.Random(0))  # started again, the sweep draws the same runs
        case "random":
            raise InputError(f"{file} is a random sweep without an end: say --runs N, or run_cap in the file")
        case method:
            raise InputError(
                f"{file} has the method {method!r}: grid and random need no server and run here, "
                "others run with wandb sweep"
            )
    command = tuple(str(word) for word in content.get("command", COMMAND))
    return Sweep(str(content.get("name", file.stem)), command, tuple(itertools.islice(choices, cap)))


def grid(parameters: dict[str, Any]) -> Iterator[dict[str, Any]]:
    """Every combination of the values, the last parameter changing fastest.

    Raises:
        InputError: A parameter has neither value nor values.
    """
    columns = []
    for name, parameter in parameters.items():
        if not isinstance(parameter, dict) or not {"value", "values"} & set(parameter):
            raise InputError(f"parameters.{name} needs value or values in a grid, got {parameter}")
        columns.append(parameter["values"] if "values" in parameter else [parameter["value"]])
    for row in itertools.product(*columns):
        yield dict(zip(parameters, row, strict=True))


def random_search(parameters: dict[str, Any], generator: random.Random) -> Iterator[dict[str, Any]]:
    """Combinations of values drawn independently, without end."""
    while True:
        yield {name: draw(name, parameter, generator) for name, parameter in parameters.items()}


def draw(name: str, parameter: Any, generator: random.Random) -> Any:
    """Draw a value of one parameter.

    Args:
        name: The parameter's name, for the error.
        parameter: What the sweep file says of it: ``value``, ``values`` and so on.
        generator: Source of the random numbers.

    Raises:
        InputError: A distribution that is not known here.
    """
    match parameter:
        case {"value": value}:
            return value
        case {"values": list() as values, "probabilities": list() as weights}:
            return generator.choices(values, weights)[0]
        case {"values": list() as values}:
            return generator.choice(values)
        case {"distribution": "log_uniform_values", "min": float() | int() as low, "max": float() | int() as high}:
            return math.exp(generator.uniform(math.log(low), math.log(high)))
        case {"distribution": "uniform", "min": float() | int() as low, "max": float() | int() as high}:
            return generator.uniform(low, high)
        case {"min": int() as low, "max": int() as high}:
            return generator.randint(low, high)
        case {"min": float() | int() as low, "max": float() | int() as high} if "distribution" not in parameter:
            return generator.uniform(low, high)
    raise InputError(
        f"parameters.{name}: {parameter} is none of value, values, min and max, "
        "or min and max with the distribution uniform or log_uniform_values"
    )
