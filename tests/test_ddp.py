"""Two processes on the CPU: one real run, started as people start it, is shared by all tests."""

import csv
from dataclasses import dataclass
from pathlib import Path

import pytest

from inception_lightning.__main__ import main
from tests.processes import finish, program

TINY = ["--config=experiments/quickstart.yaml", "--model.net.width=0.05", "--model.net.depths=[1,1,1]"]
IMAGES = 257  # of validation: three batches of 64 on the first process and two on the second
VAL = "--data.val_fraction=0.143"
TORCHRUN = {
    "WORLD_SIZE": "2",
    "RANK": "0",
    "LOCAL_RANK": "0",
    "LOCAL_WORLD_SIZE": "2",
    "GROUP_RANK": "0",
    "TORCHELASTIC_RUN_ID": "none",
    "MASTER_ADDR": "127.0.0.1",
    "MASTER_PORT": "29533",
}


@dataclass
class Run:
    folder: Path
    printed: list[str]

    def validation(self) -> dict[str, str]:
        (row,) = [row for row in rows(self.folder / "metrics.csv") if row["val/top1"]]
        return row


def rows(metrics: Path) -> list[dict[str, str]]:
    with metrics.open(newline="") as file:
        return list(csv.DictReader(file))


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Run:
    place = tmp_path_factory.mktemp("runs")
    ddp = ["--trainer.strategy=ddp", "--trainer.devices=2", "--trainer.accelerator=cpu", "--trainer.max_epochs=1"]
    words = ["fit", *TINY, VAL, *ddp, f"--trainer.default_root_dir={place}"]
    code, printed = finish(program(*words))
    assert code == 0, printed
    (folder,) = place.iterdir()
    return Run(folder, printed.splitlines())


def test_two_processes_leave_one_run(run: Run) -> None:
    names = {path.name for path in run.folder.iterdir()}
    assert names - {"code.patch"} == {  # only there while somebody works on the code
        "config.yaml",
        "command.txt",
        "metrics.csv",
        "speed.csv",
        "checkpoints",
        "curves.png",
        "views.png",
        "predictions.png",
        "confusion.csv",
        "confusion.png",
        "code.json",
        "wandb",
    }
    assert {path.name for path in (run.folder / "checkpoints").iterdir()} == {"best.ckpt", "last.ckpt", "manifest.json"}
    assert len(list((run.folder / "wandb").glob("offline-run-*/*.wandb"))) == 1
    assert len([line for line in run.printed if line.startswith("epoch 1/1")]) == 1
    assert len([line for line in run.printed if line.startswith("run  ")]) == 1


def test_the_confusion_counts_every_image_once(run: Run) -> None:
    counts = [
        [int(count) for name, count in row.items() if name.isdigit()] for row in rows(run.folder / "confusion.csv")
    ]
    assert sum(map(sum, counts)) == IMAGES
    right = sum(row[index] for index, row in enumerate(counts))
    assert right / IMAGES == pytest.approx(float(run.validation()["val/top1"]))


def test_both_processes_train(run: Run) -> None:
    assert run.validation()["step"] == "11"  # 12 steps: 1540 images in batches of 2 x 64
    (train,) = [row for row in rows(run.folder / "metrics.csv") if row["train/top1"]]
    seen = 12 * 2 * 64
    assert float(train["train/top1"]) * seen == pytest.approx(round(float(train["train/top1"]) * seen), abs=1e-3)


def test_validation_counts_every_image_exactly_once(run: Run, tmp_path: Path) -> None:
    last = run.folder / "checkpoints" / "last.ckpt"
    alone = ["--trainer.strategy=auto", "--trainer.devices=1", "--trainer.accelerator=cpu"]
    log = ["--trainer.logger=CSVLogger", f"--trainer.logger.save_dir={tmp_path}"]
    assert main(["test", f"--ckpt_path={last}", *alone, *log]) == 0
    (found,) = rows(next(tmp_path.rglob("metrics.csv")))
    for name in ("top1", "top5"):
        share = float(run.validation()[f"val/{name}"])
        assert share == pytest.approx(float(found[f"test/{name}"]), abs=1e-7)
        assert share * IMAGES == pytest.approx(round(share * IMAGES), abs=1e-4)  # a number of whole images
    assert float(run.validation()["val/loss"]) == pytest.approx(float(found["test/loss"]), rel=1e-5)


@pytest.mark.parametrize("devices", ["1", "auto"])
def test_torchrun_never_becomes_two_trainings(
    devices: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    for name, value in TORCHRUN.items():
        monkeypatch.setenv(name, value)
    place = f"--trainer.default_root_dir={tmp_path}"
    code = main(["fit", *TINY, place, "--trainer.accelerator=cpu", f"--trainer.devices={devices}"])
    error = capsys.readouterr().err
    assert code == 2
    assert error.startswith("error: torchrun started 2 processes that would each train alone: say --trainer.devices")
    assert len(error.splitlines()) == 1
    assert list(tmp_path.iterdir()) == []
