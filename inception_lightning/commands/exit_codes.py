"""How a command ends: one sentence for people, one exit code for schedulers.

It imports neither torch nor Lightning: some commands, and most mistakes, need neither.
"""

import errno
import logging
import os
import sys
import threading
import time
import traceback
import warnings
from collections.abc import Callable

from inception_lightning.errors import InputError, Stop, peer_died, visible

SIGNALLED = (129, 130, 143)
"""The exit codes of a program that a signal has ended, which is no error."""

TRACEBACK = "INCEPTION_LIGHTNING_TRACEBACK"
"""The variable of the environment that asks for tracebacks where a library refuses a setting."""

STORAGE = (errno.ENOSPC, errno.EDQUOT, errno.EROFS, errno.EIO)
"""What a disk that cannot take a file says."""

NO_ACCESS = (errno.EACCES, errno.EPERM, errno.ENAMETOOLONG, errno.ELOOP)
"""What the system says of a path that nobody can use as it is."""

PATIENCE = 20.0
"""Seconds that the other processes wait for the first, whose sentence people read."""

CLOSING = 8.0
"""Seconds that W&B has to upload the rest when a run is stopped: schedulers do not wait."""

PARENT = os.getppid()
"""The first process, where Lightning has started this one; asked now, because it may end before this one."""

HARMLESS_WARNINGS = (
    r".*isinstance\(treespec, LeafSpec\)",  # Lightning 2.6 under torch 2.15
    ".*does not have many workers",  # the data module has chosen
    ".*exists and is not empty",  # config.yaml was written first
    r"It is recommended to use `self.log\(.*sync_dist=True\)`",  # our metrics have gathered all processes
    "Be aware that when using `ckpt_path`",  # evaluation needs no checkpoint callback
    "The number of training batches .* is smaller than the logging interval",  # every epoch says its loss all the same
    "The anonymous setting has no effect",  # Lightning's W&B logger sets it
)


def exit_code(command: Callable[[], int | None]) -> int:
    """Run ``command`` and turn what it raises into a sentence and an exit code.

    Returns:
        What the command gives, or 0 done, 2 wrong usage, configuration or data, 65 loss not finite, 74 storage,
        129 closed terminal, 130 Ctrl-C, 143 SIGTERM.
    """
    try:
        return command() or 0
    except Stop as stop:
        return _stopped(stop)
    except InputError as error:
        return _refused(error)
    except KeyboardInterrupt:  # before anything has begun
        return 130
    except SystemExit as stop:
        return _exited(stop)
    except Exception as error:
        return _failed(error)


def _failed(error: Exception) -> int:
    """End by what a library or the system has raised, where that says something to people; a bug has its traceback."""
    stop = _not_stored(error)
    if isinstance(error, RuntimeError):  # torch's signal handler raises some wherever the program is
        stop = _worker_died(error) or peer_died(error)
    if stop is not None:
        return _stopped(stop)
    if isinstance(error, OSError) and error.errno in NO_ACCESS and TRACEBACK not in os.environ:
        error = InputError(f"{error.filename}: {error.strerror}: say another place, or see to the rights there")
    elif not _is_refusal(error):
        raise error
    return _refused(error)


def _not_stored(error: Exception) -> Stop | None:
    """What to say where a disk cannot take a file, wherever that shows."""
    if not isinstance(error, OSError) or error.errno not in STORAGE or TRACEBACK in os.environ:
        return None
    what = error.filename or "a file"
    return Stop(f"{what} cannot be written ({error.strerror}): free some space there, or say another place", 74)


def _is_refusal(error: Exception) -> bool:
    """Whether Lightning or jsonargparse, rather than ours, refuses a setting; with `TRACEBACK` nothing is."""
    if TRACEBACK in os.environ or isinstance(error, AssertionError):
        return False
    raised_in = ""
    for frame, _ in traceback.walk_tb(error.__traceback__):
        raised_in = frame.f_globals.get("__name__", "")
    return _is(error, "MisconfigurationException") or raised_in.partition(".")[0] in ("lightning", "jsonargparse")


def _exited(stop: SystemExit) -> int:
    if _is(stop, "SIGTERMException"):
        return 143
    if isinstance(stop.__context__, KeyboardInterrupt):  # Lightning exits with 1
        return 130
    if stop.code in SIGNALLED:
        return _stopped(Stop("stopped before it began", int(stop.code or 0)))
    raise stop


def _is(error: BaseException, name: str) -> bool:
    """Whether ``error`` is Lightning's exception of that name."""
    return any(cls.__name__ == name and cls.__module__.startswith("lightning.") for cls in type(error).__mro__)


def _worker_died(error: Exception) -> Stop | None:
    from inception_lightning.loading.loaders import worker_died  # imports torch, which has raised the error

    return worker_died(error)


def _refused(error: BaseException) -> int:
    inner = None if isinstance(error, InputError) else error  # whose own sentence is the best there is
    while inner is not None:
        if isinstance(inner, ModuleNotFoundError):  # the reason, under a library's explanations
            error = inner
        inner = inner.__cause__ or inner.__context__
    print(f"error: {visible(' '.join(str(error).split()))}", file=sys.stderr, flush=True)
    if _rank() == 0 and "torch" in sys.modules:
        from inception_lightning.runs.folder import discard_unused

        _close_wandb(2)
        discard_unused()
    return 2


def say_what_matters() -> None:
    """Let the project's own lines through, on the first process, and none of the advertisements."""
    logging.basicConfig(format="%(message)s")
    logging.getLogger("inception_lightning").setLevel(logging.INFO if _rank() == 0 else logging.WARNING)
    for name in ("lightning.pytorch", "lightning.fabric"):
        logging.getLogger(name).setLevel(logging.WARNING)
    for name in ("fabric.strategies.launchers.subprocess_script", "pytorch.profilers", "pytorch.callbacks.timer"):
        logging.getLogger(f"lightning.{name}").setLevel(logging.INFO)  # who died, and what was asked for
    for message in HARMLESS_WARNINGS:
        warnings.filterwarnings("ignore", message)


def _stopped(stop: Stop) -> int:
    if _rank() == 0:
        print(f"{'error: ' if stop.code not in SIGNALLED else ''}{visible(str(stop))}", file=sys.stderr, flush=True)
        _close_wandb(stop.code)
    elif "LOCAL_RANK" in os.environ and "TORCHELASTIC_RUN_ID" not in os.environ:
        patience = time.monotonic() + PATIENCE
        while os.getppid() == PARENT and time.monotonic() < patience:
            time.sleep(0.1)  # Lightning would kill the first process if this one ended before it
    return stop.code


def _close_wandb(code: int) -> None:
    wandb = sys.modules.get("wandb")
    if wandb is None:
        return
    closing = threading.Thread(target=wandb.finish, kwargs={"exit_code": code}, daemon=True)
    closing.start()
    closing.join(CLOSING)
    if closing.is_alive():  # its server is silent, and the process would wait for it; what it has not is on the disk
        sys.stdout.flush()
        os._exit(code)


def _rank() -> int:
    """The rank that Lightning has found out; while it is being imported, what the environment says."""
    decorator = getattr(sys.modules.get("lightning.pytorch.utilities"), "rank_zero_only", None)
    rank: int = getattr(decorator, "rank", int(os.environ.get("LOCAL_RANK", 0)))
    return rank
