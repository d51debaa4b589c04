"""CPU seconds from the command to the first step: ``python benchmarks/start.py [--before CLONE] [options of fit]``.

They are told by part. Each round is a new Python, with W&B (offline) and without. ``--before`` takes turns with
another clone of this repository, at an earlier commit for example, in the same environment. The page is the
quickstart's unless one is named.
"""

import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile
from pathlib import Path

HERE = Path(__file__).parent.parent
PAGE = "--config=experiments/quickstart.yaml"
PARTS = (
    "torch",
    "Lightning, torchmetrics, torchvision",
    "our modules",
    "options, network, data, loggers",
    "data split, sanity check, first batch",
)
PROGRAM = """
import json, os, sys, time
ends = [time.process_time()]
def part():
    ends.append(time.process_time())
import torch
part()
import torchmetrics.classification, torchvision, lightning.pytorch as pl, lightning.pytorch.cli
part()
from inception_lightning.commands.fit import main
from inception_lightning.training.classifier import InceptionClassifier
part()
fit = pl.Trainer.fit
def fits(*args, **options):
    part()
    fit(*args, **options)
def first_step(*_):
    part()
    print(json.dumps([end - begin for begin, end in zip(ends, ends[1:])]), flush=True)
    os._exit(0)
pl.Trainer.fit, InceptionClassifier.training_step = fits, first_step
main(["fit", *sys.argv[1:]])
"""


def seconds(clone: Path, words: list[str]) -> list[float]:
    """CPU seconds of each of the `PARTS`."""
    with tempfile.TemporaryDirectory() as folder:
        command = [sys.executable, "-c", PROGRAM, *words, f"--trainer.default_root_dir={folder}"]
        environment = os.environ | {"PYTHONPATH": str(clone), "WANDB_SILENT": "true"}
        done = subprocess.run(command, cwd=clone, env=environment, capture_output=True, text=True)
    if done.returncode:
        sys.exit(done.stderr)
    parts: list[float] = json.loads(done.stdout.splitlines()[-1])
    return parts


def main() -> None:
    """Measure in turns, and print the medians."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--before", type=Path, help="another clone")
    parser.add_argument("--rounds", type=int, default=5)
    options, words = parser.parse_known_args()
    if not any(word.startswith("--config") for word in words):
        words.insert(0, PAGE)
    clones = {"before": options.before, "now": HERE} if options.before else {"now": HERE}
    cases = [(name, mode) for mode in ("disabled", "offline") for name in clones]
    taken: dict[tuple[str, str], list[list[float]]] = {case: [] for case in cases}
    for turn in range(options.rounds):
        for name, mode in cases:
            taken[name, mode].append(seconds(clones[name], [*words, f"--wandb.mode={mode}"]))
        print(f"round {turn + 1} of {options.rounds}", file=sys.stderr, flush=True)
    medians = {case: [statistics.median(part) for part in zip(*rounds, strict=True)] for case, rounds in taken.items()}
    show("median CPU seconds", [f"{name} + W&B" if mode == "offline" else name for name, mode in cases])
    for place, part in enumerate(PARTS):
        show(part, [f"{medians[case][place]:.2f}" for case in cases])
    show("ours: the last three", [f"{sum(medians[case][2:]):.2f}" for case in cases])


def show(title: str, cells: list[str]) -> None:
    """One row."""
    print(f"{title:<40}", *(f"{cell:>14}" for cell in cells), flush=True)


if __name__ == "__main__":
    main()
