import re
import subprocess
import sys
from pathlib import Path

import pytest

from inception_lightning import __version__
from inception_lightning.__main__ import COMMANDS, HELP, main

QUICK = ["--config=experiments/quickstart.yaml", "--model.net.width=0.05", "--model.net.depths=[1,1,1]"]
CPU = ["--trainer.accelerator=cpu", "--trainer.devices=1", "--trainer.limit_val_batches=0", "--trainer.logger=false"]
TELLS_ITS_COST = """
import resource, sys
from inception_lightning.__main__ import main
code = main(["--help"])
heavy = sorted({"torch", "lightning", "wandb", "jsonargparse", "numpy"} & set(sys.modules))
usage = resource.getrusage(resource.RUSAGE_SELF)
print(code, heavy, usage.ru_utime + usage.ru_stime, file=sys.stderr)
"""
UNTIL_THE_FIRST_STEP = """
import os, sys
import inception_lightning.commands.embed, inception_lightning.commands.explain, inception_lightning.commands.export
from inception_lightning.commands.fit import main
from inception_lightning.training.classifier import InceptionClassifier
def first_step(*_):
    print("not yet needed:", sorted(set(sys.argv[1].split()) & set(sys.modules)), file=sys.stderr, flush=True)
    os._exit(0)
InceptionClassifier.training_step = first_step
main(["fit", "--wandb.mode=disabled", *sys.argv[2:]])
"""
NOT_YET_NEEDED = """
    sklearn pandas matplotlib.backends.backend_agg huggingface_hub.file_download wandb
    onnx onnxscript onnxruntime openvino torch._inductor.package pyarrow captum
"""


def exit_code(*args: str) -> int:
    try:
        return main(list(args))
    except SystemExit as stop:  # the parsers end so
        return int(stop.code or 0)


def test_help_needs_no_torch_and_less_than_a_second() -> None:
    done = subprocess.run([sys.executable, "-c", TELLS_ITS_COST], capture_output=True, text=True, check=True)
    assert done.stdout == HELP
    code, heavy, seconds = re.fullmatch(r"(\d+) (\[.*\]) ([\d.]+)\n", done.stderr).groups()  # type: ignore[union-attr]
    assert (code, heavy) == ("0", "[]")
    assert float(seconds) < 1.0


def test_nothing_is_imported_before_it_is_needed(tmp_path: Path) -> None:
    words = [NOT_YET_NEEDED, *QUICK, *CPU, f"--trainer.default_root_dir={tmp_path}"]
    done = subprocess.run([sys.executable, "-c", UNTIL_THE_FIRST_STEP, *words], capture_output=True, text=True)
    assert "not yet needed: []\n" in done.stderr, done.stderr


@pytest.mark.parametrize("args", [[], ["-h"], ["--help"], ["help"]])
def test_help_is_printed(args: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    assert main(args) == 0
    assert capsys.readouterr().out == HELP


def test_version(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--version"]) == 0
    assert capsys.readouterr().out == f"inception-lightning {__version__}\n"


def test_the_program_starts_as_a_module() -> None:
    command = [sys.executable, "-m", "inception_lightning", "--version"]
    assert subprocess.run(command, capture_output=True, text=True, check=True).stdout.endswith(f"{__version__}\n")


def test_help_names_exactly_the_commands_that_there_are(capsys: pytest.CaptureFixture[str]) -> None:
    block = HELP.split("commands:\n")[1].split("\n\n")[0]
    named = [line.split()[0] for line in block.splitlines()]
    others = [name for name in named if COMMANDS[name] != "fit"]
    assert named == list(COMMANDS)
    assert [exit_code(name, "--help") for name in others] == [0] * len(others)
    assert exit_code("elsewhere") == 2


@pytest.mark.parametrize("command", ["fit", "predict"])
def test_every_command_explains_its_options(command: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as stop:
        main([command, "--help-all"])
    assert stop.value.code == 0
    printed = capsys.readouterr().out
    assert all(
        option in printed for option in ("--config", "--model.net", "--data", "--trainer.max_epochs", "--ckpt_path")
    )


@pytest.mark.parametrize("command", ["fit", "validate", "test", "predict"])
def test_the_short_help_is_one_screen(command: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main([command, "-h"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert len(lines) <= 40
    assert max(map(len, lines)) <= 80
    assert sum(line.startswith("  -") for line in lines) >= 10
    assert any(line.startswith(f"  lightning {command} --help-all") for line in lines)


def test_a_finished_run_ends_with_0(tmp_path: Path) -> None:
    assert main(["fit", *QUICK, *CPU, "--trainer.fast_dev_run=true", f"--trainer.default_root_dir={tmp_path}"]) == 0
