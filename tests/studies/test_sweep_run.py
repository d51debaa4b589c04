import sys
from pathlib import Path
from typing import Any

import pytest
import yaml
from wandb.sdk.launch.sweeps.utils import create_sweep_command_args

from inception_lightning.__main__ import main
from inception_lightning.studies.sweep_file import read
from inception_lightning.studies.sweep_run import fingerprint, plan
from tests.studies.sweeps import write


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
