from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image, ImageOps

from inception_lightning.errors import InputError
from inception_lightning.loading.dataset import ImageFiles
from inception_lightning.loading.decoding import decode
from inception_lightning.loading.listing import class_folders, image_files

ORIENTATION = 0x0112


def picture(mode: str = "RGB") -> Image.Image:
    """8 x 6 pixels, orange above and red below."""
    pixels = np.zeros((6, 8, 3), np.uint8)
    pixels[:, :, 0] = 200
    pixels[:3, :, 1] = 90
    return Image.fromarray(pixels).convert(mode)


def with_transparency(transparency: int | bytes) -> Callable[[Path], None]:
    palette = picture().convert("P", palette=Image.Palette.ADAPTIVE)
    return lambda file: palette.save(file, transparency=transparency)


def animated(file: Path) -> None:
    picture().save(file, save_all=True, append_images=[Image.new("RGB", (8, 6), "blue")])


COLOURED: dict[str, Callable[[Path], None]] = {
    "photo.jpg": lambda file: picture().save(file, quality=100, subsampling=0),
    "progressive.jpg": lambda file: picture().save(file, quality=100, subsampling=0, progressive=True),
    "cmyk.jpg": lambda file: picture("CMYK").save(file, quality=100, subsampling=0),
    "rgb.png": lambda file: picture().save(file),
    "rgba.png": lambda file: picture("RGBA").save(file),
    "one_transparent_colour.png": with_transparency(0),
    "transparent_palette.png": with_transparency(bytes([0, 128])),
    "still.gif": lambda file: picture().save(file),
    "animated.gif": animated,
    "animated.png": animated,
    "lossless.webp": lambda file: picture().save(file, lossless=True),
    "bitmap.bmp": lambda file: picture().save(file),
    "pixmap.ppm": lambda file: picture().save(file),
    "plain.tif": lambda file: picture().save(file),
    "packed.tiff": lambda file: picture().save(file, compression="tiff_lzw"),
    "cmyk.tif": lambda file: picture("CMYK").save(file),
    "a_png_named.jpg": lambda file: picture().save(file, format="png"),
}


@pytest.mark.filterwarnings("error")
@pytest.mark.parametrize("name", COLOURED)
def test_every_format_gives_rgb(name: str, tmp_path: Path) -> None:
    COLOURED[name](tmp_path / name)
    image = decode(tmp_path / name)
    assert image.shape == (3, 6, 8)
    assert image.dtype == torch.uint8
    expected = torch.tensor([200, 90, 0]), torch.tensor([200, 0, 0])
    tolerance = 3 if name.endswith("jpg") else 0
    torch.testing.assert_close(image[:, 0, 0].long(), expected[0], atol=tolerance, rtol=0)
    torch.testing.assert_close(image[:, -1, -1].long(), expected[1], atol=tolerance, rtol=0)


@pytest.mark.parametrize("name", ["grey.jpg", "grey.png", "grey.bmp", "grey.tif", "grey.gif", "grey.pgm", "grey.webp"])
def test_grey_images_get_three_equal_channels(name: str, tmp_path: Path) -> None:
    Image.fromarray(np.full((6, 8), 77, np.uint8)).save(tmp_path / name)
    image = decode(tmp_path / name)
    assert image.shape == (3, 6, 8)
    assert (image.int() - 77).abs().max() <= 1
    assert (image == image[:1]).all()


def test_grey_with_alpha_and_black_and_white(tmp_path: Path) -> None:
    picture("LA").save(tmp_path / "alpha.png")
    picture("1").save(tmp_path / "bits.png")
    assert decode(tmp_path / "alpha.png")[:, 0, 0].tolist() == [113, 113, 113]
    assert set(decode(tmp_path / "bits.png").unique().tolist()) == {0, 255}


@pytest.mark.parametrize("name", ["deep.png", "deep.tif", "deep.pgm"])
def test_16_bits_are_scaled_to_8(name: str, tmp_path: Path) -> None:
    pixels = np.array([[0, 256, 32_768, 65_535]], np.uint16)
    Image.fromarray(pixels).save(tmp_path / name)
    image = decode(tmp_path / name)
    assert image.dtype == torch.uint8
    assert image[2].tolist() == [[0, 1, 128, 255]]


@pytest.mark.parametrize("orientation", range(1, 9))
@pytest.mark.parametrize("name", ["photo.jpg", "photo.png", "photo.tif", "photo.webp"])
def test_photos_are_upright_by_their_exif_mark(name: str, orientation: int, tmp_path: Path) -> None:
    pixels = np.zeros((6, 8, 3), np.uint8)
    pixels[:3, :, 0] = 250  # red above
    pixels[:, :4, 2] = 250  # blue on the left: no two orientations look alike
    mark = Image.Exif()
    mark[ORIENTATION] = orientation
    options: dict[str, Any] = {"quality": 100, "subsampling": 0} if name.endswith("jpg") else {}
    Image.fromarray(pixels).save(tmp_path / name, exif=mark, **options)
    with Image.open(tmp_path / name) as marked:
        upright = torch.from_numpy(np.array(ImageOps.exif_transpose(marked).convert("RGB")))  # (H, W, 3)
    assert upright.shape == ((6, 8, 3) if orientation < 5 else (8, 6, 3))
    torch.testing.assert_close(decode(tmp_path / name).permute(1, 2, 0).float(), upright.float(), atol=2, rtol=0)


