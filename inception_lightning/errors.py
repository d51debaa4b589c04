"""Errors that people see: one sentence each, without a traceback; and what is not worth one."""

import contextlib
import logging
import re
from collections.abc import Iterator

log = logging.getLogger(__name__)


class InputError(ValueError):
    """Bad input. The message says what is wrong, where, and how to mend it; the exit code is 2."""

    def __str__(self) -> str:
        # A loader's worker process hands its error on with the whole traceback before the sentence.
        return super().__str__().rpartition("InputError: ")[2].strip()


class Stop(Exception):  # not always an error
    """Training ends here, on every process, with a sentence and an exit code.

    Attributes:
        code: 65 for a loss that is not finite, 74 for storage, 130 for Ctrl-C, 143 for SIGTERM, 1 for the rest.
    """

    def __init__(self, message: str, code: int) -> None:
        super().__init__(message)
        self.code = code


LOST = re.compile(
    r"(?s)gloo.*(Connection (closed|reset) by peer|Broken pipe|Connection refused|Read error)"
    r"|NCCL.*(ncclRemoteError|network error|remote process exited)|ncclRemoteError"
    r"|(Connection (closed|reset) by peer|Broken pipe).*(gloo|TCPStore|ProcessGroup)"
)
"""What gloo and NCCL say where another process is gone; a download or a logger that says the same is something else."""


def peer_died(error: Exception) -> Stop | None:
    """What to say where ``error`` means that another process of the training is dead; None for any other error."""
    if not LOST.search(str(error)):
        return None
    return Stop(
        "another process of this training has died: its own message stands above; "
        "without one it was killed, the usual cause is too little memory",
        1,
    )


@contextlib.contextmanager
def spared(what: str) -> Iterator[None]:
    """Go on where ``what``, a picture, a table or a file about a run, cannot be made.

    Nothing but training decides whether training goes on, and no picture fails a run that has results.
    """
    try:
        yield
    except Exception as error:  # a full disk, a name that cannot be drawn, whatever a library stumbles over
        reason = visible(" ".join(str(error).split())) or type(error).__name__
        log.warning("%s could not be made (%s); the run is not affected", what, reason)


def visible(text: str) -> str:
    """``text`` on one line of a terminal: names of strangers may hold its control codes, and bytes that are no text."""
    return "".join(character if character.isprintable() else ascii(character)[1:-1] for character in text)
