import functools
from pathlib import Path

import lightning.pytorch as pl
import pytest
import torch
from lightning.pytorch.callbacks import Callback

from inception_lightning.callbacks import Unfreeze
from inception_lightning.data import Digits
from inception_lightning.errors import InputError
from inception_lightning.models import InceptionResNetV1
from inception_lightning.training.classifier import InceptionClassifier
from tests.trainers import quiet_trainer


class Changes(Callback):
    """Which parts of the network an epoch changes."""

    def __init__(self) -> None:
        self.changed: list[set[str]] = []

    def on_train_epoch_start(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        self.before = {name: tensor.clone() for name, tensor in pl_module.state_dict().items()}

    def on_train_epoch_end(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        changed = (
            name for name, tensor in pl_module.state_dict().items() if not torch.equal(tensor, self.before[name])
        )
        self.changed.append({name.split(".")[1] for name in changed})


def fit(
    folder: Path, epochs: dict[str, int], changes: Changes, max_epochs: int, resume: Path | None = None
) -> pl.Trainer:
    torch.manual_seed(0)
    net = InceptionResNetV1(10, width=0.05, depths=(1, 1, 1), stem="small", dropout=0.0)
    optimizer = functools.partial(torch.optim.SGD, lr=0.05, momentum=0.9, weight_decay=0.01)
    module = InceptionClassifier(net, optimizer=optimizer, trunk_rate=0.1)
    trainer = quiet_trainer(
        folder,
        max_epochs=max_epochs,
        callbacks=[Unfreeze(epochs), changes],
        limit_train_batches=2,
        limit_val_batches=1,
    )
    trainer.fit(module, Digits(batch_size=16, num_workers=0), ckpt_path=resume, weights_only=True)
    return trainer


def test_stages_change_from_their_epoch_on_and_resume_where_they_were(tmp_path: Path) -> None:
    epochs, changes = {"inception_c": 1, "reduction_b": 2}, Changes()
    trainer = fit(tmp_path, epochs, changes, 3)
    assert changes.changed == [
        {"classifier"},
        {"classifier", "inception_c"},
        {"classifier", "inception_c", "reduction_b"},
    ]
    assert [group["lr"] for group in trainer.optimizers[0].param_groups] == pytest.approx([0.05, 0.05, 0.005, 0.005])

    part = fit(tmp_path, epochs, Changes(), 2)
    part.save_checkpoint(tmp_path / "two.ckpt")
    resumed = Changes()
    fit(tmp_path, epochs, resumed, 3, resume=tmp_path / "two.ckpt")
    assert resumed.changed == changes.changed[2:]


def test_an_unknown_stage_is_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="Unfreeze names 'inception_z', and the stages are stem, inception_a"):
        fit(tmp_path, {"inception_z": 1}, Changes(), 1)
