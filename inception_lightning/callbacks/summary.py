"""What a person wants to know when training ends."""

from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import lightning.pytorch as pl
from lightning.pytorch.callbacks import Callback
from rich.console import Console
from rich.table import Table

from inception_lightning.callbacks.speed import Speed, peak_memory
from inception_lightning.training.classifier import InceptionClassifier


@dataclass(frozen=True)
class Score:
    """Validation accuracy after one epoch; ``top5`` is None where there are five classes or fewer."""

    epoch: int
    top1: float
    top5: float | None


class RunSummary(Callback):
    """A short table at the end: best and last accuracy, speed and memory, where the run lies, how to test it."""

    def __init__(self, folder: Path, best: Path, speed: Speed) -> None:
        """Remember the run's folder, where its best checkpoint will be, and what measures its speed."""
        self.folder = folder
        self.best = best
        self.speed = speed
        self.scores: list[Score] = []

    def state_dict(self) -> dict[str, Any]:
        """The scores so far, for the table of a resumed run."""
        return {"scores": [asdict(score) for score in self.scores]}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Go on with the scores of the run that is resumed."""
        self.scores = [Score(**score) for score in state_dict["scores"]]

    def on_fit_start(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """Say what is trained on what."""
        if trainer.is_global_zero and isinstance(pl_module, InceptionClassifier):
            millions = sum(parameter.numel() for parameter in pl_module.net.parameters()) / 1e6
            data = type(trainer.datamodule).__name__  # type: ignore[attr-defined]  # set by Trainer.fit
            print(
                f"{type(pl_module.net).__name__}, {millions:.2f} M parameters, {pl_module.net.num_classes} classes, "
                f"on {data}; run folder {self.folder}"
            )

    def on_validation_end(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """Note the epoch's scores."""
        metrics = trainer.callback_metrics
        if trainer.sanity_checking or "val/top1" not in metrics:
            return
        top5 = float(metrics["val/top5"]) if "val/top5" in metrics else None
        self.scores.append(Score(trainer.current_epoch + 1, float(metrics["val/top1"]), top5))

    def teardown(self, trainer: pl.Trainer, pl_module: pl.LightningModule, stage: str) -> None:
        """Print the table, when the progress bar has left the screen."""
        if trainer.is_global_zero:
            console = Console(soft_wrap=True)
            table = self.table()
            if table.row_count:
                console.print(table)
            console.print(f"speed      {self._speed(trainer)}", highlight=False)
            console.print(f"run        {self.folder}", highlight=False)
            if self.best.is_file():
                console.print(f"test it    lightning test --ckpt_path {self.best}", highlight=False)

    def table(self) -> Table:
        """Best and last validation accuracy."""
        table = Table()
        for heading in ("validation", "epoch", "top-1 %", "top-5 %"):
            table.add_column(heading, justify="left" if heading == "validation" else "right")
        if self.scores:
            best = max(self.scores, key=lambda score: score.top1)  # the first of equals, as the checkpoint's
            for name, score in (("best", best), ("last", self.scores[-1])):
                table.add_row(name, str(score.epoch), _percent(score.top1), _percent(score.top5))
        return table

    def _speed(self, trainer: pl.Trainer) -> str:
        images_per_second, step, wait = self.speed.run.per_step().values()
        memory = peak_memory(trainer.strategy.root_device)
        return (
            f"{images_per_second:,.0f} images per second in training, {step:,.0f} ms a step, of which "
            f"{wait:,.0f} waiting for data; {memory:.1f} GiB of memory at most"
        )


def _percent(share: float | None) -> str:
    return "-" if share is None else f"{100 * share:.2f}"
