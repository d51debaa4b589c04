"""Evaluation counts every sample once, on any number of processes: the same numbers as NumPy's."""

import csv
import os
from pathlib import Path

import lightning.pytorch as pl
import numpy as np
import pytest
import torch
from torch.multiprocessing.spawn import spawn

from inception_lightning import InceptionClassifier
from inception_lightning.data.base import ImageDataModule, ImageTensors, Split
from inception_lightning.data.transforms import Augmentation, CenterCrop
from inception_lightning.metrics_file import MetricsFile
from inception_lightning.models import InceptionResNetV1

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


def evaluate(rank: int, place: str, world: int) -> None:
    os.environ |= {"RANK": str(rank), "LOCAL_RANK": str(rank), "WORLD_SIZE": str(world), "MASTER_ADDR": "127.0.0.1"}
    os.environ |= {"MASTER_PORT": str(29640 + world), "TORCHELASTIC_RUN_ID": "test"}
    torch.set_num_threads(1)
    for size in SIZES:
        trainer = pl.Trainer(
            accelerator="cpu",
            devices=world,
            strategy="ddp",
            logger=MetricsFile(Path(place) / f"{size}.csv"),
            enable_progress_bar=False,
            enable_model_summary=False,
            enable_checkpointing=False,
        )
        trainer.test(module(), Noise(size), verbose=False)


def expected(size: int) -> dict[str, float]:
    """By hand, on one process."""
    net = module().eval()
    data = Noise(size)
    samples = [data.views("test")[index] for index in range(size)]
    with torch.no_grad():
        logits = net(torch.stack([image for image, _ in samples])).double().numpy()
    labels = np.array([label for _, label in samples])
    order = (-logits).argsort(axis=1)
    losses = np.log(np.exp(logits).sum(axis=1)) - logits[range(size), labels]
    return {
        "test/top1": float(np.float32((order[:, 0] == labels).mean())),
        "test/top5": float(np.float32((order[:, :5] == labels[:, None]).any(axis=1).mean())),
        "test/loss": float(losses.mean()),
    }


@pytest.mark.parametrize("world", [1, 2])
def test_metrics_are_those_of_numpy(tmp_path: Path, world: int) -> None:
    spawn(evaluate, (str(tmp_path), world), nprocs=world)
    for size in SIZES:
        with (tmp_path / f"{size}.csv").open(newline="") as file:
            (row,) = csv.DictReader(file)
        by_hand = expected(size)
        assert np.float32(row["test/top1"]) == np.float32(by_hand["test/top1"])
        assert np.float32(row["test/top5"]) == np.float32(by_hand["test/top5"])
        assert float(row["test/loss"]) == pytest.approx(by_hand["test/loss"], rel=1e-5)
