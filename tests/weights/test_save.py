from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors import safe_open

from inception_lightning.errors import InputError
from inception_lightning.models import (
    GoogLeNet,
    Inception,
    InceptionResNetV1,
    InceptionResNetV2,
    InceptionV3,
    InceptionV4,
)
from inception_lightning.weights.load import load_weights
from inception_lightning.weights.save import export, save_weights

TINY: dict[str, Any] = {"num_classes": 3, "width": 0.05}


V1: tuple[Any, ...] = (InceptionResNetV1, {"preset": "facenet"}, "facenet")
V2: tuple[Any, ...] = (InceptionResNetV2, {}, "timm")
SCALES = [
    *((*V1, scales) for scales in (0.3, (0.1, 0.2, 0.3), "learned")),
    (*V2, "learned"),
    *(pytest.param(*V2, scales, marks=pytest.mark.slow) for scales in (0.3, (0.1, 0.2, 0.3))),
]


@pytest.mark.parametrize(("variant", "knobs", "peer", "scales"), SCALES)
def test_other_residual_scales_are_folded_in(
    variant: Any, knobs: dict[str, Any], peer: str, scales: Any, tmp_path: Path
) -> None:
    net: Inception = variant(residual_scales=scales, **knobs, **TINY).double().eval()
    for parameter in net.parameters():
        torch.nn.init.normal_(parameter, std=0.1)
    torch.save(export(net, peer), tmp_path / "peer.pth")
    released: Inception = variant(**knobs, **TINY).double().eval()
    load_weights(released, tmp_path / "peer.pth")
    images = torch.randn(2, 3, 96, 96, dtype=torch.float64)
    assert torch.allclose(net(images), released(images), rtol=1e-6)
    assert not any(key.endswith("scale") for key in export(net, peer))


def test_a_file_for_a_peer_says_nothing_of_us(tmp_path: Path) -> None:
    net = InceptionV4(**TINY)
    save_weights(net, tmp_path / "v4.safetensors", "timm")
    with safe_open(tmp_path / "v4.safetensors", framework="pt") as file:
        assert file.metadata() == {"format": "pt"}
        assert set(file.keys()) == set(export(net, "timm"))


@pytest.mark.parametrize(
    ("net", "peer", "sentence"),
    [
        (
            lambda: InceptionV3(**TINY),
            "facenet",
            "facenet has no InceptionV3: it can be exported for timm or torchvision",
        ),
        (lambda: GoogLeNet(**TINY), "torchvision", "that of preset: torchvision, and this network has batch_norm"),
        (lambda: InceptionResNetV1(**TINY), "facenet", "that of preset: facenet, and this network has paper"),
        (
            lambda: InceptionResNetV2(preset="paper", **TINY),
            "timm",
            "that of preset: released, and this network has paper",
        ),
        (lambda: InceptionV4(depths=(1, 1, 1), **TINY), "timm", "has 28 layers in inception_a and the network 7"),
        (lambda: InceptionV3(stem="7x7", **TINY), "timm", "has 5 layers in stem and the network 3"),
    ],
)
def test_what_a_peer_has_not_is_refused(net: Any, peer: str, sentence: str) -> None:
    with pytest.raises(InputError, match=sentence):
        export(net(), peer)


def test_knobs_that_the_peer_has_not_are_named(caplog: Any) -> None:
    export(InceptionV3(**TINY), "torchvision")
    assert caplog.messages == ["torchvision's InceptionV3 has count_include_pad = True and this network False"]
