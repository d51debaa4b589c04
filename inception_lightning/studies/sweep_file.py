"""W&B sweep files: the values of the parameters that each run of the sweep gets.

Grid and random search are done here, without W&B's server, in its terms and with its defaults. What else a file asks
for is refused, or said to have no effect.
"""

import itertools
import logging
import math
import re
import reprlib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from random import Random
from typing import Any

from inception_lightning.errors import InputError, visible
from inception_lightning.pages import read_page
from inception_lightning.studies.sweep_parameters import Parameter, check_word, read_parameters

log = logging.getLogger(__name__)

INTERPRETER, PROGRAM, ARGUMENTS = "${interpreter}", "${program}", "${args}"
COMMAND = (INTERPRETER, "-m", "inception_lightning", "fit", ARGUMENTS)  # where the file has neither command nor program
PROGRAM_COMMAND = ("${env}", INTERPRETER, PROGRAM, ARGUMENTS)  # W&B's own default

USED = ("name", "method", "parameters", "command", "program", "run_cap")
SHOWN = ("description", "metric", "apiVersion", "kind")  # W&B only shows them where the method is grid or random
PLACES = ("entity", "project", "controller")
SERVERS = ("early_terminate", "metrics", "scheduler", "job", "image_uri")

MOST_RUNS = 10_000
OTHER_MACRO = re.compile(r"\$\{(args_\w+|envvar:\w*)\}")


@dataclass(frozen=True)
class Sweep:
    """What a sweep file says.

    Attributes:
        name: The sweep's name; by default its file's.
        command: The words of a run's command, with ``${args}`` where the run's arguments go.
        choices: The values of the parameters, by dotted name, of each run in order.
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
        InputError: There is no such file, or it asks for what is not done here, or for what makes no sense.
    """
    content = read_page(file)
    try:
        return _sweep(content, file, cap)
    except InputError as error:
        raise InputError(f"{file}: {error}") from None


def _sweep(content: dict[str, Any], file: Path, cap: int | None) -> Sweep:
    if not isinstance(content.get("parameters"), dict) or not content["parameters"]:
        raise InputError("it has no parameters: say what varies, as in experiments/residual_scale/sweep.yaml")
    _check_keys(content, file)
    parameters = read_parameters(content["parameters"])
    if any(name.startswith("trust") for name in parameters):
        raise InputError("it would trust a package itself: that is for the command line, lightning sweep --trust")
    name = content.get("name", file.stem)
    if not isinstance(name, str | int | float):
        raise InputError(f"name must be text, got {reprlib.repr(name)}")
    cap = _count("run_cap", content.get("run_cap")) if cap is None else _count("--runs", cap)
    return Sweep(str(name), _command(content), tuple(_choices(content.get("method"), parameters, cap)))


def _check_keys(content: dict[str, Any], file: Path) -> None:
    for key in content:
        if key in SERVERS:
            raise InputError(f"{key} is only done by W&B's server: leave it out, or run the file with wandb sweep")
        if key not in USED + SHOWN + PLACES:
            raise InputError(f"{key} is no key of a sweep file: those are {', '.join(USED + SHOWN + PLACES)}")
    if isinstance(content.get("metric"), dict) and "target" in content["metric"]:
        raise InputError("metric.target is only done by W&B's server: leave it out, or run the file with wandb sweep")
    idle = [key for key in PLACES if key in content]
    if idle:
        log.warning("%s: without W&B's server %s has no effect", visible(str(file)), " and ".join(idle))


def _count(key: str, value: Any) -> int | None:
    if value is not None and (not isinstance(value, int) or isinstance(value, bool) or value < 1):
        raise InputError(f"{key} must be a whole number of at least 1, got {reprlib.repr(value)}")
    return value


def _command(content: dict[str, Any]) -> tuple[str, ...]:
    program = content.get("program")
    words = content.get("command", COMMAND if program is None else PROGRAM_COMMAND)
    if not isinstance(words, list | tuple) or not all(isinstance(word, str | int | float) for word in words):
        raise InputError(f"command must be a list of words, got {reprlib.repr(words)}")
    if PROGRAM in words and not isinstance(program, str):
        raise InputError(f"program must be a file's name, got {reprlib.repr(program)}")
    for word in map(str, words):
        macro = OTHER_MACRO.search(word)
        if macro:
            known = ", ".join(("${env}", INTERPRETER, PROGRAM, ARGUMENTS))
            raise InputError(f"command: {macro[0]} is not done here: the macros are {known}")
    command = tuple(str(program if word == PROGRAM else word) for word in words)
    for word in command:
        check_word("command", word)
    return command


def _choices(method: Any, parameters: dict[str, Parameter], cap: int | None) -> Iterator[dict[str, Any]]:
    match method:
        case "grid":
            count, rows = _grid(parameters)
        case "random":
            if cap is None:
                raise InputError("a random sweep without an end: say --runs N, or run_cap in the file")
            count, rows = cap, _random(parameters, Random(0))  # started again, the sweep draws the same runs
        case _:
            raise InputError(
                f"the method {method!r}: grid and random need no server and run here, others run with wandb sweep"
            )
    count = count if cap is None else min(cap, count)
    if count > MOST_RUNS:
        raise InputError(f"{count:,} runs are more than {MOST_RUNS:,}: say --runs N, or run_cap in the file")
    return itertools.islice(rows, count)


def _grid(parameters: dict[str, Parameter]) -> tuple[int, Iterator[dict[str, Any]]]:
    """The number of combinations of the values, and the combinations, the last parameter changing fastest."""
    columns = []
    for name, parameter in parameters.items():
        if parameter.values is None:
            raise InputError(f"parameters.{name} needs value or values in a grid")
        if parameter.weighted:
            raise InputError(f"parameters.{name}.probabilities: a grid has none, that is for the method random")
        columns.append(parameter.values)
    rows = (dict(zip(parameters, row, strict=True)) for row in itertools.product(*columns))
    return math.prod(map(len, columns)), rows


def _random(parameters: dict[str, Parameter], generator: Random) -> Iterator[dict[str, Any]]:
    """Combinations of values drawn independently, without end."""
    while True:
        yield {name: parameter.draw(generator) for name, parameter in parameters.items()}
