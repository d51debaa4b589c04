import gc
import logging
import os
from typing import Any

import pytest
import torch
from torch import Tensor

from inception_lightning.data import Digits
from inception_lightning.errors import InputError
from inception_lightning.loading import shared_memory
from inception_lightning.loading.loaders import collate
from inception_lightning.loading.shared_memory import BUFFERS, BatchBuffers
from tests.data.test_base import Noise

Batches = list[tuple[Tensor, Tensor]]


def buffers_of(loader: Any) -> BatchBuffers:
    buffers: BatchBuffers = loader.collate_fn
    return buffers


@pytest.mark.parametrize("split", ["train", "val"])
def test_batches_are_those_of_the_main_process_also_when_all_are_kept(split: str) -> None:
    expected: Batches = list(getattr(Noise(size=200), f"{split}_dataloader")())
    loader = getattr(Noise(size=200, num_workers=2), f"{split}_dataloader")()
    for _ in range(2):
        kept: Batches = list(loader)  # more than there are buffers
        assert len(kept) == len(expected) > 2 * BUFFERS
        for (images, labels), (again, same) in zip(expected, kept, strict=True):
            assert torch.equal(images, again)
            assert torch.equal(labels, same)
            assert again.is_contiguous(memory_format=torch.channels_last)


def test_a_buffer_is_free_when_the_last_tensor_of_its_batch_is_gone() -> None:
    loader = Noise(size=200, num_workers=1).train_dataloader()
    batches = iter(loader)
    images = next(batches)[0]
    part, before = images[2:4, :1], images[2:4, :1].clone()
    del images
    for _batch in batches:
        assert torch.equal(part, before)  # nobody has written over it
    del _batch
    assert buffers_of(loader).taken.sum() == 1
    del part
    gc.collect()
    assert buffers_of(loader).taken.sum() == 0


def test_batches_that_nobody_asks_for_leave_their_buffers() -> None:
    loader = Noise(size=200, num_workers=2).train_dataloader()
    for _ in range(5):
        next(iter(loader))
    assert len(list(map(len, loader))) == 25
    assert buffers_of(loader).taken.sum() == 0


def test_buffers_are_used_again() -> None:
    loader = Noise(size=200, num_workers=1).train_dataloader()
    places = {images.data_ptr() for images, _ in loader}
    assert 1 < len(places) <= BUFFERS


def test_larger_batches_than_a_buffer_holds_are_handed_on_all_the_same() -> None:
    loader = Noise(size=40, num_workers=1).train_dataloader()
    expected = list(Noise(size=40).train_dataloader())
    loader.collate_fn = BatchBuffers(1, 100)
    assert all(torch.equal(one[0], other[0]) for one, other in zip(expected, loader, strict=True))


def with_free(monkeypatch: pytest.MonkeyPatch, mib: float, cores: int = 8) -> None:
    monkeypatch.setattr(shared_memory, "_free_bytes", lambda: int(mib * shared_memory.MIB))
    monkeypatch.setattr(os, "sched_getaffinity", lambda pid: range(cores))


def test_a_small_shared_memory_gets_fewer_workers_and_one_sentence(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    with_free(monkeypatch, 64)
    with caplog.at_level(logging.WARNING):
        assert shared_memory.default_workers(299, 32) == 3  # 16.4 MiB each
    assert caplog.messages == ["3 workers instead of 8: /dev/shm has only 64 MiB free"]


def test_a_large_one_gets_one_worker_per_core(monkeypatch: pytest.MonkeyPatch) -> None:
    with_free(monkeypatch, 10_000, cores=3)
    assert shared_memory.default_workers(299, 128) == 3
    monkeypatch.setattr(shared_memory, "_free_bytes", lambda: None)
    assert shared_memory.default_workers(299, 128) == 3


def test_more_workers_than_fit_are_refused_before_they_die(monkeypatch: pytest.MonkeyPatch) -> None:
    with_free(monkeypatch, 64)
    with pytest.raises(InputError) as raised:
        shared_memory.check_shared_memory(299, 32, 8)
    assert str(raised.value) == (
        "8 workers need 131 MiB of shared memory and /dev/shm has 64 MiB free: "
        "say --data.num_workers 3, or docker run --shm-size=8g"
    )
    shared_memory.check_shared_memory(299, 32, 3)
    with_free(monkeypatch, 0)
    shared_memory.check_shared_memory(299, 32, 0)
    with pytest.raises(InputError, match="1 workers need"):
        Digits(num_workers=1).setup("fit")


def test_buffers_are_kept_only_where_the_shared_memory_is_ample(monkeypatch: pytest.MonkeyPatch) -> None:
    digits = Digits(num_workers=2, image_size=299, batch_size=32)  # 33 MiB of batches that lie ready
    with_free(monkeypatch, 128)
    assert digits.train_dataloader().collate_fn is collate
    with_free(monkeypatch, 140)
    assert isinstance(digits.train_dataloader().collate_fn, BatchBuffers)
    assert Digits(num_workers=0).train_dataloader().collate_fn is collate
