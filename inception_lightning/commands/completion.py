"""``lightning completion``: the shell completes commands, options and the names of classes, without torch."""

import itertools
import os
import re
from collections.abc import Iterable, Sequence

from inception_lightning.commands import kept, options
from inception_lightning.commands.short_help import ABOUT, USED
from inception_lightning.commands.typos import Names

LINE = "COMP_LINE"
"""The variable in which bash hands on what has been typed."""

SETUP = """\
# in ~/.bashrc:  eval "$(lightning completion)"
# in ~/.zshrc:   autoload -U +X bashcompinit && bashcompinit && eval "$(lightning completion)"
complete -o default -C 'lightning completion' lightning inception-lightning
"""


def main(words: Sequence[str]) -> None:
    """Run ``lightning completion``: print what a shell is to be told, or, asked by it, what may follow."""
    if LINE in os.environ:
        print("\n".join(matches(os.environ[LINE])))
        return
    options.completion().parse_args(words[1:])
    print(SETUP, end="")


def matches(line: str) -> list[str]:
    """What may stand in the place of the last word of ``line``, the program's name first."""
    _, *words = line.split()
    typed = "" if line[-1:].isspace() or not words else words.pop()
    return sorted({word for word in _following(words) if word.startswith(typed)})


def _following(words: Sequence[str]) -> Iterable[str]:
    if not words:
        return (*ABOUT, *options.OPTIONS)
    command, *rest = words
    if command not in ABOUT:
        return _options_of(command)
    text = kept.read(kept.names_of(command))
    if text is None:  # until the command has run once, what people use
        return [found[0] for said in USED if (found := re.search(r"--[\w.]+", said))]
    names = Names.of(text)
    last = rest[-1].lstrip("-") if rest else ""
    if last in names.classes:
        shown = [name for name in names.classes[last] if last != "model.net" or name in names.arguments]
        return shown or names.classes[last]
    chosen = {option: cls for option, cls in itertools.pairwise(rest) if cls in names.arguments}
    own = [f"{option}.{name}" for option, cls in chosen.items() for name in names.arguments[cls]]
    return (*own, *(f"--{name}" for name in names.options))


def _options_of(command: str) -> list[str]:
    made = options.OPTIONS.get(command)
    return (
        [word for word in made().format_usage().replace("[", " ").replace("]", " ").split() if word[:2] == "--"]
        if made
        else []
    )
