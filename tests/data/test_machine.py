import logging
import os

import pytest

from inception_lightning.data import Digits, machine
from inception_lightning.data.loaders import collate
from inception_lightning.data.rooms import Rooms
from inception_lightning.errors import InputError


def with_free(monkeypatch: pytest.MonkeyPatch, mib: float, cores: int = 8) -> None:
    monkeypatch.setattr(machine, "_free", lambda: int(mib * machine.MIB))
    monkeypatch.setattr(os, "sched_getaffinity", lambda pid: range(cores))


def test_a_small_shared_memory_gets_fewer_workers_and_one_sentence(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    with_free(monkeypatch, 64)
    with caplog.at_level(logging.WARNING):
        assert machine.workers(299, 32) == 3  # 16.4 MiB each
    assert caplog.messages == ["3 workers instead of 8: /dev/shm has only 64 MiB free"]


def test_a_large_one_gets_one_worker_per_core(monkeypatch: pytest.MonkeyPatch) -> None:
    with_free(monkeypatch, 10_000, cores=3)
    assert machine.workers(299, 128) == 3
    monkeypatch.setattr(machine, "_free", lambda: None)
    assert machine.workers(299, 128) == 3


def test_more_workers_than_fit_are_refused_before_they_die(monkeypatch: pytest.MonkeyPatch) -> None:
    with_free(monkeypatch, 64)
    with pytest.raises(InputError) as raised:
        machine.check_shared_memory(299, 32, 8)
    assert str(raised.value) == (
        "8 workers need 131 MiB of shared memory and /dev/shm has 64 MiB free: "
        "say --data.num_workers 3, or docker run --shm-size=8g"
    )
    machine.check_shared_memory(299, 32, 3)
    with_free(monkeypatch, 0)
    machine.check_shared_memory(299, 32, 0)
    with pytest.raises(InputError, match="1 workers need"):
        Digits(num_workers=1).setup("fit")


def test_rooms_are_kept_only_where_the_shared_memory_is_ample(monkeypatch: pytest.MonkeyPatch) -> None:
    digits = Digits(num_workers=2, image_size=299, batch_size=32)  # 33 MiB of batches that lie ready
    with_free(monkeypatch, 128)
    assert digits.train_dataloader().collate_fn is collate
    with_free(monkeypatch, 140)
    assert isinstance(digits.train_dataloader().collate_fn, Rooms)
    assert Digits(num_workers=0).train_dataloader().collate_fn is collate
