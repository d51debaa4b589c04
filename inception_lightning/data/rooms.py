"""Shared memory for batches that is used again and again: fresh memory costs a worker a fifth of its time."""

import itertools
import weakref
from collections.abc import Callable, Sequence
from typing import Any, TypeAlias

import torch
from torch import Tensor
from torch.utils.data import get_worker_info

from inception_lightning.data.loaders import Sample, collate

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
