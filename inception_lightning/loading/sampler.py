"""Which sample comes when, on which process.

Both are ``DistributedSampler``s, which Lightning leaves as they are; its own would repeat samples in
evaluation and report wrong numbers.
"""

from collections.abc import Iterator

import torch
from torch import distributed
from torch.utils.data import DistributedSampler

from inception_lightning.loading.random_numbers import mixed_seed


class TrainSampler(DistributedSampler[tuple[int, int]]):
    """Every epoch a new order of all samples, shared out evenly: yields ``(epoch, index)``.

    The order is a function of (seed, epoch). Up to one sample per process is left out of an epoch, so
    that all processes make the same number of steps. Lightning tells the epoch through ``set_epoch``.
    """

    def __init__(self, size: int, seed: int) -> None:
        """Take this process's share of ``size`` samples."""
        rank, world_size = _position()
        super().__init__(range(size), world_size, rank, seed=seed)  # type: ignore[arg-type]  # only sized
        self.size = size
        self.skip = 0

    def __iter__(self) -> Iterator[tuple[int, int]]:
        return ((self.epoch, index) for index in self.share()[self.skip :])

    def __len__(self) -> int:
        return self.size // self.num_replicas

    def share(self) -> list[int]:
        """This process's samples of the epoch, in order."""
        generator = torch.Generator().manual_seed(mixed_seed(self.seed, self.epoch))
        order = torch.randperm(self.size, generator=generator)
        mine: list[int] = order[: len(self) * self.num_replicas][self.rank :: self.num_replicas].tolist()
        return mine


class EvaluationSampler(DistributedSampler[int]):
    """Every sample exactly once over all processes, in order: nothing is repeated or left out.

    Of samples that are shown in several views, a process shows all of its own, one after the other.
    """

    def __init__(self, size: int, views: int = 1) -> None:
        """Take this process's share of ``size`` samples, each of which has ``views`` views."""
        rank, world_size = _position()
        super().__init__(range(size), world_size, rank, shuffle=False)  # type: ignore[arg-type]  # only sized
        self.size = size
        self.views = views

    def __iter__(self) -> Iterator[int]:
        return (sample * self.views + view for sample in self._mine() for view in range(self.views))

    def __len__(self) -> int:
        return len(self._mine()) * self.views

    def _mine(self) -> range:
        return range(self.rank, self.size, self.num_replicas)


def _position() -> tuple[int, int]:
    if distributed.is_available() and distributed.is_initialized():
        return distributed.get_rank(), distributed.get_world_size()
    return 0, 1
