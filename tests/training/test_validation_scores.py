"""The scores of validation are those of the evaluation, batch by batch, and any of them may select checkpoints."""

from pathlib import Path

import numpy as np
import pytest
import torch
from sklearn import metrics
from torch import Tensor, distributed
from torch.multiprocessing.spawn import start_processes

from inception_lightning.__main__ import main
from inception_lightning.errors import InputError
from inception_lightning.evaluation.scores import scores
from inception_lightning.loading.sampler import EvaluationSampler
from inception_lightning.training.validation_scores import KNOWN, check_names, validation_metrics

CASES = [(1, 0, False), (2, 0, False), (2, 0, True), (7, 0, True), (100, 7, False), (100, 7, True)]
"""Numbers of classes, of those that no image has, and whether many answers are alike."""


def answers(classes: int, absent: int, tied: bool) -> tuple[Tensor, Tensor]:
    torch.manual_seed(0)
    labels = torch.randint(classes - absent, (250,))
    logits = torch.randn(250, classes)
    logits[torch.arange(250), labels] += 1
    return (logits / 2).round() if tied else logits, labels


def counted(classes: int, absent: int, tied: bool) -> dict[str, float]:
    """The scores over all processes, each with its share of the images, batch by batch."""
    logits, labels = answers(classes, absent, tied)
    found = validation_metrics(KNOWN, classes)
    found.update(logits[:0], labels[:0])
    for batch in torch.tensor(list(EvaluationSampler(len(labels)))).split(64):
        found.update(logits[batch], labels[batch])
    return {name: value.item() for name, value in found.compute().items()}


def by_sklearn(classes: int, absent: int, tied: bool) -> dict[str, float]:
    logits, labels = answers(classes, absent, tied)
    shares, truth = logits.double().softmax(dim=1).numpy(), labels.numpy()
    said, there = shares.argmax(axis=1), np.unique(truth)
    found: dict[str, float] = {
        "balanced_accuracy": metrics.recall_score(truth, said, labels=there, average="macro"),
        "matthews": metrics.matthews_corrcoef(truth, said),
    }
    for average, ending in (("macro", ""), ("weighted", "_weighted")):
        rates = metrics.precision_recall_fscore_support(truth, said, average=average, zero_division=0)
        found |= dict(zip((f"precision{ending}", f"recall{ending}", f"f1{ending}"), rates[:3], strict=True))
    columns = np.eye(classes)[truth]
    found["average_precision"] = metrics.average_precision_score(columns[:, there], shares[:, there])
    if classes > 1:
        found["auroc"] = metrics.roc_auc_score(columns[:, there], shares[:, there])
        found["log_loss"] = metrics.log_loss(truth, shares, labels=range(classes))
        found["brier"] = metrics.brier_score_loss(truth, shares if classes > 2 else shares[:, 1], labels=range(classes))
    return found


def count_as_one_of_two(rank: int, folder: str) -> None:
    distributed.init_process_group("gloo", init_method=f"file://{folder}/meeting", rank=rank, world_size=2)
    torch.save([counted(*case) for case in CASES], Path(folder) / f"{rank}.pt")
    distributed.destroy_process_group()


@pytest.fixture(scope="module")
def of_two(tmp_path_factory: pytest.TempPathFactory) -> list[list[dict[str, float]]]:
    """What each of two processes has for all cases."""
    place = tmp_path_factory.mktemp("two")
    start_processes(count_as_one_of_two, (str(place),), nprocs=2, start_method="fork")
    return [torch.load(place / f"{rank}.pt") for rank in range(2)]


@pytest.mark.parametrize("case", range(len(CASES)), ids=str)
def test_they_are_scikit_learns_and_the_evaluations_on_one_process_and_on_two(
    case: int, of_two: list[list[dict[str, float]]]
) -> None:
    logits, labels = answers(*CASES[case])
    expected = scores(logits.double().softmax(dim=1).numpy(), labels.numpy(), with_intervals=False).overall
    theirs = by_sklearn(*CASES[case])
    for found in (counted(*CASES[case]), *(each[case] for each in of_two)):
        assert found == pytest.approx({name: expected[name] for name in KNOWN}, abs=1e-9, nan_ok=True)
        assert {name: found[name] for name in theirs} == pytest.approx(theirs, abs=1e-9)
        assert {name for name, value in found.items() if np.isnan(value)} == ({"auroc"} if len(theirs) < 10 else set())


@pytest.mark.parametrize("number", [torch.nan, torch.inf])
def test_answers_that_are_no_numbers_have_no_rank(number: float) -> None:
    found = validation_metrics(["auroc", "average_precision"], 3)
    found.update(torch.full((4, 3), number), torch.tensor([0, 1, 2, 0]))
    assert all(value.isnan() for value in found.compute().values())


def test_an_unknown_one_is_refused_in_a_sentence() -> None:
    with pytest.raises(InputError, match=r"no score 'aucroc', did you mean auroc\?"):
        check_names(["f1", "aucroc"])


@pytest.mark.parametrize(
    ("flags", "complaint"),
    [
        (
            ["--checkpoint.monitor=val/aurok"],
            "checkpoint.monitor watches val/aurok, which nobody logs: did you mean val/auroc?",
        ),
        (["--checkpoint.monitor=val/ece"], "val/ece is the better the lower: say --checkpoint.mode min"),
        (["--model.validation_scores=[f2]"], "there is no score 'f2'"),
    ],
)
def test_selection_by_nothing_is_refused_before_training(
    flags: list[str], complaint: str, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    words = ["fit", "--config=experiments/quickstart.yaml", f"--trainer.default_root_dir={tmp_path}", *flags]
    assert main([*words, "--trainer.accelerator=cpu"]) == 2
    assert complaint in capsys.readouterr().err
    assert not any(tmp_path.iterdir())


def test_what_is_monitored_is_computed(tmp_path: Path) -> None:
    words = [
        "fit",
        "--model.net=GoogLeNet",
        "--model.net.stem=small",
        "--model.net.width=0.05",
        "--model.net.aux=false",
    ]
    words += ["--trainer.limit_train_batches=3", "--trainer.limit_val_batches=3", "--trainer.max_epochs=1"]
    words += ["--checkpoint.monitor=val/auroc", "--wandb.mode=disabled", "--trainer.accelerator=cpu"]
    assert main([*words, f"--trainer.default_root_dir={tmp_path}", "--trainer.enable_progress_bar=false"]) == 0
    (run,) = tmp_path.iterdir()
    head = (run / "metrics.csv").read_text().splitlines()[0].split(",")
    assert {"val/auroc", "val/f1", "val/balanced_accuracy"} <= {*head}
    assert "- auroc" in (run / "config.yaml").read_text()
