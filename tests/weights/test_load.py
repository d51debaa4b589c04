import json
import logging
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import lightning.pytorch as pl
import pytest
import torch
from huggingface_hub.errors import LocalEntryNotFoundError
from safetensors.torch import save_file
from torch import Tensor

from inception_lightning.data import Digits
from inception_lightning.errors import InputError
from inception_lightning.loading.views import CenterCrop
from inception_lightning.models import (
    GoogLeNet,
    Inception,
    InceptionResNetV1,
    InceptionV3,
    InceptionV4,
)
from inception_lightning.training.classifier import InceptionClassifier
from inception_lightning.weights.load import load_weights, pretrained
from inception_lightning.weights.public import Preprocessing
from inception_lightning.weights.save import export, save_weights
from tests.models.peers import PEERS, peer

TINY: dict[str, Any] = {"width": 0.05}


def tiny(**knobs: Any) -> InceptionV4:
    return InceptionV4(7, width=0.05, **knobs).eval()


def same(net: Inception, twin: Inception) -> bool:
    state = twin.state_dict()
    return all(torch.equal(tensor, state[key]) for key, tensor in net.state_dict().items())


def peers() -> Iterator[Any]:
    """Each peer; timm's Inception-v3, which has torchvision's keys, before a release."""
    for case in PEERS:
        yield pytest.param(*case, marks=[pytest.mark.slow] if case == ("InceptionV3", "timm") else [])


@pytest.mark.parametrize(("variant", "name"), list(peers()))
def test_a_peers_file_gives_the_peers_logits_and_goes_back_key_for_key(variant: str, name: str, tmp_path: Path) -> None:
    state, images, logits = peer(variant, name)
    if name == "timm":
        path = tmp_path / "weights.safetensors"
        save_file(state, path)
    else:
        path = tmp_path / "weights.pth"
        torch.save(state, path)
    net = pretrained(path, aux=any(key.lower().startswith("aux") for key in state)).eval()
    assert type(net).__name__ == variant
    back = export(net, name)
    assert back.keys() == state.keys()
    assert [key for key in state if not torch.equal(back[key], state[key])] == []
    with torch.no_grad():
        difference = (net.double()(images) - logits).abs().max() / logits.abs().max()
    assert difference <= 1e-6


def test_every_wrapper_and_prefix_is_taken_off(tmp_path: Path) -> None:
    net, other, twin = (GoogLeNet(7, preset="torchvision", aux=False, **TINY).eval() for _ in range(3))
    state, others = export(net, "torchvision"), export(other, "torchvision")
    wrapped = {
        "plain": state,
        "ddp": {f"module.{key}": tensor for key, tensor in state.items()},
        "compiled": {f"_orig_mod.{key}": tensor for key, tensor in state.items()},
        "both": {f"module._orig_mod.{key}": tensor for key, tensor in state.items()},
        "timm": {"epoch": 3, "arch": "googlenet", "state_dict": others, "state_dict_ema": state},
        "model": {"model": others, "model_ema": state},
        "averaged": {"n_averaged": torch.tensor(3), **{f"module.{key}": tensor for key, tensor in state.items()}},
        "nested": {"ema": {"module": state}},
    }
    for name, content in wrapped.items():
        torch.save(content, tmp_path / f"{name}.pth")
        twin.load_state_dict(other.state_dict())
        load_weights(twin, tmp_path / f"{name}.pth")
        assert same(net, twin), name


def test_the_background_of_1001_classes_is_dropped(tmp_path: Path) -> None:
    net = InceptionV4(1001, **TINY)
    torch.save(export(net, "cadene"), tmp_path / "1001.pth")
    thousand, all_of_them = InceptionV4(1000, **TINY), InceptionV4(1001, **TINY)
    load_weights(thousand, tmp_path / "1001.pth")
    load_weights(all_of_them, tmp_path / "1001.pth")
    assert torch.equal(thousand.classifier.weight, net.classifier.weight[1:])
    assert torch.equal(thousand.classifier.bias, net.classifier.bias[1:])
    assert same(net, all_of_them)


def test_1001_public_classes_make_a_network_of_1000(tmp_path: Path) -> None:
    net = GoogLeNet(1001, preset="torchvision", aux=True)
    torch.save(export(net, "torchvision"), tmp_path / "googlenet.pth")
    twin = pretrained(tmp_path / "googlenet.pth", aux=True)
    assert twin.num_classes == 1000
    head = "aux_heads.inception_4d.classifier.bias"
    assert torch.equal(twin.get_parameter(head), net.get_parameter(head)[1:])


