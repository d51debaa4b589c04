"""The resize inside an exported file against the one of evaluation."""

import pytest
import torch

from inception_lightning.deployment.resizing import MatrixView
from inception_lightning.loading.views import CenterCrop, Interpolation

SIZES = ((500, 375), (375, 500), (299, 299), (341, 341), (28, 28), (8, 8), (1, 30), (33, 500), (1200, 101), (90, 2000))
"""Photos, what is right already, small images, and strips, of which only the middle is shown."""


@pytest.mark.parametrize(("image_size", "fraction"), [(299, 0.875), (224, 1.0), (32, 0.9)])
@pytest.mark.parametrize("interpolation", ["bilinear", "bicubic"])
def test_photos_look_as_in_evaluation(interpolation: Interpolation, image_size: int, fraction: float) -> None:
    view = CenterCrop(fraction, interpolation)
    ours, inside = view.build(image_size), MatrixView(image_size, view)
    torch.manual_seed(0)
    for height, width in SIZES:
        image = torch.randint(0, 256, (3, height, width), dtype=torch.uint8)
        found, expected = inside(image[None]), ours(image)[None].float()
        apart = (found - expected).abs()
        # noise is the hardest there is; where a value lies in the middle, rounding may go either way
        assert apart.max() <= 2, (height, width)
        assert (apart > 0).float().mean() < (0.1 if min(height, width) < image_size else 0.01), (height, width)
        assert torch.equal(found, found.round())


def test_what_has_its_size_already_is_left_alone() -> None:
    image = torch.randint(0, 256, (2, 3, 64, 64), dtype=torch.uint8)
    for interpolation in ("bilinear", "bicubic"):
        assert torch.equal(MatrixView(64, CenterCrop(1.0, interpolation))(image), image.float())


@pytest.mark.parametrize("interpolation", ["bilinear", "bicubic"])
def test_fractions_are_not_rounded(interpolation: Interpolation) -> None:
    view = CenterCrop(0.875, interpolation)
    ours, inside = view.build(32), MatrixView(32, view, "float32")
    torch.manual_seed(0)
    for height, width in ((50, 37), (20, 24), (12, 200)):
        image = torch.randn(5, height, width)  # beyond 0..1 too
        assert torch.allclose(inside(image[None]), ours(image)[None], atol=5e-5), (height, width)
