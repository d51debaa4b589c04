from pathlib import Path
from typing import Any

import numpy as np
import pytest
import simplejpeg
import torch
from PIL import Image, ImageOps
from torch import Tensor

from inception_lightning.data import Augmentation
from inception_lightning.loading import jpeg
from inception_lightning.loading.dataset import ImageDataset, ImageFiles, Label
from inception_lightning.loading.decoding import ImageInputError, decode, open_image, read_file
from inception_lightning.loading.image import OpenImage, Window, crop
from inception_lightning.loading.random_numbers import RandomNumbers, mixed_seed
from inception_lightning.loading.views import RandomViews

HEIGHT, WIDTH = 133, 187
EXIF, UPRIGHT = Image.Exif(), Image.Exif()
EXIF[0x0112] = 6  # turned
UPRIGHT[0x0112] = 1
BY_ROWS: dict[str, dict[str, Any]] = {
    "colours_whole": {"subsampling": 0},
    "colours_half": {"subsampling": 1},
    "colours_quarter": {"subsampling": 2},
    "colours_quarter_coarse": {"subsampling": 2, "quality": 20},
    "own_tables": {"optimize": True},
    "restart_markers": {"restart_marker_rows": 1},
    "upright_by_exif": {"exif": UPRIGHT},
}
WHOLE: dict[str, dict[str, Any]] = {"progressive": {"progressive": True}, "turned": {"exif": EXIF}}
SHARE = (10, 20, 30, 40)  # a window


