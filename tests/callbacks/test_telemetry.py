import csv
import time
from pathlib import Path

import pytest
import torch
from lightning.pytorch.loggers import CSVLogger

from inception_lightning.callbacks.telemetry import ResidualTelemetry, before_pool, residual_blocks, silence
from inception_lightning.data import Digits
from inception_lightning.errors import InputError
from inception_lightning.models import GoogLeNet, Inception, InceptionResNetV1, InceptionResNetV2
from inception_lightning.training.classifier import InceptionClassifier
from tests.trainers import quiet_trainer

BLOCKS = ("inception_a.0", "inception_b.0", "inception_c.0")


def tiny(scale: float) -> InceptionResNetV1:
    return InceptionResNetV1(10, stem="small", width=0.1, depths=(1, 1, 1), residual_scales=scale)


def fit(net: Inception, folder: Path, callback: ResidualTelemetry, *, accumulate: int = 1) -> list[dict[str, str]]:
    trainer = quiet_trainer(
        folder,
        max_steps=8,
        accumulate_grad_batches=accumulate,
        log_every_n_steps=2,
        limit_val_batches=0,
        logger=CSVLogger(folder, name="", version=""),
        callbacks=[callback],
    )
    trainer.fit(InceptionClassifier(net), datamodule=Digits(batch_size=16))
    with (folder / "metrics.csv").open(newline="") as file:
        return list(csv.DictReader(file))


@pytest.mark.parametrize("accumulate", [1, 3])
def test_samples_reach_the_csv_at_the_steps_they_are_due(tmp_path: Path, accumulate: int) -> None:
    net = tiny(0.1)
    rows = fit(net, tmp_path, ResidualTelemetry(every_n_steps=4), accumulate=accumulate)
    sampled = [row for row in rows if row["before_pool/dead"]]
    assert [int(row["step"]) for row in sampled] == [0, 4]
    expected = {f"residual/{what}/{block}" for what in ("ratio", "zeros", "dead") for block in BLOCKS}
    expected |= {"before_pool/zeros", "before_pool/dead", *(f"grad_norm/{stage}" for stage in net.stages)}
    kinds = ("residual/", "before_pool/", "grad_norm/")
    assert {name for name in rows[0] if name.startswith(kinds)} == expected
    assert all(float(sampled[-1][name]) >= 0 for name in expected)
    assert not any(module._forward_hooks for module in net.modules())


def test_the_ratio_is_that_of_the_norms() -> None:
    telemetry, net = ResidualTelemetry(), tiny(0.3).eval()
    telemetry.watch(net)
    ends = net.endpoints(torch.randn(4, 3, 16, 16))
    measured = dict(telemetry.measured)
    telemetry.stop()
    block = residual_blocks(net)["inception_b.0"]
    x = ends["reduction_a"]
    with torch.no_grad():
        expected = (0.3 * block.project(block.inner(x))).norm() / x.norm()
    torch.testing.assert_close(measured["residual/ratio/inception_b.0"], expected)
    torch.testing.assert_close(measured["before_pool/zeros"], (ends["inception_c"] == 0).float().mean())


def test_learned_scales_are_measured_as_they_are() -> None:
    ratios = []
    for learned in (False, True):
        torch.manual_seed(0)
        net = InceptionResNetV1(10, stem="small", width=0.1, depths=(1, 1, 1), learned_scales=learned)
        telemetry = ResidualTelemetry()
        telemetry.watch(net)
        net(torch.ones(2, 3, 16, 16))
        ratios.append(telemetry.measured["residual/ratio/inception_a.0"])
    torch.testing.assert_close(*ratios)


def test_dead_channels_are_zero_for_the_whole_batch() -> None:
    activation = torch.ones(2, 4, 3, 3)
    activation[:, 0] = 0
    activation[0, 1] = 0
    zeros, dead = silence(activation)
    assert (float(zeros), float(dead)) == (0.375, 0.25)


def test_the_last_rectified_activation_is_found() -> None:
    released = InceptionResNetV2(10, stem="small", width=0.05, depths=(1, 1, 2))
    facenet = InceptionResNetV1(10, preset="facenet", stem="small", width=0.05, depths=(1, 1, 2))
    assert before_pool(released) is released.conv_7b
    assert before_pool(facenet) is facenet.get_submodule("inception_c.1")
    assert before_pool(net := tiny(0.1)) is net.inception_c
    assert before_pool(google := GoogLeNet(10)) is google.inception_5b
    telemetry = ResidualTelemetry()
    telemetry.watch(released)
    released(torch.randn(2, 3, 32, 32))
    assert "residual/ratio/inception_c.1" in telemetry.measured
    assert "residual/zeros/inception_c.1" not in telemetry.measured  # linear


def test_an_interval_of_nothing_is_refused() -> None:
    with pytest.raises(InputError, match="at least 1"):
        ResidualTelemetry(0)


def test_measuring_takes_little_of_a_step() -> None:
    net, telemetry = tiny(0.1), ResidualTelemetry()
    images = torch.randn(32, 3, 16, 16)

    def seconds(watched: bool) -> float:
        start = time.process_time()
        if watched:
            telemetry.watch(net)
        net(images).sum().backward()
        telemetry.stop()
        return time.process_time() - start

    seconds(True)
    ratio = min(seconds(True) for _ in range(5)) / min(seconds(False) for _ in range(5))
    assert (ratio - 1) / telemetry.every_n_steps < 0.02  # of one step in fifty; 1.03 on an idle core
