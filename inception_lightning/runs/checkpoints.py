"""Checkpoint files that a kill at any instant leaves whole.

A file is written beside its place, flushed to the disk and renamed. The folder's ``manifest.json``
says step and sha256 of every good file, and is written first: a file is good when its sha256 stands there.
"""

import contextlib
import hashlib
import io
import json
import logging
import os
import re
import shutil
import stat
import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, NamedTuple

import torch
from lightning.pytorch.plugins import CheckpointIO

from inception_lightning.configurable import KEY
from inception_lightning.errors import InputError, Stop

log = logging.getLogger(__name__)

MANIFEST = "manifest.json"
LAST, PREVIOUS = "last.ckpt", "previous.ckpt"
REMEMBERED = 4  # digests per name: the one being written, the one there, the previous one, and one to spare
ATTEMPTS = 3
FORMAT = 1
MOST_BYTES = 2**24  # of a manifest: thousands of times one with every checkpoint that is kept


@dataclass(frozen=True)
class Entry:
    """What the manifest says of a file."""

    name: str
    step: int
    sha256: str
    bytes: int


class Checkpoint(NamedTuple):
    """A checkpoint that has been read."""

    path: Path
    content: dict[str, Any]


class CheckpointFiles(CheckpointIO):
    """Writes and reads the Trainer's checkpoints.

    A save that fails for want of space is a warning; it waits in memory and is made up for at the next occasion.

    Attributes:
        failures: How many saves in a row have failed. After three the run must end.
        waiting: What could not be written: its place, its content and its step.
    """

    def __init__(self, read: Checkpoint | None = None) -> None:
        """Serve ``read``, a checkpoint that has been read already, to who loads it first."""
        self.read = read
        self.failures = 0
        self.waiting: dict[Path, tuple[memoryview, int]] = {}

    def save_checkpoint(self, checkpoint: dict[str, Any], path: Path | str, storage_options: Any = None) -> None:
        """Write ``checkpoint``, or warn with figures."""
        content = io.BytesIO()
        torch.save(checkpoint, content)
        self.waiting[Path(path)] = content.getbuffer(), int(checkpoint["global_step"])
        errors = {place: self._write(place) for place in list(self.waiting)}
        self.failures = self.failures + 1 if any(errors.values()) else 0
        for place, error in errors.items():
            if error:
                log.warning(
                    "saving %s failed (%s): it needs %.1f MB and %s; attempt %d of %d, training goes on",
                    *(place, error.strerror or error, len(self.waiting[place][0]) / 1e6, _free(place.parent)),
                    *(self.failures, ATTEMPTS),
                )

    def _write(self, path: Path) -> OSError | None:
        try:
            write_checkpoint(path, *self.waiting[path])
        except OSError as error:
            return error
        del self.waiting[path]
        return None

    def load_checkpoint(
        self, path: Path | str, map_location: Any = "cpu", weights_only: bool | None = None
    ) -> dict[str, Any]:
        """Read a local file as data, whatever ``weights_only`` says."""
        read, self.read = self.read, None
        if read is not None and read.path == Path(path):
            return read.content
        if not Path(path).is_file():
            raise InputError(f"there is no checkpoint {path}")
        content: dict[str, Any] = torch.load(path, map_location or "cpu", weights_only=True)
        return content

    def remove_checkpoint(self, path: Path | str) -> None:
        """Remove a file, written or not."""
        self.waiting.pop(Path(path), None)
        Path(path).unlink(missing_ok=True)


