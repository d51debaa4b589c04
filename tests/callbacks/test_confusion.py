import csv
from pathlib import Path
from typing import Any

import lightning.pytorch as pl
import pytest
import torch
from lightning.pytorch.callbacks import Callback
from torch import Tensor

from inception_lightning.callbacks import Confusion
from inception_lightning.data import Digits
from inception_lightning.models import InceptionResNetV1
from inception_lightning.training.classifier import InceptionClassifier
from tests.trainers import quiet_trainer

DATA = Digits(image_size=16, batch_size=32, num_workers=0)


class Scores(Callback):
    """Notes each epoch's accuracy, and ends with a worse network than before: all of its answers are one class."""

    def __init__(self) -> None:
        self.top1: list[float] = []

    def on_train_epoch_start(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        if trainer.current_epoch == 2:
            with torch.no_grad():
                pl_module.net.classifier.bias += torch.tensor([1e3, *[0.0] * 9])  # type: ignore[union-attr, operator]

    def on_validation_end(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        if not trainer.sanity_checking:
            self.top1.append(float(trainer.callback_metrics["val/top1"]))


def fit(folder: Path, confusion: Confusion, epochs: int, **options: Any) -> tuple[pl.Trainer, list[float]]:
    torch.manual_seed(0)
    module = InceptionClassifier(InceptionResNetV1(10, width=0.05, depths=(1, 1, 1), stem="small"))
    scores = Scores()
    trainer = quiet_trainer(folder, max_epochs=epochs, limit_train_batches=2, callbacks=[confusion, scores])
    trainer.fit(module, datamodule=DATA, **options)
    return trainer, scores.top1


def written(folder: Path) -> tuple[list[str], Tensor]:
    with (folder / "confusion.csv").open(newline="") as file:
        header, *rows = csv.reader(file)
    return header[1:], torch.tensor([[int(count) for count in row[1:]] for row in rows])  # (true, predicted)


def test_the_matrix_is_that_of_the_best_validation_also_of_a_run_that_goes_on(tmp_path: Path) -> None:
    first = Confusion(tmp_path)
    trainer, top1 = fit(tmp_path, first, 2)
    trainer.save_checkpoint(tmp_path / "last.ckpt")
    whole, _ = written(tmp_path)
    second = Confusion(tmp_path / "resumed")
    second.folder.mkdir()
    top1 += fit(tmp_path, second, 3, ckpt_path=tmp_path / "last.ckpt")[1]
    names, counts = written(second.folder)
    labels = DATA.dataset("val").labels
    assert top1[2] < max(top1[:2])  # or the test shows nothing
    assert names == whole == list(DATA.class_names)
    assert counts.sum(dim=1).tolist() == labels.bincount(minlength=10).tolist()  # each image once, one validation
    assert counts.trace() / counts.sum() == pytest.approx(max(top1))
    assert second.epoch == 1 + top1.index(max(top1))
    assert (second.folder / "confusion.png").is_file()


@pytest.mark.parametrize(
    ("monitor", "mode", "epoch"), [("val/loss", "min", 2), ("val/loss", "max", 3), ("own", "max", 3)]
)
def test_the_best_is_what_chooses_the_checkpoint_or_else_the_last(
    tmp_path: Path, monitor: str, mode: str, epoch: int
) -> None:
    confusion = Confusion(tmp_path, monitor=monitor, mode=mode)
    fit(tmp_path, confusion, 3)
    assert confusion.epoch == epoch


def test_two_batches_that_are_tried_before_training_are_no_validation(tmp_path: Path) -> None:
    module = InceptionClassifier(InceptionResNetV1(10, width=0.05, depths=(1, 1, 1), stem="small"))
    confusion = Confusion(tmp_path)
    quiet_trainer(tmp_path, max_steps=1, callbacks=[confusion]).fit(module, datamodule=Digits(image_size=16))
    assert confusion.counts is None
    assert not (tmp_path / "confusion.csv").exists()
