"""Image files: finding them, reading them."""

import os
from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np
import torch
from PIL import Image, ImageOps
from torch import Tensor
from torchvision.io import ImageReadMode, decode_jpeg, read_file
from torchvision.transforms.v2.functional import pil_to_tensor

from inception_lightning.data.base import ImageDataset
from inception_lightning.errors import InputError

SUFFIXES = (".jpg", ".jpeg", ".png", ".webp", ".gif", ".bmp", ".ppm", ".pgm", ".tif", ".tiff")
START_OF_JPEG = b"\xff\xd8"


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

    torchvision reads JPEG, faster than Pillow; on some damaged PNGs it would crash the process.

    Raises:
        InputError: The file is not a readable image.
    """
    try:
        data = read_file(str(file))
        if bytes(data[:2].tolist()) == START_OF_JPEG:
            image: Tensor = decode_jpeg(data, ImageReadMode.RGB, apply_exif_orientation=True)
            return image
    except RuntimeError:
        pass  # Pillow reads it after all, or says what is wrong
    return _decode_with_pillow(file)


def _decode_with_pillow(file: Path) -> Tensor:
    try:
        with Image.open(file) as image:
            upright = ImageOps.exif_transpose(image)
            if upright.mode.startswith("I"):  # 16 bits, which convert would clip
                upright = Image.fromarray((np.asarray(upright) >> 8).clip(0, 255).astype(np.uint8))
            if upright.mode == "F":
                raise ValueError("its pixels are fractions of nobody knows what")
            if upright.has_transparency_data:
                upright = upright.convert("RGBA")  # Pillow warns on the direct way from some palettes
            tensor: Tensor = pil_to_tensor(upright.convert("RGB"))
            return tensor
    except (OSError, SyntaxError, ValueError, Image.DecompressionBombError) as error:
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
