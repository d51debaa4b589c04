import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
import yaml
from wandb.sdk.launch.sweeps.utils import create_sweep_command, create_sweep_command_args

from inception_lightning.__main__ import main
from inception_lightning.studies.sweep_file import read
from inception_lightning.studies.sweep_run import plan
from tests.processes import PATIENCE
from tests.studies.sweeps import SCRIPT, write


def ran(place: Path) -> list[str]:
    return sorted(path.read_text() for path in place.glob("*/ran"))


def test_a_finished_run_is_not_run_again(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    file, place = write(tmp_path, {"a.b": {"values": [0.1, [1, 2]]}, "seed": {"value": 3}}), tmp_path / "runs"
    for finished in (0, 2):
        assert main(["sweep", str(file), "--trust-config", f"--place={place}", "--jobs=2"]) == 0
        assert ran(place) == ["x", "x"]
        assert f"2 runs, {finished} of them finished before" in capfd.readouterr().out
    done = [json.loads(path.read_text()) for path in place.glob("*/done.json")]
    assert sorted(str(each["arguments"]["a.b"]) for each in done) == ["0.1", "[1, 2]"]


@pytest.mark.parametrize(("code", "kept"), [(1, 0), (65, 1)])
def test_a_failure_is_told_and_run_again_but_a_divergence_is_a_result(tmp_path: Path, code: int, kept: int) -> None:
    file, place = write(tmp_path, {"code": {"value": code}}), tmp_path / "runs"
    assert main(["sweep", str(file), "--trust-config", f"--place={place}"]) == (0 if kept else code)
    assert len(list(place.glob("*/done.json"))) == kept


@pytest.mark.parametrize(("number", "code"), [(signal.SIGTERM, 143), (signal.SIGKILL, -9)])
def test_a_killed_sweep_goes_on_where_it_was(tmp_path: Path, number: signal.Signals, code: int) -> None:
    file, place = write(tmp_path, {"sleep": {"values": [0.0, 2.0 * PATIENCE]}}), tmp_path / "runs"
    command = [sys.executable, "-m", "inception_lightning", "sweep", str(file), "--trust-config", f"--place={place}"]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
    assert process.stdout
    while "[1/2]" not in process.stdout.readline():
        pass
    while len(list(place.glob("*/output.log"))) < 2:
        time.sleep(0.05)
    process.send_signal(number)
    assert process.wait(PATIENCE) == code
    assert len(list(place.glob("*/done.json"))) == 1
    waiting = next(path.parent for path in place.glob("*/lock") if not (path.parent / "done.json").exists())
    (tmp_path / "script.py").write_text(SCRIPT.replace("time.sleep", "float"))
    assert main(["sweep", str(file), "--trust-config", f"--place={place}"]) == 0
    assert (waiting / "ran").read_text() == "x"
    assert ran(place) == ["x", "x"]


def test_a_run_that_another_process_has_begun_is_left_to_it(
    tmp_path: Path, capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("inception_lightning.studies.sweep.PATIENCE", 1.0)
    file, place = write(tmp_path, {"a": {"value": 1}}), tmp_path / "runs"
    (run,) = plan(read(file), place)
    lock = run.lock()
    assert lock is not None
    assert main(["sweep", str(file), "--trust-config", f"--place={place}"]) == 0
    assert "left to another process" in capfd.readouterr().out
    os.close(lock)
    assert ran(place) == []


@pytest.mark.slow
def test_an_agents_call_trains_the_same_run(tmp_path: Path) -> None:
    sweep = yaml.safe_load(Path("experiments/residual_scale/short.yaml").read_text())
    choice: dict[str, object] = {
        "model.net.init_args.width": 0.05,
        "model.net.init_args.residual_scales": "[0.17, 0.1, 0.2]",
        "seed_everything": 1,
        "trainer.max_epochs": 1,
        "trainer.limit_train_batches": 4,
        "trainer.accelerator": "cpu",
    }
    sweep["parameters"] = {name: {"value": value} for name, value in choice.items()}
    file = tmp_path / "sweep.yaml"
    file.write_text(yaml.safe_dump(sweep))
    assert main(["sweep", str(file), f"--place={tmp_path / 'local'}"]) == 0
    words = create_sweep_command_args({"args": {name: {"value": value} for name, value in choice.items()}})["args"]
    command = [
        word for part in create_sweep_command(sweep["command"]) for word in (words if part == "${args}" else [part])
    ]
    command = [sys.executable if word == "${interpreter}" else word for word in command if word != "${env}"]
    agents = tmp_path / "agent"
    subprocess.run([*command, f"--trainer.default_root_dir={agents}"], check=True)
    (local,), (agent,) = tmp_path.glob("local/*/*/metrics.csv"), agents.glob("*/metrics.csv")
    assert local.read_text() == agent.read_text()
