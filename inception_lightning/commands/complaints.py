"""A parser's complaint in one sentence, with the nearest right name.

jsonargparse's exceptions have no fields that say what was wrong (4.53: message only), so its prose is read here, and
nowhere else. What is not recognised is passed on whole.
"""

import dataclasses
import inspect
import pydoc
import re
import sys
from collections.abc import Iterable, Mapping

import lightning.pytorch as pl
from jsonargparse import ArgumentParser
from lightning.pytorch.callbacks import Callback
from lightning.pytorch.loggers import Logger
from lightning.pytorch.profilers import Profiler
from torch import nn
from torch.optim import Optimizer
from torch.optim.lr_scheduler import LRScheduler

from inception_lightning import data, models
from inception_lightning.commands.typos import Names, instead
from inception_lightning.configurable import class_path, subclasses
from inception_lightning.trust import not_imported

UNKNOWN_OPTION = re.compile(r"(?:Option|accept option|unrecognized arguments:) '?(?:--)?([\w.+]+)")
UNKNOWN_CLASS = re.compile(r"Expected a dot import path string: (\S+)")
NO_SUBCLASS = re.compile(r"Import path (\S+) does not correspond to a subclass of (\w+)")
WRONG_VALUE = re.compile(r"Expected a (.+?)\. Got value: (.*?)(?:\. Got value: .*)?$", re.MULTILINE)
INNERMOST_UNION = r"Subtypes: \[([^\n]+)\]\n(?:(?!Subtypes:).)*?Given value: ([^\n]*?)(?:\. Got value: [^\n]*)?$"
WRONG_UNION = re.compile(INNERMOST_UNION, re.DOTALL | re.MULTILINE)
NUMBER = re.compile("<class '(int|float)'>")
MISSING_OPTION = re.compile(r"arguments are required: ([\w.]+)")
NOT_IMPORTED = re.compile(
    r"(?:class_path '(?P<path>[\w.]+)':\s+|callable class: )(?P<why>No module named '[\w.]+'|module '[\w.]+' has no "
    r"attribute '\w+')(?:\. Got value: (?P<value>[\w.]+))?"
)
SEVERAL_CLASSES = re.compile(
    r"Multiple subclasses with name (\w+)\. Give the full class path .*?: ([\w., ]+)\.$", re.MULTILINE
)
MADE_IN_VAIN = re.compile(r"Problem with given class_path '([\w.]+)':\s+(.+)")
REFUSED = re.compile(
    r"^Errors:\n(?:  - (?:Expected|Not a|Value|\S+ \(?class).*\n(?: {4,}.*\n)*)*  - (.+)", re.MULTILINE
)
NOT_MET = re.compile(r"Requirement '([\w-]+)[^']*' not met|No module named '(\w+)")
DENIED = re.compile(r"Importing '([\w.]+)' is not allowed")
KEY = re.compile(r'(?:Parser key|Group) ["\']([\w.]+)["\']')
OWNER = re.compile(r"class_path[ =]'([\w.]+)'")
OF_A_CLASS = re.compile(r"\.(class_path|init_args)\b.*")
"""What an option with a class as its default says beside it."""
PARSED_ELSEWHERE = ("print_config", "help", "help-all", "trust", "trust-config")


def sentence(complaint: object, options: Iterable[str]) -> str:
    """What is wrong, where, and how to mend it.

    Args:
        complaint: The parser's exception, or its message of up to a page.
        options: The options that the command has.
    """
    complaint = str(complaint)
    where = ".".join(KEY.findall(complaint))
    option, denied = UNKNOWN_OPTION.search(complaint), DENIED.search(complaint)
    if denied and not (option and option.start() < denied.start()):  # the parser tries base classes after the right one
        return (
            f"{where}: a page may not name {denied[1]}: say --trust {denied[1].partition('.')[0]} on the command line, "
            "or --trust-config for everything, if you trust it"
        )
    if option:
        known = [*options, *(name for owner in OWNER.findall(complaint) for name in _arguments(owner))]
        whole = _join(where, option[1])
        return f"there is no option {whole}{instead(option[1], known) or instead(whole, known)}"
    return (
        _about_a_class(complaint, where)
        or _about_a_value(complaint, where)
        or " ".join(line.strip() for line in complaint.splitlines())
    )


