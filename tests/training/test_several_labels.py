"""Two digits side by side: images with several labels, from a table to predictions."""

import csv
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from sklearn.datasets import load_digits
from sklearn.metrics import average_precision_score, f1_score, precision_recall_curve, roc_auc_score
from torch import nn

from inception_lightning import Digits, InceptionClassifier, InceptionResNetV1
from inception_lightning.__main__ import main
from inception_lightning.data import ImageTable
from inception_lightning.errors import InputError
from inception_lightning.evaluation.scores import scores
from inception_lightning.training.losses import BinaryCrossEntropy, BinaryFocalLoss, FocalLoss
from inception_lightning.training.metrics import LabelScores, best_limit
from tests.trainers import quiet_trainer

NET = ["--model.net=InceptionResNetV1", "--model.net.stem=small", "--model.net.width=0.1", "--model.net.depths=[1,1,1]"]
SHORT = ["--wandb.mode=disabled", "--trainer.max_epochs=2", "--trainer.accelerator=cpu", "--data.num_workers=0"]


@pytest.fixture(scope="module")
def pairs(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A table of 200 pictures of two digits, labelled with both."""
    root = tmp_path_factory.mktemp("pairs")
    digits, random = load_digits(), np.random.RandomState(0)
    rows = ["path,labels"]
    for number, pair in enumerate(random.randint(0, len(digits.images), (200, 2))):
        side_by_side = np.concatenate(digits.images[pair], axis=1) * (255 / 16)  # (8, 16)
        grey = np.pad(side_by_side, ((4, 4), (0, 0))).round().astype(np.uint8)
        Image.fromarray(grey).convert("RGB").save(root / f"{number}.png")
        rows.append(f"{number}.png,{';'.join(str(digits.target[one]) for one in pair)}")
    (root / "pairs.csv").write_text("\n".join(rows))
    return root


@pytest.fixture(scope="module")
def run(pairs: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    place = tmp_path_factory.mktemp("runs")
    data = ["--data=ImageTable", f"--data.root={pairs / 'pairs.csv'}", "--data.image_size=16", "--data.balance=weights"]
    more = ["--model.mixup=0.2", "--model.net.aux=true", "--ema_decay=0.9", f"--trainer.default_root_dir={place}"]
    assert main(["fit", *NET, *SHORT, *data, *more]) == 0
    (folder,) = place.glob("2*")
    return folder


def validation(module: InceptionClassifier, pairs: Path) -> tuple[torch.Tensor, torch.Tensor]:
    """Probabilities (N, 10) and labels (N, 10) of the validation images."""
    views = ImageTable(root=pairs / "pairs.csv", image_size=16).views("val")
    shown = [views[index] for index in range(len(views))]
    with torch.inference_mode():
        probabilities = module(torch.stack([image for image, _ in shown])).sigmoid()
    return probabilities, torch.stack([torch.as_tensor(label) for _, label in shown])


def test_the_scores_are_scikit_learns_and_thresholds_are_kept(run: Path, pairs: Path) -> None:
    module = InceptionClassifier.load_from_checkpoint(run / "checkpoints" / "best.ckpt")
    assert module.several_labels
    assert isinstance(module.loss, BinaryCrossEntropy)
    probabilities, labels = validation(module, pairs)
    with (run / "metrics.csv").open() as file:
        logged = [row for row in csv.DictReader(file) if row["val/average_precision"]]
    best = max(logged, key=lambda row: float(row["val/average_precision"]))
    assert float(best["val/average_precision"]) == pytest.approx(
        average_precision_score(labels, probabilities), abs=1e-4
    )
    assert float(best["val/auroc"]) == pytest.approx(roc_auc_score(labels, probabilities), abs=1e-4)
    assert float(best["val/f1"]) == pytest.approx(
        f1_score(labels, probabilities >= 0.5, average="macro", zero_division=0), abs=1e-4
    )
    assert "val/top1" not in best
    assert not (run / "confusion.png").exists()
    assert (run / "predictions.png").is_file()
    assert module.thresholds is not None
    found = scores(probabilities, labels, module.class_names, thresholds=module.thresholds, with_intervals=False)
    for index in range(10):
        precision, recall, _ = precision_recall_curve(labels[:, index], probabilities[:, index])  # at every limit
        every = 2 * precision * recall / np.maximum(precision + recall, 1e-9)
        assert found.per_class["f1"][index] == pytest.approx(max(every))


def test_the_folder_of_scores_has_the_thresholds(run: Path, tmp_path: Path) -> None:
    checkpoint = run / "checkpoints" / "best.ckpt"
    assert main(["validate", f"--ckpt_path={checkpoint}", "--data.num_workers=0", "--trainer.accelerator=cpu"]) == 0
    (file,) = run.parent.glob("validate-*/per_class.csv")
    with file.open() as opened:
        written = [float(row["threshold"]) for row in csv.DictReader(opened)]
    thresholds = InceptionClassifier.load_from_checkpoint(checkpoint).thresholds
    assert thresholds is not None
    assert written == pytest.approx(thresholds.tolist(), rel=1e-6)


def test_predictions_are_labels_above_their_thresholds(run: Path, pairs: Path, tmp_path: Path) -> None:
    checkpoint = run / "checkpoints" / "best.ckpt"
    photos = f"--data.root={pairs / '1[0-4].png'}"
    assert main(["predict", f"--ckpt_path={checkpoint}", photos, f"--trainer.default_root_dir={tmp_path}"]) == 0
    (file,) = tmp_path.rglob("predictions.csv")
    with file.open() as opened:
        rows = list(csv.DictReader(opened))
    assert list(rows[0]) == ["file", "labels", *"0123456789"]
    assert len(rows) == 5
    thresholds = InceptionClassifier.load_from_checkpoint(checkpoint).thresholds
    assert thresholds is not None
    for row in rows:
        above = [name for name in "0123456789" if float(row[name]) >= thresholds[int(name)]]
        assert row["labels"] == "; ".join(above)


def test_an_exported_file_says_the_labels_of_the_checkpoint(
    run: Path, pairs: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    checkpoint = run / "checkpoints" / "best.ckpt"
    words = ["export", f"--ckpt_path={checkpoint}", f"--out={tmp_path}", "--threads=1", "--images=20"]
    assert main(words) == 0
    assert "all labels right %" in capsys.readouterr().out
    photos, file = f"--data.root={pairs / '1[0-4].png'}", tmp_path / "inceptionresnetv1.onnx"
    for model in (f"--ckpt_path={checkpoint}", f"--model={file}"):
        assert main(["predict", model, photos, f"--trainer.default_root_dir={tmp_path / model[2:7]}"]) == 0
    by_checkpoint, by_file = (
        list(csv.reader(next((tmp_path / kind).rglob("predictions.csv")).read_text().splitlines()))
        for kind in ("ckpt_", "model")
    )
    thresholds = InceptionClassifier.load_from_checkpoint(checkpoint).thresholds
    assert thresholds is not None
    assert by_file[0] == by_checkpoint[0]
    for one, other in zip(by_file[1:], by_checkpoint[1:], strict=True):
        probabilities = list(map(float, one[2:]))
        assert probabilities == pytest.approx(list(map(float, other[2:])), abs=2e-3)  # pixels are rounded otherwise
        above = [name for name in "0123456789" if probabilities[int(name)] >= thresholds[int(name)]]
        assert one[:2] == [other[0], "; ".join(above)]
    assert "the sigmoid of the logits is taken" in (tmp_path / "README.md").read_text()


def test_counts_and_ranks_do_not_depend_on_batches_and_a_label_that_is_absent_counts_nothing() -> None:
    generator = torch.Generator().manual_seed(0)
    logits = torch.randn(40, 3, generator=generator)
    labels = (torch.rand(40, 3, generator=generator) < 0.4) & torch.tensor([True, True, False])
    whole, parts = LabelScores(3, ranked=True), LabelScores(3, ranked=True)
    whole.update(logits, labels)
    for start, end in ((0, 0), (0, 15), (15, 40)):
        parts.update(logits[start:end], labels[start:end])
    assert {name: value.tolist() for name, value in whole.compute().items()} == {
        name: value.tolist() for name, value in parts.compute().items()
    }
    expected = average_precision_score(labels[:, :2], logits[:, :2])
    assert float(whole.compute()["average_precision"]) == pytest.approx(expected)
    assert whole.compute()["limits"][2] == 0


def test_the_best_limit_lies_between_what_it_parts() -> None:
    logits = np.array([-2, -1, 1, 3], np.float32)
    assert best_limit(logits, np.array([False, False, True, True])) == 0.0
    assert best_limit(logits, np.array([True, True, True, True])) == -2.0
    assert best_limit(logits, np.array([False, True, True, True])) == -1.5


def net(classes: int = 10) -> nn.Module:
    return InceptionResNetV1(num_classes=classes, stem="small", width=0.05, depths=(1, 1, 1), aux=False)


def test_a_focal_loss_is_that_of_each_label_and_rebuilt(pairs: Path, tmp_path: Path) -> None:
    module = InceptionClassifier(net(), several_labels=True, loss=FocalLoss(1.5))
    trainer = quiet_trainer(tmp_path, max_steps=1, limit_val_batches=0)
    trainer.fit(module, ImageTable(root=pairs / "pairs.csv", image_size=16, num_workers=0, balance="weights"))
    assert isinstance(module.loss, BinaryFocalLoss)
    trainer.save_checkpoint(tmp_path / "a.ckpt")
    again = InceptionClassifier.load_from_checkpoint(tmp_path / "a.ckpt").loss
    assert isinstance(again, BinaryFocalLoss)
    assert again.gamma == 1.5


def test_what_is_for_one_label_is_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="label_smoothing is for images with one label"):
        InceptionClassifier(net(), several_labels=True, label_smoothing=0.1)
    with pytest.raises(InputError, match="CrossEntropyLoss is for images with one label"):
        InceptionClassifier(net(), several_labels=True, loss=nn.CrossEntropyLoss())
    with pytest.raises(InputError, match=r"Digits's images have one label: say --model\.several_labels false"):
        quiet_trainer(tmp_path, max_epochs=1).fit(
            InceptionClassifier(net(), several_labels=True), Digits(num_workers=0)
        )
