"""The folder of scores that an evaluation leaves: tables, predictions, pictures, and ``test.html`` with all of it."""

import csv
import json
import logging
import math
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from inception_lightning.errors import Stop
from inception_lightning.evaluation.predictions_csv import Predictions
from inception_lightning.evaluation.scores import Scores, scores
from inception_lightning.names import writable

log = logging.getLogger(__name__)


def write_report(folder: Path, predictions: Predictions) -> Scores:
    """Write the folder of scores of ``predictions``.

    Args:
        folder: Where it goes; it is made where it is missing.
        predictions: What was predicted of which images.

    Raises:
        InputError: There are no images, or what was predicted are no probabilities.
        Stop: The disk takes no more.
    """
    found = scores(
        predictions.probabilities, predictions.targets, predictions.class_names, thresholds=predictions.thresholds
    )
    try:
        folder.mkdir(parents=True, exist_ok=True)
        write_scores(folder, found)
        predictions.write(folder / "predictions.csv")
    except OSError as error:
        raise Stop(f"cannot write {error.filename or folder}: {error.strerror}", 74) from None
    return found


def write_scores(folder: Path, found: Scores) -> None:
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
