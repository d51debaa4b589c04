import copy
import pickle
from typing import Any

import pytest
import torch
from torch.nn.functional import avg_pool2d, cross_entropy, linear, relu

from inception_lightning.configurable import rebuild
from inception_lightning.errors import InputError
from inception_lightning.models import (
    GoogLeNet,
    Inception,
    InceptionResNetV1,
    InceptionResNetV2,
    InceptionV2,
    InceptionV3,
    InceptionV4,
)
from inception_lightning.models.blocks import ResidualBlock
from inception_lightning.models.cost import empty_batch, skeleton
from inception_lightning.models.layers import Concat, Conv, MaxPool, Style
from tests.models.golden import GOLDEN, Golden, Variant, bare, shallow

GRID: list[Variant] = [InceptionV3, InceptionV4, InceptionResNetV1, InceptionResNetV2]
VARIANTS: list[Variant] = [GoogLeNet, InceptionV2, *GRID]
TINY: dict[str, Any] = {"width": 0.05, "stem": "small", "aux": True}


@pytest.mark.parametrize("variant", VARIANTS)
def test_forward_gives_logits_in_training_and_evaluation(variant: Variant) -> None:
    net = variant(7, **TINY, **shallow(variant))
    images = torch.randn(2, 3, 16, 16)
    for mode in (True, False):
        assert net.train(mode)(images).shape == (2, 7)
    logits, aux = net.forward_with_aux(images)
    heads = ["inception_b"] if variant in GRID else ["inception_4a", "inception_4d"]
    assert logits.shape == (2, 7)
    assert {name: head.shape for name, head in aux.items()} == dict.fromkeys(heads, (2, 7))


def train_one_step(net: Inception, size: int) -> None:
    """One step of training with all heads; every parameter has a finite gradient, the loss stays finite."""
    images, labels = torch.randn(2, 3, size, size), torch.tensor([0, 1])
    optimizer = torch.optim.SGD(net.parameters(), lr=0.01)
    for _ in range(2):
        logits, heads = net.forward_with_aux(images)
        loss = cross_entropy(logits, labels)
        loss = loss + sum(net.aux_weight * cross_entropy(head, labels) for head in heads.values())
        assert loss.isfinite()
        optimizer.zero_grad()
        loss.backward()
        grads = {name: weight.grad for name, weight in net.named_parameters()}
        assert [name for name, grad in grads.items() if grad is None or not grad.isfinite().all()] == []
        optimizer.step()


PLACES = [
    *(pytest.param(where, True, id=f"{where}-heads") for where in ("minimum", "paper", "small")),
    pytest.param("minimum", False, id="minimum-no_heads"),
    *(pytest.param(where, False, id=f"{where}-no_heads", marks=pytest.mark.slow) for where in ("paper", "small")),
]


@pytest.mark.parametrize(("where", "aux"), PLACES)
@pytest.mark.parametrize("row", GOLDEN, ids=str)
def test_one_training_step_moves_everything(row: Golden, where: str, aux: bool) -> None:
    torch.manual_seed(0)
    knobs = row.knobs | ({"stem": "small"} if where == "small" else shallow(row.variant))
    net = row.variant(3, width=0.05, aux=aux, **knobs)
    train_one_step(net, {"minimum": row.smallest, "paper": net.image_size, "small": 32}[where])


@pytest.mark.parametrize("variant", VARIANTS)
@pytest.mark.parametrize("size", [97, 150, pytest.param(223, marks=pytest.mark.slow)])
def test_odd_sizes_train_with_their_heads(variant: Variant, size: int) -> None:
    train_one_step(variant(3, width=0.05, aux=True, **shallow(variant)), size)


@pytest.mark.parametrize("size", [31, 38, 63, 70, 96, 224])
def test_cadenes_pools_fit_some_sizes(size: int) -> None:
    net = skeleton(InceptionV2, {"preset": "cadene"})
    assert net(empty_batch(net, size)).shape == (0, 1000)


@pytest.mark.parametrize(("height", "width"), [(39, 39), (75, 96), (96, 75)])
def test_cadenes_pools_refuse_other_sizes_in_one_sentence(height: int, width: int) -> None:
    images = torch.empty(0, 3, height, width)
    with pytest.raises(InputError, match=f"cannot join its branches on images of {height} x {width} pixels"):
        skeleton(InceptionV2, {"preset": "cadene"})(images)
    assert skeleton(InceptionV2)(images).shape == (0, 1000)


