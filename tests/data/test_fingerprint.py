import logging
import shutil
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image

from inception_lightning.__main__ import main
from inception_lightning.data import ImageFolder, fingerprint
from inception_lightning.data.fingerprint import changes, shared
from inception_lightning.errors import InputError
from inception_lightning.loading import dataset as files_of
from inception_lightning.loading.dataset import ImageFiles
from inception_lightning.runs.checkpoints import read_checkpoint
from tests.data.test_base import Noise
from tests.processes import SMALL, UNVALIDATED


def fill(root: Path) -> None:
    """Three classes, 12 images each to train on and 4 to validate on."""
    for split, count in (("train", 12), ("val", 4)):
        for red, name in enumerate(("ant", "bee", "cat")):
            (root / split / name).mkdir(parents=True)
            for index in range(count):
                Image.new("RGB", (16, 16), (90 * red, 10 * index, 0)).save(root / split / name / f"{index}.png")


@pytest.fixture
def root(tmp_path: Path) -> Path:
    fill(tmp_path / "photos")
    return tmp_path / "photos"


def add(root: Path) -> None:
    shutil.copy(root / "train" / "ant" / "0.png", root / "train" / "ant" / "new.png")


def overwrite(root: Path) -> None:
    Image.effect_noise((16, 16), 50).save(root / "val" / "bee" / "1.png")


def rename(root: Path) -> None:
    (root / "train" / "cat" / "3.png").rename(root / "train" / "cat" / "x.png")


def rename_class(root: Path) -> None:
    for split in ("train", "val"):
        (root / split / "bee").rename(root / split / "cow")


def swap(root: Path) -> None:
    (root / "train" / "ant" / "11.png").rename(root / "train" / "bee" / "12.png")


def add_class(root: Path) -> None:
    shutil.copytree(root / "train" / "ant", root / "train" / "dog")


CHANGES: dict[str, tuple[Callable[[Path], None], str]] = {
    "added": (add, "train had 36 images and has 37"),
    "overwritten": (overwrite, "images of val have other names, sizes or pixels"),
    "renamed": (rename, "images of train have other names, sizes or pixels"),
    "class renamed": (rename_class, "class 1 was 'bee' and is 'cat'"),
    "moved to another class": (swap, "images of train have other labels"),
    "class added": (add_class, "there were 3 classes and are 4"),
}


@pytest.mark.parametrize("name", CHANGES)
def test_what_changed_is_named(name: str, root: Path) -> None:
    change, said = CHANGES[name]
    before = ImageFolder(root=root, num_workers=0).fingerprint
    change(root)
    assert changes(before, ImageFolder(root=root, num_workers=0).fingerprint) == said


def test_the_same_images_elsewhere_shown_otherwise_are_the_same(root: Path) -> None:
    before = ImageFolder(root=root, num_workers=0).fingerprint
    moved = root.rename(root.with_name("moved"))
    assert changes(before, ImageFolder(root=moved, image_size=8, seed=5, num_workers=0).fingerprint) == ""


