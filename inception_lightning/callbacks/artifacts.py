"""The best and the last checkpoint as one W&B artifact of a run."""

import functools
from pathlib import Path
from typing import TYPE_CHECKING

import lightning.pytorch as pl
from lightning.pytorch.callbacks import Callback

from inception_lightning.runs.wandb import boards, offer

if TYPE_CHECKING:
    import wandb


class CheckpointArtifact(Callback):
    """Logs ``model-ID:last`` and ``model-ID:best`` when training ends, and nothing in between."""

    def __init__(self, best: Path, last: Path) -> None:
        """Remember where they will be."""
        self.files = {"last": last, "best": best}

    def on_fit_end(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """Log those that are there; the files stay where they are and are not copied."""
        if not trainer.is_global_zero:
            return
        for board in boards(trainer):
            for alias, path in self.files.items():
                if path.is_file():
                    offer(functools.partial(_log, board.experiment, path, alias))


def _log(run: "wandb.Run", path: Path, alias: str) -> None:
    import wandb

    artifact = wandb.Artifact(f"model-{run.id}", "model", metadata={"file": path.name})
    artifact.add_file(str(path), skip_cache=True, policy="immutable")
    run.log_artifact(artifact, aliases=[alias])