def test_another_number_of_classes_keeps_the_trunk_and_says_so(tmp_path: Path, caplog: Any) -> None:
    net = InceptionV3(5, **TINY)
    torch.save(export(net, "torchvision"), tmp_path / "v3.pth")
    twin = InceptionV3(3, **TINY, count_include_pad=True)
    load_weights(twin, tmp_path / "v3.pth")
    assert caplog.messages[-1].endswith("start anew, for 3 classes: aux_heads.inception_b.classifier, classifier")
    state = twin.state_dict()
    assert sorted(key for key, tensor in net.state_dict().items() if not torch.equal(tensor, state[key])) == [
        f"{layer}.{kind}" for layer in ("aux_heads.inception_b.classifier", "classifier") for kind in ("bias", "weight")
    ]


def test_heads_may_be_missing_on_either_side(tmp_path: Path, caplog: Any) -> None:
    caplog.set_level(logging.INFO)
    with_head, without = InceptionV3(5, **TINY), InceptionV3(5, aux=False, **TINY)
    torch.save(export(with_head, "timm"), tmp_path / "with.pth")
    torch.save(export(without, "timm"), tmp_path / "without.pth")
    load_weights(without, tmp_path / "with.pth")
    assert caplog.messages[-1].endswith("all weights are loaded")
    load_weights(with_head, tmp_path / "without.pth")
    assert caplog.messages[-1].endswith("start anew, for 5 classes: aux_heads.inception_b")


def test_untrained_public_heads_are_left_out(tmp_path: Path) -> None:
    net = GoogLeNet(preset="torchvision")
    torch.save(export(net, "torchvision"), tmp_path / "googlenet-1378be20.pth")
    assert not pretrained(tmp_path / "googlenet-1378be20.pth").aux_heads


def test_a_backbone_without_a_classifier_loads(tmp_path: Path) -> None:
    net, twin = tiny(), tiny()
    torch.save({key: t for key, t in export(net, "timm").items() if "last_linear" not in key}, tmp_path / "trunk.pth")
    load_weights(twin, tmp_path / "trunk.pth")
    assert torch.equal(net.stem[0].conv.weight, twin.stem[0].conv.weight)  # type: ignore[index, union-attr]


def test_the_name_of_a_file_says_how_its_images_were_normalised(tmp_path: Path, caplog: Any) -> None:
    net, twin = InceptionV3(2, **TINY), InceptionV3(2, **TINY)
    for name, mean, size in (
        ("inception_v3.gluon_in1k.pth", 0.485, 341),
        ("inception_v3_google-0cc3c7bd.pth", 0.5, 342),
        ("models--timm--inception_v3.tv_in1k/model.pth", 0.5, 341),
    ):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        torch.save(export(net, "timm"), tmp_path / name)
        load_weights(twin, tmp_path / name)
        assert (twin.mean[0], int(twin.image_size / twin.crop_fraction)) == (mean, size)
    assert not any("name it so" in message for message in caplog.messages)
    torch.save(export(net, "timm"), tmp_path / "mine.pth")
    load_weights(twin, tmp_path / "mine.pth")
    assert any(
        "mine.pth: taken to expect images as timm/inception_v3.tf_in1k" in message for message in caplog.messages
    )


def test_knobs_that_the_weights_were_not_trained_with_are_named(tmp_path: Path, caplog: Any) -> None:
    knobs: dict[str, Any] = TINY | {"preset": "facenet"}
    net = InceptionResNetV1(2, **knobs)
    torch.save(export(net, "facenet"), tmp_path / "weights.pth")
    load_weights(InceptionResNetV1(2, residual_scales="learned", **knobs), tmp_path / "weights.pth")
    assert caplog.messages == []
    load_weights(InceptionResNetV1(2, residual_scales=0.3, **knobs), tmp_path / "weights.pth")
    assert caplog.messages[0].endswith("has residual_scales = [0.17, 0.1, 0.2] and this network 0.3")


def ours() -> Inception:
    net = InceptionResNetV1(4, residual_scales=0.3, depths=(1, 2, 1), stem="small", aux=True, **TINY)
    Preprocessing((0.1, 0.2, 0.3), (0.4, 0.5, 0.6), 32, 1.0, "bicubic").give_to(net)
    return net.eval()


