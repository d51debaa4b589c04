"""Predictions by an exported file: whole photos in, the same CSV as by a checkpoint out."""

from pathlib import Path

import lightning.pytorch as pl
import torch
from torch import Tensor
from torch.utils.data import DataLoader, Dataset

from inception_lightning.data.folder import Photos
from inception_lightning.deployment.formats import opened
from inception_lightning.deployment.proof import as_batch, said
from inception_lightning.loading.dataset import ImageFiles
from inception_lightning.loading.decoding import ImageInputError
from inception_lightning.loading.sampler import EvaluationSampler
from inception_lightning.training.classifier import LabelPrediction, Prediction

Sample = tuple[Tensor | None, int]
"""A whole image (3, H, W), or none where it cannot be read, and its index."""


class WholePhotos(Photos):
    """Photos as they are decoded: an exported file resizes and crops by itself."""

    def predict_dataloader(self) -> DataLoader[Sample]:  # type: ignore[override]  # of other samples
        """Every photo once, in order, in lists: their sizes differ."""
        loader = super().predict_dataloader()  # which says what is left out
        images = Whole(self.dataset("test"))
        return DataLoader(
            images,
            batch_size=self.batch_size,
            sampler=EvaluationSampler(len(images)),
            num_workers=loader.num_workers,
            collate_fn=list,
        )


class Whole(Dataset[Sample]):
    """Whole images of files."""

    def __init__(self, files: ImageFiles) -> None:
        self.files = files

    def __len__(self) -> int:
        return len(self.files)

    def __getitem__(self, index: int) -> Sample:
        try:
            return self.files.open(index).pixels().contiguous(), index
        except ImageInputError:
            return None, index


class ExportedClassifier(pl.LightningModule):
    """An exported file in the place of the module that it was made of, to predict."""

    def __init__(self, file: Path, threads: int) -> None:
        """Open ``file``, to be run with so many threads; see `formats.opened`."""
        super().__init__()
        self.runtime = opened(file, threads)

    def predict_step(self, batch: list[Sample], batch_idx: int) -> Prediction | LabelPrediction:
        """The most probable classes of some photos, or their labels; one that cannot be read has ``-1 - index``."""
        about = self.runtime.about
        indices = torch.tensor([-1 - index if image is None else index for image, index in batch])
        probabilities = torch.cat([self._answer(image) for image, _ in batch])  # (N, num_classes)
        if about.thresholds:
            labels = torch.from_numpy(said(probabilities.numpy(), about.thresholds))
            return LabelPrediction(indices, labels, probabilities)
        best = probabilities.topk(min(5, len(about.class_names)))
        return Prediction(indices, best.indices, best.values)

    def _answer(self, image: Tensor | None) -> Tensor:
        """An image (C, H, W), or None for one that cannot be read -> probabilities (1, num_classes)."""
        if image is None:
            return torch.zeros(1, len(self.runtime.about.class_names))
        if self.runtime.about.pixels == "float32" and image.dtype == torch.uint8:
            image = image / 255
        return torch.from_numpy(self.runtime(as_batch([image])))
