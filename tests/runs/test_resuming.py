"""Runs that are killed and go on are the run that was not."""

import csv
import math
import random
import shutil
import time
from pathlib import Path
from typing import Any

import pytest
import torch
import yaml

from inception_lightning.__main__ import main
from inception_lightning.errors import InputError
from inception_lightning.runs.checkpoints import newest_good
from inception_lightning.runs.resuming import refuse_changes
from tests.processes import AVERAGED, SMALL, assert_same_run, finish, kill, start, the_run, wait_for_rows

INTERVAL = 3


def steps_done(run: Path) -> int:
    """The steps that ``metrics.csv`` has seen."""
    with (run / "metrics.csv").open(newline="") as file:
        return max(int(row["step"]) for row in csv.DictReader(file) if row["train/loss"]) + 1


def killed_run(place: Path, checkpoints: Path, moments: list[int], workers: list[int], *more: str) -> Path:
    """A run that is killed when its ``metrics.csv`` has so many rows, and goes on; each time with other workers."""
    options = ["--resume=auto", f"--last.every_n_steps={INTERVAL}", f"--checkpoint.dirpath={checkpoints}", *more]
    for moment, number in zip(moments, workers, strict=True):
        process = start(place, *options, f"--data.num_workers={number}")
        begun = time.time()
        wait_for_rows(process, place, moment, begun)
        kill(process)
        done = steps_done(the_run(place))
        saved = torch.load(newest_good(checkpoints / the_run(place).name), weights_only=True)["global_step"]
        print(f"{number} workers, killed after step {done}, {done - saved} steps to do again")
        assert done - saved <= INTERVAL
    code, output = finish(start(place, *options))
    assert code == 0, output
    return the_run(place)


def test_a_run_killed_three_times(whole: Path, tmp_path: Path, other_file_system: Path) -> None:
    end_of_epoch = 10  # best.ckpt is saved, last.ckpt is not
    run = killed_run(tmp_path, other_file_system, [6, end_of_epoch, 14], [0, 0, 2])
    assert_same_run(whole, run, other_file_system / run.name)


@pytest.mark.slow
@pytest.mark.parametrize("workers", [0, 2])
def test_a_run_killed_at_five_random_moments(
    whole: Path, tmp_path: Path, other_file_system: Path, workers: int
) -> None:
    moments = sorted(random.Random(time.time_ns()).sample(range(5, 29), 5))  # of 30 rows
    print("killed at rows", moments)
    begun = time.monotonic()
    run = killed_run(tmp_path, other_file_system, moments, [workers] * 5)
    assert_same_run(whole, run, other_file_system / run.name)
    print(f"bit by bit the same, after {time.monotonic() - begun:.0f} s")


@pytest.mark.slow
@pytest.mark.parametrize("workers", [0, 2])
def test_balanced_draws_go_on_after_a_kill(tmp_path: Path, other_file_system: Path, workers: int) -> None:
    balanced = ["--data.balance=sampler", "--data.balance_power=0.5"]
    code, output = finish(start(tmp_path / "whole", *balanced))
    assert code == 0, output
    run = killed_run(tmp_path / "killed", other_file_system, [4, 14], [workers] * 2, *balanced)
    assert_same_run(the_run(tmp_path / "whole"), run, other_file_system / run.name)


SEVERAL = ["--checkpoint.save_top_k=3", "--checkpoint.monitor=val/loss", "--checkpoint.mode=min"]
ONE_CYCLE = ["--model.lr_scheduler=OneCycleLR", "--model.lr_scheduler.max_lr=0.01"]


@pytest.mark.slow
@pytest.mark.parametrize(
    "options",
    [[*SEVERAL, *ONE_CYCLE], ["--trainer.accumulate_grad_batches=2", *SEVERAL]],
    ids=["one cycle", "accumulated"],
)
def test_a_run_that_is_renamed_between_kills(tmp_path: Path, options: list[str]) -> None:
    code, output = finish(start(tmp_path / "whole", *options))
    assert code == 0, output
    place = tmp_path / "killed"
    often = [*options, "--last.every_n_steps=2"]
    named: list[str] = []
    for turn, moment in enumerate((7, 15)):
        process = start(place, *often, *named)
        wait_for_rows(process, place, moment, time.time())
        kill(process)
        (run,) = place.iterdir()
        run = run.rename(place / f"renamed-{turn}")
        named = [f"--ckpt_path={(run / 'checkpoints' / 'last.ckpt').absolute()}"]
    code, output = finish(start(place, *often, *named))
    assert code == 0, output
    whole = the_run(tmp_path / "whole")
    assert_same_run(whole, run)
    kept = [{path.name for path in one.glob("checkpoints/*.ckpt")} for one in (whole, run)]
    assert kept[0] == kept[1]
    assert len([name for name in kept[0] if name.startswith("epoch=")]) == 3
    print(f"killed twice, renamed twice, the same bit by bit with {' '.join(options)}")


