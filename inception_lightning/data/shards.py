"""Images in shards, for data that one machine cannot hold: `Shards`. litdata writes and reads them."""

import hashlib
import json
import os
import shutil
import tempfile
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import torch
from rich.progress import track
from torch import Tensor
from torch.utils.data import DataLoader, Dataset

from inception_lightning.data.base import Split
from inception_lightning.data.files import LOOKED_AT, ImagesInFiles
from inception_lightning.data.folder import ImageFolder
from inception_lightning.errors import InputError
from inception_lightning.loading.bands import Bands, Content, open_as
from inception_lightning.loading.dataset import ImageDataset, ImageFiles
from inception_lightning.loading.image import OpenImage

TABLE = "shards.json"
SHARD_BYTES = 2**26
PER_TASK = 16
SPLITS: tuple[Split, ...] = ("train", "val", "test")


@dataclass(kw_only=True, eq=False)
class Shards(ImagesInFiles):
    """Images in shards that ``lightning data shard`` has written, on a disk or at an address that litdata knows.

    Every image is fetched by its place in its shard, when it is its turn: order, views and resuming are those of
    a folder, whatever the number of processes. Needs the extra ``stream``, litdata.

    Args:
        root: A folder, or an address like ``s3://bucket/folder`` or ``gs://bucket/folder``.
    """

    root: str

    def __post_init__(self) -> None:
        """Take an address with or without a slash at its end."""
        super().__post_init__()
        self.root = self.root.rstrip("/")

    @cached_property
    def table(self) -> dict[str, Any]:
        """What was written beside the shards: class names, and images per class and a checksum for each split.

        Raises:
            InputError: There are no shards.
        """
        streaming = _litdata()
        with tempfile.TemporaryDirectory() as place:
            try:
                reader = streaming.downloader.get_downloader(self.root, place, [])
                reader.download_file(f"{self.root}/{TABLE}", f"{place}/{TABLE}")
                table: dict[str, Any] = json.loads(Path(place, TABLE).read_text())
            except Exception as error:  # each cloud's library has its own
                raise InputError(f"no shards at {self.root} ({error}): lightning data shard FOLDER OUT") from None
        return table

    @cached_property
    def class_names(self) -> Sequence[str]:
        """The name of each class index."""
        return tuple(self.table["class_names"])

    def dataset(self, split: Split) -> "ShardedImages":
        """The whole images of one split; test shows the validation images where there are no others."""
        held = split if split in self.table["splits"] else "val"
        return ShardedImages(f"{self.root}/{held}", **self.table["splits"][held], bands=self.bands)

    def some_files(self) -> Iterator[tuple[Content, str]]:
        """Content and name of a few training images."""
        images = ShardedImages(f"{self.root}/train", **self.table["splits"]["train"])
        for index in torch.linspace(0, len(images) - 1, min(len(images), LOOKED_AT)).long().tolist():
            yield images.content(index)


class ShardedImages(ImageDataset):
    """The images of one split, fetched one by one."""

    def __init__(self, root: str, images_per_class: list[int], sha256: str, bands: Bands | None = None) -> None:
        """Serve what lies in ``root``, class after class."""
        self.bands = bands
        self.root = root
        self.labels = torch.arange(len(images_per_class)).repeat_interleave(torch.tensor(images_per_class))  # (N,)
        self.sha256 = sha256
        self.opened: tuple[int, Any] = (0, None)

    def __len__(self) -> int:
        return len(self.labels)

    def __getitem__(self, index: int) -> tuple[Tensor, int]:
        return self.open(index).pixels(), int(self.labels[index])

    def open(self, index: int) -> OpenImage:
        """The image at ``index``, fetched and its pixels not yet decoded.

        Raises:
            ImageInputError: It is not a readable image.
        """
        return open_as(*self._fetch(index), self.bands)

    def name(self, index: int) -> str:
        """The file that it was, and the shards that it is in."""
        return self._fetch(index)[1]

    def content(self, index: int) -> tuple[Content, str]:
        """Content and name of the file at ``index``."""
        return self._fetch(index)

    def contents(self) -> Iterator[bytes]:
        """The checksum of names and contents, taken when the shards were written."""
        yield self.sha256.encode()

    def _fetch(self, index: int) -> tuple[Content, str]:
        if self.opened[0] != os.getpid():  # a reader does not survive a fork
            self.opened = os.getpid(), _litdata().StreamingDataset(self.root)
        name, _, content = bytes(self.opened[1][index]).partition(b"\0")
        return np.frombuffer(content, np.uint8).copy(), f"{os.fsdecode(name)} in {self.root}"


class EncodedFiles(Dataset[tuple[bytes, str]]):
    """Content and name of every file, read and found to be an image."""

    def __init__(self, files: ImageFiles, order: Tensor) -> None:
        self.files = files
        self.order = order

    def __len__(self) -> int:
        return len(self.order)

    def __getitem__(self, place: int) -> tuple[bytes, str]:
        file = self.files.file(int(self.order[place]))
        content = file.read_bytes()
        open_as(np.frombuffer(content, np.uint8).copy(), str(file), self.files.bands).pixels()
        return content, file.name


def write_shards(data: ImageFolder, out: Path) -> dict[str, int]:
    """Write shards of the original files, and their table; how many images per split.

    ``out`` appears when all is written. The order is that of the classes.

    Raises:
        InputError: There is something in ``out`` already, or an image that cannot be read.
    """
    if out.exists() and (not out.is_dir() or any(out.iterdir())):
        raise InputError(f"{out} is there already: give a new folder")
    partial = out.with_name(f".{out.name}.partial")
    shutil.rmtree(partial, ignore_errors=True)
    splits: dict[Split, dict[str, Any]] = {}
    seen: list[tuple[Path, bytes]] = []
    for split in SPLITS:
        files = data.dataset(split)
        names = (files.files.root, files.files.packed.tobytes())
        if names not in seen:  # test may show the validation images
            seen.append(names)
            splits[split] = _write_split(files, partial / split, len(data.class_names), data.num_workers or 0)
    (partial / TABLE).write_text(json.dumps({"class_names": list(data.class_names), "splits": splits}))
    if out.exists():
        out.rmdir()
    os.replace(partial, out)
    return {split: sum(table["images_per_class"]) for split, table in splits.items()}


def _write_split(files: ImageFiles, out: Path, classes: int, workers: int) -> dict[str, Any]:
    order = torch.argsort(files.labels, stable=True)
    encoded = DataLoader(EncodedFiles(files, order), PER_TASK, num_workers=workers, collate_fn=list)
    out.mkdir(parents=True)
    shards = _litdata().Cache(str(out), chunk_bytes=SHARD_BYTES)
    digest, written = hashlib.sha256(), 0
    for samples in track(encoded, f"writing {out.name}", total=len(encoded)):
        for content, name in samples:
            # one piece: fields become a table where pyarrow is installed, which is not read row by row
            shards[written] = os.fsencode(name) + b"\0" + content
            digest.update(os.fsencode(name) + hashlib.sha256(content).digest())
            written += 1
    shards.done()
    shards.merge()
    counts: list[int] = torch.bincount(files.labels, minlength=classes).tolist()
    return {"images_per_class": counts, "sha256": digest.hexdigest()}


def _litdata() -> Any:
    try:
        from litdata import streaming
        from litdata.streaming import downloader  # noqa: F401  # reached as streaming.downloader
    except ImportError:
        raise InputError("shards need litdata: pip install litdata") from None
    return streaming
