"""What a run shows while it runs: a rich bar in a terminal, plain lines in files and pipes."""

import time
from collections.abc import Sequence
from typing import Any

import lightning.pytorch as pl
from lightning.pytorch.callbacks import ModelSummary, ProgressBar, RichProgressBar
from lightning.pytorch.callbacks.progress.rich_progress import BatchesProcessedColumn
from rich import box, get_console
from rich.progress import BarColumn, ProgressColumn, Task, TextColumn
from rich.table import Table
from rich.text import Text

from inception_lightning.models import Inception
from inception_lightning.models.cost import count_macs, count_parameters, shapes, skeleton

ACCURACY = "val/top1"
OF_LABELS = "val/average_precision"  # of images with several labels
SHARES = ("/top1", "/top5", "/average_precision")
"""How the names of scores end that are logged as shares of 1 and shown in per cent."""


NARROW = 60
"""Columns of a terminal below which only what matters most is shown."""


def shown(name: str, value: float) -> str:
    """A logged number as people read it: shares in per cent."""
    return f"{100 * value:.2f} %" if name.endswith(SHARES) else f"{value:.4f}"


class TimeLeft(ProgressColumn):
    """What is left of the whole training, validation included; of anything else, of itself."""

    def __init__(self, trainer: pl.Trainer) -> None:
        """Measure from now on."""
        super().__init__()
        self.trainer = trainer
        self.began: tuple[float, int] | None = None

    def render(self, task: Task) -> Text:
        """``0:12:34 left``, as soon as it can be known."""
        seconds = self.seconds() if self.trainer.state.fn == "fit" else task.time_remaining
        left = " left" if get_console().width >= NARROW else ""
        return Text("" if seconds is None else f"{clock(seconds)}{left}", style="dim")

    def seconds(self) -> float | None:
        """From the steps of this process so far, and those that are left; None before the first and without an end."""
        now, step = time.monotonic(), self.trainer.global_step
        if self.began is None:
            self.began = (now, step)
        start, first = self.began
        total = steps(self.trainer)
        if total is None or step <= first:
            return None
        return max(0.0, (total - step) * (now - start) / (step - first))


def clock(seconds: float) -> str:
    """Hours, minutes and seconds."""
    minutes, rest = divmod(round(seconds), 60)
    return f"{minutes // 60}:{minutes % 60:02}:{rest:02}"


