"""Exported files against the network they are made of: ``python benchmarks/export.py [--formats onnx ...]``.

Inception-v3 at 299 pixels, from the pixels of a photo of 375 x 500 to probabilities: the checkpoint as evaluation runs
it (eager), the same with the network compiled, and each format in its own runtime. All take turns, so that they meet
the machine in the same state; a ratio above 1 says how many times as fast as eager one is.
"""

import argparse
import itertools
import statistics
import tempfile
import time
from pathlib import Path

import torch

from inception_lightning.deployment.deployed import About
from inception_lightning.deployment.formats import FORMATS, opened
from inception_lightning.deployment.int8 import quantise
from inception_lightning.deployment.proof import Checkpoint, Run, as_batch
from inception_lightning.loading.views import CenterCrop
from inception_lightning.models import InceptionV3
from inception_lightning.training.classifier import InceptionClassifier

ROW = "{:>7}{:>6}  {:<12}{:>12}{:>8}  {}"


def trained() -> InceptionClassifier:
    """A network whose batch norms have seen images; how fast it is does not depend on its weights."""
    torch.manual_seed(0)
    module = InceptionClassifier(InceptionV3(1000))
    with torch.no_grad():
        for _ in range(3):
            module.net.train()(torch.randn(4, 3, 299, 299))
    return module.eval()


def seconds(runs: dict[str, Run], batch: int, rounds: int) -> dict[str, list[float]]:
    """Seconds of each run on ``batch`` photos, in turns."""
    images = as_batch([torch.randint(0, 256, (3, 375, 500), dtype=torch.uint8)] * batch)
    taken: dict[str, list[float]] = {name: [] for name in runs}
    for turn in range(rounds + 2):
        for name, run in runs.items():
            start = time.perf_counter()
            run(images)
            if turn > 1:  # the first ones compile and find memory
                taken[name].append(time.perf_counter() - start)
    return taken


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--formats", nargs="+", choices=FORMATS, default=list(FORMATS))
    parser.add_argument("--batches", type=int, nargs="+", default=[1, 8])
    parser.add_argument("--threads", type=int, nargs="+", default=[1, 2])
    parser.add_argument("--rounds", type=int, default=8)
    parser.add_argument("--compiled", action="store_true", help="the checkpoint with its network compiled, too")
    options = parser.parse_args()
    module = trained()
    about = About.of(module, 299, CenterCrop())
    with tempfile.TemporaryDirectory() as folder:
        files = {name: Path(folder) / f"v3{FORMATS[name].suffix}" for name in options.formats}
        for name, file in files.items():
            FORMATS[name].write(module.net, about, file)
        if "onnx" in files:
            files["onnx int8"] = Path(folder) / "v3.int8.onnx"
            photos = (as_batch([torch.randint(0, 256, (3, 375, 500), dtype=torch.uint8)]) for _ in range(8))
            quantise(files["onnx"], files["onnx int8"], photos)
        print(ROW.format("threads", "batch", "what", "images/s", "ratio", "quartiles"), flush=True)
        for threads, batch in itertools.product(options.threads, options.batches):
            torch.set_num_threads(threads)
            runs: dict[str, Run] = {"eager": Checkpoint(module, about)}
            if options.compiled:
                quick = trained()
                quick.compile()
                runs["compiled"] = Checkpoint(quick, about)
            runs |= {name: opened(file, threads) for name, file in files.items()}
            report(threads, batch, seconds(runs, batch, options.rounds))


def report(threads: int, batch: int, taken: dict[str, list[float]]) -> None:
    """Print a row for each run."""
    for name, times in taken.items():
        ratios = [eager / own for eager, own in zip(taken["eager"], times, strict=True)]
        low, middle, high = statistics.quantiles(ratios, n=4)
        rate = f"{batch / statistics.median(times):.1f}"
        print(ROW.format(threads, batch, name, rate, f"{middle:.2f}", f"{low:.2f} to {high:.2f}"), flush=True)


if __name__ == "__main__":
    main()
