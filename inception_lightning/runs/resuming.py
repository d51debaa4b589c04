"""The run that ``fit`` goes on with, and whether it is still the same run."""

import fnmatch
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self

from inception_lightning.errors import InputError
from inception_lightning.pages import read_page
from inception_lightning.runs.checkpoints import Checkpoint, read_newest_good
from inception_lightning.runs.folder import PAGE, checkpoint_place, checkpoints_of

FREE = (
    "ckpt_path", "config", "resume", "compile", "recompute", "allow_changes", "last*", "dead_network*", "wandb*",
    "checkpoint*", "model.weights", "data.init_args.num_workers",
    *(f"trainer.{name}*" for name in (
        "max_epochs", "max_steps", "max_time", "min_epochs", "min_steps", "devices", "num_nodes", "accelerator",
        "strategy", "logger", "log_every_n_steps", "callbacks", "default_root_dir", "enable_", "profiler",
        "num_sanity_val_steps", "plugins", "detect_anomaly", "barebones", "inference_mode", "use_distributed_sampler",
    )),
)  # fmt: skip
"""What may differ when a run goes on: how long, where and how it is watched, and not what is computed."""

CALLBACKS = "trainer.callbacks"
TRAINING_CALLBACKS = {
    "Unfreeze", "BackboneFinetuning", "GradientAccumulationScheduler", "StochasticWeightAveraging", "WeightAveraging",
    "EMAWeightAveraging", "ModelPruning", "LearningRateFinder", "BatchSizeFinder",
}  # fmt: skip
"""Callbacks that change what is computed; all others are taken to watch."""

RATES = ("model.optimizer*", "model.lr_*", "model.base_batch_size", "model.trunk_rate", "data.init_args.batch_size")
"""What an optimizer's hyperparameters and schedule follow from."""


@dataclass(frozen=True)
class Continued:
    """A run that goes on: its folder, its page and its newest good checkpoint, each read once."""

    run: Path
    page: dict[str, Any]
    checkpoint: Checkpoint

    @classmethod
    def read(cls, run: Path) -> Self:
        """What is in the folder ``run``.

        Raises:
            InputError: The page cannot be read, or no checkpoint is good.
        """
        page = read_page(run / PAGE)
        return cls(run, page, read_newest_good(checkpoints_of(run, checkpoint_place(page))))


def changes(before: dict[str, Any], now: dict[str, Any]) -> list[str]:
    """The settings by dotted name, other than `FREE`, in which two pages differ; callbacks only where they train."""
    old, new = flat(before), flat(now)
    names = [key for key in sorted(old | new) if old.get(key) != new.get(key) and not _is_free(key)]
    return names + ([CALLBACKS] if _trainers(before) != _trainers(now) else [])


def rates_change(before: dict[str, Any], now: dict[str, Any]) -> bool:
    """Whether the optimizer or its schedule are others, so that those of a checkpoint are out of date."""
    names = changes(before, now)
    schedule = (now.get("model") or {}).get("lr_scheduler") or {}
    longer = flat(before).get("trainer.max_epochs") != flat(now).get("trainer.max_epochs")
    told_its_length = longer and str(schedule.get("class_path", "")).endswith("OneCycleLR")
    return told_its_length or any(fnmatch.fnmatchcase(name, pattern) for name in names for pattern in RATES)


def refuse_changes(before: dict[str, Any], now: dict[str, Any]) -> None:
    """See to it that two pages make the same run.

    Raises:
        InputError: They differ in more than `FREE`.
    """
    old, new, changed = flat(before), flat(now), changes(before, now)
    if changed:
        listed = "; ".join(f"{key}: {old.get(key)} -> {new.get(key)}" for key in changed[:5])
        more = f" and {len(changed) - 5} more" if len(changed) > 5 else ""
        raise InputError(
            f"this would be another run than the one that goes on ({listed}{more}): "
            "leave that as it was, start a new run, or say --allow_changes true"
        )


def refuse_other_processes(before: int, now: int) -> None:
    """See to it that as many processes go on as there were.

    Raises:
        InputError: There are more or fewer.
    """
    if before != now:
        raise InputError(
            f"the run had {before} processes and would go on with {now}: another global batch and another share of "
            "the images for each, so another run; say --trainer.devices and --trainer.num_nodes as they were, "
            "or --allow_changes true"
        )


def flat(config: Any, prefix: str = "") -> dict[str, Any]:
    """A nested configuration as one level of dotted keys; empty branches and None are left out."""
    if isinstance(config, dict):
        inner = [flat(value, f"{prefix}.{key}" if prefix else str(key)) for key, value in config.items()]
        return {key: value for part in inner for key, value in part.items()}
    return {} if config is None else {prefix: config}


def _trainers(page: dict[str, Any]) -> list[Any]:
    """The callbacks of a page that change what is trained."""
    listed = flat(page).get(CALLBACKS)
    named = [one for one in (listed if isinstance(listed, list) else [listed]) if isinstance(one, dict)]
    return [one for one in named if str(one.get("class_path")).rpartition(".")[2] in TRAINING_CALLBACKS]


def _is_free(key: str) -> bool:
    return any(fnmatch.fnmatchcase(key, pattern) for pattern in FREE)
