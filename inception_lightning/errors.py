"""Errors that people see: one sentence each, without a traceback."""


class InputError(ValueError):
    """Bad input. The message says what is wrong, where, and how to mend it; the exit code is 2."""

    def __str__(self) -> str:
        # A loader's worker process hands its error on with the whole traceback before the sentence.
        return super().__str__().rpartition("InputError: ")[2].strip()
