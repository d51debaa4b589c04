"""A run's folder: its resolved configuration, the command that repeats it and the state of the code."""

import logging
import os
import shutil
import time
from pathlib import Path

import lightning.pytorch as pl
import yaml
from lightning.pytorch.callbacks import Callback
from lightning.pytorch.utilities import rank_zero_only

from inception_lightning.runs.code_state import code_state
from inception_lightning.runs.wandb import boards

log = logging.getLogger(__name__)

CHOSEN = "INCEPTION_LIGHTNING_RUN_FOLDER"
"""How the processes that Lightning starts for DDP learn of the folder that the first one made."""


class RunFolder(Callback):
    """Writes ``config.yaml``, ``command.txt`` and ``code.json`` into the run's folder before anything else happens."""

    def __init__(self, path: Path, config: str, command: str) -> None:
        """Keep what will be written.

        Args:
            path: The run's folder.
            config: The resolved configuration as YAML.
            command: The command as it was given.
        """
        self.path = path
        self.config = config
        self.command = command

    def setup(self, trainer: pl.Trainer, pl_module: pl.LightningModule, stage: str) -> None:
        """Write."""
        if trainer.is_global_zero:
            self.path.mkdir(parents=True, exist_ok=True)
            (self.path / "config.yaml").write_text(self.config)
            with (self.path / "command.txt").open("a") as file:  # a resumed run has several
                file.write(f"{self.command}\n")
            code = code_state()
            code.write(self.path)
            for board in boards(trainer):
                board.log_hyperparams(yaml.safe_load(self.config) | {"code": code.facts})
                if code.patch:  # a copy, because W&B would only link to it
                    copy = shutil.copy(self.path / "code.patch", board.experiment.dir)
                    board.experiment.save(copy, base_path=board.experiment.dir, policy="now")
                if board.experiment.url:
                    log.info("W&B: %s", board.experiment.url)


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
        else:
            os.environ[CHOSEN] = str(folder)
            return folder


def discard_if_empty() -> None:
    """Remove the folder of a run that was refused before it began."""
    folder = os.environ.pop(CHOSEN, None)
    if folder is not None and Path(folder).is_dir() and not any(Path(folder).iterdir()):
        Path(folder).rmdir()
