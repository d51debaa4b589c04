"""What ``test``, ``validate`` and ``calibrate`` leave: scores that can be computed again, whatever is averaged."""

import contextlib
import hashlib
import io
import json
import os
from pathlib import Path
from typing import Any

import lightning.pytorch as pl
import numpy as np
import pytest
import torch
from sklearn import metrics
from torch.multiprocessing.spawn import spawn

from inception_lightning.__main__ import main
from inception_lightning.callbacks.scores import ScoresReport
from inception_lightning.configurable import KEY
from inception_lightning.data import Digits
from inception_lightning.evaluation.predictions_csv import Predictions
from inception_lightning.evaluation.scores import scores
from inception_lightning.models import GoogLeNet
from inception_lightning.runs.checkpoints import newest_good, read_manifest, write_checkpoint
from inception_lightning.training.classifier import InceptionClassifier

QUIET: Any = {"accelerator": "cpu", "logger": False, "enable_progress_bar": False, "enable_model_summary": False}
CPU = ["--trainer.accelerator=cpu", "--trainer.enable_progress_bar=false"]


def said(*words: str) -> str:
    printed = io.StringIO()
    with contextlib.redirect_stdout(printed):
        assert main([*words, *CPU]) == 0
    return printed.getvalue()


@pytest.fixture(scope="module")
def checkpoint(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A network that knows a little of digits, in the folder of a run."""
    run = tmp_path_factory.mktemp("runs") / "digits" / "one"
    torch.manual_seed(0)
    module = InceptionClassifier(GoogLeNet(10, stem="small", width=0.05, aux=False))
    trainer = pl.Trainer(max_steps=12, limit_val_batches=0, enable_checkpointing=False, **QUIET)
    trainer.fit(module, Digits(batch_size=32))
    trainer.save_checkpoint(run.parent / "whole.ckpt")
    path = run / "checkpoints" / "best.ckpt"
    write_checkpoint(path, (run.parent / "whole.ckpt").read_bytes(), trainer.global_step)
    (run / "config.yaml").write_text("{}")
    return path


@pytest.fixture(scope="module")
def tested(checkpoint: Path) -> tuple[Path, str]:
    """The folder of scores, and what was printed."""
    printed = said("test", f"--ckpt_path={checkpoint}")
    (folder,) = checkpoint.parents[2].glob("test-*")
    return folder, printed


def by_sklearn(read: Predictions) -> dict[str, float]:
    shares, truth = read.probabilities, np.eye(10)[read.targets]
    return {
        "top1": metrics.accuracy_score(read.targets, shares.argmax(axis=1)),
        "auroc": metrics.roc_auc_score(truth, shares),
        "average_precision": metrics.average_precision_score(truth, shares),
        "matthews": metrics.matthews_corrcoef(read.targets, shares.argmax(axis=1)),
        "brier": metrics.brier_score_loss(read.targets, shares),
        "log_loss": metrics.log_loss(read.targets, shares),
    }


def test_the_scores_are_those_of_the_predictions(tested: tuple[Path, str]) -> None:
    folder, printed = tested
    found = json.loads((folder / "scores.json").read_text())["scores"]
    read = Predictions.read(folder / "predictions.csv")
    assert len(read.targets) == 360
    expected = by_sklearn(read)
    assert {name: found[name]["value"] for name in expected} == pytest.approx(expected, abs=1e-9)
    assert f"{100 * expected['top1']:.2f}" in printed
    assert "lowest recall" in printed
    assert str(folder / "test.html") in printed


def test_the_page_needs_no_other_file(tested: tuple[Path, str]) -> None:
    folder, _ = tested
    text = (folder / "test.html").read_text()
    assert "prefers-color-scheme: dark" in text
    assert text.count("data:image/png;base64") >= 2  # of mistakes and of what speaks for them
    assert text.count("<svg") == 4
    assert "currentColor" in text
    assert "#010203" not in text
    assert 'src="http' not in text
    names = {path.name for path in folder.iterdir()}
    assert names == {
        *("scores.csv", "scores.json", "per_class.csv", "predictions.csv", "confusion.csv", "test.html"),
        *("confusion.svg", "reliability.svg", "roc.svg", "precision_recall.svg"),
    }


def shares_of(checkpoint: Path, place: Path, *flags: str) -> np.ndarray[Any, Any]:
    said("validate", f"--ckpt_path={checkpoint}", f"--trainer.default_root_dir={place}", *flags)
    (folder,) = place.glob("validate-*")
    return Predictions.read(folder / "predictions.csv").probabilities


def test_an_ensemble_with_itself_changes_nothing_and_views_are_averaged(checkpoint: Path, tmp_path: Path) -> None:
    plain = shares_of(checkpoint, tmp_path / "a", "--trainer.limit_val_batches=2")
    twice = shares_of(checkpoint, tmp_path / "b", f"--ensemble={checkpoint}", "--trainer.limit_val_batches=2")
    np.testing.assert_allclose(twice, plain, atol=1e-6)
    flipped = shares_of(checkpoint, tmp_path / "c", "--flips=true", "--trainer.limit_val_batches=2")
    module = InceptionClassifier.load_from_checkpoint(checkpoint)
    views = Digits().views("val")
    images = torch.stack([views[index][0] for index in range(32)])
    with torch.inference_mode():
        expected = (module(images).softmax(dim=1) + module(images.flip(3)).softmax(dim=1)) / 2
    np.testing.assert_allclose(flipped, expected.numpy(), atol=1e-5)
    assert len(flipped) == 32


def test_calibration_is_kept_in_the_checkpoint_and_used(checkpoint: Path, tmp_path: Path) -> None:
    folder = tmp_path / "run" / "checkpoints"
    write_checkpoint(folder / "best.ckpt", checkpoint.read_bytes(), 12)
    (tmp_path / "run" / "config.yaml").write_text("{}")
    few = "--trainer.limit_val_batches=2"
    plain = shares_of(folder / "best.ckpt", tmp_path / "before", few)
    printed = said("calibrate", f"--ckpt_path={folder / 'best.ckpt'}", few)
    temperature = torch.load(folder / "best.ckpt", weights_only=True)[KEY]["temperature"]
    assert f"temperature {temperature:.4f}" in printed
    assert temperature != 1
    assert hashlib.sha256((folder / "best.ckpt").read_bytes()).hexdigest() in {
        entry.sha256 for entry in read_manifest(folder)
    }
    assert newest_good(folder) == folder / "best.ckpt"
    warm = shares_of(folder / "best.ckpt", tmp_path / "after", few)
    powers = plain.astype(np.float64) ** (1 / temperature)
    np.testing.assert_allclose(warm, powers / powers.sum(axis=1, keepdims=True), atol=1e-5)
    labels = Digits().dataset("val").labels.numpy()[: len(plain)]
    before, after = (scores(each, labels, with_intervals=False).overall for each in (plain, warm))
    assert after["log_loss"] < before["log_loss"]
    assert f"{before['log_loss']:.4f}" in printed
    said("calibrate", f"--ckpt_path={folder / 'best.ckpt'}", few)
    again = torch.load(folder / "best.ckpt", weights_only=True)[KEY]["temperature"]
    assert again == pytest.approx(temperature, rel=1e-3)  # the same, and not the remainder


def test_a_checkpoint_without_a_manifest_stays_without_one(checkpoint: Path, tmp_path: Path) -> None:
    (tmp_path / "mine.ckpt").write_bytes(checkpoint.read_bytes())
    said("calibrate", f"--ckpt_path={tmp_path / 'mine.ckpt'}", "--trainer.limit_val_batches=2")
    assert [path.name for path in tmp_path.iterdir()] == ["mine.ckpt"]


def evaluate(rank: int, place: str, world: int) -> None:
    os.environ |= {"RANK": str(rank), "LOCAL_RANK": str(rank), "WORLD_SIZE": str(world), "MASTER_ADDR": "127.0.0.1"}
    os.environ |= {"MASTER_PORT": str(29660 + world), "TORCHELASTIC_RUN_ID": "test"}
    torch.set_num_threads(1)
    torch.manual_seed(0)
    module = InceptionClassifier(GoogLeNet(10, stem="small", width=0.05, aux=False))
    report = ScoresReport(Path(place) / str(world), name="test")
    trainer = pl.Trainer(devices=world, strategy="ddp", callbacks=[report], enable_checkpointing=False, **QUIET)
    trainer.test(module, Digits(), verbose=False)


@pytest.mark.slow
def test_two_processes_write_what_one_does(tmp_path: Path) -> None:
    for count in (1, 2):
        spawn(evaluate, (str(tmp_path), count), nprocs=count)
    one, two = (Predictions.read(tmp_path / str(count) / "predictions.csv") for count in (1, 2))
    np.testing.assert_array_equal(one.targets, two.targets)
    np.testing.assert_array_equal(one.targets, Digits().dataset("test").labels.numpy())
    np.testing.assert_allclose(one.probabilities, two.probabilities, atol=1e-6)
    for count, read in ((1, one), (2, two)):
        found = json.loads((tmp_path / str(count) / "scores.json").read_text())["scores"]
        expected = by_sklearn(read)
        assert {name: found[name]["value"] for name in expected} == pytest.approx(expected, abs=1e-9)
