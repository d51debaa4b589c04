"""Texts that are made once and kept: long help pages, tables of networks, the names that ``fit`` knows.

A text is kept under everything that it was made of: this package's source, and the versions of the packages whose
options it shows. Another version makes it again. It imports neither torch nor Lightning.
"""

import contextlib
import functools
import hashlib
import io
import os
import sys
from collections.abc import Iterator, Sequence
from importlib import metadata
from pathlib import Path

PLACE = "INCEPTION_LIGHTNING_CACHE"
"""The variable of the environment that names another folder for them; an empty one keeps nothing."""

MADE_OF = ("torch", "torchvision", "lightning", "jsonargparse", "torchmetrics", "rich")
SOURCE = Path(__file__).parent.parent


def folder() -> Path | None:
    """Where the texts of this very version lie, or will lie; None where nothing is kept."""
    place = os.environ.get(PLACE)
    if place == "":
        return None
    home = Path(os.environ.get("XDG_CACHE_HOME") or os.path.expanduser("~/.cache"))
    return Path(place or home / "inception_lightning") / _version()


@functools.cache
def _version() -> str:
    known = hashlib.sha256(sys.version.encode())
    for name in MADE_OF:
        known.update(f"{name} {metadata.version(name)}\n".encode())
    for file in sorted(SOURCE.rglob("*.py")):
        known.update(file.read_bytes())
    return known.hexdigest()[:16]


def read(name: str) -> str | None:
    """The text kept under ``name``, or None."""
    place = folder()
    try:
        return (place / name).read_text(encoding="utf-8") if place else None
    except (OSError, UnicodeDecodeError):  # not there yet, or nobody's to read
        return None


def write(name: str, text: str) -> None:
    """Keep a text, whole or not at all; a folder that cannot be written costs only time, the next time."""
    place = folder()
    if place is None:
        return
    with contextlib.suppress(OSError):
        place.mkdir(parents=True, exist_ok=True)
        new = place / f".{name}.{os.getpid()}"
        new.write_text(text, encoding="utf-8")
        new.replace(place / name)


def name_of(words: Sequence[str]) -> str | None:
    """The name under which what the words print is kept; None where it depends on more than the words."""
    match words:
        case ["schema"] | [_, "-h" | "--help"]:
            pass
        case ["models", *rest] if all(word.isalnum() or word in ("--json", "--svg") for word in rest):
            pass
        case ["fit" | "validate" | "test" | "predict" | "calibrate", "--help-all"]:
            pass
        case ["fit" | "validate" | "test" | "predict" | "calibrate", option, *rest] if _asks_about_ours(option, rest):
            pass
        case _:
            return None
    return "_".join(word.strip("-").replace("=", "_") for word in words) + ".txt"


def names_of(command: str) -> str:
    """The name under which the names are kept that a command knows."""
    return f"{command}.names"


def _asks_about_ours(option: str, rest: Sequence[str]) -> bool:
    """Whether it is ``--data.help``, ``--model.net.help InceptionV3`` or the like, of a class without a path."""
    name, _, value = option.partition("=")
    return name.endswith(".help") and len(rest) <= 1 and all(part.isidentifier() for part in (*rest, value) if part)


@contextlib.contextmanager
def keeping(name: str) -> Iterator[None]:
    """Print what is printed, and keep it if it was all."""
    printed = io.StringIO()
    try:
        with contextlib.redirect_stdout(printed):
            yield
    except SystemExit as stop:  # a parser ends so when it has printed its help
        if not stop.code:
            write(name, printed.getvalue())
        raise
    else:
        write(name, printed.getvalue())
    finally:
        print(printed.getvalue(), end="")
