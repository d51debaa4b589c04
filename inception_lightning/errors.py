"""Errors that people see: one sentence each, without a traceback."""


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


LOST = ("Connection closed by peer", "Connection reset by peer", "ncclRemoteError", "network error", "Broken pipe")
"""What gloo and NCCL say where another process is gone."""


def peer_died(error: Exception) -> Stop | None:
    """What to say where ``error`` means that another process of the training is dead; None for any other error."""
    if not any(sign in str(error) for sign in LOST):
        return None
    return Stop(
        "another process of this training has died: its own message stands above; "
        "without one it was killed, the usual cause is too little memory",
        1,
    )
