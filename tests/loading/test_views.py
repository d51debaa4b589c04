import time
from dataclasses import replace
from typing import Any

import pytest
import torch
from torch import Tensor
from torchvision.transforms import InterpolationMode, v2
from torchvision.transforms.v2 import functional as F

from inception_lightning.data import Augmentation, CenterCrop
from inception_lightning.loading.dataset import ImageTensors
from inception_lightning.loading.image import DecodedImage
from inception_lightning.loading.random_numbers import RandomNumbers
from inception_lightning.loading.views import RandomViews, inception_crop, slim_crop


def draws(seed: int = 0) -> RandomNumbers:
    seeded = RandomNumbers()
    seeded.seed(seed)
    return seeded


def ramp(height: int, width: int) -> Tensor:
    """An image whose red grows to the right and whose green grows downwards."""
    red = torch.linspace(0, 255, width).expand(height, width)
    green = torch.linspace(0, 255, height)[:, None].expand(height, width)
    return torch.stack([red, green, torch.zeros(height, width)]).round().to(torch.uint8)  # (3, H, W)


@pytest.mark.parametrize(("height", "width"), [(8, 8), (40, 25), (20, 300), (1, 1)])
@pytest.mark.parametrize("size", [16, 33])
@pytest.mark.parametrize("view", [Augmentation(), Augmentation(interpolation="bicubic"), CenterCrop()], ids=str)
def test_views_are_uint8_squares(view: Augmentation | CenterCrop, size: int, height: int, width: int) -> None:
    image = ramp(height, width)
    seen = view.build(size)(image, draws()) if isinstance(view, Augmentation) else view.build(size)(image)
    assert seen.shape == (3, size, size)
    assert seen.dtype == torch.uint8


def test_the_whole_area_without_flip_is_the_whole_image() -> None:
    image = ramp(20, 20)
    view = Augmentation(area=(1.0, 1.0), aspect=(1.0, 1.0), flip=False).build(20)
    assert all(torch.equal(view(image, draws(seed)), image) for seed in range(10))


def test_flips_mirror_every_other_view_left_to_right() -> None:
    drawn = draws()
    image = ramp(20, 20)
    view = Augmentation(area=(1.0, 1.0), aspect=(1.0, 1.0)).build(20)
    seen = [view(image, drawn) for _ in range(200)]
    kept = sum(torch.equal(one, image) for one in seen)
    mirrored = sum(torch.equal(one, image.flip(2)) for one in seen)
    assert kept + mirrored == 200
    assert 70 <= mirrored <= 130  # binomial: beyond four standard deviations


def test_random_crops_cover_the_area_and_aspect_that_were_said() -> None:
    drawn = draws()
    view = Augmentation(area=(0.08, 1.0), flip=False).build(50)
    areas, aspects = [], []
    for _ in range(300):
        seen = view(ramp(200, 200), drawn).float()
        width = (seen[0].max() - seen[0].min()).item() / 255  # shares of the image's sides
        height = (seen[1].max() - seen[1].min()).item() / 255
        areas.append(width * height)
        aspects.append(width / height)
    assert 0.05 < min(areas) < 0.12  # the ends of a resized ramp lie up to a pixel within
    assert max(areas) > 0.9
    assert 0.7 < min(aspects) < 0.8
    assert 1.25 < max(aspects) < 1.42


@pytest.mark.parametrize(("fraction", "shorter"), [(1.0, 32), (0.875, 36), (0.5, 64)])
def test_center_crop_resizes_the_shorter_side_and_cuts_the_centre(fraction: float, shorter: int) -> None:
    image = torch.randint(0, 256, (3, 50, 70), dtype=torch.uint8)
    resized = F.resize(image, [shorter], antialias=True)
    top, left = round((shorter - 32) / 2), round((resized.shape[2] - 32) / 2)
    expected = resized[:, top : top + 32, left : left + 32]
    assert torch.equal(CenterCrop(fraction=fraction).build(32)(image), expected)


