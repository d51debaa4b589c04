"""Predictions of a folder of photos as one CSV; of any other module and data, as a file of tensors."""

import csv
from pathlib import Path
from typing import Any

import lightning.pytorch as pl
import torch
from lightning.fabric.utilities import move_data_to_device
from lightning.pytorch.callbacks import Callback
from torch import distributed

from inception_lightning.data.folder import Photos
from inception_lightning.training.classifier import Prediction

Row = list[str]


class PredictionWriter(Callback):
    """Writes ``predictions.csv``: file, class, probability, then the runners-up up to the fifth.

    What a module of somebody's own gives, whose meaning only it knows, goes into ``predictions-RANK.pt`` as it came.
    """

    def __init__(self, folder: Path) -> None:
        """Write into ``folder``."""
        self.path = folder / "predictions.csv"
        self.rows: dict[int, Row] = {}
        self.others: list[Any] = []

    def on_predict_batch_end(
        self,
        trainer: pl.Trainer,
        pl_module: pl.LightningModule,
        outputs: Any,
        batch: object,
        batch_idx: int,
        dataloader_idx: int = 0,
    ) -> None:
        """Keep the rows of one batch."""
        photos = trainer.datamodule  # type: ignore[attr-defined]  # set by Trainer.predict
        if not (isinstance(outputs, Prediction) and isinstance(photos, Photos)):
            plain = outputs._asdict() if isinstance(outputs, Prediction) else outputs  # which loads as data only
            self.others.append(move_data_to_device(plain, torch.device("cpu")))  # a GPU's memory is for the rest
            return
        for index, classes, probabilities in zip(*(column.tolist() for column in outputs), strict=True):
            row = [str(photos.files[index])]
            for label, probability in zip(classes, probabilities, strict=True):
                row += [photos.class_names[label], f"{probability:.6f}"]
            self.rows[index] = row

    def on_predict_end(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """Write the rows of all processes in the files' order."""
        rows = self._gather(trainer.world_size)
        if self.others:
            whole = self.path.with_name(f"predictions-{trainer.global_rank}.pt")
            whole.parent.mkdir(parents=True, exist_ok=True)
            torch.save(self.others, whole)
            print(f"{len(self.others)} batches of predictions in {whole}")
        if trainer.is_global_zero and rows:
            places = (len(next(iter(rows.values()))) - 1) // 2
            runners_up = [f"{name}_{place}" for place in range(2, places + 1) for name in ("class", "probability")]
            self.path.parent.mkdir(parents=True, exist_ok=True)
            with self.path.open("w", newline="", encoding="utf-8", errors="surrogateescape") as file:
                csv.writer(file).writerows(
                    [["file", "class", "probability", *runners_up], *(rows[index] for index in sorted(rows))]
                )
            print(f"{len(rows)} predictions in {self.path}")

    def _gather(self, world_size: int) -> dict[int, Row]:
        if world_size == 1:
            return self.rows
        gathered: list[dict[int, Row]] = [{}] * world_size
        distributed.all_gather_object(gathered, self.rows)
        return {index: row for rows in gathered for index, row in rows.items()}
