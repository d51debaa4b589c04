"""A PyTorch Lightning research template for the whole Inception family.

The names below are imported when they are first used, so that ``lightning --help`` needs no torch.
"""

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from inception_lightning.data import CIFAR10, CIFAR100, Digits, ImageDataModule, ImageFolder, ImageNet, Photos
    from inception_lightning.models import (
        GoogLeNet,
        Inception,
        InceptionResNetV1,
        InceptionResNetV2,
        InceptionV2,
        InceptionV3,
        InceptionV4,
    )
    from inception_lightning.training.classifier import InceptionClassifier

__version__ = "0.1.0"

__all__ = [
    "CIFAR10",
    "CIFAR100",
    "Digits",
    "GoogLeNet",
    "ImageDataModule",
    "ImageFolder",
    "ImageNet",
    "Inception",
    "InceptionClassifier",
    "InceptionResNetV1",
    "InceptionResNetV2",
    "InceptionV2",
    "InceptionV3",
    "InceptionV4",
    "Photos",
]


def __getattr__(name: str) -> Any:
    if name not in __all__:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    rooms = (importlib.import_module(f"{__name__}.{room}") for room in ("models", "data", "training.classifier"))
    return next(getattr(room, name) for room in rooms if name in vars(room))
