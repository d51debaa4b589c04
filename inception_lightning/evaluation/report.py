"""The folder of scores that an evaluation leaves: tables, predictions, pictures, and ``test.html`` with all of it."""

import csv
import json
import math
import os
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import torch

from inception_lightning.errors import Stop, spared
from inception_lightning.evaluation.confusion import draw_confusion, write_counts
from inception_lightning.evaluation.curves import (
    INK,
    draw_precision_recall,
    draw_reliability,
    draw_roc,
    inked,
    svg,
)
from inception_lightning.evaluation.mistakes import Mistake, worst_mistakes
from inception_lightning.evaluation.page import page
from inception_lightning.evaluation.predictions_csv import Predictions
from inception_lightning.evaluation.scores import Scores, scores
from inception_lightning.names import writable

if TYPE_CHECKING:
    from matplotlib.figure import Figure


def write_report(
    folder: Path,
    predictions: Predictions,
    *,
    title: str = "Test",
    facts: Sequence[str] = (),
    mistakes: Sequence[Mistake] | None = None,
    name: str = "test",
    checkpoint: Path | None = None,
) -> Scores:
    """Write the folder of scores of ``predictions``, and ``test.html`` with all of them.

    Args:
        folder: Where it goes; it is made where it is missing.
        predictions: What was predicted of which images.
        title: What was evaluated.
        facts: Sentences about how, such as which checkpoint it was.
        mistakes: The worst mistakes with their images; by default without images.
        name: Of the page, without ``.html``.
        checkpoint: What predicted; ``scores.json`` says where it lies, seen from ``folder``.

    Raises:
        InputError: There are no images, or what was predicted are no probabilities.
        Stop: The disk takes no more.
    """
    found = scores(
        predictions.probabilities, predictions.targets, predictions.class_names, thresholds=predictions.thresholds
    )
    shown = worst_mistakes(predictions) if mistakes is None else mistakes
    try:
        folder.mkdir(parents=True, exist_ok=True)
        write_scores(folder, found, checkpoint)
        predictions.write(folder / "predictions.csv")
        if found.confusion is not None:
            write_counts(folder / "confusion.csv", torch.from_numpy(found.confusion), found.class_names)
        pictures = draw(predictions, found)
        for kind, figure in pictures.items():
            (folder / f"{kind}.svg").write_text(figure.replace(INK, "black"), encoding="utf-8")
        inline = {kind: figure.replace(INK, "currentColor") for kind, figure in pictures.items()}
        text = page(title, facts, found, predictions, inline, shown)
        (folder / f"{name}.html").write_text(text, encoding="utf-8")
    except OSError as error:
        raise Stop(f"cannot write {error.filename or folder}: {error.strerror}", 74) from None
    return found


def checkpoint_of(folder: Path) -> Path | None:
    """The checkpoint that a folder of `write_report` is about; None where nobody said or it is not there any more."""
    try:
        said = json.loads((folder / "scores.json").read_text(encoding="utf-8"))["checkpoint"]
    except (OSError, ValueError, KeyError, TypeError):
        return None
    path = Path(os.path.normpath(folder / said)) if isinstance(said, str) else None
    return path if path is not None and path.is_file() else None


def draw(predictions: Predictions, found: Scores) -> dict[str, str]:
    """The pictures by name as SVG, drawn with `INK`; one that cannot be drawn is left out with a warning."""
    wanted: dict[str, Callable[[], Figure]] = {}
    if found.confusion is not None and len(found.class_names) > 1:
        counts = torch.from_numpy(found.confusion)
        wanted["confusion"] = lambda: draw_confusion(counts, found.class_names, "images")
    wanted["reliability"] = lambda: draw_reliability(found)
    if not np.isnan(found.overall["auroc"]):
        wanted["roc"] = lambda: draw_roc(predictions, found)
        wanted["precision_recall"] = lambda: draw_precision_recall(predictions, found)
    drawn = {}
    for name, figure in wanted.items():
        with spared(f"the picture {name}"), inked():
            drawn[name] = svg(figure())
    return drawn


def write_scores(folder: Path, found: Scores, checkpoint: Path | None = None) -> None:
    """Write ``scores.csv``, ``scores.json`` and ``per_class.csv``; what means nothing is empty, and null in JSON.

    Raises:
        OSError: The disk takes no more.
    """
    overall = [
        (name, found.overall[name], found.low.get(name, math.nan), found.high.get(name, math.nan))
        for name in found.overall
    ]
    _write_rows(folder / "scores.csv", ["score", "value", "low", "high"], overall)
    columns = {name: values.tolist() for name, values in found.per_class.items()}
    if found.thresholds is not None:
        columns["threshold"] = found.thresholds.tolist()
    rows = [[name, *row] for name, row in zip(found.class_names, zip(*columns.values(), strict=True), strict=True)]
    _write_rows(folder / "per_class.csv", ["class", *columns], rows)
    text = {
        "images": found.images,
        "checkpoint": checkpoint and Path(os.path.relpath(checkpoint, folder)).as_posix(),
        "scores": {
            name: {"value": _known(value), "low": _known(low), "high": _known(high)}
            for name, value, low, high in overall
        },
        "per_class": [
            {"class": name, **{column: _known(values[place]) for column, values in columns.items()}}
            for place, name in enumerate(found.class_names)
        ],
    }
    (folder / "scores.json").write_text(json.dumps(text, indent=1), encoding="utf-8")


def _write_rows(path: Path, head: Sequence[str], rows: Sequence[Sequence[object]]) -> None:
    with path.open("w", newline="", encoding="utf-8", errors="surrogateescape") as file:
        writer = csv.writer(file)
        writer.writerow(head)
        writer.writerows([[_cell(value) for value in row] for row in rows])


def _cell(value: object) -> object:
    if isinstance(value, str):
        return writable(value)
    if isinstance(value, float):
        return "" if math.isnan(value) else repr(value)
    return value


def _known(value: float) -> float | None:
    return None if np.isnan(value) else value