def test_cadenes_images_are_0_to_255() -> None:
    image = torch.tensor([128.0, 117.0, 104.0]) / 255 + 1 / 255  # red, green, blue, each one step above its mean
    net = skeleton(InceptionV2, {"preset": "cadene"})
    assert torch.allclose((image - torch.tensor(net.mean)) / torch.tensor(net.std), torch.ones(3), atol=1e-5)
    assert InceptionV2.mean == (0.5, 0.5, 0.5)


def test_the_papers_heads_are_weighted_as_in_the_papers() -> None:
    assert {v: (v.aux_weight, v.aux_dropout) for v in (GoogLeNet, InceptionV3, InceptionV4)} == {
        GoogLeNet: (0.3, 0.7),
        InceptionV3: (0.4, 0.0),
        InceptionV4: (0.4, 0.0),
    }


def test_googlenets_head_is_the_papers() -> None:
    head = GoogLeNet(7, width=0.05).eval().aux_heads["inception_4a"]
    images = torch.rand(2, head.get_parameter("features.0.conv.weight").shape[1], 14, 14)
    reduced = head.get_submodule("features.0")(avg_pool2d(images, 5, 3))  # (2, C, 4, 4)
    weight, bias = (head.get_parameter(f"features.1.conv.{name}") for name in ("weight", "bias"))
    connected = relu(linear(reduced.flatten(1), weight.flatten(1), bias))
    assert torch.allclose(head(images), head.get_submodule("classifier")(connected), atol=1e-6)


def test_only_the_biased_preset_has_no_heads_unless_asked() -> None:
    presets: list[dict[str, Any]] = [{"preset": preset} for preset in ("batch_norm", "paper", "torchvision", "biased")]
    heads = [len(skeleton(GoogLeNet, knobs).aux_heads) for knobs in [*presets, {"preset": "biased", "aux": True}]]
    assert heads == [2, 2, 2, 0, 2]


def test_facenet_recommends_its_dropout() -> None:
    knobs: list[dict[str, Any]] = [{}, {"preset": "facenet"}, {"preset": "facenet", "dropout": 0.0}]
    assert [skeleton(InceptionResNetV1, each).dropout.p for each in knobs] == [0.2, 0.6, 0.0]


def scales(net: Inception) -> list[float]:
    return [
        round(torch.as_tensor(module.scale).item(), 6) for module in net.modules() if isinstance(module, ResidualBlock)
    ]


def test_scales_act_per_stage_and_leave_the_linear_block() -> None:
    net = InceptionResNetV2(residual_scales=(0.1, 0.2, 0.3), depths=(1, 1, 2), width=0.05)
    assert scales(net) == [0.1, 0.2, 0.3, 1.0]


def test_zero_scales_make_a_stage_the_identity() -> None:
    net = InceptionResNetV1(2, residual_scales=0.0, **TINY).eval()
    ends = net.endpoints(torch.randn(2, 3, 16, 16))
    assert torch.equal(ends["inception_a"], ends["stem"])


@pytest.mark.parametrize("variant", [InceptionResNetV1, InceptionResNetV2])
@pytest.mark.parametrize(
    ("knobs", "start"),
    [
        ({"residual_scales": "learned"}, [0.17, 0.10, 0.20]),
        ({"residual_scales": 0.3, "learned_scales": True}, [0.3, 0.3, 0.3]),
        ({"residual_scales": (0.1, 0.2, 0.3), "learned_scales": True}, [0.1, 0.2, 0.3]),
    ],
)
def test_learned_scales_stand_in_the_state_dict(variant: Variant, knobs: dict[str, Any], start: list[float]) -> None:
    linear = [1.0] if variant is InceptionResNetV2 else []
    net = variant(2, depths=(1, 1, 1 + len(linear)), **knobs, **TINY)
    assert scales(net) == start + linear
    learned = [name for name in net.state_dict() if name.endswith(".scale")]
    assert learned == [f"inception_{letter}.0.scale" for letter in "abc"] + ["inception_c.1.scale"] * len(linear)
    assert rebuild(net.config).load_state_dict(net.state_dict()).missing_keys == []
    net.forward_with_aux(torch.randn(2, 3, 16, 16))[0].sum().backward()
    assert all(net.get_parameter(name).grad is not None for name in learned)


