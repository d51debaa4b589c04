"""Fits the temperature on the validation images, and writes it into the checkpoint."""

from pathlib import Path

import lightning.pytorch as pl
import numpy as np
import torch
from rich.console import Console
from rich.table import Table

from inception_lightning.callbacks.scores import Answers, Collecting, images_of, probabilities
from inception_lightning.configurable import KEY
from inception_lightning.errors import InputError, visible
from inception_lightning.evaluation.calibration import fit_temperature
from inception_lightning.evaluation.scores import scores
from inception_lightning.runs.checkpoints import read_checkpoint, rewrite
from inception_lightning.training.classifier import InceptionClassifier

SHOWN = {"log_loss": "log loss", "ece": "calibration error %", "brier": "Brier score"}


class Calibrate(Collecting):
    """Fits one temperature when a validation ends, shows before and after, and writes it into a checkpoint."""

    def __init__(self, checkpoint: Path) -> None:
        """Calibrate ``checkpoint``, which is what is validated."""
        self.checkpoint = checkpoint
        super().__init__()

    def on_validation_end(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """Fit, show and write on the first process.

        Raises:
            InputError: Nothing is known of the answers, or they are not finite.
        """
        if images_of(trainer.val_dataloaders) is None and trainer.world_size > 1:
            raise InputError("several processes see each image once with data of ours only: say --trainer.devices 1")
        answers = self.collected.gather(trainer)
        if not trainer.is_global_zero:
            return
        if answers is None or not isinstance(pl_module, InceptionClassifier):
            raise InputError(
                "calibrate needs the validation_step of InceptionClassifier, which gives logits and labels"
            )
        raw = Answers(answers.logits * np.float32(pl_module.temperature), answers.targets)
        temperature = fit_temperature(torch.from_numpy(raw.logits), torch.from_numpy(raw.targets))
        content = read_checkpoint(self.checkpoint)
        content[KEY]["temperature"] = temperature
        rewrite(self.checkpoint, content)
        console = Console(soft_wrap=True, highlight=False, markup=False)
        console.print(_compared(raw, temperature))
        console.print(
            f"temperature {temperature:.4f}, which test, validate, predict and export use, in "
            f"{visible(str(self.checkpoint))}"
        )


def _compared(raw: Answers, temperature: float) -> Table:
    """The figures that a temperature changes, without and with it."""
    several = raw.targets.ndim == 2
    before, after = (
        scores(probabilities(raw.logits / np.float32(each), several), raw.targets, with_intervals=False).overall
        for each in (1.0, temperature)
    )
    shown = Table(f"{len(raw.logits):,} validation images", "before", "after")
    for name, title in SHOWN.items():
        factor = 100 if name == "ece" else 1
        shown.add_row(title, f"{factor * before[name]:.4f}", f"{factor * after[name]:.4f}")
    return shown
