"""A LightningModule whose checkpoints rebuild it: no argument, no code, no configuration beside the file."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any, Self

import lightning.pytorch as pl
import torch
from lightning.pytorch.trainer.states import TrainerFn
from torch import nn

from inception_lightning import __version__
from inception_lightning.configurable import KEY, Configurable, rebuild
from inception_lightning.data.base import ImageDataModule
from inception_lightning.errors import InputError
from inception_lightning.runs.checkpoints import difference, read_checkpoint, refuse_other_classes
from inception_lightning.trust import trusting

EVALUATED = ("net", "loss", "metrics")
"""What a module needs to be evaluated; another optimizer or schedule changes no figure."""


class Rebuildable(Configurable, pl.LightningModule):
    """Saves its own class and arguments as plain data, and is made from them again; so do its subclasses.

    Attributes:
        net: The network.
        class_names: The name of each class index, from the data or the checkpoint; empty before.
        temperature: What ``forward`` divides logits by, above 0: 1, or what ``lightning calibrate`` wrote into the
            checkpoint, where it stands beside the class names. Training starts at 1 again.
        limits: Where images may have several labels, from which logit on an image has each, before the temperature
            divides it; from the last validation or the checkpoint, empty before.
    """

    net: nn.Module
    class_names: Sequence[str] = ()
    temperature: float = 1.0
    limits: Sequence[float] = ()

    def on_save_checkpoint(self, checkpoint: dict[str, Any]) -> None:
        """Add what rebuilds the module, and the data's description and class names, as plain data."""
        data = self.trainer.datamodule  # type: ignore[attr-defined]  # set by the Trainer's entry points
        model = self.config
        own = {
            "version": __version__,
            "weights": model["init_args"].pop("weights", None),  # where training started, not to be loaded again
            "model": model,
            "data": data.config if isinstance(data, Configurable) else None,
        }
        if KEY not in checkpoint:
            own["unknown"] = list(self.unknown)
        # what the command line has written there, see callbacks.Recipe, describes more than a module knows of itself
        known = {
            "class_names": list(self.class_names),
            "temperature": self.temperature,
            "limits": list(self.limits),
        }
        checkpoint[KEY] = own | checkpoint.get(KEY, {}) | known

    def on_load_checkpoint(self, checkpoint: dict[str, Any]) -> None:
        """Refuse weights of another network, or for other classes, in one sentence; take the temperature."""
        data = self.trainer.datamodule  # type: ignore[attr-defined]  # as in setup
        if isinstance(data, ImageDataModule) and not data.allow_changes:
            refuse_other_classes(checkpoint.get(KEY, {}).get("class_names", ()), self.class_names)
        obstacle = difference(self.state_dict(), checkpoint["state_dict"])
        if obstacle:
            network = checkpoint.get(KEY, {}).get("model", {}).get("init_args", {}).get("net", {})
            held = network.get("class_path", "another network").rpartition(".")[2]
            raise InputError(
                f"the checkpoint ({held}) does not fit {type(self.net).__name__} as it is configured: {obstacle}"
            )
        if self.trainer.state.fn != TrainerFn.FITTING:
            self.temperature = checkpoint.get(KEY, {}).get("temperature", 1.0)
        self.limits = tuple(checkpoint.get(KEY, {}).get("limits", ()))

    @classmethod
    def load_from_checkpoint(  # type: ignore[override]  # takes no hyper-parameters: the file holds them
        cls,
        checkpoint_path: Path | str,
        map_location: str | torch.device | None = "cpu",
        *,
        trust: Sequence[str] | None = (),
        **arguments: Any,
    ) -> Self:
        """The module as it was saved, network and class names included, in evaluation mode.

        Args:
            checkpoint_path: The file.
            map_location: Where its tensors go.
            trust: Packages whose classes the file may name, beside ours and what the program has
                imported; None for all there are.
            arguments: Arguments that take the place of the saved ones; a network, loss or metric made in Python that
                does not know its own arguments must be among them: ``net=resnet18(num_classes=10)``.

        Raises:
            InputError: There is no such file, it is not a checkpoint of this project, or it names a class that
                nobody trusts.
        """
        checkpoint = read_checkpoint(checkpoint_path, map_location)
        described = checkpoint[KEY]["model"]
        unknown = [name for name in checkpoint[KEY].get("unknown", ()) if name in EVALUATED and name not in arguments]
        if unknown:
            given = ", ".join(f"{name}=..." for name in unknown)
            raise InputError(
                f"{checkpoint_path} does not say how its {' and '.join(unknown)} is made: "
                f"give it again, load_from_checkpoint(path, {given})"
            )
        with trusting(trust):
            module: Self = rebuild(described, **arguments)
        module.load_state_dict(checkpoint["state_dict"])
        module.class_names = tuple(checkpoint[KEY]["class_names"])
        module.temperature = checkpoint[KEY].get("temperature", 1.0)
        module.limits = tuple(checkpoint[KEY].get("limits", ()))
        return module.eval()
