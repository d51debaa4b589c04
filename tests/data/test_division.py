from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from sklearn.model_selection import train_test_split

from inception_lightning import CIFAR10, Digits, ImageFolder
from inception_lightning.__main__ import main
from inception_lightning.data import ImageTable
from inception_lightning.data.base import SplitInputError
from inception_lightning.data.division import folds, groups_by_pattern, parts_of_groups, split_by_fraction
from inception_lightning.errors import InputError

RANDOM = np.random.RandomState(1)
GROUPS = np.array([f"patient{number}" for number in RANDOM.randint(0, 60, 1000)])
LABELS = torch.from_numpy(RANDOM.choice(4, 1000, p=[0.6, 0.3, 0.08, 0.02]))
PATTERN = r"^(patient\d+)_"


@pytest.mark.parametrize("shares", [[0.8, 0.2], [0.7, 0.3], [0.2] * 5, [0.1] * 10])
def test_groups_stay_whole_and_classes_are_near_their_shares(shares: list[float]) -> None:
    part = parts_of_groups(LABELS, GROUPS, shares)
    assert all(len(set(part[name == GROUPS])) == 1 for name in set(GROUPS))
    for index, share in enumerate(shares):
        assert np.mean(part == index) == pytest.approx(share, abs=0.02)
        for label in (0, 1, 2):
            assert np.mean(part[label == LABELS] == index) == pytest.approx(share, abs=0.08)
    assert (part == parts_of_groups(LABELS, GROUPS, shares)).all()


def test_rows_of_labels_are_spread_too() -> None:
    rows = torch.stack([LABELS > 0, LABELS == 2, LABELS == 3], dim=1).to(torch.uint8)
    part = parts_of_groups(rows, GROUPS, [0.5, 0.5])
    assert part[rows[:, 0].bool().numpy()].mean() == pytest.approx(0.5, abs=0.03)
    images = Digits(fold=(1, 4)).divided(rows)[1]  # each image a group of its own
    assert abs(len(images) - 250) <= 2
    assert (rows[images].sum(dim=0) * 4 - rows.sum(dim=0)).abs().max() <= 4


def test_every_part_gets_a_group_and_too_few_are_refused() -> None:
    sizes = np.repeat(["a", "b", "c", "d", "e"], [100, 5, 1, 1, 1])
    assert set(parts_of_groups(torch.zeros(108, dtype=torch.long), sizes, [0.2] * 5)) == set(range(5))
    with pytest.raises(SplitInputError, match=r"there are 5 groups \(a, b, c, d, e\) and 6 parts"):
        parts_of_groups(torch.zeros(108, dtype=torch.long), sizes, [1 / 6] * 6)


def test_a_split_is_stratified_disjoint_complete_and_seeded() -> None:
    labels = torch.tensor([0] * 50 + [1] * 30 + [2] * 20)[torch.randperm(100)]
    train, val = split_by_fraction(labels, 0.2, seed=0)
    assert sorted([*train.tolist(), *val.tolist()]) == list(range(100))
    assert labels[val].bincount().tolist() == [10, 6, 4]
    assert all(a < b for a, b in pairwise(train.tolist()))
    assert torch.equal(split_by_fraction(labels, 0.2, seed=0)[1], val)
    assert not torch.equal(split_by_fraction(labels, 0.2, seed=1)[1], val)


@pytest.mark.parametrize("fraction", [0.0, 1.0, 1.5, -0.1, 0.001])
def test_a_split_with_an_empty_side_is_refused(fraction: float) -> None:
    with pytest.raises(InputError, match=f"cannot hold out val_fraction {fraction} of 40 images"):
        split_by_fraction(torch.arange(2).repeat(20), fraction, seed=0)


@pytest.mark.parametrize("seed", range(40))
def test_a_split_has_the_images_of_scikit_learns(seed: int) -> None:
    """So runs of before are resumed on the images that they began with."""
    random = np.random.RandomState(seed)
    sizes = random.randint(2, 60, size=random.randint(1, 30))
    labels = random.permutation(np.repeat(random.permutation(40)[: len(sizes)], sizes))
    fraction = float(random.choice([0.2, 0.1, 1 / 3, 0.5, 0.8, random.rand()]))
    try:
        expected = train_test_split(np.arange(len(labels)), test_size=fraction, stratify=labels, random_state=seed)
    except ValueError:
        with pytest.raises(SplitInputError, match="needs one of each"):
            split_by_fraction(torch.from_numpy(labels), fraction, seed)
    else:
        found = split_by_fraction(torch.from_numpy(labels), fraction, seed)
        assert [side.tolist() for side in found] == [sorted(side) for side in expected]


def test_no_images_are_refused() -> None:
    with pytest.raises(SplitInputError, match=r"cannot hold out val_fraction 0\.2 of 0 images"):
        split_by_fraction(torch.zeros(0, dtype=torch.long), 0.2, seed=0)


def test_a_class_of_one_image_is_refused() -> None:
    with pytest.raises(InputError, match="of 11 images: 1 of 2 classes have a single image"):
        split_by_fraction(torch.tensor([0] * 10 + [1]), 0.2, seed=0)


