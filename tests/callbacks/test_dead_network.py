"""A network whose last stage gives zeros only cannot learn: the failure of the Inception-ResNet paper, section 3.3."""

import functools
import logging
from pathlib import Path
from typing import Literal

import lightning.pytorch as pl
import pytest
import torch

from inception_lightning.callbacks import DeadNetwork
from inception_lightning.data import Digits
from inception_lightning.errors import Stop
from inception_lightning.models import GoogLeNet, Inception, InceptionResNetV1
from inception_lightning.training.classifier import InceptionClassifier
from tests.trainers import quiet_trainer

REMEDY = "start again with lower residual_scales (0.1 to 0.3), or a lower learning rate"


def residual(preset: Literal["paper", "facenet"] = "paper", scale: float = 0.1) -> InceptionResNetV1:
    torch.manual_seed(0)
    return InceptionResNetV1(10, preset=preset, stem="small", width=0.05, depths=(1, 1, 1), residual_scales=scale)


def killed(net: Inception) -> Inception:
    """The same network with a last block that is below zero everywhere, as too large a step leaves it."""
    for name, bias in net.get_submodule(net.stages[-1]).named_parameters():
        if name.endswith("project.bias"):
            bias.data.fill_(-1e6)
    return net


def fit(
    net: Inception, folder: Path, callback: DeadNetwork, *, steps: int = 6, rate: float = 0.001, accumulate: int = 1
) -> pl.Trainer:
    trainer = quiet_trainer(
        folder,
        max_steps=steps,
        accumulate_grad_batches=accumulate,
        limit_val_batches=0,
        callbacks=[callback],
    )
    adam = functools.partial(torch.optim.Adam, lr=rate)
    trainer.fit(InceptionClassifier(net, optimizer=adam), datamodule=Digits(batch_size=16))
    return trainer


def last_features(net: Inception) -> torch.Tensor:
    return net.endpoints(torch.randn(4, 3, 16, 16))[net.stages[-1]]


@pytest.mark.parametrize("accumulate", [1, 2])
def test_a_dead_network_is_named_once_with_the_remedy(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, accumulate: int
) -> None:
    net = killed(residual())
    with caplog.at_level(logging.WARNING, "inception_lightning"):
        fit(net, tmp_path, DeadNetwork(every_n_steps=2), accumulate=accumulate)
    assert not last_features(net).any()  # it was dead, and stayed so
    (said,) = [record.message for record in caplog.records if "dead" in record.message]
    assert said == f"step 1: the network is dead, its last stage gives zeros only: {REMEDY}"


def test_it_can_end_the_run(tmp_path: Path) -> None:
    with pytest.raises(Stop, match="step 1: the network is dead") as stop:
        fit(killed(residual()), tmp_path, DeadNetwork(stop=True, every_n_steps=2))
    assert stop.value.code == 65


def test_a_network_that_dies_in_training(tmp_path: Path) -> None:
    net = residual(scale=1.0)
    with pytest.raises(Stop, match="the network is dead") as stop:
        fit(net, tmp_path, DeadNetwork(stop=True, every_n_steps=1), steps=100, rate=10.0)
    step = int(str(stop.value).split()[1].rstrip(":"))
    assert step > 5  # it was alive
    assert (last_features(net) == 0).float().mean() > 0.9  # of other images too


@pytest.mark.parametrize("net", [residual(), residual("facenet"), GoogLeNet(10, stem="small", width=0.1)])
def test_a_living_network_is_left_alone(tmp_path: Path, caplog: pytest.LogCaptureFixture, net: Inception) -> None:
    with caplog.at_level(logging.WARNING, "inception_lightning"):
        trainer = fit(net, tmp_path, DeadNetwork(stop=True, every_n_steps=1))
    assert trainer.global_step == 6
    assert not [record for record in caplog.records if "dead" in record.message]
