"""The scores are scikit-learn's, whatever the classes; their intervals are those of a plain bootstrap."""

import csv
import json
import math
import warnings
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from sklearn import metrics

from inception_lightning.errors import InputError
from inception_lightning.evaluation import predictions_csv
from inception_lightning.evaluation.predictions_csv import Predictions
from inception_lightning.evaluation.report import write_report
from inception_lightning.evaluation.scores import Scores, scores

Array = NDArray[np.float64]


def answers(images: int, classes: int, *, absent: int = 0, tied: bool = False, seed: int = 0) -> tuple[Array, Any]:
    """Probabilities that know something of the classes, the last ``absent`` of which have no image."""
    draw = np.random.default_rng(seed)
    targets = draw.integers(classes - absent, size=images)
    logits = draw.normal(size=(images, classes))
    logits[np.arange(images), targets] += 1.0
    if tied:
        logits = logits.round()
    shares = np.exp(logits)
    return shares / shares.sum(axis=1, keepdims=True), targets


def by_sklearn(shares: Array, targets: Any) -> dict[str, float]:
    predicted, classes = shares.argmax(axis=1), shares.shape[1]
    found = {
        "top1": metrics.accuracy_score(targets, predicted),
        "matthews": metrics.matthews_corrcoef(targets, predicted),
    }
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of classes without images
        found["balanced_accuracy"] = metrics.balanced_accuracy_score(targets, predicted)
    for average, ending in (("macro", ""), ("weighted", "_weighted")):
        rates = metrics.precision_recall_fscore_support(targets, predicted, average=average, zero_division=0)
        found |= dict(zip((f"precision{ending}", f"recall{ending}", f"f1{ending}"), rates[:3], strict=True))
    truth = np.eye(classes)[targets]
    there = truth.any(axis=0)
    found["average_precision"] = metrics.average_precision_score(truth[:, there], shares[:, there])
    if classes > 1:
        found["auroc"] = metrics.roc_auc_score(truth[:, there], shares[:, there])
        found["log_loss"] = metrics.log_loss(targets, shares, labels=range(classes))
        found["brier"] = metrics.brier_score_loss(
            targets, shares if classes > 2 else shares[:, 1], labels=range(classes)
        )
    if classes > 5:
        found["top5"] = metrics.top_k_accuracy_score(targets, shares, k=5, labels=range(classes))
    return found


@pytest.mark.parametrize(("classes", "absent"), [(1, 0), (2, 0), (3, 1), (100, 0), (100, 7)])
@pytest.mark.parametrize("tied", [False, True])
def test_the_scores_are_scikit_learns(classes: int, absent: int, tied: bool) -> None:
    shares, targets = answers(400, classes, absent=absent, tied=tied)
    found = scores(shares, targets, with_intervals=False)
    expected = by_sklearn(shares, targets)
    if tied:
        expected.pop("top5", None)  # scikit-learn breaks ties by the higher index
    assert {name: found.overall[name] for name in expected} == pytest.approx(expected, abs=1e-9)
    precision, recall, f1, images = metrics.precision_recall_fscore_support(
        targets, shares.argmax(axis=1), labels=range(classes), zero_division=np.nan
    )
    for name, values in (("precision", precision), ("recall", recall), ("f1", f1), ("images", images)):
        np.testing.assert_allclose(found.per_class[name], values, atol=1e-9)
    assert found.confusion is not None
    confusion = metrics.confusion_matrix(targets, shares.argmax(axis=1), labels=range(classes))
    np.testing.assert_array_equal(found.confusion, confusion)
    for index in range(classes - absent):
        auroc = metrics.roc_auc_score(targets == index, shares[:, index]) if classes > 1 else np.nan
        np.testing.assert_allclose(found.per_class["auroc"][index], auroc, atol=1e-9)
    assert np.isnan(found.per_class["auroc"][classes - absent :]).all()


def test_several_labels_are_scored_one_by_one() -> None:
    draw = np.random.default_rng(0)
    truth = draw.random((300, 6)) < np.linspace(0, 0.6, 6)  # nobody has the first label
    shares = np.clip(draw.normal(0.3 + 0.3 * truth, 0.2), 0.001, 0.999)
    limits = np.linspace(0.3, 0.6, 6)
    found = scores(shares, truth, thresholds=limits, with_intervals=False)
    decided = shares >= limits
    for average, ending in (("macro", ""), ("weighted", "_weighted")):
        seen = range(6) if decided[:, 0].any() else range(1, 6)
        expected = metrics.precision_recall_fscore_support(
            truth, decided, labels=seen, average=average, zero_division=0
        )
        for name, value in zip(("precision", "recall", "f1"), expected[:3], strict=True):
            assert found.overall[name + ending] == pytest.approx(value, abs=1e-9)
    assert found.overall["auroc"] == pytest.approx(metrics.roc_auc_score(truth[:, 1:], shares[:, 1:]), abs=1e-9)
    precision = metrics.average_precision_score(truth[:, 1:], shares[:, 1:])
    assert found.overall["average_precision"] == pytest.approx(precision, abs=1e-9)
    assert found.overall["exact_match"] == pytest.approx(metrics.accuracy_score(truth, decided), abs=1e-9)
    each = [metrics.log_loss(truth[:, place], shares[:, place], labels=[0, 1]) for place in range(6)]
    assert found.overall["log_loss"] == pytest.approx(np.mean(each), abs=1e-9)
    assert found.overall["brier"] == pytest.approx(((shares - truth) ** 2).mean(), abs=1e-9)
    assert found.confusion is None


