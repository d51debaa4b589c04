"""What the command line made model and data of, in every checkpoint."""

import copy
from typing import Any

import lightning.pytorch as pl
from lightning.pytorch.callbacks import Callback

from inception_lightning import __version__
from inception_lightning.configurable import KEY


class Recipe(Callback):
    """Has checkpoints of any LightningModule and any data rebuild themselves, as those of ours do.

    An object that does not know its own arguments, such as a torchvision network, is described by the page.
    """

    def __init__(self, model: dict[str, Any], data: dict[str, Any] | None) -> None:
        """Keep what a checkpoint needs.

        Args:
            model: Class path and arguments of the module.
            data: Those of the data, if there are any.
        """
        self.model = model
        self.data = data

    def on_save_checkpoint(
        self, trainer: pl.Trainer, pl_module: pl.LightningModule, checkpoint: dict[str, Any]
    ) -> None:
        """Add it; the module's own hook, which comes after, adds what only the module knows."""
        model = copy.deepcopy(self.model)
        weights = model["init_args"].pop("weights", None)  # where training started, not to be loaded again
        described = {"version": __version__, "model": model, "weights": weights, "class_names": []}
        checkpoint[KEY] = described | {"data": copy.deepcopy(self.data)}
