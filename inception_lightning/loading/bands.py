"""What a file's bands are: how many, of which numbers, and what is 1.0; of pictures, ``.npy`` arrays and any TIFF.

Data sets of pictures are shown in red, green and blue, 8 bits each, and know nothing of this file (`decoding`). What is
here serves all others: every file's own bands, with all their bits.

* Bands of 8 bits stay uint8. All others become float32, divided by what is 1.0: 65535 for 16 bits, 32767 for signed
  ones, 1.0 for fractions, or what ``scale`` says. They may lie outside of 0..1, and nothing is cut off.
* A picture has the bands of its mode: grey 1, with transparency 2, RGB 3, RGBA 4; palettes, CMYK and YCbCr are RGB.
  Pillow reads grey in 16 bits, and colours in 8.
* An array is (H, W), (C, H, W) or (H, W, C): the bands lie along the axis that is as long as there are channels, or
  else along the shorter one of the first and the last.
* A TIFF that Pillow cannot read whole (other numbers of bands, 16 bits in colours, bands as pages) is read by tifffile.
"""

import contextlib
import io
import logging
import warnings
from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from typing import Any, Literal, TypeAlias

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image, ImageOps, UnidentifiedImageError
from torch import Tensor

from inception_lightning.errors import InputError, visible
from inception_lightning.loading.decoding import FORMATS, MOST_PIXELS, TIFFS, ImageInputError, open_image, unreadable
from inception_lightning.loading.image import DecodedImage, OpenImage
from inception_lightning.loading.jpeg import read_header

Pixels: TypeAlias = Literal["uint8", "float32"]
"""What an image's pixels are: whole numbers of which 255 is 1.0, or fractions of which 1.0 is 1.0."""

Content: TypeAlias = NDArray[np.uint8]
"""The bytes of a file (bytes,)."""

RGB = 3
NPY = b"\x93NUMPY"
WRITTEN_BY_ARRAYS = ('{"shape"', "ImageJ=", "<?xml")
"""How the description of a TIFF begins whose pages are one array, written by tifffile, ImageJ or a microscope."""
SOFT = {"P": "RGB", "PA": "RGBA", "CMYK": "RGB", "YCbCr": "RGB", "LAB": "RGB", "HSV": "RGB", "1": "L", "RGBX": "RGB"}
"""Pillow's modes whose bands are no channels, and what they are read as."""
WHITE = {"uint8": 255, "uint16": 65535, "int16": 32767, "bool": 1, "float16": 1, "float32": 1, "float64": 1}
"""What is 1.0 where nothing is said, by the type of the numbers."""
NO_SCALE = "of which nobody knows what is 1.0: say --data.scale"
BYTES = 14 * MOST_PIXELS
"""Of one decoded image, as many as Pillow would need for the largest that it reads."""


@dataclass(frozen=True)
class Bands:
    """What all images of a data set have.

    Attributes:
        channels: How many bands.
        pixels: What they are handed on as.
        scale: What is 1.0; None for what each file's type says.
        numbers: The type of the files' numbers, as far as they were looked at.
    """

    channels: int
    pixels: Pixels
    scale: float | None = None
    numbers: str = field(default="uint8", compare=False)

    @property
    def white(self) -> float:
        """What is 1.0 in the files that were looked at."""
        return self.scale or WHITE.get(self.numbers, 1)

    @property
    def dtype(self) -> torch.dtype:
        """The type of the images."""
        return torch.uint8 if self.pixels == "uint8" else torch.float32

    def open(self, data: Content, name: str) -> OpenImage:
        """The image in the content of a file.

        Raises:
            ImageInputError: It is not readable, or has other bands.
        """
        if self.channels == RGB and self.pixels == "uint8" and read_header(data) is not None:
            return open_image(data, name)  # the fast path of JPEG
        found = read_bands(data, name, self.channels)  # (C, H, W)
        if len(found) != self.channels:
            raise unreadable(name, f"it has {channels(len(found))} and the data have {self.channels}")
        return DecodedImage(self._scaled(found, name))

    def told(self) -> str:
        """What they are, in words."""
        said = f"images of {channels(self.channels)}, {self.numbers}"
        return said if self.pixels == "uint8" else f"{said}, of which {self.white:g} is 1.0"

    def blank(self, side: int) -> Tensor:
        """An image (C, side, side) in the middle of the range, which stands for one that cannot be read."""
        middle = 128 if self.pixels == "uint8" else 0.5
        return torch.full((self.channels, side, side), middle, dtype=self.dtype)

    def _scaled(self, found: NDArray[Any], name: str) -> Tensor:
        kind = found.dtype.name
        if self.pixels == "uint8":
            if kind != "uint8":
                raise unreadable(name, f"its numbers are {kind} and those of the others uint8")
            return torch.from_numpy(np.array(found, order="C"))
        white = self.scale or WHITE.get(kind)
        if white is None:
            raise unreadable(name, f"its numbers are {kind}, {NO_SCALE}")
        if found.dtype.kind not in "buif":
            raise unreadable(name, f"its numbers are {kind}")
        scaled = found.astype(np.float32) / np.float32(white)
        if not np.isfinite(scaled).all():
            raise unreadable(name, f"{np.count_nonzero(~np.isfinite(scaled)):,} of its numbers are not finite")
        return torch.from_numpy(np.ascontiguousarray(scaled))


