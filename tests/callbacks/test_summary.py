import functools
import io
import re
from pathlib import Path

import pytest
import torch
from rich.console import Console
from rich.table import Table

from inception_lightning.callbacks import RunSummary, Speed
from inception_lightning.callbacks.summary import Score
from inception_lightning.data import Digits
from inception_lightning.models import InceptionResNetV1
from inception_lightning.training.classifier import InceptionClassifier
from tests.trainers import quiet_trainer


def rows(table: Table) -> list[list[str]]:
    console = Console(width=100, record=True, file=io.StringIO())
    console.print(table)
    return [
        [cell.strip() for cell in line.split("│")[1:-1]] for line in console.export_text().splitlines() if "│" in line
    ]


def summary(*scores: Score) -> RunSummary:
    callback = RunSummary(Path("run"), Path("run/checkpoints/best.ckpt"), Speed())
    callback.scores = list(scores)
    return callback


def test_best_is_the_first_of_equals_as_the_checkpoints() -> None:
    callback = summary(Score(1, 0.5, 0.9), Score(2, 0.75, 0.95), Score(3, 0.75, 1.0), Score(4, 0.6, 0.91))
    assert rows(callback.table()) == [["best", "2", "75.00", "95.00"], ["last", "4", "60.00", "91.00"]]


def test_without_top5_there_is_a_dash_and_without_scores_no_row() -> None:
    assert rows(summary(Score(1, 0.123456, None)).table()) == [["best", "1", "12.35", "-"], ["last", "1", "12.35", "-"]]
    assert rows(summary().table()) == []


def monitoring(mode: str, *scores: Score) -> list[list[str]]:
    callback = RunSummary(Path("run"), Path("run/checkpoints/best.ckpt"), Speed(), monitor="val/f1", mode=mode)
    callback.scores = list(scores)
    return rows(callback.table())


@pytest.mark.parametrize(("mode", "best"), [("max", "3"), ("min", "2")])
def test_best_is_by_what_is_monitored_and_that_is_shown(mode: str, best: str) -> None:
    scores = [Score(1, 0.9, 1.0, 0.5), Score(2, 0.8, 1.0, 0.25), Score(3, 0.7, 1.0, 0.75), Score(4, 0.6, 1.0, 0.75)]
    chosen = {"2": ["0.25", "80.00", "100.00"], "3": ["0.75", "70.00", "100.00"]}
    assert monitoring(mode, *scores) == [["best", best, *chosen[best]], ["last", "4", "0.75", "60.00", "100.00"]]


def test_a_module_without_accuracy_has_no_columns_for_it() -> None:
    assert monitoring("min", Score(1, None, None, 3.0)) == [["best", "1", "3"], ["last", "1", "3"]]


def test_scores_of_what_is_monitored_are_kept_by_a_resumed_run() -> None:
    callback = RunSummary(Path("run"), Path("best.ckpt"), Speed(), monitor="val/f1")
    callback.load_state_dict({"scores": [{"epoch": 1, "top1": None, "top5": None, "chosen": 0.5}]})
    assert callback.state_dict() == {"scores": [{"epoch": 1, "top1": None, "top5": None, "chosen": 0.5}]}


def test_a_resumed_run_keeps_the_scores_before() -> None:
    before, after = summary(Score(1, 0.9, None), Score(2, 0.8, None)), summary()
    after.load_state_dict(before.state_dict())
    after.scores.append(Score(3, 0.7, None))
    assert rows(after.table()) == [["best", "1", "90.00", "-"], ["last", "3", "70.00", "-"]]


def test_a_run_is_summed_up(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    net = InceptionResNetV1(10, width=0.05, depths=(1, 1, 1), stem="small")
    callback = RunSummary(tmp_path, tmp_path / "best.ckpt", Speed())
    (tmp_path / "best.ckpt").touch()
    trainer = quiet_trainer(
        tmp_path,
        max_epochs=2,
        limit_train_batches=3,
        limit_val_batches=1,
        val_check_interval=1,
        callbacks=[callback, callback.speed],
    )
    trainer.fit(InceptionClassifier(net, optimizer=functools.partial(torch.optim.SGD, lr=0.01)), Digits(batch_size=8))
    assert [score.epoch for score in callback.scores] == [1, 1, 1, 2, 2, 2]  # the sanity check is none
    printed = capsys.readouterr().out
    assert f"on Digits; run folder {tmp_path}" in printed
    assert f"test it    lightning test --ckpt_path {tmp_path / 'best.ckpt'}" in printed
    assert re.search(r"speed +[\d,]+ images per second, \d+ ms a step, of which \d+ wait for data\n", printed)
    assert re.search(r"memory +\d+\.\d GiB at most\n", printed)


def test_without_validation_there_is_no_table(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    net = InceptionResNetV1(10, width=0.05, depths=(1, 1, 1), stem="small")
    callback = RunSummary(tmp_path, tmp_path / "best.ckpt", Speed())
    trainer = quiet_trainer(tmp_path, max_steps=1, limit_val_batches=0, callbacks=[callback, callback.speed])
    trainer.fit(InceptionClassifier(net), Digits(batch_size=8))
    printed = capsys.readouterr().out
    assert "┃" not in printed
    assert f"run        {tmp_path}" in printed
