"""What a person wants to know when training ends."""

import shlex
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import lightning.pytorch as pl
from lightning.pytorch.callbacks import Callback, EarlyStopping, Timer
from rich.console import Console
from rich.table import Table
from torch import nn

from inception_lightning.callbacks.best import standing
from inception_lightning.callbacks.speed import Speed, peak_memory
from inception_lightning.errors import spared, visible
from inception_lightning.training.classifier import InceptionClassifier


@dataclass(frozen=True)
class Score:
    """Validation accuracy after one epoch, and what the best checkpoint is chosen by; None where it is not logged."""

    epoch: int
    top1: float | None
    top5: float | None
    chosen: float | None = None


class RunSummary(Callback):
    """A short table at the end: best and last accuracy, speed and memory, where the run lies, how to test it."""

    def __init__(
        self,
        folder: Path,
        best: Path,
        speed: Speed,
        *,
        monitor: str = "val/top1",
        mode: str = "max",
        trusted: Sequence[str] = (),
    ) -> None:
        """Remember what the table is made of.

        Args:
            folder: The run's folder.
            best: Where its best checkpoint will be.
            speed: What measures its speed.
            monitor: What the best checkpoint is chosen by.
            mode: Whether the best is the ``max`` or the ``min``.
            trusted: The packages that the checkpoint's classes are of, beside ours.
        """
        self.folder = folder
        self.best = best
        self.speed = speed
        self.monitor = monitor
        self.mode = mode
        self.trust = "".join(f" --trust {name}" for name in trusted)
        self.scores: list[Score] = []

    def state_dict(self) -> dict[str, Any]:
        """The scores so far, for the table of a resumed run."""
        return {"scores": [asdict(score) for score in self.scores]}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Go on with the scores of the run that is resumed."""
        self.scores = [Score(**score) for score in state_dict["scores"]]

    def on_fit_start(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """Say what is trained on what."""
        if not trainer.is_global_zero:
            return
        trained: nn.Module = pl_module
        classes = ""
        if isinstance(pl_module, InceptionClassifier):
            trained, classes = pl_module.net, f"{pl_module.num_classes} classes, "
        millions = sum(parameter.numel() for parameter in trained.parameters()) / 1e6
        data = trainer.datamodule  # type: ignore[attr-defined]  # set by Trainer.fit
        print(
            f"{type(trained).__name__}, {millions:.2f} M parameters, {classes}"
            f"on {type(pl_module if data is None else data).__name__}; run folder {self.folder}"
        )

    def on_validation_end(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """Note the epoch's scores."""
        metrics = trainer.callback_metrics
        if trainer.sanity_checking:
            return
        top1, top5, chosen = (
            float(metrics[name]) if name in metrics else None for name in ("val/top1", "val/top5", self.monitor)
        )
        if top1 is not None or chosen is not None:
            self.scores.append(Score(trainer.current_epoch + 1, top1, top5, chosen))

    def teardown(self, trainer: pl.Trainer, pl_module: pl.LightningModule, stage: str) -> None:
        """Print the table, when the progress bar has left the screen."""
        if trainer.is_global_zero:
            console = Console(soft_wrap=True, highlight=False, markup=False)
            with spared("the table of scores"):
                table = self.table()
                if table.row_count:
                    console.print(table)
                for reason in _ended_early(trainer):
                    console.print(f"ended      {reason}")
                console.print(f"speed      {self._speed()}")
                memory = peak_memory(trainer.strategy.root_device)
                console.print(f"memory     {memory:.1f} GiB at most")
                console.print(f"run        {_path(self.folder)}")
                if self.best.is_file():
                    epoch = f", of epoch {self._best().epoch}" if self.scores else ""
                    console.print(f"best       {_path(self.best)}{epoch}")
                    console.print(f"test it    lightning test --ckpt_path {_path(self.best)}{self.trust}")
                    console.print(
                        f"use it     lightning predict --ckpt_path {_path(self.best)}{self.trust} --data.root PHOTOS"
                    )
                    console.print(
                        f"see it     {_path(self.folder / 'curves.png')}, or lightning report {_path(self.folder)}"
                    )

    def table(self) -> Table:
        """Best and last validation accuracy, and what the best was chosen by; of accuracies, those that are logged."""
        table = Table("validation")
        other = () if self.monitor in ("val/top1", "val/top5") else (self.monitor,)
        accuracy = any(score.top1 is not None for score in self.scores) or not other
        for heading in ("epoch", *other, *(("top-1 %", "top-5 %") if accuracy else ())):
            table.add_column(heading, justify="right")
        if self.scores:
            for name, score in (("best", self._best()), ("last", self.scores[-1])):
                chosen = ["-" if score.chosen is None else f"{score.chosen:.4g}"] * len(other)
                percents = [_percent(score.top1), _percent(score.top5)] if accuracy else []
                table.add_row(name, str(score.epoch), *chosen, *percents)
        return table

    def _best(self) -> Score:
        """The first of equals, as the checkpoint's."""
        return max(
            self.scores,
            key=lambda score: standing(score.top1 if score.chosen is None else score.chosen, self.mode),
        )

    def _speed(self) -> str:
        images_per_second, step, wait = self.speed.run.per_step().values()
        return f"{images_per_second:,.0f} images per second, {step:,.0f} ms a step, of which {wait:,.0f} wait for data"


def _ended_early(trainer: pl.Trainer) -> Iterator[str]:
    """Why training ended before its last epoch, where a callback has ended it."""
    for callback in trainer.callbacks:  # type: ignore[attr-defined]  # set by the callback connector
        if isinstance(callback, Timer) and (callback.time_remaining() or 1) <= 0:
            yield f"after {trainer.current_epoch} epochs: the time that was given is over"
        if isinstance(callback, EarlyStopping) and callback.stopped_epoch:
            yield f"after epoch {callback.stopped_epoch + 1}: {callback.monitor} is not getting better"


def _path(path: Path) -> str:
    """As a shell takes it, on one line."""
    return visible(shlex.quote(str(path)))


def _percent(share: float | None) -> str:
    return "-" if share is None else f"{100 * share:.2f}"
