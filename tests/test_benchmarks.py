"""The benchmark of training runs as its README says, the frame of the call on a GPU, and the tables on paper."""

import importlib
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from tests.processes import ROOT, SMALL, finish

ENVIRONMENT = os.environ | {"PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1"}


@pytest.mark.slow
def test_fit_is_compared_with_a_plain_loop(tmp_path: Path) -> None:
    steps = ["--trainer.max_epochs=1", "--trainer.limit_train_batches=12", "--trainer.limit_val_batches=1"]
    place = f"--trainer.default_root_dir={tmp_path}"
    command = [sys.executable, "benchmarks/fit.py", *SMALL, *steps, place]
    process = subprocess.Popen(
        command, cwd=ROOT, env=ENVIRONMENT, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
    )
    code, said = finish(process)
    assert code == 0, said
    assert re.search(r"6 pairs of steps: fit [\d.]+ ms, plain loop [\d.]+ ms\nratio per pair: median [\d.]+", said)


@pytest.mark.slow
def test_the_cost_of_a_start_is_told_by_part() -> None:
    command = [sys.executable, "benchmarks/start.py", "--rounds", "1", "--before", str(ROOT), *SMALL[:4]]
    done = subprocess.run(command, cwd=ROOT, env=ENVIRONMENT, capture_output=True, text=True, check=True)
    heading, *parts, ours = done.stdout.splitlines()
    assert heading.split() == ["median", "CPU", "seconds", "before", "now", "before", "+", "W&B", "now", "+", "W&B"]
    figures = [[float(cell) for cell in row[40:].split()] for row in (*parts, ours)]
    assert len(figures) == 6
    assert min(map(min, figures)) > 0
    assert figures[-1] == pytest.approx([sum(column[2:5]) for column in zip(*figures, strict=True)], abs=0.03)


def gpu_script(place: Path, *words: str) -> tuple[int, str]:
    environment = ENVIRONMENT | {"OUT": str(place / "out"), "PYTHON": sys.executable, "TINY": "1"}
    done = subprocess.run(
        ["bash", "benchmarks/gpu.sh", *words], cwd=ROOT, env=environment, capture_output=True, text=True, timeout=100
    )
    return done.returncode, done.stdout + done.stderr


def test_the_call_on_a_gpu_makes_a_table_of_what_there_is_and_repeats_nothing(tmp_path: Path) -> None:
    out = tmp_path / "out"
    out.mkdir()
    (out / "networks.csv").write_text("networks,mode,images/s\nv3 / timm,train,5000\n")
    (out / "fit.txt").write_text("v3 on 32 pixels\nnoise\nratio per pair: median 1.010\n")
    (out / ".tests").touch()
    code, said = gpu_script(tmp_path, str(tmp_path), "tests", "cifar", "table")
    assert code == 0, said
    assert "== tests: done before" in said
    assert "no CIFAR-10: gpu.sh pack FOLDER CIFAR\n== cifar: exit code 3" in said  # and the parts after it still run
    table = (out / "table.md").read_text()
    assert "| v3 / timm | train | 5000 |" in table
    assert "- v3 on 32 pixels\n- ratio per pair: median 1.010\n" in table
    assert "## CIFAR-10 by its page\n\nnot run" in table
    assert gpu_script(tmp_path, str(tmp_path), "table")[1].startswith("== table: done before")


def test_the_call_on_a_gpu_says_how_it_is_used(tmp_path: Path) -> None:
    assert "pack FOLDER" in gpu_script(tmp_path)[1]
    code, said = gpu_script(tmp_path, str(tmp_path / "nothing"))
    assert (code, said) == (2, f"error: there is no folder {tmp_path / 'nothing'}: make it by gpu.sh pack\n")


def test_the_readme_has_the_tables_that_the_networks_give(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.syspath_prepend(ROOT / "benchmarks")
    overview = importlib.import_module("roofline").overview()
    assert f"{overview}\n" in (ROOT / "benchmarks" / "README.md").read_text()
