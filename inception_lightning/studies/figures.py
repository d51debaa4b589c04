"""Figures of a table of runs, which compare the runs by one knob; the other knobs that vary make panels."""

import textwrap
from collections.abc import Iterator
from typing import Any

import numpy as np
import pandas as pd  # type: ignore[import-untyped]  # its stubs are a package of their own
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.ticker import MaxNLocator

from inception_lightning.names import cut, no_formula, short_name
from inception_lightning.studies.results import short, text, varied

COLORS = (
    "#0072B2",
    "#D55E00",
    "#009E73",
    "#CC79A7",
    "#E69F00",
    "#56B4E9",
    "#000000",
)  # Okabe and Ito's, which colour-blind people can tell apart
MARKERS = "osD^vPX"
LINES = ("-", "--", "-.", ":")
TITLE = 38  # characters in a line of a title
VALUE = 40  # characters of a knob's value
FEW = 8  # a curve of at most so many points has markers
RATIO = "residual/ratio/"


def draw_scores(runs: pd.DataFrame, knob: str, score: str, label: str) -> Figure:
    """A score of every run against a knob, with mean and standard deviation; runs that died are crossed.

    Args:
        runs: A `results.table`.
        knob: Dotted name of the setting along the horizontal axis.
        score: A column of ``runs`` with shares (0..1), which are drawn in percent.
        label: Label of the vertical axis.
    """
    values = ordered(runs[knob])
    panels = list(_panels(runs, knob))
    figure = Figure(figsize=(9, 4.2 + 0.2 * max(0, len(panels) - 4)), layout="constrained")
    axis = figure.subplots()
    for index, (title, group) in enumerate(panels):
        style: dict[str, Any] = {"color": COLORS[index % len(COLORS)], "marker": MARKERS[index % len(MARKERS)]}
        shift = 0.6 / len(panels) * (index - (len(panels) - 1) / 2)
        places = text(group[knob]).map(values.index) + shift
        axis.plot(places, 100 * group[score], linestyle="", alpha=0.35, markersize=5, **style)
        dead = group["died"]
        axis.plot(places[dead], 100 * group[score][dead], linestyle="", marker="x", color="black", markersize=8)
        by_value = group.groupby(text(group[knob]))[score].agg(["mean", "std"])
        at = [values.index(value) + shift for value in by_value.index]
        spread = 100 * by_value["std"].fillna(0)
        axis.errorbar(
            at, 100 * by_value["mean"], spread, linestyle="", capsize=5, markersize=8, label=no_formula(title), **style
        )
        going = ~group["finished"].astype(bool)
        axis.plot(places[going], 100 * group[score][going], "o", color="grey", fillstyle="none", markersize=11)
    if not runs["finished"].all():
        axis.plot([], [], "o", color="grey", fillstyle="none", markersize=11, label="not finished")
    if runs["died"].any():
        axis.plot([], [], "kx", markersize=8, label="this run died")
    axis.set(
        xlabel=_name(knob), ylabel=label, xticks=range(len(values)), xticklabels=[_value(value) for value in values]
    )
    axis.set_title("one point per run; mean ± standard deviation over the seeds", fontsize=10)
    long = max(len(title) for title, _ in panels) > TITLE
    figure.legend(fontsize=9, loc="outside lower center" if long else "outside right center")
    axis.grid(alpha=0.3)
    return figure


