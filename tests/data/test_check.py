"""`lightning data check`: what is said of data that are sound, doubled, flat or oddly named."""

import os
import shutil
from pathlib import Path

import pytest
import tifffile
import torch
from PIL import Image
from torch import Tensor

from inception_lightning.__main__ import main
from inception_lightning.data import Digits, ImageDataModule, ImageFolder
from inception_lightning.data.base import Split
from inception_lightning.data.check import check
from inception_lightning.loading import decoding
from inception_lightning.loading.dataset import ImageDataset, ImageTensors
from tests.data.test_folder import fill


class Twice(ImageDataModule):
    """Validates on the test images, as CIFAR does with val_fraction 0."""

    class_names = ("one", "two")

    def dataset(self, split: Split) -> ImageDataset:
        images = torch.arange(4 * 3 * 8 * 8, dtype=torch.uint8).reshape(4, 3, 8, 8) + (split == "train")
        labels: Tensor = torch.tensor([0, 1, 0, 1])
        return ImageTensors(images, labels)


def test_splits_that_show_the_same_images_are_no_duplicates() -> None:
    for data in (Digits(num_workers=0), Twice(num_workers=0)):
        report = check(data)
        assert report.same == {"test": "val"}
        assert "test: the same images as val" in report.text()
        assert "warning" not in report.text()
    assert check(Twice(num_workers=0)).copies() == []


def test_files_of_other_bands_are_named(tmp_path: Path) -> None:
    fill(tmp_path, {"ant": 6, "bee": 6})
    first = next(iter(sorted((tmp_path / "ant").iterdir())))
    grey = Image.open(first).convert("L")
    first.unlink()
    grey.save(tmp_path / "ant" / "grey.png")
    data = ImageFolder(root=tmp_path, num_workers=0)
    text = check(data).text()
    assert f"11 files are of 3 channels, 1 of 1 channel, such as {tmp_path}/ant/grey.png: all are shown in RGB" in text
    five = torch.zeros(30, 40, 5, dtype=torch.uint8).numpy()
    tifffile.imwrite(tmp_path / "bee" / "five.tif", five, photometric="minisblack", planarconfig="contig")
    report = check(ImageFolder(root=tmp_path, num_workers=0))
    assert [reason for *_, reason in report.bad] == ["it has 5 channels and the others are pictures in RGB"]


def test_a_flat_test_folder_leaves_the_rest_of_the_report(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    fill(tmp_path / "train", {"ant": 3, "bee": 2})
    fill(tmp_path / "val", {"ant": 1, "bee": 1})
    shutil.copytree(tmp_path / "train" / "ant", tmp_path / "test")
    assert main(["data", "check", "--root", str(tmp_path), "--data.num_workers=0"]) == 2
    said = capsys.readouterr().out
    assert "train: 5 images" in said
    assert "val: 2 images" in said
    assert f"error: {tmp_path / 'test'} holds no class folders" in said


def test_each_file_is_read_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    fill(tmp_path, {"ant": 5, "bee": 5})
    (tmp_path / "ant" / "notes.heic").write_bytes(b"no image")
    Image.new("RGB", (8, 8)).save(tmp_path / "beside.png")
    read: list[str] = []

    def watched(file: str) -> object:
        read.append(str(file))
        return decoding.read_file(file)

    monkeypatch.setattr("inception_lightning.data.check.read_file", watched)
    monkeypatch.setattr("inception_lightning.loading.dataset.read_file", watched)
    text = check(ImageFolder(root=tmp_path, num_workers=0)).text()
    assert sorted(read) == sorted(str(file) for file in tmp_path.glob("*/*.png"))
    assert f"1 images beside the class folders ({tmp_path / 'beside.png'})" in text
    assert f"1 files .heic ({tmp_path / 'ant' / 'notes.heic'})" in text


def test_names_that_are_no_text_are_reported(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    fill(tmp_path, {"ant": 5, "bee": 5})
    bad = os.fsencode(tmp_path) + b"/ant/\xff\x1b[31m\n.png"
    Path(os.fsdecode(bad)).write_bytes(b"")
    listed = tmp_path / "bad.csv"
    assert main(["data", "check", "--root", str(tmp_path), "--out", str(listed), "--data.num_workers=0"]) == 2
    said = capsys.readouterr().out
    assert "/ant/\\udcff\\x1b[31m\\n.png: cannot identify image file: it is empty" in said
    assert bad in listed.read_bytes()