def channels(count: int) -> str:
    """Their number in words."""
    return f"{count} channel{'s' if count != 1 else ''}"


def open_as(data: Content, name: str, bands: Bands | None) -> OpenImage:
    """The image in the content of a file, in the bands of its data set; without any in RGB.

    Raises:
        ImageInputError: It is not readable.
    """
    return open_image(data, name) if bands is None else bands.open(data, name)


def bands_of_all(files: Iterable[tuple[Content, str]], said: int | None, scale: float | None) -> Bands | None:
    """What the images of a data set have, from a few of its files; None for pictures that are shown in RGB.

    Args:
        files: Content and name of each.
        said: The number of channels, where it is said.
        scale: What is 1.0, where it is said.

    Raises:
        InputError: The number that is said is not theirs, a scale is said for pictures in RGB, or one is needed.
    """
    found: list[tuple[int | None, str, str]] = []  # channels, none of a picture; type of the numbers; name
    for data, name in files:
        try:
            if said is None and is_picture(data):
                found.append((None, "uint8", name))
            else:
                array = read_bands(data, name, said)
                found.append((len(array), array.dtype.name, name))
        except ImageInputError:
            continue
    usual = Counter(count for count, *_ in found).most_common(1)[0][0] if found else said
    if said is not None and usual != said:
        name = next(name for count, _, name in found if count == usual)
        raise InputError(
            f"{visible(name)} has {channels(usual or 0)} and {said} {'is' if said == 1 else 'are'} expected: choose "
            f"images of {channels(said)}, or say another --data.channels with a network for it"
        )
    if usual is None:
        if scale is not None:
            raise InputError(
                "data.scale says what is 1.0 in bands, and these are pictures in RGB: say --data.channels too"
            )
        return None
    kinds = Counter(kind for count, kind, _ in found if count == usual)
    deep = scale is not None or bool(kinds.keys() - {"uint8"})
    numbers = kinds.most_common(1)[0][0] if kinds else "uint8"
    if scale is None and numbers not in WHITE and "int" in numbers:
        name = next(name for _, kind, name in found if kind == numbers)
        raise InputError(f"{visible(name)}: its numbers are {numbers}, {NO_SCALE}")
    return Bands(usual, "float32" if deep else "uint8", scale, numbers)


def is_picture(data: Content) -> bool:
    """Whether a file is to be shown in RGB where nothing is said: no array, and no TIFF that holds one."""
    start = data[:6].tobytes()
    if start.startswith(NPY):
        return False
    if not start.startswith(TIFFS):
        return True
    try:
        with _opened(data) as image:
            tags: Any = image.tag_v2  # type: ignore[attr-defined]  # a TIFF's
            pages = getattr(image, "n_frames", 1)
            of_array = pages > 1 and str(tags.get(270, "")).startswith(WRITTEN_BY_ARRAYS)
            return not (of_array or image.mode == "F" or tags.get(277, 1) == 2)
    except Exception:  # Pillow reads other TIFFs only
        return False


def read_bands(data: Content, name: str, wanted: int | None = None) -> NDArray[Any]:
    """All bands in the content of a file (C, H, W), as they are stored.

    Args:
        data: The content.
        name: What an error calls the file.
        wanted: How many there should be, which says along which axis of an array they lie.

    Raises:
        ImageInputError: It is not readable.
    """
    try:
        found = _read(data, wanted)
        if found.ndim != 3 or 0 in found.shape:
            raise ValueError(f"its shape is {found.shape}, and an image is (H, W) or has one axis more")
        return found.astype(found.dtype.newbyteorder("="), copy=False)
    except InputError:
        raise
    except Exception as error:  # damaged files raise whatever a reader stumbled over
        reason = " ".join(str(error).split()) or type(error).__name__
    if reason.startswith("cannot identify"):
        open_image(data, name).pixels()  # says what it is instead
        reason = "it is no image"
    raise unreadable(name, reason)


