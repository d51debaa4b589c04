"""Which classes are taken for which: counts over all validation images, of all processes."""

import csv
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import lightning.pytorch as pl
import torch
import wandb
from lightning.pytorch.callbacks import Callback
from matplotlib.figure import Figure
from torch import Tensor
from torchmetrics.classification import MulticlassConfusionMatrix

from inception_lightning.callbacks.pictures import short_name
from inception_lightning.runs.wandb import boards, offer
from inception_lightning.training.classifier import InceptionClassifier

NAMED_CLASSES = 30  # more names cannot be read beside a matrix
COUNTED_CLASSES = 2000  # the square of more does not fit into memory
TABLE_ROWS = 10_000  # W&B shows no more


class Confusion(Callback):
    """Writes ``confusion.csv`` and ``confusion.png`` of the last validation when training ends, and shows W&B."""

    def __init__(self, folder: Path) -> None:
        """Write into ``folder``."""
        self.folder = folder
        self.counts: MulticlassConfusionMatrix | None = None

    def on_validation_start(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """Count from zero."""
        self.counts = None
        if isinstance(pl_module, InceptionClassifier) and pl_module.num_classes <= COUNTED_CLASSES:
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


def write_counts(path: Path, counts: Tensor, names: Sequence[str]) -> None:
    """A row per true class, a column per predicted one."""
    with path.open("w", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(["true \\ predicted", *names])
        writer.writerows([name, *row] for name, row in zip(names, counts.tolist(), strict=True))


def draw_confusion(counts: Tensor, names: Sequence[str]) -> Figure:
    """Shares of each true class (rows) that are taken for each class, darker for more."""
    shares = counts / counts.sum(dim=1, keepdim=True).clamp(min=1)  # (true, predicted)
    few = len(names) <= NAMED_CLASSES
    side = 3.2 + (0.38 * len(names) if few else 4.0)
    figure = Figure(figsize=(side + 1.2, side), layout="constrained")
    axis = figure.subplots()
    shown = axis.imshow((100 * shares).numpy(), cmap="Blues", vmin=0, vmax=100)
    if few:
        axis.set_xticks(range(len(names)), [short_name(name) for name in names], rotation=90, fontsize=9)
        axis.set_yticks(range(len(names)), [short_name(name) for name in names], fontsize=9)
        for true, predicted in torch.nonzero(counts).tolist():
            color = "white" if shares[true, predicted] > 0.5 else "black"
            text = str(int(counts[true, predicted]))
            axis.text(predicted, true, text, ha="center", va="center", fontsize=7, color=color)
    axis.set(xlabel="predicted", ylabel="true", title=f"{int(counts.sum()):,} validation images, last epoch")
    figure.colorbar(shown, ax=axis, label="share of the true class (%)", shrink=0.8)
    return figure


def confusion_chart(counts: Tensor, names: Sequence[str]) -> Any:
    """W&B's confusion matrix of the most frequent pairs."""
    pairs = torch.nonzero(counts).tolist()
    pairs.sort(key=lambda pair: -int(counts[pair[0], pair[1]]))
    rows = [[names[true], names[predicted], int(counts[true, predicted])] for true, predicted in pairs[:TABLE_ROWS]]
    columns = ["Actual", "Predicted", "nPredictions"]
    return wandb.plot_table(
        "wandb/confusion_matrix/v1",
        wandb.Table(columns=[*columns], data=rows),
        fields={name: name for name in columns},
        string_fields={"title": "Validation, last epoch"},
    )
