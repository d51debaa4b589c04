"""Which sample comes when, on which process.

Both are ``DistributedSampler``s, which Lightning leaves as they are; its own would repeat samples in
evaluation and report wrong numbers.
"""

from collections.abc import Iterator, Sequence

import torch
from torch import Tensor, distributed
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


class BalancedSampler(TrainSampler):
    """Every epoch as many draws as there are samples, with replacement, rare classes more often than they are there.

    A sample of a class of n samples is drawn with a probability in proportion to n ** -power: with power 1 every class
    comes equally often, with 0 each as often as it is there. It yields ``(epoch, index, repeat)``, where ``repeat``
    counts the draws of the sample before in the epoch, on any process, so that each can be another view. The draws are
    a function of (seed, epoch); each process takes its share of them as of the plain order.
    """

    def __init__(self, strata: Tensor, seed: int, power: float) -> None:
        """Take this process's share.

        Args:
            strata: The class of every sample (N,), whole numbers from 0.
            seed: Where the draws start.
            power: 0..1.
        """
        super().__init__(len(strata), seed)
        self.members = torch.argsort(strata, stable=True)  # (N,), class by class
        self.counts = torch.bincount(strata)  # (classes,)
        chances = self.counts.double() * self.counts.clamp(min=1).double() ** -power
        self.bounds = chances.cumsum(0) / chances.sum()  # (classes,), the upper end of each class in 0..1

    def __iter__(self) -> Iterator[tuple[int, ...]]:  # type: ignore[override]  # with one number more
        order = self._draws()
        mine = slice(self.rank, len(self) * self.num_replicas, self.num_replicas)
        places = zip(order[mine].tolist(), _repeats(order)[mine].tolist(), strict=True)
        return ((self.epoch, *place) for place in list(places)[self.skip :])

    def share(self) -> list[int]:
        """This process's samples of the epoch, in order."""
        mine: list[int] = self._draws()[: len(self) * self.num_replicas][self.rank :: self.num_replicas].tolist()
        return mine

    def _draws(self) -> Tensor:
        """The samples of an epoch, of all processes (N,): first a class, and then evenly one of its samples."""
        generator = torch.Generator().manual_seed(mixed_seed(self.seed, self.epoch))
        which, member = torch.rand(2, self.size, dtype=torch.float64, generator=generator)
        stratum = torch.searchsorted(self.bounds, which, right=True)  # never an empty class, which ends where it begins
        stratum = stratum.clamp(max=int(self.counts.nonzero()[-1]))  # the sum of the chances is rounded
        starts = self.counts.cumsum(0) - self.counts
        return self.members[starts[stratum] + (member * self.counts[stratum]).long()]


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
        return (sample * self.views + view for sample in self.share() for view in range(self.views))

    def __len__(self) -> int:
        return len(self.share()) * self.views

    def share(self) -> Sequence[int]:
        """This process's samples, in order."""
        return range(self.rank, self.size, self.num_replicas)


def _repeats(order: Tensor) -> Tensor:
    """How often each of the values (N,) has come before it."""
    by_value = torch.argsort(order, stable=True)
    counts = torch.unique_consecutive(order[by_value], return_counts=True)[1]
    starts = (counts.cumsum(0) - counts).repeat_interleave(counts)
    repeats = torch.empty_like(order)
    repeats[by_value] = torch.arange(len(order)) - starts
    return repeats


def _position() -> tuple[int, int]:
    if distributed.is_available() and distributed.is_initialized():
        return distributed.get_rank(), distributed.get_world_size()
    return 0, 1