def test_sizes_are_looked_at_of_so_many_files(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(files_of, "SIZES", 7)
    dataset = ImageFolder(root=root, num_workers=0).dataset("train")
    assert len(list(dataset.contents())) == 2 + 7


def fit(root: Path, runs: Path, *further: str) -> int:
    data = ["--data=ImageFolder", f"--data.root={root}", "--data.image_size=16", "--data.batch_size=6"]
    trainer = [f"--trainer.default_root_dir={runs}", "--trainer.limit_train_batches=2", *UNVALIDATED]
    return main(["fit", *SMALL, *data, *trainer, *further])


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with ``photos`` and ``runs``, in which is one run of an epoch."""
    place = tmp_path_factory.mktemp("trained")
    fill(place / "photos")
    assert fit(place / "photos", place / "runs", "--trainer.max_epochs=1") == 0
    return place


@pytest.fixture
def last(trained: Path, tmp_path: Path) -> Path:
    """The last checkpoint of a copy of the run; of its images `root` is a copy."""
    shutil.copytree(trained / "runs", tmp_path / "runs")
    (file,) = (tmp_path / "runs").glob("*/checkpoints/last.ckpt")
    return file


def evaluated(command: str, root: Path, last: Path) -> int:
    place = [f"--data.root={root}", f"--trainer.default_root_dir={root.parent}"]
    return main([command, f"--ckpt_path={last}", *place, "--data.num_workers=0", "--trainer.accelerator=cpu"])


def test_resuming_on_changed_data_is_refused_unless_asked(
    root: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    runs = tmp_path / "runs"
    assert fit(root, runs, "--trainer.max_epochs=1") == 0
    (last,) = runs.glob("*/checkpoints/last.ckpt")
    held = read_checkpoint(last)["ImageFolder"]["fingerprint"]
    assert held == ImageFolder(root=root, num_workers=0).fingerprint
    assert held["class_names"] == ["ant", "bee", "cat"]
    add(root)
    capsys.readouterr()
    assert fit(root, runs, "--trainer.max_epochs=2", "--resume=auto") == 2
    assert capsys.readouterr().err.splitlines()[-1] == (
        "error: the data are not those that this run began with: train had 36 images and has 37; "
        "bring them back, start a new run, or say --allow_changes true"
    )
    assert evaluated("test", root, last) == 0
    assert fit(root, runs, "--trainer.max_epochs=2", "--resume=auto", "--allow_changes=true") == 0
    assert len(list(runs.glob("*/checkpoints/last.ckpt"))) == 1  # it went on


def test_a_checkpoint_is_not_evaluated_on_classes_of_other_names(
    root: Path, last: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    rename_class(root)
    capsys.readouterr()
    assert evaluated("test", root, last) == 2
    assert capsys.readouterr().err.splitlines()[-1] == (
        "error: class 1 is 'bee' to the checkpoint and 'cat' to the data: its folders must have the names "
        "that it was trained with"
    )


def test_weights_for_classes_of_other_names_are_not_taken_for_the_same(
    root: Path, last: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], caplog: pytest.LogCaptureFixture
) -> None:
    weights, still = f"--model.weights={last}", ("--trainer.max_epochs=1", "--model.optimizer.lr=0")
    evaluate = ["validate", weights, "--data=ImageFolder", f"--data.root={root}", "--data.num_workers=0"]

    def classifier(runs: Path) -> Any:
        (file,) = runs.glob("*/checkpoints/last.ckpt")
        return read_checkpoint(file)["state_dict"]["net.classifier.weight"]

    assert fit(root, tmp_path / "same", weights, *still) == 0
    assert torch.equal(classifier(tmp_path / "same"), classifier(tmp_path / "runs"))
    assert main([*evaluate, "--trainer.accelerator=cpu"]) == 0
    rename_class(root)
    capsys.readouterr()
    assert main([*evaluate, "--trainer.accelerator=cpu"]) == 2
    assert "error: class 1 is 'bee' to the checkpoint and 'cat' to the data" in capsys.readouterr().err
    caplog.clear()
    assert fit(root, tmp_path / "renamed", weights, *still) == 0
    said = "class 1 is 'bee' to the weights and 'cat' to the data: the classifier starts anew"
    assert sum(said in message for message in caplog.messages) == 1
    assert not torch.equal(classifier(tmp_path / "renamed"), classifier(tmp_path / "runs"))
    assert fit(root, tmp_path / "kept", weights, *still, "--allow_changes=true") == 0
    assert torch.equal(classifier(tmp_path / "kept"), classifier(tmp_path / "runs"))


@pytest.fixture
def doubled(tmp_path: Path) -> Path:
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
    doubled: Path, caplog: pytest.LogCaptureFixture
) -> None:
    data = ImageFolder(root=doubled, image_size=8, num_workers=0)
    with caplog.at_level(logging.WARNING):
        data.setup("fit")
    assert caplog.messages == []
    for index in (3, 5):
        shutil.copy(doubled / "train" / "ant" / f"{index}.bmp", doubled / "val" / "bee" / f"copy{index}.bmp")
    with caplog.at_level(logging.WARNING):
        ImageFolder(root=doubled, image_size=8, num_workers=0).setup("validate")
        assert caplog.messages == []
        ImageFolder(root=doubled, image_size=8, num_workers=0).setup("fit")
    assert caplog.messages == [
        f"at least 2 of the validation images are training images too, {doubled / 'val' / 'bee' / 'copy3.bmp'} is "
        f"{doubled / 'train' / 'ant' / '3.bmp'}: accuracy will be too good; lightning data check lists them"
    ]


def test_the_look_is_bounded_in_files_and_in_time(doubled: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    files = ImageFolder(root=doubled, num_workers=0).dataset("train")
    assert len(shared(files, files)) == 60
    assert shared(files, files, seconds=0) == []
    monkeypatch.setattr(fingerprint, "MOST_FILES", 10)
    assert len(shared(files, files)) == 10


def test_twenty_thousand_files_take_less_than_the_time_and_vanished_ones_are_passed_by(doubled: Path) -> None:
    files = ImageFolder(root=doubled, num_workers=0).dataset("val")
    many = ImageFiles([*files.files] * 1500 + [doubled / "vanished.bmp"], [0] * (1500 * len(files) + 1))
    start = time.process_time()
    assert len(shared(many, files)) == len(files)
    assert time.process_time() - start < 6


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
