"""Checkpoints of averaged, compiled and plain runs are the same kind of file, and hold what they are scored for."""

import csv
import functools
import itertools
import shutil
from pathlib import Path

import lightning.pytorch as pl
import pytest
import torch

from inception_lightning.__main__ import main
from inception_lightning.callbacks import WeightAverage
from inception_lightning.data import Digits
from inception_lightning.models import InceptionResNetV1
from inception_lightning.training.classifier import InceptionClassifier
from tests.processes import AVERAGED, SMALL
from tests.trainers import quiet_trainer

KINDS = ("plain", "averaged", "compiled")


def prepared(kind: str, folder: Path) -> tuple[InceptionClassifier, pl.Trainer]:
    net = InceptionResNetV1(10, width=0.05, depths=(1, 1, 1), stem="small", aux=True)
    module = InceptionClassifier(net, optimizer=functools.partial(torch.optim.SGD, lr=0.01))
    if kind == "compiled":
        module.compile()
    trainer = quiet_trainer(
        folder,
        max_epochs=1,
        callbacks=[WeightAverage(0.9)] if kind == "averaged" else [],
        limit_train_batches=3,
        limit_val_batches=2,
    )
    return module, trainer


@pytest.mark.parametrize(
    ("source", "target"),
    [
        pytest.param(source, target, marks=[pytest.mark.slow] if "compiled" in (source, target) else [])
        for source, target in itertools.permutations(KINDS, 2)
    ],
)
def test_each_kind_loads_into_each_other(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, source: str, target: str
) -> None:
    monkeypatch.setattr(torch, "compile", functools.partial(torch.compile, backend="eager"))
    torch._dynamo.reset()
    data = Digits(batch_size=50, num_workers=0)
    module, trainer = prepared(source, tmp_path)
    trainer.fit(module, data)
    trainer.save_checkpoint(tmp_path / "source.ckpt")
    (scores,) = trainer.validate(module, data, verbose=False)
    other, evaluating = prepared(target, tmp_path)
    checkpoint = tmp_path / "source.ckpt"
    (found,) = evaluating.validate(other, data, ckpt_path=checkpoint, verbose=False, weights_only=True)
    assert found == pytest.approx(scores, abs=1e-6)  # compiled code rounds otherwise
    another, training = prepared(target, tmp_path)
    training.fit_loop.max_epochs = 2
    training.fit(another, data, ckpt_path=checkpoint, weights_only=True)
    assert training.global_step == 6
    assert another.state_dict().keys() == module.state_dict().keys()
    assert not any("_orig_mod" in name for name in another.state_dict())


def rows(file: Path) -> list[dict[str, str]]:
    with file.open(newline="") as opened:
        return list(csv.DictReader(opened))


def test_the_best_checkpoint_of_an_averaged_run_has_its_score(whole: Path, tmp_path: Path) -> None:
    best = max((row for row in rows(whole / "metrics.csv") if row["val/top1"]), key=lambda row: float(row["val/top1"]))
    log = ["--trainer.logger=CSVLogger", f"--trainer.logger.save_dir={tmp_path}", "--trainer.limit_test_batches=3"]
    checkpoint = whole / "checkpoints" / "best.ckpt"
    assert main(["test", f"--ckpt_path={checkpoint}", "--trainer.accelerator=cpu", *log]) == 0
    (found,) = rows(next(tmp_path.rglob("metrics.csv")))
    for name in ("top1", "top5", "loss"):
        print(f"{name}: {best[f'val/{name}']} in the run, {found[f'test/{name}']} by lightning test")
        assert float(found[f"test/{name}"]) == float(best[f"val/{name}"])
    held = torch.load(checkpoint, weights_only=True)
    name = "net.classifier.weight"
    assert not torch.equal(held["state_dict"][name], held["current_model_state"][name])


@pytest.mark.parametrize(("before", "flags"), [("0.99", []), ("null", [AVERAGED])])
def test_averaging_neither_begins_nor_ends_by_accident(
    whole: Path, tmp_path: Path, before: str, flags: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    run = shutil.copytree(whole, tmp_path / whole.name)
    page = (run / "config.yaml").read_text()
    (run / "config.yaml").write_text(page.replace("ema_decay: 0.99", f"ema_decay: {before}"))
    again = ["fit", *SMALL, f"--ckpt_path={run / 'checkpoints' / 'last.ckpt'}", *(flags or ["--ema_decay=null"])]
    assert main(again) == 2
    refused = capsys.readouterr().err
    assert "ema_decay: 0.99 -> None" in refused or "ema_decay: None -> 0.99" in refused
    assert "say --allow_changes true" in refused


def test_another_number_of_processes_is_refused(whole: Path, capsys: pytest.CaptureFixture[str]) -> None:
    again = ["fit", *SMALL, AVERAGED, f"--ckpt_path={whole / 'checkpoints' / 'last.ckpt'}"]
    assert main([*again, "--trainer.devices=2", "--trainer.strategy=ddp"]) == 2
    refused = capsys.readouterr().err
    assert "the run had 1 processes and would go on with 2" in refused
    assert "--allow_changes true" in refused
