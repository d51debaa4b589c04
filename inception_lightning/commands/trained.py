"""The trained network that a command names: a checkpoint, the newest run's by default, or public weights."""

from argparse import Namespace
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch

from inception_lightning.commands.command_line import CommandLine
from inception_lightning.commands.data import read_data
from inception_lightning.commands.defaults import checkpoint_page
from inception_lightning.configurable import KEY
from inception_lightning.data.folder import Photos
from inception_lightning.errors import InputError
from inception_lightning.models.network import Inception
from inception_lightning.runs.checkpoints import local, read_checkpoint
from inception_lightning.runs.folder import newest
from inception_lightning.training.classifier import InceptionClassifier
from inception_lightning.weights.load import pretrained
from inception_lightning.weights.public import Preprocessing


@dataclass(frozen=True)
class Trained:
    """A trained network, and what is known of its data.

    Attributes:
        module: It, in evaluation mode.
        data: Class path and arguments of the data that it was trained on, as a checkpoint has them.
        weights: The public weights that it has or started from.
        name: What its files are called.
        source: Where it comes from, in words.
    """

    module: InceptionClassifier
    data: dict[str, Any] | None
    weights: str | None
    name: str
    source: str

    def page(self, command: str, data: str | None = None) -> dict[str, Any]:
        """The page of data, shown as the network was trained with, or as its weights want it.

        Args:
            command: ``predict`` for photos, any other for the data of its training.
            data: A class of data, instead.
        """
        if self.data is not None:
            names = {"class_names": self.class_names} if command == "predict" else {}
            page: dict[str, Any] = checkpoint_page(self.data | names, command, data)["data"]
            return page
        net = self.module.net
        assert isinstance(net, Inception)
        seen = Preprocessing.of(net)
        view = {"fraction": seen.crop_fraction, "interpolation": seen.interpolation}
        shown: dict[str, Any] = {"image_size": seen.image_size, "evaluation": view}
        if command == "predict":
            return {"class_path": "Photos", "init_args": shown | {"class_names": self.class_names}}
        return {"class_path": data or "ImageFolder", "init_args": shown}

    @property
    def class_names(self) -> list[str]:
        """The name of each class, or its index where nobody knows its name."""
        return list(self.module.class_names) or [str(index) for index in range(self.module.num_classes)]

    def photos(self, root: Path, arguments: Namespace, checked: bool = True) -> Photos:
        """Photos, shown as the network was trained with.

        Args:
            root: The folder, a photo, or a pattern.
            arguments: Those of ``data.`` say the rest.
            checked: Whether there must be photos.

        Raises:
            InputError: There is no photo, it has other channels, or an argument is out of range.
        """
        said = {name: value for name, value in vars(arguments).items() if name.startswith("data.")}
        flags = [f"--{name}={value}" for name, value in said.items() if value is not None]
        photos = read_data([{"data": self.page("predict")}], root, flags)
        assert isinstance(photos, Photos)
        if checked and not photos.files:  # which says what is wrong with the folder
            raise InputError(f"no images in {root}")
        if checked:
            self.module.check_bands(photos)
        if isinstance(self.module.net, Inception):
            self.module.net.check_size(photos.image_size, photos.image_size)
        return photos


def accelerator(name: str) -> torch.device:
    """The device that ``--device`` names; for ``auto`` the accelerator, if there is one.

    Raises:
        InputError: There is none of that name.
    """
    try:
        if name != "auto":
            return torch.empty(0, device=name).device
        return torch.accelerator.current_accelerator(check_available=True) or torch.device("cpu")
    except (RuntimeError, AssertionError) as error:  # torch built without it
        raise InputError(f"--device {name} cannot be used here: {str(error).splitlines()[0]}") from None


def trained(line: CommandLine, arguments: Namespace) -> Trained:
    """What ``--ckpt_path`` (``best`` and ``last`` of the newest run in ``--runs`` too) or ``--weights`` names.

    Raises:
        InputError: There is no such checkpoint or weights, both are named, or it is no classifier of images.
    """
    if arguments.weights:
        if arguments.ckpt_path:
            raise InputError("--weights and --ckpt_path name two networks: leave one out")
        net = pretrained(arguments.weights, aux=False)
        return Trained(
            InceptionClassifier(net, pixels="float32").eval(),  # which takes uint8 too
            None,
            arguments.weights,
            Path(arguments.weights).stem,
            f"weights {arguments.weights}",
        )
    named = arguments.ckpt_path or "best"
    path = newest(Path(arguments.runs), named) if named in ("best", "last") else local(named)
    held = read_checkpoint(path)[KEY]
    module = InceptionClassifier.load_from_checkpoint(path, trust=line.trusted)
    if not isinstance(module, InceptionClassifier):
        raise InputError(f"{path} is a {type(module).__name__}, and {line.command} needs an InceptionClassifier")
    return Trained(module.eval(), held, held.get("weights"), type(module.net).__name__.lower(), f"checkpoint {path}")