def test_learned_scales_of_zero_make_a_stage_the_identity() -> None:
    net = InceptionResNetV1(2, residual_scales=0.0, learned_scales=True, **TINY).eval()
    ends = net.endpoints(torch.randn(2, 3, 16, 16))
    assert torch.equal(ends["inception_a"], ends["stem"])


@pytest.mark.parametrize("variant", [InceptionResNetV1, InceptionResNetV2])
@pytest.mark.parametrize(
    ("where", "blocks"),
    [("none", []), ("last", ["c.1"]), ("all", ["a.0", "b.0", "c.0", "c.1"])],
)
def test_batch_norm_on_the_sum_stands_where_it_is_asked_for(variant: Variant, where: str, blocks: list[str]) -> None:
    net = variant(2, depths=(1, 1, 2), residual_norm=where, **TINY)
    norms = [name for name in net.state_dict() if name.endswith(".norm.weight")]
    assert norms == [f"inception_{block}.norm.weight" for block in blocks]
    assert net.forward(torch.randn(2, 3, 16, 16)).shape == (2, 2)


def test_an_unknown_place_for_batch_norm_is_refused() -> None:
    wrong: Any = "first"
    with pytest.raises(InputError, match="residual_norm must be one of none, last, all, got 'first'"):
        InceptionResNetV1(residual_norm=wrong)


@pytest.mark.parametrize("wrong", [-0.1, (0.1, 0.2), (0.1, 0.2, float("nan")), "fixed", (0.1, 0.2, "learned")])
def test_wrong_scales_are_refused(wrong: Any) -> None:
    with pytest.raises(InputError, match="residual_scales must be"):
        InceptionResNetV1(residual_scales=wrong)


@pytest.mark.parametrize("knob", [{"depths": (1, 2)}, {"depths": (0, 1, 1)}, {"stem": "tiny"}])
@pytest.mark.parametrize("variant", GRID)
def test_wrong_knobs_are_refused(variant: Variant, knob: dict[str, Any]) -> None:
    with pytest.raises(InputError, match="must be"):
        variant(**knob)


@pytest.mark.parametrize("variant", [GoogLeNet, InceptionV2, InceptionResNetV1, InceptionResNetV2])
def test_unknown_presets_are_refused(variant: Variant) -> None:
    wrong: dict[str, Any] = {"preset": "caffe"}
    with pytest.raises(InputError, match="preset must be one of"):
        variant(**wrong)


@pytest.mark.parametrize("depths", [(1, 1, 1), (1, 2, 1), (4, 5, 3)])
def test_depths_of_v3(depths: tuple[int, int, int]) -> None:
    net = InceptionV3(depths=depths, width=0.05)
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


@pytest.mark.parametrize("variant", VARIANTS)
def test_features_and_head_make_the_logits(variant: Variant) -> None:
    net = variant(7, **TINY, **shallow(variant)).eval()
    images = torch.randn(2, 3, 32, 32)
    features, ends = net.forward_features(images), net.endpoints(images)
    assert torch.equal(features, ends[net.stages[-1]])
    pooled = net.forward_head(features, pre_logits=True)
    assert pooled.shape == (2, net.num_features)
    assert torch.equal(net.forward_head(features), net(images))
    assert torch.equal(net.get_classifier()(pooled), net(images))


@pytest.mark.parametrize("row", GOLDEN, ids=str)
def test_feature_info_describes_each_stage(row: Golden) -> None:
    net = bare(row.variant, row.knobs)
    assert [info["module"] for info in net.feature_info] == list(net.stages) == list(row.stages)
    assert [info["num_chs"] for info in net.feature_info] == [channels for _, (channels, _, _) in row.stages.values()]
    last = {8: 32, 17: 16, 35: 8, 7: 32, 14: 16, 28: 8}  # side of the grid at the paper's size -> pixels per place
    assert [info["reduction"] for info in net.feature_info] == [last[side] for _, (_, side, _) in row.stages.values()]


