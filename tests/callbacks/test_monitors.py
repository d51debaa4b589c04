"""What is watched and what is logged."""

import functools
from pathlib import Path
from typing import Any

import pytest
import torch
from lightning.pytorch.callbacks import Callback, EarlyStopping, ModelCheckpoint
from torch import Tensor
from torch.optim.lr_scheduler import ReduceLROnPlateau

from inception_lightning.callbacks import Monitors
from inception_lightning.data import Digits
from inception_lightning.errors import InputError
from inception_lightning.models import InceptionResNetV1
from inception_lightning.training.classifier import InceptionClassifier
from tests.trainers import quiet_trainer


class Own(InceptionClassifier):
    """Logs what nobody foresees."""

    def training_step(self, batch: Any, batch_idx: int) -> Tensor:
        loss = super().training_step(batch, batch_idx)
        self.log("mine", loss.detach())
        return loss


def fit(folder: Path, *callbacks: Callback, kind: type[InceptionClassifier] = InceptionClassifier, **given: Any) -> Any:
    net = InceptionResNetV1(10, width=0.05, depths=(1, 1, 1), stem="small", aux=True, residual_scales="learned")
    module = kind(net, optimizer=functools.partial(torch.optim.SGD, lr=0.01), **given)
    trainer = quiet_trainer(
        folder,
        enable_checkpointing=any(isinstance(one, ModelCheckpoint) for one in callbacks),
        max_epochs=1,
        limit_train_batches=2,
        limit_val_batches=1,
        callbacks=[Monitors(), *callbacks],
    )
    trainer.fit(module, datamodule=Digits(batch_size=4, num_workers=0))
    return module, trainer


def test_every_number_that_is_logged_may_be_watched(tmp_path: Path) -> None:
    module, trainer = fit(tmp_path, EarlyStopping("train/top5"), ModelCheckpoint(tmp_path, monitor="val/loss"))
    names = {name for name in trainer.callback_metrics if not name.startswith("val/")}
    assert names == module.logged_in_training()
    assert trainer.global_step == 2


@pytest.mark.parametrize(
    ("callbacks", "further", "expected"),
    [
        ([EarlyStopping("val/los")], {}, "EarlyStopping watches val/los, which nobody logs: did you mean val/loss"),
        ([EarlyStopping("zzz")], {}, "EarlyStopping watches zzz, which nobody logs: say one of scale/.*, val/top5"),
        ([EarlyStopping("val_loss")], {"kind": Own}, "EarlyStopping watches val_loss, .*: did you mean val/loss"),
        ([ModelCheckpoint(monitor="val/top2")], {}, "ModelCheckpoint watches val/top2, which nobody logs"),
        (
            [],
            {"lr_scheduler": ReduceLROnPlateau, "lr_monitor": "val/nothing"},
            "model.lr_monitor watches val/nothing, which nobody logs",
        ),
    ],
)
def test_a_number_that_nobody_logs_is_known_before_the_first_step(
    tmp_path: Path, callbacks: list[Callback], further: dict[str, Any], expected: str
) -> None:
    steps: list[int] = []

    class Counts(Callback):
        def on_train_batch_end(self, *arguments: Any) -> None:
            steps.append(1)

    with pytest.raises(InputError, match=expected):
        fit(tmp_path, *callbacks, Counts(), **further)
    assert not steps


def test_what_a_step_of_ones_own_logs_may_be_watched(tmp_path: Path) -> None:
    fit(tmp_path, EarlyStopping("mine"), EarlyStopping("val/nothing", strict=False), kind=Own)
