"""Confusion matrix of the last validation, counted over all images on all processes."""

from pathlib import Path
from typing import Any

import lightning.pytorch as pl
from lightning.pytorch.callbacks import Callback
from torchmetrics.classification import MulticlassConfusionMatrix

from inception_lightning.errors import spared
from inception_lightning.evaluation.confusion import confusion_chart, draw_confusion, write_counts
from inception_lightning.runs.wandb import boards, offer
from inception_lightning.training.classifier import InceptionClassifier

MAX_CLASSES = 2000  # the matrix has the square of this many counts; no matrix is kept for more classes


class Confusion(Callback):
    """Writes ``confusion.csv`` and ``confusion.png`` when training ends, and logs them to W&B."""

    def __init__(self, folder: Path) -> None:
        """Create the callback.

        Args:
            folder: The run's folder, which the files are written into.
        """
        self.folder = folder
        self.counts: MulticlassConfusionMatrix | None = None

    def on_validation_start(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """Start a new matrix, so that what remains at the end is the last validation's."""
        self.counts = None
        if trainer.sanity_checking:  # two batches that nobody asked about
            return
        if not isinstance(pl_module, InceptionClassifier) or pl_module.several_labels:
            return
        if pl_module.num_classes <= MAX_CLASSES:
            counts = MulticlassConfusionMatrix(pl_module.num_classes, validate_args=False)
            self.counts = counts.to(pl_module.device)

    def on_validation_batch_end(
        self,
        trainer: pl.Trainer,
        pl_module: pl.LightningModule,
        outputs: Any,
        batch: Any,
        batch_idx: int,
        dataloader_idx: int = 0,
    ) -> None:
        """Add a batch, whose `Evaluated` logits and labels are ``outputs``."""
        if self.counts is not None and isinstance(outputs, dict) and {"logits", "labels"} <= outputs.keys():
            self.counts.update(outputs["logits"].argmax(dim=1), outputs["labels"])

    def on_fit_end(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """Sum the matrices of all processes, and write the result on the main one."""
        if self.counts is None or not isinstance(pl_module, InceptionClassifier):
            return
        counts = self.counts.compute().cpu()  # (true, predicted); every process takes part
        if not trainer.is_global_zero or not counts.any():
            return
        names = pl_module.class_names or [str(index) for index in range(len(counts))]  # data that have no names
        with spared("the confusion matrix"):
            write_counts(self.folder / "confusion.csv", counts, names)
            draw_confusion(counts, names).savefig(self.folder / "confusion.png", dpi=100)
            for board in boards(trainer):
                offer(lambda: board.log_image("pictures/confusion", [str(self.folder / "confusion.png")]))  # noqa: B023  # at once
                offer(lambda: board.experiment.log({"confusion": confusion_chart(counts, names)}))  # noqa: B023