def write_checkpoint(path: Path, content: bytes | memoryview, step: int) -> None:
    """Put ``content`` in the place of ``path``; the last checkpoint becomes the previous one.

    Raises:
        OSError: There is no space, or the disk fails. What was there is there still.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    for left_behind in path.parent.glob(".*.tmp"):
        left_behind.unlink(missing_ok=True)  # by a process that was killed
    known = read_manifest(path.parent)
    entry = Entry(path.name, step, hashlib.sha256(content).hexdigest(), len(content))
    new = _write_beside(path, content)
    try:
        earlier = [one for one in known if one.name == path.name][1 - REMEMBERED :]
        manifest = [*(one for one in known if one.name != path.name), *earlier, entry]
        _write_manifest(path.parent, manifest)
        if path.name == LAST and path.exists():
            _keep(path, path.with_name(PREVIOUS))
        os.replace(new, path)
        _sync_folder(path.parent)
    finally:
        new.unlink(missing_ok=True)


def rewrite(path: Path, content: dict[str, Any]) -> None:
    """Put ``content`` in the place of a checkpoint that is there, at the same step; a kill leaves the old or the new.

    Raises:
        Stop: The disk takes no more.
    """
    data = io.BytesIO()
    torch.save(content, data)
    try:
        known = read_manifest(path.parent)
        if known:
            entry = Entry(
                path.name,
                int(content["global_step"]),
                hashlib.sha256(data.getbuffer()).hexdigest(),
                len(data.getbuffer()),
            )
            _write_manifest(path.parent, [*known, entry])
        os.replace(_write_beside(path, data.getbuffer()), path)
        _sync_folder(path.parent)
    except OSError as error:
        raise Stop(f"cannot write {path}: {error.strerror}", 74) from None


def read_manifest(folder: Path) -> list[Entry]:
    """What is known of a folder's checkpoints; nothing where there is no readable manifest."""
    try:
        entries = [Entry(**entry) for entry in _manifest(folder)["files"]]
    except (KeyError, TypeError):
        return []
    sound = all(isinstance(one.sha256, str) and isinstance(one.step, int) for one in entries)  # it may be anybody's
    return entries if sound else []


def last_saved(folder: Path) -> float:
    """When the last checkpoint in ``folder`` was written, as its manifest says; 0 where it does not."""
    saved = _manifest(folder).get("saved")
    return float(saved) if isinstance(saved, int | float) else 0.0


def _manifest(folder: Path) -> dict[str, Any]:
    path = folder / MANIFEST
    try:
        if not path.is_file() or path.stat().st_size > MOST_BYTES:  # reading a pipe or device may never end
            return {}
        content = json.loads(path.read_text())
    except (OSError, ValueError, RecursionError):
        return {}
    return content if isinstance(content, dict) and content.get("format") == FORMAT else {}


def read_newest_good(folder: Path) -> Checkpoint:
    """The checkpoint that `newest_good` finds, read once for its checksum and its content.

    Where there is no manifest, one that cannot be read is set aside too.

    Raises:
        InputError: None is good.
    """
    paths, last = _good(folder)
    for path in paths:
        content = last if path.name == LAST and last is not None else path.read_bytes()
        try:
            return Checkpoint(path, _parsed(io.BytesIO(content), path))
        except InputError as error:
            if path is paths[-1]:
                raise
            _set_aside(path, str(error))
    raise InputError(f"there is no good checkpoint in {folder}")


def newest_good(folder: Path) -> Path:
    """The checkpoint of the highest step in ``folder`` that is what the manifest says.

    Damaged files are named and set aside. ``best.ckpt`` is taken only where nothing else is good: it is saved
    within the end of an epoch, whose last row of metrics would be lost.

    Raises:
        InputError: None is good.
    """
    return _good(folder)[0][0]


def _good(folder: Path) -> tuple[list[Path], bytes | None]:
    """The good checkpoints, the newest first, and the bytes of the last one where it was read on the way."""
    known = {entry.sha256: entry for entry in read_manifest(folder)}
    good: list[tuple[bool, int, bool, Path]] = []
    damaged: list[Path] = []
    last: bytes | None = None
    if not known:
        log.warning("%s has no readable %s: its checkpoints cannot be checked before they are read", folder, MANIFEST)
    for path in sorted(folder.glob("*.ckpt")):
        try:
            if not stat.S_ISREG(path.stat().st_mode):  # reading a pipe or device may never end
                log.warning("%s is no file, and is not looked at", path)
                continue
            if path.name == LAST:  # the one that is wanted, nearly always
                last = path.read_bytes()
            digest = _digest(path) if path.name != LAST or last is None else hashlib.sha256(last).hexdigest()
        except FileNotFoundError:  # another process of the training has just set it aside
            if path.is_symlink():
                log.warning("%s is a link to nothing, and is not looked at", path)
            continue
        entry = known.get(digest)
        if entry is not None or not known:  # without a manifest nothing is known: reading it will tell
            good.append((path.name in (LAST, PREVIOUS), entry.step if entry else 0, path.name == LAST, path))
        else:
            damaged.append(path)
    if not good:
        other = f": none is what its {MANIFEST} says; where that is another run's, remove it" if damaged else ""
        raise InputError(f"there is no good checkpoint in {folder}{other}")
    for path in damaged:
        _set_aside(path, "its content is not what was written")
    return [path for *_, path in sorted(good, reverse=True)], last


