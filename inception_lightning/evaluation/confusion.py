"""Which classes are taken for which: counts of true and predicted classes as a file, a picture and a chart for W&B."""

import csv
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch
import wandb
from matplotlib.figure import Figure
from torch import Tensor

from inception_lightning.evaluation.predictions import short_name

NAMED_CLASSES = 30  # more names cannot be read beside a matrix
TABLE_ROWS = 10_000  # W&B shows no more


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
