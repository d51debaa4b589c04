"""``metrics.csv``: every row on the disk as soon as it is logged, and none twice after a resume."""

import contextlib
import csv
import logging
import os
from argparse import Namespace
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from lightning.pytorch.loggers import Logger
from lightning.pytorch.utilities import rank_zero_only

log = logging.getLogger(__name__)

Row = dict[str, str]


class MetricsFile(Logger):
    """A logger that writes one CSV file, its columns sorted by name.

    ``epoch`` counts from 1, as the bar, the tables and the pictures do; ``step`` counts the optimizer's from 0, as
    ``trainer/global_step`` on W&B does. The other columns are what was logged under the names that
    ``checkpoint.monitor`` takes: accuracies are fractions, here and in every logger, and per cent only where a person
    reads them.

    Lightning's own deletes the file when it starts, and holds 100 steps back. Where the disk is full or the folder
    cannot be written, rows wait in memory until it can, which is said once.

    Attributes:
        rows: How many rows the file has. A checkpoint remembers it, and a resumed run goes on from there.
        waiting: Rows that could not be written yet.
    """

    def __init__(self, path: Path) -> None:
        """Write to ``path``, after the rows that it has."""
        super().__init__()
        self.path = path
        self.columns, rows = _read(path)
        self.rows = len(rows)
        self.waiting: list[Row] = []

    @property
    def name(self) -> str:
        """No name: the file is the run's own."""
        return ""

    @property
    def version(self) -> str:
        """No version: the file is the run's own."""
        return ""

    @property
    def save_dir(self) -> str:
        """The folder of the file."""
        return str(self.path.parent)

    @rank_zero_only
    def log_hyperparams(self, params: dict[str, Any] | Namespace, *args: Any, **kwargs: Any) -> None:
        """Nothing: they are in ``config.yaml``."""

    @rank_zero_only
    def log_metrics(self, metrics: Mapping[str, float], step: int | None = None) -> None:
        """Append one row."""
        row = {name: str(value) for name, value in metrics.items()} | {"step": str(step)}
        if "epoch" in metrics:  # Lightning counts from 0
            row["epoch"] = str(int(metrics["epoch"]) + 1)
        self.waiting.append(row)
        self._write(said=len(self.waiting) > 1)

    @rank_zero_only
    def finalize(self, status: str) -> None:
        """Write what still waits."""
        if self.waiting:
            self._write(said=False)

    def _write(self, said: bool) -> None:
        columns = {name for row in self.waiting for name in row}
        end = None
        try:
            if columns - set(self.columns):
                self._rewrite(sorted({*self.columns, *columns}), _read(self.path)[1])
            end = self.path.stat().st_size
            with self.path.open("a", newline="") as file:
                csv.DictWriter(file, self.columns).writerows(self.waiting)
        except OSError as error:
            with contextlib.suppress(OSError):  # a part of a row that fitted
                if end is not None:
                    os.truncate(self.path, end)
            if not said:
                reason = error.strerror or error
                log.warning("%s cannot be written (%s): its rows wait in memory, training goes on", self.path, reason)
            return
        self.rows += len(self.waiting)
        self.waiting = []

    @rank_zero_only
    def truncate(self, rows: int) -> None:
        """Forget all rows after the first ``rows``: what a resumed run will log again."""
        if self.path.is_file():
            kept = _read(self.path)[1][:rows]
            self._rewrite(self.columns, kept)
            self.rows = len(kept)

    @rank_zero_only
    def sync(self) -> None:
        """See the rows to the disk, before a checkpoint counts on them."""
        if self.waiting:
            self._write(said=True)
        with contextlib.suppress(OSError):  # said when a row could not be written
            if self.path.is_file():
                with self.path.open("a") as file:
                    os.fsync(file.fileno())

    def _rewrite(self, columns: list[str], rows: list[Row]) -> None:
        self.path.parent.mkdir(parents=True, exist_ok=True)
        new = self.path.with_name(f".{self.path.name}.tmp")
        try:
            with new.open("w", newline="") as file:
                writer = csv.DictWriter(file, columns)
                writer.writeheader()
                writer.writerows(rows)
                file.flush()
                os.fsync(file.fileno())
            os.replace(new, self.path)
        except OSError:
            with contextlib.suppress(OSError):
                new.unlink(missing_ok=True)
            raise
        self.columns = columns


def _read(path: Path) -> tuple[list[str], list[Row]]:
    """The columns, and the whole rows: one that a kill cut short is left out."""
    if not path.is_file():
        return [], []
    with path.open(newline="") as file:
        lines = file.read()
    whole = lines[: lines.rfind("\n") + 1]
    reader = csv.DictReader(whole.splitlines())
    return list(reader.fieldnames or []), list(reader)
