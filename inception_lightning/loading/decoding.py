"""From an image file to pixels, or to a sentence that says why there are none."""

import io
import os
import re
import stat
import warnings
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageOps, UnidentifiedImageError
from torch import Tensor
from torchvision.transforms.v2.functional import pil_to_tensor

from inception_lightning.errors import InputError
from inception_lightning.loading.image import DecodedImage, OpenImage, Window, crop
from inception_lightning.loading.jpeg import START_OF_JPEG, Header, decode_whole, decode_window, read_header

FORMATS = ("JPEG", "PNG", "WEBP", "GIF", "BMP", "PPM", "TIFF")  # Pillow's others run programs, or need them
MOST_PIXELS = 100_000_000
"""Of one image. Pillow needs up to 14 bytes for each; beyond, a file of 700 KB may ask for gigabytes."""
TIFFS = (b"II*\0", b"MM\0*", b"II+\0", b"MM\0+")
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


def decode(file: Path | str) -> Tensor:
    """The image in a file: uint8 (3, H, W), upright by its EXIF mark; of an animation the first frame.

    Raises:
        ImageInputError: The file is not a readable image.
    """
    return open_image(read_file(file), str(file)).pixels()


def read_file(file: Path | str) -> NDArray[np.uint8]:
    """The content of a file (bytes,).

    Raises:
        ImageInputError: The file cannot be read.
    """
    try:
        if stat.S_ISFIFO(os.stat(file).st_mode):  # which would be waited for
            raise unreadable(str(file), "it is a pipe")
        return np.fromfile(file, np.uint8)
    except OSError as error:
        raise unreadable(str(file), error.strerror or type(error).__name__) from None


def open_image(data: NDArray[np.uint8], name: str) -> OpenImage:
    """The image in the content of a file, which must be writable.

    simplejpeg decodes JPEG, faster than Pillow, which decodes everything else: photos that EXIF turns, CMYK, and what
    simplejpeg refuses are among that.

    Args:
        data: The content (bytes,).
        name: What an error calls the file.

    Raises:
        ImageInputError: It is not a readable image.
    """
    header = read_header(data)
    if header is not None and header.height * header.width > MOST_PIXELS:
        raise unreadable(name, _too_large(header.height, header.width))
    if header is not None and header.simple and header.height * header.width > 0:
        return JPEGImage(data, name, header)
    return DecodedImage(_decode_with_pillow(data, name))


class JPEGImage:
    """A JPEG of which the header has been read."""

    def __init__(self, data: NDArray[np.uint8], name: str, header: Header) -> None:
        self.data = data
        self.name = name
        self.header = header
        self.height, self.width = header.height, header.width

    def pixels(self, window: Window | None = None) -> Tensor:
        """The whole image (3, H, W), or a window (3, h, w): where they can be left out, the rows below are not decoded.

        Raises:
            ImageInputError: The file is damaged.
        """
        try:
            if window is not None and self.header.sequential:
                return decode_window(self.data, self.header, window)
            image = decode_whole(self.data)
        except ValueError:  # Pillow decodes it after all, or says what is wrong
            image = _decode_with_pillow(self.data, self.name)
        return image if window is None else crop(image, window)


def _decode_with_pillow(data: NDArray[np.uint8], name: str) -> Tensor:
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # about marks that do not matter, and images half as big as a bomb
            with Image.open(io.BytesIO(data.tobytes()), formats=FORMATS) as image:
                if image.height * image.width > MOST_PIXELS:
                    raise ValueError(_too_large(image.height, image.width))
                image.load()
                ImageOps.exif_transpose(image, in_place=True)
                tensor: Tensor = pil_to_tensor(_rgb(image))
                return tensor
    except Exception as error:  # damaged files raise whatever the decoder stumbled over, KeyError for example
        reason = _reason(data[:100].tobytes(), error)
    raise unreadable(name, reason)


def _too_large(height: int, width: int) -> str:
    return f"its size of {height:,} x {width:,} pixels exceeds limits: at most {MOST_PIXELS:,} are read"


def unreadable(name: str, reason: str) -> ImageInputError:
    """What is raised where the image called ``name`` cannot be read."""
    error = ImageInputError(f"cannot read the image {name}: {reason}; mend or remove it")
    error.reason = reason
    return error


def _rgb(image: Image.Image) -> Image.Image:
    if image.mode.startswith("I"):  # 16 bits, which convert would clip
        image = Image.fromarray((np.asarray(image) >> 8).clip(0, 255).astype(np.uint8))
    if image.mode == "F":
        raise ValueError("its pixels are fractions of nobody knows what")
    if image.has_transparency_data:
        image = image.convert("RGBA")  # Pillow warns on the direct way from some palettes
    return image if image.mode == "RGB" else image.convert("RGB")


def _reason(content: bytes, error: Exception) -> str:
    if isinstance(error, OSError) and error.strerror:
        return error.strerror
    if isinstance(error, Image.DecompressionBombError):
        return f"its size exceeds limits: at most {MOST_PIXELS:,} pixels are read"
    start = content.lstrip()
    if not start:
        return "cannot identify image file: it is empty"
    if isinstance(error, UnidentifiedImageError) and start.startswith(TIFFS):
        return "cannot identify image file: it is no picture in RGB; TIFFs of other bands need --data.channels"
    known = [reason for mark, reason in STARTS.items() if start.startswith(mark)]
    if known and not start.startswith(START_OF_JPEG):
        return f"cannot identify image file: {known[0]}"
    return " ".join(re.sub(r" <_io.BytesIO[^>]*>", "", str(error)).split()) or type(error).__name__
