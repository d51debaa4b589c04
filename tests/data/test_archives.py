import bz2
import gzip
import io
import lzma
import stat
import tarfile
import zipfile
from pathlib import Path

import numpy as np
import pytest

from inception_lightning.__main__ import main
from inception_lightning.data.archives import extract
from inception_lightning.errors import InputError


def tar(file: Path, *members: tarfile.TarInfo, content: bytes = b"owned") -> Path:
    with tarfile.open(file, "w:gz") as made:
        for member in members:
            if member.isreg():
                member.size = len(content)
            made.addfile(member, io.BytesIO(content) if member.isreg() else None)
    return file


def member(name: str, kind: bytes = tarfile.REGTYPE, link: str = "") -> tarfile.TarInfo:
    made = tarfile.TarInfo(name)
    made.type, made.linkname = kind, link
    return made


def zipped(file: Path, *names: str, mode: int = stat.S_IFREG | 0o644, content: bytes = b"owned") -> Path:
    with zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED) as made:
        for name in names:
            info = zipfile.ZipInfo(name)
            info.external_attr = mode << 16
            info.compress_type = zipfile.ZIP_DEFLATED
            made.writestr(info, content)
    return file


def attacks(folder: Path) -> dict[str, Path]:
    """Archives that want to write outside, or too much."""
    outside = folder / "outside"
    return {
        "tar_dots": tar(folder / "1.tar.gz", member("../outside/x")),
        "tar_inner_dots": tar(folder / "2.tar.gz", member("a/../../outside/x")),
        "tar_absolute": tar(folder / "3.tar.gz", member(f"{outside}/x")),
        "tar_link_then_write": tar(folder / "4.tar.gz", member("a", tarfile.SYMTYPE, str(outside)), member("a/x")),
        "tar_hard_link": tar(folder / "5.tar.gz", member("a", tarfile.LNKTYPE, f"{outside}/y")),
        "tar_pipe": tar(folder / "6.tar.gz", member("a", tarfile.FIFOTYPE)),
        "tar_device": tar(folder / "7.tar.gz", member("a", tarfile.CHRTYPE)),
        "tar_bomb": tar(folder / "8.tar.gz", member("a"), content=bytes(50_000_000)),
        "zip_dots": zipped(folder / "1.zip", "../outside/x"),
        "zip_backslashes": zipped(folder / "2.zip", "..\\outside\\x"),
        "zip_absolute": zipped(folder / "3.zip", f"{outside}/x"),
        "zip_drive": zipped(folder / "4.zip", "C:/x"),
        "zip_link": zipped(folder / "5.zip", "a", mode=stat.S_IFLNK | 0o777, content=b"../outside"),
        "zip_bomb": zipped(folder / "6.zip", "a", content=bytes(50_000_000)),
    }


def test_attacks_write_nothing_outside_the_target(tmp_path: Path) -> None:
    outside = tmp_path / "outside"
    outside.mkdir()
    (outside / "y").write_text("mine")
    for name, archive in attacks(tmp_path).items():
        target = tmp_path / "target" / name
        with pytest.raises(InputError):
            extract(archive, target)
        written = [file for file in target.rglob("*") if not file.is_dir()] if target.exists() else []
        assert not written, name
        assert [file.name for file in outside.iterdir()] == ["y"], name
        assert (outside / "y").read_text() == "mine", name
    assert not Path("C:").exists()


def test_a_link_in_the_target_is_not_followed_outside(tmp_path: Path) -> None:
    (tmp_path / "outside").mkdir()
    (tmp_path / "target").mkdir()
    (tmp_path / "target" / "a").symlink_to(tmp_path / "outside")
    with pytest.raises(InputError, match="a link leads it outside"):
        extract(tar(tmp_path / "a.tar.gz", member("a/x")), tmp_path / "target")
    assert not any((tmp_path / "outside").iterdir())


