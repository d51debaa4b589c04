import shutil
from collections.abc import Iterable
from pathlib import Path

import pytest
import torch
from PIL import Image

from inception_lightning.data import ImageFolder, Photos
from inception_lightning.errors import InputError


def fill(folder: Path, counts: dict[str, int]) -> None:
    """Class folders of small images; the red of each is its class's place in ``counts``."""
    for place, (name, count) in enumerate(counts.items()):
        (folder / name).mkdir(parents=True, exist_ok=True)
        for index in range(count):
            Image.new("RGB", (12, 10), (place, index, 0)).save(folder / name / f"{index}.png")


def labels_by_file(data: ImageFolder, split: str) -> dict[Path, int]:
    dataset = data.dataset(split)  # type: ignore[arg-type]
    return {dataset.file(index): int(dataset.labels[index]) for index in range(len(dataset))}


@pytest.fixture
def split_folders(tmp_path: Path) -> Path:
    fill(tmp_path / "train", {"ant": 3, "bee": 2, "cat": 4})
    fill(tmp_path / "val", {"ant": 1, "bee": 2, "cat": 1})
    fill(tmp_path / "test", {"ant": 2, "bee": 1, "cat": 5})
    return tmp_path


def test_each_split_has_its_own_folder_and_one_map_of_classes(split_folders: Path) -> None:
    data = ImageFolder(root=split_folders, image_size=8, num_workers=0)
    assert list(data.class_names) == ["ant", "bee", "cat"]
    assert data.num_classes == 3
    for split, count in (("train", 9), ("val", 4), ("test", 8)):
        labels = labels_by_file(data, split)
        assert len(labels) == count
        for file, label in labels.items():
            assert file.relative_to(split_folders).parts[:2] == (split, data.class_names[label])
    images, labels = next(iter(data.val_dataloader()))
    assert images.shape == (4, 3, 8, 8)
    assert torch.equal(images[:, 0, 0, 0].long(), labels)  # red says the class


def test_without_test_images_test_shows_the_validation_images(split_folders: Path) -> None:
    shutil.rmtree(split_folders / "test")
    data = ImageFolder(root=split_folders)
    assert labels_by_file(data, "test") == labels_by_file(data, "val")


def test_without_val_a_share_of_train_is_held_out(split_folders: Path) -> None:
    shutil.rmtree(split_folders / "val")
    fill(split_folders / "train", {"ant": 10, "bee": 10, "cat": 10})
    data = ImageFolder(root=split_folders, val_fraction=0.3)
    assert (len(data.dataset("train")), len(data.dataset("val")), len(data.dataset("test"))) == (21, 9, 8)


def test_one_folder_is_split_by_class_always_alike(tmp_path: Path) -> None:
    fill(tmp_path, {"ant": 10, "bee": 20})
    train, val = (labels_by_file(ImageFolder(root=tmp_path), split) for split in ("train", "val"))
    assert not train.keys() & val.keys()
    assert len(train) + len(val) == 30
    assert sorted(val.values()) == [0] * 2 + [1] * 4
    assert labels_by_file(ImageFolder(root=tmp_path, seed=7), "val") == val
    assert labels_by_file(ImageFolder(root=tmp_path), "test") == val


def test_a_class_of_val_that_train_has_not_is_refused(split_folders: Path) -> None:
    fill(split_folders / "val", {"bear": 1})
    data = ImageFolder(root=split_folders)
    with pytest.raises(InputError) as raised:
        data.dataset("val")
    assert (
        str(raised.value) == f"{split_folders / 'val'} has a class 'bear' that {split_folders / 'train'} does not have"
    )


def test_a_class_missing_in_val_moves_no_other_class(split_folders: Path) -> None:
    shutil.rmtree(split_folders / "val" / "ant")
    labels = labels_by_file(ImageFolder(root=split_folders), "val")
    assert {file.parent.name: label for file, label in labels.items()} == {"bee": 1, "cat": 2}


def test_folders_within_class_folders_count_and_hidden_ones_do_not(tmp_path: Path) -> None:
    fill(tmp_path, {"ant": 5, "bee": 5, ".ipynb_checkpoints": 5, "__MACOSX": 5})
    fill(tmp_path / "ant", {"2019": 5})
    data = ImageFolder(root=tmp_path)
    assert list(data.class_names) == ["ant", "bee"]
    assert len(data.dataset("train")) + len(data.dataset("val")) == 15


def test_folders_without_images_are_refused(tmp_path: Path) -> None:
    (tmp_path / "train" / "ant").mkdir(parents=True)
    (tmp_path / "train" / "ant" / "notes.txt").touch()
    with pytest.raises(InputError, match=f"no images in {tmp_path / 'train'}: its class folders are empty"):
        ImageFolder(root=tmp_path).dataset("train")
    with pytest.raises(InputError, match=f"there is no folder {tmp_path / 'nowhere'}: say --data"):
        _ = ImageFolder(root=tmp_path / "nowhere").class_names


@pytest.mark.parametrize("workers", [0, 1])
def test_an_unreadable_image_is_named_from_workers_too(tmp_path: Path, workers: int) -> None:
    fill(tmp_path, {"ant": 5, "bee": 5})
    for file in (tmp_path / "ant").iterdir():
        file.write_text("not an image")
    data = ImageFolder(root=tmp_path, image_size=8, num_workers=workers)
    with pytest.raises(InputError) as raised:
        list(data.train_dataloader())
    assert str(raised.value).startswith(f"cannot read the image {tmp_path / 'ant'}")
    assert len(str(raised.value).splitlines()) == 1


def names(files: Iterable[Path]) -> list[str]:
    return [file.name for file in files]


def test_photos_are_all_shown_once_with_their_own_index(tmp_path: Path) -> None:
    fill(tmp_path, {"b": 2, "a": 3})
    Image.new("L", (30, 9), 200).save(tmp_path / "z.jpg")
    data = Photos(root=tmp_path, class_names=["x", "y"], image_size=8, batch_size=4, num_workers=0)
    assert names(data.files) == ["0.png", "1.png", "2.png", "0.png", "1.png", "z.jpg"]
    batches = list(data.predict_dataloader())
    assert [tuple(images.shape) for images, _ in batches] == [(4, 3, 8, 8), (2, 3, 8, 8)]
    assert torch.cat([indices for _, indices in batches]).tolist() == list(range(6))
    assert data.num_classes == 2


def test_photos_that_are_not_there_are_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=f"no images in {tmp_path}"):
        _ = Photos(root=tmp_path, class_names=["x"]).files
    with pytest.raises(InputError, match=f"there is no folder {tmp_path / 'nowhere'}: say --data"):
        _ = Photos(root=tmp_path / "nowhere", class_names=["x"]).files


def test_pixels_are_the_same_with_0_1_and_4_workers_and_others_in_the_next_epoch(tmp_path: Path) -> None:
    fill(tmp_path, {"ant": 10, "bee": 10})

    def epoch(number: int, workers: int) -> torch.Tensor:
        data = ImageFolder(root=tmp_path, image_size=9, batch_size=4, num_workers=workers)
        loader = data.train_dataloader()
        loader.sampler.set_epoch(number)
        return torch.cat([images for images, _ in loader])

    first = epoch(0, workers=0)
    assert torch.equal(first, epoch(0, workers=1))
    assert torch.equal(first, epoch(0, workers=4))
    assert not torch.equal(first, epoch(1, workers=0))