@pytest.mark.parametrize("suffix", ["jpg", "png", "gif", "webp", "bmp", "tif"])
@pytest.mark.parametrize("share", [0.0, 0.01, 0.5])
def test_truncated_and_empty_files_are_refused_by_name(suffix: str, share: float, tmp_path: Path) -> None:
    file = tmp_path / f"broken.{suffix}"
    noise = np.random.default_rng(0).integers(0, 256, (64, 64, 3), dtype=np.uint8)
    Image.fromarray(noise).save(file)
    whole = file.read_bytes()
    file.write_bytes(whole[: int(share * len(whole))])
    with pytest.raises(InputError) as raised:
        decode(file)
    assert str(raised.value).startswith(f"cannot read the image {file}: ")
    assert str(raised.value).endswith("; mend or remove it")


def test_a_page_saved_as_a_photo_is_refused_by_name(tmp_path: Path) -> None:
    file = tmp_path / "photo.jpg"
    file.write_text("<!DOCTYPE html><html>404 not found</html>")
    with pytest.raises(InputError, match=r"cannot read the image .*photo\.jpg: cannot identify image file"):
        decode(file)


def test_a_damaged_png_is_refused_and_does_not_crash_the_process(tmp_path: Path) -> None:
    file = tmp_path / "damaged.png"
    Image.fromarray(np.random.default_rng(0).integers(0, 256, (40, 40, 3), dtype=np.uint8)).save(file)
    whole = file.read_bytes()
    rng = np.random.default_rng(0)
    for _ in range(200):
        damaged = bytearray(whole)
        for position in rng.integers(33, len(whole), 3):
            damaged[position] ^= 1 << int(rng.integers(8))
        file.write_bytes(damaged)
        with pytest.raises(InputError, match="cannot read the image"):
            decode(file)


def test_a_decompression_bomb_and_fractions_are_refused(tmp_path: Path) -> None:
    bomb = tmp_path / "bomb.pgm"
    bomb.write_bytes(b"P5 20000 20000 255\n")
    with pytest.raises(InputError, match="exceeds limit"):
        decode(bomb)
    fractions = tmp_path / "fractions.tif"
    Image.fromarray(np.linspace(0, 1, 4, dtype=np.float32)[None]).save(fractions)
    with pytest.raises(InputError, match="fractions of nobody knows what"):
        decode(fractions)


def touch(*files: Path) -> None:
    for file in files:
        file.parent.mkdir(parents=True, exist_ok=True)
        file.touch()


def test_files_are_found_sorted_and_hidden_ones_left_out(tmp_path: Path) -> None:
    shown = [tmp_path / name for name in ("b.JPG", "a.png", "deep/er/c.webp", "deep/a.Jpeg", "z.tiff")]
    hidden = (".a.jpg", "._b.JPG", ".ipynb_checkpoints/a.jpg", "__MACOSX/a.jpg", "deep/.hidden/a.png")
    touch(*shown, *(tmp_path / name for name in hidden), tmp_path / "notes.txt", tmp_path / "a.jpg.part")
    assert image_files(tmp_path) == sorted(shown)
    assert image_files(tmp_path) == image_files(tmp_path)


def test_links_to_images_count_and_loops_of_folders_end(tmp_path: Path) -> None:
    touch(tmp_path / "photos" / "a.jpg")
    (tmp_path / "photos" / "linked.jpg").symlink_to(tmp_path / "photos" / "a.jpg")
    (tmp_path / "photos" / "loop").symlink_to(tmp_path / "photos")
    assert [file.name for file in image_files(tmp_path / "photos")] == ["a.jpg", "linked.jpg"]


def test_class_folders_are_sorted_visible_folders(tmp_path: Path) -> None:
    touch(*(tmp_path / name / "1.jpg" for name in ("dog", "cat", "ant", ".ipynb_checkpoints", "__MACOSX")))
    touch(tmp_path / "readme.jpg")
    (tmp_path / "linked").symlink_to(tmp_path / "dog")
    assert class_folders(tmp_path) == ["ant", "cat", "dog", "linked"]


def test_image_files_decode_on_demand_and_keep_odd_names(tmp_path: Path) -> None:
    files = [tmp_path / name for name in ("plain.png", "ein Bär 🐻.png", "nach\nunten.png")]
    for index, file in enumerate(files):
        Image.new("RGB", (3, 2), (index, 0, 0)).save(file)
    images = ImageFiles(files, [5, 6, 7])
    assert len(images) == 3
    assert [images.file(index) for index in range(3)] == files
    assert [(int(image[0, 0, 0]), label) for image, label in (images[index] for index in range(3))] == [
        (0, 5),
        (1, 6),
        (2, 7),
    ]
    subset = images.subset(torch.tensor([2, 0]))
    assert [subset.file(index) for index in range(2)] == [files[2], files[0]]
    assert subset.labels.tolist() == [7, 5]
