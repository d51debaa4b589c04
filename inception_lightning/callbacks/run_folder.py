"""A run's folder: its resolved configuration, the command that repeats it and the state of the code."""

import logging
import shutil
from pathlib import Path

import lightning.pytorch as pl
import yaml
from lightning.pytorch.callbacks import Callback

from inception_lightning.errors import spared
from inception_lightning.runs.code_state import code_state
from inception_lightning.runs.wandb import boards

log = logging.getLogger(__name__)


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
        """Write config.yaml, the command and the state of the code, and give every logger the settings."""
        if trainer.is_global_zero:
            self.path.mkdir(parents=True, exist_ok=True)
            (self.path / "config.yaml").write_text(self.config)
            with (self.path / "command.txt").open("a") as file:  # a resumed run has several
                file.write(f"{self.command}\n")
            code = code_state()
            code.write(self.path)
            for logger in trainer.loggers:  # W&B, TensorBoard, MLflow, one's own
                with spared(f"the settings in {type(logger).__name__}"):
                    logger.log_hyperparams(yaml.safe_load(self.config) | {"code": code.facts})
            for board in boards(trainer):
                if code.patch:  # a copy, because W&B would only link to it
                    copy = shutil.copy(self.path / "code.patch", board.experiment.dir)
                    board.experiment.save(copy, base_path=board.experiment.dir, policy="now")
                if board.experiment.url:
                    log.info("W&B: %s", board.experiment.url)
