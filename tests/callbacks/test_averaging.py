import functools
from pathlib import Path
from typing import Any

import lightning.pytorch as pl
import pytest
import torch
from lightning.pytorch.callbacks import Callback
from torch import Tensor

from inception_lightning.callbacks import WeightAverage
from inception_lightning.data import Digits
from inception_lightning.models import InceptionResNetV1
from inception_lightning.training.classifier import InceptionClassifier

State = dict[str, Tensor]


def module() -> InceptionClassifier:
    torch.manual_seed(0)
    net = InceptionResNetV1(10, width=0.05, depths=(1, 1, 1), stem="small", dropout=0.0)
    return InceptionClassifier(net, optimizer=functools.partial(torch.optim.SGD, lr=0.05, momentum=0.9))


def trainer(folder: Path, *callbacks: Callback, **options: Any) -> pl.Trainer:
    quiet = {"logger": False, "enable_progress_bar": False, "enable_model_summary": False, "limit_train_batches": 4}
    quiet |= {"enable_checkpointing": False, "limit_val_batches": 2, "limit_test_batches": 2}
    return pl.Trainer(
        accelerator="cpu", devices=1, default_root_dir=folder, callbacks=list(callbacks), **(quiet | options)
    )


def copied(state: State) -> State:
    return {name: tensor.clone() for name, tensor in state.items()}


def assert_same(state: State, other: State) -> None:
    assert state.keys() == other.keys()
    for name, tensor in state.items():
        assert torch.equal(tensor, other[name]), name


class Witness(Callback):
    """Averages by hand, and sees what is validated and what would be saved in the middle of it."""

    def __init__(self, decay: float) -> None:
        self.decay = decay
        self.averages: State = {}
        self.trained: State = {}
        self.validated: State = {}
        self.first_trained: State = {}
        self.first_validated: State = {}
        self.saved: dict[str, Any] = {}

    def on_train_batch_end(self, trainer: pl.Trainer, pl_module: pl.LightningModule, *rest: object) -> None:
        count, self.trained = trainer.global_step - 1, copied(pl_module.state_dict())
        decay = min(self.decay, (1 + count) / (10 + count)) if count else 0.0
        for name, tensor in self.trained.items():
            before = self.averages.get(name, tensor)
            self.averages[name] = torch.lerp(before, tensor, 1 - decay) if tensor.is_floating_point() else tensor

    def on_validation_batch_end(self, trainer: pl.Trainer, pl_module: pl.LightningModule, *rest: object) -> None:
        self.validated = copied(pl_module.state_dict())
        if not self.saved:
            self.first_validated, self.first_trained = self.validated, self.trained
            path = Path(trainer.default_root_dir) / "middle.ckpt"
            trainer.save_checkpoint(path)
            self.saved = torch.load(path, weights_only=True)


@pytest.mark.parametrize("decay", [pytest.param(0.1, marks=pytest.mark.slow), 0.99])
def test_the_averages_are_evaluated_saved_and_left(tmp_path: Path, decay: float) -> None:
    witness, trained = Witness(decay), module()
    running = trainer(tmp_path, WeightAverage(decay), witness, max_epochs=2, num_sanity_val_steps=0)
    data = Digits(batch_size=8, num_workers=0)
    running.fit(trained, data)
    for name, tensor in witness.averages.items():
        torch.testing.assert_close(trained.state_dict()[name], tensor)
    assert not torch.equal(witness.trained["net.classifier.weight"], witness.averages["net.classifier.weight"])
    assert_same(trained.state_dict(), witness.validated)
    assert_same(witness.saved["state_dict"], witness.first_validated)
    assert_same(witness.saved["current_model_state"], witness.first_trained)

    running.save_checkpoint(tmp_path / "end.ckpt")
    end = torch.load(tmp_path / "end.ckpt", weights_only=True)
    assert_same(end["state_dict"], trained.state_dict())
    assert_same(end["current_model_state"], witness.trained)
    assert_same(InceptionClassifier.load_from_checkpoint(tmp_path / "end.ckpt").state_dict(), trained.state_dict())

    (scores,) = running.validate(trained, data, verbose=False)
    assert_same(witness.validated, end["state_dict"])  # not swapped once more
    again = running.validate(trained, data, ckpt_path=tmp_path / "end.ckpt", verbose=False, weights_only=True)
    assert again == [scores]
    assert_same(witness.validated, end["state_dict"])


def test_a_resumed_run_is_the_same_run(tmp_path: Path) -> None:
    data = Digits(batch_size=8, num_workers=0)
    whole, witness = module(), Witness(0.9)
    trainer(tmp_path, WeightAverage(0.9), witness, max_epochs=2).fit(whole, data)

    first = trainer(tmp_path, WeightAverage(0.9), max_epochs=1)
    first.fit(module(), data)
    first.save_checkpoint(tmp_path / "one.ckpt")
    resumed, other = module(), Witness(0.9)
    trainer(tmp_path, WeightAverage(0.9), other, max_epochs=2).fit(
        resumed, data, ckpt_path=tmp_path / "one.ckpt", weights_only=True
    )
    assert_same(resumed.state_dict(), whole.state_dict())
    assert_same(other.trained, witness.trained)
