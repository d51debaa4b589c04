"""W&B sweep files, and the runs that they ask for.

Each run is the command that ``wandb agent`` would make of the file, and a folder: what it is called
follows from its arguments and pages, so a finished run is known and not run again.
"""

import fcntl
import hashlib
import itertools
import json
import math
import os
import random
import re
import shlex
import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from inception_lightning.errors import InputError
from inception_lightning.pages import read_page

INTERPRETER = "${interpreter}"
COMMAND = (INTERPRETER, "-m", "inception_lightning", "fit", "${args}")
DONE = "done.json"
FINAL = (0, 65)  # done, and non-finite loss: a result too


@dataclass(frozen=True)
class Sweep:
    """What a sweep file says.

    Attributes:
        name: What the sweep is called; by default its file's name.
        command: The words of a run's command, with ``${args}`` where its arguments go.
        choices: The arguments of each run, in order.
    """

    name: str
    command: tuple[str, ...]
    choices: tuple[dict[str, Any], ...]


@dataclass(frozen=True)
class Run:
    """One run of a sweep: its arguments, its whole command and its folder."""

    choice: dict[str, Any]
    command: tuple[str, ...]
    folder: Path

    @property
    def done(self) -> bool:
        """Whether it is finished."""
        return (self.folder / DONE).is_file()

    def lock(self) -> int | None:
        """A lock on the folder that its process inherits; None while another process holds it."""
        self.folder.mkdir(parents=True, exist_ok=True)
        descriptor = os.open(self.folder / "lock", os.O_CREAT | os.O_RDWR)
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            os.close(descriptor)
            return None
        return descriptor

    def finish(self, exit_code: int, seconds: float) -> None:
        """Mark it as finished, if ``exit_code`` is that of a result."""
        if exit_code in FINAL:
            known = {"arguments": self.choice, "command": shlex.join(self.command)}
            text = json.dumps(known | {"exit_code": exit_code, "seconds": round(seconds, 1)}, indent=2)
            draft = self.folder / f"{DONE}.draft"
            draft.write_text(f"{text}\n")
            draft.rename(self.folder / DONE)


def read(file: Path, cap: int | None = None) -> Sweep:
    """The sweep in a W&B sweep file.

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
            choices = randomly(parameters, random.Random(0))  # the same runs again when it is started again
        case "random":
            raise InputError(f"{file} is a random sweep without an end: say --runs N, or run_cap in the file")
        case method:
            raise InputError(
                f"{file} has the method {method!r}: grid and random need no server, others need wandb sweep"
            )
    command = tuple(str(word) for word in content.get("command", COMMAND))
    return Sweep(str(content.get("name", file.stem)), command, tuple(itertools.islice(choices, cap)))


def grid(parameters: dict[str, Any]) -> Iterator[dict[str, Any]]:
    """Every combination, the last parameter turning fastest.

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


def randomly(parameters: dict[str, Any], generator: random.Random) -> Iterator[dict[str, Any]]:
    """Combinations drawn without end."""
    while True:
        yield {name: draw(name, parameter, generator) for name, parameter in parameters.items()}


def draw(name: str, parameter: Any, generator: random.Random) -> Any:
    """A value of one parameter, in W&B's terms.

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
    raise InputError(f"parameters.{name}: {parameter} is none of value, values, min and max, log_uniform_values")


def plan(sweep: Sweep, place: Path, flags: Sequence[str] = ()) -> list[Run]:
    """The runs of a sweep, each once, with their folders in ``place``; all are given ``flags`` as well."""
    runs = {}
    for choice in sweep.choices:
        arguments = [f"--{name}={value}" for name, value in choice.items()]  # as wandb agent writes them
        command = [part for word in sweep.command for part in (arguments if word == "${args}" else [word])]
        folder = place / f"{label(choice)}-{fingerprint(command)}"
        command = [sys.executable if word == INTERPRETER else word for word in command if word != "${env}"]
        runs[folder] = Run(choice, (*command, *flags, f"--trainer.default_root_dir={folder}"), folder)
    return list(runs.values())


def label(choice: dict[str, Any]) -> str:
    """A choice in a few words that can name a folder: ``width=0.25,seed_everything=0``."""
    words = ",".join(f"{name.rpartition('.')[2]}={value}" for name, value in choice.items())
    return re.sub(r"[^\w.,=+-]+", "_", words)[:120]


def fingerprint(command: list[str]) -> str:
    """Eight letters that change with the command and with the pages that it names."""
    pages = [
        word.partition("=")[2] or following
        for word, following in itertools.pairwise([*command, ""])
        if word.partition("=")[0] in ("-c", "--config")
    ]
    content = [Path(page).read_text() for page in pages if Path(page).is_file()]
    return hashlib.sha256(json.dumps([command, content]).encode()).hexdigest()[:8]
