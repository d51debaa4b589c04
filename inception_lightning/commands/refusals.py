"""Options of Lightning's that it would stumble over later, or take and do nothing: refused before anything is made."""

import logging
import os
import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import lightning.pytorch as pl
import torch
from lightning.pytorch.accelerators import CPUAccelerator
from lightning.pytorch.callbacks import Callback

from inception_lightning.commands.command_line import RUNS, CommandLine, flag_values, nested
from inception_lightning.errors import InputError
from inception_lightning.runs.folder import checkpoint_place
from inception_lightning.runs.resuming import Continued
from inception_lightning.trust import refuse_reach, root_of

log = logging.getLogger(__name__)

INSTEAD = {
    "LearningRateFinder": "sets an attribute that no rate here is read from: lightning sweep over model.optimizer.lr",
    "BatchSizeFinder": "sets an attribute of loaders that exist already: try --data.batch_size with max_steps 3",
    "StochasticWeightAveraging": "keeps averages in no file: say --ema_decay 0.999",
    "BackboneFinetuning": "thaws an attribute backbone, which no network here has: take inception_lightning.callbacks"
    ".Unfreeze, which names stages",
    "ModelPruning": "wants weights in another order than ours lie in memory: prune the trained network with "
    "torch.nn.utils.prune",
}
"""Callbacks of Lightning that would seem to work, and what works."""

LEAST = {
    "accumulate_grad_batches": 1,
    "check_val_every_n_epoch": 1,
    "log_every_n_steps": 0,
    "gradient_clip_val": 0,
    "num_sanity_val_steps": -1,
}
"""The least value of an option that Lightning does not look at itself."""

NOTHING = ("max_epochs", "max_steps", "limit_train_batches")
"""Options that, at 0, make a training of nothing."""

PROCESSES_PER_CORE = 4
"""More processes than so many per core are a mistake: on a CPU each device is a process of about 500 MB."""

HALVES = {"bf16": ("bfloat16", "bf16"), "16": ("float16", "fp16")}
"""How a precision of the Trainer begins: its name, and what a CPU that computes in it has among its capabilities."""

VARIABLE = re.compile(r"\$\{\w+\}")


def refuse_pages(line: CommandLine) -> None:
    """Hold the pages of a command line to what a page may say, wherever its runs go.

    Raises:
        InputError: One would write elsewhere, send what a run logs to somebody, or is taken for a shell script.
    """
    for page, file in zip(line.pages, line.files, strict=True):
        refuse_variables(page)
        if line.trusted is not None:
            refuse_reach(page, [root_of(page, file, line.flagged("trainer.default_root_dir"), RUNS)])
    if line.trusted is not None:
        for name, value in flag_values(line.flags):
            if os.path.isfile(value):  # a page for a part of the settings, and as much a stranger's
                refuse_reach(nested(name, value), [Path(line.flagged("trainer.default_root_dir") or RUNS)])


def refuse_continued(continued: Continued, line: CommandLine) -> None:
    """Hold the page of a run that goes on to the same: unless it is trusted, the run may be a stranger's.

    It writes beside itself, below the current folder, where a flag may have sent it, where its checkpoints lie already,
    and wherever the command line says so again.

    Raises:
        InputError: It would write elsewhere, or send what it logs to somebody.
    """
    if line.trusted is not None:
        own = checkpoint_place(continued.page)
        refuse_reach(continued.page, [continued.run.parent, Path.cwd()], said=[*line.texts(), *([own] if own else [])])


def refuse_variables(page: Any, key: str = "") -> None:
    """See to it that nobody takes a page for a shell script: a ``${VARIABLE}`` in it is kept as it is.

    Raises:
        InputError: There is one.
    """
    if isinstance(page, dict):
        for name, value in page.items():
            refuse_variables(value, f"{key}.{name}" if key else str(name))
    elif isinstance(page, list):
        for value in page:
            refuse_variables(value, key)
    elif isinstance(page, str) and VARIABLE.search(page):
        raise InputError(
            f"{key}: {page} is kept as it is, for a page knows no variables of the environment: write the value, or "
            f"say --{key} on the command line, where the shell puts it in"
        )


def refuse_options(wanted: Mapping[str, Any], callbacks: Sequence[Callback], *, fits: bool) -> None:
    """Name what an option of the Trainer, or a callback, has to be, and what to use here instead.

    Args:
        wanted: The Trainer's options.
        callbacks: Those of the page.
        fits: Whether the command trains.

    Raises:
        InputError: One would do something else than it says, or nothing.
    """
    for name, least in LEAST.items():
        if wanted[name] is not None and wanted[name] < least:
            raise InputError(f"trainer.{name} must be at least {least}, got {wanted[name]}")
    for name in NOTHING if fits else ():
        if wanted[name] is not None and wanted[name] == 0:
            raise InputError(f"trainer.{name} is 0, so that nothing would be trained: say 1 or more, or leave it out")
    if wanted["val_check_interval"] == 0:
        raise InputError(
            "trainer.val_check_interval is 0: say after how many batches, or what share of an epoch, to validate; "
            "--trainer.limit_val_batches 0 leaves validation out"
        )
    if wanted["overfit_batches"]:
        raise InputError(
            "overfit_batches would take the loaders apart: say --trainer.limit_train_batches N and "
            "--data.augmentation.area [1,1], which train on few batches too"
        )
    for callback in callbacks:
        for kind, instead in INSTEAD.items():
            if any(cls.__name__ == kind for cls in type(callback).__mro__):
                raise InputError(f"{kind} {instead}")


def cpu_capabilities() -> Mapping[str, Any] | None:
    """What this CPU can do, as torch says it; None where torch does not, as 2.10."""
    ask = getattr(torch.cpu, "get_capabilities", None)
    return ask and ask()


def warn_of_slow_precision(trainer: pl.Trainer, capabilities: Mapping[str, Any] | None) -> None:
    """Say it where a CPU only imitates half precision: 12 times slower than float32, measured with Inception-v3.

    Args:
        trainer: Knows precision and device.
        capabilities: What the CPU can do, as torch says it; None where torch does not.
    """
    known = [names for start, names in HALVES.items() if str(trainer.precision).startswith(start)]
    if not known or capabilities is None or not isinstance(trainer.accelerator, CPUAccelerator):
        return
    name, sign = known[0]
    if trainer.is_global_zero and not any(able and sign in what for what, able in capabilities.items()):
        log.warning(
            "this CPU has no instructions for %s, which then is about 12 times slower than --trainer.precision 32", name
        )


def refuse_crowd(trainer: pl.Trainer) -> None:
    """See to it that a CPU is not asked to train in more processes than it has memory and time for.

    Raises:
        InputError: It is.
    """
    cores = os.cpu_count() or 1
    if isinstance(trainer.accelerator, CPUAccelerator) and trainer.num_devices > PROCESSES_PER_CORE * cores:
        raise InputError(
            f"trainer.devices is {trainer.num_devices}: on a CPU each is a process of its own, and this machine has "
            f"{cores} cores; say --trainer.devices {cores} or less"
        )
