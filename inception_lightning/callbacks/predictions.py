"""Predictions of photos as one CSV, written as they come; of any other module and data, as a file of tensors."""

import csv
import os
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

import lightning.pytorch as pl
import torch
from lightning.fabric.utilities import move_data_to_device
from lightning.pytorch.callbacks import Callback
from torch import distributed

from inception_lightning.data.folder import Photos
from inception_lightning.errors import Stop
from inception_lightning.evaluation.predictions_csv import BETWEEN
from inception_lightning.names import writable
from inception_lightning.training.classifier import LabelPrediction, Prediction

Row = list[str]


class PredictionWriter(Callback):
    """Writes ``predictions.csv``: file, class, probability, then the runners-up up to the fifth.

    Where images may have several labels: file, the labels above their thresholds, and the probability of every label.
    A photo that cannot be read has a row too, with the reason in a further column. Each batch is written when it is
    there; of several processes each writes ``predictions-RANK.csv`` first, and in the end there is one file, in the
    order of the photos. What a module of somebody's own gives, whose meaning only it knows, goes into
    ``predictions-RANK.pt`` as it came.
    """

    def __init__(self, folder: Path) -> None:
        """Write into ``folder``."""
        self.path = folder / "predictions.csv"
        self.rows: dict[int, Row] = {}
        self.reasons: dict[int, str] = {}
        self.others: list[Any] = []
        self.labels: Sequence[str] = ()

    def on_predict_batch_end(
        self,
        trainer: pl.Trainer,
        pl_module: pl.LightningModule,
        outputs: Any,
        batch: object,
        batch_idx: int,
        dataloader_idx: int = 0,
    ) -> None:
        """Write the rows of one batch.

        Raises:
            Stop: The disk takes no more.
        """
        photos = trainer.datamodule  # type: ignore[attr-defined]  # set by Trainer.predict
        if not (isinstance(outputs, Prediction | LabelPrediction) and isinstance(photos, Photos)):
            known_kind = isinstance(outputs, Prediction | LabelPrediction)
            plain = outputs._asdict() if known_kind else outputs  # which loads as data only
            self.others.append(move_data_to_device(plain, torch.device("cpu")))  # a GPU's memory is for the rest
            return
        new, had_reasons = list[int](), bool(self.reasons)
        cells = _label_cells if isinstance(outputs, LabelPrediction) else _class_cells
        self.labels = photos.class_names if isinstance(outputs, LabelPrediction) else ()
        for number, classes, probabilities in zip(*(column.tolist() for column in outputs), strict=True):
            index = number if number >= 0 else -1 - number
            row = cells(classes, probabilities, photos.class_names)
            row = [str(photos.files[index]), *(row if number >= 0 else [""] * len(row))]
            if number < 0:
                self.reasons[index] = photos.why_unreadable(index)
            self.rows[index] = row
            new.append(index)
        begun = len(self.rows) > len(new) and bool(self.reasons) == had_reasons  # with a new column, all anew
        self._write(self._part(trainer), new if begun else None)

    def on_predict_end(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """Have the rows of all processes in one file, in the photos' order, and say what is in it."""
        if trainer.world_size > 1:
            self._gather(trainer.world_size)
            if trainer.is_global_zero and self.rows:
                self._write(self.path)
            trainer.strategy.barrier()
            self._part(trainer).unlink(missing_ok=True)
        if self.others:
            whole = self.path.with_name(f"predictions-{trainer.global_rank}.pt")
            whole.parent.mkdir(parents=True, exist_ok=True)
            torch.save(self.others, whole)
            print(f"{len(self.others)} batches of predictions in {whole}")
        if trainer.is_global_zero and self.rows:
            print(f"{len(self.rows) - len(self.reasons)} predictions in {self.path}")
            if self.reasons:
                print(f"{len(self.reasons)} of {len(self.rows)} photos could not be read: see the column reason")

    def _part(self, trainer: pl.Trainer) -> Path:
        """The file of this process's rows: the whole one, where no other process has any."""
        return self.path if trainer.world_size == 1 else self.path.with_stem(f"predictions-{trainer.global_rank}")

    def _write(self, path: Path, new: Sequence[int] | None = None) -> None:
        """Append the ``new`` rows; without them, write all into a file that takes the other's place."""
        rows: Iterable[Row] = (self._with_reason(index) for index in (sorted(self.rows) if new is None else new))
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            written = path.with_suffix(".partial") if new is None else path
            with written.open(
                "w" if new is None else "a", newline="", encoding="utf-8", errors="surrogateescape"
            ) as file:
                if new is None and self.rows:
                    csv.writer(file).writerow(self._header())
                csv.writer(file).writerows(rows)
            os.replace(written, path)
        except OSError as error:
            raise Stop(f"cannot write {path}: {error.strerror}", 74) from None

    def _header(self) -> Row:
        if self.labels:
            return ["file", "labels", *map(writable, self.labels), *(["reason"] if self.reasons else [])]
        places = (len(next(iter(self.rows.values()))) - 1) // 2
        runners_up = [f"{name}_{place}" for place in range(2, places + 1) for name in ("class", "probability")]
        return ["file", "class", "probability", *runners_up, *(["reason"] if self.reasons else [])]

    def _with_reason(self, index: int) -> Row:
        return [*self.rows[index], *([self.reasons.get(index, "")] if self.reasons else [])]

    def _gather(self, world_size: int) -> None:
        gathered: list[Any] = [None] * world_size
        distributed.all_gather_object(gathered, (self.rows, self.reasons))
        for rows, reasons in gathered:
            self.rows |= rows
            self.reasons |= reasons


def _class_cells(classes: list[int], probabilities: list[float], names: Sequence[str]) -> Row:
    pairs = zip(classes, probabilities, strict=True)
    return [cell for label, probability in pairs for cell in (names[label], f"{probability:.6f}")]


def _label_cells(labels: list[bool], probabilities: list[float], names: Sequence[str]) -> Row:
    said = BETWEEN.join(name for name, label in zip(names, labels, strict=True) if label)
    return [said, *(f"{probability:.6f}" for probability in probabilities)]
