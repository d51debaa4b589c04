from functools import cache
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import save_file
from torch import Tensor
from torchvision.models.inception import Inception3

from inception_lightning.errors import InputError
from inception_lightning.models import InceptionResNetV1, InceptionV3, InceptionV4
from inception_lightning.weights.load import load_weights, pretrained
from inception_lightning.weights.recognition import recognise
from inception_lightning.weights.save import export

TINY: dict[str, Any] = {"width": 0.05}


def v4() -> InceptionV4:
    return InceptionV4(7, **TINY).eval()


@cache
def trained() -> tuple[InceptionV4, dict[str, Tensor]]:
    """A network whose weights are loaded into others, and its state dict in timm's layout."""
    net = v4()
    return net, export(net, "timm")


def loaded(state: dict[str, Tensor], path: Path, twin: Any = None) -> Any:
    torch.save(state, path)
    twin = twin or v4()
    load_weights(twin, path)
    return twin


def same(net: Any, twin: Any) -> bool:
    state = twin.state_dict()
    return all(torch.equal(tensor, state[key]) for key, tensor in net.state_dict().items())


@pytest.mark.parametrize("prefix", ["backbone.", "encoder.", "module.model.", "net.backbone.features.0.", "0."])
@pytest.mark.parametrize("peer", ["timm", None])
def test_a_prefix_of_all_keys_is_taken_off(peer: str | None, prefix: str, tmp_path: Path) -> None:
    net, theirs = trained()
    state = theirs if peer else net.state_dict()
    twin = loaded({f"{prefix}{key}": tensor for key, tensor in state.items()}, tmp_path / "weights.pth")
    assert same(net, twin)


def test_a_trunk_below_a_prefix_beside_a_classifier_of_another_name(tmp_path: Path, caplog: Any) -> None:
    net, theirs = trained()
    state = {f"encoder.{key}": tensor for key, tensor in theirs.items() if "last_linear" not in key}
    state |= {"head.weight": net.classifier.weight, "head.bias": net.classifier.bias}
    assert same(net, loaded(state, tmp_path / "weights.pth"))
    assert not [message for message in caplog.messages if "left out" in message]


@pytest.mark.parametrize("name", ["fc.1", "fc.0", "fc.drop_and_linear.linear"])
def test_a_classifier_inside_a_sequential(name: str, tmp_path: Path) -> None:
    net = InceptionV3(5, aux=False, **TINY)
    state = {key.replace("fc.", f"{name}."): tensor for key, tensor in export(net, "torchvision").items()}
    assert same(net, loaded(state, tmp_path / "weights.pth", InceptionV3(5, aux=False, count_include_pad=True, **TINY)))


def test_a_classifier_of_several_layers_is_left_out_and_told(tmp_path: Path, caplog: Any) -> None:
    net = InceptionV3(5, aux=False, **TINY)
    state = {key: tensor for key, tensor in export(net, "torchvision").items() if not key.startswith("fc.")}
    state |= {
        "fc.0.weight": torch.ones(8, net.num_features),
        "fc.0.bias": torch.ones(8),
        "fc.3.weight": torch.ones(5, 8),
    }
    twin = loaded(state, tmp_path / "weights.pth", InceptionV3(5, aux=False, count_include_pad=True, **TINY))
    assert torch.equal(twin.stem[0].conv.weight, net.stem[0].conv.weight)  # type: ignore[index,union-attr]
    assert (
        "its classifier is more than one linear layer and was left out: fc.0.weight, fc.0.bias, fc.3.weight"
        in caplog.text
    )
    assert "start anew, for 5 classes: classifier" in caplog.text


def test_radimagenets_children_by_number(tmp_path: Path) -> None:
    theirs = Inception3(num_classes=3, aux_logits=False, init_weights=False).eval()
    backbone = torch.nn.Sequential(*list(theirs.children())[:20])
    torch.save({f"backbone.{key}": tensor for key, tensor in backbone.state_dict().items()}, tmp_path / "rad.pt")
    net = pretrained(tmp_path / "rad.pt", num_classes=0).eval()
    images = torch.rand(1, 3, 107, 107)
    with torch.no_grad():
        assert torch.allclose(net(images), backbone(images).mean((2, 3)), rtol=1e-4, atol=1e-5)


def test_fids_network_is_known_by_its_classes_and_kept_out_of_the_plain_one(tmp_path: Path) -> None:
    fid, plain = InceptionV3(1008, aux=False, **TINY), InceptionV3(1008, aux=False, count_include_pad=True, **TINY)
    save_file(export(fid, "torchvision"), tmp_path / "fid.safetensors")
    with pytest.raises(InputError, match=r"fid.safetensors does not fit this InceptionV3: .*preset: fid"):
        load_weights(plain, tmp_path / "fid.safetensors")
    with pytest.raises(InputError, match="preset: fid"):  # nor with other classes, where the classifier starts anew
        load_weights(InceptionV3(5, aux=False, **TINY), tmp_path / "fid.safetensors")
    twin = InceptionV3(1008, aux=False, preset="fid", **TINY)
    load_weights(twin, tmp_path / "fid.safetensors")
    assert same(fid, twin)
    save_file(export(InceptionV3(1000, aux=False, **TINY), "torchvision"), tmp_path / "plain.safetensors")
    with pytest.raises(InputError, match="of preset: released"):
        load_weights(InceptionV3(1000, aux=False, preset="fid", **TINY), tmp_path / "plain.safetensors")


def test_what_lies_beside_a_whole_network_is_left_out_and_told(tmp_path: Path, caplog: Any) -> None:
    net, _ = trained()
    state = {f"model.student.{key}": tensor for key, tensor in net.state_dict().items()} | {"center": torch.ones(3)}
    assert same(net, loaded(state, tmp_path / "weights.pth"))
    assert "left out, because they are not below student.: center" in caplog.text


def test_of_two_networks_none_is_guessed() -> None:
    net = InceptionResNetV1(3, depths=(1, 1, 1), **TINY).state_dict()
    with pytest.raises(InputError, match=r"holds two networks, below student\. and teacher\."):
        recognise(
            {f"{name}.{key}": tensor for name in ("student", "teacher") for key, tensor in net.items()}, "both.pth"
        )
