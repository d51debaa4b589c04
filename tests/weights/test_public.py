import hashlib
import time
from pathlib import Path
from typing import Any
from urllib.error import URLError

import pytest
import timm
import torch
from torchvision.models import GoogLeNet_Weights, Inception_V3_Weights

from inception_lightning.errors import InputError
from inception_lightning.weights.public import PUBLIC, PublicWeights, download

BY_NAME = {weights.name: weights for weights in PUBLIC}
SHA256 = hashlib.sha256(b"weights").hexdigest()


@pytest.mark.parametrize("name", [name for name in BY_NAME if name.startswith("timm/")])
def test_what_timm_says_of_its_weights(name: str) -> None:
    weights, theirs = BY_NAME[name], timm.get_pretrained_cfg(name.removeprefix("timm/"))
    assert theirs is not None
    assert theirs.hf_hub_id == name
    expected, size = weights.preprocessing, theirs.input_size[-1]
    assert (expected.mean, expected.std, expected.image_size) == (theirs.mean, theirs.std, size)
    assert (expected.crop_fraction, expected.interpolation) == (theirs.crop_pct, theirs.interpolation)
    assert (weights.classes, weights.licence.lower()) == (theirs.num_classes, theirs.license)


@pytest.mark.parametrize(
    ("name", "theirs"),
    [
        ("torchvision/googlenet", GoogLeNet_Weights.IMAGENET1K_V1),
        ("torchvision/inception_v3", Inception_V3_Weights.IMAGENET1K_V1),
    ],
)
def test_what_torchvision_says_of_its_weights(name: str, theirs: Any) -> None:
    weights, transform = BY_NAME[name], theirs.transforms()
    accuracy = theirs.meta["_metrics"]["ImageNet-1K"]
    assert weights.url == theirs.url
    assert weights.url.endswith(f"-{weights.sha256}.pth")
    assert (weights.top1, weights.top5) == (accuracy["acc@1"], accuracy["acc@5"])
    expected = weights.preprocessing
    assert [expected.image_size] == transform.crop_size
    assert [int(expected.image_size / expected.crop_fraction)] == transform.resize_size
    assert expected.interpolation == transform.interpolation.value
    # its networks undo ImageNet's mean and std and make 2x - 1 of the image; so does a mean and std of 0.5
    images = torch.rand(3, dtype=torch.float64)
    mean, std = (torch.tensor(values, dtype=torch.float64) for values in (transform.mean, transform.std))
    undone = (images - mean) / std * (std / 0.5) + (mean - 0.5) / 0.5
    ours = (images - torch.tensor(expected.mean)) / torch.tensor(expected.std)
    assert torch.allclose(undone, ours, atol=1e-7)


def entry(tmp_path: Path, sha256: str | None) -> PublicWeights:
    (tmp_path / "remote.pth").write_bytes(b"weights")
    first = PUBLIC[0]
    url = (tmp_path / "remote.pth").as_uri()
    return PublicWeights("some/weights", first.layout, first.preprocessing, "MIT", url=url, sha256=sha256)


@pytest.fixture
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setattr(torch.hub, "get_dir", lambda: str(tmp_path / "hub"))
    return tmp_path / "hub"


def test_a_download_is_checked_and_kept(tmp_path: Path, cache: Path) -> None:
    weights = entry(tmp_path, SHA256[:8])
    assert download(weights) == cache / "checkpoints" / "remote.pth"
    (tmp_path / "remote.pth").unlink()
    assert download(weights).read_bytes() == b"weights"


def test_a_download_with_another_checksum_is_refused(tmp_path: Path, cache: Path) -> None:
    with pytest.raises(InputError, match=r"some/weights could not be downloaded .invalid hash value"):
        download(entry(tmp_path, "00000000"))
    assert not (cache / "checkpoints" / "remote.pth").exists()


def test_the_hubs_checksum_is_checked(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "model.safetensors").write_bytes(b"weights")

    class Metadata:
        etag = SHA256

    monkeypatch.setattr("huggingface_hub.try_to_load_from_cache", lambda *_: None)
    monkeypatch.setattr("huggingface_hub.get_hf_file_metadata", lambda _: Metadata)
    monkeypatch.setattr("huggingface_hub.hf_hub_download", lambda *_: str(tmp_path / "model.safetensors"))
    assert download(BY_NAME["timm/inception_v4.tf_in1k"]) == tmp_path / "model.safetensors"
    Metadata.etag = 64 * "0"
    with pytest.raises(InputError, match="the file's checksum is wrong"):
        download(BY_NAME["timm/inception_v4.tf_in1k"])


@pytest.mark.usefixtures("cache")
@pytest.mark.parametrize(
    ("name", "advice"),
    [
        ("torchvision/googlenet", "fetch https://download.pytorch.org/models/googlenet-1378be20.pth elsewhere"),
        ("timm/inception_v3.gluon_in1k", r"model.safetensors elsewhere, name it inception_v3.gluon_in1k.safetensors"),
    ],
)
def test_without_a_network_one_sentence_says_what_to_do(
    name: str, advice: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    def unreachable(*_: Any) -> None:
        raise URLError("no network")

    monkeypatch.setattr(torch.hub, "download_url_to_file", unreachable)
    monkeypatch.setattr("huggingface_hub.try_to_load_from_cache", lambda *_: None)
    monkeypatch.setattr("huggingface_hub.get_hf_file_metadata", unreachable)
    start = time.monotonic()
    with pytest.raises(InputError, match=rf"{name} could not be downloaded \(.*no network.*\): .*{advice}") as error:
        download(BY_NAME[name])
    assert "\n" not in str(error.value)
    assert time.monotonic() - start < 60
