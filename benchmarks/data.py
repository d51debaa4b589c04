"""How fast images reach the network: ``python benchmarks/data.py FOLDER`` with one folder of JPEGs per class.

Every pipeline shows a random crop of 299 pixels; raw decode reads and decodes whole files and does nothing else.
They run in turns, round after round; of rates and of their ratios within a round it is the median that counts.
By the processors' clock it is images per second and worker process, which other programs on the machine disturb less.
"""

import argparse
import os
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from statistics import median
from typing import TypeVar

os.environ.setdefault("OMP_NUM_THREADS", "1")  # one core per worker process

import numpy as np
import simplejpeg
import torch
from rich.console import Console
from rich.table import Table
from timm.data import ImageDataset as TimmDataset
from timm.data import create_loader
from torch import Tensor
from torch.utils.data import DataLoader, Dataset
from torchvision.datasets import ImageFolder as TorchvisionFolder
from torchvision.transforms import v2

from inception_lightning.data import ImageFolder
from inception_lightning.loading.decoding import open_image, read_file
from inception_lightning.loading.listing import image_files
from inception_lightning.loading.loaders import TrainLoader, collate
from inception_lightning.loading.random_numbers import RandomNumbers

SIZE, BATCH = 299, 25
RAW, PEER = "raw decode", "torchvision ImageFolder"
HEADER, DECODE = "read the header", "decode as far as the crop reaches, and crop"
WHOLE = "(read and decode whole, to compare)"
T = TypeVar("T")
Loader = DataLoader[tuple[Tensor, int]]


class RawDecode(Dataset[int]):
    """Files that are read and decoded, and nothing else."""

    def __init__(self, files: list[str]) -> None:
        self.files = files

    def __len__(self) -> int:
        return len(self.files)

    def __getitem__(self, index: int) -> int:
        return read_and_decode(self.files[index])


def read_and_decode(file: str) -> int:
    """The number of numbers in an image, which is decoded by the fastest decoder (``benchmarks/decoding.py``)."""
    return int(simplejpeg.decode_jpeg(np.fromfile(file, np.uint8), strict=False).size)


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
    everything = ours.undivided()
    ours.dataset = lambda split: everything  # type: ignore[method-assign]  # none held out
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
    return {
        RAW: DataLoader(RawDecode(files), BATCH, num_workers=workers, persistent_workers=keep),
        "inception_lightning": ours.train_dataloader(),
        PEER: DataLoader(theirs, BATCH, shuffle=True, num_workers=workers, persistent_workers=keep),
        "timm create_loader": timms,
    }


@dataclass
class Rates:
    """Images per second of one pipeline, round by round: by the clock on the wall, and by its processes' own."""

    wall: list[float] = field(default_factory=list)
    processor: list[float] = field(default_factory=list)


def rates(root: Path, workers: int, rounds: int) -> dict[str, Rates]:
    """The rates of each pipeline, after a first round that does not count."""
    running, count = loaders(root, workers), len(image_files(root))
    found = {name: Rates() for name in running}
    for epoch in range(rounds + 1):
        for name, loader in running.items():
            if isinstance(loader, TrainLoader):
                loader.sampler.set_epoch(epoch)
            start, busy = time.perf_counter(), processor_seconds(loader)
            for _ in loader:
                pass
            if epoch > 0:
                found[name].wall.append(count / (time.perf_counter() - start))
                found[name].processor.append(count / (processor_seconds(loader) - busy))
    return found


def processor_seconds(loader: Loader) -> float:
    """What the loader's workers have spent, or this process where it has none."""
    workers = loader._iterator._workers if loader._iterator else []
    if loader.num_workers == 0:
        return time.process_time()
    return sum(time.clock_gettime((~worker.pid << 3) | 2) for worker in workers)  # Linux' name of its clock


def comparison(measured: dict[str, Rates], title: str) -> Table:
    """Rates, and ratios to raw decode and to torchvision's pipeline."""
    columns = ("images/s", "of raw", "x torchvision")
    table = Table("pipeline", *(f"{column}, {clock}" for clock in ("wall", "processor") for column in columns))
    table.title = title
    for name, found in measured.items():
        cells = []
        for clock in (lambda rates: rates.wall, lambda rates: rates.processor):
            cells.append(f"{median(clock(found)):.0f}")
            for base in (RAW, PEER):
                pairs = zip(clock(found), clock(measured[base]), strict=True)
                cells.append(f"{median(one / other for one, other in pairs):.2f}")
        table.add_row(name, *cells)
    return table


def parts(root: Path, rounds: int) -> dict[str, float]:
    """Microseconds per image of every step of our pipeline, in one process."""
    files = [str(file) for file in image_files(root)]
    view, numbers = ImageFolder(root=root, image_size=SIZE, num_workers=0).augmentation.build(SIZE), RandomNumbers()
    device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
    watch = Stopwatch()

    def epoch() -> None:
        samples: list[tuple[Tensor, int]] = []
        for index, file in enumerate(files):
            data = watch("read", lambda: read_file(file))  # noqa: B023  # called at once
            image = watch(HEADER, lambda: open_image(data, file))  # noqa: B023
            numbers.seed(index)
            window = watch("draw the window", lambda: view.window(image.height, image.width, numbers))  # noqa: B023
            crop = watch(DECODE, lambda: image.pixels(window))  # noqa: B023
            samples.append((watch("resize, flip", lambda: view.show(crop, numbers)), 0))  # noqa: B023
            if len(samples) == BATCH:
                batch = watch("collate", lambda: collate(samples)[0])
                watch(f"transfer to {device.type}", lambda: batch.to(device, copy=True))  # noqa: B023
                samples.clear()
            watch(WHOLE, lambda: read_and_decode(file))  # noqa: B023

    for _ in range(rounds + 1):
        epoch()
        watch.end_round()
    return {name: 1e-3 * median(rounds[1:]) / len(files) for name, rounds in watch.nanoseconds.items()}


class Stopwatch:
    """Sums up the time of each step, round by round."""

    def __init__(self) -> None:
        self.nanoseconds: dict[str, list[int]] = {}
        self.running: dict[str, int] = {}

    def __call__(self, name: str, step: Callable[[], T]) -> T:
        """Do ``step``."""
        start = time.thread_time_ns()
        done = step()
        self.running[name] = self.running.get(name, 0) + time.thread_time_ns() - start
        return done

    def end_round(self) -> None:
        """The next step belongs to a new round."""
        for name, spent in self.running.items():
            self.nanoseconds.setdefault(name, []).append(spent)
        self.running.clear()


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", type=Path, help="one folder of JPEGs per class")
    parser.add_argument("--rounds", type=int, default=5, help="epochs measured per pipeline")
    parser.add_argument("--workers", type=int, nargs="+", default=[0, 1, 2], help="worker processes; 0 is none")
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    console = Console(width=150)
    for workers in arguments.workers:
        measured = rates(arguments.folder, workers, arguments.rounds)
        title = f"{workers} worker processes" if workers else "in the main process"
        console.print(comparison(measured, title))
    table = Table("step", "us per image", "share", title="where the time goes")
    steps = parts(arguments.folder, arguments.rounds)
    ours = sum(spent for name, spent in steps.items() if name != WHOLE)
    for name, microseconds in steps.items():
        table.add_row(name, f"{microseconds:.0f}", f"{microseconds / ours:.0%}")
    console.print(table)


if __name__ == "__main__":
    main()
