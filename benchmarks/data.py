"""How fast images reach the network: ``python benchmarks/data.py FOLDER`` with one folder of JPEGs per class.

Every pipeline shows a random crop of 299 pixels. They run in turns, and the least disturbed epoch of each
counts; without workers the clock is the process's own, which other programs on the machine do not stop.
"""

import argparse
import os
import time
from collections.abc import Callable
from pathlib import Path

os.environ.setdefault("OMP_NUM_THREADS", "1")  # one core per worker process

import torch
from rich.console import Console
from rich.table import Table
from timm.data import ImageDataset as TimmDataset
from timm.data import create_loader
from torch import Tensor
from torch.utils.data import DataLoader, Dataset
from torchvision.datasets import ImageFolder as TorchvisionFolder
from torchvision.io import ImageReadMode, decode_jpeg, read_file
from torchvision.transforms import v2

from inception_lightning.data import ImageFolder
from inception_lightning.data.base import collate
from inception_lightning.data.files import decode
from inception_lightning.data.listing import image_files

SIZE, BATCH = 299, 25
NAMES = ("raw decode", "inception_lightning", "torchvision ImageFolder", "timm create_loader")
Loader = DataLoader[tuple[Tensor, int]]


class RawDecode(Dataset[int]):
    """Files that are read and decoded, and nothing else."""

    def __init__(self, files: list[str]) -> None:
        self.files = files

    def __len__(self) -> int:
        return len(self.files)

    def __getitem__(self, index: int) -> int:
        return int(decode_jpeg(read_file(self.files[index]), ImageReadMode.RGB).shape[0])


def torchvision_preset() -> v2.Transform:
    """The training preset of torchvision's references, with its v2 transforms."""
    normalise = v2.Normalize((0.485, 0.456, 0.406), (0.229, 0.224, 0.225))
    crop = v2.RandomResizedCrop(SIZE, antialias=True)
    to_float = v2.ToDtype(torch.float32, scale=True)
    return v2.Compose([crop, v2.RandomHorizontalFlip(), v2.PILToTensor(), to_float, normalise])


def loaders(root: Path, workers: int) -> dict[str, Loader]:
    """One loader per pipeline."""
    keep = workers > 0
    files = [str(file) for file in image_files(root)]
    ours = ImageFolder(root=root, image_size=SIZE, batch_size=BATCH, num_workers=workers)
    ours.found[root] = ours._find(root)
    ours._split = lambda split: ours.found[root]  # type: ignore[method-assign]  # all images, none held out
    theirs = TorchvisionFolder(root, torchvision_preset())
    timms = create_loader(
        TimmDataset(str(root)),
        (3, SIZE, SIZE),
        BATCH,
        is_training=True,
        color_jitter=0.0,
        num_workers=workers,
        persistent_workers=keep,
        use_prefetcher=False,
        pin_memory=False,
    )
    pipelines = (
        DataLoader(RawDecode(files), BATCH, num_workers=workers, persistent_workers=keep),
        ours.train_dataloader(),
        DataLoader(theirs, BATCH, shuffle=True, num_workers=workers, persistent_workers=keep),
        timms,
    )
    return dict(zip(NAMES, pipelines, strict=True))


def rates(root: Path, workers: int, rounds: int) -> dict[str, float]:
    """Images per second of each pipeline: the best of several epochs after a first one."""
    clock = time.perf_counter if workers else time.process_time
    running, count = loaders(root, workers), len(image_files(root))
    seconds: dict[str, list[float]] = {name: [] for name in NAMES}
    for epoch in range(rounds + 1):
        for name, loader in running.items():
            start = clock()
            for _ in loader:
                pass
            if epoch > 0:
                seconds[name].append(clock() - start)
    return {name: count / min(measured) for name, measured in seconds.items()}


def parts(root: Path, rounds: int) -> dict[str, float]:
    """Microseconds per image of every step of our pipeline, in one process."""
    data = ImageFolder(root=root, image_size=SIZE, num_workers=0)
    files = image_files(root)
    view = data.augmentation.build(SIZE)
    device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
    images = [decode(file) for file in files]
    views = [(view(image), 0) for image in images]
    encoded = [read_file(str(file)) for file in files]
    batches = [collate(views[start : start + BATCH])[0] for start in range(0, len(views), BATCH)]

    def all_steps() -> None:
        for start in range(0, len(files), BATCH):
            batch = collate([(view(decode(file)), 0) for file in files[start : start + BATCH]])[0]
            batch.to(device, copy=True)

    steps: dict[str, Callable[[], object]] = {
        "read": lambda: [read_file(str(file)) for file in files],
        "decode": lambda: [decode_jpeg(data, ImageReadMode.RGB, apply_exif_orientation=True) for data in encoded],
        "crop, flip": lambda: [view(image) for image in images],
        "collate": lambda: [collate(views[start : start + BATCH]) for start in range(0, len(views), BATCH)],
        f"transfer to {device.type}": lambda: [batch.to(device, copy=True) for batch in batches],
        "all of it": all_steps,
    }
    return {name: _microseconds(step, rounds) / len(files) for name, step in steps.items()}


def _microseconds(step: Callable[[], object], rounds: int) -> float:
    measured = []
    for _ in range(rounds):
        start = time.process_time()
        step()
        measured.append(time.process_time() - start)
    return 1e6 * min(measured)


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", type=Path, help="one folder of JPEGs per class")
    parser.add_argument("--rounds", type=int, default=5, help="epochs measured per pipeline")
    parser.add_argument("--workers", type=int, nargs="+", default=[0, 1, 2], help="worker processes; 0 is none")
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    console = Console(width=100)
    for workers in arguments.workers:
        measured = rates(arguments.folder, workers, arguments.rounds)
        title = f"{workers} worker processes" if workers else "in the main process, by its own clock"
        table = Table("pipeline", "images/s", "of raw decode", "x torchvision", title=title)
        for name, rate in measured.items():
            of_raw, times = rate / measured[NAMES[0]], rate / measured[NAMES[2]]
            table.add_row(name, f"{rate:.0f}", f"{of_raw:.2f}", f"{times:.2f}")
        console.print(table)
    table = Table("step", "us per image", "share", title="where the time goes")
    steps = parts(arguments.folder, arguments.rounds)
    for name, microseconds in steps.items():
        table.add_row(name, f"{microseconds:.0f}", f"{microseconds / steps['all of it']:.0%}")
    console.print(table)


if __name__ == "__main__":
    main()
