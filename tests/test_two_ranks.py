"""Two processes learn what one does."""

import functools
from pathlib import Path
from typing import Any

import lightning.pytorch as pl
import pytest
import torch
from lightning.pytorch.callbacks import Callback
from torch import nn
from torch.utils.data import DataLoader, TensorDataset

from inception_lightning.models import InceptionResNetV1
from inception_lightning.training.classifier import InceptionClassifier
from tests.trainers import quiet_trainer


class Gradients(Callback):
    """Freezes batch norm and keeps the first step's gradients."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def on_train_batch_start(self, trainer: pl.Trainer, pl_module: pl.LightningModule, *rest: object) -> None:
        for module in pl_module.modules():
            if isinstance(module, nn.BatchNorm2d):
                module.eval()

    def on_before_optimizer_step(
        self, trainer: pl.Trainer, pl_module: pl.LightningModule, optimizer: torch.optim.Optimizer
    ) -> None:
        if trainer.is_global_zero:
            torch.save({name: weight.grad for name, weight in pl_module.named_parameters()}, self.path)


class Statistics(Callback):
    """Keeps the batch norm of each process before a validation and in it."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def keep(self, trainer: pl.Trainer, module: pl.LightningModule, moment: str) -> None:
        torch.save(dict(module.named_buffers()), self.folder / f"{moment}-{trainer.global_rank}.pt")

    def on_validation_start(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        self.keep(trainer, pl_module, "before")

    def on_validation_batch_start(self, trainer: pl.Trainer, pl_module: pl.LightningModule, *rest: object) -> None:
        self.keep(trainer, pl_module, "in")


def test_two_processes_validate_with_the_batch_norm_of_the_first(tmp_path: Path) -> None:
    module = InceptionClassifier(InceptionResNetV1(10, width=0.05, depths=(1, 1, 1), stem="small"))
    images = torch.randint(0, 256, (8, 3, 16, 16), dtype=torch.uint8)
    loader = DataLoader(TensorDataset(images, torch.arange(8)), batch_size=4)
    trainer = quiet_trainer(
        tmp_path,
        devices=2,
        strategy="ddp_fork",
        max_steps=1,
        num_sanity_val_steps=0,
        callbacks=[Statistics(tmp_path)],
    )
    trainer.fit(module, loader, loader)
    before, then = (
        [torch.load(tmp_path / f"{moment}-{rank}.pt", weights_only=True) for rank in range(2)]
        for moment in ("before", "in")
    )
    means = [name for name in before[0] if name.endswith("running_mean")]
    assert not all(torch.equal(before[0][name], before[1][name]) for name in means)  # each has seen other images
    for name, buffer in before[0].items():
        assert torch.equal(then[0][name], buffer), name
        assert torch.equal(then[1][name], buffer), name


def gradients(path: Path, processes: int, aux_weight: float) -> dict[str, Any]:
    torch.manual_seed(0)
    net = InceptionResNetV1(10, width=0.05, depths=(1, 1, 1), stem="small", aux=True, dropout=0.0)
    sgd = functools.partial(torch.optim.SGD, lr=0.01)
    module = InceptionClassifier(net, optimizer=sgd, aux_weight=aux_weight, label_smoothing=0.1)
    images = torch.randint(0, 256, (8, 3, 16, 16), dtype=torch.uint8)
    loader = DataLoader(TensorDataset(images, torch.arange(8)), batch_size=8 // processes)
    trainer = quiet_trainer(
        path.parent,
        devices=processes,
        strategy="ddp_fork" if processes > 1 else "auto",
        max_steps=1,
        callbacks=[Gradients(path)],
    )
    trainer.fit(module, loader)
    return torch.load(path, weights_only=True)


@pytest.mark.parametrize("aux_weight", [0.4, pytest.param(0.0, marks=pytest.mark.slow)])
def test_two_processes_give_the_gradient_of_one(tmp_path: Path, aux_weight: float) -> None:
    one = gradients(tmp_path / "one.pt", 1, aux_weight)
    two = gradients(tmp_path / "two.pt", 2, aux_weight)
    assert one.keys() == two.keys()
    heads = {name for name in one if name.startswith("net.aux_heads")}
    assert heads
    for name, expected in one.items():
        if aux_weight == 0 and name in heads:
            assert expected is None
            assert two[name] is None
        else:
            assert (two[name] - expected).norm() <= 1e-5 * expected.norm(), name
