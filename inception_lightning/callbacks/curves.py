"""The curves of a run as one picture: losses, scores and the rate over epochs, the best epoch marked."""

import csv
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeAlias

from inception_lightning.callbacks.best import standing

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

BLUE, ORANGE, GREEN, GREY = "#0072B2", "#D55E00", "#009E73", "#888888"
TRAINING: dict[str, Any] = {"linestyle": "--", "linewidth": 1.2}
VALIDATION: dict[str, Any] = {"linestyle": "-", "linewidth": 2.0, "marker": "o", "markersize": 4}
Styles: TypeAlias = dict[str, tuple[str, dict[str, Any]]]
KNOWN: Styles = {
    "train/loss": ("training: all that is minimised", {"color": GREY, **TRAINING}),
    "train/loss_main": ("training: main classifier", {"color": BLUE, **TRAINING}),
    "val/loss": ("validation: main classifier, plain loss", {"color": BLUE, **VALIDATION}),
    "train/top1": ("training: top-1", {"color": BLUE, **TRAINING}),
    "val/top1": ("validation: top-1", {"color": BLUE, **VALIDATION}),
    "train/top5": ("training: top-5", {"color": ORANGE, **TRAINING}),
    "val/top5": ("validation: top-5", {"color": ORANGE, **VALIDATION}),
}
"""What is logged -> its words and its style: a hue for a quantity, dashes for training, dots for validation."""
OF_LABELS: Styles = {
    "train/f1": ("training: F1", {"color": GREEN, **TRAINING}),
    "val/f1": ("validation: F1", {"color": GREEN, **VALIDATION}),
    "val/average_precision": ("validation: average precision", {"color": BLUE, **VALIDATION}),
    "val/auroc": ("validation: AUROC", {"color": ORANGE, **VALIDATION}),
}
"""The same of images with several labels, whose scores are means over the labels."""
HEAD = "train/loss_"
HEADS = (GREEN, "#CC79A7", "#E69F00")
PLACES = {"left": 0.08, "right": 0.985, "top": 0.94, "bottom": 0.09, "hspace": 0.16, "wspace": 0.16}
"""Of the axes, which a layout that looks for room would take as long to find as the rest takes to draw."""

Points: TypeAlias = list[tuple[float, float]]


def draw_curves(metrics: Path, monitor: str = "val/top1", mode: str = "max") -> "Figure":
    """Losses and accuracies, or scores of labels, over epochs, and below them the learning rate.

    Args:
        metrics: A run's ``metrics.csv``.
        monitor: What the best checkpoint is chosen by: a star on its curve, or a line where it has none.
        mode: Whether the best is the ``max`` or the ``min``.
    """
    from matplotlib.figure import Figure

    with metrics.open(newline="") as file:
        logged = curves(list(csv.DictReader(file)))
    figure = Figure(figsize=(11, 5.6))
    upper, lower = figure.subplots(2, 2, height_ratios=(3, 1), sharex=True, gridspec_kw=PLACES)
    losses = [name for name in logged if name.startswith(("train/loss", "val/loss"))]
    if logged.get("train/loss") == logged.get("train/loss_main"):  # without heads they are one
        losses = [name for name in losses if name != "train/loss"]
    _plot(upper[0], logged, losses)
    upper[0].set(title="Losses", ylabel="loss", yscale="log")
    upper[0].yaxis.set_major_formatter("{x:g}")
    upper[0].yaxis.set_minor_formatter("{x:g}")
    several = "val/average_precision" in logged and "val/top1" not in logged
    styles = OF_LABELS if several else KNOWN
    scores = [name for name in styles if "/loss" not in name]
    _plot(upper[1], logged, [name for name in scores if name in logged], percent=True)
    title, unit = ("Scores", "%, mean over labels") if several else ("Accuracy", "% of images")
    upper[1].set(title=title, ylabel=unit)
    _mark_best(upper[0 if monitor in losses else 1], logged.get(monitor, []), monitor, mode, KNOWN | styles)
    _plot(lower[0], logged, ["train/lr"] if "train/lr" in logged else [])
    lower[0].set(xlabel="epoch", ylabel="learning rate")
    lower[1].axis("off")
    upper[1].set_xlabel("epoch")
    upper[1].tick_params(labelbottom=True)
    return figure


def curves(rows: Sequence[Mapping[str, str]]) -> dict[str, Points]:
    """What is logged -> its points over epochs done, the end of the first being 1.

    Args:
        rows: Those of ``metrics.csv``: ``epoch`` from 1, ``step`` from 0, and what was logged then.
    """
    whole = [row for row in rows if row.get("epoch") and row.get("step")]
    ends: dict[int, int] = {}
    for row in whole:
        ends[int(row["epoch"])] = max(ends.get(int(row["epoch"]), 0), int(row["step"]) + 1)
    steps = max((end / epoch for epoch, end in ends.items()), default=1.0)  # of one epoch
    names = [name for name in (rows[0] if rows else ()) if name and name not in ("epoch", "step")]
    found = {
        name: [((int(row["step"]) + 1) / steps, float(row[name])) for row in rows if row.get(name) and row.get("step")]
        for name in names
    }
    return {name: points for name, points in found.items() if points}


def _plot(axis: "Axes", logged: Mapping[str, Points], names: Sequence[str], *, percent: bool = False) -> None:
    heads = [name for name in names if name.startswith(HEAD) and name not in KNOWN]
    for name in names:
        if name in heads:
            color = HEADS[heads.index(name) % len(HEADS)]
            words, style = f"training: head on {name.removeprefix(HEAD)}", {"color": color, **TRAINING, "alpha": 0.7}
        else:
            words, style = (KNOWN | OF_LABELS).get(name, (name, {"color": GREY}))
        epochs, values = zip(*logged[name], strict=True)
        axis.plot(epochs, [100 * value for value in values] if percent else values, label=words, **style)
    if len(names) > 1:
        axis.legend(fontsize=8)
    if names:
        axis.margins(x=0.02)
    axis.grid(alpha=0.3)


def _mark_best(axis: "Axes", points: Points, monitor: str, mode: str, curves: Styles) -> None:
    if not points:
        return
    epoch, value = max(points, key=lambda point: standing(point[1], mode))  # the first of equals, as the checkpoint's
    percent = monitor in curves and "/loss" not in monitor
    shown = 100 * value if percent else value
    color = curves.get(monitor, ("", {"color": GREY}))[1]["color"]
    if monitor in curves:
        axis.plot([epoch], [shown], "*", color=color, markersize=15, markeredgecolor="white", zorder=5)
    else:
        axis.axvline(epoch, color=color, linestyle=":")
    axis.annotate(
        f"best: {shown:.2f} %, epoch {epoch:.3g}" if percent else f"best {monitor}: {value:.4g}, epoch {epoch:.3g}",
        (epoch, shown) if monitor in curves else (epoch, axis.get_ylim()[1]),
        xytext=(-6, -34),
        textcoords="offset points",
        ha="right" if epoch > sum(axis.get_xlim()) / 2 else "left",
        fontsize=9,
        color=color,
    )
