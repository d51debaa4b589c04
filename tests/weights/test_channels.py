import logging
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import save_file
from torch import Tensor
from torch.nn import functional as F

from inception_lightning import models
from inception_lightning.errors import InputError
from inception_lightning.models import GoogLeNet, Inception, InceptionV2, InceptionV3, InceptionV4
from inception_lightning.models.cost import empty_batch, skeleton
from inception_lightning.weights.channels import first_layers
from inception_lightning.weights.load import load_weights, pretrained
from inception_lightning.weights.save import export, save_weights
from tests.models.golden import shallow

VARIANTS = [name for name in models.__all__ if name != "Inception"]
SLIM: dict[str, Any] = {"preset": "slim"}


def tiny(name: str, channels: int = 3, **knobs: Any) -> Inception:
    torch.manual_seed(0)
    variant = getattr(models, name)
    net: Inception = variant(5, in_channels=channels, width=0.06, **shallow(variant), **knobs)
    return net.eval()


def first_output(net: Inception, images: Tensor) -> Tensor:
    """What the first convolution, both parts of a separable one, makes of images; in double precision."""
    conv = net.get_submodule(first_layers(net)[0].removesuffix(".0.weight").removesuffix(".weight"))
    output: Tensor = conv.double()(images.double())
    return output


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    place = tmp_path_factory.mktemp("weights")
    for name in VARIANTS:
        save_weights(tiny(name), place / f"{name}.safetensors")
    save_weights(tiny("InceptionV2", **SLIM), place / "slim.safetensors")
    return {path.stem: path for path in place.iterdir()}


@pytest.mark.parametrize("name", [*VARIANTS, "slim"])
def test_weights_for_colours_are_summed_for_grey_and_shared_out_to_more(name: str, files: dict[str, Path]) -> None:
    variant, knobs = ("InceptionV2", SLIM) if name == "slim" else (name, {})
    rgb, images = tiny(variant, **knobs), torch.rand(2, 5, 40, 40)
    grey = tiny(variant, 1, **knobs)
    load_weights(grey, files[name])
    alike = images[:, :1].expand(-1, 3, -1, -1)
    assert torch.allclose(first_output(grey, images[:, :1]), first_output(rgb, alike), atol=1e-6)

    five, new = tiny(variant, 5, **knobs), tiny(variant, 5, **knobs)
    load_weights(five, files[name])
    load_weights(new, files[name], "zero")
    # R, G, B, R, G read the five channels; what each colour reads adds up
    added = torch.stack([images[:, 0] + images[:, 3], images[:, 1] + images[:, 4], images[:, 2]], dim=1)
    bias = first_output(rgb, torch.zeros_like(added))
    expected = (first_output(rgb, added) - bias) * 3 / 5 + bias
    assert torch.allclose(first_output(five, images), expected, atol=1e-6)
    assert torch.allclose(first_output(new, images), first_output(rgb, images[:, :3]), atol=1e-12)
    own, loaded = rgb.state_dict(), five.state_dict()
    changed = {key for key, tensor in loaded.items() if not torch.equal(tensor.float(), own[key].float())}
    assert {key.rsplit(".", 1)[0] for key in changed} <= {
        "stem.0.0.conv",
        "stem.0.conv",
        "stem.0.conv.0",
        "stem.0.conv.1",
    }


def test_the_sum_written_out(files: dict[str, Path]) -> None:
    weight = tiny("InceptionV3").state_dict()["stem.0.conv.weight"]
    red, green, blue = weight.unbind(dim=1)
    grey, four = tiny("InceptionV3", 1), tiny("InceptionV3", 4)
    load_weights(grey, files["InceptionV3"])
    load_weights(four, files["InceptionV3"])
    assert torch.allclose(grey.state_dict()["stem.0.conv.weight"][:, 0], red + green + blue)
    expected = torch.stack([red, green, blue, red], dim=1) * 3 / 4
    assert torch.allclose(four.state_dict()["stem.0.conv.weight"], expected)


def test_mean_and_std_go_with_the_weights(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    net = tiny("InceptionV3")
    net.mean, net.std = (0.4, 0.5, 0.6), (0.1, 0.2, 0.3)
    save_weights(net, tmp_path / "w.safetensors")
    with caplog.at_level(logging.INFO):
        grey = pretrained(tmp_path / "w.safetensors", in_channels=1)
    assert (*grey.mean, *grey.std) == pytest.approx((0.5, 0.2))
    assert "weights for 3 channels, adapted to 1: their sum over the channels" in caplog.text
    five = pretrained(tmp_path / "w.safetensors", in_channels=5, extra_channels="zero")
    assert five.mean == (0.4, 0.5, 0.6, 0.4, 0.5)
    assert five.std == (0.1, 0.2, 0.3, 0.1, 0.2)
    assert five.config["init_args"]["in_channels"] == 5
    assert five.pretrained_cfg["input_size"] == (5, 299, 299)


@pytest.mark.parametrize("wanted", [1, 3])
@pytest.mark.parametrize("kind", ["ours", "bare", "timm"])
def test_weights_of_another_number_are_refused(kind: str, wanted: int, tmp_path: Path) -> None:
    net, path = InceptionV4(5, in_channels=5, width=0.06), tmp_path / "five.safetensors"  # as deep as timm's
    if kind == "ours":
        save_weights(net, path)
    else:
        save_file(net.state_dict() if kind == "bare" else export(net, "timm"), path)
    with pytest.raises(InputError, match=rf"images of 5 channels and the network has in_channels {wanted}: only"):
        load_weights(tiny("InceptionV4", wanted), path)


def test_weights_of_five_channels_make_a_network_of_five(tmp_path: Path) -> None:
    net = tiny("InceptionV4", 5)
    save_weights(net, tmp_path / "five.safetensors")
    again = pretrained(tmp_path / "five.safetensors")
    assert again.in_channels == 5
    assert torch.equal(again.state_dict()["stem.0.conv.weight"], net.state_dict()["stem.0.conv.weight"])


@pytest.mark.parametrize("name", VARIANTS)
def test_every_variant_takes_any_number(name: str) -> None:
    net = skeleton(getattr(models, name), {"in_channels": 7, "num_classes": 5})
    assert net(empty_batch(net, 96)).shape == (0, 5)
    assert net.mean == 7 * (0.5,)


def test_an_impossible_number_is_refused() -> None:
    for wrong in (0, -1, 2.5, True):
        with pytest.raises(InputError, match="in_channels must be a whole number of at least 1"):
            GoogLeNet(in_channels=wrong)  # type: ignore[arg-type]  # on purpose


def test_a_single_channel_of_the_separable_stem_has_as_many_filters_as_three() -> None:
    def filters(channels: int) -> int:
        net = skeleton(InceptionV2, {"preset": "slim", "in_channels": channels})
        return net.state_dict()["stem.0.conv.0.weight"].shape[0]

    assert [filters(channels) for channels in (1, 2, 3, 5)] == [24, 16, 24, 40]


def test_a_network_for_colours_is_what_it_was() -> None:
    torch.manual_seed(3)
    one = InceptionV3(4, width=0.05)
    torch.manual_seed(3)
    other = InceptionV3(4, width=0.05, in_channels=3)
    images = torch.rand(1, 3, 80, 80)
    assert torch.equal(F.softmax(one.eval()(images), 1), F.softmax(other.eval()(images), 1))
