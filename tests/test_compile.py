"""Compiled, averaged and plain checkpoints are the same.

Dynamo traces as it does for a GPU; what it traced runs as it is, and compiled in the slow test.
"""

import functools
import os
from pathlib import Path

import lightning.pytorch as pl
import pytest
import torch
from lightning.pytorch.callbacks import Callback
from torch._dynamo.utils import counters

from inception_lightning.callbacks import FiniteGuard, ResidualTelemetry, WeightAverage
from inception_lightning.data import Digits
from inception_lightning.models import InceptionResNetV1
from inception_lightning.runs.metrics_csv import MetricsFile
from inception_lightning.training.classifier import InceptionClassifier
from inception_lightning.training.compiled import CACHE, prepare
from tests.trainers import quiet_trainer


class Graphs(Callback):
    """How many graphs have been traced at the end of each epoch."""

    def __init__(self) -> None:
        self.traced: list[int] = []

    def on_train_epoch_end(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        self.traced.append(counters["stats"]["unique_graphs"])


@pytest.mark.parametrize(
    ("averaged", "backend"),
    [
        (True, "eager"),
        pytest.param(False, "eager", marks=pytest.mark.slow),
        pytest.param(True, "inductor", marks=pytest.mark.slow),
    ],
)
def test_compiling_changes_no_name_and_happens_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, averaged: bool, backend: str
) -> None:
    monkeypatch.setattr(torch, "compile", functools.partial(torch.compile, backend=backend))
    torch._dynamo.reset()
    counters.clear()
    net = InceptionResNetV1(10, width=0.05, depths=(1, 1, 1), stem="small", aux=True)
    module = InceptionClassifier(net, optimizer=functools.partial(torch.optim.SGD, lr=0.01))
    module.compile()
    graphs, data = Graphs(), Digits(batch_size=50, num_workers=0)
    trainer = quiet_trainer(
        tmp_path,
        max_epochs=3,
        callbacks=[graphs, *([WeightAverage(0.9)] if averaged else [])],
        limit_train_batches=2,
    )
    trainer.fit(module, data)
    assert graphs.traced == [2] * 3  # training, and evaluation, whose last batch is smaller
    trainer.save_checkpoint(tmp_path / "compiled.ckpt")
    plain = InceptionClassifier.load_from_checkpoint(tmp_path / "compiled.ckpt")
    assert plain.state_dict().keys() == module.state_dict().keys()
    assert not [name for name in plain.state_dict() if "_orig_mod" in name]
    (compiled_scores,) = trainer.validate(module, data, verbose=False)
    (plain_scores,) = trainer.validate(plain, data, verbose=False)
    assert plain_scores == pytest.approx(compiled_scores, abs=1e-6)


@pytest.mark.slow
def test_everything_at_once_is_compiled_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch, "compile", functools.partial(torch.compile, backend="aot_eager"))
    torch._dynamo.reset()
    counters.clear()
    net = InceptionResNetV1(10, width=0.05, depths=(1, 1, 1), stem="small", aux=True)
    module = InceptionClassifier(net, optimizer=functools.partial(torch.optim.SGD, lr=0.01), mixup=0.2)
    module.compile("reduce-overhead")
    graphs = Graphs()
    trainer = quiet_trainer(
        tmp_path,
        max_epochs=3,
        limit_train_batches=4,
        accumulate_grad_batches=2,
        precision="bf16-mixed",
        gradient_clip_val=1.0,
        logger=[MetricsFile(tmp_path / "metrics.csv")],
        callbacks=[graphs, WeightAverage(0.9), ResidualTelemetry(every_n_steps=2), FiniteGuard()],
    )
    trainer.fit(module, Digits(batch_size=50, num_workers=0))
    assert graphs.traced == [2] * 3
    assert "residual/ratio/inception_a.0" in (tmp_path / "metrics.csv").read_text()


def test_what_is_compiled_is_kept_where_the_user_keeps_such_files(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv(CACHE, raising=False)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    prepare()
    assert Path(os.environ[CACHE]) == tmp_path / "inception_lightning" / "compiled"
    monkeypatch.setenv(CACHE, "elsewhere")
    prepare()
    assert os.environ[CACHE] == "elsewhere"


@pytest.mark.parametrize(
    ("version", "slow"), [("2.12.1", False), ("2.13.0+cu130", True), ("2.14.1", True), ("2.15.0", False)]
)
def test_a_torch_that_compiles_slow_code_is_named(
    version: str, slow: bool, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setenv(CACHE, "elsewhere")
    monkeypatch.setattr(torch, "__version__", version)
    prepare()
    assert ("channels-last" in caplog.text) == slow
