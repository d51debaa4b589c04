import io
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tifffile
import torch
from numpy.typing import NDArray
from PIL import Image

from inception_lightning.errors import InputError
from inception_lightning.loading.bands import Bands, Pixels, bands_of_all, count_bands, is_picture, open_as
from inception_lightning.loading.decoding import ImageInputError, decode, read_file

Array = NDArray[Any]
RANDOM = np.random.default_rng(0)
BYTES = RANDOM.integers(0, 256, (5, 12, 9), np.uint8)  # (C, H, W)
DEEP = RANDOM.integers(0, 65536, (5, 12, 9)).astype(np.uint16)


def tiff(file: Path, array: Array, **options: Any) -> None:
    tifffile.imwrite(file, array, **options)


def bare(file: Path, array: Array) -> None:
    np.save(file, array)


def picture(mode: str) -> Callable[[Path, Array], None]:
    return lambda file, array: Image.fromarray(array, mode).save(file) if mode else Image.fromarray(array).save(file)


LAST: dict[str, Any] = {"photometric": "minisblack", "planarconfig": "contig"}
FIRST: dict[str, Any] = {"photometric": "minisblack", "planarconfig": "separate"}
WRITTEN: dict[str, tuple[Callable[[Path], None], Array, float]] = {  # how it is written, bands (C, H, W), what is 1.0
    "five.npy": (lambda file: bare(file, BYTES), BYTES, 255),
    "last.npy": (lambda file: bare(file, BYTES.transpose(1, 2, 0)), BYTES, 255),
    "fortran.npy": (lambda file: bare(file, np.asfortranarray(BYTES)), BYTES, 255),
    "grey.npy": (lambda file: bare(file, BYTES[0]), BYTES[:1], 255),
    "deep.npy": (lambda file: bare(file, DEEP), DEEP, 65535),
    "signed.npy": (
        lambda file: bare(file, (DEEP // 2).astype(">i2") - 9000),
        (DEEP // 2).astype(np.int16) - 9000,
        32767,
    ),
    "fractions.npy": (lambda file: bare(file, DEEP / 100 - 50), DEEP / 100 - 50, 1),
    "separate.tif": (lambda file: tiff(file, BYTES, **FIRST), BYTES, 255),
    "contig.tif": (lambda file: tiff(file, BYTES.transpose(1, 2, 0), **LAST), BYTES, 255),
    "pages.tif": (lambda file: tiff(file, BYTES), BYTES, 255),
    "bare_pages.tif": (lambda file: tiff(file, BYTES, metadata=None), BYTES, 255),
    "rows_as_pages.tif": (lambda file: tiff(file, BYTES.transpose(1, 2, 0)), BYTES, 255),
    "lzw.tif": (lambda file: tiff(file, DEEP.transpose(1, 2, 0), compression="lzw", **LAST), DEEP, 65535),
    "imagej.tif": (lambda file: tiff(file, DEEP, imagej=True, metadata={"axes": "CYX"}), DEEP, 65535),
    "big.tif": (lambda file: tiff(file, DEEP, bigtiff=True, **FIRST), DEEP, 65535),
    "colours.tif": (lambda file: tiff(file, DEEP[:3].transpose(1, 2, 0), photometric="rgb"), DEEP[:3], 65535),
    "two.tif": (lambda file: tiff(file, BYTES[:2].transpose(1, 2, 0), **LAST), BYTES[:2], 255),
    "grey16.tif": (lambda file: tiff(file, DEEP[0]), DEEP[:1], 65535),
    "grey16.png": (lambda file: picture("")(file, DEEP[0]), DEEP[:1], 65535),
    "grey.png": (lambda file: picture("")(file, BYTES[0]), BYTES[:1], 255),
    "la.png": (lambda file: picture("")(file, BYTES[:2].transpose(1, 2, 0)), BYTES[:2], 255),
    "rgb.png": (lambda file: picture("")(file, BYTES[:3].transpose(1, 2, 0)), BYTES[:3], 255),
    "rgba.png": (lambda file: picture("")(file, BYTES[:4].transpose(1, 2, 0)), BYTES[:4], 255),
    "fractions.tif": (lambda file: tiff(file, DEEP[0].astype(np.float32) / 7), DEEP[:1] / 7, 1),
}


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory) -> Path:
    place = tmp_path_factory.mktemp("bands")
    for name, (write, *_) in WRITTEN.items():
        write(place / name)
    return place


def found(file: Path, channels: int | None = None, scale: float | None = None) -> Bands | None:
    return bands_of_all([(read_file(file), str(file))], channels, scale)


@pytest.mark.parametrize("name", WRITTEN)
def test_every_band_is_there_in_its_own_numbers(name: str, files: Path) -> None:
    _, array, white = WRITTEN[name]
    bands = found(files / name, len(array))
    assert bands is not None
    assert bands.pixels == ("uint8" if array.dtype == np.uint8 else "float32")
    image = bands.open(read_file(files / name), name).pixels()
    if bands.pixels == "uint8":
        assert torch.equal(image, torch.from_numpy(array))
    else:
        expected = torch.from_numpy((array.astype(np.float64) / white).astype(np.float32))
        assert torch.allclose(image, expected, rtol=1e-6, atol=0)
    assert count_bands(read_file(files / name)) in (len(array), None)


@pytest.mark.parametrize("name", WRITTEN)
def test_pictures_are_shown_in_colours_and_all_else_as_it_is_where_nothing_is_said(name: str, files: Path) -> None:
    bands, array = found(files / name), WRITTEN[name][1]
    colours = name in ("colours.tif", "grey16.tif", "bare_pages.tif") or name.endswith(".png")
    assert is_picture(read_file(files / name)) == colours
    if colours:
        assert bands is None
        assert decode(files / name).shape == (3, *array.shape[1:])
    else:
        assert bands is not None
        assert bands.channels == len(array)


def test_a_scale_is_what_is_one(files: Path) -> None:
    bands = found(files / "deep.npy", scale=10_000)
    assert bands == Bands(5, "float32", 10_000)
    image = bands.open(read_file(files / "deep.npy"), "deep.npy").pixels()
    assert torch.equal(image, torch.from_numpy(DEEP.astype(np.float32) / np.float32(10_000)))
    assert found(files / "five.npy", scale=255) == Bands(5, "float32", 255)
    with pytest.raises(InputError, match=r"data.scale .* say --data.channels too"):
        found(files / "rgb.png", scale=10_000)


def test_whole_numbers_of_32_bits_need_a_scale(tmp_path: Path) -> None:
    bare(tmp_path / "a.npy", BYTES.astype(np.int32))
    with pytest.raises(InputError, match=r"a.npy: its numbers are int32, of which nobody knows .* --data.scale"):
        found(tmp_path / "a.npy")
    assert found(tmp_path / "a.npy", scale=1000) == Bands(5, "float32", 1000)


def test_a_jpeg_in_three_bands_is_what_it_is_in_colours(tmp_path: Path) -> None:
    file = tmp_path / "a.jpg"
    Image.fromarray(RANDOM.integers(0, 256, (40, 50, 3), np.uint8)).save(file, quality=85)
    opened, window = open_as(read_file(file), "a.jpg", Bands(3, "uint8")), (3, 4, 20, 30)
    assert torch.equal(opened.pixels(), decode(file))
    assert torch.equal(opened.pixels(window), decode(file)[:, 3:23, 4:34])
    grey = Bands(1, "uint8").open
    with pytest.raises(ImageInputError, match="it has 3 channels and the data have 1"):
        grey(read_file(file), "a.jpg")


def test_palettes_and_ink_are_colours(tmp_path: Path) -> None:
    image = Image.fromarray(BYTES[:3].transpose(1, 2, 0))
    image.quantize(16).save(tmp_path / "p.png")
    image.convert("CMYK").save(tmp_path / "c.jpg", quality=90)
    for name in ("p.png", "c.jpg"):
        data = read_file(tmp_path / name)
        assert torch.equal(Bands(3, "uint8").open(data, name).pixels(), decode(tmp_path / name))
        assert count_bands(data) == 3


BROKEN: dict[str, tuple[Callable[[Path], object], str]] = {
    "short.npy": (lambda file: file.write_bytes(_npy(BYTES)[:300]), "buffer is smaller"),
    "objects.npy": (lambda file: np.save(file, np.array([[{}]], object), allow_pickle=True), "objects of Python"),
    "line.npy": (lambda file: bare(file, BYTES[0, 0]), r"shape is \(9,\)"),
    "cube.npy": (lambda file: bare(file, BYTES[None]), r"shape is \(1, 5, 12, 9\)"),
    "waves.npy": (lambda file: bare(file, BYTES * 1j), "complex128"),
    "whole.npy": (lambda file: bare(file, BYTES.astype(np.int64)), r"int64, of which .* say --data.scale"),
    "holes.npy": (lambda file: bare(file, np.where(BYTES > 250, np.nan, BYTES)), r"\d+ of its numbers are not finite"),
    "bomb.npy": (lambda file: file.write_bytes(_header((5, 200_000, 200_000))), "exceeds limits"),
    "cut.tif": (lambda file: file.write_bytes(_tiff(BYTES)[:250]), ""),
    "page.tif": (lambda file: file.write_text("<html>"), "it is a web page"),
    "empty.npy": (lambda file: bare(file, np.zeros((5, 0, 9), np.uint8)), r"shape is \(5, 0, 9\)"),
}


def _npy(array: Array) -> bytes:
    buffer = io.BytesIO()
    np.save(buffer, array)
    return buffer.getvalue()


def _header(shape: tuple[int, ...]) -> bytes:
    buffer = io.BytesIO()
    np.lib.format.write_array_header_1_0(buffer, {"descr": "|u1", "fortran_order": False, "shape": shape})
    return buffer.getvalue()


def _tiff(array: Array) -> bytes:
    buffer = io.BytesIO()
    tifffile.imwrite(buffer, array, **FIRST)
    return buffer.getvalue()


@pytest.mark.parametrize("name", BROKEN)
@pytest.mark.parametrize("pixels", ["uint8", "float32"])
def test_what_cannot_be_read_is_said(name: str, pixels: Pixels, tmp_path: Path) -> None:
    write, reason = BROKEN[name]
    write(tmp_path / name)
    if pixels == "uint8" and name in ("waves.npy", "whole.npy", "holes.npy"):
        reason = "its numbers are .* and those of the others uint8"
    with pytest.raises(ImageInputError, match=rf"cannot read the image .*{name}: .*{reason}"):
        Bands(5, pixels).open(read_file(tmp_path / name), str(tmp_path / name))


def test_most_files_say_what_all_have(files: Path) -> None:
    names = ["rgb.png", "five.npy", "last.npy", "contig.tif"]
    assert bands_of_all([(read_file(files / name), name) for name in names], None, None) == Bands(5, "uint8")
    assert bands_of_all([], None, None) is None
    assert bands_of_all([], 4, None) == Bands(4, "uint8")
    with pytest.raises(InputError, match=r"rgb.png has 3 channels and 5 are expected"):
        found(files / "rgb.png", 5)
    with pytest.raises(InputError, match=r"five.npy has 5 channels and 1 is expected"):
        found(files / "five.npy", 1)


def test_what_stands_for_an_image_is_in_the_middle() -> None:
    assert torch.equal(Bands(2, "uint8").blank(3), torch.full((2, 3, 3), 128, dtype=torch.uint8))
    assert torch.equal(Bands(5, "float32").blank(2), torch.full((5, 2, 2), 0.5))


def test_tifffile_is_needed_for_tiffs_that_pillow_thins_out_only(files: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "tifffile", None)
    for name, channels in (("grey16.tif", 1), ("five.npy", 5), ("rgba.png", 4)):
        assert found(files / name, channels) is not None
    for name in ("contig.tif", "colours.tif", "pages.tif"):
        with pytest.raises(InputError, match="need tifffile: pip install tifffile imagecodecs") as raised:
            found(files / name, 5)
        assert not isinstance(raised.value, ImageInputError)  # which would be put into quarantine
