"""Which classes are taken for which: counts over all validation images, of all processes."""

from pathlib import Path
from typing import Any

import lightning.pytorch as pl
from lightning.pytorch.callbacks import Callback
from torch import Tensor
from torchmetrics.classification import MulticlassConfusionMatrix

from inception_lightning.evaluation.confusion import confusion_chart, draw_confusion, write_counts
from inception_lightning.runs.wandb import boards, offer
from inception_lightning.training.classifier import InceptionClassifier

COUNTED_CLASSES = 2000  # the square of more does not fit into memory


class Confusion(Callback):
    """Writes ``confusion.csv`` and ``confusion.png`` of the last validation when training ends, and shows W&B."""

    def __init__(self, folder: Path) -> None:
        """Write into ``folder``."""
        self.folder = folder
        self.counts: MulticlassConfusionMatrix | None = None

    def on_validation_start(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """Count from zero."""
        self.counts = None
        if isinstance(pl_module, InceptionClassifier) and pl_module.net.num_classes <= COUNTED_CLASSES:
            counts = MulticlassConfusionMatrix(pl_module.net.num_classes, validate_args=False)
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
        """Count a batch, whose logits (N, num_classes) the module gives; none where a process has no sample."""
        if self.counts is not None and isinstance(outputs, Tensor):
            self.counts.update(outputs.argmax(dim=1), batch[1])

    def on_fit_end(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """Add up the processes and write."""
        if self.counts is None or not isinstance(pl_module, InceptionClassifier):
            return
        counts = self.counts.compute().cpu()  # (true, predicted); every process takes part
        if not trainer.is_global_zero or not counts.any():
            return
        names = pl_module.class_names
        write_counts(self.folder / "confusion.csv", counts, names)
        draw_confusion(counts, names).savefig(self.folder / "confusion.png", dpi=100)
        for board in boards(trainer):
            offer(lambda: board.log_image("pictures/confusion", [str(self.folder / "confusion.png")]))  # noqa: B023  # at once
            offer(lambda: board.experiment.log({"confusion": confusion_chart(counts, names)}))  # noqa: B023
