import json
import os
from pathlib import Path
from typing import Any

import pytest
import torch
import yaml

from inception_lightning.commands.defaults import said, weights_configuration, with_defaults
from inception_lightning.configurable import KEY
from inception_lightning.errors import InputError
from inception_lightning.models import InceptionV4
from inception_lightning.weights.save import save_weights


def first_page(args: list[str]) -> dict[str, Any]:
    page: dict[str, Any] = json.loads(args[1].removeprefix("--config="))
    return page


def test_flags_win_over_pages_and_later_pages_over_earlier(tmp_path: Path) -> None:
    pages = [tmp_path / "a.yaml", tmp_path / "b.yaml", tmp_path / "c.yaml"]
    for page, epochs in zip(pages, (1, 2, None), strict=True):
        page.write_text(yaml.safe_dump({"trainer": {"max_epochs": epochs}}))
    args = [f"--config={pages[0]}", "-c", str(pages[1]), "--config", str(pages[2])]
    assert said(args, "trainer.max_epochs") == 2
    assert said([*args, "--trainer.max_epochs", "3"], "trainer.max_epochs") == "3"
    assert said(["--trainer.max_epochs=4", *args], "trainer.max_epochs") == "4"
    assert said(args, "model.net") is None


@pytest.mark.parametrize("args", [["models"], ["fit", "--help"], []])
def test_what_needs_nothing_is_left_alone(args: list[str]) -> None:
    assert with_defaults(args, "runs") == args


@pytest.mark.parametrize(
    ("args", "expected"),
    [
        ([], "Digits"),
        (["--data", "CIFAR10"], "CIFAR10"),
        (["--data.batch_size=3"], "Digits"),
        (["--config=experiments/imagenet/inception_v3.yaml"], "ImageNet"),
        (["--config=experiments/imagenet/inception_v3.yaml", "--data=ImageFolder"], "ImageFolder"),
    ],
)
def test_the_default_data_stand_back_where_others_are_named(args: list[str], expected: str) -> None:
    assert first_page(with_defaults(["fit", *args], "runs")) == {"data": expected}


def test_public_weights_choose_the_network_and_how_it_is_shown_images() -> None:
    page = first_page(with_defaults(["fit", "--model.weights=torchvision/googlenet", "--data=ImageFolder"], "runs"))
    assert page["model"]["net"]["class_path"].endswith("GoogLeNet")
    assert page["model"]["net"]["init_args"]["preset"] == "torchvision"
    assert "num_classes" not in page["model"]["net"]["init_args"]
    shown = {"image_size": 224, "evaluation": {"fraction": 0.875, "interpolation": "bilinear"}}
    assert page["data"] == {"class_path": "ImageFolder", "init_args": shown}


def test_a_file_of_weights_chooses_its_network(tmp_path: Path) -> None:
    file = tmp_path / "v4.safetensors"
    save_weights(InceptionV4(5, width=0.05, depths=(1, 1, 1)), file)
    net = weights_configuration(str(file), "Digits")["model"]["net"]
    assert net["class_path"].endswith("InceptionV4")
    assert net["init_args"]["width"] == 0.05


def held() -> dict[str, Any]:
    net = {"class_path": "inception_lightning.models.InceptionV3", "init_args": {"num_classes": 10, "width": 0.5}}
    data = {
        "class_path": "inception_lightning.data.Digits",
        "init_args": {"image_size": 20, "batch_size": 7, "evaluation": {"fraction": 0.9}, "seed": 3},
    }
    return {
        "version": "0",
        "model": {"class_path": "InceptionClassifier", "init_args": {"net": net, "label_smoothing": 0.1}},
        "data": data,
        "class_names": list("0123456789"),
    }


@pytest.fixture
def checkpoint(tmp_path: Path) -> Path:
    torch.save({KEY: held(), "state_dict": {}}, tmp_path / "x.ckpt")
    return tmp_path / "x.ckpt"


@pytest.mark.parametrize(
    ("args", "expected"),
    [
        (["--a.b=1"], "1"),
        (["--a.b", "1"], "1"),
        (["--a.b=1", "--a.b", "2"], "2"),
        (["--a.b=x=y"], "x=y"),
        (["--a.bc=1", "--a=2", "a.b=3"], None),
        ([], None),
    ],
)
def test_said_in_flags(args: list[str], expected: str | None) -> None:
    assert said(args, "a.b") == expected


@pytest.mark.parametrize("command", ["fit", "validate", "test"])
def test_a_checkpoint_brings_model_and_data(command: str, checkpoint: Path) -> None:
    args = [command, "--trainer.devices=1", "--ckpt_path", str(checkpoint)]
    found = first_page(with_defaults(args, "runs"))
    model, data = held()["model"]["init_args"], held()["data"]
    model["net"]["init_args"].pop("num_classes")  # from the data
    data["init_args"].pop("seed")  # from seed_everything
    assert found == {"model": model, "data": data}
    assert f"--ckpt_path={checkpoint}" in with_defaults(args, "runs")[-2:]


def test_other_data_are_shown_as_the_checkpoints_were(checkpoint: Path) -> None:
    args = ["test", f"--ckpt_path={checkpoint}", "--data=ImageFolder", "--data.root=x"]
    data = first_page(with_defaults(args, "runs"))["data"]
    assert data == {"class_path": "ImageFolder", "init_args": {"image_size": 20, "evaluation": {"fraction": 0.9}}}


def test_prediction_shows_photos_as_the_checkpoints_data_were(checkpoint: Path) -> None:
    data = first_page(with_defaults(["predict", f"--ckpt_path={checkpoint}", "--data.root=x"], "runs"))["data"]
    assert data["class_path"] == "inception_lightning.data.folder.Photos"
    shown = {"image_size": 20, "evaluation": {"fraction": 0.9}}
    assert data["init_args"] == {"class_names": list("0123456789")} | shown


def test_prediction_without_a_checkpoint_is_refused() -> None:
    with pytest.raises(InputError, match="predict needs the checkpoint of a trained network: say --ckpt_path FILE"):
        with_defaults(["predict", "--data.root=x"], "runs")


def test_last_is_looked_for_where_the_runs_are(checkpoint: Path, tmp_path: Path) -> None:
    place = tmp_path / "elsewhere"
    found = place / "2026-01-01" / "checkpoints" / "last.ckpt"
    found.parent.mkdir(parents=True)
    os.link(checkpoint, found)
    args = ["fit", "--ckpt_path=last", f"--trainer.default_root_dir={place}"]
    assert f"--ckpt_path={found}" in with_defaults(args, "runs")
    assert f"--ckpt_path={found}" in with_defaults(["fit", "--ckpt_path=last"], str(place))
    with pytest.raises(InputError, match=f"no run in {tmp_path / 'no'} has a checkpoint 'last'"):
        with_defaults(["fit", "--ckpt_path=last"], str(tmp_path / "no"))
