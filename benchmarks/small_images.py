"""How fast views of images in memory are made, at once and one by one: ``python benchmarks/small_images.py``.

Noise in the place of CIFAR-10, batches of 128 as the pages in ``experiments/cifar`` and the quickstart show them. The
two ways make the same batches in turns, by the clock of the processes that make them, handing over included where they
are workers: images per second and core, and their ratio.
"""

import argparse
import itertools
import os
import time
from statistics import median, quantiles

os.environ.setdefault("OMP_NUM_THREADS", "1")

import torch
from torch import Tensor
from torch.utils.data import DataLoader

from inception_lightning.data import Augmentation, CenterCrop
from inception_lightning.loading.dataset import ImageTensors
from inception_lightning.loading.loaders import collate
from inception_lightning.loading.shared_memory import BatchBuffers
from inception_lightning.loading.views import FixedViews, RandomViews

BATCH, BATCHES = 128, 8
Loader = DataLoader[tuple[Tensor, int]]
Keys = list[tuple[int, int]] | list[int]
Views = RandomViews | FixedViews
ROW = "{:<34}{:>8}{:>14}{:>12}{:>8}  {}"


class OneByOne(torch.utils.data.Dataset[tuple[Tensor, int]]):
    """Views of which a loader can only ask one by one."""

    def __init__(self, views: Views) -> None:
        self.views = views

    def __len__(self) -> int:
        return len(self.views.dataset)

    def __getitem__(self, key: tuple[int, int]) -> tuple[Tensor, int]:
        return self.views[key]  # type: ignore[index]  # an index or a key


def cases() -> dict[str, Views]:
    """Views by what they are called in the table."""
    generator = torch.Generator().manual_seed(0)
    noise = {
        side: torch.randint(0, 256, (2048, 3, side, side), dtype=torch.uint8, generator=generator) for side in (8, 32)
    }
    small, large = (ImageTensors(images, torch.arange(len(images)) % 10) for images in noise.values())
    digits = Augmentation(area=(0.6, 1.0), flip=False)
    return {
        "CIFAR-10, random views": RandomViews(large, Augmentation(area=(0.3, 1.0)).build(32), seed=0),
        "CIFAR-10, evaluation": FixedViews(large, CenterCrop(fraction=1.0).build(32)),
        "digits, random views, 16 pixels": RandomViews(small, digits.build(16), seed=0),
    }


class Batches(list[Keys]):
    """What a loader shows next, which changes from round to round."""


def loader(views: torch.utils.data.Dataset[tuple[Tensor, int]], batches: Batches, workers: int) -> Loader:
    """Batches in this process or in workers, handed over in buffers as in training."""
    hand = BatchBuffers(workers, BATCH * 3 * 32**2) if workers else collate
    keep = workers > 0
    return DataLoader(views, batch_sampler=batches, collate_fn=hand, num_workers=workers, persistent_workers=keep)  # type: ignore[arg-type]  # keys are pairs


def seconds(batches: Loader) -> float:
    """Of the processes that make all batches, and of the one that receives them."""
    if batches._iterator is None:
        for _ in batches:  # starts the workers
            pass
    start = busy(batches)
    for _ in batches:
        pass
    return busy(batches) - start


def busy(batches: Loader) -> float:
    """Seconds that this process and its workers have spent."""
    workers = batches._iterator._workers if batches._iterator else []
    return time.process_time() + sum(time.clock_gettime((~worker.pid << 3) | 2) for worker in workers)


def compare(views: Views, rounds: int, workers: int) -> tuple[list[float], list[float]]:
    """Seconds of each round, at once and one by one."""
    batches = Batches()
    ways = [loader(shown, batches, workers) for shown in (views, OneByOne(views))]
    taken: tuple[list[float], list[float]] = ([], [])
    for turn in range(rounds + 1):
        indices = torch.randperm(len(views.dataset))[: BATCH * BATCHES].tolist()
        keys = [(turn, index) for index in indices] if isinstance(views, RandomViews) else indices
        batches[:] = [keys[start : start + BATCH] for start in range(0, len(keys), BATCH)]
        for way in (0, 1) if turn % 2 else (1, 0):
            spent = seconds(ways[way])
            if turn > 0:
                taken[way].append(spent)
    return taken


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=15)
    parser.add_argument("--workers", type=int, nargs="+", default=[0, 2], help="worker processes; 0 is none")
    options = parser.parse_args()
    torch.set_num_threads(1)
    print(ROW.format("images/s per core", "workers", "at once", "one by one", "ratio", "quartiles"))
    for workers, (name, views) in itertools.product(options.workers, cases().items()):
        ours, single = compare(views, options.rounds, workers)
        low, middle, high = quantiles([one / other for one, other in zip(single, ours, strict=True)], n=4)
        rates = [f"{BATCH * BATCHES / median(spent):.0f}" for spent in (ours, single)]
        print(ROW.format(name, workers, *rates, f"{middle:.2f}", f"{low:.2f} to {high:.2f}"), flush=True)


if __name__ == "__main__":
    main()
