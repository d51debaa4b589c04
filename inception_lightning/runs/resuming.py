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


def refuse_changes(before: dict[str, Any], now: dict[str, Any]) -> None:
    """See to it that two configurations make the same run.

    Raises:
        InputError: They differ in more than `FREE`.
    """
    old, new = flat(before), flat(now)
    changed = [key for key in sorted(old | new) if old.get(key) != new.get(key) and not _is_free(key)]
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


def _is_free(key: str) -> bool:
    return any(fnmatch.fnmatchcase(key, pattern) for pattern in FREE)
