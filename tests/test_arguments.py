import json
from pathlib import Path
from typing import Any

import pytest
import yaml

from inception_lightning.arguments import said, weights_configuration, with_defaults
from inception_lightning.models import InceptionV4
from inception_lightning.models.export import save_weights


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