def test_our_files_rebuild_their_network(tmp_path: Path) -> None:
    net = ours()
    save_weights(net, tmp_path / "ours.safetensors")
    twin = pretrained(tmp_path / "ours.safetensors")
    assert json.dumps(twin.config) == json.dumps(net.config)
    assert Preprocessing.of(twin) == Preprocessing.of(net)
    assert same(net, twin)
    assert pretrained(tmp_path / "ours.safetensors", num_classes=9).classifier.out_features == 9


def test_no_classes_are_features(tmp_path: Path) -> None:
    net = InceptionV3(5, **TINY).eval()
    save_weights(net, tmp_path / "ours.safetensors")
    images = torch.randn(2, 3, 96, 96)
    features = net.forward_head(net.forward_features(images), pre_logits=True)
    ours = pretrained(tmp_path / "ours.safetensors", num_classes=0).eval()
    assert torch.equal(ours(images), features)
    save_weights(ours, tmp_path / "features.safetensors")
    again = pretrained(tmp_path / "features.safetensors").eval()
    assert (again.num_classes, again.config) == (0, ours.config)
    assert torch.equal(again(images), features)
    theirs = pretrained(tmp_path / "features.safetensors", num_classes=3).eval()
    assert theirs(images).shape == (2, 3)
    assert torch.equal(theirs.forward_features(images), net.forward_features(images))


def test_our_checkpoints_rebuild_their_network_and_what_it_saw(tmp_path: Path) -> None:
    net = GoogLeNet(10, width=0.05, stem="small", aux=True)
    Preprocessing((0.25, 0.5, 0.75), (0.5, 0.25, 0.5), 224, 0.875, "bilinear").give_to(net)
    data = Digits(image_size=16, evaluation=CenterCrop(fraction=0.5, interpolation="bicubic"), num_workers=0)
    trainer = pl.Trainer(fast_dev_run=True, accelerator="cpu", logger=False, enable_progress_bar=False)
    trainer.fit(InceptionClassifier(net), data)
    trainer.save_checkpoint(tmp_path / "ours.ckpt")
    twin = pretrained(tmp_path / "ours.ckpt")
    assert json.dumps(twin.config) == json.dumps(net.config)
    assert Preprocessing.of(twin) == Preprocessing((0.25, 0.5, 0.75), (0.5, 0.25, 0.5), 16, 0.5, "bicubic")
    assert same(net, twin)


def test_a_bare_state_dict_of_ours_needs_its_network(tmp_path: Path) -> None:
    net, twin = ours(), ours()
    torch.save(net.state_dict(), tmp_path / "bare.pth")
    with pytest.raises(InputError, match="does not say which network its weights are for"):
        pretrained(tmp_path / "bare.pth")
    load_weights(twin, tmp_path / "bare.pth")
    assert same(net, twin)


@pytest.mark.parametrize(
    ("net", "sentence"),
    [
        (lambda: InceptionV3(7, **TINY), "holds weights of InceptionV4 and the network is InceptionV3"),
        (
            lambda: InceptionV4(7, width=0.1),
            r"stem.0.conv.weight has the shape \[2, 3, 3, 3\] there and \[3, 3, 3, 3\]",
        ),
        (lambda: InceptionV4(7, depths=(4, 6, 3), **TINY), "has 70 layers in inception_b and the network 60"),
    ],
)
def test_another_architecture_is_refused_and_nothing_changes(net: Any, sentence: str, tmp_path: Path) -> None:
    torch.save(export(tiny(), "timm"), tmp_path / "v4.pth")
    net = net()
    before = {key: tensor.clone() for key, tensor in net.state_dict().items()}
    with pytest.raises(InputError, match=sentence):
        load_weights(net, tmp_path / "v4.pth")
    assert all(torch.equal(tensor, before[key]) for key, tensor in net.state_dict().items())


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        (lambda state: state.pop("features.9.branch0.conv.weight"), "it has no inception_a.3.0.conv.weight"),
        (lambda state: state.update(extra=torch.ones(1)), "the network has no extra"),
    ],
)
def test_a_tensor_too_few_or_too_many_is_refused(change: Any, sentence: str, tmp_path: Path) -> None:
    state: dict[str, Tensor] = export(tiny(), "timm")
    change(state)
    torch.save(state, tmp_path / "v4.pth")
    with pytest.raises(InputError, match=sentence):
        load_weights(tiny(), tmp_path / "v4.pth")


