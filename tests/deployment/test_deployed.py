"""What goes into every file is what evaluation does, from pixels to probabilities."""

import numpy as np
import pytest
import torch

from inception_lightning.deployment.deployed import About, Deployed
from inception_lightning.deployment.proof import Agreement, Checkpoint, as_batch
from inception_lightning.errors import InputError
from inception_lightning.loading.views import CenterCrop
from inception_lightning.training.classifier import InceptionClassifier
from tests.training.test_classifier import tiny


def test_the_temperature_counts_once() -> None:
    torch.manual_seed(0)
    module = InceptionClassifier(tiny(5)).eval()
    module.temperature = 3.0
    about = About.of(module, 32, CenterCrop(0.9))
    images = as_batch([torch.randint(0, 256, (3, 50, 70), dtype=torch.uint8)] * 2)
    found = Deployed(module.net, about).eval()(torch.from_numpy(images)).detach().numpy()
    expected = Checkpoint(module, about)(images)
    np.testing.assert_allclose(found, expected, atol=1e-3)
    assert about.temperature == 3.0
    shown = CenterCrop(0.9).build(32)(torch.from_numpy(images[0]))
    plain = module.net(module.normalize(torch.stack([shown] * 2)))
    np.testing.assert_allclose(expected, (plain / 3).softmax(dim=1).detach().numpy(), atol=1e-6)


def test_metadata_go_both_ways() -> None:
    about = About.of(InceptionClassifier(tiny(2)), 32, CenterCrop(0.9, "bicubic"))
    assert About.read(about.metadata(), "file") == about
    with pytest.raises(InputError, match=r"model\.onnx does not say its class names"):
        About.read({"producer": "another"}, "model.onnx")


def test_a_difference_that_is_no_number_is_beyond_every_tolerance() -> None:
    agreement = Agreement()
    agreement.add(np.array([[0.5, 0.5]], np.float32), np.array([[np.nan, 0.5]], np.float32), [0])
    assert agreement.difference == float("inf")
