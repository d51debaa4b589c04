"""What is refused before anything is made. tests/test_bad_input.py tries the command line."""

import os
from pathlib import Path
from typing import Any

import pytest
from lightning.pytorch.callbacks import BackboneFinetuning, EarlyStopping

from inception_lightning.callbacks import Continuation, WeightAverage
from inception_lightning.commands.refusals import (
    INSTEAD,
    refuse_crowd,
    refuse_options,
    refuse_variables,
    warn_of_slow_precision,
)
from inception_lightning.data import Digits
from inception_lightning.errors import InputError
from inception_lightning.loading.views import Augmentation, CenterCrop
from inception_lightning.training.classifier import InceptionClassifier
from tests.trainers import quiet_trainer
from tests.training.test_classifier import tiny

DEFAULTS: dict[str, Any] = {
    "accumulate_grad_batches": 1,
    "check_val_every_n_epoch": 1,
    "log_every_n_steps": None,
    "gradient_clip_val": None,
    "num_sanity_val_steps": None,
    "max_epochs": 2,
    "max_steps": -1,
    "limit_train_batches": None,
    "val_check_interval": None,
    "overfit_batches": 0.0,
}


@pytest.mark.parametrize(
    ("option", "expected"),
    [
        ({"accumulate_grad_batches": 0}, r"trainer\.accumulate_grad_batches must be at least 1, got 0"),
        ({"check_val_every_n_epoch": 0}, r"trainer\.check_val_every_n_epoch must be at least 1, got 0"),
        ({"log_every_n_steps": -1}, r"trainer\.log_every_n_steps must be at least 0, got -1"),
        ({"gradient_clip_val": -0.5}, r"trainer\.gradient_clip_val must be at least 0, got -0.5"),
        ({"num_sanity_val_steps": -2}, r"trainer\.num_sanity_val_steps must be at least -1, got -2"),
        ({"max_epochs": 0}, r"trainer\.max_epochs is 0, so that nothing would be trained: say 1 or more"),
        ({"max_steps": 0}, r"trainer\.max_steps is 0, so that nothing would be trained"),
        ({"limit_train_batches": 0.0}, r"trainer\.limit_train_batches is 0, so that nothing would be trained"),
        ({"val_check_interval": 0}, r"trainer\.val_check_interval is 0: say after how many batches"),
    ],
)
def test_options_out_of_range(option: dict[str, Any], expected: str) -> None:
    with pytest.raises(InputError, match=expected):
        refuse_options(DEFAULTS | option, [], fits=True)


def test_what_is_in_range_is_not_refused() -> None:
    refuse_options(DEFAULTS, [EarlyStopping("val/loss"), WeightAverage()], fits=True)
    refuse_options(DEFAULTS | {"log_every_n_steps": 0, "num_sanity_val_steps": -1, "max_epochs": -1}, [], fits=True)
    refuse_options(DEFAULTS | {"max_epochs": 0, "limit_train_batches": 0}, [], fits=False)  # nothing is trained
    refuse_variables({"wandb": {"name": "5 $", "tags": ["$HOME", "{a}"]}})  # which nobody takes for a variable


def test_a_callback_is_named_with_what_to_take_instead() -> None:
    with pytest.raises(InputError, match=r"BackboneFinetuning thaws .* inception_lightning.callbacks.Unfreeze"):
        refuse_options(DEFAULTS, [BackboneFinetuning()], fits=True)
    assert {"LearningRateFinder", "BatchSizeFinder", "StochasticWeightAveraging", "ModelPruning"} <= set(INSTEAD)


def test_more_processes_than_a_machine_bears(tmp_path: Path) -> None:
    cores = os.cpu_count() or 1
    refuse_crowd(quiet_trainer(tmp_path, devices=2))
    with pytest.raises(InputError, match=f"this machine has {cores} cores; say --trainer.devices {cores} or less"):
        refuse_crowd(quiet_trainer(tmp_path, devices=5 * cores))


@pytest.mark.parametrize(
    ("precision", "capabilities", "said"),
    [
        ("bf16-true", {"avx2": True, "avx512_bf16": False}, "no instructions for bfloat16"),
        ("bf16-true", {"avx512_bf16": True}, ""),
        ("bf16-true", {"bf16": True}, ""),  # ARM
        ("bf16-true", None, ""),
        ("16-true", {"avx512_bf16": True}, "no instructions for float16"),
        ("32-true", {}, ""),
    ],
)
def test_half_precision_without_its_instructions_is_said_to_be_slow(
    tmp_path: Path, precision: Any, capabilities: Any, said: str, caplog: pytest.LogCaptureFixture
) -> None:
    warn_of_slow_precision(quiet_trainer(tmp_path, precision=precision), capabilities)
    assert said in caplog.text
    assert ("no instructions" in caplog.text) == bool(said)


@pytest.mark.parametrize(
    ("make", "expected"),
    [
        (lambda: Digits(batch_size=0), r"data\.batch_size must be at least 1, got 0"),
        (lambda: Digits(num_workers=-1), r"data\.num_workers must be at least 0, got -1"),
        (lambda: Digits(image_size=-1), r"data\.image_size must be at least 1, got -1"),
        (lambda: Augmentation(area=(2, 3)), r"area of the images' views must be two shares of 0\.\.1"),
        (lambda: Augmentation(aspect=(0, 0)), r"aspect of the images' views must be two ratios above 0"),
        (lambda: Augmentation(erasing=2), r"erasing of the images' views must be 0\.\.1, got 2"),
        (lambda: Augmentation(distortion=-1), r"distortion of the images' views must be at least 0, got -1"),
        (lambda: Augmentation(rand_augment=31), r"rand_augment of the images' views must be 0\.\.30, got 31"),
        (lambda: CenterCrop(fraction=0), r"fraction of the images' views must be above 0 and at most 1, got 0"),
        (lambda: WeightAverage(2), r"ema_decay must be 0\.\.1, got 2"),
        (lambda: Continuation(minutes=-1), r"last\.minutes must be at least 0"),
        (lambda: Continuation(every_n_steps=0), r"last\.every_n_steps at least 1, got 10\.0 and 0"),
        (lambda: InceptionClassifier(tiny(8), trunk_rate=-1), r"model\.trunk_rate must be at least 0, got -1"),
        (lambda: InceptionClassifier(tiny(8), base_batch_size=0), r"model\.base_batch_size must be at least 1"),
        (lambda: InceptionClassifier(tiny(8), mixup=float("nan")), r"model\.mixup must be at least 0, got nan"),
    ],
)
def test_arguments_out_of_range(make: Any, expected: str) -> None:
    with pytest.raises(InputError, match=expected):
        make()
