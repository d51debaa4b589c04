import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
from PIL import Image

from inception_lightning.__main__ import main
from inception_lightning.checkpointing import read_checkpoint
from inception_lightning.data import ImageFolder
from inception_lightning.data import files as files_of
from inception_lightning.data.fingerprint import changes


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
    words = ["--config=experiments/quickstart.yaml", "--wandb.mode=disabled", "--model.net.width=0.05"]
    data = ["--data=ImageFolder", f"--data.root={root}", "--data.image_size=16", "--data.batch_size=6"]
    trainer = ["--data.num_workers=0", f"--trainer.default_root_dir={runs}", "--trainer.accelerator=cpu"]
    return main(["fit", *words, *data, *trainer, *further])


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
    assert main(["test", f"--ckpt_path={last}", "--data.num_workers=0", "--trainer.accelerator=cpu"]) == 0
    assert fit(root, runs, "--trainer.max_epochs=2", "--resume=auto", "--allow_changes=true") == 0
    assert len(list(runs.glob("*/checkpoints/last.ckpt"))) == 1  # it went on


def test_a_checkpoint_is_not_evaluated_on_classes_of_other_names(
    root: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert fit(root, tmp_path / "runs", "--trainer.max_epochs=1") == 0
    (last,) = (tmp_path / "runs").glob("*/checkpoints/last.ckpt")
    rename_class(root)
    capsys.readouterr()
    assert main(["test", f"--ckpt_path={last}", "--data.num_workers=0", "--trainer.accelerator=cpu"]) == 2
    assert capsys.readouterr().err.splitlines()[-1] == (
        "error: class 1 is 'bee' to the checkpoint and 'cat' to the data: its folders must have the names "
        "that it was trained with"
    )
