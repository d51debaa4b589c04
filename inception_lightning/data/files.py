"""Image files: finding them, reading them."""

import os
from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np
import torch
from PIL import Image, ImageOps
from torch import Tensor
from torchvision.io import ImageReadMode, decode_image
from torchvision.transforms.v2.functional import pil_to_tensor

from inception_lightning.data.base import ImageDataset
from inception_lightning.errors import InputError

SUFFIXES = (".jpg", ".jpeg", ".png", ".webp", ".gif", ".bmp", ".ppm", ".pgm", ".tif", ".tiff")


class ImageFiles(ImageDataset):
    """Images that are decoded when they are asked for."""

    def __init__(self, files: Sequence[Path], labels: Sequence[int]) -> None:
        # packed arrays: worker processes share them, where lists would be copied bit by bit
        self.files = np.array([os.fsencode(file) for file in files])
        self.labels = torch.tensor(labels)

    def subset(self, indices: Tensor) -> "ImageFiles":
        """Some of the images."""
        return ImageFiles([self.file(index) for index in indices.tolist()], self.labels[indices].tolist())

    def file(self, index: int) -> Path:
        """The file at ``index``."""
        return Path(os.fsdecode(self.files[index]))

    def __len__(self) -> int:
        return len(self.files)

    def __getitem__(self, index: int) -> tuple[Tensor, int]:
        return decode(self.file(index)), int(self.labels[index])


def decode(file: Path) -> Tensor:
    """The image in a file: uint8 (3, H, W), upright by its EXIF mark; the first frame of an animation.

    Raises:
        InputError: The file is not a readable image.
    """
    try:
        image = decode_image(str(file), ImageReadMode.RGB, apply_exif_orientation=True)
        return image[0] if image.ndim == 4 else image
    except RuntimeError:
        return _decode_with_pillow(file)


def _decode_with_pillow(file: Path) -> Tensor:
    # for the formats that torchvision does not read
    try:
        with Image.open(file) as image:
            tensor: Tensor = pil_to_tensor(ImageOps.exif_transpose(image).convert("RGB"))
            return tensor
    except (OSError, SyntaxError, ValueError) as error:
        raise InputError(f"cannot read the image {file}: {error}; mend or remove it") from None


def class_folders(folder: Path) -> list[str]:
    """The names of the class folders in ``folder``, sorted.

    Raises:
        InputError: There is no such folder, or it holds no class folder.
    """
    if not folder.is_dir():
        raise InputError(f"there is no folder {folder}: say --data.root FOLDER")
    names = sorted(entry.name for entry in _visible(folder) if entry.is_dir())
    if not names:
        raise InputError(f"{folder} holds no class folders: put the images of each class into a folder of their own")
    return names


def image_files(folder: Path) -> list[Path]:
    """All image files in ``folder`` and its folders, sorted; hidden ones are left out."""
    files = []
    for entry in _visible(folder):
        if entry.is_dir(follow_symlinks=False):
            files += image_files(Path(entry.path))
        elif entry.name.lower().endswith(SUFFIXES):
            files.append(Path(entry.path))
    return sorted(files)


def _visible(folder: Path) -> Iterator[os.DirEntry[str]]:
    # notebooks and archives leave .ipynb_checkpoints, ._photo.jpg and __MACOSX behind
    with os.scandir(folder) as entries:
        yield from (entry for entry in entries if not entry.name.startswith((".", "__MACOSX")))
