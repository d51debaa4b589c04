"""How people name their splits: each layout, made here, is understood or refused."""

from pathlib import Path

import pytest

from inception_lightning.__main__ import main
from inception_lightning.data import ImageFolder
from inception_lightning.data.splits import split_of
from inception_lightning.errors import InputError
from tests.data.test_bad_folders import images


def classes(root: Path, *folders: str, count: int = 2) -> None:
    for folder in folders:
        images(root, *(f"{folder}/{name}/{place}.bmp" for name in ("cat", "dog") for place in range(count)))


@pytest.mark.parametrize(
    ("train", "val", "test"),
    [
        ("train", "valid", "test"),
        ("train", "val", "test"),
        ("Training", "Validation", "Testing"),
        ("TRAIN", "dev", "Test"),
        ("train_set", "valid_set", "test_set"),
        ("train2017", "val2017", "test1"),
        ("trainset", "Validation data", "test-images"),
    ],
)
def test_usual_names_in_any_case_are_the_splits(train: str, val: str, test: str, tmp_path: Path) -> None:
    classes(tmp_path, train)
    classes(tmp_path, val, count=1)
    classes(tmp_path, test, count=3)
    (tmp_path / "runs").mkdir()
    data = ImageFolder(root=tmp_path)
    assert list(data.class_names) == ["cat", "dog"]
    for split, folder, count in (("train", train, 4), ("val", val, 2), ("test", test, 6)):
        files = data.dataset(split).files  # type: ignore[arg-type]
        assert [file.relative_to(tmp_path).parts[0] for file in files] == [folder] * count


REFUSED: dict[str, tuple[list[str], list[str], str]] = {
    "misspelt validation": (["train", "valdation"], [], "train and also valdation, which is no split"),
    "misspelt test": (["train", "val", "tset"], [], "also tset"),
    "both misspelt": (["trian", "valdation"], [], "seem to be splits and not classes"),
    "a prefix": (["seg_train", "seg_test"], [], "seem to be splits and not classes"),
    "two of one": (["train", "val", "validation"], [], "val and validation, which seem to be the same split"),
    "no training": (["val", "test"], [], "no folder for training"),
    "validation beside classes": (["."], ["Validation/1.bmp"], "no folder for training"),
    "training beside classes": ([".", "Training"], [], "Training and also cat"),
    "flat training beside classes": (["."], ["Training/1.bmp"], "Training and also cat"),
    "an unknown split": (["train", "holdout"], [], "also holdout"),
    "an unknown split of photos": (["train", "test"], ["more/1.bmp"], "also more"),
    "one folder too high": (["photos/train", "photos/valid"], ["docs/1.bmp"], "photos holds train and valid"),
    "one folder too high, train only": (["photos/train"], [], "say --data.root .*photos"),
    "splits in the classes": (
        [],
        ["cat/train/1.bmp", "cat/val/1.bmp", "dog/train/1.bmp", "dog/val/1.bmp"],
        "not splits",
    ),
}


@pytest.mark.parametrize("name", REFUSED)
def test_what_looks_like_splits_and_is_not_understood_is_refused(
    name: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    folders, files, said = REFUSED[name]
    classes(tmp_path, *folders)
    images(tmp_path, *files)
    with pytest.raises(InputError, match=said):
        ImageFolder(root=tmp_path).dataset("train")
    assert main(["data", "check", "--root", str(tmp_path)]) == 2
    assert len(capsys.readouterr().err.splitlines()) == 1


@pytest.mark.parametrize(
    "names",
    [
        ("train", "car", "ship"),
        ("train_station", "test_tube"),
        ("ant/red", "ant/black", "rain/red"),
        ("vehicle/train", "vehicle/car", "animal/cat"),
        ("contest", "latest"),
    ],
)
def test_classes_may_have_such_words_in_their_names(names: tuple[str, ...], tmp_path: Path) -> None:
    images(tmp_path, *(f"{name}/{place}.bmp" for name in names for place in range(4)))
    data = ImageFolder(root=tmp_path, val_fraction=0.5)
    assert list(data.class_names) == sorted({name.split("/")[0] for name in names})


@pytest.mark.parametrize("name", ["cat", "trains", "invalid", "nest", "train test", "", "data", "123"])
def test_other_names_are_no_split(name: str) -> None:
    assert split_of(name) is None
