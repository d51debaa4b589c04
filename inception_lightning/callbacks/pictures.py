"""Pictures of a run: the first training views, curves, and the worst validation images with their predictions."""

import contextlib
import logging
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import lightning.pytorch as pl
import torch
from lightning.pytorch.callbacks import Callback
from PIL import Image, ImageDraw, ImageFont
from torchvision.utils import save_image

from inception_lightning.callbacks.curves import draw_curves
from inception_lightning.callbacks.lightning_state import shards_weights
from inception_lightning.data.base import ImageDataModule
from inception_lightning.data.show import spread
from inception_lightning.errors import spared
from inception_lightning.evaluation.predictions import draw_predictions, predict_some, predictions_table
from inception_lightning.loading.pictured import how_pictured, pictured
from inception_lightning.runs.wandb import boards, offer
from inception_lightning.training.classifier import InceptionClassifier

if TYPE_CHECKING:
    from matplotlib.figure import Figure

log = logging.getLogger(__name__)

VIEWS = 32
CAPTION = 24  # pixels of a line of text
SIDE = 96  # pixels that a small view is enlarged to


class Pictures(Callback):
    """Draws ``views.png`` before training, ``curves.png`` and ``predictions.png`` after it, the latter for W&B too."""

    def __init__(self, folder: Path, best: Path | None = None, *, monitor: str = "val/top1", mode: str = "max") -> None:
        """Create the callback.

        Args:
            folder: The run's folder: ``metrics.csv`` is read from it, the pictures are written into it.
            best: Where the best checkpoint will be, whose predictions are shown; without it, those of the last epoch.
            monitor: What the best checkpoint is chosen by, which is marked in ``curves.png``.
            mode: Whether the best is the ``max`` or the ``min``.
        """
        self.folder = folder
        self.best = best
        self.monitor = monitor
        self.mode = mode

    def on_train_start(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """Write what the network will see of `VIEWS` training images in the first epoch, once for a run."""
        data = trainer.datamodule  # type: ignore[attr-defined]  # set by Trainer.fit
        file = self.folder / "views.png"
        if trainer.is_global_zero and isinstance(data, ImageDataModule) and not file.is_file():
            with spared("views.png"):
                save_views(data, file)

    def on_fit_end(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """Write the pictures on the main process; without ``metrics.csv`` there are no curves."""
        data = trainer.datamodule  # type: ignore[attr-defined]  # set by Trainer.fit
        if not trainer.is_global_zero:
            return
        if (self.folder / "metrics.csv").is_file():
            with spared("curves.png"):
                self._save(trainer, "curves", draw_curves(self.folder / "metrics.csv", self.monitor, self.mode))
        if shards_weights(trainer):
            log.info("predictions.png is left out: each process has a part of the network, and one alone would wait")
        elif isinstance(data, ImageDataModule) and isinstance(pl_module, InceptionClassifier):
            with spared("predictions.png"), at_best(pl_module, self.best) as which:
                guesses = predict_some(pl_module, data)
                for board in boards(trainer):
                    offer(lambda: board.experiment.log({"predictions": predictions_table(guesses)}))  # noqa: B023  # at once
                how = how_pictured(data.num_channels, data.pixels)
                self._save(trainer, "predictions", draw_predictions(guesses, which, how))

    def _save(self, trainer: pl.Trainer, name: str, figure: "Figure") -> None:
        path = self.folder / f"{name}.png"
        figure.savefig(path, dpi=100)
        for board in boards(trainer):
            offer(lambda: board.log_image(f"pictures/{name}", [str(path)]))  # noqa: B023  # at once


@contextlib.contextmanager
def at_best(module: InceptionClassifier, best: Path | None) -> Iterator[str]:
    """Have ``module`` hold the best checkpoint's weights until the context ends; gives its name in words."""
    if best is None or not best.is_file():
        yield "the last epoch's network"
        return
    last = {name: value.detach().clone() for name, value in module.state_dict().items()}
    held = torch.load(best, map_location="cpu", weights_only=True, mmap=True)
    try:
        module.load_state_dict(held["state_dict"])
        yield f"the best checkpoint, of epoch {held['epoch'] + 1},"
    finally:
        module.load_state_dict(last)


def save_views(data: ImageDataModule, file: Path) -> None:
    """Write the views of up to `VIEWS` training images in the first epoch, eight in a row, small ones enlarged.

    Below them stands what they show of the images, where it is not all.
    """
    views = data.train_views()
    images = torch.stack([pictured(views[0, index][0]) for index in spread(len(views.labels), VIEWS)]).float() / 255
    factor = max(1, -(-SIDE // images.shape[-1]))
    enlarged = images.repeat_interleave(factor, dim=2).repeat_interleave(factor, dim=3)  # (N, 3, f H, f W)
    save_image(enlarged, file, nrow=8, padding=4, pad_value=1.0)
    if how := how_pictured(data.num_channels, data.pixels):
        _write_below(how, file)


def _write_below(text: str, file: Path) -> None:
    with Image.open(file) as picture:
        captioned = Image.new("RGB", (picture.width, picture.height + CAPTION), "white")
        captioned.paste(picture)
    ImageDraw.Draw(captioned).text((6, picture.height), text, "black", ImageFont.load_default(14))
    captioned.save(file)
