import functools
import re
from pathlib import Path

import lightning.pytorch as pl
import pytest
import torch
from lightning.pytorch.callbacks import Callback
from rich.console import Console
from torch.utils.data import DataLoader, TensorDataset

from inception_lightning import models
from inception_lightning.callbacks import LineProgress, NetSummary, TerminalProgress
from inception_lightning.callbacks.progress import stages
from inception_lightning.data import Digits
from inception_lightning.models import InceptionResNetV1
from inception_lightning.training.classifier import InceptionClassifier
from tests.trainers import quiet_trainer


def fit(folder: Path, callback: Callback, **options: int) -> None:
    net = InceptionResNetV1(10, width=0.05, depths=(1, 1, 1), stem="small")
    module = InceptionClassifier(net, optimizer=functools.partial(torch.optim.SGD, lr=0.01))
    trainer = pl.Trainer(
        accelerator="cpu",
        devices=1,
        default_root_dir=folder,
        logger=False,
        enable_checkpointing=False,
        enable_model_summary=isinstance(callback, NetSummary),
        limit_train_batches=3,
        limit_val_batches=2,
        callbacks=[callback],
        **options,  # type: ignore[arg-type]
    )
    trainer.fit(module, Digits(batch_size=4))


def test_one_line_per_epoch(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    fit(tmp_path, LineProgress(), max_epochs=2)
    lines = capsys.readouterr().out.splitlines()
    values = r"train/loss \d+\.\d{4}  val/loss \d+\.\d{4}  val/top1 \d+\.\d\d %"
    assert len(lines) == 2
    assert re.fullmatch(rf"epoch 1/2  {values}  \d:\d\d:\d\d left", lines[0]), lines
    assert re.fullmatch(f"epoch 2/2  {values}", lines[1]), lines


def test_long_epochs_say_where_they_are(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    fit(tmp_path, LineProgress(seconds=0), max_epochs=1)
    lines = [line.partition("  train/loss")[0] for line in capsys.readouterr().out.splitlines()]
    assert lines == [*(f"epoch 1/1  batch {batch}/3" for batch in (1, 2, 3)), "epoch 1/1"]


def test_long_predictions_say_where_they_are(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    images = torch.randint(0, 256, (6, 3, 16, 16), dtype=torch.uint8)
    loader = DataLoader(TensorDataset(images, torch.arange(6)), batch_size=4)
    for seconds, said in ((0, ["batch 1/2", "batch 2/2"]), (60, [])):
        module = InceptionClassifier(InceptionResNetV1(10, width=0.05, depths=(1, 1, 1), stem="small"))
        quiet_trainer(tmp_path, callbacks=[LineProgress(seconds)], enable_progress_bar=True).predict(module, loader)
        assert capsys.readouterr().out.splitlines() == said


def test_an_epoch_without_validation_shows_no_older_figures(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    fit(tmp_path, LineProgress(), max_epochs=3, check_val_every_n_epoch=2)
    assert ["val/" in line for line in capsys.readouterr().out.splitlines()] == [False, True, False]


def test_a_run_that_is_as_long_as_its_steps_counts_them(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    fit(tmp_path, LineProgress(), max_epochs=-1, max_steps=5)
    places = [line.partition("  train/loss")[0] for line in capsys.readouterr().out.splitlines()]
    assert places == ["epoch 1  step 3/5", "epoch 2  step 5/5"]


def test_a_bar_of_a_run_without_an_end_counts_no_epochs(tmp_path: Path) -> None:
    said = []

    class Heard(TerminalProgress):
        def _get_train_description(self, current_epoch: int) -> str:
            said.append(super()._get_train_description(current_epoch).strip())
            return said[-1]

    fit(tmp_path, Heard(), max_epochs=-1, max_steps=2)
    fit(tmp_path, Heard(), max_epochs=1)
    assert set(said) == {"Epoch 1", "Epoch 1/1"}


def test_other_processes_are_silent(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    progress = LineProgress(seconds=0)
    progress.disable()
    fit(tmp_path, progress, max_epochs=1)
    assert capsys.readouterr().out == ""


def test_the_summary_shows_the_stages_and_nothing_else(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    console = Console(width=100, record=True, file=(tmp_path / "out.txt").open("w"))
    monkeypatch.setattr("inception_lightning.callbacks.progress.get_console", lambda: console)
    fit(tmp_path, NetSummary(), max_epochs=1)
    lines = console.export_text().splitlines()
    rows = [re.split(r" {2,}", line.strip()) for line in lines if re.search(r"\d$", line.strip())]
    stages = ["stem", "inception_a", "reduction_a", "inception_b", "reduction_b", "inception_c", "classifier"]
    assert [row[0] for row in rows] == [*stages, "total, 16x16 images"]
    assert (rows[0][1], rows[-2][1]) == ("16x16x13", "10")
    numbers = [[int(cell.replace(",", "")) for cell in row[-2:]] for row in rows]
    assert [sum(column) for column in zip(*numbers[:-1], strict=True)] == numbers[-1]


@pytest.mark.parametrize("name", ["InceptionV4", "InceptionResNetV2", "GoogLeNet"])
def test_forty_columns_hold_the_summary_with_whole_numbers(name: str, tmp_path: Path) -> None:
    variant = getattr(models, name)
    with torch.device("meta"):
        net = variant()
    console = Console(width=40, record=True, file=(tmp_path / "out.txt").open("w"))
    console.print(stages(net, net.image_size, narrow=True))
    lines = console.export_text().splitlines()
    assert not [line for line in lines if "…" in line]
    rows = [line for line in lines if re.search(r"\d [kMG]$|\d$", line.rstrip())]
    assert len(rows) == len(stages(net, net.image_size).rows)
    assert all(re.search(r"\d+(\.\d+)?( [kMG])? +\d+(\.\d+)?( [kMG])?$", line.rstrip()) for line in rows)
