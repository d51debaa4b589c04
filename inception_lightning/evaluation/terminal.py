"""Scores as a table in a terminal."""

from collections.abc import Mapping, Sequence

import numpy as np
from rich.table import Table

from inception_lightning.errors import visible
from inception_lightning.evaluation.page import interval, number
from inception_lightning.evaluation.scores import Scores
from inception_lightning.evaluation.titles import NOT_PERCENT, TITLES

LOWEST = 3
"""How many classes are named whose recall is the lowest."""


def table(found: Scores, heading: str, further: Mapping[str, float] | None = None) -> Table:
    """The scores in percent, with their intervals.

    Args:
        found: The scores.
        heading: What they are of.
        further: Other numbers by name, such as one's own metrics, as they are.
    """
    shown = Table(heading)
    shown.add_column("score", justify="right")
    shown.add_column("95 % interval", justify="right")
    for name, value in found.overall.items():
        percent = "" if name in NOT_PERCENT else " %"
        shown.add_row(TITLES[name] + percent, number(name, value), interval(name, found))
    for name, value in (further or {}).items():
        shown.add_row(visible(name), f"{value:.4f}", "")
    return shown


def remarks(found: Scores) -> Sequence[str]:
    """What the means hide: the classes of the lowest recall, and those without images."""
    recall = found.per_class["recall"]
    known = np.flatnonzero(~np.isnan(recall))
    lines = []
    if len(known) > 1:
        lowest = known[np.argsort(recall[known], kind="stable")][:LOWEST]
        said = (f"{visible(found.class_names[index])} {number('recall', recall[index])} %" for index in lowest)
        lines.append(f"lowest recall: {', '.join(said)}")
    missing = len(recall) - int((found.per_class["images"] > 0).sum())
    if missing:
        lines.append(
            f"{missing:,} of {len(recall):,} classes have no image: they count in a macro mean only where they are "
            "predicted, and never in balanced accuracy, AUROC and average precision"
        )
    return lines
