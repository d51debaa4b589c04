"""Confusion matrix of the best validation, counted over all images on all processes."""

import math
from pathlib import Path
from typing import Any

import lightning.pytorch as pl
import torch
from lightning.pytorch.callbacks import Callback
from torch import Tensor
from torchmetrics.classification import MulticlassConfusionMatrix

from inception_lightning.callbacks.best import standing
from inception_lightning.errors import spared
from inception_lightning.evaluation.confusion import confusion_chart, draw_confusion, write_counts
from inception_lightning.runs.wandb import boards, offer
from inception_lightning.training.classifier import InceptionClassifier

MAX_CLASSES = 2000  # the matrix has the square of this many counts; no matrix is kept for more classes


class Confusion(Callback):
    """Writes ``confusion.csv`` and ``confusion.png`` when training ends, and logs them to W&B.

    They are of the epoch that the best checkpoint is of, or of the last one where what chooses it is not validated.
    """

    def __init__(self, folder: Path, *, monitor: str = "val/top1", mode: str = "max") -> None:
        """Create the callback.

        Args:
            folder: The run's folder, which the files are written into.
            monitor: What the best checkpoint is chosen by.
            mode: Whether the best is the ``max`` or the ``min``.
        """
        self.folder = folder
        self.monitor = monitor
        self.mode = mode
        self.running: MulticlassConfusionMatrix | None = None
        self.counts: Tensor | None = None  # (true, predicted), of the best validation
        self.best = -math.inf
        self.epoch = 0

    def state_dict(self) -> dict[str, Any]:
        """The best matrix so far, of which most places are 0 where classes are many."""
        held: dict[str, Any] = {"best": self.best, "epoch": self.epoch}
        if self.counts is not None:
            counts = self.counts.to(torch.int32).to_sparse()
            held |= {"size": len(self.counts), "places": counts.indices().to(torch.int16), "counts": counts.values()}
        return held

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Go on with the best matrix of the run that is resumed."""
        self.best, self.epoch = state_dict["best"], state_dict["epoch"]
        if "counts" in state_dict:
            self.counts = torch.zeros(state_dict["size"], state_dict["size"], dtype=torch.long)
            self.counts[tuple(state_dict["places"].long())] = state_dict["counts"].long()

    def on_validation_start(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """Start a new matrix."""
        self.running = None
        if trainer.sanity_checking:  # two batches that nobody asked about
            return
        if not isinstance(pl_module, InceptionClassifier) or pl_module.several_labels:
            return
        if pl_module.num_classes <= MAX_CLASSES:
            counts = MulticlassConfusionMatrix(pl_module.num_classes, validate_args=False)
            self.running = counts.to(pl_module.device)

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
        if self.running is not None and isinstance(outputs, dict) and {"logits", "labels"} <= outputs.keys():
            self.running.update(outputs["logits"].argmax(dim=1), outputs["labels"])

    def on_validation_end(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """Sum the matrices of all processes, and keep the sum if it is of the best epoch so far."""
        if self.running is None:
            return
        counts = self.running.compute().cpu()  # every process takes part
        chosen = trainer.callback_metrics.get(self.monitor)
        value = standing(None if chosen is None else float(chosen), self.mode)
        if counts.any() and (chosen is None or self.counts is None or value > self.best):
            self.counts, self.epoch, self.best = counts, trainer.current_epoch + 1, value

    def on_fit_end(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """Write the matrix on the main process."""
        if self.counts is None or not isinstance(pl_module, InceptionClassifier) or not trainer.is_global_zero:
            return
        counts, title = self.counts, f"validation images, epoch {self.epoch}"
        names = pl_module.class_names or [str(index) for index in range(len(counts))]  # data that have no names
        with spared("the confusion matrix"):
            write_counts(self.folder / "confusion.csv", counts, names)
            picture = draw_confusion(counts, names, title)
            picture.savefig(self.folder / "confusion.png", dpi=100)
            for board in boards(trainer):
                offer(lambda: board.log_image("pictures/confusion", [str(self.folder / "confusion.png")]))  # noqa: B023  # at once
                offer(lambda: board.experiment.log({"confusion": confusion_chart(counts, names, title)}))  # noqa: B023
