import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest
import yaml
from wandb.sdk.launch.sweeps.utils import create_sweep_command, create_sweep_command_args

from inception_lightning.__main__ import main
from inception_lightning.errors import InputError
from inception_lightning.studies.sweep_file import read
from inception_lightning.studies.sweep_run import fingerprint, plan

SCRIPT = """
import json, pathlib, sys, time
args = dict(word.removeprefix("--").split("=", 1) for word in sys.argv[1:])
folder = pathlib.Path(args["trainer.default_root_dir"])
time.sleep(float(args.get("sleep", 0)))
(folder / "ran").open("a").write("x")
sys.exit(int(args.get("code", 0)))
"""


def write(folder: Path, parameters: dict[str, object], **more: object) -> Path:
    (folder / "script.py").write_text(SCRIPT)
    command = ["${env}", "${interpreter}", str(folder / "script.py"), "${args}"]
    file = folder / "sweep.yaml"
    file.write_text(yaml.safe_dump({"method": "grid", "command": command, "parameters": parameters} | more))
    return file


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
    file, place = write(tmp_path, {"sleep": {"values": [0.0, 20.0]}}), tmp_path / "runs"
    command = [sys.executable, "-m", "inception_lightning", "sweep", str(file), "--trust-config", f"--place={place}"]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
    assert process.stdout
    while "[1/2]" not in process.stdout.readline():
        pass
    while len(list(place.glob("*/output.log"))) < 2:
        time.sleep(0.05)
    process.send_signal(number)
    assert process.wait(20) == code
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


def test_arguments_are_those_of_an_agent(tmp_path: Path) -> None:
    choice = {"a.b": 0.1, "c": [0.17, 0.1, 0.2], "d": True, "e": "learned"}
    (run,) = plan(read(write(tmp_path, {name: {"value": value} for name, value in choice.items()})), tmp_path)
    expected = create_sweep_command_args({"args": {name: {"value": value} for name, value in choice.items()}})["args"]
    assert list(run.command) == [sys.executable, str(tmp_path / "script.py"), *expected, run.command[-1]]
    assert run.command[-1] == f"--trainer.default_root_dir={run.folder}"


def test_another_page_is_another_run(tmp_path: Path) -> None:
    page = tmp_path / "page.yaml"
    command = ["fit", f"--config={page}"]
    found = set()
    for epochs in (1, 2):
        page.write_text(f"trainer: {{max_epochs: {epochs}}}")
        found.add(fingerprint(command))
    assert len(found) == 2


def test_a_random_sweep_draws_the_same_runs_again(tmp_path: Path) -> None:
    parameters = {
        "a": {"min": 1, "max": 9},
        "b": {"min": 0.0, "max": 1.0},
        "c": {"distribution": "log_uniform_values", "min": 0.001, "max": 0.1},
        "d": {"values": ["x", "y"], "probabilities": [1, 0]},
    }
    file = write(tmp_path, parameters, method="random", run_cap=5)
    choices = read(file).choices
    assert choices == read(file).choices
    assert len(choices) == 5
    assert all(choice["d"] == "x" and 1 <= choice["a"] <= 9 and 0.001 <= choice["c"] <= 0.1 for choice in choices)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("parameters: {a: {value: 1}}\nmethod: bayes", "grid and random need no server"),
        ("parameters: {a: {value: 1}}\nmethod: random", "without an end"),
        ("parameters: {a: {min: 1, max: 2}}\nmethod: grid", "needs value or values"),
        ("parameters: {a: {distribution: beta}}\nmethod: random\nrun_cap: 1", "is none of"),
        ("method: grid", "has no parameters"),
        ("a: [", "cannot be read"),
    ],
)
def test_what_needs_a_server_or_makes_no_sense_is_refused(tmp_path: Path, content: str, message: str) -> None:
    (tmp_path / "sweep.yaml").write_text(content)
    with pytest.raises(InputError, match=message):
        read(tmp_path / "sweep.yaml")
    assert main(["sweep", str(tmp_path / "sweep.yaml")]) == 2


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
    subprocess.run([*command, f"--trainer.default_root_dir={agents}"], check=True, timeout=120)
    (local,), (agent,) = tmp_path.glob("local/*/*/metrics.csv"), agents.glob("*/metrics.csv")
    assert local.read_text() == agent.read_text()


def at(config: Any, knob: str) -> Any:
    for part in knob.split("."):
        config = config[part]
    return config


@pytest.mark.parametrize(
    ("name", "count"),
    [("sweep", 54), ("short", 18), ("claim", 24), ("claim_rate", 6), ("claim_norm", 6), ("claim_clip", 3)],
)
def test_the_study_is_a_sweep_of_commands_that_parse(
    name: str, count: int, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    runs = plan(read(Path(f"experiments/residual_scale/{name}.yaml")), tmp_path)
    assert len(runs) == count
    command = list(runs[-1].command)
    assert command[1:4] == ["-m", "inception_lightning", "fit"]
    with pytest.raises(SystemExit) as stop:  # --print_config ends in the parser
        main([*command[3:], "--print_config"])
    assert stop.value.code == 0
    config = yaml.safe_load(capsys.readouterr().out)
    assert runs[-1].choice["seed_everything"] == 2
    for knob, value in runs[-1].choice.items():
        assert at(config, knob) == (yaml.safe_load(value) if isinstance(value, str) else value)
