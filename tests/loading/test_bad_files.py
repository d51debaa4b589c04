"""Each malformed file, made here, and its outcome: an image, or a reason."""

import os
import struct
import zlib
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from inception_lightning.errors import InputError
from inception_lightning.loading.decoding import ImageInputError, decode

NOISE = Image.fromarray(np.random.default_rng(0).integers(0, 256, (40, 60, 3), dtype=np.uint8))
READ = "an image"
Maker = Callable[[Path], object]


def encoded(kind: str, image: Image.Image = NOISE) -> bytes:
    """The bytes of an image file."""
    file = Path(os.environ.get("TMPDIR", "/tmp")) / f"bad_files_{os.getpid()}.{kind}"
    image.save(file)
    content = file.read_bytes()
    file.unlink()
    return content


def content(data: bytes) -> Maker:
    return lambda file: file.write_bytes(data)


def cut(kind: str, share: float) -> Maker:
    return lambda file: file.write_bytes(encoded(kind)[: int(share * len(encoded(kind)))])


def saved(mode: str, **options: object) -> Maker:
    return lambda file: NOISE.convert(mode).save(file, **options)  # type: ignore[arg-type]


def huge_jpeg(file: Path) -> None:
    data = bytearray(encoded("jpg"))
    frame = data.index(b"\xff\xc0")
    data[frame + 5 : frame + 9] = b"\xff\xdc\xff\xdc"  # 65,500 x 65,500 pixels: 12.9 GB
    file.write_bytes(data)


def huge_png(file: Path) -> None:
    header = struct.pack(">IIBBBBB", 30_000, 30_000, 8, 2, 0, 0, 0)
    chunks = [(b"IHDR", header), (b"IDAT", zlib.compress(bytes(10_000))), (b"IEND", b"")]
    packed = [
        struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body)) for kind, body in chunks
    ]
    file.write_bytes(b"\x89PNG\r\n\x1a\n" + b"".join(packed))


def large_png(file: Path) -> None:
    Image.new("1", (13_000, 13_000)).save(file)  # 30 KB that would be 3 GB


def deep(file: Path) -> None:
    Image.fromarray(np.full((40, 60), 40_000, np.uint16)).save(file)


def fractions(file: Path) -> None:
    Image.fromarray(np.zeros((40, 60), np.float32)).save(file)


def animated(file: Path) -> None:
    NOISE.save(file, save_all=True, append_images=[Image.new("RGB", (60, 40), "blue")])


def turned(file: Path) -> None:
    mark = Image.Exif()
    mark[0x0112] = 6
    NOISE.rotate(90, expand=True).save(file, exif=mark)


def palette(file: Path) -> None:
    NOISE.convert("P", palette=Image.Palette.ADAPTIVE).save(file, transparency=bytes(range(256)))


def damaged_header(kind: str) -> Maker:
    return lambda file: file.write_bytes(encoded(kind)[:8] + b"\0" * 100)


def wrong_name(kind: str) -> Maker:
    return lambda file: NOISE.save(file, format=kind)


def unreadable(file: Path) -> None:
    file.mkdir()  # as root may read everything, a folder stands for what cannot be read


def table() -> dict[str, tuple[Maker, str]]:
    """File name -> how it is made, and what comes of it."""
    return {
        "empty.jpg": (content(b""), "it is empty"),
        "blank.jpg": (content(b"\n\n  "), "it is empty"),
        "zeros.jpg": (content(bytes(5000)), "cannot identify image file"),
        "web_page.jpg": (content(b"<!DOCTYPE html><html>404"), "it is a web page"),
        "web_page.png": (content(b"\n <html>"), "it is a web page"),
        "pointer.jpg": (content(b"version https://git-lfs.github.com/spec/v1\noid sha256:1"), "git lfs pull"),
        "answer.jpg": (content(b'{"error": "not found"}'), "it is JSON"),
        "paper.jpg": (content(b"%PDF-1.7"), "it is a PDF"),
        "archive.jpg": (content(b"PK\x03\x04" + bytes(50)), "it is a zip archive"),
        "text.jpg": (content(b"hello"), "cannot identify image file"),
        "postscript.jpg": (content(b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 9 9\n"), "cannot identify image file"),
        "two_bytes.jpg": (content(b"\xff\xd8"), "cannot identify image file"),
        "half.jpg": (cut("jpg", 0.5), "truncated"),
        "nearly.jpg": (cut("jpg", 0.9), "truncated"),
        "half.png": (cut("png", 0.5), "truncated"),
        "half.webp": (cut("webp", 0.5), ""),
        "half.gif": (cut("gif", 0.5), "truncated"),
        "half.bmp": (cut("bmp", 0.5), "truncated"),
        "half.tif": (cut("tiff", 0.5), ""),
        "header.jpg": (damaged_header("jpg"), ""),
        "header.png": (damaged_header("png"), ""),
        "huge.jpg": (huge_jpeg, "exceeds limit"),
        "huge.png": (huge_png, "exceeds limit"),
        "large.png": (large_png, "13,000 x 13,000 pixels exceeds limits: at most 100,000,000 are read"),
        "pipe.jpg": (os.mkfifo, "it is a pipe"),
        "huge.pgm": (content(b"P5 60000 60000 255\n"), "exceeds limit"),
        "fractions.tif": (fractions, "fractions of nobody knows what"),
        "vanished.jpg": (lambda file: None, "No such file"),
        "dangling.jpg": (lambda file: file.symlink_to("nowhere"), "No such file"),
        "unreadable.jpg": (unreadable, "Is a directory"),
        "long/" + "a" * 200 + ".jpg": (content(b""), "it is empty"),
        "ein\nB\u00e4r \U0001f43b.jpg": (content(b""), "it is empty"),
        "cmyk.jpg": (saved("CMYK"), READ),
        "grey.jpg": (saved("L"), READ),
        "grey_alpha.png": (saved("LA"), READ),
        "bits.png": (saved("1"), READ),
        "palette.png": (palette, READ),
        "deep.png": (deep, READ),
        "deep.tif": (deep, READ),
        "turned.jpg": (turned, READ),
        "animated.gif": (animated, READ),
        "animated.webp": (animated, READ),
        "animated.png": (animated, READ),
        "progressive.jpg": (saved("RGB", progressive=True), READ),
        "a_png_named.jpg": (wrong_name("png"), READ),
        "a_webp_named.jpg": (wrong_name("webp"), READ),
        "a_jpeg_named.png": (wrong_name("jpeg"), READ),
        "trailing.jpg": (lambda file: file.write_bytes(encoded("jpg") + bytes(1000)), READ),
    }


TABLE = table()


@pytest.mark.parametrize("name", TABLE)
def test_a_file_gives_an_image_or_a_reason(name: str, tmp_path: Path) -> None:
    make, outcome = TABLE[name]
    file = tmp_path / name
    file.parent.mkdir(exist_ok=True)
    make(file)
    if outcome == READ:
        image = decode(file)
        assert image.shape == (3, 40, 60)
        assert image.dtype == torch.uint8
        return
    with pytest.raises(ImageInputError) as raised:
        decode(file)
    assert isinstance(raised.value, InputError)
    assert outcome in raised.value.reason
    assert raised.value.reason
    assert str(raised.value) == f"cannot read the image {file}: {raised.value.reason}; mend or remove it"


def test_the_table_has_at_least_30_malformed_files() -> None:
    assert sum(outcome != READ for _, outcome in TABLE.values()) >= 30