def draw_curves(runs: pd.DataFrame, steps: pd.DataFrame, knob: str, metric: str, label: str) -> Figure:
    """A metric over training steps: a panel per combination of the other knobs, a line per value of this one.

    Lines are means over the seeds, bands reach from the smallest to the largest.

    Args:
        runs: A `results.table`.
        steps: The `results.history` of the runs.
        knob: Dotted name of the setting that the lines differ in.
        metric: A column of ``steps`` with shares (0..1), which are drawn in percent.
        label: Label of the vertical axis.
    """
    panels = list(_panels(runs, knob))
    columns = min(3, len(panels))
    rows = -(-len(panels) // columns)
    figure = Figure(figsize=(4.2 * columns + 1.8, 3.6 * rows + 0.3), layout="constrained")
    axes: list[Axes] = list(figure.subplots(rows, columns, sharey=True, squeeze=False).flatten())
    values = ordered(runs[knob])
    handles: dict[str, Line2D] = {}
    for axis in axes[len(panels) :]:
        axis.set_axis_off()
    for axis, (title, group) in zip(axes, panels, strict=False):
        for index, value in enumerate(values):
            series = 100 * _series(group[text(group[knob]) == value], steps, metric)
            if series.empty:
                continue
            color = COLORS[index % len(COLORS)]
            marker = MARKERS[index % len(MARKERS)] if len(series) <= FEW else None  # one point alone is no line
            line = LINES[index % len(LINES)]
            style: dict[str, Any] = {"marker": marker, "markersize": 5, "color": color, "label": _value(value)}
            handles[value], *_ = axis.plot(series.index, series.mean(axis=1), line, **style)
            axis.fill_between(series.index, series.min(axis=1), series.max(axis=1), color=color, alpha=0.15, lw=0)
        axis.set_xlabel("step")
        axis.margins(x=0.01)
        axis.set_title(no_formula(textwrap.fill(title, TITLE)), fontsize=10)
        axis.xaxis.set_major_locator(MaxNLocator(integer=True))
        axis.grid(alpha=0.3)
    for axis in axes[::columns]:
        axis.set_ylabel(label)
    lines = [handles[value] for value in values if value in handles]
    figure.legend(handles=lines, title=_name(knob), fontsize=9, loc="outside right center")
    return figure


def draw_ratios(runs: pd.DataFrame, steps: pd.DataFrame, knob: str) -> Figure:
    """Norm of the scaled residual over the norm of the shortcut, as colour, per block (rows) and step (columns).

    Args:
        runs: A `results.table`.
        steps: The `results.history` of the runs.
        knob: Dotted name of the setting that the panels of a row differ in.
    """
    panels = list(_panels(runs, knob))
    values = ordered(runs[knob])
    blocks = sum(name.startswith(RATIO) for name in runs)
    size = (2.6 * len(values) + 2, (max(2.2, 0.16 * blocks) + 0.9) * len(panels))
    figure = Figure(figsize=size, layout="constrained")
    axes = figure.subplots(len(panels), len(values), squeeze=False)
    shown = None
    for row, (title, group) in zip(axes, panels, strict=True):
        named = False
        for axis, value in zip(row, values, strict=True):
            runs_here = group[text(group[knob]) == value]
            names, at, grid = _ratios(runs_here, steps)
            heading = no_formula(textwrap.fill(title, TITLE))
            axis.set_title(f"{_name(knob)} {_value(value)}\n{heading}", fontsize=8)
            axis.set_xlabel("step", fontsize=9)
            if not grid.size:
                axis.set_axis_off()
                continue
            log = np.log10(np.maximum(grid, 1e-4))
            shown = axis.pcolormesh(at, range(len(names)), log, cmap="cividis", vmin=-2, vmax=1, shading="nearest")
            shown_names = [""] * len(names) if named else [_value(name) for name in names]
            axis.set_yticks(range(len(names)), shown_names, fontsize=8)
            named = True
            axis.invert_yaxis()
    if shown is not None:
        bar = figure.colorbar(shown, ax=axes, ticks=[-2, -1, 0, 1], extend="both")
        bar.ax.set_yticklabels(["0.01", "0.1", "1", "10"])
        bar.set_label("‖scale · residual‖ / ‖shortcut‖")
    return figure


def ordered(column: "pd.Series[Any]") -> list[str]:
    """The different values of a knob as text: numbers in increasing order, then the others."""

    def key(value: str) -> tuple[bool, float, str]:
        try:
            return False, float(value), value
        except ValueError:
            return True, 0.0, value

    return sorted(set(text(column)), key=key)


def _panels(runs: pd.DataFrame, knob: str) -> Iterator[tuple[str, pd.DataFrame]]:
    """The runs grouped by the knobs other than ``knob``, each group with its values as a title, cut and on one line."""
    others = [name for name in varied(runs) if name != knob]
    if not others:
        yield "all runs", runs
        return
    for setting, group in runs.groupby([text(runs[name]) for name in others], sort=True):
        titles = (f"{_short(name)} {cut(value, VALUE)}" for name, value in zip(others, setting, strict=True))
        yield ", ".join(titles), group


def _series(runs: pd.DataFrame, steps: pd.DataFrame, metric: str) -> pd.DataFrame:
    """A metric by step (rows) and run (columns)."""
    if metric not in steps:
        return pd.DataFrame()
    rows = steps[steps["folder"].isin(runs["folder"])].dropna(subset=[metric])
    return rows.pivot_table(index="step", columns="folder", values=metric, aggfunc="last")


def _ratios(
    runs: pd.DataFrame, steps: pd.DataFrame
) -> tuple[list[str], "np.ndarray[Any, Any]", "np.ndarray[Any, Any]"]:
    """The blocks' names, the steps, and the mean ratio over the runs (blocks, steps)."""
    names = [name for name in steps if name.startswith(RATIO)]
    series = {name: _series(runs, steps, name) for name in names}
    found = {name: one.mean(axis=1) for name, one in series.items() if len(one)}
    joined = pd.DataFrame(found).T  # (blocks, steps)
    return [name.removeprefix(RATIO) for name in found], joined.columns.to_numpy(), joined.to_numpy()


def _short(knob: str) -> str:
    return cut(short(knob).replace("_", " "), VALUE)


def _name(knob: str) -> str:
    return no_formula(_short(knob))


def _value(value: str) -> str:
    shown = short_name(value, VALUE)
    return f" {shown}" if shown.startswith("_") else shown  # matplotlib leaves labels with _ out of legends
