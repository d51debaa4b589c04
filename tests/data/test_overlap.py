import logging
import shutil
import time
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from inception_lightning.__main__ import main
from inception_lightning.data import ImageFolder, overlap
from inception_lightning.data.files import ImageFiles
from inception_lightning.data.overlap import shared
from inception_lightning.errors import InputError
from tests.data.test_base import Noise


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """Images of the same size in bytes, all different."""
    generator = np.random.default_rng(0)
    for split, count in (("train", 30), ("val", 8)):
        for name in ("ant", "bee"):
            (tmp_path / split / name).mkdir(parents=True)
            for index in range(count):
                pixels = generator.integers(0, 256, (8, 8, 3), dtype=np.uint8)
                Image.fromarray(pixels).save(tmp_path / split / name / f"{index}.bmp")
    return tmp_path


def test_validation_images_among_the_training_images_are_warned_of(
    root: Path, caplog: pytest.LogCaptureFixture
) -> None:
    data = ImageFolder(root=root, image_size=8, num_workers=0)
    with caplog.at_level(logging.WARNING):
        data.setup("fit")
    assert caplog.messages == []
    for index in (3, 5):
        shutil.copy(root / "train" / "ant" / f"{index}.bmp", root / "val" / "bee" / f"copy{index}.bmp")
    with caplog.at_level(logging.WARNING):
        ImageFolder(root=root, image_size=8, num_workers=0).setup("validate")
        assert caplog.messages == []
        ImageFolder(root=root, image_size=8, num_workers=0).setup("fit")
    assert caplog.messages == [
        f"at least 2 of the validation images are training images too, {root / 'val' / 'bee' / 'copy3.bmp'} is "
        f"{root / 'train' / 'ant' / '3.bmp'}: accuracy will be too good; lightning data check lists them"
    ]


def test_the_look_is_bounded_in_files_and_in_time(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    files = ImageFolder(root=root, num_workers=0).dataset("train")
    assert len(shared(files, files)) == 60
    assert shared(files, files, seconds=0) == []
    monkeypatch.setattr(overlap, "MOST_FILES", 10)
    assert len(shared(files, files)) == 10


def test_twenty_thousand_files_take_less_than_the_time_and_vanished_ones_are_passed_by(root: Path) -> None:
    files = ImageFolder(root=root, num_workers=0).dataset("val")
    many = ImageFiles([*files.files] * 1500 + [root / "vanished.bmp"], [0] * (1500 * len(files) + 1))
    start = time.monotonic()
    assert len(shared(many, files)) == len(files)
    assert time.monotonic() - start < 6


def test_a_batch_of_more_images_than_there_are_is_warned_of(caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.WARNING):
        assert len(Noise(size=5, batch_size=8).train_dataloader()) == 1
        assert len(Noise(size=8, batch_size=8).train_dataloader()) == 1
    assert caplog.messages == ["batch_size 8 is more than there are: batches have 5 images"]


def test_no_images_to_train_on_are_refused() -> None:
    with pytest.raises(InputError, match="0 training images are too few for 1 processes"):
        Noise(size=0).train_dataloader()


def test_a_folder_too_small_to_be_split_is_checked_all_the_same(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    for name in ("ant/1", "ant/2", "bee/1"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        Image.new("RGB", (8, 8), (len(name), 0, 0)).save(tmp_path / f"{name}.bmp")
    (tmp_path / "bee" / "2.jpg").write_text("<html>")
    assert main(["data", "check", "--root", str(tmp_path), "--data.val_fraction=0.1", "--data.num_workers=0"]) == 2
    printed = capsys.readouterr().out
    assert "train: 4 images, 2 of 2 classes of 2 to 2 images" in printed
    assert "error: cannot hold out val_fraction 0.1 of 4 images" in printed
    assert "it is a web page" in printed
