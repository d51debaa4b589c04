"""The crops lie where the papers say, for square, wide and tall images, and their pixels are those of the image."""

from pathlib import Path

import pytest
import torch
from torch import Tensor
from torchvision.transforms import v2

from inception_lightning.data import Photos
from inception_lightning.errors import InputError
from inception_lightning.loading.crops import Crops, Rectangle
from inception_lightning.loading.dataset import ImageTensors
from inception_lightning.loading.image import DecodedImage, OpenImage
from inception_lightning.loading.sampler import EvaluationSampler
from inception_lightning.loading.views import CenterCrop, FixedViews, PhotoViews

SQUARE, WIDE, TALL = (500, 500), (300, 500), (640, 480)


def windows(found: list[Rectangle]) -> list[tuple[int, int, tuple[int, int, int, int]]]:
    return [(one.height, one.width, one.window) for one in found if not one.mirrored]


def by_the_paper(
    sides: dict[int, tuple[int, int]], starts: dict[int, list[tuple[int, int]]]
) -> set[tuple[object, ...]]:
    """Section 7 of Going deeper with convolutions, for squares that start at ``starts`` (top, left) of each scale."""
    crops: set[tuple[object, ...]] = set()
    for side, (height, width) in sides.items():
        for top, left in starts[side]:
            rest = side - 224
            for down, right in ((0, 0), (0, rest), (rest, 0), (rest, rest), (rest // 2, rest // 2)):
                crops.add((height, width, (top + down, left + right, 224, 224)))
            crops.add((height, width, (top, left, side, side)))
    return crops


@pytest.mark.parametrize(
    ("size", "sides", "starts"),
    [
        (
            SQUARE,
            {side: (side, side) for side in (256, 288, 320, 352)},
            {side: [(0, 0)] for side in (256, 288, 320, 352)},
        ),
        (
            WIDE,  # longer sides 426, 480, 533, 586: left, centre and right squares
            {256: (256, 426), 288: (288, 480), 320: (320, 533), 352: (352, 586)},
            {
                256: [(0, 0), (0, 85), (0, 170)],
                288: [(0, 0), (0, 96), (0, 192)],
                320: [(0, 0), (0, 106), (0, 213)],
                352: [(0, 0), (0, 117), (0, 234)],
            },
        ),
        (
            TALL,  # longer sides 341, 384, 426, 469: top, centre and bottom squares
            {256: (341, 256), 288: (384, 288), 320: (426, 320), 352: (469, 352)},
            {
                256: [(0, 0), (42, 0), (85, 0)],
                288: [(0, 0), (48, 0), (96, 0)],
                320: [(0, 0), (53, 0), (106, 0)],
                352: [(0, 0), (58, 0), (117, 0)],
            },
        ),
    ],
)
def test_the_144_crops_are_those_of_the_paper(
    size: tuple[int, int], sides: dict[int, tuple[int, int]], starts: dict[int, list[tuple[int, int]]]
) -> None:
    found = Crops(144).rectangles(*size, 224)
    assert len(found) == 144 == Crops(144).per_image
    assert sum(one.mirrored for one in found) == 72
    assert set(windows(found)) == by_the_paper(sides, starts)
    assert all(one.part == (0, 0, *size) for one in found)
    counts = [windows(found).count(one) for one in set(windows(found))]
    assert set(counts) == ({3} if size == SQUARE else {1})  # equal squares count three times, as the paper's mean does


def test_the_scales_of_other_networks_are_in_proportion() -> None:
    assert {one.height for one in Crops(144).rectangles(*WIDE, 299)} == {342, 384, 427, 470}


@pytest.mark.parametrize("size", [SQUARE, WIDE, TALL])
def test_10_crops_are_corners_and_centre_of_the_resized_image(size: tuple[int, int]) -> None:
    height, width = {SQUARE: (256, 256), WIDE: (256, 426), TALL: (341, 256)}[size]
    image = torch.arange(height * width).reshape(1, height, width)
    expected = v2.TenCrop(224)(image)
    for one, mirrored in zip(
        Crops(10).rectangles(*size, 224)[::2], Crops(10).rectangles(*size, 224)[1::2], strict=True
    ):
        assert (one.height, one.width, mirrored) == (height, width, one._replace(mirrored=True))
        top, left, tall, wide = one.window
        view = image[:, top : top + tall, left : left + wide]
        assert any(torch.equal(view, other) for other in expected[:5])
        assert any(torch.equal(view.flip(2), other) for other in expected[5:])


def test_12_crops_are_those_of_the_square_in_the_centre() -> None:
    found = Crops(12).rectangles(*WIDE, 224)
    assert len(found) == 12
    assert set(windows(found)) == by_the_paper({256: (256, 426)}, {256: [(0, 85)]})


def test_corners_of_an_image_that_is_seen_whole_are_at_the_first_scale() -> None:
    assert {one.height for one in Crops(10).rectangles(32, 32, 32, 1.0)} == {37}  # 32 * 256 / 224


def test_of_a_strip_only_parts_are_resized() -> None:
    found = Crops(144).rectangles(6, 20_000, 224)
    assert max(one.width for one in found) <= 352 * 9
    assert sorted({one.part[1] for one in found}) == [0, 9976, 19_952]
    assert all(one.part[2:] == (6, 48) for one in found)
    assert Crops(10).rectangles(20_000, 6, 224)[0].part == (0, 0, 48, 6)
    assert Crops(10).rectangles(20_000, 6, 224)[4].part[0] == 20_000 - 48


def shown(crops: Crops, image: Tensor, size: int = 32) -> list[Tensor]:
    view = crops.build(CenterCrop(), size)
    opened = DecodedImage(image)
    return [view.show(opened, number) for number in range(view.count)]


def test_the_views_are_those_of_the_rectangles() -> None:
    image = torch.randint(256, (3, 50, 70), dtype=torch.uint8)
    views = shown(Crops(144), image)
    assert all(view.shape == (3, 32, 32) and view.dtype == torch.uint8 for view in views)
    for one, view in zip(Crops(144).rectangles(50, 70, 32), views, strict=True):
        resized = v2.functional.resize(image, [one.height, one.width], antialias=True)
        top, left, tall, wide = one.window
        expected = v2.functional.resize(resized[:, top : top + tall, left : left + wide], [32, 32], antialias=True)
        assert torch.equal(view, expected.flip(2) if one.mirrored else expected)


def test_flips_and_scales_start_from_the_plain_view() -> None:
    image = torch.randint(256, (3, 50, 70), dtype=torch.uint8)
    plain = CenterCrop().build(32)(image)
    views = shown(Crops(flips=True, scales=(1.0, 1.25)), image)
    assert len(views) == 4
    assert torch.equal(views[0], plain)
    assert torch.equal(views[1], plain.flip(2))
    assert torch.equal(views[2], v2.CenterCrop(32)(v2.functional.resize(image, [45], antialias=True)))
    assert Crops().build(CenterCrop(), 32).count == 1


class Counting(ImageTensors):
    """Counts how often an image is opened."""

    opened = 0

    def open(self, index: int) -> OpenImage:
        self.opened += 1
        return super().open(index)


def test_an_image_is_opened_once_for_all_of_its_views() -> None:
    data = Counting(torch.randint(256, (3, 3, 40, 40), dtype=torch.uint8), torch.tensor([5, 6, 7]))
    views = FixedViews(data, Crops(10).build(CenterCrop(), 32))
    samples = [views[index] for index in range(len(views))]
    assert (len(samples), data.opened) == (30, 3)
    assert [label for _, label in samples] == [5] * 10 + [6] * 10 + [7] * 10


def test_a_photo_that_cannot_be_read_is_grey_in_all_views(tmp_path: Path) -> None:

    (tmp_path / "a.jpg").write_bytes(b"<html>")
    photos = Photos(root=tmp_path / "a.jpg", class_names=["x"], image_size=8, crops=Crops(10), num_workers=0)
    views = photos.views("test")
    assert isinstance(views, PhotoViews)
    assert [views[number][1] for number in range(10)] == [-1] * 10
    assert (views[9][0] == 128).all()


def test_a_process_shows_all_views_of_its_own_images() -> None:
    sampler = EvaluationSampler(5, 3)
    sampler.rank, sampler.num_replicas = 1, 2
    assert list(sampler) == [3, 4, 5, 9, 10, 11]
    assert len(sampler) == 6


@pytest.mark.parametrize(
    ("crops", "complaint"),
    [
        (Crops(10, flips=True), "10 crops have mirror images"),
        (Crops(144, scales=(1.0, 1.2)), "flips and scales go with one crop"),
        (Crops(scales=(0.5,)), "0.5 leaves less than the crop of 32 pixels: at least 0.889"),
    ],
)
def test_what_makes_no_views_is_refused(crops: Crops, complaint: str) -> None:
    with pytest.raises(InputError, match=complaint):
        crops.build(CenterCrop(), 32)
