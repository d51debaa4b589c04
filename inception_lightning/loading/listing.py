"""Finding image files: the same order every time, hidden files and loops of links left out.

A file whose name does not say that it is an image is one by its first bytes.

300,000 files take a second and 20 MB (``benchmarks/many_files.py``), so nothing is kept that could be out of date.
"""

import glob
import os
import re
from array import array
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import overload

import numpy as np

from inception_lightning.errors import InputError, visible

SUFFIXES = (
    *(b".jpg", b".jpeg", b".jpe", b".jfif", b".jif", b".png", b".apng", b".webp", b".gif"),
    *(b".bmp", b".dib", b".ppm", b".pgm", b".pbm", b".pnm", b".tif", b".tiff"),
)
"""Names of images; whatever else they are called, their first bytes say it."""

UNFINISHED = (b".part", b".partial", b".crdownload", b".download", b".tmp")
RAW = (b".cr2", b".nef", b".dng", b".arw", b".orf", b".rw2", b".pef", b".srw")
"""Cameras' raw files begin as a TIFF does, whose first image is a thumbnail."""
ARRAYS = b".npy"
OF_SYSTEMS = (b"thumbs.db", b"desktop.ini", b"icon\r")
FIRST_BYTES = re.compile(
    rb"\xff\xd8\xff|\x89PNG\r\n\x1a\n|GIF8[79]a|RIFF....WEBP|II\*\0|MM\0\*|P[1-6]\s+[#0-9]"
    rb"|BM.{4}\0{4}.{4}[\x0c\x28\x34\x38\x40\x6c\x7c]\0\0\0",
    re.DOTALL,
)


@dataclass
class LeftOut:
    """What lies among images and is not shown: how much of each kind, and an example of each."""

    counts: Counter[str] = field(default_factory=Counter)
    examples: dict[str, str] = field(default_factory=dict)

    def add(self, kind: str, path: bytes) -> None:
        """Count a file of a kind, and keep the first of each as its example."""
        self.counts[kind] += 1
        self.examples.setdefault(kind, os.fsdecode(path))

    def text(self) -> str:
        """One line for people; empty where nothing was left out."""
        told = [
            f"{count:,} {kind} ({visible(self.examples[kind])}{', ...' if count > 1 else ''})"
            for kind, count in self.counts.most_common(5)
        ]
        kinds = len(self.counts) - len(told)
        return f"left out: {', '.join(told)}{f' and {kinds} further kinds' if kinds else ''}" if told else ""


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
    if folder.is_file():
        raise InputError(f"{folder} is a file: say --data.root FOLDER, or --data ImageTable for a table of images")
    if not folder.is_dir():
        raise InputError(f"there is no folder {folder}: say --data.root FOLDER")
    entries = [entry for entry in _visible(os.fsencode(folder)) if _is_folder(entry) and not _is_loop(entry)]
    if not entries:
        raise InputError(f"{folder} holds no class folders: put the images of each class into a folder of their own")
    return sorted(os.fsdecode(entry.name) for entry in entries)


def image_names(folder: Path, left_out: LeftOut | None = None, arrays: bool = False) -> list[bytes]:
    """The image files in ``folder`` and its folders, relative to it, sorted.

    Links are followed, each folder once. Hidden files are passed by; ``left_out`` counts what else is no image.
    ``.npy`` files are images if ``arrays`` says so.
    """
    place = os.fsencode(folder)
    walk = _Walk(left_out if left_out is not None else LeftOut(), arrays)
    return sorted(path[len(place) + 1 :] for path in walk.images(place, (os.path.realpath(place),)))


def has_pictures(folder: Path) -> bool:
    """Whether there is an image in ``folder`` or its folders that is no ``.npy`` file."""
    place = os.fsencode(folder)
    return next(_Walk(LeftOut()).images(place, (os.path.realpath(place),)), None) is not None


def image_files(folder: Path, left_out: LeftOut | None = None, arrays: bool = False) -> list[Path]:
    """The image files in ``folder`` and its folders, sorted, as `image_names`."""
    return [folder / os.fsdecode(name) for name in image_names(folder, left_out, arrays)]


