"""What is kept is what was asked for, and the best of it is best.ckpt, wherever the run lies."""

import csv
import math
import shutil
from pathlib import Path

import pytest
import torch

from inception_lightning.__main__ import main
from inception_lightning.callbacks.best import BestCheckpoint, standing
from tests.processes import SMALL, the_run

ASKED = ["--checkpoint.save_top_k=2", "--checkpoint.monitor=val/loss", "--checkpoint.mode=min"]
SHORT = "--trainer.limit_train_batches=3"


def losses(run: Path) -> list[float]:
    """The validation loss of every epoch."""
    with (run / "metrics.csv").open(newline="") as file:
        return [float(row["val/loss"]) for row in csv.DictReader(file) if row["val/loss"]]


def epoch_of(checkpoint: Path) -> int:
    epoch: int = torch.load(checkpoint, weights_only=True)["epoch"]
    return epoch


def test_several_are_kept_and_the_best_has_its_name(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["fit", *SMALL, *ASKED, SHORT, f"--trainer.default_root_dir={tmp_path / 'a'}"]) == 0
    run = the_run(tmp_path / "a")
    seen = losses(run)
    best = seen.index(min(seen))
    kept = sorted(epoch_of(path) for path in (run / "checkpoints").glob("epoch=*.ckpt"))
    assert kept == sorted(sorted(range(3), key=seen.__getitem__)[:2])
    assert epoch_of(run / "checkpoints" / "best.ckpt") == best
    printed = capsys.readouterr().out
    assert "val/loss" in printed
    cells = [[cell.strip() for cell in line.split("│")] for line in printed.splitlines()]
    assert ["best", str(best + 1), f"{seen[best]:.4g}"] in [row[1:4] for row in cells]

    moved = tmp_path / "b" / f"{run.name}"  # another path; one more epoch that cannot be better
    shutil.move(run, moved)
    again = ["--trainer.max_epochs=4", "--model.optimizer.lr=0", "--allow_changes=true"]
    assert main(["fit", f"--ckpt_path={moved / 'checkpoints' / 'last.ckpt'}", *again, "--wandb.mode=disabled"]) == 0
    assert len(losses(moved)) == 4
    seen = losses(moved)
    assert epoch_of(moved / "checkpoints" / "best.ckpt") == seen.index(min(seen))
    assert len(list((moved / "checkpoints").glob("epoch=*.ckpt"))) == 2


def test_scores_move_with_the_folder(tmp_path: Path) -> None:
    before = BestCheckpoint(dirpath=tmp_path / "old", monitor="val/top1", mode="max", save_top_k=2)
    scores = {str(tmp_path / "old" / f"{name}.ckpt"): torch.tensor(value) for name, value in (("a", 0.9), ("b", 0.8))}
    before.best_k_models = scores
    before.best_model_path, before.kth_best_model_path = scores
    before.best_model_score = before.kth_value = torch.tensor(0.9)
    after = BestCheckpoint(dirpath=tmp_path / "new", monitor="val/top1", mode="max", save_top_k=2)
    after.load_state_dict(before.state_dict())
    assert after.best_model_score == torch.tensor(0.9)
    assert [Path(path) for path in after.best_k_models] == [tmp_path / "new" / f"{name}.ckpt" for name in "ab"]
    assert Path(after.best_model_path) == tmp_path / "new" / "a.ckpt"
    assert Path(after.kth_best_model_path) == tmp_path / "new" / "b.ckpt"


@pytest.mark.parametrize(
    ("mode", "scores", "best"),
    [
        ("max", [0.5, 0.7, 0.7, 0.6], 1),
        ("min", [0.5, 0.3, 0.3, 0.6], 1),
        ("max", [math.nan, -1.0, math.nan], 1),
        ("min", [math.nan, 2.0, math.nan], 1),
        ("min", [None, math.nan], 0),
    ],
)
def test_the_first_of_the_best_scores_stands_highest(mode: str, scores: list[float | None], best: int) -> None:
    assert max(range(len(scores)), key=lambda place: standing(scores[place], mode)) == best
