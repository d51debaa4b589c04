"""`Deployed`: all that lies between the pixels of an image and the probabilities of its classes, as one module."""

import json
from collections.abc import Mapping
from dataclasses import MISSING, asdict, dataclass
from typing import Any, Literal, Self

import torch
from torch import Tensor, nn

from inception_lightning import __version__
from inception_lightning.deployment.folding import folded
from inception_lightning.deployment.resizing import MatrixView
from inception_lightning.errors import InputError
from inception_lightning.loading.bands import RGB, Bands, Pixels
from inception_lightning.loading.views import CenterCrop
from inception_lightning.training.classifier import InceptionClassifier

INPUT, OUTPUT = "images", "probabilities"
"""What every format calls the two."""

SIDES = {0: "batch", 2: "height", 3: "width"}
"""The sides of the images that may be of any length."""


@dataclass(frozen=True, kw_only=True)
class About:
    """What an exported file says of itself, as its metadata.

    Attributes:
        network: The network's class.
        class_names: The name of each class index.
        channels: Of the images: 3 are red, green and blue.
        image_size: Side of the square that the network sees, in pixels.
        crop_fraction: Share of the shorter side that the centre crop keeps.
        interpolation: How the image is resized before.
        mean: What is subtracted from each channel of images in 0..1.
        std: What they are divided by then.
        temperature: What the logits are divided by before the softmax.
        thresholds: Where an image may have several labels, from which probability on it has each: the logits are then
            said one by one, by the sigmoid. Empty where each image has one class.
        pixels: What the images are: uint8, 0..255, or float32, of which 1.0 is 1.0.
        numbers: The type of the numbers in the files that they are read from.
        scale: What those are divided by where the images are float32.
        version: Of this package.
    """

    network: str
    class_names: tuple[str, ...]
    channels: int
    image_size: int
    crop_fraction: float
    interpolation: Literal["bilinear", "bicubic"]
    mean: tuple[float, ...]
    std: tuple[float, ...]
    temperature: float = 1.0
    thresholds: tuple[float, ...] = ()
    pixels: Pixels = "uint8"
    numbers: str = "uint8"
    scale: float = 255
    version: str = __version__

    @classmethod
    def of(cls, module: InceptionClassifier, image_size: int, view: CenterCrop, bands: Bands | None = None) -> Self:
        """What there is to say of a trained module whose images are shown so, and have these bands."""
        names = tuple(module.class_names) or tuple(map(str, range(module.num_classes)))
        return cls(
            network=type(module.net).__name__,
            class_names=names,
            channels=len(module.mean),
            image_size=image_size,
            crop_fraction=view.fraction,
            interpolation=view.interpolation,
            mean=tuple(module.mean.flatten().tolist()),
            std=tuple(module.std.flatten().tolist()),
            temperature=float(module.temperature),
            thresholds=() if module.thresholds is None else tuple(module.thresholds.tolist()),
            pixels="uint8" if bands is None else bands.pixels,
            numbers="uint8" if bands is None else bands.numbers,
            scale=255 if bands is None else bands.white,
        )

    @property
    def is_rgb(self) -> bool:
        """Whether it takes pictures in red, green and blue, 8 bits each."""
        return self.channels == RGB and self.pixels == "uint8"

    @property
    def view(self) -> CenterCrop:
        """How images are shown to the network."""
        return CenterCrop(self.crop_fraction, self.interpolation)

    def metadata(self) -> dict[str, str]:
        """Every field as JSON, under its name: what the metadata of every format can hold."""
        return {name: json.dumps(value, ensure_ascii=False) for name, value in asdict(self).items()}

    @classmethod
    def read(cls, metadata: Mapping[str, str], file: str) -> Self:
        """What a file's metadata say.

        Raises:
            InputError: They are not those of a file that ``lightning export`` wrote.
        """
        try:
            known = [  # a file of an older version lacks what has a default
                name for name, field in cls.__dataclass_fields__.items() if name in metadata or field.default is MISSING
            ]
            held: dict[str, Any] = {name: _tuples(json.loads(metadata[name])) for name in known}
            return cls(**held)
        except (KeyError, TypeError, ValueError):
            raise InputError(
                f"{file} does not say its class names and preprocessing: only files that lightning export wrote do"
            ) from None


def _tuples(value: Any) -> Any:
    return tuple(value) if isinstance(value, list) else value


class Deployed(nn.Module):
    """Images (N, C, H, W) of any size, of the type that `About` says, -> probabilities (N, num_classes), float32."""

    mean: Tensor
    std: Tensor

    def __init__(self, net: nn.Module, about: About) -> None:
        """Take a folded copy of a network.

        Args:
            net: Normalised images -> logits.
            about: What the file is to say of itself, and the preprocessing in it.
        """
        super().__init__()
        self.view = MatrixView(about.image_size, about.view, about.pixels)
        white = 255 if about.pixels == "uint8" else 1
        self.net = folded(net).float().to(memory_format=torch.channels_last)
        self.register_buffer("mean", white * torch.tensor(about.mean)[:, None, None], persistent=False)  # (C, 1, 1)
        self.register_buffer("std", white * torch.tensor(about.std)[:, None, None], persistent=False)
        self.temperature = about.temperature
        self.several_labels = bool(about.thresholds)

    def forward(self, images: Tensor) -> Tensor:
        """Shapes as above."""
        shown = self.view(images).contiguous(memory_format=torch.channels_last)
        logits = self.net((shown - self.mean) / self.std)
        scaled = logits / self.temperature
        return scaled.sigmoid() if self.several_labels else scaled.softmax(dim=1)


def example(about: About) -> Tensor:
    """Images to trace the module with."""
    return torch.zeros(2, about.channels, 52, 64, dtype=torch.uint8 if about.pixels == "uint8" else torch.float32)


def exported_program(deployed: Deployed, about: About) -> torch.export.ExportedProgram:
    """The module as torch's graph, for any number of images of any size."""
    shapes = ({side: torch.export.Dim(name, min=1, max=2**20) for side, name in SIDES.items()},)
    with torch.no_grad():
        return torch.export.export(deployed.eval(), (example(about),), dynamic_shapes=shapes)
