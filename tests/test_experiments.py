"""Every page under experiments/ runs by the command in its own header, for one batch of images made here."""

import re
import shlex
from pathlib import Path

import pytest
import torch
import yaml
from torchvision.transforms.v2.functional import to_pil_image

from inception_lightning.__main__ import main

PAGES = [
    page for page in sorted(Path("experiments").rglob("*.yaml")) if "parameters" not in yaml.safe_load(page.read_text())
]
"""Sweep files, which have parameters, are read in test_study.py."""
SHORT = [
    "--trainer.fast_dev_run=true",
    "--trainer.accelerator=cpu",
    "--trainer.devices=1",
    "--model.net.init_args.width=0.05",
    "--data.batch_size=4",
    "--data.num_workers=0",
]


@pytest.fixture(scope="module")
def photos(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Six classes, so that top-5 says something, in train and val."""
    folder = tmp_path_factory.mktemp("photos")
    for split in ("train", "val"):
        for name in "abcdef":
            (folder / split / name).mkdir(parents=True)
            image = torch.randint(0, 256, (3, 40, 50), dtype=torch.uint8)
            to_pil_image(image).save(folder / split / name / "1.jpg")
    return folder


def header(page: Path) -> dict[str, str]:
    """What the comments at the top say: claim, command, cost, result."""
    lines = [line for line in page.read_text().split("\n\n")[0].splitlines() if line.startswith("#")]
    return dict(re.findall(r"^# (\w+)  +(.+)$", "\n".join(lines), re.MULTILINE))


def own_images(command: str, photos: Path) -> list[str]:
    """Flags that show the photos in place of data that would be downloaded or do not lie here."""
    pages = [yaml.safe_load(Path(page).read_text()) for page in re.findall(r"--config (\S+)", command)]
    data = next((page["data"]["class_path"] for page in pages if "data" in page), "Digits")
    if data == "Digits":
        return []
    keeps_its_class = data in ("ImageNet", "ImageFolder")
    return [*([] if keeps_its_class else ["--data=ImageFolder"]), f"--data.root={photos}"]


def test_there_are_pages() -> None:
    assert len(PAGES) >= 3


@pytest.mark.parametrize("page", PAGES, ids=str)
def test_a_page_says_what_it_claims_and_its_command_runs(
    page: Path, photos: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    said = header(page)
    assert said.keys() >= {"claim", "command", "cost"}
    program, command, *args = shlex.split(said["command"])
    assert (program, command) == ("lightning", "fit")
    assert str(page) in args
    assert main([command, *args, *own_images(said["command"], photos), *SHORT]) == 0, capsys.readouterr().err
    assert re.search(r"train/loss \d+\.\d+  val/loss \d+\.\d+  val/top1 \d", capsys.readouterr().out)
