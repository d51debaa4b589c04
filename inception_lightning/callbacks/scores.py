"""What ``test`` and ``validate`` leave: a table in the terminal, and a folder of scores."""

import logging
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import lightning.pytorch as pl
import numpy as np
import torch
from lightning.pytorch.callbacks import Callback
from numpy.typing import NDArray
from rich.console import Console
from torch import Tensor, distributed
from torch.utils.data import DataLoader

from inception_lightning.data.base import ImageDataModule
from inception_lightning.errors import spared, visible
from inception_lightning.evaluation.mistakes import looked_at, worst_mistakes
from inception_lightning.evaluation.predictions_csv import Predictions, precision
from inception_lightning.evaluation.report import write_report
from inception_lightning.evaluation.terminal import remarks, table
from inception_lightning.loading.dataset import ImageDataset, ImageFiles
from inception_lightning.loading.pictured import how_pictured
from inception_lightning.loading.sampler import EvaluationSampler
from inception_lightning.loading.views import FixedViews
from inception_lightning.training.classifier import InceptionClassifier

log = logging.getLogger(__name__)

AT_ONCE = 32
"""Batches whose answers stay on the device before they are fetched: fetching each would have the device wait."""


@dataclass(frozen=True)
class Answers:
    """What was answered to the images of one process, in their order.

    Attributes:
        logits: Float32 (N, K).
        targets: Class indices (N,), or 0 or 1 of each label (N, K).
    """

    logits: NDArray[np.float32]
    targets: NDArray[np.int64]


class Collected:
    """The logits and labels of an evaluation: those of this process batch by batch, then those of all."""

    def __init__(self) -> None:
        self.waiting: list[tuple[Tensor, Tensor]] = []
        self.parts: list[Answers] = []

    def add(self, outputs: Any) -> None:
        """Keep what a step gave, if it is the classifier's `Evaluated`."""
        if isinstance(outputs, dict) and {"logits", "labels"} <= outputs.keys():
            self.waiting.append((outputs["logits"].detach(), outputs["labels"].detach()))
            if len(self.waiting) == AT_ONCE:
                self._fetch()

    def _fetch(self) -> None:
        logits, targets = (torch.cat(parts).cpu() for parts in zip(*self.waiting, strict=True))
        self.waiting = []
        self.parts.append(Answers(logits.float().numpy(), targets.long().numpy()))

    def gather(self, trainer: pl.Trainer) -> Answers | None:
        """The answers of all processes, which took the images in turns; None where there are none.

        On another process than the first there are none.
        """
        if self.waiting:
            self._fetch()
        mine = _joined(self.parts)
        self.parts = []
        if trainer.world_size == 1:
            return mine
        everyone: list[Answers | None] | None = [None] * trainer.world_size if trainer.is_global_zero else None
        distributed.gather_object(mine, everyone)
        if everyone is None:
            return None
        return _in_turn([one for one in everyone if one is not None and len(one.logits)])


def _joined(parts: Sequence[Answers]) -> Answers | None:
    if not parts:
        return None
    logits = np.empty((sum(len(part.logits) for part in parts), parts[0].logits.shape[1]), np.float32)
    np.concatenate([part.logits for part in parts], out=logits)
    return Answers(logits, np.concatenate([part.targets for part in parts]))


def _in_turn(parts: Sequence[Answers]) -> Answers | None:
    """The answers in the images' order: the first of each process, then the second of each."""
    if not parts:
        return None
    whole = _joined(parts)
    assert whole is not None
    lengths = [len(part.logits) for part in parts]
    turns = np.concatenate([np.arange(length) for length in lengths])
    order = np.lexsort((np.repeat(np.arange(len(parts)), lengths), turns))
    return Answers(whole.logits[order], whole.targets[order])


class Collecting(Callback):
    """What looks at all answers of an evaluation when it has ended: they are `collected` batch by batch."""

    def __init__(self) -> None:
        self.collected = Collected()

    def on_test_batch_end(
        self,
        trainer: pl.Trainer,
        pl_module: pl.LightningModule,
        outputs: Any,
        batch: object,
        batch_idx: int,
        dataloader_idx: int = 0,
    ) -> None:
        """Keep a batch's answers."""
        self.collected.add(outputs)

    on_validation_batch_end = on_test_batch_end


