"""What is answered before torch is imported: help pages, kept texts, and mistakes in names."""

import contextlib
import os
import sys
from collections.abc import Sequence
from contextlib import AbstractContextManager

from inception_lightning.commands import kept
from inception_lightning.commands.command_line import HELP, CommandLine
from inception_lightning.commands.completion import LINE
from inception_lightning.commands.options import OPTIONS
from inception_lightning.commands.short_help import ABOUT, short_help
from inception_lightning.commands.typos import Names, refuse_typos


def answered(words: Sequence[str]) -> bool:
    """Print what is known already; whether that was all.

    Args:
        words: The command and what follows it.

    Raises:
        InputError: An option or a class is none.
        SystemExit: A parser has printed its help.
    """
    command, *rest = words
    if command in ABOUT and set(HELP) & set(rest):
        print(short_help(command), end="")
        return True
    if command in OPTIONS and LINE not in os.environ:
        _parse(words)
    if "torch" in sys.modules:  # the classes of a Python caller, and what they print, are nobody else's
        return False
    name = kept.name_of(words)
    text = kept.read(name) if name else None
    if text is not None:
        print(text, end="")
        return True
    if command in ABOUT:
        known = kept.read(kept.names_of(command))
        if known is not None:
            refuse_typos(CommandLine.read(words), Names.of(known))
        if os.environ.get("LOCAL_RANK", "0") == "0":
            print(f"lightning {command}: importing torch and Lightning ...", file=sys.stderr, flush=True)
    return False


def keeping(words: Sequence[str]) -> AbstractContextManager[None]:
    """Keeps what ``words`` print, where that is the same the next time."""
    name = None if "torch" in sys.modules else kept.name_of(words)
    return kept.keeping(name) if name else contextlib.nullcontext()


def _parse(words: Sequence[str]) -> None:
    parser = OPTIONS[words[0]]()
    if words[0] != "data":
        parser.parse_args(words[1:])
    elif len(words) > 1:  # what it does not know are the data's own
        parser.parse_known_args(CommandLine.read(words).flags)
