"""The best checkpoints: as many as are asked for, of which the best is also called ``best.ckpt``."""

import math
import os
from pathlib import Path
from typing import Any

import lightning.pytorch as pl
from lightning.pytorch.callbacks import ModelCheckpoint

BEST = "best.ckpt"
PATHS = ("best_model_path", "kth_best_model_path", "last_model_path")


class BestCheckpoint(ModelCheckpoint):
    """Lightning's, which knows its files wherever the run's folder lies now, and names the best of them.

    Lightning's own forgets the best score of a run that was moved, renamed or named by another path, and then replaces
    a better checkpoint by a worse one.
    """

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Go on with the scores and files that the run had, which are in the folder that it has now."""
        here = Path(self.dirpath or "")

        def moved(path: str) -> str:
            return str(here / Path(path).name) if path else path

        paths = {name: moved(state_dict[name]) for name in PATHS if name in state_dict}
        kept = {moved(path): score for path, score in state_dict.get("best_k_models", {}).items()}
        super().load_state_dict(state_dict | paths | {"dirpath": self.dirpath, "best_k_models": kept})

    def on_train_epoch_end(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """Save after an epoch without validation, and give the best file its name."""
        super().on_train_epoch_end(trainer, pl_module)
        self._name_best(trainer)

    def on_validation_end(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """Save after a validation, and give the best file its name."""
        super().on_validation_end(trainer, pl_module)
        self._name_best(trainer)

    def _name_best(self, trainer: pl.Trainer) -> None:
        best = Path(self.best_model_path)
        name = Path(self.dirpath or "") / BEST
        if not trainer.is_global_zero or not best.is_file() or best == name:
            return
        if name.is_file() and name.samefile(best):
            return
        link = name.with_name(f".{BEST}.{os.getpid()}.tmp")
        link.unlink(missing_ok=True)
        os.link(best, link)
        os.replace(link, name)


def standing(value: float | None, mode: str) -> float:
    """How well a score stands beside others, the more the better; one that is no number or unknown stands last.

    Of equals the first is the best, as `ModelCheckpoint` has it.

    Args:
        value: The score.
        mode: Whether the best is the ``max`` or the ``min``.
    """
    if value is None or math.isnan(value):
        return -math.inf
    return -value if mode == "min" else value
