"""The shared memory through which worker processes hand on their batches: how much there is, and buffers in it.

Torch makes new shared memory for each batch, whose pages the system must clear first. Where there is plenty, buffers
are used again and again instead.
"""

import itertools
import logging
import os
import shutil
import weakref
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, TypeAlias

import torch
from torch import Tensor
from torch.utils.data import get_worker_info

from inception_lightning.errors import InputError
from inception_lightning.loading.batched_views import SampleBatch
from inception_lightning.loading.loaders import Sample, batched, collate

log = logging.getLogger(__name__)

SHARED_MEMORY = Path("/dev/shm")
MIB = 2**20
MOST_WORKERS = 8
PREFETCHED = 2  # batches per worker that lie ready; DataLoader's default
BUFFERS = 4
"""Buffers per worker: two batches lie ready, one is being used and one is being filled."""
LOADERS = 2  # training and validation keep their buffers at the same time

Shape: TypeAlias = tuple[int, int, int, int]
Labels: TypeAlias = list[int] | list[list[int]]


def default_workers(image_size: int, batch_size: int, pixel_bytes: int = 3) -> int:
    """One worker process per core, 8 at most, and no more than the shared memory holds the batches of."""
    usable = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
    wanted = min(MOST_WORKERS, usable or 1)
    free = _free_bytes()
    if free is None:
        return wanted
    count = max(0, min(wanted, int(free / _bytes_per_worker(image_size, batch_size, pixel_bytes))))
    if count < wanted:
        log.warning("%d workers instead of %d: %s has only %d MiB free", count, wanted, SHARED_MEMORY, free // MIB)
    return count


def check_shared_memory(image_size: int, batch_size: int, num_workers: int, pixel_bytes: int = 3) -> None:
    """Refuse more than the shared memory holds, which would kill the workers in the middle of an epoch.

    Raises:
        InputError: The batches of ``num_workers`` do not fit.
    """
    free = _free_bytes()
    needed = num_workers * _bytes_per_worker(image_size, batch_size, pixel_bytes)
    if free is not None and needed > free:
        raise InputError(
            f"{num_workers} workers need {needed / MIB:.0f} MiB of shared memory and {SHARED_MEMORY} has "
            f"{free // MIB:.0f} MiB free: say --data.num_workers {int(free * num_workers / needed)}, "
            "or docker run --shm-size=8g"
        )


def holds_buffers(image_size: int, batch_size: int, num_workers: int, pixel_bytes: int = 3) -> bool:
    """Whether the shared memory holds the buffers that the loaders of training and validation keep."""
    free = _free_bytes()
    needed = LOADERS * num_workers * _bytes_per_worker(image_size, batch_size, pixel_bytes) * BUFFERS // PREFETCHED
    return free is None or free >= needed


def _bytes_per_worker(image_size: int, batch_size: int, pixel_bytes: int) -> int:
    return PREFETCHED * batch_size * (pixel_bytes * image_size**2 + 8)  # pixels, and a label


def _free_bytes() -> int | None:
    return shutil.disk_usage(SHARED_MEMORY).free if SHARED_MEMORY.is_dir() else None


class BatchBuffers:
    """Collates batches in worker processes, into buffers; one is free again when nobody holds its batch any more.

    Where none is free, the batch is too large, or there are no workers, `collate` does it.
    """

    def __init__(self, workers: int, batch_bytes: int) -> None:
        """Share memory with worker processes, which are yet to be started; pages are taken when they are written."""
        self.number = next(_numbers)
        _all_buffers[self.number] = self
        self.buffers = _shared(workers * BUFFERS * batch_bytes).view(workers * BUFFERS, batch_bytes)
        self.taken = _shared(workers * BUFFERS).zero_()

    def __call__(self, samples: Sequence[Sample]) -> Any:
        """One batch, or in a worker what becomes one in the main process."""
        worker = get_worker_info()
        channels, height, width = samples[0][0].shape
        shape = (len(samples), height, width, channels)
        buffer = self._free(worker.id, shape) if worker else None
        if buffer is None:
            return collate(samples)
        self.taken[buffer] = 1
        place = _start(self.buffers[buffer], shape)
        if isinstance(samples, SampleBatch):
            place.copy_(samples.images.permute(0, 2, 3, 1))
            return BufferedBatch(self.number, buffer, shape, samples.labels.tolist())
        torch.stack([image.permute(1, 2, 0) for image, _ in samples], out=place)
        return BufferedBatch(self.number, buffer, shape, batched([label for _, label in samples]).tolist())

    def batch(self, buffer: int, shape: Shape, labels: Labels) -> tuple[Tensor, Tensor]:
        """The batch in a buffer, which is free when the last tensor that shares the memory is gone."""
        held = _start(self.buffers[buffer], shape).numpy()
        weakref.finalize(held, self._release, buffer)
        return torch.from_numpy(held).permute(0, 3, 1, 2), torch.tensor(labels)

    def _release(self, buffer: int) -> None:
        self.taken[buffer] = 0

    def _free(self, worker: int, shape: Shape) -> int | None:
        if torch.Size(shape).numel() > self.buffers.shape[1]:
            return None
        own = range(worker * BUFFERS, (worker + 1) * BUFFERS)
        return next((buffer for buffer in own if not self.taken[buffer]), None)


class BufferedBatch:
    """A batch on its way from a worker: it is pickled as the place of its buffer, and unpickled as its tensors."""

    def __init__(self, number: int, buffer: int, shape: Shape, labels: Labels) -> None:
        self.place = (number, buffer, shape, labels)

    def __reduce__(self) -> tuple[Callable[..., tuple[Tensor, Tensor]], tuple[Any, ...]]:
        return _receive, self.place


_numbers = itertools.count()
_all_buffers: "weakref.WeakValueDictionary[int, BatchBuffers]" = weakref.WeakValueDictionary()
"""Those of the main process by number, where batches arrive."""


def _receive(number: int, buffer: int, shape: Shape, labels: Labels) -> tuple[Tensor, Tensor]:
    return _all_buffers[number].batch(buffer, shape, labels)


def _start(buffer: Tensor, shape: Shape) -> Tensor:
    """The start of a buffer as pixels of this shape."""
    return buffer[: torch.Size(shape).numel()].view(shape)


def _shared(size: int) -> Tensor:
    # torch's own, because share_memory_() would write, and so take, every page
    return torch.empty(0, dtype=torch.uint8).set_(torch.UntypedStorage._new_shared(size))
