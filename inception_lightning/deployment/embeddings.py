"""Embeddings of photos: the features of a stage of a network, those of each photo once, by any number of processes."""

import os
from collections.abc import Sequence
from hashlib import sha256
from typing import NamedTuple

import lightning.pytorch as pl
import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.utils.data import DataLoader

from inception_lightning.data.folder import Photos
from inception_lightning.deployment.rows import About, Rows
from inception_lightning.loading.dataset import Label
from inception_lightning.loading.sampler import EvaluationSampler
from inception_lightning.models import stages
from inception_lightning.training.classifier import InceptionClassifier


class Embedding(NamedTuple):
    """What `Embedder.predict_step` gives: the photos' indices (N,), as `PhotoViews` has them, and their rows (N, F)."""

    indices: Tensor
    rows: Tensor


class Embedder(pl.LightningModule):
    """A trained network in the place of its classifier: uint8 images (N, C, H, W) -> features (N, F), float32."""

    def __init__(self, module: InceptionClassifier, stage: str) -> None:
        """Embed by ``module``.

        Raises:
            InputError: There is no such stage; see `models.stages.features`.
        """
        super().__init__()
        stages.check_stage(module.net, stage, stages.POOLED)
        self.module = module.eval()
        self.stage = stage

    def forward(self, images: Tensor) -> Tensor:
        """Shapes as above."""
        return stages.features(self.module.net, self.module.normalize(images), self.stage).float()

    def predict_step(self, batch: tuple[Tensor, Tensor], batch_idx: int) -> Embedding:
        """The rows of one batch; in place of labels it has the photos' own indices."""
        images, indices = batch
        return Embedding(indices, self(images))

    def width(self, image_size: int) -> int:
        """The length of a row, for images of that side."""
        blank = torch.zeros(1, len(self.module.mean), image_size, image_size, dtype=torch.uint8)
        with torch.inference_mode():
            return self(blank.to(self.device)).shape[1]


class RemainingSampler(EvaluationSampler):
    """Of this process's share of the photos those whose rows are not written: after a kill the batches are the same."""

    def __init__(self, marks: NDArray[np.uint8]) -> None:
        """Take the share of the photos that are not marked (N,)."""
        super().__init__(len(marks))
        self.left: list[int] = [index for index in super().share() if not marks[index]]

    def share(self) -> Sequence[int]:
        """This process's photos without those that are marked, in order."""
        return self.left


class Remaining(pl.LightningDataModule):
    """The photos whose rows are not written yet."""

    def __init__(self, photos: Photos, rows: Rows) -> None:
        """Show those of ``photos`` that ``rows`` do not have."""
        super().__init__()
        self.photos = photos
        self.rows = rows

    def setup(self, stage: str) -> None:
        """Refuse a machine whose shared memory does not hold the workers' batches."""
        self.photos.setup(stage)

    def predict_dataloader(self) -> DataLoader[tuple[Tensor, Label]]:
        """Each of them once, in order; asked on every process before any writes."""
        sampler = RemainingSampler(self.rows.marks())
        if self.trainer is not None:
            self.trainer.strategy.barrier()
        return self.photos.prediction_loader(sampler)


def about(embedder: Embedder, photos: Photos, precision: str) -> About:
    """What the rows of these photos are made of, where the network computes in ``precision``."""
    module, weights, names = embedder.module, sha256(), sha256()
    for name, tensor in {**module.net.state_dict(), "mean": module.mean, "std": module.std}.items():
        weights.update(name.encode())
        weights.update(tensor.detach().cpu().contiguous().view(-1).view(torch.uint8).numpy())
    for file in photos.files:
        names.update(os.fsencode(file) + b"\0")
    return About(
        network=weights.hexdigest(),
        stage=embedder.stage,
        images=names.hexdigest(),
        view=f"{photos.image_size} pixels, {photos.evaluation}, {photos.bands}",
        precision=precision,
        count=len(photos.files),
        width=embedder.width(photos.image_size),
    )
