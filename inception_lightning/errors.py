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
