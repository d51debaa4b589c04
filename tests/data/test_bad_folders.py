"""Each malformed folder, made here, and its outcome: what training and validation get, or a sentence."""

import logging
from collections.abc import Callable
from pathlib import Path

import pytest
from PIL import Image

from inception_lightning.data import ImageFolder, ImageNet
from inception_lightning.errors import InputError
from inception_lightning.loading.listing import FileNames, class_folders, image_names

Maker = Callable[[Path], None]
Outcome = tuple[int, int, int] | str
"""Numbers of classes, training and validation images; or a part of the error."""


def images(folder: Path, *names: str) -> None:
    for name in names:
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        Image.new("RGB", (8, 8)).save(folder / name, format="bmp")


def sound(root: Path) -> None:
    """Two classes with two training images and one validation image each."""
    for label in ("ant", "bee"):
        images(root, f"train/{label}/1.bmp", f"train/{label}/2.bmp", f"val/{label}/3.bmp")


def also(*names: str) -> Maker:
    def make(root: Path) -> None:
        sound(root)
        images(root, *names)

    return make


def link(name: str, target: str) -> Maker:
    def make(root: Path) -> None:
        sound(root)
        (root / name).symlink_to(root / target)

    return make


def empty(*names: str) -> Maker:
    def make(root: Path) -> None:
        sound(root)
        for name in names:
            (root / name).mkdir(parents=True)

    return make


def without(name: str) -> Maker:
    def make(root: Path) -> None:
        sound(root)
        for file in (root / name).rglob("*.bmp"):
            file.unlink()
        (root / name).rmdir()

    return make


def only(*names: str) -> Maker:
    return lambda root: images(root, *names)


TABLE: dict[str, tuple[Maker, Outcome]] = {
    "checkpoints of a notebook": (also("train/.ipynb_checkpoints/1.bmp", "val/.ipynb_checkpoints/1.bmp"), (2, 4, 2)),
    "checkpoints in a class": (also("train/ant/.ipynb_checkpoints/1.bmp"), (2, 4, 2)),
    "a Mac's folder settings": (also("train/.DS_Store", "train/ant/.DS_Store"), (2, 4, 2)),
    "a Mac's shadows": (also("train/ant/._1.bmp", "val/bee/._3.bmp"), (2, 4, 2)),
    "a Mac's archive": (also("train/__MACOSX/ant/1.bmp"), (2, 4, 2)),
    "Windows' thumbnails": (also("train/ant/Thumbs.db", "train/ant/desktop.ini"), (2, 4, 2)),
    "half a download": (also("train/ant/4.bmp.part", "train/ant/5.crdownload"), (2, 4, 2)),
    "a link to above as a class": (link("train/loop", "."), (2, 4, 2)),
    "a link to itself as a class": (link("train/loop", "train"), (2, 4, 2)),
    "a link to above in a class": (link("train/ant/loop", "train"), (2, 4, 2)),
    "a link to an image": (link("train/ant/9.bmp", "train/ant/1.bmp"), (2, 5, 2)),
    "a link to a class elsewhere": (link("train/cat", "val/ant"), (3, 5, 2)),
    "an empty class": (empty("train/cat"), (3, 4, 2)),
    "an empty class of validation": (empty("val/cat"), "val has a class 'cat' that"),
    "a class that only validation has": (also("val/cat/1.bmp"), "val has a class 'cat' that"),
    "a class that validation has not": (without("val/ant"), (2, 4, 1)),
    "a class in other capitals": (also("val/Ant/1.bmp"), "val has a class 'Ant' that"),
    "classes within classes": (also("train/ant/red/1.bmp", "train/ant/black/deep/1.bmp"), (2, 6, 2)),
    "images beside the classes": (also("train/1.bmp", "1.bmp"), (2, 4, 2)),
    "flat validation": (only("train/ant/1.bmp", "train/bee/1.bmp", "val/1.bmp"), "val holds no class folders"),
    "flat training": (only("train/1.bmp", "val/1.bmp"), "train holds no class folders"),
    "nothing": (lambda root: None, "holds no class folders"),
    "no images": (lambda root: (root / "train" / "ant").mkdir(parents=True), "no images in"),
    "one class": (only("train/ant/1.bmp", "val/ant/1.bmp"), (1, 1, 1)),
    "a class of one image to be split": (only("ant/1.bmp", "ant/2.bmp", "bee/1.bmp"), "cannot hold out"),
    "names of all kinds": (
        also("train/ant/\u00e4 \U0001f41c\n.bmp", "train/ant/-rf.bmp", "train/ant/a,b;c.BMP"),
        (2, 7, 2),
    ),
    "a folder named as an image": (also("train/ant/folder.bmp/1.bmp"), (2, 5, 2)),
}


@pytest.mark.parametrize("name", TABLE)
def test_a_folder_gives_its_images_or_a_sentence(name: str, tmp_path: Path) -> None:
    make, outcome = TABLE[name]
    make(tmp_path)
    data = ImageFolder(root=tmp_path, image_size=8, num_workers=0)
    if isinstance(outcome, str):
        with pytest.raises(InputError, match=outcome):
            _ = data.dataset("train"), data.dataset("val")
    else:
        train, val = data.dataset("train"), data.dataset("val")
        assert (data.num_classes, len(train), len(val)) == outcome
        assert [data.class_names[label] for label in val.labels] == [file.parent.name for file in val.files]


def test_the_table_has_at_least_15_malformed_folders() -> None:
    assert len(TABLE) >= 15


def test_flat_imagenet_validation_points_to_the_command_that_sorts_it(tmp_path: Path) -> None:
    only("train/n00000001/1.JPEG", "val/ILSVRC2012_val_00000001.JPEG")(tmp_path)
    with pytest.raises(InputError, match=f"lie flat: lightning data prepare FOLDER --root {tmp_path}, where"):
        ImageNet(root=tmp_path).dataset("val")


def test_empty_classes_and_single_classes_are_warned_of(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    empty("train/cat")(tmp_path)
    with caplog.at_level(logging.WARNING):
        ImageFolder(root=tmp_path).dataset("train")
    assert caplog.messages == [f"{tmp_path / 'train'} has no images of 'cat'"]
    caplog.clear()
    images(tmp_path / "one", "photos/cat/1.bmp")
    with caplog.at_level(logging.WARNING):
        ImageFolder(root=tmp_path / "one")._files(tmp_path / "one")
    assert "has one class only, 'photos': if its folders are the classes, say --data.root" in caplog.messages[0]


def test_a_folder_is_listed_in_the_same_order_each_time_and_packed(tmp_path: Path) -> None:
    sound(tmp_path)
    names = [image_names(tmp_path) for _ in range(2)]
    assert names[0] == names[1] == sorted(names[0])
    packed = FileNames(tmp_path, names[0])
    assert len(packed) == 6
    assert list(packed) == [tmp_path / name.decode() for name in names[0]]
    assert list(packed[1:3]) == list(packed)[1:3]
    assert packed[-1] == list(packed)[-1]
    with pytest.raises(IndexError):
        packed[6]
    assert list(FileNames(tmp_path, [])) == []


def test_class_folders_that_cannot_be_read_are_a_sentence(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(folder: bytes) -> None:
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr("inception_lightning.loading.listing.os.scandir", refuse)
    with pytest.raises(InputError, match=f"cannot read the folder {tmp_path}: Permission denied"):
        class_folders(tmp_path)
