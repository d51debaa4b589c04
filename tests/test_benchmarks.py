"""The benchmark of training runs as its README says; the others take minutes, and peers' packages."""

import os
import re
import subprocess
import sys
from pathlib import Path

from tests.processes import ROOT, SMALL, finish

ENVIRONMENT = os.environ | {"PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1"}


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
