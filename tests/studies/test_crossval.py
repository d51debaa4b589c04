"""A network for each fold: no group on two sides, what is pooled is what the networks say, and kills cost nothing."""

import csv
import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image
from sklearn.metrics import accuracy_score, average_precision_score, f1_score, roc_auc_score

from inception_lightning import ImageFolder, InceptionClassifier, InceptionResNetV1
from inception_lightning.__main__ import main
from inception_lightning.evaluation.predictions_csv import Predictions
from inception_lightning.evaluation.scores import scores
from inception_lightning.loading.crops import Crops
from inception_lightning.studies.crossval import fold_runs, fold_table, of_fold, pooled
from inception_lightning.studies.sweep_run import Run
from tests.processes import finish, kill, program, wait_until

FOLDS = 3
PATTERN = r"^(patient\d+)_"
CLASSES = ("ill", "well")


@pytest.fixture(scope="module")
def patients(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Nine patients with eight images each, some of them ill on some days."""
    root, random = tmp_path_factory.mktemp("patients"), np.random.RandomState(0)
    for patient in range(9):
        for day in range(8):
            name = CLASSES[int((patient * 3 + day) % 5 < 3)]
            grey = random.randint(0, 200, (24, 24), np.uint8) + (50 if name == "ill" else 0)
            (root / name).mkdir(exist_ok=True)
            Image.fromarray(grey.astype(np.uint8)).save(root / name / f"patient{patient}_{day}.png")
    return root


def data_of(patients: Path, index: int, crops: Crops | None = None) -> ImageFolder:
    options: dict[str, Any] = {"image_size": 24, "batch_size": 16, "num_workers": 0, "crops": crops or Crops()}
    return ImageFolder(root=patients, group_pattern=PATTERN, fold=(index, FOLDS), **options)


def patients_in(files: list[str]) -> set[str]:
    return {Path(file).name.partition("_")[0] for file in files}


@pytest.fixture(scope="module")
def found(patients: Path, tmp_path_factory: pytest.TempPathFactory) -> list[Predictions]:
    """What three networks, as they start, say of their folds."""
    place = tmp_path_factory.mktemp("folds")
    predictions = []
    for index, run in enumerate(fold_runs(["--config", "page.yaml"], FOLDS, place)):
        run.folder.mkdir(parents=True)
        torch.manual_seed(index)
        net = InceptionResNetV1(num_classes=2, stem="small", width=0.05, depths=(1, 1, 1), aux=False)
        predictions.append(of_fold(run, "last", InceptionClassifier(net), data_of(patients, index)))
        again = of_fold(run, "last", InceptionClassifier(net), data_of(patients, index))  # read, not computed
        assert np.array_equal(again.probabilities, predictions[-1].probabilities)
        assert list(again.files) == list(predictions[-1].files)
    return predictions


def test_each_image_is_held_out_once_and_no_patient_is_on_two_sides(found: list[Predictions], patients: Path) -> None:
    held_out = [file for fold in found for file in fold.files]
    assert sorted(held_out) == sorted(map(str, patients.rglob("*.png")))
    for index, fold in enumerate(found):
        trained = data_of(patients, index).dataset("train")
        names = [trained.name(place) for place in range(len(trained))]
        assert not patients_in(names) & patients_in(list(fold.files))
        assert len(names) + len(fold.files) == 72


def test_pooled_scores_are_those_computed_by_hand(found: list[Predictions]) -> None:
    whole = pooled(found)
    truth = np.array([CLASSES.index(Path(file).parent.name) for file in whole.files])
    assert np.array_equal(truth, whole.targets)
    by_hand = scores(whole.probabilities, whole.targets, whole.class_names)
    said = whole.probabilities.argmax(axis=1)
    assert by_hand.overall["top1"] == pytest.approx(accuracy_score(truth, said), abs=1e-9)
    assert by_hand.overall["f1"] == pytest.approx(f1_score(truth, said, average="macro"), abs=1e-9)
    assert by_hand.overall["auroc"] == pytest.approx(roc_auc_score(truth, whole.probabilities[:, 1]), abs=1e-9)
    shown, rows = fold_table(by_hand, found)
    each = [accuracy_score(fold.targets, fold.probabilities.argmax(axis=1)) for fold in found]
    (row,) = [row for row in rows if row[0] == "top1"]
    assert row[1:] == pytest.approx([accuracy_score(truth, said), np.mean(each), np.std(each, ddof=1), *each])
    assert shown.row_count == len(by_hand.overall)


def test_views_of_an_image_are_one_answer(patients: Path, tmp_path: Path) -> None:
    torch.manual_seed(0)
    net = InceptionResNetV1(num_classes=2, stem="small", width=0.05, depths=(1, 1, 1), aux=False)
    module, predictions = InceptionClassifier(net), []
    for place, crops in ((tmp_path / "one", Crops()), (tmp_path / "two", Crops(flips=True))):
        (run,) = fold_runs(["--config", "page.yaml"], FOLDS, place)[:1]
        run.folder.mkdir(parents=True)
        predictions.append(of_fold(run, "last", module, data_of(patients, 0, crops)))
    one, two = predictions
    assert list(one.files) == list(two.files)
    assert np.array_equal(one.targets, two.targets)
    assert not np.array_equal(one.probabilities, two.probabilities)
    np.testing.assert_allclose(two.probabilities.sum(axis=1), 1, atol=1e-9)


def test_the_runs_of_the_folds_go_on_where_they_were_stopped(tmp_path: Path) -> None:
    first, second = fold_runs(["--config", "page.yaml"], 2, tmp_path, ["--trust=mine"])
    assert first.choice == {"data.fold": "[0,2]"}
    assert second.command[3:8] == ("fit", "--config", "page.yaml", "--data.fold=[1,2]", "--resume=auto")
    assert second.command[8:] == ("--trust=mine", f"--trainer.default_root_dir={second.folder}")
    assert isinstance(first, Run)
    assert first.folder != second.folder


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["--folds=1"], "--folds must be at least 2, got 1"),
        (["--data.fold=[0,2]"], "crossval itself says --data.fold"),
        (["--data=Shards", "--data.root=nowhere"], "Shards has no folds"),
        (["--folds=200", "--data=Digits"], "no class has 200 images"),
        (["--jobs=0"], "--jobs must be at least 1"),
    ],
)
def test_what_cannot_be_is_refused_before_anything_is_trained(
    words: list[str], said: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["crossval", *words]) == 2
    assert said in capsys.readouterr().err


def test_groups_that_leak_into_the_test_images_or_are_too_few_are_refused(
    patients: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    flags = ["--data=ImageFolder", f"--data.root={patients}", f"--data.group_pattern={PATTERN}"]
    assert main(["crossval", "--folds=10", *flags]) == 2
    assert "there are 9 groups" in capsys.readouterr().err
    for split, patient in (("train", 1), ("train", 2), ("test", 2)):
        for name in CLASSES:
            (tmp_path / split / name).mkdir(parents=True, exist_ok=True)
            Image.new("RGB", (16, 16)).save(tmp_path / split / name / f"patient{patient}_{split}.png")
    assert main(["crossval", "--folds=2", *flags[::2], f"--data.root={tmp_path}"]) == 2
    assert "and in test, such as patient2: move their images into one split" in capsys.readouterr().err


@pytest.mark.slow
def test_a_cross_validation_that_is_killed_goes_on(patients: Path, tmp_path: Path) -> None:
    net = ["--model.net=InceptionResNetV1", "--model.net.stem=small", "--model.net.width=0.05", "--model.net.aux=false"]
    data = ["--data=ImageFolder", f"--data.root={patients}", f"--data.group_pattern={PATTERN}", "--data.image_size=24"]
    short = ["--data.batch_size=16", "--data.num_workers=0", "--trainer.max_epochs=2", "--wandb.mode=disabled"]
    words = ["crossval", f"--folds={FOLDS}", f"--place={tmp_path}", *net, *data, *short, "--model.net.depths=[1,1,1]"]
    begun = program(*words)
    wait_until(begun, lambda: bool(list(tmp_path.glob("*/done.json"))), "the first fold's end")
    kill(begun)
    code, output = finish(program(*words))
    assert code == 0, output
    assert "3 runs, 1 of them finished before" in output or "3 runs, 2 of them finished before" in output
    assert "mean ± std" in output
    compare_with_hand(tmp_path, patients)


def compare_with_hand(place: Path, patients: Path) -> None:
    """What is written of all folds is what their own predictions give."""
    whole = Predictions.read(place / "scores" / "predictions.csv")
    folds = [Predictions.read(file) for file in place.glob("fold*/predictions-last.csv")]
    assert len(folds) == FOLDS
    assert sorted(whole.files) == sorted(file for fold in folds for file in fold.files)
    assert sorted(whole.files) == sorted(map(str, patients.rglob("*.png")))
    written = json.loads((place / "scores" / "scores.json").read_text())["scores"]
    truth = np.array([CLASSES.index(Path(file).parent.name) for file in whole.files])
    said = whole.probabilities.argmax(axis=1)
    assert written["top1"]["value"] == pytest.approx(accuracy_score(truth, said), abs=1e-9)
    expected = [average_precision_score(truth == index, whole.probabilities[:, index]) for index in (0, 1)]
    assert written["average_precision"]["value"] == pytest.approx(np.mean(expected), abs=1e-9)
    with (place / "scores" / "folds.csv").open() as file:
        top1 = next(row for row in csv.DictReader(file) if row["score"] == "top1")
    each = [accuracy_score(fold.targets, fold.probabilities.argmax(axis=1)) for fold in folds]
    assert sorted(float(top1[f"fold_{index}"]) for index in range(FOLDS)) == pytest.approx(sorted(each))
    assert float(top1["mean"]) == pytest.approx(np.mean(each))
