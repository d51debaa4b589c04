"""What a JPEG's header says, and the upper rows of a JPEG without the cost of the rest.

Of the decoders that give libjpeg-turbo's pixels simplejpeg is the fastest (``benchmarks/README.md``).
"""

from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image
from simplejpeg import decode_jpeg
from torch import Tensor

from inception_lightning.loading.image import Window

START_OF_JPEG, END_OF_JPEG = b"\xff\xd8", b"\xff\xd9"
FRAMES = frozenset(range(0xC0, 0xD0)) - {0xC4, 0xC8, 0xCC}  # markers that the size follows
SEQUENTIAL = frozenset({0xC0, 0xC1})  # Huffman codes, row after row
ALONE = frozenset({0x01, *range(0xD0, 0xDA)})  # markers without a length
APP1, EXIF, ORIENTATION, UPRIGHT = 0xE1, b"Exif\0\0", 0x0112, 1
INTERPOLATED = 2
"""Rows below a window that the colours of its last row are interpolated from."""


@dataclass(frozen=True)
class Header:
    """What stands before the pixels.

    Attributes:
        height: Rows of the image before it is turned upright.
        width: Columns of the image before it is turned upright.
        frame: Where in the file the marker of the frame stands, which the size follows.
        simple: Whether simplejpeg decodes it: grey or colours, and not turned by EXIF.
        sequential: Whether the rows follow one another, so that the upper ones can be decoded alone: colours, not
            progressive, and nothing after the end.
    """

    height: int
    width: int
    frame: int
    simple: bool
    sequential: bool


def read_header(data: NDArray[np.uint8]) -> Header | None:
    """The header of a JPEG of 8 bits; None where there is none."""
    view = data.data
    frame, exif = _find_frame(view)
    if frame is None or view[frame + 4] != 8:
        return None
    channels = view[frame + 9]
    return Header(
        height=view[frame + 5] << 8 | view[frame + 6],
        width=view[frame + 7] << 8 | view[frame + 8],
        frame=frame,
        simple=channels in (1, 3) and (exif is None or _is_upright(exif)),
        sequential=view[frame + 1] in SEQUENTIAL and channels == 3 and bytes(view[-2:]) == END_OF_JPEG,
    )


def decode_whole(data: NDArray[np.uint8]) -> Tensor:
    """The pixels of a JPEG in grey or colours, not turned: uint8 (3, H, W).

    Raises:
        ValueError: The file is damaged, or the decoder does not read its kind.
    """
    return torch.from_numpy(decode_jpeg(data)).permute(2, 0, 1)


def decode_window(data: NDArray[np.uint8], header: Header, window: Window) -> Tensor:
    """The pixels of a window (3, h, w), as in the whole image, of a sequential JPEG.

    The rows below are not decoded: while it decodes, ``data`` itself says that the image has fewer rows.

    Raises:
        ValueError: The decoder refuses the file.
    """
    top, left, height, width = window
    rows = min(header.height, top + height + INTERPOLATED)
    _write_height(data, header.frame, rows)
    try:
        pixels = decode_jpeg(data, strict=False)  # strict would mind the bytes left over; (rows, W, 3)
    finally:
        _write_height(data, header.frame, header.height)
    return torch.from_numpy(pixels[top : top + height, left : left + width]).permute(2, 0, 1)


def _write_height(data: NDArray[np.uint8], frame: int, height: int) -> None:
    data[frame + 5], data[frame + 6] = height >> 8, height & 255


def _find_frame(data: memoryview) -> tuple[int | None, bytes | None]:
    """Where the marker of the frame stands, and the EXIF data that come before it."""
    position, end, exif = 2, len(data) - 10, None
    if bytes(data[:2]) != START_OF_JPEG:
        return None, exif
    while position < end and data[position] == 0xFF:
        marker = data[position + 1]
        if marker in FRAMES:
            return position, exif
        if marker == 0xFF:
            position += 1  # fill
        elif marker in ALONE:
            position += 2
        else:
            after = position + 2 + (data[position + 2] << 8 | data[position + 3])
            if marker == APP1 and bytes(data[position + 4 : position + 10]) == EXIF:
                exif = (exif or b"") + bytes(data[position + 4 : after])
            position = after
    return None, exif


def _is_upright(exif: bytes) -> bool:
    tags = Image.Exif()
    try:
        tags.load(exif)
        return bool(tags.get(ORIENTATION, UPRIGHT) == UPRIGHT)
    except Exception:  # damaged EXIF raises whatever Pillow stumbles over, and is left to it
        return False
