"""Every command that a page or a README under experiments/ gives runs, for one batch of images made here."""

import re
import shlex
from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
import torch
import yaml
from torchvision.transforms.v2.functional import to_pil_image

from inception_lightning import models
from inception_lightning.__main__ import main
from tests.models.golden import shallow

FOLDERS = [one for one in sorted(Path("experiments").iterdir()) if one.name not in ("own_work", "schema.json")]
"""own_work is a project of its own, which tests/test_own_work.py runs."""
PAGES = [
    page
    for place in FOLDERS
    for page in (sorted(place.rglob("*.yaml")) if place.is_dir() else [place])
    if "parameters" not in yaml.safe_load(page.read_text())
]
"""Sweep files, which have parameters, are read in studies/test_sweep_run.py."""
TOLD = re.findall(
    r"^lightning fit .+$|(?<=`)lightning fit [^`]+(?=`)",
    "\n".join(readme.read_text() for place in FOLDERS for readme in sorted(place.rglob("README.md"))),
    re.MULTILINE,
)
"""The trainings that the READMEs name, in their tables and blocks."""
SHORT = [
    "--trainer.fast_dev_run=true",
    "--trainer.accelerator=cpu",
    "--trainer.devices=1",
    "--model.net.init_args.width=0.05",
    "--data.batch_size=2",
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


def chosen(args: list[str], part: str) -> str:
    """The class of a command's ``model.net`` or ``data``: its flag's, or else that of the last page which has one."""
    options = list(pairwise(args))
    found: list[Any] = [class_in(Path(value), part) for flag, value in options if flag == "--config"]
    found += [value for flag, value in options if flag == f"--{part}"]
    return next(name for name in reversed(found) if name)


def class_in(page: Path, part: str) -> str | None:
    content: Any = yaml.safe_load(page.read_text())
    for key in (*part.split("."), "class_path"):
        content = (content or {}).get(key)
    return content


def own_images(args: list[str], photos: Path) -> list[str]:
    """Flags that show the photos in place of data that would be downloaded or do not lie here."""
    data = chosen(args, "data")
    if data == "Digits":
        return []
    in_place = {"CIFAR10": ["--data=ImageFolder", "--data.image_size=32"], "ImageTable": ["--data=ImageFolder"]}
    in_place["CIFAR100"] = in_place["CIFAR10"]
    return [*in_place.get(data, []), f"--data.root={photos}"]


def fewer_blocks(args: list[str]) -> list[str]:
    """A flag for a network that repeats its blocks, unless a page says how often."""
    pages = [Path(value) for flag, value in pairwise(args) if flag == "--config"]
    variant = getattr(models, chosen(args, "model.net").rpartition(".")[2])
    said = any("depths:" in page.read_text() for page in pages)
    return [] if said else [f"--model.net.init_args.{name}={list(value)}" for name, value in shallow(variant).items()]


def train_one_batch(command: str, photos: Path, capsys: pytest.CaptureFixture[str]) -> None:
    program, subcommand, *args = shlex.split(command)
    assert (program, subcommand) == ("lightning", "fit")
    assert main([subcommand, *args, *own_images(args, photos), *fewer_blocks(args), *SHORT]) == 0, (
        capsys.readouterr().err
    )
    assert re.search(r"train/loss \d+\.\d+  val/loss \d+\.\d+  val/top1 \d+\.\d\d %", capsys.readouterr().out)


def test_there_are_pages() -> None:
    assert len(PAGES) >= 3


@pytest.mark.parametrize("page", PAGES, ids=str)
def test_a_page_says_what_it_claims_and_its_command_runs(
    page: Path, photos: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    said = header(page)
    assert said.keys() >= {"claim", "command", "cost", "result"}
    assert str(page) in shlex.split(said["command"])
    train_one_batch(said["command"], photos, capsys)


def test_every_variant_has_a_command_for_each_data_set() -> None:
    told = [shlex.split(command) for command in TOLD]
    variants = set(models.__all__) - {"Inception"}
    expected = {(net, data) for net in variants for data in ("CIFAR10", "CIFAR100", "ImageNet")}
    assert {(chosen(args, "model.net"), chosen(args, "data")) for args in told} == expected


def told() -> Iterator[Any]:
    """One test per command. Those on CIFAR-100 alone differ from those on CIFAR-10 in images that are not here."""
    for command in TOLD:
        alike = "--data CIFAR100" in command and "mixed.yaml" not in command
        yield pytest.param(command, marks=[pytest.mark.slow] if alike else [])


@pytest.mark.parametrize("command", list(told()))
def test_a_command_of_a_readme_runs(command: str, photos: Path, capsys: pytest.CaptureFixture[str]) -> None:
    page = Path(command.removeprefix("lightning fit --config "))
    if page in PAGES:  # the page's own command, which runs above
        assert header(page)["command"] in (command, f"{command} --data.root IMAGENET")
    else:
        train_one_batch(command, photos, capsys)
