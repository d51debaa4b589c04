"""What the folder of scores, and the papers' crops, cost: ``python benchmarks/evaluation.py FOLDER``.

``lightning test`` as it is, against the same without the folder of scores, in turns and each in a process of its own:
seconds on the clock of the wall and of the process, which other programs on the machine do not stop, and the most
memory that it held. With ``--crops 144`` each image is shown in so many views, against one. The network has the
ordinary cost of its kind at a small size; a cheaper one makes every second of the scores a larger share.
"""

import argparse
import json
import resource
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from lightning.pytorch.callbacks import Callback

from inception_lightning.callbacks import ScoresReport
from inception_lightning.commands.fit import InceptionCLI, main

ROW = "{:<16}{:>10}{:>12}{:>10}{:>10}"
QUIET = ["--trainer.accelerator=cpu", "--trainer.enable_progress_bar=false"]


class Clocked(Callback):
    """What the folder of scores takes within a test, by the clock of the process."""

    def __init__(self, scores: ScoresReport) -> None:
        self.scores = scores
        self.seconds = 0.0

    def on_test_batch_end(self, *words: Any) -> None:
        """Time what is kept of a batch."""
        start = time.process_time()
        self.scores.on_test_batch_end(*words)
        self.seconds += time.process_time() - start

    def on_test_end(self, *words: Any) -> None:
        """Time what is computed, drawn and written."""
        start = time.process_time()
        self.scores.on_test_end(*words)
        self.seconds += time.process_time() - start


class Timed(InceptionCLI):
    """The command, which tells what it took once everything was imported and built."""

    clocked: Clocked | None = None

    def _scores(self, place: Path) -> Callback:  # type: ignore[override]  # around it
        self.clocked = Clocked(super()._scores(place))
        return self.clocked

    def run(self) -> None:
        """Run, and print one line of JSON."""
        wall, clock = time.perf_counter(), time.process_time()
        super().run()
        took = {"wall": time.perf_counter() - wall, "process": time.process_time() - clock}
        peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024  # MiB
        images = len(self.datamodule.dataset("test"))
        scores = self.clocked.seconds if self.clocked else 0.0
        print(json.dumps(took | {"peak": peak, "images": images, "scores": scores}))


class Plain(Timed):
    """The same without scores of its own."""

    def _scores(self, place: Path) -> Callback:  # type: ignore[override]  # nothing in its place
        return Callback()


def measured(kind: str, words: Sequence[str]) -> dict[str, float]:
    """What a test in a process of its own took."""
    command = [sys.executable, __file__, "--child", kind, *words]
    done = subprocess.run(command, stdout=subprocess.PIPE, text=True, check=True)
    found: dict[str, float] = json.loads(next(line for line in done.stdout.splitlines() if line.startswith("{")))
    return found


def trained(place: Path, data: Sequence[str], network: Sequence[str]) -> Path:
    """The checkpoint of a network after one step: what it costs does not depend on its weights."""
    short = ["--trainer.max_steps=1", "--trainer.limit_val_batches=1", "--wandb.mode=disabled"]
    command = [sys.executable, "-m", "inception_lightning", "fit", *network, *data, *short, *QUIET]
    subprocess.run([*command, f"--trainer.default_root_dir={place}"], stdout=subprocess.DEVNULL, check=True)
    return next(place.glob("*/checkpoints/last.ckpt"))


def compare() -> None:
    """Measure both in turns and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("root", type=Path, help="a folder of images as ImageFolder takes it, those in test are tested")
    parser.add_argument("--net", default="GoogLeNet")
    parser.add_argument("--width", default="1.0")
    parser.add_argument("--size", default="64", help="side of the images in pixels")
    parser.add_argument("--crops", help="measure so many views against one, instead of the scores")
    parser.add_argument("--rounds", type=int, default=3)
    options = parser.parse_args()
    data = ["--data=ImageFolder", f"--data.root={options.root}", f"--data.image_size={options.size}"]
    data += ["--data.num_workers=0", "--data.batch_size=32"]
    network = [f"--model.net={options.net}", f"--model.net.width={options.width}"]
    kinds: dict[str, tuple[str, list[str]]] = {"without scores": ("plain", []), "with scores": ("scores", [])}
    if options.crops:
        kinds = {"1 view": ("plain", []), f"{options.crops} views": ("plain", [f"--crops={options.crops}"])}
    with tempfile.TemporaryDirectory() as place:
        checkpoint = trained(Path(place), data, network)
        words = ["test", f"--ckpt_path={checkpoint}", *QUIET]
        found: dict[str, list[dict[str, float]]] = {name: [] for name in kinds}
        for _ in range(options.rounds):
            for name, (kind, flags) in kinds.items():
                found[name].append(measured(kind, [*words, *flags]))
    print(f"{options.net}, width {options.width}, {options.size} pixels; medians of {options.rounds} rounds")
    tell(found)


def tell(found: dict[str, list[dict[str, float]]]) -> None:
    """Print a row for each, and how the second compares with the first."""
    print(ROW.format("", "seconds", "of process", "images/s", "peak MiB"))
    for name, each in found.items():
        middle = {part: statistics.median(one[part] for one in each) for part in each[0]}
        cells = (middle["wall"], middle["process"], middle["images"] / middle["process"])
        print(ROW.format(name, *(f"{cell:.1f}" for cell in cells), f"{middle['peak']:.0f}"))
    without, scored = found.values()
    ratios = [other["process"] / one["process"] for one, other in zip(without, scored, strict=True)]
    grown = [other["peak"] - one["peak"] for one, other in zip(without, scored, strict=True)]
    print(
        f"process time {statistics.median(ratios):.3f} times that of the first ({min(ratios):.3f} to {max(ratios):.3f})"
    )
    for one in scored:
        if one["scores"]:
            share = one["process"] / (one["process"] - one["scores"])
            print(f"within one process the scores took {one['scores']:.2f} s of it: {share:.3f} times what is left")
    print(f"memory {statistics.median(grown):+.0f} MiB ({min(grown):+.0f} to {max(grown):+.0f})")


if __name__ == "__main__":
    if sys.argv[1:2] == ["--child"]:
        main(sys.argv[3:], {"plain": Plain, "scores": Timed}[sys.argv[2]])
    else:
        compare()
