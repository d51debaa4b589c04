"""Finding image files: the same order every time, hidden files and loops of links left out.

300,000 files take a second and 20 MB (``benchmarks/many_files.py``), so nothing is kept that could be out of date.
"""

import os
from array import array
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import overload

import numpy as np

from inception_lightning.errors import InputError

SUFFIXES = (".jpg", ".jpeg", ".png", ".webp", ".gif", ".bmp", ".ppm", ".pgm", ".tif", ".tiff")
SUFFIX_BYTES = tuple(suffix.encode() for suffix in SUFFIXES)


class FileNames(Sequence[Path]):
    """Many paths in two arrays, which worker processes share; a list would be copied into each of them in the end."""

    def __init__(self, root: Path, names: Iterable[bytes]) -> None:
        """Pack ``names``, which are relative to ``root`` or absolute."""
        packed, ends = bytearray(), array("q", [0])
        for name in names:
            packed += name
            ends.append(len(packed))
        self.root = root
        self.start = str(root)
        self.packed = np.array(packed, np.uint8)  # all names' bytes in a row
        self.ends = np.array(ends, np.int64)  # (N + 1,)

    def __len__(self) -> int:
        return len(self.ends) - 1

    @overload
    def __getitem__(self, index: int) -> Path: ...
    @overload
    def __getitem__(self, index: slice) -> "FileNames": ...
    def __getitem__(self, index: int | slice) -> "Path | FileNames":
        if isinstance(index, slice):
            return self.take(range(len(self))[index])
        return Path(self.path(index))

    def path(self, index: int) -> str:
        """One path as a string: `pathlib` would keep the parts of each, and workers would grow."""
        return os.path.join(self.start, os.fsdecode(self.name(index)))

    def name(self, index: int) -> bytes:
        """One name, as it is stored.

        Raises:
            IndexError: There are not so many.
        """
        index = range(len(self))[index]
        return self.packed[self.ends[index] : self.ends[index + 1]].tobytes()

    def take(self, indices: Iterable[int]) -> "FileNames":
        """Some of the paths."""
        return FileNames(self.root, (self.name(index) for index in indices))


def class_folders(folder: Path) -> list[str]:
    """The names of the class folders in ``folder``, sorted.

    Raises:
        InputError: There is no such folder, or it holds no class folder.
    """
    if not folder.is_dir():
        raise InputError(f"there is no folder {folder}: say --data.root FOLDER")
    entries = [entry for entry in _visible(os.fsencode(folder)) if entry.is_dir() and not _is_loop(entry)]
    if not entries:
        raise InputError(f"{folder} holds no class folders: put the images of each class into a folder of their own")
    return sorted(os.fsdecode(entry.name) for entry in entries)


def image_names(folder: Path) -> list[bytes]:
    """The image files in ``folder`` and its folders, relative to it, sorted; hidden ones are left out."""
    start = len(os.fsencode(folder)) + 1
    return sorted(path[start:] for path in _images(os.fsencode(folder)))


def image_files(folder: Path) -> list[Path]:
    """The image files in ``folder`` and its folders, sorted; hidden ones are left out."""
    return [folder / os.fsdecode(name) for name in image_names(folder)]


def _images(folder: bytes) -> Iterator[bytes]:
    for entry in _visible(folder):
        if entry.is_dir(follow_symlinks=False):
            yield from _images(entry.path)
        elif entry.name.lower().endswith(SUFFIX_BYTES) and _may_be_image(entry):
            yield entry.path


def _visible(folder: bytes) -> list[os.DirEntry[bytes]]:
    # notebooks and archives leave .ipynb_checkpoints, ._photo.jpg and __MACOSX behind
    try:
        with os.scandir(folder) as entries:
            return [entry for entry in entries if not entry.name.startswith((b".", b"__MACOSX"))]
    except OSError as error:
        raise InputError(f"cannot read the folder {os.fsdecode(folder)}: {error.strerror}") from None


def _may_be_image(entry: os.DirEntry[bytes]) -> bool:
    # a link that leads nowhere is an image that has vanished; pipes and links to folders are none
    return entry.is_file() or (entry.is_symlink() and not os.path.exists(entry.path))


def _is_loop(entry: os.DirEntry[bytes]) -> bool:
    if not entry.is_symlink():
        return False
    place, target = os.path.realpath(os.path.dirname(entry.path)), os.path.realpath(entry.path)
    return os.path.commonpath([place, target]) == target
