"""Image files: reading them."""

import io
import os
import re
import warnings
from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image, ImageOps
from torch import Tensor
from torchvision.io import ImageReadMode, decode_jpeg
from torchvision.transforms.v2.functional import pil_to_tensor

from inception_lightning.errors import InputError
from inception_lightning.loading.dataset import ImageDataset, cut
from inception_lightning.loading.jpeg import START_OF_JPEG, Place, header, part
from inception_lightning.loading.listing import FileNames

FORMATS = ("JPEG", "PNG", "WEBP", "GIF", "BMP", "PPM", "TIFF")  # others run programs, or need them
SIZES = 20_000
"""Of how many files the fingerprint looks at the size: on a network's disk a look takes up to a millisecond."""
MOST_PIXELS = 178_956_970  # Pillow's limit: 512 MiB of pixels
STARTS = {  # of what is often saved under an image's name
    b"<": "it is a web page",
    b"version https://git-lfs": "it is a git-lfs pointer: run git lfs pull",
    b"{": "it is JSON",
    b"%PDF": "it is a PDF",
    b"PK\x03\x04": "it is a zip archive",
}


class ImageInputError(InputError):
    """A file that is no readable image; ``reason`` says why. `InputError` finds its sentence by its name's end."""

    reason = ""


class ImageFiles(ImageDataset):
    """Images that are decoded when they are asked for."""

    def __init__(self, files: Sequence[Path], labels: Sequence[int] | Tensor) -> None:
        self.files = files if isinstance(files, FileNames) else FileNames(Path(), map(bytes, files))
        self.labels = torch.as_tensor(labels)  # (N,)
        self.label_of = self.labels.numpy()  # the same memory, of which one number is read sooner

    def subset(self, indices: Tensor) -> "ImageFiles":
        """Some of the images."""
        return ImageFiles(self.files.take(indices.tolist()), self.labels[indices])

    def file(self, index: int) -> Path:
        """The file at ``index``."""
        return self.files[index]

    def name(self, index: int) -> str:
        """The file."""
        return str(self.file(index))

    def contents(self) -> Iterator[bytes]:
        """The names of all files, and sizes, which tell two sets of files apart."""
        yield self.files.packed.tobytes()
        yield self.files.ends.tobytes()
        root = os.fsencode(self.files.root)
        for index in np.linspace(0, len(self) - 1, min(len(self), SIZES), dtype=np.int64):
            try:
                size = os.stat(os.path.join(root, self.files.name(index))).st_size
            except OSError:  # it has vanished
                size = -1
            yield b"%d\n" % size

    def __len__(self) -> int:
        return len(self.files)

    def __getitem__(self, index: int) -> tuple[Tensor, int]:
        return decode(self.files.path(index)), int(self.label_of[index])

    def part(self, index: int, place: Place) -> tuple[Tensor, int]:
        """A part of the image at ``index``; of many a JPEG the rows below it are not decoded."""
        return decode(self.files.path(index), place), int(self.label_of[index])


def decode(file: Path | str, place: Place | None = None) -> Tensor:
    """The image in a file, or a part of it: uint8 (3, H, W), upright by its EXIF mark.

    Of an animation it is the first frame.

    Raises:
        ImageInputError: The file is not a readable image.
    """
    try:
        data = np.fromfile(file, np.uint8)
    except OSError as error:
        raise _bad(str(file), error.strerror or type(error).__name__) from None
    return decode_bytes(data, str(file), place)


def decode_bytes(data: NDArray[np.uint8], name: str, place: Place | None = None) -> Tensor:
    """The same of a file's content, which may be changed here; ``name`` is for the sentence that refuses it.

    torchvision reads JPEG, faster than Pillow; on some damaged PNGs it would crash the process.
    """
    found = header(data)
    image: Tensor | None = None
    if found is not None and found.height * found.width <= MOST_PIXELS:
        try:
            wanted = part(data, found, place) if place else None
            if wanted is not None:
                return wanted
            image = decode_jpeg(torch.from_numpy(data), ImageReadMode.RGB, apply_exif_orientation=True)
        except (RuntimeError, ValueError):
            found.restore(data)  # Pillow reads it after all, or says what is wrong
    whole = _decode_with_pillow(data, name) if image is None else image
    return whole if place is None else cut(whole, place)


def _decode_with_pillow(data: NDArray[np.uint8], name: str) -> Tensor:
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # about marks that do not matter, and images half as big as a bomb
            with Image.open(io.BytesIO(data.tobytes()), formats=FORMATS) as image:
                tensor: Tensor = pil_to_tensor(_rgb(ImageOps.exif_transpose(image)))
                return tensor
    except Exception as error:  # damaged files raise whatever the decoder stumbled over, KeyError for example
        reason = _reason(data[:100].tobytes(), error)
    raise _bad(name, reason)


def _bad(name: str, reason: str) -> ImageInputError:
    bad = ImageInputError(f"cannot read the image {name}: {reason}; mend or remove it")
    bad.reason = reason
    return bad


def _rgb(image: Image.Image) -> Image.Image:
    if image.mode.startswith("I"):  # 16 bits, which convert would clip
        image = Image.fromarray((np.asarray(image) >> 8).clip(0, 255).astype(np.uint8))
    if image.mode == "F":
        raise ValueError("its pixels are fractions of nobody knows what")
    if image.has_transparency_data:
        image = image.convert("RGBA")  # Pillow warns on the direct way from some palettes
    return image.convert("RGB")


def _reason(content: bytes, error: Exception) -> str:
    if isinstance(error, OSError) and error.strerror:
        return error.strerror
    start = content.lstrip()
    if not start:
        return "cannot identify image file: it is empty"
    known = [reason for mark, reason in STARTS.items() if start.startswith(mark)]
    if known and not start.startswith(START_OF_JPEG):
        return f"cannot identify image file: {known[0]}"
    return " ".join(re.sub(r" <_io.BytesIO[^>]*>", "", str(error)).split()) or type(error).__name__
