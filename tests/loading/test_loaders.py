from tests.data.test_base import Noise


def test_a_listener_is_called_before_each_batch_is_fetched() -> None:
    loader = Noise(size=20, batch_size=5).train_dataloader()
    handed_out: list[int] = []
    loader.listen(lambda: handed_out.append(loader.batches))
    first = iter(loader)
    assert handed_out == []  # Lightning makes the iterator before it tells the epoch
    next(first)
    assert handed_out == [0]
    assert len(list(first)) == 3
    assert handed_out == [0, 1, 2, 3]
    later: list[int] = []
    loader.listen(lambda: later.append(loader.batches))
    assert len(list(loader)) == 4
    assert (handed_out, later) == ([0, 1, 2, 3], [0, 1, 2, 3])