def steps(trainer: pl.Trainer) -> int | None:
    """The optimizer steps of the whole training, which has begun; None where it has no end."""
    batches, epochs = trainer.num_training_batches, trainer.max_epochs
    if epochs in (None, -1) or batches == float("inf"):
        return trainer.max_steps if trainer.max_steps > 0 else None
    count = -(-int(batches) // trainer.accumulate_grad_batches) * (epochs or 0)
    return min(count, trainer.max_steps) if trainer.max_steps > 0 else count


class TerminalProgress(RichProgressBar):
    """Lightning's rich bar in 80 columns, which leaves a line per epoch: its number from 1, loss and accuracy in %.

    It looks at the loss only when it is logged: another look would have the device waited for.
    """

    def __init__(self) -> None:
        """Leave the bars of past epochs."""
        super().__init__(leave=True)
        self.left: TimeLeft | None = None
        self.seen: dict[str, Any] = {}
        self.seen_at: tuple[int, int] | None = None

    def configure_columns(self, trainer: pl.Trainer) -> list[ProgressColumn]:
        """Epoch, bar, batches, time left; Lightning adds the numbers of `get_metrics`."""
        if self.left is None or self.left.trainer is not trainer:
            self.left = TimeLeft(trainer)
        bar = [BarColumn(bar_width=12)] if get_console().width >= NARROW else []
        return [TextColumn("{task.description}"), *bar, BatchesProcessedColumn(style=""), self.left]

    def get_metrics(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> dict[str, Any]:
        """The numbers beside the bar: the training loss, and the last validation's accuracy or what it has instead."""
        every: int = trainer.log_every_n_steps  # type: ignore[attr-defined]  # set by its logger connector
        at = (trainer.current_epoch, trainer.global_step // max(every, 1))
        if at == self.seen_at:
            return self.seen
        self.seen_at = at
        logged = trainer.callback_metrics
        items = super().get_metrics(trainer, pl_module)
        for name, title in ((ACCURACY, "top-1"), (OF_LABELS, "average precision")):
            if name in logged:
                items = {title: shown(name, float(logged[name]))}
                break
        loss = {"loss": f"{float(logged['train/loss']):.3f}"} if "train/loss" in logged else {}
        self.seen = {**loss, **{name: value for name, value in items.items() if name != "v_num"}}
        return self.seen

    def on_validation_end(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """Look at the numbers again."""
        self.seen_at = None
        super().on_validation_end(trainer, pl_module)

    def _get_train_description(self, current_epoch: int) -> str:  # Lightning's, which counts from 0
        last = self.trainer.max_epochs
        return f"Epoch {current_epoch + 1}" + (f"/{last}" if last not in (None, -1) else "")


class NetSummary(ModelSummary):
    """The network's stages as in its paper's table: output, parameters, and multiply-accumulates for one image."""

    def __init__(self) -> None:
        """Look one level into a network that is not ours."""
        super().__init__(max_depth=2)

    def on_fit_start(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """Print the table on the first process."""
        net = getattr(pl_module, "net", None)
        if not isinstance(net, Inception):
            super().on_fit_start(trainer, pl_module)
        elif trainer.is_global_zero:
            data = trainer.datamodule  # type: ignore[attr-defined]  # set by Trainer.fit
            console = get_console()
            console.print(stages(net, getattr(data, "image_size", net.image_size), narrow=console.width < NARROW))


def stages(net: Inception, size: int, *, narrow: bool = False) -> Table:
    """A row per stage, one per head and the total.

    Args:
        net: The network, which is not touched: its shape alone is run.
        size: Side of its images, in pixels.
        narrow: Whether numbers are rounded, so that forty columns hold them.
    """
    said = _rounded if narrow else "{:,}".format
    shape = skeleton(type(net), net.config["init_args"])
    parameters, macs = count_parameters(shape), count_macs(shape, size)
    table = Table(box=box.SIMPLE_HEAD, padding=(0, 0) if narrow else (0, 1), show_edge=not narrow)
    table.add_column("stage", min_width=11, overflow="fold")
    for heading in ("output", "weights" if narrow else "parameters", "MACs"):
        table.add_column(heading, justify="right", no_wrap=True)
    ends = shapes(shape, size)
    for name in [*ends, *(part for part in parameters if part not in ends)]:
        title = name.replace("aux_heads.", "head on ")
        table.add_row(title, _size(ends.get(name, (net.num_classes,))), said(parameters[name]), said(macs[name]))
    table.add_section()
    table.add_row(f"total, {size}x{size} images", "", said(parameters.total()), said(macs.total()))
    return table


def _rounded(number: int) -> str:
    """Three digits and what they are multiplied by: 17.2 M."""
    for factor, name in ((10**9, " G"), (10**6, " M"), (10**3, " k")):
        if number >= 0.9995 * factor:
            return f"{number / factor:.3g}{name}"
    return str(number)


def _size(shape: Sequence[int]) -> str:
    channels, *grid = shape
    return "x".join(map(str, (*grid, channels)))


class LineProgress(ProgressBar):
    """One line per epoch, and one per minute within longer epochs and predictions."""

    def __init__(self, seconds: float = 60.0) -> None:
        """Say at least one line every ``seconds``."""
        super().__init__()
        self.seconds = seconds
        self.enabled = True
        self.last_line = time.monotonic()
        self.validated = False  # since the last epoch ended
        self.left: TimeLeft | None = None

    def disable(self) -> None:
        """Print nothing: Lightning calls it on all processes but the first."""
        self.enabled = False

    def enable(self) -> None:
        """Print lines again after `disable`."""
        self.enabled = True

    def on_train_start(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """Measure from now on."""
        self.left = TimeLeft(trainer)
        self.left.seconds()

    def on_train_batch_end(
        self, trainer: pl.Trainer, pl_module: pl.LightningModule, outputs: Any, batch: Any, batch_idx: int
    ) -> None:
        """Say where a long epoch is."""
        if time.monotonic() - self.last_line >= self.seconds:
            self._say(trainer, f"batch {batch_idx + 1}/{trainer.num_training_batches}  ", ("train/loss",))

    def on_predict_batch_end(
        self,
        trainer: pl.Trainer,
        pl_module: pl.LightningModule,
        outputs: Any,
        batch: Any,
        batch_idx: int,
        dataloader_idx: int = 0,
    ) -> None:
        """Say where a long prediction is."""
        now = time.monotonic()
        if self.enabled and now - self.last_line >= self.seconds:
            self.last_line = now
            print(f"batch {batch_idx + 1}/{trainer.num_predict_batches[dataloader_idx]}", flush=True)

    def on_validation_end(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """Note that there are new figures."""
        self.validated = self.validated or not trainer.sanity_checking

    def on_train_epoch_end(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """Say how the epoch went; of validation, only where there was one."""
        self._say(trainer, "", ("train/loss", *(("val/loss", ACCURACY, OF_LABELS) if self.validated else ())))
        self.validated = False

    def _say(self, trainer: pl.Trainer, position: str, names: tuple[str, ...]) -> None:
        self.last_line = time.monotonic()
        metrics = trainer.callback_metrics
        values = [f"{name} {shown(name, float(metrics[name]))}" for name in names if name in metrics]
        seconds = self.left.seconds() if self.left else None
        if seconds:
            values.append(f"{clock(seconds)} left")
        if self.enabled:
            print(f"{_place(trainer)}  {position}{'  '.join(values)}", flush=True)


def _place(trainer: pl.Trainer) -> str:
    """Where training is, of how much where that is known."""
    epoch = f"epoch {trainer.current_epoch + 1}"
    if trainer.max_epochs not in (None, -1):
        return f"{epoch}/{trainer.max_epochs}"
    return epoch if trainer.max_steps == -1 else f"{epoch}  step {trainer.global_step}/{trainer.max_steps}"
