"""The loggers of a run: metrics.csv always, W&B by default and never a condition."""

import contextlib
import importlib
import logging
import os
from collections.abc import Callable
from dataclasses import dataclass
from http.client import HTTPException
from pathlib import Path
from typing import Literal
from urllib.error import HTTPError
from urllib.parse import urlsplit
from urllib.request import Request, urlopen

import lightning.pytorch as pl
from lightning.pytorch.loggers import WandbLogger

from inception_lightning.errors import InputError

log = logging.getLogger(__name__)

PROJECT = "inception_lightning"
"""The W&B project of runs whose page and environment name none."""

PROBE_SECONDS = 5.0
INIT_SECONDS = 10.0
SERVICE_SECONDS = 120.0  # a machine may have much else to do
FINISH_SECONDS = "60"  # for what is still to be uploaded at the end; WANDB_FINISH_TIMEOUT is heeded
_staged: dict[str, str] = {}
_given_up: set[str] = set()


@dataclass(frozen=True)
class Wandb:
    """How a run appears on W&B.

    Attributes:
        project: The project that collects the runs; by default WANDB_PROJECT, or else inception_lightning.
        name: The run's name; by default WANDB_NAME, or else its folder's.
        group: Runs of one group stand together, the seeds of one experiment for example; by default WANDB_RUN_GROUP.
        tags: Words to find the run by; by default those of WANDB_TAGS, which a comma separates.
        mode: ``disabled`` leaves W&B out, ``offline`` never connects. By default online where there is
            a key and a network, offline otherwise; the environment's ``WANDB_MODE`` is heeded.
        log_model: Whether the best and the last checkpoint become an artifact when training ends.
    """

    project: str | None = None
    name: str | None = None
    group: str | None = None
    tags: tuple[str, ...] = ()
    mode: Literal["online", "offline", "disabled"] | None = None
    log_model: bool = True


def wandb_logger(folder: Path, wanted: Wandb, continued: str | None = None) -> WandbLogger | None:
    """The W&B logger of a run, with its files in the run's folder or in WANDB_DIR; None if W&B is off or cannot start.

    What nobody says here, W&B's own variables say: WANDB_ENTITY, WANDB_NOTES, WANDB_JOB_TYPE and so on.

    ``continued`` is the id of the W&B run that goes on.

    It never asks, hangs or fails: without a key or a network the run is offline, which is said once.
    """
    outside = _said_outside()  # looked at even where the flag beats it: W&B reads it too
    mode = wanted.mode or outside
    if mode == "disabled":
        return None
    import wandb

    os.environ.setdefault("WANDB_SILENT", "true")  # we say what matters
    os.environ.setdefault("WANDB_FINISH_TIMEOUT", FINISH_SECONDS)
    if not _starts(mode):
        return None
    why_not = None if mode == "offline" else obstacle()
    place = Path(os.environ.get("WANDB_DIR") or folder)
    if why_not:
        log.info("W&B is offline: %s; later: wandb sync %s", why_not, place / "wandb" / "offline-run-*")
    _stage_in(place / "wandb")
    return WandbLogger(
        save_dir=place,
        project=project(wanted.project),
        name=wanted.name or os.environ.get("WANDB_NAME") or folder.name,
        version=continued,
        group=wanted.group,
        tags=wanted.tags or None,
        mode="offline" if mode == "offline" or why_not else "online",
        settings=wandb.Settings(init_timeout=INIT_SECONDS),
    )


def project(said: str | None) -> str:
    """The project of a run whose page says ``said``."""
    return said or os.environ.get("WANDB_PROJECT") or PROJECT


def _starts(mode: Literal["online", "offline"]) -> bool:
    """Start W&B's service, before the first warning, and so that the flag beats the environment; whether it does."""
    import wandb

    with contextlib.suppress(ImportError):  # where wandb 0.31 would report why it does not start, it waits for itself
        importlib.import_module("wandb.analytics.opentelemetry.opentelemetry_proxy").disable()
    try:
        wandb.setup(wandb.Settings(mode=mode, x_service_wait=SERVICE_SECONDS))
    except Exception as error:  # no memory, no processes, no such file
        log.warning("W&B is left out, its service does not start: %s", " ".join(str(error).split()))
        return False
    return True


def _said_outside() -> Literal["online", "offline", "disabled"]:
    """The mode that the environment asks for; an empty one is removed from it.

    Raises:
        InputError: W&B would stumble over it.
    """
    match os.environ.get("WANDB_MODE"):
        case "online" | "offline" | "disabled" as mode:
            return mode
        case "dryrun":  # offline's older name, which Lightning's logger leaves behind
            return "offline"
        case None | "":
            os.environ.pop("WANDB_MODE", None)
            return "online"
        case other:
            raise InputError(f"WANDB_MODE is {other!r}: set it to online, offline or disabled, or not at all")


def boards(trainer: pl.Trainer) -> list[WandbLogger]:
    """The W&B loggers of a run: one, or none."""
    return [logger for logger in trainer.loggers if isinstance(logger, WandbLogger)]


def offer(action: Callable[[], object]) -> None:
    """Do what W&B may fail at: a picture or a table asks the server, which may have gone in the middle of training.

    After one failure nothing more is offered to that run; its numbers are on the disk, and ``wandb sync`` takes them.
    """
    import wandb

    run = wandb.run.id if wandb.run is not None else ""
    if run in _given_up:
        return
    try:
        action()
    except Exception as error:  # whatever W&B stumbles over
        _given_up.add(run)
        log.warning("W&B takes no pictures and files: %s", " ".join(str(error).split()) or type(error).__name__)


def _stage_in(folder: Path) -> None:
    """Have W&B stage pictures and artifacts in ``folder``, unless the user has said where.

    By default it is the home folder, where a copied run would miss them.
    """
    for name, part in (("WANDB_DATA_DIR", "data"), ("WANDB_CACHE_DIR", "cache")):
        if os.environ.get(name) in (None, _staged.get(name)):  # another run of this process may have set it
            os.environ[name] = _staged[name] = str(folder / part)


def obstacle() -> str | None:
    """Why W&B cannot be used, in a few words; None where it can. Takes a few seconds at most."""
    import wandb

    if not wandb.login(prompt=False, verify=False):
        return "there is no key (wandb login)"
    server = wandb.setup().settings.base_url
    host = urlsplit(server).hostname
    question = Request(f"{server}/graphql", b'{"query": "{__typename}"}', {"Content-Type": "application/json"})
    try:
        with contextlib.suppress(HTTPError):  # an answer too
            urlopen(question, timeout=PROBE_SECONDS).close()
        wandb.login(prompt=False)
    except (OSError, HTTPException) as error:
        return f"{host} cannot be reached ({error})"
    except wandb.Error as error:
        return f"{host} does not accept the key ({error})"
    return None