def files_like(pattern: Path, left_out: LeftOut | None = None, arrays: bool = False) -> list[Path]:
    """The image files that a pattern such as ``photos/**/*.jpg`` names, sorted; of a folder, those in it.

    Raises:
        InputError: Nothing is called so.
    """
    named = sorted(glob.glob(str(pattern), recursive=True))
    if not named:
        raise InputError(f"there is no folder {pattern}: say --data.root FOLDER, a file, or a pattern in quotes")
    left_out = left_out if left_out is not None else LeftOut()
    found = dict[Path, None]()
    for path in named:
        encoded = os.fsencode(path)
        if os.path.isdir(path):
            found.update(dict.fromkeys(image_files(Path(path), left_out, arrays)))
        elif is_file_or_gone(encoded) and is_image(encoded, arrays):
            found[Path(path)] = None
        else:
            left_out.add(_kind(os.path.basename(encoded)), encoded)
    return list(found)


def beside_folders(folder: Path, left_out: LeftOut) -> None:
    """Count the images that lie in ``folder`` itself, where its class folders lie."""
    for entry in _visible(os.fsencode(folder)):
        if entry.is_file() and is_image(entry.path):
            left_out.add("images beside the class folders", entry.path)


def is_image(path: bytes, arrays: bool = False) -> bool:
    """Whether the file is called, or begins as, an image that the decoder may read."""
    name = path.lower()
    if name.endswith(SUFFIXES) or (arrays and name.endswith(ARRAYS)):
        return True
    if name.endswith((*UNFINISHED, *RAW)):
        return False
    try:
        with open(path, "rb") as file:
            return FIRST_BYTES.match(file.read(32)) is not None
    except OSError:
        return False


def is_file_or_gone(path: bytes) -> bool:
    """Whether ``path`` is a file, or leads nowhere: an image that has vanished. Pipes and devices are neither."""
    return os.path.isfile(path) or (os.path.islink(path) and not os.path.exists(path))


class _Walk:
    """One look through a folder."""

    def __init__(self, left_out: LeftOut, arrays: bool = False) -> None:
        self.left_out = left_out
        self.arrays = arrays
        self.seen: set[bytes] = set()

    def images(self, folder: bytes, trail: tuple[bytes, ...]) -> Iterator[bytes]:
        """The images in ``folder``, whose real path is the last of ``trail``, and in its folders."""
        self.seen.add(trail[-1])
        folders = []
        for entry in _visible(folder):
            if _is_folder(entry):
                folders.append(entry)
            elif entry.name.lower() in OF_SYSTEMS:
                continue
            elif not (entry.is_file(follow_symlinks=False) or is_file_or_gone(entry.path)):
                self.left_out.add("pipes or devices", entry.path)
            elif is_image(entry.path, self.arrays):
                yield entry.path
            else:
                self.left_out.add(_kind(entry.name), entry.path)
        for entry in sorted(folders, key=lambda entry: (entry.is_symlink(), entry.name)):
            yield from self._below(entry, trail)

    def _below(self, entry: os.DirEntry[bytes], trail: tuple[bytes, ...]) -> Iterator[bytes]:
        real = os.path.realpath(entry.path) if entry.is_symlink() else os.path.join(trail[-1], entry.name)
        if any(_holds(real, place) for place in trail):
            self.left_out.add("links to a folder above", entry.path)
        elif real in self.seen:
            self.left_out.add("further links to a folder", entry.path)
        else:
            yield from self.images(entry.path, (*trail, real))


def _kind(name: bytes) -> str:
    suffix = visible(os.fsdecode(os.path.splitext(name)[1].lower()))
    return f"files {suffix}" if 1 < len(suffix) < 10 else "other files"


def _visible(folder: bytes) -> list[os.DirEntry[bytes]]:
    # notebooks and archives leave .ipynb_checkpoints, ._photo.jpg and __MACOSX behind
    try:
        with os.scandir(folder) as entries:
            return [entry for entry in entries if not entry.name.startswith((b".", b"__MACOSX"))]
    except OSError as error:
        raise InputError(f"cannot read the folder {os.fsdecode(folder)}: {error.strerror}") from None


def _is_folder(entry: os.DirEntry[bytes]) -> bool:
    # is_dir follows a link that leads to itself, and raises
    return entry.is_dir(follow_symlinks=False) or (entry.is_symlink() and os.path.isdir(entry.path))


def _is_loop(entry: os.DirEntry[bytes]) -> bool:
    return entry.is_symlink() and _holds(os.path.realpath(entry.path), os.path.realpath(os.path.dirname(entry.path)))


def _holds(folder: bytes, place: bytes) -> bool:
    return place == folder or place.startswith(os.path.join(folder, b""))
