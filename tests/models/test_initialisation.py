import math
import time
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from inception_lightning.errors import InputError
from inception_lightning.models import (
    GoogLeNet,
    InceptionResNetV1,
    InceptionResNetV2,
    InceptionV2,
    InceptionV3,
    InceptionV4,
)
from inception_lightning.models.initialisation import he, truncated_he, truncated_normal
from tests.models.golden import Variant, shallow

VARIANTS: list[Variant] = [GoogLeNet, InceptionV2, InceptionV3, InceptionV4, InceptionResNetV1, InceptionResNetV2]
CUT = 0.8796  # standard deviation of a standard normal variable cut at 2


def convolutions(net: nn.Module) -> dict[str, Tensor]:
    return {name: m.weight.detach() for name, m in net.named_modules() if isinstance(m, nn.Conv2d)}


def test_he_weights_have_variance_two_over_fan_in() -> None:
    weight = torch.empty(256, 64, 3, 3)
    he(weight)
    assert weight.std().item() == pytest.approx(math.sqrt(2 / (64 * 9)), rel=0.02)
    assert weight.abs().max().item() > 3 * math.sqrt(2 / (64 * 9))


def test_truncated_weights_end_at_two_standard_deviations() -> None:
    weight = torch.empty(256, 64, 3, 3)
    truncated_normal(weight, 0.1)
    assert weight.std().item() == pytest.approx(CUT * 0.1, rel=0.02)
    assert 0.199 < weight.abs().max().item() <= 0.2
    truncated_he(weight)
    assert weight.std().item() == pytest.approx(math.sqrt(2 / (64 * 9)), rel=0.02)


@pytest.mark.parametrize(
    ("variant", "name", "std"),
    [
        (GoogLeNet, "inception_4e.1.1.conv", 0.01),
        (InceptionV2, "inception_4e.1.0.conv", 0.09),
        (InceptionV3, "inception_c.0.0.conv", 0.1),
        (InceptionV3, "aux_heads.inception_b.features.1.conv", 0.01),
        (InceptionV4, "inception_c.0.0.conv", math.sqrt(2.6 / 1536)),
        (InceptionResNetV1, "inception_c.0.project", math.sqrt(2.6 / 384)),
    ],
)
def test_paper_weights(variant: Variant, name: str, std: float) -> None:
    weight = convolutions(variant(init="paper", **shallow(variant)))[name]
    assert weight.std().item() == pytest.approx(CUT * std, rel=0.03)
    assert weight.abs().max().item() <= 2 * std * (1 + 1e-6)


def test_the_separable_stem_starts_wide() -> None:
    weight = convolutions(InceptionV2(preset="slim", init="paper"))["stem.0.conv.0"]
    assert weight.std().item() == pytest.approx(CUT, rel=0.1)


@pytest.mark.parametrize("variant", [GoogLeNet, InceptionV3])
def test_small_weights_of_classifiers_start_training_at_chance(variant: Variant) -> None:
    torch.manual_seed(0)
    net = variant(1000, init="paper", stem="small", width=0.25)
    images, labels = torch.randn(8, 3, 32, 32), torch.arange(8)
    assert nn.functional.cross_entropy(net(images), labels).item() == pytest.approx(math.log(1000), rel=0.05)


@pytest.mark.parametrize(
    "variant", [InceptionResNetV2, *(pytest.param(each, marks=pytest.mark.slow) for each in VARIANTS[:-1])]
)  # the largest one, and before a release the others
@pytest.mark.parametrize("init", ["he", "paper"])
def test_a_full_size_network_is_built_in_a_second(variant: Variant, init: str) -> None:
    # CPU time, so that a busy machine does not fail it; the goal is 1 s on one idle core
    start = time.process_time()
    variant(init=init)
    assert time.process_time() - start < 4


@pytest.mark.parametrize("variant", VARIANTS)
def test_another_word_is_refused(variant: Variant) -> None:
    wrong: dict[str, Any] = {"init": "xavier"}
    with pytest.raises(InputError, match="init must be he or paper"):
        variant(**wrong)
