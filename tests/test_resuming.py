"""Runs that are killed and go on are the run that was not."""

import random
import re
import signal
import time
from pathlib import Path

import pytest

from inception_lightning.__main__ import main
from inception_lightning.errors import InputError
from inception_lightning.resuming import refuse_changes
from tests.processes import SMALL, assert_same, finish, kill, outcome, rows, start, wait_until

FAULT = ["--trust-config", "--trainer.callbacks+=tests.faults.Fault"]
TWO = ["--trainer.devices=2", "--trainer.strategy=ddp"]


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run that nothing has disturbed."""
    place = tmp_path_factory.mktemp("whole")
    code, output = finish(start(place))
    assert code == 0, output
    return the_run(place)


def the_run(place: Path) -> Path:
    (run,) = place.glob("2*")
    return run


def assert_same_run(one: Path, other: Path) -> None:
    (checkpoint, metrics), (other_checkpoint, other_metrics) = outcome(one), outcome(other)
    assert metrics == other_metrics
    for part in ("state_dict", "optimizer_states", "lr_schedulers", "loops", "continuation", "epoch", "global_step"):
        assert_same(checkpoint[part], other_checkpoint[part], part)


def killed_run(place: Path, moments: list[int]) -> Path:
    for turn, moment in enumerate(moments):
        process = start(place, "--resume=auto", "--last.every_n_steps=3", f"--data.num_workers={turn % 2 * 2}")
        wait_until(process, lambda: rows(place) >= moment)  # noqa: B023  # it is called before the next turn
        kill(process)
    code, output = finish(start(place, "--resume=auto", "--last.every_n_steps=3"))
    assert code == 0, output
    return the_run(place)


def test_killed_with_and_without_workers(whole: Path, tmp_path: Path) -> None:
    assert_same_run(whole, killed_run(tmp_path, [6, 14]))


@pytest.mark.slow
def test_killed_at_five_random_moments(whole: Path, tmp_path: Path) -> None:
    moments = sorted(random.Random(time.time_ns()).sample(range(5, 26), 5))
    print("moments:", moments)
    assert_same_run(whole, killed_run(tmp_path, moments))


@pytest.mark.parametrize("moment", ["validation", pytest.param("step", marks=pytest.mark.slow)])
def test_sigterm(whole: Path, tmp_path: Path, moment: str) -> None:
    code, output = finish(start(tmp_path, *FAULT, f"--trainer.callbacks.what={moment}"))
    assert code == 143, output
    assert re.search(r"stopped at step \d+, saved in \S+last.ckpt", output)
    code, output = finish(start(tmp_path, "--trust-config", "--ckpt_path=last", "--trainer.callbacks=[]"))
    assert code == 0, output
    assert_same_run(whole, the_run(tmp_path))


@pytest.mark.slow
def test_sigterm_during_a_save(whole: Path, tmp_path: Path) -> None:
    assert finish(start(tmp_path, *FAULT, "--trainer.callbacks.what=save"))[0] == 143
    assert finish(start(tmp_path, "--trust-config", "--resume=auto", "--trainer.callbacks=[]"))[0] == 0
    assert_same_run(whole, the_run(tmp_path))


@pytest.mark.slow
def test_ctrl_c(whole: Path, tmp_path: Path) -> None:
    process = start(tmp_path)
    wait_until(process, lambda: rows(tmp_path) >= 5)
    process.send_signal(signal.SIGINT)
    assert finish(process)[0] == 130
    assert finish(start(tmp_path, "--resume=auto"))[0] == 0
    assert_same_run(whole, the_run(tmp_path))


@pytest.mark.slow
@pytest.mark.parametrize("rank", [0, 1])
@pytest.mark.parametrize("moment", ["step", "validation", "save"])
def test_sigterm_on_either_of_two_processes(
    tmp_path: Path, tmp_path_factory: pytest.TempPathFactory, rank: int, moment: str
) -> None:
    undisturbed = tmp_path / "undisturbed"
    cut = tmp_path / "cut"
    assert finish(start(undisturbed, *TWO), 300)[0] == 0
    options = [f"--trainer.callbacks.what={moment}", f"--trainer.callbacks.rank={rank}"]
    code, output = finish(start(cut, *TWO, *FAULT, *options), 300)
    assert code == 143, output
    resumed = start(cut, *TWO, "--trust-config", "--resume=auto", "--trainer.callbacks=[]")
    assert finish(resumed, 300)[0] == 0
    assert_same_run(the_run(undisturbed), the_run(cut))


def test_another_run_is_refused_by_name(whole: Path, capsys: pytest.CaptureFixture[str]) -> None:
    args = ["fit", *SMALL, f"--ckpt_path={whole / 'checkpoints' / 'last.ckpt'}"]
    assert main([*args, "--data.batch_size=32", "--model.label_smoothing=0"]) == 2
    refused = capsys.readouterr().err
    assert "data.init_args.batch_size: 64 -> 32; model.label_smoothing: 0.1 -> 0" in refused
    assert "--allow_changes true" in refused


def test_what_may_change() -> None:
    before = {"seed_everything": 0, "trainer": {"max_epochs": 3, "precision": 32}, "model": {"weights": "a.pt"}}
    refuse_changes(before, before | {"trainer": {"max_epochs": 9, "devices": 2, "precision": 32}, "model": {}})
    with pytest.raises(InputError, match=r"seed_everything: 0 -> 1; trainer\.precision: 32 -> bf16-mixed"):
        refuse_changes(before, {"seed_everything": 1, "trainer": {"precision": "bf16-mixed"}})


@pytest.mark.parametrize(
    "what", ["main", *(pytest.param(kind, marks=pytest.mark.slow) for kind in ("head", "gradient"))]
)
def test_a_loss_that_is_not_finite(tmp_path: Path, what: str) -> None:
    options = [*FAULT, f"--trainer.callbacks.what={what}", "--last.every_n_steps=1"]
    code, output = finish(start(tmp_path, *options))
    assert code == 65, output
    assert "step 6, learning rate 0.003: the " in output
    content, _ = outcome(the_run(tmp_path))
    assert content["global_step"] == 5
    assert all(tensor.isfinite().all() for tensor in content["state_dict"].values())


@pytest.mark.slow
@pytest.mark.parametrize(("what", "code"), [("main", 65), ("error", 1), ("kill", -9)])
def test_one_of_two_processes_fails(tmp_path: Path, what: str, code: int) -> None:
    begun = time.monotonic()
    options = [*TWO, *FAULT, f"--trainer.callbacks.what={what}", "--trainer.callbacks.rank=1"]
    found, output = finish(start(tmp_path, *options), 120)
    print(f"{what}: {time.monotonic() - begun:.1f} s with start-up, exit code {found}")
    assert found != 0
    assert found == 65 or what != "main", output
    if what == "main":
        assert "on process 1, of the training images" in output


@pytest.mark.slow
def test_a_worker_is_killed(tmp_path: Path) -> None:
    code, output = finish(start(tmp_path, *FAULT, "--trainer.callbacks.what=worker", "--data.num_workers=2"))
    assert code == 1, output
    assert "a loader's process died" in output