@pytest.mark.parametrize("kind", ["tar.gz", "zip"])
def test_plain_files_come_out_and_a_second_time_changes_nothing(kind: str, tmp_path: Path) -> None:
    names = ("cat/1.jpg", "dog/sub/2.jpg")
    make = zipped if kind == "zip" else lambda file, *names: tar(file, *map(member, names))
    archive = make(tmp_path / f"a.{kind}", *names)
    assert extract(archive, tmp_path / "target") == 2
    files = [tmp_path / "target" / name for name in names]
    assert [file.read_bytes() for file in files] == [b"owned", b"owned"]
    before = [file.stat().st_mtime_ns for file in files]
    files[0].unlink()  # as if it had been stopped
    extract(archive, tmp_path / "target")
    assert files[0].read_bytes() == b"owned"
    assert files[1].stat().st_mtime_ns == before[1]


@pytest.mark.parametrize("content", [b"", b"<html>", b"PK\x03\x04 half"])
def test_what_is_no_archive_is_refused(content: bytes, tmp_path: Path) -> None:
    (tmp_path / "a.tar").write_bytes(content)
    with pytest.raises(InputError, match="cannot unpack"):
        extract(tmp_path / "a.tar", tmp_path / "target")


def damaged(file: Path, kind: str) -> None:
    """Ten images in an archive that something has happened to."""
    packed = io.BytesIO()
    with tarfile.open(fileobj=packed, mode="w") as made:
        for index in range(10):
            member_of_ten = member(f"cat/{index}.jpg")
            member_of_ten.size = 1000
            made.addfile(member_of_ten, io.BytesIO(np.random.default_rng(index).bytes(1000)))
    whole = packed.getvalue()
    half = whole[: 5 * 3 * 512]  # between two images: each has a header and two blocks
    flipped = bytearray(whole)
    flipped[5 * 3 * 512 + 10] ^= 1  # in the sixth header
    zipped = gzip.compress(whole)
    late = bytearray(zipped)
    late[-8] ^= 1  # gzip's checksum
    inside = bytearray(zipped)
    inside[len(zipped) // 2] ^= 16
    with zipfile.ZipFile(packed := io.BytesIO(), "w") as made_zip:
        for index in range(10):
            made_zip.writestr(f"cat/{index}.jpg", np.random.default_rng(index).bytes(1000))
    of_zip = bytearray(packed.getvalue())
    of_zip[5000] ^= 1
    contents: dict[str, bytes | bytearray] = {
        "half a tar": half,
        "a tar without its end": whole[: 10 * 3 * 512],
        "a header of a tar": flipped,
        "half a tar, compressed": gzip.compress(half),
        "half a compressed tar": zipped[: len(zipped) // 2],
        "nearly a compressed tar": zipped[:-9],
        "gzip's checksum": late,
        "a byte within gzip": inside,
        "xz cut off": lzma.compress(whole)[:-40],
        "bzip2 cut off": bz2.compress(whole)[:-40],
        "a byte within a zip": of_zip,
        "half a zip": packed.getvalue()[: len(packed.getvalue()) // 2],
        "sound": whole,
        "sound zip": packed.getvalue(),
    }
    file.write_bytes(contents[kind])


DAMAGES = [
    *("half a tar", "a tar without its end", "a header of a tar", "half a tar, compressed", "half a compressed tar"),
    *("nearly a compressed tar", "gzip's checksum", "a byte within gzip", "xz cut off", "bzip2 cut off"),
    *("a byte within a zip", "half a zip"),
]


@pytest.mark.parametrize("kind", DAMAGES)
def test_a_damaged_archive_is_not_taken_for_a_short_one(
    kind: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    archive, root = tmp_path / "images.archive", tmp_path / "images"
    damaged(archive, kind)
    assert main(["data", "prepare", str(archive), "--root", str(root)]) == 2
    assert capsys.readouterr().err.startswith(f"error: cannot unpack {archive}: ")
    damaged(archive, "sound zip" if "zip" in kind and "gzip" not in kind else "sound")
    assert main(["data", "prepare", str(archive), "--root", str(root)]) == 0
    contents = [file.read_bytes() for file in sorted(root.rglob("*.jpg"))]
    assert contents == [np.random.default_rng(index).bytes(1000) for index in range(10)]  # whatever was there before
