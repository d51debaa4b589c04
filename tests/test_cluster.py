"""The SLURM script, with stand-ins for SLURM's programs in the PATH."""

import os
import signal
import subprocess
import time
from pathlib import Path

import pytest

from tests.processes import ROOT

SCRIPT = ROOT / "experiments" / "cluster" / "slurm.sh"
SRUN = """#!/usr/bin/env bash
echo "$@" > "$LOG/srun"
trap 'echo saved >> "$LOG/order"; exit 143' USR1
[ "$MODE" = done ] && exit 0
[ "$MODE" = failed ] && exit 65
while true; do sleep 0.05; done
"""
SCONTROL = '#!/usr/bin/env bash\necho "scontrol $@" >> "$LOG/order"\n'


@pytest.fixture
def environment(tmp_path: Path) -> dict[str, str]:
    for name, text in (("srun", SRUN), ("scontrol", SCONTROL)):
        (tmp_path / name).write_text(text)
        (tmp_path / name).chmod(0o755)
    slurm = {"SLURM_JOB_ID": "7", "SLURM_NNODES": "2", "SLURM_NTASKS_PER_NODE": "4"}
    return os.environ | slurm | {"PATH": f"{tmp_path}:{os.environ['PATH']}", "LOG": str(tmp_path)}


def test_it_is_requeued_after_the_save(environment: dict[str, str], tmp_path: Path) -> None:
    process = subprocess.Popen(["bash", SCRIPT, "--config", "a.yaml"], env=environment | {"MODE": "train"})
    while not (tmp_path / "srun").exists():
        time.sleep(0.02)
    time.sleep(0.2)
    process.send_signal(signal.SIGUSR1)
    assert process.wait(20) == 143
    assert (tmp_path / "order").read_text() == "saved\nscontrol requeue 7\n"
    said = (tmp_path / "srun").read_text()
    assert "lightning fit --config a.yaml --resume auto --trainer.default_root_dir runs/slurm-7" in said
    assert "--trainer.num_nodes 2 --trainer.devices 4 --trainer.strategy ddp" in said


@pytest.mark.parametrize(("mode", "code"), [("done", 0), ("failed", 65)])
def test_it_is_not_requeued_when_it_ends(environment: dict[str, str], tmp_path: Path, mode: str, code: int) -> None:
    assert subprocess.run(["bash", SCRIPT], env=environment | {"MODE": mode}, check=False).returncode == code
    assert not (tmp_path / "order").exists()


def test_what_sbatch_reads() -> None:
    subprocess.run(["bash", "-n", SCRIPT], check=True)
    asked = [line.split()[1] for line in SCRIPT.read_text().splitlines() if line.startswith("#SBATCH")]
    assert {"--signal=B:USR1@120", "--requeue", "--open-mode=append"} <= set(asked)
