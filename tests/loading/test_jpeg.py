from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image
from torch import Tensor

from inception_lightning.data import Augmentation
from inception_lightning.loading import jpeg
from inception_lightning.loading.dataset import ImageDataset, cut
from inception_lightning.loading.decoding import ImageFiles, ImageInputError, decode
from inception_lightning.loading.jpeg import Window, header, part
from inception_lightning.loading.random_numbers import Draws
from inception_lightning.loading.sampler import mixed_seed
from inception_lightning.loading.views import RandomViews

HEIGHT, WIDTH = 133, 187
EXIF = Image.Exif()
EXIF[0x0112] = 6  # turned
BY_ROWS: dict[str, dict[str, Any]] = {
    "colours_whole": {"subsampling": 0},
    "colours_half": {"subsampling": 1},
    "colours_quarter": {"subsampling": 2},
    "colours_quarter_coarse": {"subsampling": 2, "quality": 20},
    "own_tables": {"optimize": True},
    "restart_markers": {"restart_marker_rows": 1},
}
WHOLE: dict[str, dict[str, Any]] = {"progressive": {"progressive": True}, "turned": {"exif": EXIF}}


def photo() -> Image.Image:
    """Smooth colours with edges and some noise."""
    rows, columns = np.mgrid[0:HEIGHT, 0:WIDTH]
    waves = [128 + 90 * np.sin(rows / a + columns / b) for a, b in ((7, 19), (23, 5), (11, 11))]
    pixels = np.stack(waves, axis=2) + 60 * ((rows // 20 + columns // 30) % 2)[..., None]
    noise = np.random.default_rng(0).normal(0, 8, pixels.shape)
    return Image.fromarray((pixels + noise).clip(0, 255).astype(np.uint8))


def places(height: int, width: int) -> list[Window]:
    generator = np.random.default_rng(1)
    drawn: list[Window] = [(0, 0, height, width), (0, 0, 1, 1), (height - 1, width - 1, 1, 1)]
    for _ in range(40):
        top, left = (int(generator.integers(side)) for side in (height, width))
        tall, wide = (int(generator.integers(1, room + 1)) for room in (height - top, width - left))
        drawn.append((top, left, tall, wide))
    return drawn


@pytest.mark.parametrize("name", [*BY_ROWS, *WHOLE])
def test_a_part_has_the_pixels_of_the_whole_image(name: str, tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    file = tmp_path / "photo.jpg"
    photo().save(file, **(BY_ROWS | WHOLE)[name])
    whole = decode(file)
    for window in places(*whole.shape[1:]):
        assert torch.equal(decode(file, lambda height, width: window), cut(whole, lambda height, width: window))  # noqa: B023
    assert capfd.readouterr().err == ""  # the decoder would mind what is left over


@pytest.mark.parametrize("name", [*BY_ROWS, *WHOLE])
def test_only_rows_down_to_the_part_are_decoded_where_that_can_be(name: str, tmp_path: Path) -> None:
    file = tmp_path / "photo.jpg"
    photo().save(file, **(BY_ROWS | WHOLE)[name])
    data = np.fromfile(file, np.uint8)
    found = header(data)
    assert found is not None
    upper = part(data, found, lambda height, width: (10, 20, 30, 40))
    if name in WHOLE:
        assert upper is None
        return
    assert upper is not None
    shortened = header(data)
    assert shortened is not None
    assert shortened.height == 10 + 30 + 2  # of 133 rows: what the decoder was told
    found.restore(data)
    assert data.tobytes() == file.read_bytes()


def test_without_the_extra_package_parts_are_the_same(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file = tmp_path / "photo.jpg"
    photo().save(file)
    fast = decode(file, lambda height, width: (10, 20, 30, 40))
    monkeypatch.setattr(jpeg, "decode_jpeg", None)
    assert torch.equal(decode(file, lambda height, width: (10, 20, 30, 40)), fast)


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
        assert torch.equal(decode(file, lambda height, width: window), decode(file)[:, :8, :8])
        return
    for place in (None, lambda height, width: window):
        with pytest.raises(ImageInputError, match="truncated"):
            decode(file, place)


class Whole(ImageDataset):
    """The same images, decoded whole."""

    def __init__(self, files: ImageFiles) -> None:
        self.files = files
        self.labels = files.labels

    def __len__(self) -> int:
        return len(self.files)

    def __getitem__(self, index: int) -> tuple[Tensor, int]:
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
    drawn = Draws()
    for epoch in range(20):
        seen = views[epoch, 0][0].permute(1, 2, 0).numpy().astype(int)
        drawn.seed(mixed_seed(0, epoch, 0))
        top, left, height, width = views.view.place(HEIGHT, WIDTH, drawn)
        with Image.open(tmp_path / "photo.jpg") as image:
            whole = image.crop((left, top, left + width, top + height))
        reference = np.asarray(whole.resize((64, 64), Image.Resampling.BILINEAR)).astype(int)
        assert np.abs(seen - reference).max() <= 1  # of 255
        assert np.abs(seen - reference).mean() < 0.25
