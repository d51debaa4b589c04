import pytest
import torch
from torch import Tensor
from torchvision.transforms.v2 import functional as F

from inception_lightning.data import Augmentation, CenterCrop


def ramp(height: int, width: int) -> Tensor:
    """An image whose red grows to the right and whose green grows downwards."""
    red = torch.linspace(0, 255, width).expand(height, width)
    green = torch.linspace(0, 255, height)[:, None].expand(height, width)
    return torch.stack([red, green, torch.zeros(height, width)]).round().to(torch.uint8)  # (3, H, W)


@pytest.mark.parametrize(("height", "width"), [(8, 8), (40, 25), (20, 300), (1, 1)])
@pytest.mark.parametrize("size", [16, 33])
@pytest.mark.parametrize("view", [Augmentation(), Augmentation(interpolation="bicubic"), CenterCrop()], ids=str)
def test_views_are_uint8_squares(view: Augmentation | CenterCrop, size: int, height: int, width: int) -> None:
    seen = view.build(size)(ramp(height, width))
    assert seen.shape == (3, size, size)
    assert seen.dtype == torch.uint8


def test_the_whole_area_without_flip_is_the_whole_image() -> None:
    image = ramp(20, 20)
    view = Augmentation(area=(1.0, 1.0), aspect=(1.0, 1.0), flip=False).build(20)
    assert all(torch.equal(view(image), image) for _ in range(10))


def test_flips_mirror_every_other_view_left_to_right() -> None:
    torch.manual_seed(0)
    image = ramp(20, 20)
    view = Augmentation(area=(1.0, 1.0), aspect=(1.0, 1.0)).build(20)
    seen = [view(image) for _ in range(200)]
    kept = sum(torch.equal(one, image) for one in seen)
    mirrored = sum(torch.equal(one, image.flip(2)) for one in seen)
    assert kept + mirrored == 200
    assert 70 <= mirrored <= 130  # binomial: beyond four standard deviations


def test_random_crops_cover_the_area_and_aspect_that_were_said() -> None:
    torch.manual_seed(0)
    view = Augmentation(area=(0.08, 1.0), flip=False).build(50)
    areas, aspects = [], []
    for _ in range(300):
        seen = view(ramp(200, 200)).float()
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


def test_the_papers_evaluation_view_is_resized_to_341_for_299_pixels() -> None:
    resize = CenterCrop().build(299).transforms[0]
    assert resize.size == [341]
