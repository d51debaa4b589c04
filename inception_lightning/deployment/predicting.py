"""Predictions by an exported file: whole photos in, the same CSV as by a checkpoint out."""

from pathlib import Path

import lightning.pytorch as pl
import torch
from torch import Tensor
from torch.utils.data import DataLoader, Dataset

from inception_lightning.data.folder import Photos
from inception_lightning.deployment.formats import opened
from inception_lightning.deployment.proof import as_batch
from inception_lightning.loading.dataset import ImageFiles
from inception_lightning.loading.decoding import ImageInputError
from inception_lightning.loading.sampler import EvaluationSampler
from inception_lightning.training.classifier import Prediction

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

    def predict_step(self, batch: list[Sample], batch_idx: int) -> Prediction:
        """The most probable classes of some photos; one that cannot be read has the index ``-1 - index``."""
        count = min(5, len(self.runtime.about.class_names))
        indices, classes, probabilities = [], [], []
        for image, index in batch:
            found = torch.zeros(1, len(self.runtime.about.class_names))
            if image is not None:
                if self.runtime.about.pixels == "float32" and image.dtype == torch.uint8:
                    image = image / 255
                found = torch.from_numpy(self.runtime(as_batch([image])))
            best = found.topk(count)
            indices.append(index if image is not None else -1 - index)
            classes.append(best.indices)
            probabilities.append(best.values)
        return Prediction(torch.tensor(indices), torch.cat(classes), torch.cat(probabilities))
