import json
import os
from pathlib import Path
from typing import Any

import pytest
import torch

from inception_lightning.commands.command_line import CommandLine
from inception_lightning.commands.defaults import Start, start_of, weights_page
from inception_lightning.configurable import KEY, class_path
from inception_lightning.errors import InputError
from inception_lightning.models import InceptionV4
from inception_lightning.training.classifier import InceptionClassifier
from inception_lightning.weights.save import save_weights


def start(*words: str) -> Start:
    return start_of(CommandLine.read(words))


def first_page(*words: str) -> dict[str, Any]:
    return start(*words).pages[0]


def test_help_needs_nothing() -> None:
    assert start("fit", "--help") == Start(InceptionClassifier)


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
    assert first_page("fit", *args) == {"data": expected}


def test_public_weights_choose_the_network_and_how_it_is_shown_images() -> None:
    page = first_page("fit", "--model.weights=torchvision/googlenet", "--data=ImageFolder")
    assert page["model"]["net"]["class_path"].endswith("GoogLeNet")
    assert page["model"]["net"]["init_args"]["preset"] == "torchvision"
    assert "num_classes" not in page["model"]["net"]["init_args"]
    shown = {"image_size": 224, "evaluation": {"fraction": 0.875, "interpolation": "bilinear"}}
    assert page["data"] == {"class_path": "ImageFolder", "init_args": shown}


def test_a_file_of_weights_chooses_its_network(tmp_path: Path) -> None:
    file = tmp_path / "v4.safetensors"
    save_weights(InceptionV4(5, width=0.05, depths=(1, 1, 1)), file)
    net = weights_page(str(file), "Digits")["model"]["net"]
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
        "model": {"class_path": class_path(InceptionClassifier), "init_args": {"net": net, "label_smoothing": 0.1}},
        "data": data,
        "class_names": list("0123456789"),
    }


@pytest.fixture
def checkpoint(tmp_path: Path) -> Path:
    torch.save({KEY: held(), "state_dict": {}}, tmp_path / "x.ckpt")
    return tmp_path / "x.ckpt"


@pytest.mark.parametrize("command", ["fit", "validate", "test"])
def test_a_checkpoint_brings_model_and_data(command: str, checkpoint: Path) -> None:
    line = CommandLine.read([command, "--trainer.devices=1", "--ckpt_path", str(checkpoint)])
    found = start_of(line)
    model, data = held()["model"], held()["data"]
    model["init_args"]["net"]["init_args"].pop("num_classes")  # from the data
    data["init_args"].pop("seed")  # from seed_everything
    assert found.pages == ({"model": model, "data": data},)
    *_, flag, settled = found.arguments(line)
    assert flag == "--trainer.devices=1"
    expected = {"ckpt_path": str(checkpoint), "model": {"weights": None}}
    assert json.loads(settled.removeprefix("--config=")) == expected


def test_other_data_are_shown_as_the_checkpoints_were(checkpoint: Path) -> None:
    data = first_page("test", f"--ckpt_path={checkpoint}", "--data=ImageFolder", "--data.root=x")["data"]
    assert data == {"class_path": "ImageFolder", "init_args": {"image_size": 20, "evaluation": {"fraction": 0.9}}}


def test_prediction_shows_photos_as_the_checkpoints_data_were(checkpoint: Path) -> None:
    data = first_page("predict", f"--ckpt_path={checkpoint}", "--data.root=x")["data"]
    assert data["class_path"] == "inception_lightning.data.folder.Photos"
    shown = {"image_size": 20, "evaluation": {"fraction": 0.9}}
    assert data["init_args"] == {"class_names": list("0123456789")} | shown


def test_prediction_without_a_checkpoint_is_refused() -> None:
    with pytest.raises(InputError, match="predict needs the checkpoint of a trained network: say --ckpt_path FILE"):
        start("predict", "--data.root=x")


def test_last_is_looked_for_where_the_runs_are(checkpoint: Path, tmp_path: Path) -> None:
    place = tmp_path / "elsewhere"
    found = place / "2026-01-01" / "checkpoints" / "last.ckpt"
    found.parent.mkdir(parents=True)
    os.link(checkpoint, found)
    (place / "2026-01-01" / "config.yaml").write_text("seed_everything: 0")
    for command in ("fit", "test"):
        held = start(command, "--ckpt_path=last", f"--trainer.default_root_dir={place}").checkpoint
        assert held is not None
        assert held.path == found
    with pytest.raises(InputError, match=f"no run in {tmp_path / 'no'} has a checkpoint 'last'"):
        start("fit", "--ckpt_path=last", f"--trainer.default_root_dir={tmp_path / 'no'}")


def test_a_class_without_its_import_path_is_refused() -> None:
    with pytest.raises(InputError, match=r"there is no class MyClassifier: give its import path, such as my_project"):
        start("fit", "--model=MyClassifier")


def test_what_is_no_lightning_module_is_refused() -> None:
    with pytest.raises(InputError, match=r"torch.nn.modules.Linear is no LightningModule"):
        start("fit", "--model=torch.nn.modules.Linear")


@pytest.mark.parametrize("said", [["--model.net=GoogLeNet"], ['--config={"model": {"net": "GoogLeNet"}}']])
def test_a_networks_name_alone_means_ours(said: list[str]) -> None:
    line = CommandLine.read(["fit", "--data=Digits", *said])
    assert '--config={"model": {"net": "inception_lightning.models.GoogLeNet"}}' in start_of(line).arguments(line)
