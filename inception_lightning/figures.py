"""Figures of a table of runs: what they are compared by is a knob, what else varies makes panels."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd  # type: ignore[import-untyped]  # its stubs are a package of their own
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from inception_lightning.results import metrics, short, varied

COLORS = (
    "#0072B2",
    "#D55E00",
    "#009E73",
    "#CC79A7",
    "#E69F00",
    "#56B4E9",
    "#000000",
)  # Okabe and Ito: colour-blind safe
MARKERS = "osD^vPX"
LINES = ("-", "--", "-.", ":")


def draw_accuracy(runs: pd.DataFrame, knob: str) -> Figure:
    """Best validation accuracy against a knob: every run, mean and standard deviation, dead runs crossed."""
    figure = Figure(figsize=(7.5, 4.2), layout="constrained")
    axis = figure.subplots()
    values = ordered(runs[knob])
    panels = list(_panels(runs, knob))
    for index, (title, group) in enumerate(panels):
        style: dict[str, Any] = {"color": COLORS[index % len(COLORS)], "marker": MARKERS[index % len(MARKERS)]}
        shift = 0.12 * (index - (len(panels) - 1) / 2)
        places = group[knob].astype(str).map(values.index) + shift
        axis.plot(places, 100 * group["best"], linestyle="", alpha=0.35, markersize=5, **style)
        dead = group["died"]
        axis.plot(places[dead], 100 * group["best"][dead], linestyle="", marker="x", color="black", markersize=10)
        by_value = group.groupby(group[knob].astype(str))["best"].agg(["mean", "std"])
        at = [values.index(value) + shift for value in by_value.index]
        spread = 100 * by_value["std"].fillna(0)
        axis.errorbar(at, 100 * by_value["mean"], spread, linestyle="", capsize=5, markersize=8, label=title, **style)
    if runs["died"].any():
        axis.plot([], [], "kx", markersize=10, label="died")
    axis.set(xlabel=_name(knob), ylabel="best validation top-1 (%)", xticks=range(len(values)), xticklabels=values)
    axis.set_title(f"Accuracy by {_name(knob)}: runs, mean ± standard deviation", fontsize=11)
    axis.legend(fontsize=9)
    axis.grid(alpha=0.3)
    return figure


def draw_curves(runs: pd.DataFrame, knob: str, metric: str, label: str) -> Figure:
    """A metric over steps: a panel per setting of the other knobs, a line per value of this one.

    Lines are means over the seeds, bands go from the smallest to the greatest.
    """
    panels = list(_panels(runs, knob))
    figure = Figure(figsize=(4.2 * len(panels) + 1.5, 4), layout="constrained")
    axes: list[Axes] = list(figure.subplots(1, len(panels), sharey=True, squeeze=False)[0])
    values = ordered(runs[knob])
    for axis, (title, group) in zip(axes, panels, strict=True):
        for index, value in enumerate(values):
            series = _series(group[group[knob].astype(str) == value], metric)
            if series.empty:
                continue
            color = COLORS[index % len(COLORS)]
            axis.plot(series.index, series.mean(axis=1), LINES[index % 4], color=color, label=value)
            axis.fill_between(series.index, series.min(axis=1), series.max(axis=1), color=color, alpha=0.12, lw=0)
        axis.set(xlabel="step", title=title, ylim=(-0.02, 1.02))
        axis.grid(alpha=0.3)
    axes[0].set_ylabel(label)
    axes[-1].legend(title=_name(knob), fontsize=8, title_fontsize=8, loc="center left", bbox_to_anchor=(1.01, 0.5))
    return figure


def draw_ratios(runs: pd.DataFrame, knob: str) -> Figure:
    """Norm of the scaled residual over that of the shortcut, per block over steps, on a logarithmic scale."""
    panels = list(_panels(runs, knob))
    values = ordered(runs[knob])
    size = (2.6 * len(values) + 2, 2.9 * len(panels) + 0.4)
    figure = Figure(figsize=size, layout="constrained")
    axes = figure.subplots(len(panels), len(values), squeeze=False)
    shown = None
    for row, (title, group) in zip(axes, panels, strict=True):
        for axis, value in zip(row, values, strict=True):
            runs_here = group[group[knob].astype(str) == value]
            blocks, steps, grid = _ratios(runs_here)
            axis.set_title(f"{_name(knob)} {value}\n{title}", fontsize=9)
            axis.set_xlabel("step", fontsize=9)
            if not grid.size:
                axis.set_axis_off()
                continue
            log = np.log10(np.maximum(grid, 1e-4))
            shown = axis.pcolormesh(steps, range(len(blocks)), log, cmap="cividis", vmin=-2, vmax=1, shading="nearest")
            axis.set_yticks(range(len(blocks)), blocks if axis is row[0] else [""] * len(blocks), fontsize=8)
            axis.invert_yaxis()
    if shown is not None:
        bar = figure.colorbar(shown, ax=axes, ticks=[-2, -1, 0, 1], extend="both")
        bar.ax.set_yticklabels(["0.01", "0.1", "1", "10"])
        bar.set_label("‖scale · residual‖ / ‖shortcut‖")
    return figure


def ordered(column: "pd.Series[Any]") -> list[str]:
    """A knob's values as text: numbers first, from the smallest, then the others."""

    def key(value: str) -> tuple[bool, float, str]:
        try:
            return False, float(value), value
        except ValueError:
            return True, 0.0, value

    return sorted(set(column.astype(str)), key=key)


def _panels(runs: pd.DataFrame, knob: str) -> Iterator[tuple[str, pd.DataFrame]]:
    """The runs by the settings of the knobs other than ``knob``, with the setting in words."""
    others = [name for name in varied(runs) if name != knob]
    if not others:
        yield "all runs", runs
        return
    for setting, group in runs.groupby([runs[name].astype(str) for name in others], sort=True):
        yield ", ".join(f"{_name(name)} {value}" for name, value in zip(others, setting, strict=True)), group


def _series(runs: pd.DataFrame, metric: str) -> pd.DataFrame:
    """A metric over steps, a column per run."""
    columns = {}
    for folder in runs["folder"]:
        log = metrics(Path(folder))
        if metric in log:
            columns[folder] = log.dropna(subset=[metric]).groupby("step")[metric].last()
    return pd.DataFrame(columns)


def _ratios(runs: pd.DataFrame) -> tuple[list[str], "np.ndarray[Any, Any]", "np.ndarray[Any, Any]"]:
    """Blocks in order, steps, and the mean ratio over the runs (blocks, steps)."""
    prefix = "residual/ratio/"
    names = [name for name in runs if name.startswith(prefix) and runs[name].notna().any()]
    series = [_series(runs, name).mean(axis=1) for name in names]
    joined = pd.DataFrame(series)  # (blocks, steps)
    return [name.removeprefix(prefix) for name in names], joined.columns.to_numpy(), joined.to_numpy()


def _name(knob: str) -> str:
    return short(knob).replace("_", " ")
