"""CIFAR-10 by the command of its page, for as many epochs as fit; a part of ``gpu.sh``.

A first run of a few steps says how long an epoch takes; the second has so many epochs, and its schedule spans them.
"""

import csv
import os
import subprocess
import sys
import tarfile
import time
from pathlib import Path

TINY = bool(os.environ["TINY"])
PLACE = Path(os.environ["OUT"]).parent / "gpu-runs"
IMAGES = 45_000
PROBED = 3 if TINY else 100  # steps
PAGE = [
    *("fit", "--config=experiments/cifar/base.yaml", "--config=experiments/cifar/folder.yaml"),
    *("--wandb.mode=disabled", "--trainer.enable_progress_bar=false"),
]
NETWORK = ["--model.net=InceptionV3"]
SMALL = ["--model.net=GoogLeNet", "--model.net.width=0.1", "--data.batch_size=16", "--trainer.limit_val_batches=2"]


def fit(name: str, *options: str) -> tuple[float, list[dict[str, str]]]:
    """Seconds and rows of ``metrics.csv`` of a run."""
    start = time.monotonic()
    where = [f"--data.root={PLACE / 'cifar10'}", f"--trainer.default_root_dir={PLACE / name}"]
    network = SMALL if TINY else NETWORK
    subprocess.run([sys.executable, "-m", "inception_lightning", *PAGE, *network, *where, *options], check=True)
    newest = max((PLACE / name).glob("*/metrics.csv"), key=lambda file: file.stat().st_mtime)
    with newest.open(newline="") as opened:
        return time.monotonic() - start, list(csv.DictReader(opened))


def main() -> None:
    """Unpack, probe, train."""
    begin = time.monotonic()
    archive = Path(os.environ["CARRIED"], "cifar10.tar.xz")
    if not archive.exists():
        print("no CIFAR-10: gpu.sh pack FOLDER CIFAR")
        raise SystemExit(3)
    if not (PLACE / "cifar10").exists():
        with tarfile.open(archive) as opened:
            top = opened.next()
            assert top is not None
            opened.extractall(PLACE, filter="data")
        (PLACE / Path(top.name).parts[0]).rename(PLACE / "cifar10")
    steps = ["--trainer.limit_val_batches=0", "--trainer.max_epochs=1", f"--trainer.limit_train_batches={PROBED}"]
    start, _ = fit("probe", *steps)
    whole, _ = fit("probe", *steps[:2], f"--trainer.limit_train_batches={3 * PROBED}")
    epoch = max(whole - start, 0.1) / (2 * PROBED) * IMAGES / (16 if TINY else 128) * 1.15  # and its validation
    left = float(os.environ["LIMIT"]) - (time.monotonic() - begin) - start - 5
    epochs = 1 if TINY else max(1, min(100, int(left / epoch)))
    print(f"an epoch takes about {epoch:.1f} s: {epochs} epochs", flush=True)
    schedule = [f"--trainer.max_epochs={epochs}", f"--model.lr_scheduler.init_args.total={epochs}"]
    schedule += [f"--model.lr_scheduler.init_args.warmup={min(5, epochs // 4)}"]
    seconds, rows = fit("cifar", *schedule, *([f"--trainer.limit_train_batches={PROBED}"] if TINY else []))
    tops = [float(row["val/top1"]) for row in rows if row.get("val/top1")]
    print(f"top-1 of each epoch: {', '.join(f'{100 * top:.2f}' for top in tops)} % in {seconds:.0f} s")
    name = "GoogLeNet of width 0.1" if TINY else "Inception-v3"
    result = [name, str(epochs), f"{seconds:.0f}", f"{100 * max(tops):.2f}", f"{100 * tops[-1]:.2f}"]
    with Path(os.environ["OUT"], "cifar.csv").open("w", newline="") as opened:
        csv.writer(opened).writerows([["network", "epochs", "seconds", "best top-1, %", "last top-1, %"], result])


if __name__ == "__main__":
    main()
