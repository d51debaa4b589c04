"""What a JPEG's header says."""

import numpy as np
from numpy.typing import NDArray

START_OF_JPEG = b"\xff\xd8"
FRAMES = frozenset(range(0xC0, 0xD0)) - {0xC4, 0xC8, 0xCC}  # markers that the size follows
ALONE = frozenset({0x01, *range(0xD0, 0xDA)})  # markers without a length


def jpeg_size(data: NDArray[np.uint8]) -> tuple[int, int] | None:
    """Height and width as the header says, before EXIF's turn; None where there is no JPEG header."""
    frame = _frame(data.data)
    if frame is None:
        return None
    return int(data[frame + 5]) << 8 | int(data[frame + 6]), int(data[frame + 7]) << 8 | int(data[frame + 8])


def _frame(data: memoryview) -> int | None:
    """Where the frame header's marker stands."""
    if bytes(data[:2]) != START_OF_JPEG:
        return None
    position, end = 2, len(data) - 9
    while position < end and data[position] == 0xFF:
        marker = data[position + 1]
        if marker in FRAMES:
            return position
        if marker == 0xFF:
            position += 1  # fill
        elif marker in ALONE:
            position += 2
        else:
            position += 2 + (data[position + 2] << 8 | data[position + 3])
    return None
