"""Rows of numbers on their way to a file: filled in any order, by several processes, and kept by a kill."""

import csv
import json
import os
import shutil
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, dataclass
from io import BytesIO, FileIO
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from inception_lightning.errors import InputError

ARRAY, FILES = "embeddings.npy", "files.csv"
ABOUT, ROWS, MARKS, NEW = "about.json", "rows.npy", "marks", "new"
WRITTEN, UNREADABLE = 1, 2
"""What the mark of a row says; 0 where nothing is known yet."""

CHUNK = 2**24
"""Bytes of rows that are copied at once: as long as they are many, memory does not grow with them."""


@dataclass(frozen=True)
class About:
    """What rows are made of; rows of another kind do not go on with them.

    Attributes:
        network: A checksum of its weights, and of mean and std.
        stage: Where the features are taken.
        images: A checksum of the photos' names.
        view: How they are shown, in words.
        precision: What the network computes in.
        count: The number of photos.
        width: The length of a row.
    """

    network: str
    stage: str
    images: str
    view: str
    precision: str
    count: int
    width: int


class Rows:
    """Rows (N, F) of float32 that are filled in any order, by several processes, in a folder beside their file.

    A row is written first and marked then, so that after a kill each marked row is whole. Photos that cannot be read
    have NaN for a row.
    """

    def __init__(self, target: Path, about: About) -> None:
        """Describe them; nothing is made yet.

        Args:
            target: The file that comes of them, ``.npy`` or ``.parquet``.
            about: What they are.
        """
        self.target = target
        self.about = about
        self.folder = _folder_beside(target)
        self.header = _header(about)

    def begin(self) -> None:
        """Make the folder, or go on with the one that is there.

        Raises:
            InputError: The rows there are of another network, stage or folder.
            OSError: The disk takes no more.
        """
        self.folder.mkdir(parents=True, exist_ok=True)
        described = self.folder / ABOUT
        if described.is_file():
            self._refuse_others(described)
            return
        for name, content, size in ((ROWS, self.header, 4 * self.about.width), (MARKS, b"", 1)):
            with (self.folder / name).open("wb") as file:
                file.write(content)
                file.truncate(len(content) + size * self.about.count)
        new = self.folder / NEW
        new.write_text(json.dumps(asdict(self.about)))
        os.replace(new, described)

    def _refuse_others(self, described: Path) -> None:
        try:
            held = json.loads(described.read_text())
        except ValueError:
            held = {}
        other = [name for name, value in asdict(self.about).items() if held.get(name) != value]
        if other:
            what = "other images" if other[0] == "images" else f"another {other[0]}"
            raise InputError(f"{self.folder} holds rows that were begun with {what}: remove it, or name another --out")

    def marks(self) -> NDArray[np.uint8]:
        """What is known of each row (N,)."""
        return np.fromfile(self.folder / MARKS, np.uint8)

    def bytes_to_come(self, written: int) -> int:
        """How much more the disk must hold, where so many rows are written; a table is made beside them."""
        rows = self.about.count - written + (self.about.count if self.target.suffix == ".parquet" else 0)
        return 4 * self.about.width * rows

    def write(self, indices: Sequence[int], rows: NDArray[np.float32], marks: Sequence[int]) -> None:
        """Write rows (B, F), then their marks (B,), in one go where the indices follow one another.

        Raises:
            OSError: The disk takes no more.
        """
        size = 4 * self.about.width
        with (self.folder / ROWS).open("r+b", buffering=0) as file:
            for start, end in _runs(indices):
                _write_at(file, len(self.header) + size * indices[start], rows[start:end].tobytes())
        with (self.folder / MARKS).open("r+b", buffering=0) as file:
            for start, end in _runs(indices):
                _write_at(file, indices[start], bytes(marks[start:end]))

    def finish(self, files: Sequence[Path], why: Callable[[int], str]) -> None:
        """Make the file of them, and let go of the folder.

        Args:
            files: The photo of each row.
            why: The reason why a photo could not be read, by its index.

        Raises:
            OSError: The disk takes no more. What was there is there still.
        """
        reasons = {int(index): why(int(index)) for index in np.flatnonzero(self.marks() == UNREADABLE)}
        new = self.folder / NEW
        if self.target.suffix == ".parquet":
            self._write_parquet(new, files, reasons)
        else:
            _write_files(new, files, reasons)
            os.replace(new, self.target.with_name(FILES))
            new = self.folder / ROWS
        with new.open("rb+") as file:
            os.fsync(file.fileno())
        os.replace(new, self.target)
        shutil.rmtree(self.folder, ignore_errors=True)

    def chunks(self) -> Iterator[tuple[int, NDArray[np.float32]]]:
        """Where some rows begin, and the rows (B, F), of which few are in memory."""
        width, most = self.about.width, max(1, CHUNK // (4 * self.about.width))
        with (self.folder / ROWS).open("rb") as file:
            file.seek(len(self.header))
            for start in range(0, self.about.count, most):
                found = np.fromfile(file, np.float32, width * min(most, self.about.count - start))
                yield start, found.reshape(-1, width)

    def _write_parquet(self, path: Path, files: Sequence[Path], reasons: dict[int, str]) -> None:
        import pyarrow as pa  # an extra
        from pyarrow import parquet

        vector = pa.list_(pa.float32(), self.about.width)
        schema = pa.schema([("file", pa.string()), ("embedding", vector), ("reason", pa.string())])
        with parquet.ParquetWriter(path, schema, use_dictionary=False) as writer:
            for start, rows in self.chunks():
                known = [reasons.get(start + index) for index in range(len(rows))]
                names = [_as_text(files[start + index]) for index in range(len(rows))]
                vectors = pa.FixedSizeListArray.from_arrays(pa.array(rows.ravel()), type=vector)
                writer.write_table(pa.table([pa.array(names), vectors, pa.array(known, pa.string())], schema=schema))


def target_of(out: Path) -> Path:
    """The file that ``--out`` names: a table, an array, or the array in a folder.

    Raises:
        InputError: It is a file of another kind, or is there already.
    """
    if out.suffix in (".parquet", ".npy") and not out.is_dir():
        target = out
    elif out.suffix[1:2].isalpha() and not out.is_dir():
        raise InputError(f"--out {out} is no file that is written here: name a .parquet, a .npy or a folder")
    else:
        target = out / ARRAY
    begun = _folder_beside(target).is_dir()
    beside = [] if target.suffix == ".parquet" or begun else [target.with_name(FILES)]
    for path in (target, *beside):
        if os.path.lexists(path):
            raise InputError(f"{path} is there already: remove it, or name another --out")
    return target


def _folder_beside(target: Path) -> Path:
    """Where the rows are while they are not all there."""
    return target.with_name(f"{target.name}.partial")


def _header(about: About) -> bytes:
    """How a ``.npy`` of the rows begins."""
    start = BytesIO()
    shape = {"descr": "<f4", "fortran_order": False, "shape": (about.count, about.width)}
    np.lib.format.write_array_header_1_0(start, shape)
    return start.getvalue()


def _runs(indices: Sequence[int]) -> Iterator[tuple[int, int]]:
    """The start and the end of each run of indices that follow one another."""
    start = 0
    for place in range(1, len(indices) + 1):
        if place == len(indices) or indices[place] != indices[place - 1] + 1:
            yield start, place
            start = place


def _write_at(file: FileIO, place: int, content: bytes) -> None:
    file.seek(place)
    while content:  # a disk that is nearly full takes a part
        content = content[file.write(content) :]


def _write_files(path: Path, files: Sequence[Path], reasons: dict[int, str]) -> None:
    with path.open("w", newline="", encoding="utf-8", errors="surrogateescape") as file:
        writer = csv.writer(file)
        writer.writerow(["file", "reason"])
        writer.writerows([str(name), reasons.get(index, "")] for index, name in enumerate(files))


def _as_text(file: Path) -> str:
    """A name as a table can hold it, which holds text only."""
    return str(file).encode("utf-8", "backslashreplace").decode()
