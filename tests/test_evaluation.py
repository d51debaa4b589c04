"""Evaluation counts every sample once, on any number of processes: the same numbers as NumPy's."""

import csv
import os
from pathlib import Path
from typing import Any

import lightning.pytorch as pl
import numpy as np
import pytest
import torch
from lightning.pytorch.callbacks import Callback
from torch import Tensor
from torch.multiprocessing.spawn import start_processes

from inception_lightning import InceptionClassifier
from inception_lightning.data.base import Batch, ImageDataModule, Split
from inception_lightning.loading.dataset import ImageTensors
from inception_lightning.loading.loaders import collate
from inception_lightning.loading.views import Augmentation, CenterCrop
from inception_lightning.models import InceptionResNetV1
from inception_lightning.runs.metrics_csv import MetricsFile
from tests.processes import unused_port

SIZES = (1, 7, 100, 101)


class Noise(ImageDataModule):
    """So many images of noise."""

    class_names = tuple("abcdefghij")

    def __init__(self, size: int) -> None:
        super().__init__(
            image_size=16,
            batch_size=8,
            num_workers=0,
            augmentation=Augmentation(),
            evaluation=CenterCrop(),
            seed=0,
        )
        self.size = size

    def dataset(self, split: Split) -> ImageTensors:
        """The first images of a sequence that never changes."""
        generator = torch.Generator().manual_seed(1)
        images = torch.randint(256, (max(SIZES), 3, 16, 16), dtype=torch.uint8, generator=generator)
        labels = torch.randint(10, (max(SIZES),), generator=generator)
        return ImageTensors(images[: self.size], labels[: self.size])


def module() -> InceptionClassifier:
    torch.manual_seed(0)
    return InceptionClassifier(InceptionResNetV1(10, stem="small", width=0.1, depths=(1, 1, 1)))


class Logits(Callback):
    """Keeps what the network says of each sample."""

    def __init__(self, file: Path) -> None:
        self.file = file
        self.seen: list[tuple[Tensor, Tensor]] = []

    def on_test_start(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        assert isinstance(pl_module, InceptionClassifier)
        self.hook = pl_module.net.register_forward_hook(lambda net, images, logits: self.keep(logits))

    def keep(self, logits: Tensor) -> None:
        self.logits = logits

    def on_test_batch_end(
        self, trainer: pl.Trainer, pl_module: pl.LightningModule, outputs: Any, batch: Batch, *rest: object
    ) -> None:
        if len(batch[1]):
            self.seen.append((self.logits, batch[1]))

    def on_test_end(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        self.hook.remove()
        torch.save(self.seen, self.file)


def evaluate(rank: int, place: str, world: int, port: int) -> None:
    os.environ |= {"RANK": str(rank), "LOCAL_RANK": str(rank), "WORLD_SIZE": str(world), "MASTER_ADDR": "127.0.0.1"}
    os.environ |= {"MASTER_PORT": str(port), "TORCHELASTIC_RUN_ID": "test"}
    torch.set_num_threads(1)
    for size in SIZES:
        trainer = pl.Trainer(
            accelerator="cpu",
            devices=world,
            strategy="ddp",
            logger=MetricsFile(Path(place) / f"{size}.csv"),
            callbacks=[Logits(Path(place) / f"{size}-{rank}.pt")],
            enable_progress_bar=False,
            enable_model_summary=False,
            enable_checkpointing=False,
        )
        trainer.test(module(), Noise(size), verbose=False)


def by_hand(logits: Tensor, labels: Tensor) -> dict[str, np.float32]:
    """What NumPy makes of logits (N, K) and labels (N,)."""
    wide, rows = logits.double().numpy(), np.arange(len(labels))
    order = (-wide).argsort(axis=1)
    hits = order == labels.numpy()[:, None]
    losses = np.log(np.exp(wide).sum(axis=1)) - wide[rows, labels.numpy()]
    return {
        "test/top1": np.float32(hits[:, 0].mean()),
        "test/top5": np.float32(hits[:, :5].any(axis=1).mean()),
        "test/loss": np.float32(losses.mean()),
    }


def alone(size: int) -> tuple[Tensor, Tensor]:
    """Logits and labels on one process, without Lightning, in one batch."""
    views = Noise(size).views("test")
    images, labels = collate([views[index] for index in range(size)])
    with torch.no_grad():
        return module().eval()(images), labels


@pytest.mark.parametrize("world", [1, 2])
def test_metrics_are_those_of_numpy(tmp_path: Path, world: int) -> None:
    start_processes(evaluate, (str(tmp_path), world, unused_port()), nprocs=world, start_method="fork")
    for size in SIZES:
        with (tmp_path / f"{size}.csv").open(newline="") as file:
            (row,) = csv.DictReader(file)
        found = {name: np.float32(row[name]) for name in ("test/top1", "test/top5", "test/loss")}
        seen = [batch for rank in range(world) for batch in torch.load(tmp_path / f"{size}-{rank}.pt")]
        logits, labels = (torch.cat(part) for part in zip(*seen, strict=True))
        logits_alone, labels_alone = alone(size)
        print(f"{size} images, {world} processes: {len(labels)} counted, {found}")
        assert sorted(labels.tolist()) == sorted(labels_alone.tolist())  # each sample once
        assert found == by_hand(logits, labels)
        # a convolution's last bit depends on the size of its batch, and so does that of the loss
        expected = by_hand(logits_alone, labels_alone)
        assert found["test/top1"] == expected["test/top1"]
        assert found["test/top5"] == expected["test/top5"]
        assert found["test/loss"] == pytest.approx(expected["test/loss"], rel=5e-7)
