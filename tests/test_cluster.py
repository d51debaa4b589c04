"""The SLURM script, with stand-ins for SLURM's programs in the PATH."""

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from tests.processes import PATIENCE, ROOT

SCRIPT = ROOT / "experiments" / "cluster" / "slurm.sh"
SRUN = """#!/usr/bin/env bash
trap 'echo saved >> "$LOG/order"; exit 143' USR1
echo "$@" > "$LOG/srun"
[ "$MODE" = done ] && exit 0
[ "$MODE" = failed ] && exit 65
while true; do sleep 0.05; done
"""
SBATCH = """#!{python}
# As sbatch --test-only: reads the options before the script's first command, and refuses what it does not know.
import argparse, json, re, sys
def signal(text):
    found = re.fullmatch("(?:([RB]+):)?(USR1|USR2|TERM|INT|[0-9]+)(?:@([0-9]+))?", text)
    return [found[1], found[2], int(found[3])]
def time(text):
    assert re.fullmatch("(?:[0-9]+-)?[0-9]+(?::[0-5][0-9]){{0,2}}", text), text
    return text
parser = argparse.ArgumentParser(allow_abbrev=False)
for name in ("nodes", "ntasks-per-node", "gpus-per-node", "cpus-per-task"):
    parser.add_argument("--" + name, type=int)
parser.add_argument("--job-name")
parser.add_argument("--time", type=time)
parser.add_argument("--signal", type=signal)
parser.add_argument("--requeue", action="store_true")
parser.add_argument("--open-mode", choices=["append", "truncate"])
lines = open(sys.argv[2]).read().splitlines()
assert sys.argv[1] == "--test-only" and lines[0].startswith("#!")
words = []
for line in lines:
    if line and not line.startswith("#"):
        break
    if line.startswith("#SBATCH "):
        words += line.split()[1:]
print(json.dumps(vars(parser.parse_args(words))))
"""
SCONTROL = '#!/usr/bin/env bash\necho "scontrol $@" >> "$LOG/order"\n'


@pytest.fixture
def environment(tmp_path: Path) -> dict[str, str]:
    programs = tmp_path / "programs"
    programs.mkdir()
    for name, text in (("srun", SRUN), ("scontrol", SCONTROL)):
        (programs / name).write_text(text)
        (programs / name).chmod(0o755)
    slurm = {"SLURM_JOB_ID": "7", "SLURM_NNODES": "2", "SLURM_NTASKS_PER_NODE": "4"}
    return os.environ | slurm | {"PATH": f"{programs}:{os.environ['PATH']}", "LOG": str(tmp_path)}


def test_it_is_requeued_after_the_save(environment: dict[str, str], tmp_path: Path) -> None:
    process = subprocess.Popen(["bash", SCRIPT, "--config", "a.yaml"], env=environment | {"MODE": "train"})
    while not (tmp_path / "srun").exists():
        time.sleep(0.02)
    process.send_signal(signal.SIGUSR1)
    assert process.wait(PATIENCE) == 143
    assert (tmp_path / "order").read_text() == "saved\nscontrol requeue 7\n"
    said = (tmp_path / "srun").read_text()
    assert "lightning fit --config a.yaml --resume auto --trainer.default_root_dir runs/slurm-7" in said
    assert "--trainer.num_nodes 2 --trainer.devices 4 --trainer.strategy ddp" in said


@pytest.mark.parametrize(("mode", "code"), [("done", 0), ("failed", 65)])
def test_it_is_not_requeued_when_it_ends(environment: dict[str, str], tmp_path: Path, mode: str, code: int) -> None:
    assert subprocess.run(["bash", SCRIPT], env=environment | {"MODE": mode}, check=False).returncode == code
    assert not (tmp_path / "order").exists()


def test_what_sbatch_reads(environment: dict[str, str], tmp_path: Path) -> None:
    sbatch = tmp_path / "programs" / "sbatch"
    sbatch.write_text(SBATCH.format(python=sys.executable))
    sbatch.chmod(0o755)
    words = ["sbatch", "--test-only", str(SCRIPT), "--config", "a.yaml"]
    done = subprocess.run(words, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    asked = json.loads(done.stdout)
    assert asked["nodes"] * asked["ntasks_per_node"] == asked["nodes"] * asked["gpus_per_node"] == 8
    assert asked["signal"] == ["B", "USR1", 120]  # to the batch script alone, which passes it on
    assert asked["time"] == "24:00:00"
    assert asked["requeue"]
    assert asked["open_mode"] == "append"
    assert subprocess.run(["bash", "-n", SCRIPT], check=False).returncode == 0
