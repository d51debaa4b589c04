"""Two machines, as ``torchrun`` sees them, on the loopback address: one training, one run, exact evaluation."""

import csv
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from inception_lightning.__main__ import main
from tests.processes import ROOT, SMALL, finish, last_checkpoint, the_run, unused_port

MACHINES = 2


def rows(file: Path) -> list[dict[str, str]]:
    with file.open(newline="") as opened:
        return list(csv.DictReader(opened))


def torchrun(machine: int, port: int, *args: str) -> subprocess.Popen[str]:
    meeting = [f"--node-rank={machine}", "--master-addr=127.0.0.1", f"--master-port={port}"]
    words = [f"--nnodes={MACHINES}", "--nproc-per-node=1", *meeting, "-m", "inception_lightning", *args]
    return subprocess.Popen(
        [sys.executable, "-m", "torch.distributed.run", *words],
        cwd=ROOT,
        env=os.environ | {"PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1"},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )


@pytest.mark.slow
def test_two_machines_are_one_training(tmp_path: Path) -> None:
    port, place = unused_port(), tmp_path / "runs"
    options = ["--trainer.max_epochs=1", "--trainer.limit_val_batches=1.0", f"--trainer.default_root_dir={place}"]
    together = [f"--trainer.num_nodes={MACHINES}", "--trainer.devices=1", "--trainer.strategy=ddp"]
    machines = [torchrun(machine, port, "fit", *SMALL, *options, *together) for machine in range(MACHINES)]
    for machine in machines:
        code, output = finish(machine)
        assert code == 0, output
    run = the_run(place)
    assert [path.name for path in place.iterdir()] == [run.name]
    assert last_checkpoint(run)["global_step"] == 8
    assert len(last_checkpoint(run)["continuation"]["processes"]) == 2
    (found,) = [row for row in rows(run / "metrics.csv") if row["val/top1"]]
    log = ["--trainer.logger=CSVLogger", f"--trainer.logger.save_dir={tmp_path / 'log'}", "--trainer.devices=1"]
    alone = ["--trainer.num_nodes=1", "--trainer.strategy=auto", "--trainer.accelerator=cpu"]
    assert main(["test", f"--ckpt_path={run / 'checkpoints' / 'last.ckpt'}", *alone, *log]) == 0
    (expected,) = rows(next((tmp_path / "log").rglob("metrics.csv")))
    for name in ("top1", "top5", "loss"):
        print(f"{name}: {found[f'val/{name}']} on two machines, {expected[f'test/{name}']} alone")
    for name in ("top1", "top5"):
        assert np.float32(found[f"val/{name}"]) == np.float32(expected[f"test/{name}"])
    assert float(found["val/loss"]) == pytest.approx(float(expected["test/loss"]), rel=1e-6)
