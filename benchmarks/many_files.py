"""What 300,000 files cost: ``python benchmarks/many_files.py FOLDER``, a folder that need not exist.

It fills the folder with hard links to fifty small JPEGs, a thousand classes of three hundred, and prints the
seconds and the memory of the scan, whether its order is the same again, the seconds of the fingerprint, and the
private memory of two workers over three epochs.
"""

import argparse
import os
import time
from pathlib import Path

os.environ.setdefault("OMP_NUM_THREADS", "1")  # one core per worker process

import numpy as np
from PIL import Image

from inception_lightning.data import ImageFolder

CLASSES, PER_CLASS, PICTURES, EPOCHS, EVERY = 1000, 300, 50, 3, 300


def fill(root: Path) -> None:
    """Make the files."""
    generator = np.random.default_rng(0)
    for picture in range(PICTURES):
        pixels = generator.integers(0, 256, (6, 8, 3), dtype=np.uint8)
        image = Image.fromarray(pixels).resize((40 + picture, 48), Image.Resampling.BICUBIC)
        image.save(root.with_name(f"{root.name}-{picture}.jpg"))
    for number in range(CLASSES):
        folder = root / f"n{number:08d}"
        folder.mkdir(parents=True)
        for index in range(PER_CLASS):
            os.link(root.with_name(f"{root.name}-{index % PICTURES}.jpg"), folder / f"{folder.name}_{index}.JPEG")


def private_mb(process: int) -> float:
    """Memory that a process shares with no other, in MB."""
    lines = Path(f"/proc/{process}/smaps_rollup").read_text().splitlines()
    return sum(int(line.split()[1]) for line in lines if line.startswith("Private")) / 1000


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", type=Path, help="where the files are, or are to be")
    root = parser.parse_args().folder
    if not root.exists():
        fill(root)
    data = ImageFolder(root=root, image_size=32, batch_size=100, num_workers=2, val_fraction=0.01)
    before, start = private_mb(os.getpid()), time.perf_counter()
    found = data.undivided()
    print(
        f"scan of {len(found):,} files: {time.perf_counter() - start:.2f} s, {private_mb(os.getpid()) - before:.1f} MB"
    )
    again = ImageFolder(root=root, num_workers=0).undivided().files
    print(f"the same order again: {np.array_equal(again.packed, found.files.packed)}")
    start = time.perf_counter()
    loader = data.train_dataloader()
    print(f"split into training and validation: {time.perf_counter() - start:.2f} s")
    start = time.perf_counter()
    _ = data.fingerprint
    print(f"fingerprint: {time.perf_counter() - start:.2f} s")
    first: list[float] = []
    for epoch in range(EPOCHS):
        loader.sampler.set_epoch(epoch)
        for batch, _ in enumerate(loader):
            if batch % EVERY == EVERY - 1:
                last = [private_mb(worker.pid) for worker in loader._iterator._workers]
                first = first or last
        print(f"workers after epoch {epoch}: {', '.join(f'{size:.1f}' for size in last)} MB", flush=True)
    growth = [end - begin for begin, end in zip(first, last, strict=True)]
    print(f"growth since batch {EVERY} of epoch 0: {', '.join(f'{size:+.1f}' for size in growth)} MB")


if __name__ == "__main__":
    main()