def _set_aside(path: Path, why: str) -> None:
    aside = path.with_suffix(".damaged")
    log.warning("%s is damaged: %s; set aside as %s", path, why, aside.name)
    with contextlib.suppress(FileNotFoundError):
        os.replace(path, aside)


def _write_manifest(folder: Path, entries: Sequence[Entry]) -> None:
    text = json.dumps({"format": FORMAT, "saved": time.time(), "files": [asdict(one) for one in entries]}, indent=1)
    place = folder / MANIFEST
    os.replace(_write_beside(place, text.encode()), place)


def _write_beside(path: Path, content: bytes | memoryview) -> Path:
    new = path.with_name(f".{path.name}.{os.getpid()}.{time.monotonic_ns()}.tmp")
    try:
        with new.open("wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
    except OSError:
        new.unlink(missing_ok=True)
        raise
    return new


def _keep(path: Path, name: Path) -> None:
    link = path.with_name(f".{name.name}.{os.getpid()}.tmp")
    try:
        os.link(path, link)
        os.replace(link, name)
    except OSError:  # a file system without hard links
        os.replace(path, name)


def _sync_folder(folder: Path) -> None:
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _digest(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _free(folder: Path) -> str:
    try:
        return f"{shutil.disk_usage(folder).free / 1e6:.1f} MB are free in {folder}"
    except OSError:
        return f"{folder} cannot be read"


def local(source: Path | str) -> Path:
    """The file that ``source`` names; one on the net is fetched once, and only with its checksum.

    Raises:
        InputError: An address without https or ``#sha256=...``, or what came is something else.
    """
    if "://" not in str(source):
        return Path(source)
    address, _, digest = str(source).partition("#sha256=")
    if not address.startswith("https://") or not re.fullmatch(r"[0-9a-f]{64}", digest):
        raise InputError(f"{address}: a checkpoint from the net needs https and its checksum, https://...#sha256=...")
    file = Path(torch.hub.get_dir()) / "checkpoints" / f"{digest}.ckpt"
    if not file.is_file():
        file.parent.mkdir(parents=True, exist_ok=True)
        try:
            torch.hub.download_url_to_file(address, str(file), hash_prefix=digest, progress=False)
        except (OSError, RuntimeError) as error:
            raise InputError(f"cannot fetch {address}: {error}") from None
    return file


def read_checkpoint(path: Path | str, map_location: str | torch.device | None = "cpu") -> dict[str, Any]:
    """The content of a checkpoint; no code in it runs.

    Raises:
        InputError: There is no such file, or it is not a checkpoint of this project.
    """
    path = local(path)
    if not path.is_file():
        instead = "only a folder" if path.is_dir() else "only a pipe or a device"
        raise InputError(f"there is no checkpoint {path}" + (f", {instead}" if path.exists() else ""))
    return _parsed(path, path, map_location)


def _parsed(file: Path | io.BytesIO, path: Path, map_location: str | torch.device | None = "cpu") -> dict[str, Any]:
    try:
        checkpoint = torch.load(file, map_location, weights_only=True)
    except Exception as error:  # torch raises whatever the damage leads to
        # the first sentence: torch's second one says how to run the code
        reason = str(error).splitlines()[0].partition(". ")[0] if str(error) else type(error).__name__
        raise InputError(f"{path} is not a readable checkpoint ({reason})") from None
    if not isinstance(checkpoint, dict) or KEY not in checkpoint:
        raise InputError(f"{path} is not a checkpoint of inception_lightning")
    return checkpoint


def difference(expected: dict[str, torch.Tensor], found: dict[str, torch.Tensor]) -> str | None:
    """What first keeps ``found`` from being loaded where ``expected`` is; None where it fits."""
    for name, tensor in expected.items():
        if name not in found:
            return f"it has no {name}"
        if found[name].shape != tensor.shape:
            return f"its {name} has the shape {list(found[name].shape)}, not {list(tensor.shape)}"
    extra = next((name for name in found if name not in expected), None)
    return extra and f"it also has {extra}"


def refuse_other_classes(held: Sequence[str], found: Sequence[str]) -> None:
    """See to it that a class index means the same to a checkpoint and to the data; where one has no names, it may.

    Raises:
        InputError: It does not.
    """
    for index, (one, other) in enumerate(zip(held, found, strict=False)):
        if one != other:
            raise InputError(
                f"class {index} is {one!r} to the checkpoint and {other!r} to the data: its folders must have the "
                "names that it was trained with"
            )
