"""Processes of the program that have imported its libraries, which takes seconds: forked from one that has.

``python -m tests.forks FD`` is that one. It takes orders from the socket ``FD`` and ends with whoever gives them. What
it forks is led to where ``python -m inception_lightning`` begins, with a group, a folder, an environment and an output
of its own.
"""

import atexit
import gc
import importlib
import io
import json
import os
import runpy
import select
import signal
import socket
import subprocess
import sys
import threading
from collections.abc import Mapping, Sequence
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
from lightning.pytorch.utilities import rank_zero_only

ROOT = Path(__file__).parent.parent
PROGRAM = "inception_lightning"
LIBRARIES = (
    f"{PROGRAM}.commands.fit",
    *("wandb", "wandb.sdk.launch", "matplotlib.backends.backend_agg", "sklearn.datasets"),
)
"""What nearly every run imports; not the program's own module, which is to run as the main one."""
WITHOUT_THREADS = {
    "OMP_NUM_THREADS": "1",
    "OPENBLAS_NUM_THREADS": "1",
    "JE_ARROW_MALLOC_CONF": "background_thread:false",  # pyarrow comes with pandas
}
"""What keeps libraries from starting threads when they are imported: a fork takes none along."""
NUMBER = 8
"""Bytes of a number that a pipe carries."""


class Process:
    """The program in a process that the server has forked; it is told apart by no test from one of `subprocess`.

    Attributes:
        pid: Its number, and that of its group.
        stdout: What it writes, errors too.
        returncode: Its exit code, as `subprocess` has it; None before somebody has asked.
    """

    def __init__(
        self,
        words: Sequence[str],
        *,
        place: Path,
        environment: Mapping[str, str],
        module: str = PROGRAM,
        new_python: bool = False,
    ) -> None:
        """Start it.

        Args:
            words: Its command line.
            place: Its current folder.
            environment: All of its environment.
            module: What runs, as ``python -m`` has it.
            new_python: Whether it is a new Python that has imported nothing yet, as people start it.
        """
        read, output = os.pipe()
        self._told, telling = os.pipe()
        order: dict[str, Any] = {"words": [*words], "place": str(place), "environment": {**environment}}
        order |= {"module": module, "new_python": new_python}
        text = json.dumps(order).encode() + b"\n"
        socket.send_fds(server(), [text[:1]], [output, telling])
        server().sendall(text[1:])
        os.close(output)
        os.close(telling)
        self.stdout = open(read, errors="replace")  # noqa: SIM115  # it lives as long as the process
        self.returncode: int | None = None
        self.pid = self._number()

    def poll(self) -> int | None:
        """Its exit code, or None while it runs."""
        ended = self.returncode is None and select.select([self._told], [], [], 0)[0]
        return self.wait() if ended else self.returncode

    def wait(self) -> int:
        """Wait for its end."""
        if self.returncode is None:
            self.returncode = self._number()
            os.close(self._told)
        return self.returncode

    def send_signal(self, number: int) -> None:
        """Tell it, unless it has ended."""
        if self.poll() is None:
            os.kill(self.pid, number)

    def _number(self) -> int:
        message = os.read(self._told, NUMBER)
        assert len(message) == NUMBER, "the server of processes has died"
        return int.from_bytes(message, "big", signed=True)


@cache
def server() -> socket.socket:
    """The socket to this process's server, which is started when it is first asked for."""
    ours, theirs = socket.socketpair()
    with theirs:
        process = subprocess.Popen(
            [sys.executable, "-m", "tests.forks", str(theirs.fileno())],
            cwd=ROOT,
            env=os.environ | {"PYTHONPATH": str(ROOT)} | WITHOUT_THREADS,
            stdin=subprocess.DEVNULL,
            pass_fds=[theirs.fileno()],
            start_new_session=True,  # Ctrl-C is for the tests, with which it ends
        )
    atexit.register(process.wait)
    atexit.register(ours.close)  # comes first
    return ours


def serve(orders: socket.socket) -> str:
    """Fork until nobody gives orders any more; in what is forked, the module that is to run."""
    for name in LIBRARIES:
        importlib.import_module(name)
    assert len(os.listdir("/proc/self/task")) == 1, "a library has started a thread"
    gc.collect()
    gc.freeze()  # what is never looked at stays shared
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)  # nobody waits for the keepers
    while True:
        order, descriptors = _next_order(orders)
        if os.fork() == 0:
            orders.close()
            return _keep(order, *descriptors)
        for descriptor in descriptors:
            os.close(descriptor)


def _next_order(orders: socket.socket) -> tuple[dict[str, Any], list[int]]:
    text, descriptors = b"", []
    while not text.endswith(b"\n"):
        more, received, *_ = socket.recv_fds(orders, 2**16, 2)
        if not more:
            os._exit(0)
        text += more
        descriptors += received
    return json.loads(text), descriptors


def _keep(order: dict[str, Any], output: int, telling: int) -> str:
    """Fork the program, and tell its number and its exit code; in the program, the module that is to run."""
    signal.signal(signal.SIGCHLD, signal.SIG_DFL)
    program = os.fork()
    if program == 0:
        os.close(telling)
        return _become(order, output)
    os.close(output)
    os.write(telling, program.to_bytes(NUMBER, "big"))
    _, status = os.waitpid(program, 0)
    os.write(telling, os.waitstatus_to_exitcode(status).to_bytes(NUMBER, "big", signed=True))
    os._exit(0)


def _become(order: dict[str, Any], output: int) -> str:
    """Make this process what a shell would have started, up to the module that is to run."""
    os.setsid()
    os.chdir(order["place"])
    for descriptor in (1, 2):
        os.dup2(output, descriptor)
    os.close(output)
    for number in (signal.SIGTERM, signal.SIGHUP, signal.SIGUSR1):
        signal.signal(number, signal.SIG_DFL)  # a shell without a terminal ignores some for what it starts beside it
    signal.signal(signal.SIGINT, signal.default_int_handler)
    environment = order["environment"]
    if order["new_python"]:
        signal.signal(signal.SIGPIPE, signal.SIG_DFL)
        os.execve(sys.executable, [sys.executable, "-m", order["module"], *order["words"]], environment)
    os.environ.clear()
    os.environ.update(environment)
    rank: Any = rank_zero_only
    rank.rank = int(environment.get("LOCAL_RANK", 0))  # Lightning has asked when it was imported
    paths = environment.get("PYTHONPATH", "").split(os.pathsep)
    sys.path[:2] = [order["place"], *filter(None, paths)]  # in place of the server's own two
    sys.argv = [order["module"], *order["words"]]
    unbuffered = bool(environment.get("PYTHONUNBUFFERED"))
    sys.stdout = io.TextIOWrapper(open(1, "wb", 0 if unbuffered else -1), write_through=unbuffered)  # noqa: SIM115  # it is the process's
    np.random.seed()  # or all would draw the same; Python's own numbers see to that themselves
    module: str = order["module"]
    return module


def _run(module: str) -> None:
    """Run ``module``, and end as Python does where it exits, but for taking all libraries apart: 2 s in a fork."""
    try:
        runpy.run_module(module, run_name="__main__", alter_sys=True)
    except SystemExit as end:
        code = end.code or 0
    else:
        code = 0
    if not isinstance(code, int):
        sys.exit(code)  # a sentence, which Python prints
    threading._shutdown()  # type: ignore[attr-defined]
    atexit._run_exitfuncs()
    gc.collect()  # what is the program's own; what it has been forked with stays frozen
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(code)


if __name__ == "__main__":
    _run(serve(socket.socket(fileno=int(sys.argv[1]))))