def test_facenets_features_are_those_of_its_bottleneck() -> None:
    net = InceptionResNetV1(0, preset="facenet", width=0.05, stem="small").eval()
    assert net.num_features == round(512 * 0.05)
    assert net(torch.randn(2, 3, 32, 32)).shape == (2, net.num_features)
    assert net.feature_info[-1]["num_chs"] != net.num_features


@pytest.mark.parametrize("variant", VARIANTS)
def test_without_classes_a_network_gives_features(variant: Variant) -> None:
    net = variant(0, **TINY, **shallow(variant)).eval()
    images = torch.randn(2, 3, 16, 16)
    pooled = net.forward_head(net.forward_features(images), pre_logits=True)
    logits, aux = net.forward_with_aux(images)
    assert torch.equal(net(images), pooled)
    assert torch.equal(logits, pooled)
    assert {name: features.shape[1] for name, features in aux.items()} == {
        name: head.num_features for name, head in net.aux_heads.items()
    }
    assert not [name for name in net.state_dict() if "classifier" in name]


@pytest.mark.parametrize("init", ["he", "paper"])
@pytest.mark.parametrize("variant", VARIANTS)
def test_a_new_classifier_is_as_the_first_and_the_network_knows_it(variant: Variant, init: str) -> None:
    knobs = TINY | shallow(variant) | {"init": init}
    net = variant(7, **knobs).double().eval()
    trunk = {name: tensor.clone() for name, tensor in net.state_dict().items() if "classifier" not in name}
    for classes in (300, 0, 500):
        net.reset_classifier(classes)
        assert net.config["init_args"]["num_classes"] == net.num_classes == classes
        twin = rebuild(net.config).double()
        twin.load_state_dict(net.state_dict())
        images = torch.randn(2, 3, 16, 16, dtype=torch.float64)
        assert torch.equal(twin.eval()(images), net(images))
        assert net(images).shape == (2, classes or net.num_features)
    assert not net.classifier.training
    state = net.state_dict()
    assert [name for name, tensor in trunk.items() if not torch.equal(tensor, state[name])] == []
    first = dict(variant(500, **knobs).named_parameters())
    for name, weight in net.named_parameters():
        if name.endswith("classifier.weight"):
            assert weight.std().item() == pytest.approx(first[name].std().item(), rel=0.15), name
        if name.endswith("classifier.bias"):
            assert weight.abs().max().item() == pytest.approx(first[name].abs().max().item(), rel=0.15), name


def test_an_impossible_new_number_of_classes_changes_nothing() -> None:
    net = InceptionV3(7, **TINY)
    with pytest.raises(InputError, match="num_classes must be a whole number of at least 0, got -1"):
        net.reset_classifier(-1)
    assert net.config["init_args"]["num_classes"] == net.num_classes == 7


def test_pretrained_cfg_says_how_things_stand() -> None:
    net = InceptionV4(7, **TINY)
    net.mean, net.std, net.image_size, net.crop_fraction = (0.1, 0.2, 0.3), (0.4, 0.5, 0.6), 64, 0.9
    net.interpolation = "bicubic"
    assert net.pretrained_cfg == {
        "architecture": "InceptionV4",
        "num_classes": 7,
        "input_size": (3, 64, 64),
        "min_input_size": (3, net.minimum_size, net.minimum_size),
        "interpolation": "bicubic",
        "crop_pct": 0.9,
        "crop_mode": "center",
        "mean": (0.1, 0.2, 0.3),
        "std": (0.4, 0.5, 0.6),
        "first_conv": "stem.0.conv",
        "classifier": "classifier",
    }
    assert InceptionV2(7, preset="slim", width=0.05).pretrained_cfg["first_conv"] == "stem.0.conv.0"


def test_a_size_that_branches_disagree_on_is_refused_with_one_that_fits() -> None:
    net = Inception(
        {"stem": Conv(4, 3), "fork": Concat(Conv(4, 3, stride=3), MaxPool(3, stride=3, valid=True))},
        num_classes=2,
        aux={},
        dropout=0.0,
        style=Style(),
    )
    assert net(torch.randn(2, 3, 9, 12)).shape == (2, 2)
    with pytest.raises(InputError, match=r"cannot join its branches on images of 10 x 9 pixels.* such as 12"):
        net(torch.randn(2, 3, 10, 9))
