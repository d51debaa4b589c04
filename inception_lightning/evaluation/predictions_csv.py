"""``predictions.csv``: every image with its true class and the probability of each class, to compute all else again."""

import csv
import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Self

import numpy as np
from numpy.typing import NDArray

from inception_lightning.errors import InputError
from inception_lightning.names import writable

PROBABILITY, TRUTH = "p_", "is_"
"""How the columns of a class begin: its probability and, of images with several labels, whether it is one of them."""

BETWEEN = "; "
"""Between the labels of an image that has several."""

MANY = 5_000_000
"""Beyond so many probabilities they are rounded to float32, for the sake of memory and of the file's size."""


def precision(count: int) -> type[np.floating]:
    """In which type so many probabilities are held: in float32 those near 1 soon are all the same, and rank alike."""
    return np.float32 if count > MANY else np.float64


@dataclass(frozen=True)
class Predictions:
    """What a network says of images whose classes are known; what `write` writes and `read` reads.

    Attributes:
        probabilities: Of each class (N, K), in the `precision` of so many. A file says them exactly.
        targets: Class indices (N,), or 0 or 1 of each label (N, K).
        class_names: The name of each class index.
        files: What a person finds each image by (N,).
        thresholds: From which probability on an image has a label (K,); None where each image has one class.
    """

    probabilities: NDArray[np.floating]
    targets: NDArray[np.int64]
    class_names: tuple[str, ...]
    files: Sequence[str]
    thresholds: NDArray[np.float64] | None = None

    def __post_init__(self) -> None:
        """Hold what a file can hold."""
        held = self.probabilities.astype(precision(self.probabilities.size), copy=False)
        object.__setattr__(self, "probabilities", held)

    def write(self, path: Path) -> None:
        """Write them as CSV; names stay as they are, those too that a spreadsheet takes for formulas.

        Raises:
            OSError: The disk takes no more. A file that was there is there still.
        """
        names = [writable(name) for name in self.class_names]
        several = self.targets.ndim == 2
        columns = [PROBABILITY + name for name in names] + [TRUTH + name for name in names] * several
        digits = "%.9g" if self.probabilities.dtype == np.float32 else "%.17g"
        numbers = ",".join([digits] * len(names) + ["%d"] * len(names) * several)
        partial = path.with_suffix(".partial")
        with partial.open("w", newline="", encoding="utf-8", errors="surrogateescape") as file:
            csv.writer(file).writerow(["file", "true", "predicted", *columns])
            quoted = csv.writer(_Text())  # numbers need no quotes: csv would write them ten times slower
            for index, (answer, target) in enumerate(zip(self.probabilities, self.targets, strict=True)):
                said = answer >= self.limits if several else answer.argmax()
                text = quoted.writerow([writable(self.files[index]), _named(target, names), _named(said, names)])
                further = target.tolist() if several else []
                file.write(f"{str(text).rstrip()},{numbers % (*answer.tolist(), *further)}\r\n")
        os.replace(partial, path)

    @property
    def limits(self) -> NDArray[np.float64]:
        """From which probability on an image has a label (K,), where it may have several."""
        return np.full(len(self.class_names), 0.5) if self.thresholds is None else self.thresholds

    @classmethod
    def read(cls, path: Path) -> Self:
        """What was written.

        Raises:
            InputError: There is no such file, or it is none of `write`.
        """
        try:
            with path.open(newline="", encoding="utf-8", errors="surrogateescape") as file:
                head, *rows = csv.reader(file)
        except (OSError, ValueError, csv.Error) as error:
            raise InputError(f"cannot read the predictions {path}: {error}") from None
        classes = sum(name.startswith(PROBABILITY) for name in head[3:])
        if head[:3] != ["file", "true", "predicted"] or len(head) - 3 not in (classes, 2 * classes):
            raise InputError(
                f"{path} has other columns than predictions.csv: file, true, predicted, {PROBABILITY}CLASS"
            )
        names = tuple(name.removeprefix(PROBABILITY) for name in head[3 : 3 + classes])
        kind = precision(len(rows) * classes)
        probabilities = np.array([row[3 : 3 + classes] for row in rows], kind).reshape(len(rows), classes)
        if len(head) == 3 + classes:
            index = {name: place for place, name in enumerate(names)}
            targets = np.array([index[row[1]] for row in rows], np.int64)
        else:
            targets = np.array([row[3 + classes :] for row in rows], np.int64)
        return cls(probabilities, targets, names, [row[0] for row in rows])


class _Text:
    """A file that gives back what is written into it."""

    def write(self, text: str) -> str:
        return text


def _named(labels: NDArray[np.generic], names: Sequence[str]) -> str:
    """The class of an index, or the classes of which ``labels`` (K,) says yes."""
    if labels.ndim == 0:
        return names[int(labels)]
    return BETWEEN.join(names[index] for index in np.flatnonzero(labels).tolist())