def test_intervals_are_those_of_a_plain_bootstrap() -> None:
    shares, targets = answers(300, 4)
    found = scores(shares, targets)
    draw = np.random.default_rng(1)
    again: dict[str, list[float]] = {name: [] for name in found.overall}
    for _ in range(300):
        chosen = draw.integers(300, size=300)
        for name, value in scores(shares[chosen], targets[chosen], with_intervals=False).overall.items():
            again[name].append(value)
    for name, values in again.items():
        low, high = np.quantile(values, [0.025, 0.975])
        assert (found.low[name], found.high[name]) == pytest.approx((low, high), abs=0.15 * (high - low)), name
        assert found.low[name] <= found.overall[name] <= found.high[name] or name == "ece"
    assert (scores(shares, targets).low, found.high) == (found.low, found.high)


@pytest.mark.parametrize("most", [predictions_csv.MANY, 100], ids=["float64", "float32"])
@pytest.mark.parametrize("several", [False, True])
def test_the_files_hold_everything(tmp_path: Path, several: bool, most: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(predictions_csv, "MANY", most)
    shares, targets = answers(60, 3, seed=2)
    truth = np.eye(3, dtype=np.int64)[targets] if several else targets
    names = ('=HYPERLINK("x")', "a,b\nc", "\udcff")
    files = [f"{number}\udce9,.jpg" for number in range(60)]
    written = Predictions(shares, truth, names, files)
    assert written.probabilities.dtype == (np.float32 if most == 100 else np.float64)
    found = write_report(tmp_path / "scores", written)
    read = Predictions.read(tmp_path / "scores" / "predictions.csv")
    assert (read.class_names, list(read.files)) == (names, files)
    np.testing.assert_array_equal(read.probabilities, written.probabilities)
    assert read.probabilities.dtype == written.probabilities.dtype
    np.testing.assert_array_equal(read.targets, written.targets)
    text = json.loads((tmp_path / "scores" / "scores.json").read_text())
    assert {name: one["value"] for name, one in text["scores"].items()} == pytest.approx(dict(found.overall))
    assert [one["class"] for one in text["per_class"]] == list(names)
    with (tmp_path / "scores" / "scores.csv").open(newline="") as file:
        rows = {row["score"]: float(row["value"]) for row in csv.DictReader(file)}
    assert rows == dict(found.overall)
    with (tmp_path / "scores" / "per_class.csv").open(newline="", errors="surrogateescape") as file:
        recalls = [float(row["recall"]) for row in csv.DictReader(file)]
    assert recalls == found.per_class["recall"].tolist()


def test_the_page_says_which_labels_are_missed_and_how_many_there_are(tmp_path: Path) -> None:
    shares = np.array([[0.9, 0.2], [0.1, 0.7]])
    written = Predictions(shares, np.array([[0, 1], [0, 1]]), ("cat", "dog"), ["a", "b"], np.array([0.5, 0.4]))
    write_report(tmp_path, written)
    page = (tmp_path / "test.html").read_text()
    assert "2 images, 2 labels, 1.00 of them per image." in page
    assert "predicted <b>cat</b> 90.0 %<br>true <b>dog</b>" in page
    assert "class-activation" not in page  # there are no images
    written = Predictions(shares, np.array([[1, 1], [0, 1]]), ("cat", "dog"), ["a", "b"], np.array([0.5, 0.4]))
    write_report(tmp_path, written)
    assert "missed <b>dog</b> 20.0 %<br>true <b>cat; dog</b>" in (tmp_path / "test.html").read_text()


def test_what_means_nothing_is_null_and_empty(tmp_path: Path) -> None:
    shares = np.ones((3, 1), np.float32)
    found = write_report(tmp_path, Predictions(shares, np.zeros(3, np.int64), ("only",), ["a", "b", "c"]))
    assert math.isnan(found.overall["auroc"])
    assert json.loads((tmp_path / "scores.json").read_text())["scores"]["auroc"]["value"] is None
    assert "auroc,,,\r\n" in (tmp_path / "scores.csv").read_bytes().decode()


@pytest.mark.parametrize(
    ("shares", "targets", "complaint"),
    [
        ([[0.5, np.nan]], [0], "not a number"),
        ([[0.5, 0.5]], [2], "class indices 0..1"),
        ([[0.5, 0.5]], [0, 1], "do not fit"),
        (np.zeros((0, 2)), [], "for every image"),
        ([[0.5, 0.5]], [[0, 2]], "0 or 1"),
    ],
)
def test_what_are_no_predictions_is_refused(shares: Any, targets: Any, complaint: str) -> None:
    with pytest.raises(InputError, match=complaint):
        scores(shares, targets)


def test_scores_know_their_shape() -> None:
    found = scores([[0.2, 0.8], [0.6, 0.4]], [1, 0], ["cat", "dog"])
    assert isinstance(found, Scores)
    assert (found.images, found.class_names, found.overall["top1"]) == (2, ("cat", "dog"), 1.0)
