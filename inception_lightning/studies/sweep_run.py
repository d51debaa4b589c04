"""The runs that a sweep asks for, and what the disk knows of each.

A run's folder is named after its arguments, its command and the content of its pages. So a finished run is recognised
and not run again, and a changed page makes a new run.
"""

import hashlib
import itertools
import json
import os
import re
import shlex
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from inception_lightning.studies.sweep_file import INTERPRETER, Sweep

if sys.platform != "win32":  # which has no such locks
    import fcntl

DONE = "done.json"
LOCK = "lock"
NON_FINITE = 65  # exit code of a run whose loss was not finite
FINAL = (0, NON_FINITE)  # exit codes of runs that are not run again: that a loss is not finite is a result, too


@dataclass(frozen=True)
class Run:
    """One run of a sweep.

    Attributes:
        choice: Its values of the sweep's parameters, by name.
        command: Its whole command.
        folder: Its folder, in which each attempt at the run has a folder of its own.
    """

    choice: dict[str, Any]
    command: tuple[str, ...]
    folder: Path

    @property
    def done(self) -> bool:
        """Whether it has ended with a result."""
        return (self.folder / DONE).is_file()

    def lock(self) -> int | None:
        """Lock the folder, which is made where it is missing.

        Returns:
            The descriptor of the lock, for the run's process to inherit; None while another process holds the lock.
        """
        self.folder.mkdir(parents=True, exist_ok=True)
        descriptor = os.open(self.folder / LOCK, os.O_CREAT | os.O_RDWR, 0o666)  # less what the umask takes
        try:
            if sys.platform != "win32":
                fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            os.close(descriptor)
            return None
        return descriptor

    def finish(self, exit_code: int, seconds: float) -> None:
        """Record that it is done, if ``exit_code`` is that of a result.

        Args:
            exit_code: That of the run's process.
            seconds: How long the process ran.
        """
        if exit_code in FINAL:
            known = {"arguments": self.choice, "command": shlex.join(self.command)}
            text = json.dumps(known | {"exit_code": exit_code, "seconds": round(seconds, 1)}, indent=2)
            draft = self.folder / f"{DONE}.draft"
            draft.write_text(f"{text}\n")
            draft.rename(self.folder / DONE)


def plan(sweep: Sweep, place: Path, flags: Sequence[str] = ()) -> list[Run]:
    """The runs of a sweep, each once, with their folders in ``place``; all are given ``flags`` as well."""
    runs = {}
    for choice in sweep.choices:
        arguments = [f"--{name}={value}" for name, value in choice.items()]  # as wandb agent writes them
        command = [part for word in sweep.command for part in (arguments if word == "${args}" else [word])]
        folder = place / f"{label(choice)}-{fingerprint(command)}"
        command = [sys.executable if word == INTERPRETER else word for word in command if word != "${env}"]
        runs[folder] = Run(choice, (*command, *flags, f"--trainer.default_root_dir={folder}"), folder)
    return list(runs.values())


def label(choice: dict[str, Any]) -> str:
    """A choice as text that can name a folder: ``width=0.25,seed_everything=0``, at most 120 bytes."""
    words = ",".join(f"{name.rpartition('.')[2]}={value}" for name, value in choice.items())
    return re.sub(r"[^\w.,=+-]+", "_", words).encode()[:120].decode(errors="ignore")


def folder_name(name: str) -> str:
    """A sweep's name as the name of one folder: what may stand in no name, slashes above all, becomes ``_``."""
    safe = re.sub(r"[^\w.,=+ -]+", "_", name).strip(" .")
    return safe.encode()[:200].decode(errors="ignore") or "sweep"


def fingerprint(command: list[str]) -> str:
    """Eight hexadecimal digits that change with the command and with the content of the pages that it names."""
    pages = [
        word.partition("=")[2] or following
        for word, following in itertools.pairwise([*command, ""])
        if word.partition("=")[0] in ("-c", "--config")
    ]
    files = [page for page in pages if os.path.isfile(page)]  # Path.is_file fails on a page in braces, a long name
    content = [Path(file).read_text(errors="surrogateescape") for file in files]
    return hashlib.sha256(json.dumps([command, content]).encode()).hexdigest()[:8]
