"""SIGTERM, SIGUSR1 and Ctrl-C: noted when they come, acted upon between two batches."""

import signal
import threading
from types import FrameType

CODES = {signal.SIGTERM: 143, signal.SIGUSR1: 143, signal.SIGINT: 130}
"""Signals that end training, and the exit code that they lead to."""


class Signals:
    """Handlers that only set a flag; a second Ctrl-C ends the program as it always does.

    Attributes:
        code: The exit code that a signal has asked for; 0 without one.
    """

    def __init__(self) -> None:
        self.code = 0
        self._before: dict[int, object] = {}

    def install(self) -> None:
        """Take over from whoever handled the signals before."""
        if threading.current_thread() is threading.main_thread():
            self._before = {number: signal.signal(number, self._note) for number in CODES}

    def restore(self) -> None:
        """Give the signals back."""
        for number, handler in self._before.items():
            signal.signal(number, handler)  # type: ignore[arg-type]  # what signal.signal gave
        self._before = {}

    def _note(self, number: int, frame: FrameType | None) -> None:
        if number == signal.SIGINT and self.code:
            raise KeyboardInterrupt
        self.code = max(self.code, CODES[signal.Signals(number)])