@pytest.mark.parametrize(("height", "width"), [(6, 20_000), (20_001, 7), (3, 1000)])
def test_of_a_long_strip_only_the_middle_is_resized(height: int, width: int) -> None:
    image = torch.randint(0, 256, (3, height, width), dtype=torch.uint8)
    view = CenterCrop().build(299)
    window = view.window(height, width)
    assert window is not None
    top, left, tall, wide = window
    assert max(tall, wide) <= 8 * min(height, width) + 1
    assert (height - tall - top, width - wide - left) == (top, left)  # the middle
    start = time.perf_counter()
    seen = view.show(DecodedImage(image))
    assert time.perf_counter() - start < 10  # 42 s and 3.7 GB for the whole strip
    assert torch.equal(seen, view(image))
    if max(height, width) == 1000:  # short enough to be resized as a whole
        whole = v2.CenterCrop(299)(v2.Resize(341, antialias=True)(image))
        assert (seen.int() - whole.int()).abs().max() <= 4  # of 255, in noise that is enlarged 114 times


def test_the_papers_evaluation_view_is_resized_to_341_for_299_pixels() -> None:
    resize = CenterCrop().build(299).transforms[0]
    assert resize.size == [341]


@pytest.mark.parametrize("how", ["bilinear", "bicubic"])
def test_views_are_torchvisions_bit_by_bit(how: Any) -> None:
    image = torch.randint(0, 256, (60, 90, 3), dtype=torch.uint8).permute(2, 0, 1)  # as decoded
    ours = Augmentation(interpolation=how).build(40)
    crop = v2.RandomResizedCrop(40, interpolation=InterpolationMode(how), antialias=True)
    theirs = v2.Compose([crop, v2.RandomHorizontalFlip()])
    for seed in range(50):
        torch.manual_seed(seed)
        assert torch.equal(ours(image, draws(seed)), theirs(image))


@pytest.mark.parametrize(("height", "width"), [(10, 300), (300, 10), (1, 1), (1, 7)])
def test_a_crop_that_cannot_be_is_torchvisions_in_the_middle(height: int, width: int) -> None:
    crop = v2.RandomResizedCrop(50, (0.9, 1.0))
    for seed in range(10):
        torch.manual_seed(seed)
        expected = crop.make_params([ramp(height, width)])
        found = inception_crop(height, width, (0.9, 1.0), (3 / 4, 4 / 3), draws(seed))
        assert found == tuple(expected[name] for name in ("top", "left", "height", "width"))


def test_slim_crops_are_larger_and_within_what_was_said() -> None:
    drawn = draws()
    places = [slim_crop(200, 300, (0.05, 1.0), (3 / 4, 4 / 3), drawn) for _ in range(500)]
    areas = [height * width / 60_000 for _, _, height, width in places]
    aspects = [width / height for _, _, height, width in places]
    assert 0.049 < min(areas) < 0.08
    assert max(areas) > 0.8
    assert 0.74 < min(aspects) < 0.78
    assert 1.30 < max(aspects) < 1.35
    assert all(top + height <= 200 and left + width <= 300 for top, left, height, width in places)


def test_a_slim_crop_that_cannot_be_is_the_whole_image() -> None:
    assert slim_crop(20, 300, (0.9, 1.0), (3 / 4, 4 / 3), draws()) == (0, 0, 20, 300)


OPTIONS = (
    Augmentation(crop="slim"),
    Augmentation(interpolation="random"),
    Augmentation(distortion=1.0),
    Augmentation(rand_augment=9),
    Augmentation(erasing=1.0),
    Augmentation(crop="slim", interpolation="random", distortion=1.0, rand_augment=9, erasing=0.5),
)


@pytest.mark.parametrize("view", OPTIONS, ids=str)
def test_every_option_is_a_function_of_seed_epoch_and_index(view: Augmentation) -> None:
    images = torch.randint(0, 256, (2, 3, 40, 50), dtype=torch.uint8)
    views = RandomViews(ImageTensors(images, torch.arange(2)), view.build(32), seed=3)
    first = [views[epoch, 1][0] for epoch in range(4)]
    torch.manual_seed(99)
    again = [views[epoch, 1][0] for epoch in range(4)]
    assert all(torch.equal(one, other) for one, other in zip(first, again, strict=True))
    assert all(one.shape == (3, 32, 32) and one.dtype == torch.uint8 for one in first)
    assert not torch.equal(first[0], first[1])


def test_distortion_changes_colours_and_erasing_makes_a_grey_rectangle() -> None:
    image, whole = ramp(40, 40), Augmentation(area=(1.0, 1.0), aspect=(1.0, 1.0), flip=False)
    assert not torch.equal(replace(whole, distortion=1.0).build(40)(image, draws()), image)
    erased = replace(whole, erasing=1.0).build(40)(image, draws())
    changed = (erased != image).any(dim=0)
    assert 0.01 < changed.float().mean() < 0.4
    assert (erased[:, changed] == 128).all()
