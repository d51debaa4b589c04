"""What Lightning would do otherwise when a run goes on."""

import functools
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import lightning.pytorch as pl
import pytest
import torch
from lightning.pytorch.callbacks import Callback
from lightning.pytorch.strategies import DDPStrategy, FSDPStrategy, ModelParallelStrategy
from torch.optim.lr_scheduler import ReduceLROnPlateau

from inception_lightning.callbacks import Continuation
from inception_lightning.callbacks.lightning_state import shards_weights
from inception_lightning.data import Digits
from inception_lightning.models import InceptionResNetV1
from inception_lightning.training.classifier import InceptionClassifier
from tests.trainers import quiet_trainer


class Killed(Exception):
    pass


class Kill(Callback):
    """Ends the program, as it were, after a number of steps."""

    def __init__(self, steps: int) -> None:
        self.steps = steps

    def on_train_batch_end(self, trainer: pl.Trainer, *rest: object) -> None:
        if trainer.global_step == self.steps:
            raise Killed


def trained(folder: Path, *, killed_after: int, ckpt_path: Path | None = None) -> dict[str, Any]:
    """The state of the schedule and the rate after three epochs of three steps."""
    torch.manual_seed(0)
    net = InceptionResNetV1(10, width=0.05, depths=(1, 1, 1), stem="small")
    sgd = functools.partial(torch.optim.SGD, lr=0.01)
    plateau = functools.partial(ReduceLROnPlateau, factor=0.5, patience=0, threshold=10.0)  # no figure is good enough
    module = InceptionClassifier(net, optimizer=sgd, lr_scheduler=plateau)
    trainer = quiet_trainer(
        folder,
        max_epochs=3,
        limit_train_batches=3,
        limit_val_batches=1,
        num_sanity_val_steps=0,
        callbacks=[Continuation(folder=folder, every_n_steps=1), Kill(killed_after)],
    )
    trainer.fit(module, Digits(batch_size=8), ckpt_path=ckpt_path)
    return {
        **trainer.lr_scheduler_configs[0].scheduler.state_dict(),
        "rate": trainer.optimizers[0].param_groups[0]["lr"],
    }


@pytest.fixture(scope="module")
def whole_state(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    """What a training ends with that nobody has killed."""
    return trained(tmp_path_factory.mktemp("whole"), killed_after=-1)


@pytest.mark.parametrize("steps", [4, pytest.param(5, marks=pytest.mark.slow), 6])
def test_a_schedule_that_watches_a_figure_goes_on_exactly(
    tmp_path: Path, whole_state: dict[str, Any], steps: int
) -> None:
    assert whole_state["rate"] == pytest.approx(0.01 * 0.5**3)
    place = tmp_path / "killed"
    with pytest.raises(Killed):
        trained(place, killed_after=steps)
    assert trained(place, killed_after=-1, ckpt_path=place / "last.ckpt") == whole_state


def test_one_process_alone_has_no_network_where_its_weights_are_shared_out() -> None:
    for strategy, shards in ((FSDPStrategy(), True), (ModelParallelStrategy(), True), (DDPStrategy(), False)):
        assert shards_weights(SimpleNamespace(strategy=strategy)) == shards  # type: ignore[arg-type]  # it asks no more
