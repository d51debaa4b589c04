"""Unpacks archives of strangers: only plain files come out, all of them, into the target, and not too many bytes."""

import contextlib
import hashlib
import lzma
import os
import stat
import tarfile
import zipfile
import zlib
from collections.abc import Iterator
from pathlib import Path, PurePosixPath
from typing import IO

from inception_lightning.errors import InputError

CHUNK = 2**20
MOST_BYTES = 2**40  # 1 TiB: six times ImageNet
MOST_EXPANSION = 200  # a zip of photos expands 1.0 times, a bomb a thousand times
PARTIAL = ".partial"
DAMAGE = (
    *(tarfile.TarError, zipfile.BadZipFile, zlib.error, lzma.LZMAError, EOFError, OSError),
    *(NotImplementedError, RuntimeError),  # a zip that is compressed in another way, or encrypted
)


def extract(archive: Path, target: Path) -> int:
    """Write the plain files of a tar or zip into ``target``; how many. What is there already, complete, is left.

    Raises:
        InputError: It is no archive, is damaged or ends too early, or a name, link or size in it is not to be trusted.
    """
    count = 0
    most = min(MOST_BYTES, archive.stat().st_size * MOST_EXPANSION)
    with _damage_named(archive):
        for name, size, opened in _members(archive, most):
            most -= size
            if most < 0:
                raise InputError(f"{archive} expands more than {MOST_EXPANSION} times: that is no archive of images")
            write(opened, size, inside(target, name, archive))
            count += 1
    return count


@contextlib.contextmanager
def open_tar(archive: Path, inner: IO[bytes] | None = None) -> Iterator[tarfile.TarFile]:
    """A tar, or a tar in it, of which everything is read: where it ends too early or is damaged, that is said.

    tarfile itself takes the first header that it cannot read for the end.

    Raises:
        InputError: It is damaged, or ends without the mark of its end.
    """
    with _damage_named(archive), tarfile.open(None if inner else archive, fileobj=inner, tarinfo=_Whole) as tar:
        yield tar


class _Whole(tarfile.TarInfo):
    """A header; one that is missing or damaged is no end."""

    @classmethod
    def fromtarfile(cls, tarfile_: tarfile.TarFile) -> "_Whole":
        try:
            return super().fromtarfile(tarfile_)
        except tarfile.EOFHeaderError:  # type: ignore[attr-defined]  # the mark of the end, which has no type
            raise
        except tarfile.HeaderError as error:
            raise tarfile.ReadError(f"it ends too early, or is damaged there ({error})") from None


@contextlib.contextmanager
def _damage_named(archive: Path) -> Iterator[None]:
    try:
        yield
    except DAMAGE as error:
        opening = isinstance(error, tarfile.ReadError) and "could not be opened" in str(error)
        reason = "it is no tar or zip, or is cut off at its beginning" if opening else " ".join(str(error).split())
        raise InputError(f"cannot unpack {archive}: {reason}") from None


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
    """Copy ``size`` bytes into ``file``, which appears when it is complete and not before; the same are left."""
    if file.is_file() and not file.is_symlink() and file.stat().st_size == size:
        if _is_content(opened, file):
            return
        opened.seek(0)  # it came from a damaged archive
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


def _is_content(opened: IO[bytes], file: Path) -> bool:
    with file.open("rb") as known:
        while chunk := known.read(CHUNK):
            if opened.read(len(chunk)) != chunk:
                return False
    return True


def checksum(file: Path) -> str:
    """The MD5 of a file, which publishers of data sets give: another file with the same one is not to be made.

    Only who made the first file too could have made two alike.
    """
    with file.open("rb") as opened:
        return hashlib.file_digest(opened, "md5").hexdigest()


def _members(archive: Path, most: int) -> Iterator[tuple[str, int, IO[bytes]]]:
    """Name, size and content of every plain file; a link or device is refused."""
    if zipfile.is_zipfile(archive):
        yield from _zip_members(archive)
        return
    with open_tar(archive) as tar:
        for member in tar:
            if member.isdir():
                continue
            content = tar.extractfile(member) if member.isreg() else None
            if content is None:
                raise InputError(f"{archive} holds {member.name!r}, a link or device: do not trust it")
            yield member.name, member.size, content
        _read_to_the_end(tar, archive, most)


def _read_to_the_end(tar: tarfile.TarFile, archive: Path, most: int) -> None:
    """Have gzip, xz and bzip2 compare their checksums, which come last."""
    assert tar.fileobj is not None
    while chunk := tar.fileobj.read(CHUNK):
        most -= len(chunk)
        if most < 0:
            raise InputError(f"{archive} expands more than {MOST_EXPANSION} times: that is no archive of images")


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
