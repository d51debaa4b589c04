import copy
from pathlib import Path
from typing import Any

import lightning.pytorch as pl
import torch
from torch import Tensor, nn
from torch.utils.data import DataLoader, TensorDataset

from inception_lightning import __version__
from inception_lightning.callbacks import Recipe
from inception_lightning.configurable import KEY
from inception_lightning.data import Digits
from inception_lightning.models import InceptionResNetV1
from inception_lightning.training.classifier import InceptionClassifier
from tests.trainers import quiet_trainer

MODEL: dict[str, Any] = {"class_path": "mine.Module", "init_args": {"features": 3, "weights": "timm/x"}}
DATA: dict[str, Any] = {"class_path": "mine.Data", "init_args": {"root": "photos"}}


class Line(pl.LightningModule):
    """Knows nothing of this project."""

    def __init__(self) -> None:
        super().__init__()
        self.layer = nn.Linear(1, 1)

    def training_step(self, batch: list[Tensor], batch_idx: int) -> Tensor:
        return self.layer(batch[0]).mean()

    def configure_optimizers(self) -> torch.optim.Optimizer:
        return torch.optim.SGD(self.parameters(), lr=0.1)


def saved(trainer: pl.Trainer, file: Path) -> dict[str, Any]:
    trainer.save_checkpoint(file)
    held: dict[str, Any] = torch.load(file, weights_only=True)[KEY]
    return held


def test_a_module_of_any_kind_is_described_as_the_page_has_it(tmp_path: Path) -> None:
    trainer = quiet_trainer(tmp_path, fast_dev_run=True, callbacks=[Recipe(copy.deepcopy(MODEL), DATA)])
    trainer.fit(Line(), DataLoader(TensorDataset(torch.ones(2, 1))))
    for name in ("one", "two"):  # a second checkpoint has as much as the first
        assert saved(trainer, tmp_path / f"{name}.ckpt") == {
            "version": __version__,
            "model": {"class_path": "mine.Module", "init_args": {"features": 3}},
            "weights": "timm/x",  # is not loaded again
            "data": DATA,
            "class_names": [],
        }


def test_without_data_there_are_none(tmp_path: Path) -> None:
    trainer = quiet_trainer(tmp_path, fast_dev_run=True, callbacks=[Recipe(copy.deepcopy(MODEL), None)])
    trainer.fit(Line(), DataLoader(TensorDataset(torch.ones(2, 1))))
    assert saved(trainer, tmp_path / "a.ckpt")["data"] is None


def test_the_page_describes_a_classifier_too_and_the_classifier_adds_what_only_it_knows(tmp_path: Path) -> None:
    """A loss that does not know its arguments is described by the page that it was made from."""
    net = InceptionResNetV1(10, width=0.05, depths=(1, 1, 1), stem="small")
    loss = {"class_path": "torch.nn.CrossEntropyLoss", "init_args": {"label_smoothing": 0.3}}
    module = InceptionClassifier(net, loss=nn.CrossEntropyLoss(label_smoothing=0.3))
    model = {"class_path": module.config["class_path"], "init_args": {"net": net.config, "loss": loss}}
    trainer = quiet_trainer(tmp_path, fast_dev_run=True, callbacks=[Recipe(model, DATA)])
    trainer.fit(module, Digits(batch_size=8))
    held = saved(trainer, tmp_path / "a.ckpt")
    assert held["model"] == model
    assert held["class_names"] == list("0123456789")
    assert "unknown" not in held
    again = InceptionClassifier.load_from_checkpoint(tmp_path / "a.ckpt").loss
    assert isinstance(again, nn.CrossEntropyLoss)
    assert again.label_smoothing == 0.3
