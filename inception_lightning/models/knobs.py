"""A network's arguments, checked: an impossible one is refused in one sentence before anything is built."""

import math
from collections.abc import Collection, Sequence

from inception_lightning.errors import InputError


def one_of(knob: str, value: str, choices: Collection[str]) -> None:
    """Refuse a ``value`` of ``knob`` that is not among ``choices``.

    Raises:
        InputError: It is not.
    """
    if value not in tuple(choices):  # a list has no place in a dictionary
        raise InputError(f"{knob} must be one of {', '.join(choices)}, got {value!r}")


def check_width(width: float) -> None:
    """Refuse a factor on the number of filters that leaves none, or no finite number of them.

    Raises:
        InputError: ``width`` is not a finite number above 0.
    """
    if not (_is_number(width) and 0 < width < math.inf):
        raise InputError(f"width must be a number above 0, got {width!r}")


def check_classes(num_classes: int) -> None:
    """Refuse an impossible number of classes.

    Raises:
        InputError: ``num_classes`` is not a whole number of at least 0.
    """
    if not (_is_whole(num_classes) and num_classes >= 0):
        raise InputError(f"num_classes must be a whole number of at least 0, got {num_classes!r}")


def check_channels(in_channels: int) -> None:
    """Refuse an impossible number of channels.

    Raises:
        InputError: ``in_channels`` is not a whole number of at least 1.
    """
    if not (_is_whole(in_channels) and in_channels >= 1):
        raise InputError(f"in_channels must be a whole number of at least 1, got {in_channels!r}")


def check_dropout(dropout: float) -> None:
    """Refuse what is no share of the features.

    Raises:
        InputError: ``dropout`` is not a number in 0..1.
    """
    if not (_is_number(dropout) and 0 <= dropout <= 1):
        raise InputError(f"dropout must be a number from 0 to 1, got {dropout!r}")


def check_depths(depths: Sequence[int]) -> tuple[int, int, int]:
    """The number of blocks per stage A, B and C.

    Raises:
        InputError: Not three whole numbers of at least 1.
    """
    match depths:
        case [a, b, c] if all(_is_whole(depth) and depth >= 1 for depth in (a, b, c)):
            return a, b, c
    raise InputError(f"depths must be three whole numbers of at least 1, one per stage A, B, C, got {depths!r}")


def _is_number(value: object) -> bool:
    return isinstance(value, float | int) and not isinstance(value, bool)


def _is_whole(value: object) -> bool:
    return isinstance(value, int) and not isinstance(value, bool)
