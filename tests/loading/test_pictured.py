import pytest
import torch

from inception_lightning.loading.bands import Pixels
from inception_lightning.loading.pictured import how_pictured, pictured


def test_colours_are_what_they_are() -> None:
    image = torch.randint(256, (3, 8, 9), dtype=torch.uint8)
    assert pictured(image) is not None
    assert torch.equal(pictured(image), image)
    assert how_pictured(3, "uint8") == ""


@pytest.mark.parametrize(("channels", "shown"), [(1, [0, 0, 0]), (2, [0, 0, 0]), (4, [0, 1, 2]), (7, [0, 1, 2])])
def test_the_first_channels_are_shown(channels: int, shown: list[int]) -> None:
    image = torch.randint(256, (channels, 8, 9), dtype=torch.uint8)
    assert torch.equal(pictured(image), image[shown])


def test_fractions_are_stretched_channel_by_channel() -> None:
    ramp = torch.linspace(0, 1, 101)[None, :]
    image = torch.stack([ramp * 0.01, 5 - 3 * ramp, torch.full((1, 101), 0.3), ramp])  # (4, 1, 101)
    picture = pictured(image)
    assert picture.dtype == torch.uint8
    assert picture.shape == (3, 1, 101)
    assert picture[0, 0, [0, 2, 50, 98, 100]].tolist() == [0, 0, 127, 255, 255]
    assert picture[1, 0, [0, 2, 98, 100]].tolist() == [255, 255, 0, 0]
    assert picture[2].unique().tolist() == [0]  # the same everywhere


@pytest.mark.parametrize(
    ("channels", "pixels", "said"),
    [
        (1, "uint8", "Pictures are grey."),
        (2, "uint8", "Pictures show channel 1 of 2, in grey."),
        (5, "uint8", "Pictures show channels 1, 2 and 3 of 5 as red, green and blue."),
        (3, "float32", "Pictures show the channels, each stretched to its own range."),
        (1, "float32", "Pictures are grey, each stretched to its own range."),
    ],
)
def test_it_is_said(channels: int, pixels: Pixels, said: str) -> None:
    assert how_pictured(channels, pixels) == said
