import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from inception_lightning.commands import fid
from inception_lightning.errors import InputError
from inception_lightning.models import InceptionV3
from inception_lightning.weights.save import save_weights


@pytest.fixture
def photos(tmp_path: Path) -> Path:
    random = np.random.default_rng(0)
    for folder in ("real", "generated"):
        (tmp_path / folder).mkdir()
        for number in range(3):
            Image.fromarray(random.integers(0, 256, (80, 90, 3), np.uint8)).save(tmp_path / folder / f"{number}.png")
    (tmp_path / "real" / "notes.txt").write_text("no image")
    net = InceptionV3(1008, preset="fid", aux=False, width=0.05)
    net.image_size = 96
    save_weights(net, tmp_path / "fid.safetensors")
    save_weights(InceptionV3(3, aux=False, width=0.05), tmp_path / "own.safetensors")
    return tmp_path


def run(photos: Path, *words: str, weights: str = "fid") -> None:
    sides = ["fid", str(photos / "real"), str(photos / "generated"), "--weights", f"{photos}/{weights}.safetensors"]
    fid.main([*sides, "--num_workers", "0", *words])


def test_the_distance_is_printed(photos: Path, capsys: Any) -> None:
    run(photos)
    out, err = capsys.readouterr()
    assert out.startswith("FID: ")
    assert "3 and 3 images, 102 features of" in out
    assert "fewer images than features" in out
    assert "left out: 1 files .txt" in err


def test_json_and_moments_that_are_used_again(photos: Path, capsys: Any) -> None:
    run(photos, "--json", "--save", str(photos / "real.npz"))
    first = json.loads(capsys.readouterr().out)
    words = ["fid", str(photos / "real.npz"), str(photos / "generated"), "--num_workers", "0", "--json"]
    fid.main([*words, "--weights", f"{photos}/fid.safetensors"])
    second = json.loads(capsys.readouterr().out)
    assert first["distance"] > 0
    assert (second["distance"], second["real"]) == (pytest.approx(first["distance"], rel=1e-9), None)


def test_another_network_is_not_called_the_fid(photos: Path, capsys: Any) -> None:
    run(photos, "--stage", "stem", weights="own")
    assert capsys.readouterr().out.startswith("Fréchet distance (not the FID: another network): ")


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        (["--batch_size", "0"], "--batch_size must be at least 1"),
        (["--device", "tpu"], "--device tpu cannot be used here"),
        (["--dims", "64"], "there is no option dims"),
    ],
)
def test_mistakes_are_told(words: list[str], sentence: str, photos: Path) -> None:
    with pytest.raises(InputError, match=sentence):
        run(photos, *words)


def test_one_image_is_no_set(photos: Path) -> None:
    sides = [str(photos / "real" / "0.png"), str(photos / "real")]
    with pytest.raises(InputError, match="holds 1 images: a distance needs at least two"):
        fid.main(["fid", *sides, "--weights", f"{photos}/fid.safetensors"])
