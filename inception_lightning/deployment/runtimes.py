"""What the runtimes of all formats have in common."""

from abc import abstractmethod
from pathlib import Path
from typing import Protocol, TypeAlias

import numpy as np
from numpy.typing import NDArray

from inception_lightning.deployment.deployed import About
from inception_lightning.errors import InputError

Images: TypeAlias = NDArray[np.uint8] | NDArray[np.float32]
"""Images (N, C, H, W), 0..255; float32, of which 1.0 is 1.0, where the file says so."""

Probabilities: TypeAlias = NDArray[np.float32]
"""Of every class (N, num_classes), 0..1."""


class Runtime(Protocol):
    """An exported file in the runtime that it was made for.

    Attributes:
        about: What the file says of itself.
    """

    about: About

    @abstractmethod
    def __call__(self, images: Images) -> Probabilities:
        """The probabilities (N, num_classes) of images of any one size."""


def damaged(path: Path, kind: str, error: Exception) -> InputError:
    """What to say of a file that its runtime does not open."""
    reason = " ".join(str(error).split())[:200] or type(error).__name__
    return InputError(f"{path} cannot be opened as {kind} ({reason}): export it again")
