"""The shared memory through which worker processes hand on their batches: what there is of it, and rooms in it."""

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
from inception_lightning.loading.loaders import Sample, collate

log = logging.getLogger(__name__)

SHARED_MEMORY = Path("/dev/shm")
PREFETCHED = 2  # batches per worker that lie ready; DataLoader's default
MIB = 2**20


def workers(image_size: int, batch_size: int) -> int:
    """One worker process per core, 8 at most, and no more than the shared memory holds the batches of."""
    usable = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
    wanted = min(8, usable or 1)
    free = _free()
    if free is None:
        return wanted
    count = max(0, min(wanted, int(free / _per_worker(image_size, batch_size))))
    if count < wanted:
        log.warning("%d workers instead of %d: %s has only %d MiB free", count, wanted, SHARED_MEMORY, free // MIB)
    return count


def check_shared_memory(image_size: int, batch_size: int, num_workers: int) -> None:
    """Refuse more than the shared memory holds, which would kill the workers in the middle of an epoch.

    Raises:
        InputError: The batches of ``num_workers`` do not fit.
    """
    free = _free()
    needed = num_workers * _per_worker(image_size, batch_size)
    if free is not None and needed > free:
        raise InputError(
            f"{num_workers} workers need {needed / MIB:.0f} MiB of shared memory and {SHARED_MEMORY} has "
            f"{free // MIB:.0f} MiB free: say --data.num_workers {int(free * num_workers / needed)}, "
            "or docker run --shm-size=8g"
        )


def is_ample(image_size: int, batch_size: int, num_workers: int) -> bool:
    """Whether the shared memory also holds rooms that the loaders of training and validation keep; see `rooms`."""
    free = _free()
    return free is None or free >= 4 * num_workers * _per_worker(image_size, batch_size)


def _per_worker(image_size: int, batch_size: int) -> int:
    return PREFETCHED * batch_size * (3 * image_size**2 + 8)  # uint8 pixels, and a label


def _free() -> int | None:
    return shutil.disk_usage(SHARED_MEMORY).free if SHARED_MEMORY.is_dir() else None


PER_WORKER = 4  # two that lie ready, one that is being used and one that is being filled
Shape: TypeAlias = tuple[int, int, int, int]

_numbers = itertools.count()
_rooms: "weakref.WeakValueDictionary[int, Rooms]" = weakref.WeakValueDictionary()


class Rooms:
    """Collates batches in worker processes; a room is free again when nobody holds the batch that it was given for.

    Where there is none, or in the main process, batches are collated as ever.
    """

    def __init__(self, workers: int, batch_bytes: int) -> None:
        """Share memory with worker processes, which are yet to be started; pages are taken when they are written."""
        self.number = next(_numbers)
        _rooms[self.number] = self
        self.places = _shared(workers * PER_WORKER * batch_bytes).view(workers * PER_WORKER, batch_bytes)
        self.taken = _shared(workers * PER_WORKER).zero_()

    def __call__(self, samples: Sequence[Sample]) -> Any:
        """One batch, or what becomes one in the main process."""
        worker = get_worker_info()
        channels, height, width = samples[0][0].shape
        shape = (len(samples), height, width, channels)
        room = self._free(worker.id, shape) if worker else None
        if room is None:
            return collate(samples)
        self.taken[room] = 1
        pixels = [image.permute(1, 2, 0) for image, _ in samples]
        torch.stack(pixels, out=_part(self.places[room], shape))
        return Sent(self.number, room, shape, [label for _, label in samples])

    def receive(self, room: int, shape: Shape, labels: list[int]) -> tuple[Tensor, Tensor]:
        """The batch in a room, which is free when the last tensor that shares the memory is gone."""
        held = _part(self.places[room], shape).numpy()
        weakref.finalize(held, self._release, room)
        return torch.from_numpy(held).permute(0, 3, 1, 2), torch.tensor(labels)

    def _release(self, room: int) -> None:
        self.taken[room] = 0

    def _free(self, worker: int, shape: Shape) -> int | None:
        if torch.Size(shape).numel() > self.places.shape[1]:
            return None
        mine = range(worker * PER_WORKER, (worker + 1) * PER_WORKER)
        return next((room for room in mine if not self.taken[room]), None)


class Sent:
    """A batch on its way: pickled in a worker, and the tensors themselves when it is unpickled."""

    def __init__(self, rooms: int, room: int, shape: Shape, labels: list[int]) -> None:
        self.parts = (rooms, room, shape, labels)

    def __reduce__(self) -> tuple[Callable[..., tuple[Tensor, Tensor]], tuple[Any, ...]]:
        return _receive, self.parts


def _receive(rooms: int, room: int, shape: Shape, labels: list[int]) -> tuple[Tensor, Tensor]:
    return _rooms[rooms].receive(room, shape, labels)


def _part(place: Tensor, shape: Shape) -> Tensor:
    return place[: torch.Size(shape).numel()].view(shape)


def _shared(size: int) -> Tensor:
    return torch.empty(0, dtype=torch.uint8).set_(torch.UntypedStorage._new_shared(size))
