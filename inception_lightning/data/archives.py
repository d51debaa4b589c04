"""Unpacks archives of strangers: only plain files come out, into the target, and not too many bytes."""

import hashlib
import os
import stat
import tarfile
import zipfile
from collections.abc import Iterator
from pathlib import Path, PurePosixPath
from typing import IO

from inception_lightning.errors import InputError

CHUNK = 2**20
MOST_BYTES = 2**40  # 1 TiB: six times ImageNet
MOST_EXPANSION = 200  # a zip of photos expands 1.0 times, a bomb a thousand times
PARTIAL = ".partial"


def extract(archive: Path, target: Path) -> int:
    """Write the plain files of a tar or zip into ``target``; how many. What is there already, complete, is left.

    Raises:
        InputError: It is no archive, or a name, link or size in it is not to be trusted.
    """
    count = 0
    most = min(MOST_BYTES, archive.stat().st_size * MOST_EXPANSION)
    try:
        for name, size, opened in _members(archive):
            most -= size
            if most < 0:
                raise InputError(f"{archive} expands more than {MOST_EXPANSION} times: that is no archive of images")
            write(opened, size, inside(target, name, archive))
            count += 1
    except (tarfile.TarError, zipfile.BadZipFile, EOFError, OSError) as error:
        raise InputError(f"cannot unpack {archive}: {error}") from None
    return count


def inside(target: Path, name: str, archive: Path) -> Path:
    """The file in ``target`` that a member called ``name`` becomes.

    Raises:
        InputError: It would lie outside.
    """
    path = PurePosixPath(name.replace("\\", "/"))
    place = target.joinpath(*path.parts)
    if path.is_absolute() or ".." in path.parts or ":" in name or not path.parts:
        raise InputError(f"{archive} holds {name!r}, which would be written outside {target}: do not trust it")
    if not place.resolve().is_relative_to(target.resolve()):
        raise InputError(f"{archive} holds {name!r}, and a link leads it outside {target}: do not trust it")
    return place


def write(opened: IO[bytes], size: int, file: Path) -> None:
    """Copy ``size`` bytes into ``file``, which appears when it is complete and not before."""
    if file.is_file() and not file.is_symlink() and file.stat().st_size == size:
        return
    file.parent.mkdir(parents=True, exist_ok=True)
    partial = file.with_name(f".{file.name}{PARTIAL}")
    partial.unlink(missing_ok=True)
    remaining = size
    with partial.open("xb") as written:
        while remaining > 0 and (chunk := opened.read(min(CHUNK, remaining))):
            written.write(chunk)
            remaining -= len(chunk)
    if remaining > 0:
        raise InputError(f"{file.name} ends {remaining} bytes too early: the archive is truncated")
    os.replace(partial, file)


def checksum(file: Path) -> str:
    """The MD5 of a file, which publishers of data sets give: another file with the same one is not to be made.

    Only who made the first file too could have made two alike.
    """
    with file.open("rb") as opened:
        return hashlib.file_digest(opened, "md5").hexdigest()


def _members(archive: Path) -> Iterator[tuple[str, int, IO[bytes]]]:
    """Name, size and content of every plain file; a link or device is refused."""
    if zipfile.is_zipfile(archive):
        yield from _zip_members(archive)
        return
    with tarfile.open(archive) as tar:
        for member in tar:
            if member.isdir():
                continue
            content = tar.extractfile(member) if member.isreg() else None
            if content is None:
                raise InputError(f"{archive} holds {member.name!r}, a link or device: do not trust it")
            yield member.name, member.size, content


def _zip_members(archive: Path) -> Iterator[tuple[str, int, IO[bytes]]]:
    with zipfile.ZipFile(archive) as packed:
        for info in packed.infolist():
            kind = stat.S_IFMT(info.external_attr >> 16)
            if info.is_dir():
                continue
            if kind not in (0, stat.S_IFREG):
                raise InputError(f"{archive} holds {info.filename!r}, a link or device: do not trust it")
            with packed.open(info) as content:
                yield info.filename, info.file_size, content