class ScoresReport(Collecting):
    """Prints the table of scores when an evaluation ends, and writes the folder of scores."""

    def __init__(self, folder: Path, *, name: str, facts: Sequence[str] = (), checkpoint: Path | None = None) -> None:
        """Prepare to write.

        Args:
            folder: Where everything goes.
            name: ``test`` or ``validate``: what the page is called.
            facts: Sentences about what is evaluated.
            checkpoint: What is evaluated.
        """
        self.folder = folder
        self.name = name
        self.facts = facts
        self.checkpoint = checkpoint
        super().__init__()

    def on_test_end(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """Write and print, on the first process."""
        if not isinstance(pl_module, InceptionClassifier):
            return
        images = images_of(trainer.test_dataloaders if self.name == "test" else trainer.val_dataloaders)
        exact = images is not None or trainer.world_size == 1
        answers = self.collected.gather(trainer) if exact else None
        if not trainer.is_global_zero:
            return
        console = Console(soft_wrap=True, highlight=False, markup=False)
        if answers is None or len(answers.logits) == 0:
            log.warning("there is no folder of scores: what was answered to which image is not known here")
            for name, value in trainer.callback_metrics.items():
                console.print(f"{visible(name)}  {float(value):.6g}")
            return
        names = pl_module.class_names or tuple(map(str, range(pl_module.num_classes)))
        predictions = Predictions(
            probabilities=probabilities(answers.logits, answers.targets.ndim == 2),
            targets=answers.targets,
            class_names=tuple(names),
            files=_files(images, len(answers.logits)),
            thresholds=None if pl_module.thresholds is None else pl_module.thresholds.numpy(),
        )
        mistakes = worst_mistakes(predictions)
        if images is not None and isinstance(data := trainer.datamodule, ImageDataModule):  # type: ignore[attr-defined]  # set by the Trainer's entry points
            with spared("the pictures of mistakes"):
                view = data.evaluation.build(data.image_size)
                mistakes = looked_at(mistakes, pl_module, images, view, range(len(answers.logits)))
        title = f"{self.name} of {type(pl_module.net).__name__}"
        facts = [*self.facts, *_facts(pl_module)]
        found = write_report(
            self.folder,
            predictions,
            title=title,
            facts=facts,
            mistakes=mistakes,
            name=self.name,
            checkpoint=self.checkpoint,
        )
        ours = {"top1", "top5", *found.overall} - {str(name) for name in pl_module.val_metrics}  # one's own are shown
        known = {f"{split}/{name}" for split in ("test", "val") for name in ours}
        further = {name: float(value) for name, value in trainer.callback_metrics.items() if name not in known}
        terms = pl_module.num_classes if pl_module.several_labels else 1
        for name in ("test/loss", "val/loss"):  # which is the log loss, unless another loss was chosen
            if name in further and abs(further[name] / terms - found.overall["log_loss"]) < 1e-6:
                del further[name]
        console.print(table(found, f"{self.name}, {found.images:,} images", further))
        for line in (*remarks(found), *facts):
            console.print(line)
        console.print(f"all of it in {visible(str(self.folder / f'{self.name}.html'))}")

    on_validation_end = on_test_end


def images_of(loader: object) -> ImageDataset | None:
    """The images behind a loader that shows each of them once over all processes; None for any other."""
    if not isinstance(loader, DataLoader) or not isinstance(loader.sampler, EvaluationSampler):
        return None
    return loader.dataset.dataset if isinstance(loader.dataset, FixedViews) else None


def probabilities(logits: NDArray[np.float32], several_labels: bool) -> NDArray[np.floating]:
    """Probabilities (N, K) in the `precision` of so many, computed in float64 some rows at a time."""
    found = np.empty_like(logits, dtype=precision(logits.size))
    for start in range(0, len(logits), 1024):
        wide = torch.from_numpy(logits[start : start + 1024]).double()
        shares = wide.sigmoid() if several_labels else wide.softmax(dim=1)
        found[start : start + 1024] = shares.numpy()
    return found


def _files(images: ImageDataset | None, count: int) -> Sequence[str]:
    if isinstance(images, ImageFiles):
        return [images.name(index) for index in range(count)]
    return [str(index) for index in range(count)]


def _facts(module: InceptionClassifier) -> list[str]:
    said, averaged = [], "probabilities are averaged" if module.several_labels else "softmax is averaged"
    if module.gathering.views > 1:
        said.append(f"Each image is shown in {module.gathering.views} views, whose {averaged}.")
    if module.members:
        said.append(f"An ensemble of {len(module.members) + 1} networks, whose {averaged}.")
    if module.temperature != 1:
        said.append(f"Calibrated with the temperature {module.temperature:.4g}.")
    if how := how_pictured(len(module.mean), module.pixels):
        said.append(how)
    return said
