"""SIGTERM, SIGUSR1, SIGHUP and Ctrl-C: noted when they come, acted upon between two batches."""

import ctypes
import os
import signal
import sys
import threading
import time
from types import FrameType

from inception_lightning.errors import Stop

CODES = {signal.SIGTERM: 143, signal.SIGINT: 130} | {
    getattr(signal, name): code for name, code in (("SIGUSR1", 143), ("SIGHUP", 129)) if hasattr(signal, name)
}
"""Signals that end training, and the exit code that they lead to."""

PR_SET_PDEATHSIG = 1  # of prctl, as Linux numbers it

AGAIN_SECONDS = 1.0
"""A Ctrl-C that follows another within this time is the same: two keys hit at once, or one that a shell hands on."""

BLOCKED_SECONDS = 2.0
"""How long the start may take to notice a signal: a process that waits for others in torch notices none."""


class Signals:
    """Handlers that end the program while it starts, and only set a flag once it trains.

    Attributes:
        code: The exit code that a signal has asked for; 0 without one.
        training: Whether signals are only noted, to be acted upon between two batches.
    """

    def __init__(self) -> None:
        self.code = 0
        self.training = False
        self._at = 0.0
        self._before: dict[int, object] = {}
        self._pipe: tuple[int, ...] = ()

    def install(self) -> None:
        """Take over from whoever handles the signals; those that are ignored, as nohup has it, stay so."""
        if threading.current_thread() is not threading.main_thread():
            return
        for number in CODES:
            handler = signal.getsignal(number)
            if handler not in (signal.SIG_IGN, self._note):
                self._before.setdefault(number, handler)
                signal.signal(number, self._note)
        if not self._pipe and sys.platform != "win32":  # where a pipe wakes nobody
            self._pipe = os.pipe()
            for end in self._pipe:
                os.set_blocking(end, end == self._pipe[0])
            signal.set_wakeup_fd(self._pipe[1], warn_on_full_buffer=False)
            threading.Thread(target=self._watch, args=(self._pipe[0],), daemon=True, name="signals").start()

    def restore(self) -> None:
        """Give the signals back."""
        for number, handler in self._before.items():
            signal.signal(number, handler)  # type: ignore[arg-type]  # what signal.getsignal gave
        self._before = {}
        if self._pipe:
            signal.set_wakeup_fd(-1)
            os.close(self._pipe[1])  # which ends the thread
            self._pipe = ()

    def _watch(self, pipe: int) -> None:
        """End the program where a signal came and the main thread, which waits in torch, cannot see it."""
        while numbers := os.read(pipe, 1):
            code = CODES.get(signal.Signals(numbers[0]))
            time.sleep(BLOCKED_SECONDS)
            if code and self._pipe and not self.code and not self.training:
                os.write(2, b"stopped before it began\n")
                os._exit(code)
        os.close(pipe)

    def stop(self) -> Stop:
        """What a signal that came has led to, whatever else it broke on the way."""
        return Stop("stopped by a signal", self.code)

    def _note(self, number: int, frame: FrameType | None) -> None:
        again = self.code and number == signal.SIGINT and time.monotonic() - self._at > AGAIN_SECONDS
        first = not self.code
        self.code = self.code or CODES[signal.Signals(number)]
        if again:
            raise KeyboardInterrupt
        if not self.training:
            _tell_first_process(number)
            raise SystemExit(self.code)  # which no library takes for an error of its own
        if first:
            self._at = time.monotonic()
            if os.environ.get("LOCAL_RANK", "0") == "0":
                hint = " (again: at once, unsaved)" if number == signal.SIGINT else ""
                os.write(2, f"\nstopping after this batch{hint}\n".encode())  # print may be interrupted in itself


def end_with_parent(parent: int) -> None:
    """Have the kernel send this process a SIGTERM when ``parent``, which started it, is gone; on Linux only."""
    if sys.platform != "linux":
        return
    ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGTERM)
    if os.getppid() != parent:  # it was killed before the line above
        os._exit(128 + signal.SIGTERM)


def started_by_lightning() -> bool:
    """Whether this is one of the processes that the first one of a training has started."""
    return os.environ.get("LOCAL_RANK", "0") != "0" and "TORCHELASTIC_RUN_ID" not in os.environ


SIGNALS = Signals()
"""Those of this process."""

FIRST = "INCEPTION_LIGHTNING_FIRST_PROCESS"
"""How the processes that Lightning starts know the first one, which may be gone before they look."""


def begin() -> None:
    """Heed signals from now on; a process that Lightning has started ends with the first one.

    It is called before the libraries are imported, which takes seconds.
    """
    SIGNALS.code, SIGNALS.training = 0, False
    SIGNALS.install()
    if started_by_lightning() and FIRST in os.environ:
        end_with_parent(int(os.environ[FIRST]))
    else:
        os.environ[FIRST] = str(os.getpid())


def _tell_first_process(number: int) -> None:
    """Where Lightning has started this process, have the first one end for the same reason."""
    parent = os.getppid()
    if started_by_lightning() and os.environ.get(FIRST) == str(parent):  # or it is gone, and the parent is another
        os.kill(parent, number)