def _about_a_class(complaint: str, where: str) -> str | None:
    """A class that cannot be had, or not without another argument."""
    if found := SEVERAL_CLASSES.search(complaint):
        return (
            f"{where}: several classes are called {found[1]}: give the whole name, {' or '.join(found[2].split(', '))}"
        )
    if found := NOT_IMPORTED.search(complaint):
        path = found["path"] or found["value"]
        beside = dir(sys.modules.get(path.rpartition(".")[0]))
        return f"{where}: {not_imported(path, found['why'])}{instead(path.rpartition('.')[2], beside)}"
    if (found := MISSING_OPTION.search(complaint)) and (owners := OWNER.findall(complaint)):
        return f"{where}: {owners[-1]} needs {found[1]}, which nobody has given"
    return None


def _about_a_value(complaint: str, where: str) -> str | None:
    union = WRONG_UNION.search(complaint)
    wants_number = union and NUMBER.search(union[1])  # a learning rate may also be a Tensor, which is a class
    if (found := UNKNOWN_CLASS.search(complaint)) and not wants_number:
        return f"{where}: there is no class {found[1]}{instead(found[1], _class_names())}"
    if found := NO_SUBCLASS.search(complaint):
        return f"{where}: {found[1]} is no {found[2]}"
    if found := WRONG_VALUE.search(complaint) or union:
        hint = ": say a number, or false for no seed" if where == "seed_everything" else ""
        return f"{where}: expected {_readable(found[1])}, got {found[2]}{hint}"
    if found := MISSING_OPTION.search(complaint):
        return f"{found[1]} is missing: say --{found[1]} VALUE, or --config FILE with a page that has it"
    return None


def refusal(complaint: str, settings: Mapping[str, object]) -> str:
    """What an object that could not be made has said, out of the parser's report of all that it has tried.

    Args:
        complaint: The parser's report.
        settings: What was to be made, by dotted name.
    """
    if found := MADE_IN_VAIN.search(complaint):
        where = next((key.removesuffix(".class_path") for key, value in settings.items() if found[1] in str(value)), "")
        packages = NOT_MET.findall(complaint)
        if not packages:
            return f"{where}: {found[2]}"
        package = "".join(packages[-1])
        return f"{where}: {found[1]} needs the package {package}, which is not installed: pip install {package}"
    return found[1] if (found := REFUSED.search(complaint)) else " ".join(complaint.split())


def known_options(parser: ArgumentParser) -> list[str]:
    """The options of a parser by dotted name, ``config`` among them."""
    return ["config", *parser.get_defaults().keys()]


def names(parser: ArgumentParser) -> Names:
    """What the parser of ``fit``, ``validate``, ``test`` or ``predict`` knows, for the next time to look a name up."""
    bases: dict[str, type] = {
        "model.net": nn.Module,
        "model.optimizer": Optimizer,
        "model.lr_scheduler": LRScheduler,
        "data": pl.LightningDataModule,
    }
    ours = [getattr(room, name) for room in (models, data) for name in room.__all__]
    return Names(
        tuple(dict.fromkeys([*(OF_A_CLASS.sub("", option) for option in known_options(parser)), *PARSED_ELSEWHERE])),
        {option: sorted({cls.__name__ for cls in subclasses(base)}) for option, base in bases.items()},
        {cls.__name__: _arguments(class_path(cls)) for cls in ours},
        tuple(_class_names()),
    )


def _arguments(owner: str) -> list[str]:
    cls = pydoc.locate(owner)  # the parser has imported it already
    parameters = inspect.signature(cls).parameters.values() if callable(cls) else ()
    defaults = [parameter.default for parameter in parameters if dataclasses.is_dataclass(parameter.default)]
    nested = [field.name for default in defaults for field in dataclasses.fields(default)]
    return [parameter.name for parameter in parameters] + nested


def _class_names() -> list[str]:
    bases = (Optimizer, LRScheduler, Callback, Logger, Profiler)
    return [*models.__all__, *data.__all__, *(cls.__name__ for base in bases for cls in subclasses(base))]


def _readable(types: str) -> str:
    found = re.findall(r"Literal\[(.+?)\]|<class '(?:\w+\.)*(\w+)'>|(tuple|list)\[", types)
    names = [name for part in found for name in "".join(part).split(", ")] or [types]
    return " or ".join("null" if name == "NoneType" else name for name in dict.fromkeys(names))


def _join(where: str, name: str) -> str:
    return f"{where}.{name}" if where else name
