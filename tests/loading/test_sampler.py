import pytest

from inception_lightning.loading.sampler import EvaluationSampler, TrainSampler


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
