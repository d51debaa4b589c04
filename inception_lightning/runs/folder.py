"""Folders of runs: new ones, and those that are there."""

import contextlib
import logging
import os
import shutil
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from lightning.pytorch.utilities import rank_zero_only

from inception_lightning.errors import InputError
from inception_lightning.pages import read_page
from inception_lightning.runs.checkpoints import LAST, PREVIOUS, last_saved

if sys.platform != "win32":  # which has no such locks
    import fcntl

log = logging.getLogger(__name__)

PAGE = "config.yaml"
"""Every setting of a run, in its folder."""

DESCRIPTIONS = (PAGE, "command.txt", "code.json", "code.patch", "views.png")
"""What a run's folder says of it before its first step."""

CHOSEN = "INCEPTION_LIGHTNING_RUN_FOLDER"
"""How the processes that Lightning starts for DDP learn of the folder that the first one made."""


def new_run_folder(place: Path, kind: str) -> Path:
    """A new folder in ``place``, named after the ``kind`` of run and the time; never one that exists.

    Only the first process makes it and only that one writes into it.
    """
    if rank_zero_only.rank != 0:  # type: ignore[attr-defined]  # an attribute of a function
        return Path(os.environ.get(CHOSEN, place))
    name = kind + time.strftime("%Y-%m-%d_%H-%M-%S")
    attempt = 1
    while True:
        folder = place / (name if attempt == 1 else f"{name}-{attempt}")
        try:
            folder.mkdir(parents=True)
        except FileExistsError:
            attempt += 1
        except (OSError, ValueError) as error:  # the latter from a name with a null
            reason = getattr(error, "strerror", None) or error
            raise InputError(
                f"no run can be made in {place} ({reason}): say --trainer.default_root_dir FOLDER"
            ) from None
        else:
            os.environ[CHOSEN] = str(folder)
            return folder


@contextlib.contextmanager
def held(folder: Path, doing: str = "training") -> Iterator[None]:
    """Keep all other processes from ``doing`` the same in ``folder``; the processes of one training are one.

    Raises:
        InputError: Another one does.
    """
    if rank_zero_only.rank != 0:  # type: ignore[attr-defined]  # as above
        yield
        return
    if sys.platform == "win32":
        log.warning("no locks on Windows: see to it that one process at a time is %s in %s", doing, folder)
        yield
        return
    descriptor = os.open(folder, os.O_RDONLY)
    _descriptors.add(descriptor)
    try:
        _lock(descriptor, folder, doing)
        yield
    finally:
        if descriptor in _descriptors:  # and not in a process that has been forked meanwhile
            _descriptors.remove(descriptor)
            os.close(descriptor)


_descriptors: set[int] = set()


def _let_go() -> None:
    """Leave the folder to the process that trains: a loader's process outlives it by seconds where it is killed."""
    while _descriptors:
        os.close(_descriptors.pop())


if sys.platform != "win32":
    os.register_at_fork(after_in_child=_let_go)


def _lock(descriptor: int, folder: Path, doing: str) -> None:
    try:
        if sys.platform != "win32":
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        raise InputError(
            f"another process is {doing} in {folder}: wait until it has ended, or start a new run"
        ) from None
    except OSError as error:
        log.warning("%s cannot be locked (%s): see to it that one process at a time is %s in it", folder, error, doing)


def discard_unused() -> None:
    """Remove the folder of a run that was refused before it began: nobody has anything but its settings from it."""
    folder = Path(os.environ.pop(CHOSEN, "") or os.devnull)
    if folder.is_dir() and all(_is_description(path.relative_to(folder)) for path in folder.rglob("*")):
        shutil.rmtree(folder, ignore_errors=True)


def _is_description(path: Path) -> bool:
    return path.parts[0] in (*DESCRIPTIONS, "wandb")


def forget_chosen() -> None:
    """Begin a run that has nothing to do with the one before it in this process."""
    if rank_zero_only.rank == 0:  # type: ignore[attr-defined]  # as above
        os.environ.pop(CHOSEN, None)


def check_place(place: Path) -> None:
    """See to it that checkpoints can be written where a page or flag wants them.

    Raises:
        InputError: They cannot.
    """
    if rank_zero_only.rank != 0:  # type: ignore[attr-defined]  # as above
        return
    try:
        place.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=place):
            pass
        if not any(place.iterdir()):
            place.rmdir()  # it is made again with the first checkpoint
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or error
        raise InputError(
            f"no checkpoint can be written in {place} ({reason}): say --checkpoint.dirpath FOLDER"
        ) from None


def newest(place: Path, name: str) -> Path:
    """The checkpoint ``name`` (best or last) of the newest run in ``place`` that has one.

    Raises:
        InputError: No run has one.
    """
    paths = [path for path in place.glob(f"*/checkpoints/{name}.ckpt") if path.exists()]  # a link may lead to nothing
    found = sorted(paths, key=lambda path: last_saved(path.parent) or path.stat().st_mtime)
    if not found:
        raise InputError(f"no run in {place} has a checkpoint {name!r}: give the path of a checkpoint file")
    return found[-1]


def checkpoints_of(run: Path, place: str | None) -> Path:
    """Where a run's checkpoints are: in its folder, or in one of the same name in ``place``."""
    return Path(place) / run.name if place else run / "checkpoints"


def checkpoint_place(page: dict[str, Any]) -> str | None:
    """What a run's page says of the place of its checkpoints."""
    checkpoint = page.get("checkpoint")
    place = checkpoint.get("dirpath") if isinstance(checkpoint, dict) else None
    return place if isinstance(place, str) else None


def run_to_continue(place: Path) -> Path | None:
    """The run in ``place`` whose checkpoint was saved last, as its manifest says: files may be copied."""
    found = []
    for page in place.glob(f"*/{PAGE}"):
        folder = page.parent / "checkpoints"
        if not folder.is_dir():  # then the page says where they are
            with contextlib.suppress(InputError):
                folder = checkpoints_of(page.parent, checkpoint_place(read_page(page)))
        times = [path.stat().st_mtime for path in (folder / LAST, folder / PREVIOUS) if path.is_file()]
        found += [(last_saved(folder) or max(times), page.parent)] if times else []
    return max(found)[1] if found else None


def run_of(checkpoint: Path) -> Path | None:
    """The run whose ``last.ckpt`` this is; None for any other file."""
    folder = checkpoint.absolute().parent.parent
    is_last = checkpoint.name == LAST and (folder / PAGE).is_file()
    return folder if is_last else None
