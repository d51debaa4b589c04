from collections import Counter

import pytest
import torch
from scipy.stats import chisquare  # type: ignore[import-untyped]  # its stubs are a package of their own

from inception_lightning.loading.sampler import BalancedSampler, EvaluationSampler, TrainSampler


def as_rank(sampler: TrainSampler | EvaluationSampler, rank: int, ranks: int) -> None:
    sampler.rank, sampler.num_replicas = rank, ranks


def evaluation_shares(size: int, ranks: int) -> list[list[int]]:
    shares = []
    for rank in range(ranks):
        sampler = EvaluationSampler(size)
        as_rank(sampler, rank, ranks)
        share = list(sampler)
        assert len(sampler) == len(share)
        shares.append(share)
    return shares


def train_shares(size: int, ranks: int, epoch: int, seed: int = 0) -> list[list[tuple[int, int]]]:
    shares = []
    for rank in range(ranks):
        sampler = TrainSampler(size, seed)
        as_rank(sampler, rank, ranks)
        sampler.set_epoch(epoch)
        share = list(sampler)
        assert len(sampler) == len(share)
        shares.append(share)
    return shares


@pytest.mark.parametrize("ranks", [1, 2, 3])
@pytest.mark.parametrize("size", [1, 7, 100, 101])
def test_evaluation_sees_every_index_exactly_once(size: int, ranks: int) -> None:
    shares = evaluation_shares(size, ranks)
    assert sorted(index for share in shares for index in share) == list(range(size))
    assert all(share == sorted(share) for share in shares)
    lengths = [len(share) for share in shares]
    assert max(lengths) - min(lengths) <= 1


@pytest.mark.parametrize("ranks", [1, 2, 3])
@pytest.mark.parametrize("size", [7, 100, 101])
def test_training_shares_are_disjoint_equally_long_and_nearly_complete(size: int, ranks: int) -> None:
    shares = train_shares(size, ranks, epoch=4)
    assert {len(share) for share in shares} == {size // ranks}
    indices = [index for share in shares for _, index in share]
    assert len(set(indices)) == len(indices) == size - size % ranks
    assert set(indices) <= set(range(size))
    assert {epoch for share in shares for epoch, _ in share} == {4}


def test_one_process_trains_on_everything() -> None:
    (share,) = train_shares(101, 1, epoch=0)
    assert sorted(index for _, index in share) == list(range(101))


def test_the_order_is_a_function_of_seed_and_epoch() -> None:
    def order(seed: int, epoch: int) -> list[int]:
        return [index for _, index in train_shares(100, 1, epoch, seed)[0]]

    assert order(0, 3) == order(0, 3)
    orders = [order(seed, epoch) for seed in (0, 1) for epoch in (0, 1, 2)]
    assert len({tuple(one) for one in orders}) == 6
    assert list(range(100)) not in orders


def test_ranks_share_out_the_order_of_one_process() -> None:
    (whole,) = train_shares(100, 1, epoch=1)
    first, second = train_shares(100, 2, epoch=1)
    assert [sample for pair in zip(first, second, strict=True) for sample in pair] == whole


def test_samples_left_out_change_from_epoch_to_epoch() -> None:
    def left_out(epoch: int) -> set[int]:
        return set(range(101)) - {index for share in train_shares(101, 2, epoch) for _, index in share}

    assert len({frozenset(left_out(epoch)) for epoch in range(5)}) > 1


STRATA = torch.tensor([0] * 900 + [2] * 80 + [5] * 20)
"""Three classes of uneven size, and three that are absent."""


def balanced(rank: int = 0, ranks: int = 1, *, epoch: int = 0, seed: int = 0, power: float = 1.0) -> BalancedSampler:
    sampler = BalancedSampler(STRATA, seed, power)
    as_rank(sampler, rank, ranks)
    sampler.set_epoch(epoch)
    return sampler


@pytest.mark.parametrize("power", [0.0, 0.5, 1.0])
def test_balanced_draws_are_in_proportion_to_the_power_of_the_count(power: float) -> None:
    counts = torch.bincount(STRATA)
    chances = torch.where(counts > 0, counts.double() ** (1 - power), 0)[STRATA.unique()]
    drawn = torch.tensor([index for epoch in range(50) for index in balanced(epoch=epoch, power=power).share()])
    by_class = torch.bincount(STRATA[drawn], minlength=6)[STRATA.unique()]
    assert len(drawn) == 50 * 1000
    assert chisquare(by_class, len(drawn) * chances / chances.sum()).pvalue > 0.001
    rare = torch.bincount(drawn, minlength=1000)[980:]  # evenly within a class
    assert chisquare(rare).pvalue > 0.001


@pytest.mark.parametrize("ranks", [2, 3])
def test_ranks_share_out_the_balanced_draws_of_one_process(ranks: int) -> None:
    whole = list(balanced(epoch=1))
    shares = [list(balanced(rank, ranks, epoch=1)) for rank in range(ranks)]
    assert {len(share) for share in shares} == {1000 // ranks}
    assert [place for places in zip(*shares, strict=True) for place in places] == whole[: 1000 // ranks * ranks]
    assert [index for _, index, _ in shares[0]] == balanced(0, ranks, epoch=1).share()


def test_balanced_draws_are_a_function_of_seed_and_epoch_and_repeats_are_told_apart() -> None:
    assert list(balanced(epoch=3, seed=1)) == list(balanced(epoch=3, seed=1))
    assert len({tuple(balanced(epoch=epoch, seed=seed)) for epoch in (0, 1) for seed in (0, 1)}) == 4
    places = list(balanced(epoch=3))
    assert len(set(places)) == len(places)
    seen: Counter[int] = Counter()
    for epoch, index, repeat in places:
        assert (epoch, repeat) == (3, seen[index])
        seen[index] += 1
    assert max(seen.values()) > 5