def count_bands(data: Content) -> int | None:
    """How many bands a file has, by its header; None where it does not say."""
    header = read_header(data)
    if header is not None:
        return min(RGB, int(data[header.frame + 9]))
    try:
        if data[:6].tobytes() == NPY:
            shape = _npy_header(data)[0]
            return 1 if len(shape) == 2 else min(shape[0], shape[-1])
        with _opened(data) as image:
            if _is_whole(image):
                return len(Image.new(_mode(image), (1, 1)).getbands())
    except Exception:  # not an image, or one of tifffile's
        pass
    return None


def _read(data: Content, wanted: int | None) -> NDArray[Any]:
    start = data[:6].tobytes()
    if start.startswith(NPY):
        shape, fortran, dtype, offset = _npy_header(data)
        _refuse_large(shape, dtype)
        flat = np.frombuffer(data, dtype, int(np.prod(shape)), offset)
        return _channels_first(flat.reshape(shape, order="F" if fortran else "C"), wanted)
    try:
        with _opened(data) as image:
            if _is_whole(image):
                _refuse_large((image.height, image.width), np.dtype("uint8"))
                image.load()
                ImageOps.exif_transpose(image, in_place=True)
                mode = _mode(image)
                found = np.asarray(image if image.mode == mode else image.convert(mode))
                return found[None] if found.ndim == 2 else found.transpose(2, 0, 1)
    except UnidentifiedImageError:
        if not start.startswith(TIFFS):
            raise
    return _read_tiff(data, wanted)


@contextlib.contextmanager
def _opened(data: Content) -> Iterator[Image.Image]:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # what is wrong with the pixels is raised, too
        with Image.open(io.BytesIO(data.tobytes()), formats=FORMATS) as image:
            yield image


def _is_whole(image: Image.Image) -> bool:
    """Whether Pillow reads all bands and all bits of a picture: of TIFFs, not those that it thins out."""
    if image.format != "TIFF":
        return True
    tags: Any = image.tag_v2  # type: ignore[attr-defined]  # a TIFF's
    samples, bits = tags.get(277, 1), tags.get(258, (1,))
    return getattr(image, "n_frames", 1) == 1 and (samples == 1 or (samples != 2 and max(bits) <= 8))


def _mode(image: Image.Image) -> str:
    mode = SOFT.get(image.mode, image.mode)
    return "RGBA" if image.mode == "P" and image.has_transparency_data else mode


def _npy_header(data: Content) -> tuple[tuple[int, ...], bool, np.dtype[Any], int]:
    """Shape, whether in Fortran's order, type and where the numbers begin; they are read as data."""
    file = io.BytesIO(data.tobytes())
    read = {1: np.lib.format.read_array_header_1_0}.get(
        np.lib.format.read_magic(file)[0], np.lib.format.read_array_header_2_0
    )
    shape, fortran, dtype = read(file)
    if dtype.hasobject:
        raise ValueError("it holds objects of Python, and no numbers")
    if len(shape) not in (2, 3):
        raise ValueError(f"its shape is {shape}, and an image is (H, W), (C, H, W) or (H, W, C)")
    return shape, fortran, dtype, file.tell()


def _read_tiff(data: Content, wanted: int | None) -> NDArray[Any]:
    try:
        import tifffile  # an extra
    except ImportError:
        raise InputError(
            "TIFFs that Pillow cannot read whole need tifffile: pip install tifffile imagecodecs"
        ) from None
    logging.getLogger("tifffile").setLevel(logging.CRITICAL)  # what is wrong is raised, too
    with tifffile.TiffFile(io.BytesIO(data.tobytes())) as file:
        series = file.series[0]
        _refuse_large(series.shape, series.dtype)
        found, axes = np.asarray(series.asarray()), series.axes
    kept = [place for place, side in enumerate(found.shape) if side > 1 or axes[place] in "YX"]
    found, axes = found.reshape([found.shape[place] for place in kept]), "".join(axes[place] for place in kept)
    named = next((axes.index(letter) for letter in "SC" if letter in axes), None)
    if found.ndim == 3 and named is not None:
        return np.moveaxis(found, named, 0)
    return _channels_first(found, wanted)


def _channels_first(array: NDArray[Any], wanted: int | None) -> NDArray[Any]:
    """An array (H, W), (C, H, W) or (H, W, C) -> (C, H, W)."""
    if array.ndim == 2:
        return array[None]
    if array.ndim != 3:
        return array
    first, last = array.shape[0], array.shape[-1]
    at_end = last == wanted if wanted in (first, last) and first != last else last < first
    return np.moveaxis(array, -1, 0) if at_end else array


def _refuse_large(shape: tuple[int, ...], dtype: np.dtype[Any]) -> None:
    count = int(np.prod([int(side) for side in shape], dtype=object))
    if count * dtype.itemsize > BYTES or (len(shape) == 2 and count > MOST_PIXELS):
        raise ValueError(f"its size of {' x '.join(f'{side:,}' for side in shape)} exceeds limits")
