"""Names that cannot be right, found before torch is imported: options, and classes and arguments of ours."""

import difflib
import json
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import asdict, dataclass
from typing import Any

from inception_lightning.commands.command_line import CommandLine, in_page, without_class
from inception_lightning.errors import InputError

NESTED = ("class_path", "init_args", "dict_kwargs", "help")
MODEL = "model"


@dataclass(frozen=True)
class Names:
    """The names that a command knows.

    Attributes:
        options: Its options by dotted name; what lies below one that takes a class is the class's.
        classes: Option -> the names of classes that it takes without their import path.
        arguments: Class -> the names of its arguments, for the networks and data of ours.
        offered: The names of classes that a typo is compared with.
    """

    options: tuple[str, ...]
    classes: dict[str, list[str]]
    arguments: dict[str, list[str]]
    offered: tuple[str, ...]

    def text(self) -> str:
        """To be kept."""
        return json.dumps(asdict(self))

    @classmethod
    def of(cls, text: str) -> "Names":
        """What `text` has written."""
        return cls(**json.loads(text))


def refuse_typos(line: CommandLine, names: Names) -> None:
    """Refuse an option or a class that nobody can mean.

    Only what is certain: where somebody's own classes are trusted or are the model, theirs are left to the parser.

    Raises:
        InputError: There is one; the sentence has the nearest right name.
    """
    own = bool(line.trusted is None or line.trusted or line.named(MODEL))
    flags = [flag[2:].partition("=")[0].rstrip("+") for flag in line.flags if flag.startswith("--")]
    said = [*flags, *(key for page in line.pages for key in _keys(without_class(page), names.options))]
    for name in said:
        if not (own and name.startswith(f"{MODEL}.")):
            _refuse_option(name, names.options)
    if own:
        return
    for option, known in names.classes.items():
        found = line.named(option)
        if found is None or "." in found or not found.isidentifier():
            continue
        if found not in known:
            raise InputError(f"{option}: there is no class {found}{instead(found, names.offered)}")
        if found in names.arguments:
            _refuse_arguments(option, found, line, flags, names)


def _refuse_option(name: str, options: Sequence[str]) -> None:
    asked = name.removesuffix(".help")
    known = any(asked == one or asked.startswith(f"{one}.") or one.startswith(f"{asked}.") for one in options)
    if not known:
        raise InputError(f"there is no option {name}{instead(name, options)}")


def _refuse_arguments(option: str, cls: str, line: CommandLine, flags: Iterable[str], names: Names) -> None:
    said = [flag[len(option) + 1 :].removeprefix("init_args.") for flag in flags if flag.startswith(f"{option}.")]
    for page in line.pages:
        described = in_page(page, option)
        if isinstance(described, dict) and described.get("class_path") == cls:
            said += described.get("init_args") or {}
    for name in said:
        if name.partition(".")[0] not in (*names.arguments[cls], *NESTED):
            nearest = instead(name, names.arguments[cls]) or instead(f"{option}.{name}", names.options)
            raise InputError(f"there is no option {option}.{name}{nearest}")


def _keys(page: Any, options: Sequence[str], prefix: str = "") -> Iterator[str]:
    """The dotted names in a page, down to what an option takes whole."""
    for key, value in page.items():
        name = f"{prefix}.{key}" if prefix else str(key)
        name = name.rstrip("+")
        if isinstance(value, dict) and value and name not in options:
            yield from _keys(value, options, name)
        else:
            yield name


def instead(name: str, known: Iterable[str]) -> str:
    """``: did you mean ...?``, or nothing where nothing is near."""
    nearest = difflib.get_close_matches(name, sorted(set(known)), n=1)
    return f": did you mean {nearest[0]}?" if nearest else ""
