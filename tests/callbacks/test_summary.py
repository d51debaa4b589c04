import functools
import io
import time
from pathlib import Path

import lightning.pytorch as pl
import pytest
import torch
from rich.console import Console
from rich.table import Table

from inception_lightning.callbacks import RunSummary
from inception_lightning.callbacks.summary import Score
from inception_lightning.data import Digits
from inception_lightning.data.base import Batch
from inception_lightning.models import InceptionResNetV1
from inception_lightning.module import InceptionClassifier


def rows(table: Table) -> list[list[str]]:
    console = Console(width=100, record=True, file=io.StringIO())
    console.print(table)
    return [
        [cell.strip() for cell in line.split("│")[1:-1]] for line in console.export_text().splitlines() if "│" in line
    ]


def summary(*scores: Score) -> RunSummary:
    callback = RunSummary(Path("run"), Path("run/checkpoints/best.ckpt"))
    callback.scores = list(scores)
    return callback


def test_best_is_the_first_of_equals_as_the_checkpoints() -> None:
    callback = summary(Score(1, 0.5, 0.9), Score(2, 0.75, 0.95), Score(3, 0.75, 1.0), Score(4, 0.6, 0.91))
    assert rows(callback.table()) == [["best", "2", "75.00", "95.00"], ["last", "4", "60.00", "91.00"]]


def test_without_top5_there_is_a_dash_and_without_scores_no_row() -> None:
    assert rows(summary(Score(1, 0.123456, None)).table()) == [["best", "1", "12.35", "-"], ["last", "1", "12.35", "-"]]
    assert rows(summary().table()) == []
    assert summary().images_per_second == 0.0


class SlowToValidate(InceptionClassifier):
    """Takes a fifth of a second to validate a batch."""

    def validation_step(self, batch: Batch, batch_idx: int) -> None:
        time.sleep(0.2)
        super().validation_step(batch, batch_idx)


def test_a_run_is_summed_up(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    net = InceptionResNetV1(10, width=0.05, depths=(1, 1, 1), stem="small")
    callback = RunSummary(tmp_path, tmp_path / "best.ckpt")
    (tmp_path / "best.ckpt").touch()
    trainer = pl.Trainer(
        accelerator="cpu",
        devices=1,
        max_epochs=2,
        logger=False,
        enable_checkpointing=False,
        enable_progress_bar=False,
        enable_model_summary=False,
        limit_train_batches=3,
        limit_val_batches=1,
        val_check_interval=1,
        callbacks=[callback],
    )
    trainer.fit(SlowToValidate(net, optimizer=functools.partial(torch.optim.SGD, lr=0.01)), Digits(batch_size=8))
    assert callback.images == 2 * 3 * 8
    assert callback.seconds < 4 * 0.2  # the four validations between batches are no training time
    assert callback.images_per_second == callback.images / callback.seconds
    assert [score.epoch for score in callback.scores] == [1, 1, 1, 2, 2, 2]  # the sanity check is none
    printed = capsys.readouterr().out
    assert f"on Digits; run folder {tmp_path}" in printed
    assert f"test it    lightning test --ckpt_path {tmp_path / 'best.ckpt'}" in printed
    assert "images per second in training" in printed