def test_another_run_is_refused_by_name(whole: Path, capsys: pytest.CaptureFixture[str]) -> None:
    args = ["fit", *SMALL, AVERAGED, f"--ckpt_path={whole / 'checkpoints' / 'last.ckpt'}"]
    assert main([*args, "--data.batch_size=8", "--model.label_smoothing=0"]) == 2
    refused = capsys.readouterr().err
    assert "data.init_args.batch_size: 16 -> 8; model.label_smoothing: 0.1 -> 0" in refused
    assert "--allow_changes true" in refused


def test_what_may_change() -> None:
    before = {"seed_everything": 0, "trainer": {"max_epochs": 3, "precision": 32}, "model": {"weights": "a.pt"}}
    refuse_changes(before, before | {"trainer": {"max_epochs": 9, "profiler": "simple", "precision": 32}, "model": {}})
    with pytest.raises(InputError, match=r"seed_everything: 0 -> 1; trainer\.precision: 32 -> bf16-mixed"):
        refuse_changes(before, {"seed_everything": 1, "trainer": {"precision": "bf16-mixed"}})


def rates(run: Path) -> dict[int, float]:
    """The learning rate of every step that was logged."""
    with (run / "metrics.csv").open(newline="") as file:
        return {int(row["step"]): float(row["train/lr"]) for row in csv.DictReader(file) if row["train/lr"]}


@pytest.mark.parametrize(
    ("flags", "expected"),
    [
        (["--model.optimizer.lr=0.5"], [0.5 * (1 + math.cos(math.pi * epoch / 10)) / 2 for epoch in (3, 4)]),
        pytest.param(
            ["--model.lr_scheduler.T_max=4"],
            [0.003 * (1 + math.cos(math.pi * epoch / 4)) / 2 for epoch in (3, 4)],
            marks=pytest.mark.slow,
        ),
        (["--model.lr_scheduler=StepLR", "--model.lr_scheduler.step_size=4"], [0.003, 0.0003]),
    ],
)
def test_another_rate_or_schedule_is_what_the_run_goes_on_with(
    whole: Path, tmp_path: Path, flags: list[str], expected: list[float]
) -> None:
    run = tmp_path / whole.name
    shutil.copytree(whole, run)
    last = f"--ckpt_path={run / 'checkpoints' / 'last.ckpt'}"
    wanted = [*flags, "--trainer.max_epochs=5", "--wandb.mode=disabled", "--trainer.accelerator=cpu"]
    assert main(["fit", last, *wanted]) == 2
    assert main(["fit", last, *wanted, "--trainer.limit_train_batches=1", "--allow_changes=true"]) == 0
    assert [rates(run)[step] for step in (24, 25)] == pytest.approx(expected, rel=1e-6)
    recorded = yaml.safe_load((run / "config.yaml").read_text())
    assert main(["fit", last, "--trainer.max_epochs=6", "--model.label_smoothing=0", "--wandb.mode=disabled"]) == 2
    assert recorded["model"]["optimizer"]["init_args"]["lr"] == (0.5 if "optimizer" in flags[0] else 0.003)


def test_a_callback_that_changes_training_is_a_change() -> None:
    watching = {"class_path": "lightning.pytorch.callbacks.LearningRateMonitor", "init_args": {}}
    training = {"class_path": "inception_lightning.callbacks.Unfreeze", "init_args": {"epochs": {"stem": 1}}}

    def page(*callbacks: Any) -> dict[str, Any]:
        return {"trainer": {"callbacks": list(callbacks) or None}}

    refuse_changes(page(), page(watching))
    refuse_changes(page(training, watching), page(training))
    for before, now in ((page(training), page()), (page(), page(training)), (page(training), page(watching))):
        with pytest.raises(InputError, match=r"trainer\.callbacks"):
            refuse_changes(before, now)
