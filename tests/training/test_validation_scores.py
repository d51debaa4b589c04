"""The scores of validation are those of the evaluation, batch by batch, and any of them may select checkpoints."""

from pathlib import Path

import numpy as np
import pytest
import torch
from torch import Tensor

from inception_lightning.__main__ import main
from inception_lightning.errors import InputError
from inception_lightning.evaluation.scores import scores
from inception_lightning.training.validation_scores import KNOWN, check_names, validation_metrics


def answers(classes: int, absent: int) -> tuple[Tensor, Tensor]:
    torch.manual_seed(0)
    labels = torch.randint(classes - absent, (150,))
    logits = torch.randn(150, classes)
    logits[torch.arange(150), labels] += 1
    return logits, labels


@pytest.mark.parametrize(("classes", "absent"), [(2, 0), (7, 0), (40, 3)])
def test_they_are_those_of_the_evaluation(classes: int, absent: int) -> None:
    logits, labels = answers(classes, absent)
    found = validation_metrics(KNOWN, classes)
    found.update(logits[:0], labels[:0])
    for part, each in zip(logits.split(64), labels.split(64), strict=True):
        found.update(part, each)
    shares = logits.double().softmax(dim=1).numpy()
    expected = scores(shares, labels.numpy(), with_intervals=False).overall
    values = {name: float(value) for name, value in found.compute().items()}
    assert values == pytest.approx({name: expected[name] for name in KNOWN}, abs=1e-5)
    assert not np.isnan(list(values.values())).any()


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
