"""What a JPEG's header says, and the upper part of a JPEG without the cost of the rest."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import TypeAlias

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

try:
    from simplejpeg import decode_jpeg
except ImportError:  # an optional extra: without it whole images are decoded, with the same pixels
    decode_jpeg = None

Window: TypeAlias = tuple[int, int, int, int]
"""Top, left, height and width of a part of an image, in pixels."""

Place: TypeAlias = Callable[[int, int], Window]
"""Chooses a part by the image's height and width; always the same one for the same image."""

START_OF_JPEG, END_OF_JPEG = b"\xff\xd8", b"\xff\xd9"
FRAMES = frozenset(range(0xC0, 0xD0)) - {0xC4, 0xC8, 0xCC}  # markers that the size follows
SEQUENTIAL = frozenset({0xC0, 0xC1})  # Huffman codes, row after row
ALONE = frozenset({0x01, *range(0xD0, 0xDA)})  # markers without a length
APP1 = 0xE1  # where EXIF is
BELOW = 2
"""Rows below a part that its last row's colours are interpolated from."""


@dataclass(frozen=True)
class Header:
    """What stands before the pixels.

    Attributes:
        height: Of the image before EXIF's turn, in pixels.
        width: The same.
        at: Where in the file the frame's marker stands.
        by_rows: Whether rows can be decoded from the top down to any other: colours of 8 bits, not progressive,
            not turned by EXIF, and nothing after the end.
    """

    height: int
    width: int
    at: int
    by_rows: bool

    def restore(self, data: NDArray[np.uint8]) -> None:
        """Undo what `part` did to the header."""
        data[self.at + 5], data[self.at + 6] = self.height >> 8, self.height & 255


def header(data: NDArray[np.uint8]) -> Header | None:
    """The header of a JPEG; None where there is none."""
    view = data.data
    frame, exif = _frame(view)
    if frame is None:
        return None
    by_rows = view[frame + 1] in SEQUENTIAL and view[frame + 4] == 8 and view[frame + 9] == 3 and not exif
    return Header(
        height=view[frame + 5] << 8 | view[frame + 6],
        width=view[frame + 7] << 8 | view[frame + 8],
        at=frame,
        by_rows=by_rows and bytes(view[-2:]) == END_OF_JPEG,
    )


def part(data: NDArray[np.uint8], found: Header, place: Place) -> Tensor | None:
    """The pixels of a part (3, h, w), as in the whole image; None where that cannot be had by rows.

    The rows below the part are left out: the header is told a smaller height, in ``data`` itself.

    Raises:
        ValueError: The decoder refuses the file.
    """
    if decode_jpeg is None or not found.by_rows:
        return None
    top, left, height, width = place(found.height, found.width)
    rows = min(found.height, top + height + BELOW)
    data[found.at + 5], data[found.at + 6] = rows >> 8, rows & 255
    pixels = decode_jpeg(data, strict=False)  # strict would mind the bytes left over; (rows, W, 3)
    return torch.from_numpy(pixels[top : top + height, left : left + width]).permute(2, 0, 1)


def _frame(data: memoryview) -> tuple[int | None, bool]:
    """Where the frame header's marker stands, and whether EXIF came before it."""
    position, end, exif = 2, len(data) - 10, False
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
            exif = exif or (marker == APP1 and bytes(data[position + 4 : position + 8]) == b"Exif")
            position += 2 + (data[position + 2] << 8 | data[position + 3])
    return None, exif
