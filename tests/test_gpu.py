"""What only a GPU can show. Without one, these run on the CPU where they can: ``python -m pytest -m gpu -n 0``."""

import functools
from pathlib import Path
from typing import Any

import lightning.pytorch as pl
import pytest
import torch
from lightning.pytorch.callbacks import Callback
from torch._dynamo.utils import counters

from inception_lightning.callbacks import FiniteGuard, WeightAverage
from inception_lightning.data import Augmentation, Digits
from inception_lightning.models import InceptionResNetV1
from inception_lightning.training.classifier import InceptionClassifier
from inception_lightning.training.compiled import Mode
from tests.processes import FAULT, NO_FAULT, assert_same_run, finish, start, the_run
from tests.trainers import quiet_trainer

pytestmark = pytest.mark.gpu
GPU = torch.cuda.is_available()
ACCELERATOR = "gpu" if GPU else "cpu"
needs_gpu = pytest.mark.skipif(not GPU, reason="needs a GPU")


def module() -> InceptionClassifier:
    torch.manual_seed(0)
    net = InceptionResNetV1(10, width=0.1, depths=(1, 1, 1), stem="small", aux=True)
    return InceptionClassifier(net, optimizer=functools.partial(torch.optim.AdamW, lr=0.003), mixup=0.2)


def digits(batch_size: int = 50) -> Digits:
    return Digits(batch_size=batch_size, num_workers=0, augmentation=Augmentation(area=(0.6, 1.0)))


class NoWait(Callback):
    """Between two steps, whatever waits for the device is an error."""

    def __init__(self, first: int, last: int) -> None:
        self.first, self.last = first, last
        self.watched = 0

    def on_train_batch_start(self, trainer: pl.Trainer, *_: Any) -> None:
        watching = self.first <= trainer.global_step < self.last
        self.watched += watching
        if GPU:
            torch.cuda.set_sync_debug_mode("error" if watching else "default")


def test_fifty_steps_wait_for_nothing(tmp_path: Path) -> None:
    watch = NoWait(10, 60)
    callbacks: list[Callback] = [FiniteGuard(), WeightAverage(0.99), watch]
    trainer = quiet_trainer(
        tmp_path,
        accelerator=ACCELERATOR,
        max_steps=62,
        limit_val_batches=0,
        log_every_n_steps=1000,
        gradient_clip_val=2.0,
        callbacks=callbacks,
    )
    try:
        trainer.fit(module(), digits(batch_size=20))  # 71 steps an epoch
    finally:
        if GPU:
            torch.cuda.set_sync_debug_mode("default")
    assert watch.watched == 50


@needs_gpu
def test_what_waits_is_found() -> None:
    torch.cuda.set_sync_debug_mode("error")
    try:
        with pytest.raises(RuntimeError, match="synchronizing"):
            torch.ones(1, device="cuda").item()
    finally:
        torch.cuda.set_sync_debug_mode("default")


def test_a_killed_run_goes_on_bit_by_bit(tmp_path: Path) -> None:
    options = [f"--trainer.accelerator={ACCELERATOR}", "--trainer.deterministic=true"]
    environment = {"CUBLAS_WORKSPACE_CONFIG": ":4096:8"}
    for place, stopped in (("whole", False), ("parts", True)):
        harm = [*FAULT, "--trainer.callbacks.what=step", "--trainer.callbacks.step=13"] if stopped else []
        code, said = finish(start(tmp_path / place, *options, *harm, **environment))
        assert code == (143 if stopped else 0), said
    code, said = finish(start(tmp_path / "parts", *options, "--resume=auto", *NO_FAULT, **environment))
    assert code == 0, said
    assert_same_run(the_run(tmp_path / "whole"), the_run(tmp_path / "parts"))


@needs_gpu
def test_synchronised_batch_norm_of_one_process_is_batch_norm(tmp_path: Path) -> None:
    losses = []
    kinds: tuple[dict[str, Any], ...] = ({}, {"sync_batchnorm": True, "strategy": "ddp"})
    for options in kinds:
        trainer = quiet_trainer(tmp_path, accelerator="gpu", max_steps=5, limit_val_batches=0, **options)
        trainer.fit(module(), digits())
        losses.append(float(trainer.callback_metrics["train/loss_main"]))
    assert losses[1] == pytest.approx(losses[0], rel=1e-3)


class Graphs(Callback):
    """How many graphs there are at the end of each epoch."""

    def __init__(self) -> None:
        self.traced: list[int] = []

    def on_train_epoch_end(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        self.traced.append(counters["stats"]["unique_graphs"])


@pytest.mark.parametrize("mode", ["default", "reduce-overhead"])
@pytest.mark.parametrize("precision", ["32", "bf16-mixed"])
def test_compiled_networks_are_traced_once_and_learn_the_same(tmp_path: Path, mode: Mode, precision: str) -> None:
    torch._dynamo.reset()
    counters.clear()
    scores = []
    for compiled in (False, True):
        learner, graphs = module(), Graphs()
        if compiled:
            learner.compile(mode)
        options: dict[str, Any] = {"max_epochs": 3, "limit_train_batches": 6, "callbacks": [graphs, FiniteGuard()]}
        trainer = quiet_trainer(tmp_path, accelerator=ACCELERATOR, precision=precision, **options)
        trainer.fit(learner, digits())
        scores.append(float(trainer.callback_metrics["val/loss"]))
        if compiled:
            assert graphs.traced[0] > 0
            assert graphs.traced[1:] == graphs.traced[1:2] * 2
    assert scores[1] == pytest.approx(scores[0], rel=0.2)


@needs_gpu
def test_recomputed_stages_take_less_memory() -> None:
    peaks = []
    for recomputed in (False, True):
        net = InceptionResNetV1(10, stem="small", aux=False).cuda()
        if recomputed:
            net.recompute(net.stages)
        torch.cuda.reset_peak_memory_stats()
        net(torch.randn(64, 3, 64, 64, device="cuda")).sum().backward()
        peaks.append(torch.cuda.max_memory_allocated())
        del net
        torch.cuda.empty_cache()
    assert peaks[1] < 0.7 * peaks[0]
