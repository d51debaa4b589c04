from collections.abc import Callable
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest
import torch

from inception_lightning.errors import InputError
from inception_lightning.models import InceptionResNetV2, InceptionV3
from inception_lightning.weights import keras
from inception_lightning.weights.load import load_weights, pretrained
from tests.weights.kerases import Kerases, inception_resnet_v2, inception_v3, write_h5, write_keras

WIDTH = 0.1


V3, RESNET = (inception_v3, InceptionV3), (inception_resnet_v2, InceptionResNetV2)
CASES = [
    *((*V3, write, name) for write, name in ((write_h5, "w.h5"), (write_keras, "w.keras"))),
    *((*network, write_keras, "w.weights.h5") for network in (V3, RESNET)),
    *(
        pytest.param(*RESNET, write, name, marks=pytest.mark.slow)
        for write, name in ((write_h5, "w.h5"), (write_keras, "w.keras"))
    ),
]


@pytest.mark.parametrize(("forward", "variant", "write", "name"), CASES)
@torch.no_grad()
def test_keras_files_give_keras_logits(
    forward: Callable[..., Any], variant: Any, write: Callable[..., None], name: str, tmp_path: Path
) -> None:
    kerases = Kerases(WIDTH, first=94 if write is write_h5 else 0)
    images = torch.rand(2, 3, 96, 128, generator=torch.Generator().manual_seed(0))
    logits = forward(kerases, 2 * images - 1, 7)
    write(dict(sorted(kerases.layers.items())), tmp_path / name)
    net = variant(7, width=WIDTH, aux=False).eval()
    load_weights(net, tmp_path / name)
    assert torch.allclose(net((images - 0.5) / 0.5), logits, rtol=1e-4, atol=1e-5 * float(logits.abs().max()))
    assert (net.mean, net.crop_fraction) == ((0.5, 0.5, 0.5), 1.0)


def test_a_file_of_the_public_size_is_a_ready_network(tmp_path: Path) -> None:
    kerases = Kerases(1.0)
    inception_v3(kerases, torch.zeros(1, 3, 75, 75), 5)
    write_h5(kerases.layers, tmp_path / "public.h5")
    net = pretrained(tmp_path / "public.h5")
    assert (type(net), net.num_classes) == (InceptionV3, 5)


def test_layers_without_names_are_refused(tmp_path: Path) -> None:
    write_keras({"conv2d": {"kernel": np.ones((1, 1, 1, 1), np.float32)}}, tmp_path / "early.keras", named=False)
    with pytest.raises(InputError, match=r"early.keras was written by an early Keras 3, .*: save it again as .h5"):
        keras.read_keras(tmp_path / "early.keras")


def test_arrays_in_other_files_are_refused(tmp_path: Path) -> None:
    (tmp_path / "secret").write_bytes(bytes(range(64)))
    with h5py.File(tmp_path / "evil.h5", "w") as file:
        file.create_dataset("conv2d/kernel", (8,), "f8", external=[(str(tmp_path / "secret"), 0, 64)])
    with pytest.raises(InputError, match=r"evil.h5 takes arrays from other files"):
        keras.read_keras(tmp_path / "evil.h5")
    with h5py.File(tmp_path / "links.h5", "w") as file:
        file["conv2d"] = h5py.ExternalLink(str(tmp_path / "evil.h5"), "/conv2d")
    assert keras.read_keras(tmp_path / "links.h5") == {}


def test_a_bomb_is_refused_before_it_is_unpacked(tmp_path: Path) -> None:
    with h5py.File(tmp_path / "bomb.h5", "w") as file:
        file.create_dataset("conv2d/kernel", (2**20, 2**11), "f4", chunks=True, compression="gzip")  # 8 GiB of zeros
    assert (tmp_path / "bomb.h5").stat().st_size < 2**20
    with pytest.raises(InputError, match=r"bomb.h5 holds 8 GiB of arrays"):
        keras.read_keras(tmp_path / "bomb.h5")
