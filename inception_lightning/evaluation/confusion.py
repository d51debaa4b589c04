"""The confusion matrix as a CSV file, as a picture, and as a chart on W&B.

``counts`` is (true class, predicted class) everywhere here.
"""

import csv
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor

from inception_lightning.errors import visible
from inception_lightning.names import short_name, writable

if TYPE_CHECKING:
    from matplotlib.figure import Figure

NAMED_CLASSES = 30  # with more classes the names beside the matrix would be unreadable, and are left out
TABLE_ROWS = 10_000  # the most that W&B shows of a table


def write_counts(path: Path, counts: Tensor, names: Sequence[str]) -> None:
    """Write ``counts`` as CSV: a row per true class, a column per predicted class.

    Args:
        path: File to write.
        counts: Number of images, (true class, predicted class).
        names: Class names, in the order of the counts. They stay as they are, those too that a spreadsheet takes for
            formulas: a CSV file holds data, and bytes that are no text are those of the folder's name.
    """
    with path.open("w", newline="", encoding="utf-8", errors="surrogateescape") as file:
        writer, held = csv.writer(file), [writable(name) for name in names]
        writer.writerow(["true \\ predicted", *held])
        writer.writerows([name, *row] for name, row in zip(held, counts.tolist(), strict=True))


def draw_confusion(counts: Tensor, names: Sequence[str], title: str) -> "Figure":
    """The matrix as a picture: each row shows in percent what the images of one true class are predicted as.

    Args:
        counts: Number of images, (true class, predicted class).
        names: Class names; up to `NAMED_CLASSES` of them are written beside the matrix, with the counts in it.
        title: What follows the number of images above it.
    """
    from matplotlib.figure import Figure

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
    axis.set(xlabel="predicted", ylabel="true", title=f"{int(counts.sum()):,} {title}")
    figure.colorbar(shown, ax=axis, label="share of the true class (%)", shrink=0.8)
    return figure


def confusion_chart(counts: Tensor, names: Sequence[str], title: str) -> Any:
    """W&B's own confusion matrix chart, from the `TABLE_ROWS` most frequent pairs of true and predicted class."""
    import wandb

    pairs = torch.nonzero(counts).tolist()
    pairs.sort(key=lambda pair: -int(counts[pair[0], pair[1]]))
    shown = [visible(name) for name in names]
    rows = [[shown[true], shown[predicted], int(counts[true, predicted])] for true, predicted in pairs[:TABLE_ROWS]]
    columns = ["Actual", "Predicted", "nPredictions"]
    return wandb.plot_table(
        "wandb/confusion_matrix/v1",
        wandb.Table(columns=[*columns], data=rows),
        fields={name: name for name in columns},
        string_fields={"title": title},
    )
