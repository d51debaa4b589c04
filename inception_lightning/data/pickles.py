"""Reads pickles that hold numpy arrays and plain data, and nothing that runs."""

import pickle
from pathlib import Path
from typing import Any

import numpy as np

from inception_lightning.errors import InputError

ALLOWED = {
    ("numpy.core.multiarray", "_reconstruct"): np.empty(0).__reduce__()[0],
    ("numpy._core.multiarray", "_reconstruct"): np.empty(0).__reduce__()[0],
    ("numpy", "ndarray"): np.ndarray,
    ("numpy", "dtype"): np.dtype,
    ("_codecs", "encode"): lambda text, encoding: text.encode(encoding),  # how Python 3 writes bytes for Python 2
}


class _Unpickler(pickle.Unpickler):
    def find_class(self, module: str, name: str) -> Any:
        try:
            return ALLOWED[module, name]
        except KeyError:
            raise pickle.UnpicklingError(f"it wants to run {module}.{name}") from None


def read_pickle(file: Path) -> Any:
    """The plain data and numpy arrays in a pickle.

    Raises:
        InputError: It holds anything else, or is damaged.
    """
    try:
        with file.open("rb") as opened:
            return _Unpickler(opened, encoding="latin1").load()
    except Exception as error:  # damaged pickles raise whatever they stumble over
        raise InputError(f"cannot read {file}: {error}") from None
