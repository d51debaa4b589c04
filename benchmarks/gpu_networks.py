"""Images a second and share of the roof on a GPU, against timm and torchvision in turns; a part of ``gpu.sh``.

bfloat16, batches of 256 and 32, training and evaluation, eager and then compiled: the most telling rows first. A row is
written to ``$OUT/networks.csv`` as soon as it is measured, and one that is there is not measured again.
"""

import csv
import itertools
import os
import statistics
import time
from pathlib import Path

import torch
from networks import PAIRS, Case, compare
from roofline import NETWORKS, device_named, roof

COLUMNS = ["networks", "mode", "batch", "compiled", "images/s", "ratio", "low", "high", "share of roof"]
OURS = {"v3": "Inception-v3", "v4": "Inception-v4", "IR-v2": "Inception-ResNet-v2", "GoogLeNet": "GoogLeNet"}
PAIRS_SHOWN = ("v3 / timm", "v4 / timm", "IR-v2 / timm", "GoogLeNet / torchvision")
LEAST = {False: 12, True: 60}
"""Seconds that must be left for an eager row, and for one whose two networks must be compiled first."""


def main() -> None:
    """Measure what is not measured yet, until the time is up."""
    end = time.monotonic() + float(os.environ["LIMIT"]) - 3
    tiny, device = bool(os.environ["TINY"]), torch.device("cuda" if torch.cuda.is_available() else "cpu")
    file = Path(os.environ["OUT"], "networks.csv")
    known = [tuple(row[:4]) for row in csv.reader(file.open())] if file.exists() else []
    if not known:
        _write(file, COLUMNS)
    pairs, batches = (PAIRS_SHOWN[-1:], (2,)) if tiny else (PAIRS_SHOWN, (256, 32))
    for compiled, batch, mode, pair in itertools.product((False, True), batches, ("train", "evaluate"), pairs):
        key = (pair, mode, str(batch), "compiled" if compiled else "eager")
        if key in known or (compiled and tiny):
            continue
        if end - time.monotonic() < (0 if tiny else LEAST[compiled]):
            print("the time is up: call again for the other rows", flush=True)
            raise SystemExit(3)
        case = Case(mode == "train", torch.bfloat16, compiled, batch, device, 64 if tiny else 0)
        rate, ratios = compare(pair, case, 3 if tiny else 12)
        low, middle, high = statistics.quantiles(ratios, n=4)
        most = _roof(pair, mode == "train", batch)
        share = f"{rate / most:.2f}" if most else "-"
        row = [*key, f"{rate:.0f}", f"{middle:.3f}", f"{low:.3f}", f"{high:.3f}", share]
        _write(file, row)
        print(*row, sep=", ", flush=True)


def _roof(pair: str, train: bool, batch: int) -> float | None:
    known = device_named(torch.cuda.get_device_name()) if torch.cuda.is_available() else None
    name = OURS[pair.split(" / ")[0]]
    assert name in NETWORKS
    return roof(name, known, train, batch) if known else None


def _write(file: Path, row: list[str]) -> None:
    with file.open("a", newline="") as opened:
        csv.writer(opened).writerow(row)


assert set(PAIRS_SHOWN) <= PAIRS.keys()
if __name__ == "__main__":
    main()
