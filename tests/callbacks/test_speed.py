import csv
import functools
from pathlib import Path

import pytest
import torch
from torch import Tensor

from inception_lightning.callbacks import Speed
from inception_lightning.callbacks.speed import Stretch
from inception_lightning.data import Digits
from inception_lightning.data.base import Batch
from inception_lightning.models import InceptionResNetV1
from inception_lightning.training.classifier import InceptionClassifier
from tests.processes import finish, module
from tests.trainers import quiet_trainer

TAKES = {"train": 0.05, "wait": 0.1, "val": 0.5}  # seconds
STARTS = 1.0


class Clock:
    """A clock that only what is timed moves on."""

    now = STARTS

    def perf_counter(self) -> float:
        return self.now

    def sleep(self, seconds: float) -> None:
        self.now += seconds


class Slow(InceptionClassifier):
    """Takes known times."""

    clock: Clock

    def on_before_batch_transfer(self, batch: Batch, dataloader_idx: int) -> Batch:
        if self.training:
            self.clock.sleep(TAKES["wait"])
        return batch

    def training_step(self, batch: Batch, batch_idx: int) -> Tensor:
        self.clock.sleep(TAKES["train"])
        return super().training_step(batch, batch_idx)

    def validation_step(self, batch: Batch, batch_idx: int) -> None:
        self.clock.sleep(TAKES["val"])
        super().validation_step(batch, batch_idx)


def test_steps_and_waits_are_timed_and_validation_is_not(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    clock = Clock()
    monkeypatch.setattr("inception_lightning.callbacks.speed.time", clock)
    speed = Speed(tmp_path)
    trainer = quiet_trainer(
        tmp_path,
        max_epochs=2,
        limit_train_batches=6,
        limit_val_batches=1,
        val_check_interval=3,
        log_every_n_steps=2,
        callbacks=[speed],
    )
    net = InceptionResNetV1(10, width=0.05, depths=(1, 1, 1), stem="small")
    module = Slow(net, optimizer=functools.partial(torch.optim.SGD, lr=0.01))
    module.clock = clock
    trainer.fit(module, Digits(batch_size=8, num_workers=0))
    assert (speed.run.images, speed.run.steps) == (2 * 6 * 8, 12)
    waits = 2 * 6 - 2 - 2  # all but the first of an epoch and the one after a validation between batches
    assert speed.run.waited == pytest.approx(waits * TAKES["wait"])
    assert speed.run.seconds == pytest.approx(12 * TAKES["train"] + speed.run.waited)
    rows = list(csv.DictReader((tmp_path / "speed.csv").open()))
    assert [row["step"] for row in rows] == ["2", "4", "6", "8", "10", "12"]
    assert all(float(row["speed/step_ms"]) >= 1e3 * TAKES["train"] for row in rows)
    assert float(rows[0]["speed/data_wait_ms"]) >= 1e3 * TAKES["wait"] / 2
    assert 0.1 < float(rows[-1]["speed/memory_gib"]) < 20


def test_means_are_per_step() -> None:
    assert Stretch(images=64, steps=4, seconds=2.0, waited=0.5).per_step() == {
        "speed/images_per_second": 32.0,
        "speed/step_ms": 500.0,
        "speed/data_wait_ms": 125.0,
    }
    assert set(Stretch().per_step().values()) == {0.0}


def test_memory_is_the_most_that_was_held() -> None:
    code, said = finish(module("tests.callbacks.holds_a_gibibyte"))
    assert code == 0, said
    before, after = map(float, said.split())
    assert after - before == pytest.approx(1, abs=0.3)
