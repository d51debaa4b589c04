import pytest
import torch
import yaml

from inception_lightning.data.statistics import Levels, Statistics


def test_each_image_counts_alike_whatever_its_size() -> None:
    small, large = torch.full((2, 1, 1), 255, dtype=torch.uint8), torch.zeros(2, 10, 10, dtype=torch.uint8)
    found = Statistics.of([Levels.of(small), Levels.of(large)])
    assert found.images == 2
    assert found.mean == (0.5, 0.5)
    assert found.std == (0.5, 0.5)
    assert (found.least, found.most) == ((0.0, 0.0), (1.0, 1.0))


def test_they_are_those_of_all_pixels_of_images_of_one_size() -> None:
    torch.manual_seed(0)
    images = [torch.rand(3, 6, 7) * 4000 - 1000 for _ in range(5)]
    found = Statistics.of([Levels.of(image) for image in images])
    pixels = torch.stack(images).double().transpose(0, 1).flatten(1)
    assert found.mean == pytest.approx(pixels.mean(1).tolist(), rel=1e-4)
    assert found.std == pytest.approx(pixels.std(1, unbiased=False).tolist(), rel=1e-4)
    assert min(found.least) < -900


def test_a_channel_that_is_the_same_everywhere_is_divided_by_one() -> None:
    image = torch.stack([torch.full((4, 4), 0.7), torch.rand(4, 4)])
    assert Statistics.of([Levels.of(image)]).std[0] == 1.0


def test_the_page_is_one_for_fit() -> None:
    page = Statistics.of([Levels.of(torch.rand(5, 3, 3))]).page("images of 5 channels")
    model = yaml.safe_load(page)["model"]
    assert page.startswith("# of images of 5 channels\nmodel:\n  mean: [")
    assert (len(model["mean"]), len(model["std"])) == (5, 5)
