"""Reliability diagram, ROC and precision-recall curves as pictures whose ink a page may choose."""

import io
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from torch import Tensor
from torchmetrics.functional.classification import binary_precision_recall_curve, binary_roc

from inception_lightning.evaluation.predictions_csv import Predictions
from inception_lightning.evaluation.scores import Scores
from inception_lightning.names import short_name

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

INK = "#010203"
"""Of text and lines, until a page puts its own colour in the place of it."""

MARGINS = {"left": 0.13, "right": 0.97, "bottom": 0.11, "top": 0.93}
"""Of the pictures, as shares of them: to have matplotlib find some takes as long as to draw them."""

MOST_CURVES = 10
POINTS = 200
"""Of a curve: more cannot be seen, and make a page slow."""


@contextmanager
def inked() -> Iterator[None]:
    """Draw with `INK` on nothing."""
    from matplotlib import rc_context

    ink: Any = dict.fromkeys(("text.color", "axes.edgecolor", "axes.labelcolor", "xtick.color", "ytick.color"), INK)
    with rc_context(ink | {"svg.fonttype": "none", "legend.framealpha": 0.0, "font.size": 9}):
        yield


def svg(figure: "Figure") -> str:
    """The picture as SVG without a background; `INK` in it is for whoever shows it to replace."""
    buffer = io.StringIO()
    with inked():
        figure.savefig(buffer, format="svg", transparent=True, metadata={"Date": None})
    text = buffer.getvalue()
    return text[text.index("<svg") :]


def draw_reliability(found: Scores) -> "Figure":
    """Accuracy against confidence, or how often a label is there against its probability.

    What lies below the diagonal is said too surely.
    """
    from matplotlib.figure import Figure

    held = found.reliability
    figure = Figure(figsize=(4.6, 4.6))
    above, below = figure.subplots(2, 1, height_ratios=(3, 1), sharex=True, gridspec_kw=MARGINS)
    edges = np.linspace(0, 1, len(held.counts) + 1)
    middles, there = (edges[:-1] + edges[1:]) / 2, held.counts > 0
    above.plot([0, 1], [0, 1], color="#888888", linestyle="--", linewidth=1)
    above.bar(middles, np.where(there, held.accuracy, 0), width=0.9 / len(middles), color="#3b7dd8", alpha=0.55)
    above.plot(held.confidence[there], held.accuracy[there], color="#d9622b", marker="o", markersize=4)
    right, confidence = ("right", "confidence") if found.thresholds is None else ("there", "probability")
    above.set(ylabel=f"share that is {right}", ylim=(0, 1), title=f"calibration error {100 * held.error:.2f} %")
    below.bar(middles, held.counts, width=0.9 / len(middles), color="#888888")
    below.set(xlabel=confidence, ylabel="answers", xlim=(0, 1))
    return figure


def draw_roc(predictions: Predictions, found: Scores) -> "Figure":
    """True against false positives of each class, or of those of the lowest AUROC."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(4.6, 4.6))
    axis = figure.subplots(gridspec_kw=MARGINS)
    axis.plot([0, 1], [0, 1], color="#888888", linestyle="--", linewidth=1)
    chosen = _chosen(found, "auroc")
    for index in chosen:
        false, true, _ = (part.numpy() for part in binary_roc(*_one_against_rest(predictions, index)))
        places = np.linspace(0, len(false) - 1, min(POINTS, len(false))).round().astype(int)
        axis.plot(false[places], true[places], linewidth=1.3, label=_label(found, "auroc", index))
    axis.set(xlabel="false positives", ylabel="true positives", title=_title("ROC", found, chosen, "AUROC"))
    _finish(axis)
    return figure


def draw_precision_recall(predictions: Predictions, found: Scores) -> "Figure":
    """Precision against recall of each class, or of those of the lowest average precision."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(4.6, 4.6))
    axis = figure.subplots(gridspec_kw=MARGINS)
    chosen = _chosen(found, "average_precision")
    for index in chosen:
        answers = _one_against_rest(predictions, index)
        precision, recall, _ = (part.numpy() for part in binary_precision_recall_curve(*answers))
        places = np.linspace(0, len(recall) - 1, min(POINTS, len(recall))).round().astype(int)
        label = _label(found, "average_precision", index)
        axis.step(recall[places], precision[places], where="post", linewidth=1.3, label=label)
    title = _title("Precision and recall", found, chosen, "AP")
    axis.set(xlabel="recall", ylabel="precision", title=title)
    _finish(axis)
    return figure


def _one_against_rest(predictions: Predictions, index: int) -> tuple[Tensor, Tensor]:
    """The probability of a class (N,), and 1 where an image is of it (N,)."""
    targets = predictions.targets
    there = targets == index if targets.ndim == 1 else targets[:, index] == 1
    return torch.from_numpy(predictions.probabilities[:, index]), torch.from_numpy(there.astype(np.int64))


def _chosen(found: Scores, name: str) -> Sequence[int]:
    """The classes of the lowest scores, those left out of which there is none."""
    values = found.per_class[name]
    known: list[int] = np.flatnonzero(~np.isnan(values)).tolist()
    if len(known) <= MOST_CURVES:
        return known
    return sorted(known, key=lambda index: float(values[index]))[:MOST_CURVES]


def _label(found: Scores, name: str, index: int) -> str:
    return f"{short_name(found.class_names[index])} {100 * found.per_class[name][index]:.1f}"


def _title(what: str, found: Scores, chosen: Sequence[int], name: str) -> str:
    if len(chosen) < MOST_CURVES or len(found.class_names) <= MOST_CURVES:
        return f"{what} ({name} in %)"
    return f"{what}: {len(chosen)} lowest of {len(found.class_names)} ({name} in %)"


def _finish(axis: "Axes") -> None:
    axis.set(xlim=(-0.01, 1.01), ylim=(-0.01, 1.02))
    axis.grid(alpha=0.3)
    if axis.get_legend_handles_labels()[1]:
        axis.legend(fontsize=7)
