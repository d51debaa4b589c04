"""The command line of ``fit``, ``validate``, ``test`` and ``predict``: words and pages, each read once."""

import itertools
import json
import textwrap
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self

from inception_lightning.errors import InputError
from inception_lightning.pages import parse_page, read_page

TRUST, TRUST_ALL = "--trust", "--trust-config"
PAGE = ("-c", "--config")
HELP = ("-h", "--help")
HELP_ALL = "--help-all"

RUNS = "runs"
"""Where the folders of runs are by default."""


@dataclass(frozen=True)
class CommandLine:
    """What was said, and who said it.

    Attributes:
        words: The words as they were given, the command first.
        flags: Those of them that are neither pages nor trust, in order.
        pages: The pages' content, the first one first.
        files: The file of each page; None for one that was said on the command line.
        trusted: The packages that pages may name beside `trust.TRUSTED`; None for everything.
    """

    words: tuple[str, ...]
    flags: tuple[str, ...]
    pages: tuple[dict[str, Any], ...]
    files: tuple[Path | None, ...]
    trusted: tuple[str, ...] | None

    @classmethod
    def read(cls, words: Sequence[str]) -> Self:
        """Take the words apart and read the pages.

        Raises:
            InputError: A page cannot be read, or a value is missing.
        """
        flags: list[str] = []
        pages: list[dict[str, Any]] = []
        files: list[Path | None] = []
        trusted: list[str] | None = []
        rest = iter(words[1:])
        for word in rest:
            name, equals, value = word.partition("=")
            if name in (*PAGE, TRUST):
                value = value if equals else next(rest, "")
                if not value:
                    raise InputError(f"{name} needs a value")
            if name in PAGE:
                files.append(None if value.startswith("{") else Path(value))
                pages.append(parse_page(value, "--config") if value.startswith("{") else read_page(Path(value)))
            elif name == TRUST and trusted is not None:
                trusted += value.split(",")
            elif name == TRUST_ALL:
                trusted = None
            elif name != TRUST:
                flags.append("--help" if word == HELP_ALL else word)
        return cls(tuple(words), tuple(flags), tuple(pages), tuple(files), None if trusted is None else tuple(trusted))

    @property
    def command(self) -> str:
        """The first word: fit, validate, test or predict."""
        return self.words[0]

    @property
    def asks_for_help(self) -> bool:
        """Whether the parser will print something and end."""
        return any(flag in HELP or flag.partition("=")[0].endswith(".help") for flag in self.flags)

    @property
    def asks_for_page(self) -> bool:
        """Whether the parser will print the merged page and end."""
        return any(flag.partition("=")[0] == "--print_config" for flag in self.flags)

    def said(self, key: str) -> Any:
        """What the last flag, or else the last page that has it, gives to a dotted ``key``; or None."""
        return next(self._values(key), None)

    def named(self, key: str, *, flags_only: bool = False) -> str | None:
        """The class that ``key`` is said to be, by a flag or else by a page; with or without ``class_path``."""
        keys = (key, f"{key}.class_path")
        values = self._in_flags(*keys) if flags_only else self._values(*keys)
        return next((one for one in values if isinstance(one, str)), None)

    def flagged(self, key: str) -> str | None:
        """What the last flag gives to a dotted ``key``; or None."""
        return next(self._in_flags(key), None)

    def texts(self) -> Iterator[str]:
        """Every text that a flag says, also within the lists and objects that it writes out."""
        for flag in self.flags:
            yield from leaves(flag_value(flag.partition("=")[2] or flag))

    def _values(self, *keys: str) -> Iterator[Any]:
        yield from self._in_flags(*keys)
        for page in reversed(self.pages):
            found = (in_page(page, key) for key in keys)
            yield from (one for one in found if one is not None)

    def _in_flags(self, *keys: str) -> Iterator[str]:
        yield from (value for name, value in reversed([*flag_values(self.flags)]) if name in keys)

    def without(self, *keys: str) -> tuple[str, ...]:
        """The flags without those that give something to ``keys``."""
        names = {f"--{key}" for key in keys}
        kept, rest = [], iter(self.flags)
        for flag in rest:
            name, equals, _ = flag.partition("=")
            if name not in names:
                kept.append(flag)
            elif not equals:
                next(rest, "")
        return tuple(kept)


def in_page(page: Any, key: str) -> Any:
    """What a page gives to a dotted ``key``, or None."""
    for part in key.split("."):
        page = page.get(part) if isinstance(page, dict) else None
    return page


def flag_values(words: Sequence[str]) -> Iterator[tuple[str, str]]:
    """The dotted name of each flag among ``words``, and its text."""
    for word, following in itertools.pairwise([*words, ""]):
        name, equals, value = word.partition("=")
        if name.startswith("--"):
            yield name[2:], value if equals else following


def nested(name: str, value: Any) -> Any:
    """The page that says ``value`` for a dotted name, which ends in a plus where a list grows by it."""
    for part in reversed(name.rstrip("+").split(".")):
        value = {part: value}
    return value


def flag_value(text: str) -> Any:
    """What the parser makes of a flag's text."""
    try:
        return parse_page(f"value:\n{textwrap.indent(text, '  ')}", "")["value"]
    except InputError:
        return text


def leaves(value: Any) -> Iterator[str]:
    """The texts in lists and objects."""
    if isinstance(value, str):
        yield value
    elif isinstance(value, dict | list):
        for inner in value.values() if isinstance(value, dict) else value:
            yield from leaves(inner)


def as_flag(page: dict[str, Any]) -> str:
    """A page as the parser takes it, without its reading a file."""
    return f"--config={json.dumps(page)}"


def without_class(page: dict[str, Any]) -> dict[str, Any]:
    """A page whose model is the arguments of its class, which is known by now."""
    model = page.get("model")
    if isinstance(model, str):
        return {key: value for key, value in page.items() if key != "model"}
    if not isinstance(model, dict) or not {"class_path", "init_args"} & model.keys():
        return page
    inner = {key: value for key, value in model.items() if key not in ("class_path", "init_args", "dict_kwargs")}
    return page | {"model": inner | model.get("init_args", {}) | model.get("dict_kwargs", {})}
