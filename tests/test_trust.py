"""Configurations and checkpoints are data: nothing in them runs."""

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import torch

from inception_lightning.__main__ import main
from inception_lightning.checkpointing import read_checkpoint
from inception_lightning.errors import InputError
from inception_lightning.module import InceptionClassifier
from inception_lightning.storage import CheckpointFiles
from tests.processes import ROOT, SMALL


class Attack:
    """Code in a pickle."""

    def __init__(self, mark: Path) -> None:
        self.mark = mark

    def __reduce__(self) -> tuple[Any, tuple[str]]:
        return os.system, (f"touch {self.mark}",)


@pytest.fixture
def mark(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    module = tmp_path / "evil_on_import.py"
    module.write_text(f"open({str(tmp_path / 'mark')!r}, 'w')\nclass Net: pass\n")
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.chdir(ROOT)
    return tmp_path / "mark"


def page(key: str, class_path: str, **arguments: Any) -> str:
    value: Any = {"class_path": class_path, "init_args": arguments}
    for part in reversed(key.split(".")):
        value = {part: value}
    return f"--config={json.dumps(value)}"


@pytest.mark.parametrize(
    ("key", "class_path"),
    [
        ("model.optimizer", "os.system"),
        ("model.lr_scheduler", "subprocess.Popen"),
        ("model.optimizer", "inception_lightning.cli.os.system"),
        ("model.net", "evil_on_import.Net"),
        ("data", "evil_on_import.Net"),
        ("trainer.logger", "evil_on_import.Net"),
    ],
)
def test_a_page_imports_and_calls_nothing(
    mark: Path, capsys: pytest.CaptureFixture[str], key: str, class_path: str
) -> None:
    assert main(["fit", *SMALL, page(key, class_path, command=f"touch {mark}")]) == 2
    refused = capsys.readouterr().err
    assert "may not name" in refused
    assert "--trust-config" in refused
    assert main(["fit", *SMALL, f"--{key}={class_path}"]) == 2
    assert not mark.exists()


def test_callbacks_and_nested_pages(mark: Path, tmp_path: Path) -> None:
    assert main(["fit", *SMALL, "--trainer.callbacks+=evil_on_import.Net"]) == 2
    nested = tmp_path / "net.yaml"
    nested.write_text("class_path: evil_on_import.Net\n")
    assert main(["fit", *SMALL, f"--model.net={nested}"]) == 2
    assert not mark.exists()


def test_the_command_line_can_trust(mark: Path, tmp_path: Path) -> None:
    args = ["fit", *SMALL, "--trust-config", "--model.net=evil_on_import.Net"]
    environment = os.environ | {"PYTHONPATH": f"{ROOT}:{tmp_path}"}
    done = subprocess.run([sys.executable, "-m", "inception_lightning", *args], env=environment, check=False)
    assert done.returncode == 2  # it is no network
    assert mark.exists()


def test_no_code_in_a_checkpoint_runs(mark: Path, tmp_path: Path) -> None:
    evil = tmp_path / "evil.ckpt"
    torch.save({"state_dict": {}, "inception_lightning": Attack(mark)}, evil)
    for command in ("fit", "validate", "test", "predict"):
        assert main([command, *(SMALL if command != "predict" else []), f"--ckpt_path={evil}"]) == 2
    assert main(["fit", *SMALL, f"--model.weights={evil}"]) == 2
    for read in (read_checkpoint, InceptionClassifier.load_from_checkpoint):
        with pytest.raises(InputError, match="not a readable checkpoint"):
            read(evil)
    with pytest.raises(Exception, match=r"(?i)weights.only"):
        CheckpointFiles().load_checkpoint(evil, weights_only=False)
    assert not mark.exists()


@pytest.mark.parametrize(
    "address",
    [
        "http://127.0.0.1/a.ckpt",
        "https://127.0.0.1/a.ckpt",
        f"http://127.0.0.1/a.ckpt#sha256={'0' * 64}",
        "https://127.0.0.1/a.ckpt#sha256=0000",
    ],
)
def test_checkpoints_from_the_net_need_https_and_a_checksum(address: str) -> None:
    with pytest.raises(InputError, match="needs https and its checksum"):
        read_checkpoint(address)
    assert main(["test", *SMALL, f"--ckpt_path={address}"]) == 2