def test_the_preset_that_weights_need_is_named(tmp_path: Path) -> None:
    torch.save(export(GoogLeNet(preset="torchvision", **TINY), "torchvision"), tmp_path / "googlenet.pth")
    with pytest.raises(InputError, match=r"there and .* here; it needs preset: torchvision$"):
        load_weights(GoogLeNet(**TINY), tmp_path / "googlenet.pth")


def test_weights_of_no_inception_are_refused(tmp_path: Path) -> None:
    torch.save({"layer1.0.conv1.weight": torch.ones(1), "fc.weight": torch.ones(1)}, tmp_path / "resnet.pth")
    with pytest.raises(
        InputError, match=r"no Inception network in a known layout: its first key is layer1.0.conv1.weight"
    ):
        pretrained(tmp_path / "resnet.pth")


@pytest.mark.parametrize(
    ("source", "sentence"),
    [
        ("timm/inception_v4.tf_in1", r"did you mean timm/inception_v4.tf_in1k\?"),
        ("nothing/alike", "these are torchvision/googlenet, cadene/bninception, timm/"),
    ],
)
def test_an_unknown_name_gets_the_nearest(source: str, sentence: str) -> None:
    with pytest.raises(
        InputError, match=f"there is no file {source} and no public checkpoint of that name.*{sentence}"
    ):
        pretrained(source)


def test_a_description_of_no_network_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "ours.safetensors"
    for config, sentence in (
        (
            {"class_path": "torch.optim.sgd.SGD", "init_args": {}},
            "is for torch.optim.sgd.SGD, which is no network known here",
        ),
        ({"class_path": "os.system", "init_args": {}}, "is for os.system, which is no network known here"),
        (
            InceptionV4(2, **TINY).config | {"init_args": {"height": 3}},
            "is of another version of its network: .*height",
        ),
    ):
        about = {"config": config, "preprocessing": {}}
        save_file({"classifier.weight": torch.ones(1)}, path, {"inception_lightning": json.dumps(about)})
        with pytest.raises(InputError, match=sentence):
            pretrained(path)


def on_the_hub(monkeypatch: pytest.MonkeyPatch, folder: Path) -> None:
    """Make a folder the hub's repository ``somebody/leaves``, as its cache would hold it."""

    def cached(repository: str, file: str) -> str | None:
        assert repository == "somebody/leaves"
        if not (folder / file).exists():
            raise LocalEntryNotFoundError(f"no {file}")
        return str(folder / file)

    monkeypatch.setattr("huggingface_hub.try_to_load_from_cache", cached)


@pytest.mark.parametrize("file", ["model.safetensors", pytest.param("pytorch_model.bin", marks=pytest.mark.slow)])
def test_a_fine_tuned_network_of_timms_on_the_hub(file: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    net = InceptionV4(3, aux=False)
    state = export(net, "timm")
    (save_file if file.endswith("safetensors") else torch.save)(state, tmp_path / file)
    expected = {"mean": [0.1, 0.2, 0.3], "std": [0.4, 0.5, 0.6], "input_size": [3, 320, 320], "crop_pct": 0.9}
    page = {"architecture": "inception_v4", "num_classes": 3, "label_names": ["ash", "elm", "oak"]}
    (tmp_path / "config.json").write_text(
        json.dumps(page | {"pretrained_cfg": expected | {"interpolation": "bicubic"}})
    )
    on_the_hub(monkeypatch, tmp_path)
    twin = pretrained("hf_hub:somebody/leaves")
    assert same(net, twin)
    assert Preprocessing.of(twin) == Preprocessing((0.1, 0.2, 0.3), (0.4, 0.5, 0.6), 320, 0.9, "bicubic")
    assert load_weights(InceptionV4(3, aux=False), "hf-hub:somebody/leaves") == ("ash", "elm", "oak")


def test_a_repository_of_another_form_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    on_the_hub(monkeypatch, tmp_path)
    (tmp_path / "model.safetensors").write_bytes(b"")
    with pytest.raises(InputError, match=r"hf_hub:somebody/leaves could not be downloaded \(no config.json\)"):
        pretrained("hf_hub:somebody/leaves")
    (tmp_path / "config.json").write_text("[]")
    with pytest.raises(InputError, match=r"is no network of timm's: its config.json has no pretrained_cfg"):
        pretrained("hf_hub:somebody/leaves")
