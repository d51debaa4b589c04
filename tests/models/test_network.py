import copy
import pickle
import time
from collections.abc import Callable
from typing import Any, TypeAlias

import pytest
import torch

from inception_lightning.configuration import rebuild
from inception_lightning.errors import InputError
from inception_lightning.models import Inception, InceptionResNetV1, InceptionResNetV2, InceptionV3
from inception_lightning.models.layers import ResidualBlock

Variant: TypeAlias = Callable[..., Inception]

VARIANTS: list[Variant] = [InceptionV3, InceptionResNetV1, InceptionResNetV2]
TINY: dict[str, Any] = {"width": 0.05, "stem": "small", "aux": True}


@pytest.mark.parametrize("variant", VARIANTS)
def test_forward_gives_logits_in_training_and_evaluation(variant: Variant) -> None:
    net = variant(7, **TINY)
    images = torch.randn(2, 3, 16, 16)
    for mode in (True, False):
        assert net.train(mode)(images).shape == (2, 7)
    logits, aux = net.forward_with_aux(images)
    assert logits.shape == (2, 7)
    assert {name: head.shape for name, head in aux.items()} == {"inception_b": (2, 7)}


@pytest.mark.parametrize("variant", VARIANTS)
@pytest.mark.parametrize(("stem", "size"), [("imagenet", 75), ("imagenet", 160), ("small", 7), ("small", 32)])
def test_every_legal_size_trains_with_its_head(variant: Variant, stem: str, size: int) -> None:
    net = variant(3, width=0.05, depths=(1, 1, 1), stem=stem, aux=True, dropout=0.0)
    logits, aux = net.forward_with_aux(torch.randn(2, 3, size, size))
    (logits.sum() + sum(head.sum() for head in aux.values())).backward()
    assert [name for name, weight in net.named_parameters() if weight.grad is None] == []
    assert logits.isfinite().all()


@pytest.mark.parametrize("variant", VARIANTS)
def test_below_the_minimum_size_one_sentence_names_it(variant: Variant) -> None:
    with torch.device("meta"):
        net = variant()
        with pytest.raises(
            InputError, match=f"{type(net).__name__} needs images of at least 75 x 75 pixels and got 74"
        ):
            net(torch.empty(2, 3, 74, 74))


@pytest.mark.parametrize("variant", VARIANTS)
def test_a_full_size_network_is_built_in_a_second(variant: Variant) -> None:
    # CPU time, so that a busy machine does not fail it; the goal is 1 s on one idle core
    start = time.process_time()
    variant()
    assert time.process_time() - start < 4


def test_scales_act_per_stage_and_leave_the_linear_block() -> None:
    with torch.device("meta"):
        net = InceptionResNetV2(residual_scales=(0.1, 0.2, 0.3), depths=(1, 1, 2))
    scales = [module.scale for module in net.modules() if isinstance(module, ResidualBlock)]
    assert scales == [0.1, 0.2, 0.3, 1.0]


def test_zero_scales_make_a_stage_the_identity() -> None:
    net = InceptionResNetV1(2, residual_scales=0.0, **TINY).eval()
    ends = net.endpoints(torch.randn(2, 3, 16, 16))
    assert torch.equal(ends["inception_a"], ends["stem"])


@pytest.mark.parametrize("scales", [-0.1, (0.1, 0.2), (0.1, 0.2, float("nan"))])
def test_wrong_scales_are_refused(scales: Any) -> None:
    with pytest.raises(InputError, match="residual_scales must be"):
        InceptionResNetV1(residual_scales=scales)


@pytest.mark.parametrize("knob", [{"depths": (1, 2)}, {"depths": (0, 1, 1)}, {"stem": "tiny"}])
def test_wrong_knobs_are_refused(knob: dict[str, Any]) -> None:
    with pytest.raises(InputError, match="must be"):
        InceptionV3(**knob)


@pytest.mark.parametrize("depths", [(1, 1, 1), (1, 2, 1), (4, 5, 3)])
def test_depths_of_v3(depths: tuple[int, int, int]) -> None:
    with torch.device("meta"):
        net = InceptionV3(depths=depths)
    assert tuple(len(net.get_submodule(f"inception_{letter}")) for letter in "abc") == depths  # type: ignore[arg-type]


def test_a_network_rebuilds_from_its_own_plain_data() -> None:
    net = InceptionResNetV1(5, residual_scales=(0.1, 0.2, 0.3), depths=(1, 2, 1), **TINY)
    assert net.config["class_path"] == "inception_lightning.models.inception_resnet.InceptionResNetV1"
    assert net.config["init_args"]["residual_scales"] == [0.1, 0.2, 0.3]
    twin = rebuild(net.config)
    assert type(twin) is InceptionResNetV1
    twin.load_state_dict(net.state_dict())
    images = torch.randn(2, 3, 16, 16)
    assert torch.equal(twin.eval()(images), net.eval()(images))


def test_copies_and_pickles_keep_the_configuration() -> None:
    net = InceptionV3(5, **TINY)
    assert copy.deepcopy(net).config == pickle.loads(pickle.dumps(net)).config == net.config
