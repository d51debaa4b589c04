import csv
from pathlib import Path

import torch

from inception_lightning.callbacks import Confusion
from inception_lightning.data import Digits
from inception_lightning.models import InceptionResNetV1
from inception_lightning.training.classifier import InceptionClassifier
from tests.trainers import quiet_trainer


def test_the_matrix_is_that_of_the_last_validation(tmp_path: Path) -> None:
    torch.manual_seed(0)
    data = Digits(image_size=16, batch_size=32, num_workers=0)
    module = InceptionClassifier(InceptionResNetV1(10, width=0.05, depths=(1, 1, 1), stem="small"))
    trainer = quiet_trainer(tmp_path, max_epochs=2, limit_train_batches=2, callbacks=[Confusion(tmp_path)])
    trainer.fit(module, datamodule=data)
    with (tmp_path / "confusion.csv").open(newline="") as file:
        header, *rows = csv.reader(file)
    counts = torch.tensor([[int(count) for count in row[1:]] for row in rows])  # (true, predicted)
    views = data.views("val")
    labels = torch.tensor([views[index][1] for index in range(len(views))])
    assert header[1:] == list(data.class_names)
    assert counts.sum(dim=1).tolist() == labels.bincount(minlength=10).tolist()  # each image once, one validation
    assert counts.trace().double() / counts.sum() == trainer.callback_metrics["val/top1"]
    assert (tmp_path / "confusion.png").is_file()


def test_two_batches_that_are_tried_before_training_are_no_validation(tmp_path: Path) -> None:
    module = InceptionClassifier(InceptionResNetV1(10, width=0.05, depths=(1, 1, 1), stem="small"))
    confusion = Confusion(tmp_path)
    quiet_trainer(tmp_path, max_steps=1, callbacks=[confusion]).fit(
        module, datamodule=Digits(image_size=16, batch_size=16)
    )
    assert confusion.counts is None
    assert not (tmp_path / "confusion.csv").exists()
