"""Embeddings of photos, written as they come, so that what was written before a kill need not be computed again."""

from typing import Any

import lightning.pytorch as pl
import numpy as np
from lightning.pytorch.callbacks import Callback

from inception_lightning.data.folder import Photos
from inception_lightning.deployment.embeddings import Embedding
from inception_lightning.deployment.rows import UNREADABLE, WRITTEN, Rows
from inception_lightning.errors import Stop
from inception_lightning.runs.signals import Signals


class EmbeddingWriter(Callback):
    """Writes each batch of `Embedding` into `Rows`, on every process; `finish` makes the file of them."""

    def __init__(self, rows: Rows, photos: Photos, signals: Signals) -> None:
        """Write ``rows`` of ``photos``, until a signal comes."""
        self.rows = rows
        self.photos = photos
        self.signals = signals

    def setup(self, trainer: pl.Trainer, pl_module: pl.LightningModule, stage: str) -> None:
        """See to it that all processes write the same rows."""
        if trainer.is_global_zero:
            self.rows.begin()
        trainer.strategy.barrier()
        if not trainer.is_global_zero:
            self.rows.begin()

    def on_predict_start(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """From now on a signal is heeded between two batches."""
        self.signals.training = True

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
            Stop: The disk takes no more, or a signal came.
        """
        assert isinstance(outputs, Embedding)
        numbers = outputs.indices.tolist()
        rows = np.ascontiguousarray(outputs.rows.cpu().numpy())  # (B, F)
        marks = [WRITTEN if number >= 0 else UNREADABLE for number in numbers]
        rows[[mark == UNREADABLE for mark in marks]] = np.nan
        try:
            self.rows.write([number if number >= 0 else -1 - number for number in numbers], rows, marks)
        except OSError as error:
            raise self.full(error) from None
        if self.signals.code:
            raise Stop(f"stopped by a signal: {self.so_far()}", self.signals.code)

    def finish(self) -> None:
        """Make the file of rows that are all there, and say what is in it.

        Raises:
            Stop: The disk takes no more.
        """
        about, bad = self.rows.about, int((self.rows.marks() == UNREADABLE).sum())
        try:
            self.rows.finish(self.photos.files, self.photos.why_unreadable)
        except OSError as error:
            raise self.full(error) from None
        print(f"{about.count - bad:,} embeddings of {about.width:,} numbers in {self.rows.target}")
        if bad:
            print(f"{bad:,} of {about.count:,} photos could not be read: see the column reason")

    def full(self, error: OSError) -> Stop:
        """What to say where the disk takes no more."""
        return Stop(f"cannot write {self.rows.target}: {error.strerror}; {self.so_far()}", 74)

    def so_far(self) -> str:
        """How many rows there are, and how to go on."""
        marks = self.rows.marks()
        there = f"{np.count_nonzero(marks):,} of {len(marks):,} rows are in {self.rows.folder}"
        return f"{there}, and the same command goes on"