def test_folds_hold_each_image_out_once_and_spread_classes_evenly() -> None:
    part = folds(LABELS, 5)
    for label in range(4):
        counts = np.bincount(part[label == LABELS], minlength=5)
        assert counts.max() - counts.min() <= 1
    with pytest.raises(SplitInputError, match="no class has 7 images"):
        folds(torch.tensor([0, 0, 1]), 7)


def test_the_folds_of_a_data_set_are_all_its_images() -> None:
    data = [Digits(fold=(index, 3)) for index in range(3)]
    held_out = torch.cat([one.dataset("val").images for one in data])
    whole = torch.cat([Digits().dataset(split).images for split in ("train", "val")])
    assert held_out.flatten(1).sort(0)[0].equal(whole.flatten(1).sort(0)[0])
    assert all(len(one.dataset("train")) + len(one.dataset("val")) == 1797 for one in data)
    assert data[0].dataset("test").images.equal(data[0].dataset("val").images)
    for fold in ((3, 3), (0, 1), (-1, 2)):
        with pytest.raises(InputError, match="fold must be"):
            CIFAR10(fold=fold)


@pytest.mark.parametrize(
    ("pattern", "said"),
    [
        ("^(patient", "is no regular expression"),
        (r"^patient\d+", "needs one group in parentheses"),
        (r"^(patient\d\d)_", "does not match 1 of 2 names, such as a/patient1_x.png"),
    ],
)
def test_patterns_that_make_no_groups_are_refused(pattern: str, said: str) -> None:
    with pytest.raises(InputError, match=said):
        groups_by_pattern(["a/patient1_x.png", "a/patient12_x.png"], pattern)


def test_a_pattern_with_a_slash_sees_the_path() -> None:
    assert groups_by_pattern(["cat/p1/x.png", "dog/p2/y.png"], "/(p[0-9]+)/").tolist() == ["p1", "p2"]
    assert groups_by_pattern(["cat/p1_x.png"], "^(p[0-9]+)_").tolist() == ["p1"]


def save(file: Path) -> None:
    file.parent.mkdir(parents=True, exist_ok=True)
    Image.new("RGB", (16, 16), (len(str(file)), RANDOM.randint(255), RANDOM.randint(255))).save(file)


@pytest.fixture(scope="module")
def patients(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two classes, ten patients with four images each, most of one class."""
    root = tmp_path_factory.mktemp("patients")
    for patient in range(10):
        for image in range(4):
            save(root / ("ill" if (patient + (image == 0)) % 2 else "well") / f"patient{patient}_{image}.png")
    return root


def patients_of(data: ImageFolder, split: str) -> set[str]:
    files = data.dataset(split)  # type: ignore[arg-type]  # one of them
    return {files.file(index).name.partition("_")[0] for index in range(len(files))}


@pytest.mark.parametrize("fold", [None, *((index, 5) for index in range(5))])
def test_a_patients_images_are_on_one_side(patients: Path, fold: tuple[int, int] | None) -> None:
    data = ImageFolder(root=patients, group_pattern=PATTERN, fold=fold)
    assert patients_of(data, "train") | patients_of(data, "val") == {f"patient{index}" for index in range(10)}
    assert not patients_of(data, "train") & patients_of(data, "val")
    assert len(patients_of(data, "val")) == 2
    data.setup("fit")


def test_given_splits_that_leak_are_refused_and_found_by_the_check(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    for split, patient in (("train", 1), ("train", 2), ("val", 2), ("test", 3)):
        for name in ("ill", "well"):
            save(tmp_path / split / name / f"patient{patient}_{split}.png")
    flags = ["--data=ImageFolder", f"--data.root={tmp_path}", f"--data.group_pattern={PATTERN}"]
    assert main(["fit", *flags, "--data.image_size=32", "--model.net=GoogLeNet"]) == 2
    said = "1 group is in train and in val, such as patient2"
    assert f"error: {said}: move their images into one split" in capsys.readouterr().err
    assert main(["data", "check", f"--root={tmp_path}", *flags[2:]]) == 2
    assert f"error: {said}\n" in capsys.readouterr().out
    pooled = [ImageFolder(root=tmp_path, group_pattern=PATTERN, fold=(index, 2)) for index in range(2)]
    assert [patients_of(one, "val") for one in pooled] in ([{"patient1"}, {"patient2"}], [{"patient2"}, {"patient1"}])
    assert patients_of(pooled[0], "test") == {"patient3"}
    pooled[0].setup("fit")


def test_a_table_has_a_column_of_groups(patients: Path, tmp_path: Path) -> None:
    files = sorted(patients.rglob("*.png"))
    rows = [f"{file},{file.parent.name},{file.name.partition('_')[0]}" for file in files]
    table = tmp_path / "images.csv"
    table.write_text("\n".join(["path,label,group", *rows]))
    data = ImageTable(root=table)
    assert len(patients_of(data, "val")) == 2
    assert not patients_of(data, "train") & patients_of(data, "val")
    table.write_text("\n".join(["path,label,group", *rows, f"{patients}/x.png,ill,"]))
    with pytest.raises(InputError, match=r"line 42: .*x\.png has no group"):
        ImageTable(root=table).dataset("train")