def photo() -> Image.Image:
    """Smooth colours with edges and some noise."""
    rows, columns = np.mgrid[0:HEIGHT, 0:WIDTH]
    waves = [128 + 90 * np.sin(rows / a + columns / b) for a, b in ((7, 19), (23, 5), (11, 11))]
    pixels = np.stack(waves, axis=2) + 60 * ((rows // 20 + columns // 30) % 2)[..., None]
    noise = np.random.default_rng(0).normal(0, 8, pixels.shape)
    return Image.fromarray((pixels + noise).clip(0, 255).astype(np.uint8))


def windows(height: int, width: int) -> list[Window]:
    generator = np.random.default_rng(1)
    drawn: list[Window] = [(0, 0, height, width), (0, 0, 1, 1), (height - 1, width - 1, 1, 1)]
    for _ in range(40):
        top, left = (int(generator.integers(side)) for side in (height, width))
        tall, wide = (int(generator.integers(1, room + 1)) for room in (height - top, width - left))
        drawn.append((top, left, tall, wide))
    return drawn


def opened(file: Path) -> OpenImage:
    return open_image(read_file(file), str(file))


@pytest.mark.parametrize("name", [*BY_ROWS, *WHOLE])
def test_a_part_has_the_pixels_of_the_whole_image(name: str, tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    file = tmp_path / "photo.jpg"
    photo().save(file, **(BY_ROWS | WHOLE)[name])
    whole = decode(file)
    image = opened(file)
    assert (image.height, image.width) == whole.shape[1:]
    for window in windows(image.height, image.width):
        assert torch.equal(image.pixels(window), crop(whole, window))
    assert torch.equal(image.pixels(), whole)
    assert capfd.readouterr().err == ""  # the decoder would mind what is left over


@pytest.mark.parametrize("name", [*BY_ROWS, *WHOLE])
def test_only_rows_down_to_the_part_are_decoded_where_that_can_be(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = tmp_path / "photo.jpg"
    photo().save(file, **(BY_ROWS | WHOLE)[name])
    rows: list[int] = []

    def watched(data: Any, **options: Any) -> Any:
        pixels = simplejpeg.decode_jpeg(data, **options)
        rows.append(len(pixels))
        return pixels

    monkeypatch.setattr(jpeg, "decode_jpeg", watched)
    data = read_file(file)
    open_image(data, str(file)).pixels(SHARE)
    assert rows == {"progressive": [133], "turned": []}.get(name, [10 + 30 + 2])  # of 133 rows; Pillow turns
    assert data.tobytes() == file.read_bytes()


@pytest.mark.parametrize("name", [*BY_ROWS, *WHOLE, "grey"])
def test_whole_images_have_pillows_pixels(name: str, tmp_path: Path) -> None:
    file = tmp_path / "photo.jpg"
    (photo().convert("L") if name == "grey" else photo()).save(file, **(BY_ROWS | WHOLE | {"grey": {}})[name])
    with Image.open(file) as stored:
        expected = np.asarray(ImageOps.exif_transpose(stored).convert("RGB"))  # (H, W, 3)
    assert np.array_equal(decode(file).permute(1, 2, 0).numpy(), expected)


def test_an_image_without_rows_and_damaged_exif_are_left_to_pillow(tmp_path: Path) -> None:
    file = tmp_path / "photo.jpg"
    photo().save(file, exif=UPRIGHT)
    content = bytearray(file.read_bytes())
    exif = content.index(b"Exif")
    content[exif + 6 : exif + 14] = b"garbage!"
    file.write_bytes(content)
    photo().save(tmp_path / "sound.jpg")
    assert torch.equal(opened(file).pixels(SHARE), opened(tmp_path / "sound.jpg").pixels(SHARE))
    frame = content.index(b"\xff\xc0")
    content[frame + 5 : frame + 7] = bytes(2)
    file.write_bytes(content)
    with pytest.raises(ImageInputError):
        opened(file)


@pytest.mark.parametrize("damage", ["truncated", "half_of_it", "garbage_after"])
def test_damage_below_the_part_is_seen_as_in_the_whole_image(damage: str, tmp_path: Path) -> None:
    file = tmp_path / "photo.jpg"
    photo().save(file)
    content = file.read_bytes()
    file.write_bytes(
        {"truncated": content[:-20], "half_of_it": content[: len(content) // 2], "garbage_after": content + b"1234"}[
            damage
        ]
    )
    window = (0, 0, 8, 8)
    if damage == "garbage_after":
        assert torch.equal(opened(file).pixels(window), decode(file)[:, :8, :8])
        return
    for wanted in (None, window):
        with pytest.raises(ImageInputError, match="truncated"):
            opened(file).pixels(wanted)


class Whole(ImageDataset):
    """The same images, decoded whole."""

    def __init__(self, files: ImageFiles) -> None:
        self.files = files
        self.labels = files.labels

    def __len__(self) -> int:
        return len(self.files)

    def __getitem__(self, index: int) -> tuple[Tensor, Label]:
        return self.files[index]

    def contents(self) -> Any:
        return self.files.contents()


def test_views_of_parts_are_those_of_whole_images(tmp_path: Path) -> None:
    photo().save(tmp_path / "photo.jpg")
    files = ImageFiles([tmp_path / "photo.jpg"], [0])
    view = Augmentation(distortion=1.0).build(64)
    parts, wholes = (RandomViews(dataset, view, seed=2) for dataset in (files, Whole(files)))
    assert all(torch.equal(parts[epoch, 0][0], wholes[epoch, 0][0]) for epoch in range(20))


def test_views_are_those_of_pillow_up_to_rounding(tmp_path: Path) -> None:
    photo().save(tmp_path / "photo.jpg")
    views = RandomViews(ImageFiles([tmp_path / "photo.jpg"], [0]), Augmentation(flip=False).build(64), seed=0)
    drawn = RandomNumbers()
    for epoch in range(20):
        seen = views[epoch, 0][0].permute(1, 2, 0).numpy().astype(int)
        drawn.seed(mixed_seed(0, epoch, 0))
        top, left, height, width = views.view.window(HEIGHT, WIDTH, drawn)
        with Image.open(tmp_path / "photo.jpg") as image:
            whole = image.crop((left, top, left + width, top + height))
        reference = np.asarray(whole.resize((64, 64), Image.Resampling.BILINEAR)).astype(int)
        assert np.abs(seen - reference).max() <= 1  # of 255
        assert np.abs(seen - reference).mean() < 0.25
