"""Each bad input: its sentence on one line, and exit code 2."""

from pathlib import Path
from typing import Any

import pytest
import torch
import yaml
from PIL import Image

from inception_lightning.__main__ import main
from tests.processes import SMALL, UNVALIDATED

QUICKSTART = "--config=experiments/quickstart.yaml"
QUIET = [
    "--trainer.fast_dev_run=true",
    "--trainer.accelerator=cpu",
    "--trainer.enable_progress_bar=false",
    "--trainer.enable_model_summary=false",
    "--trainer.devices=1",
]


OURS = ("inception_lightning.training.optim.RMSpropTF", "inception_lightning.training.muon.Muon")
SCHEDULE = "--model.lr_scheduler=WarmupCosineLR"


def complaint(capsys: pytest.CaptureFixture[str], *args: str) -> str:
    """The one line that the program prints for a bad input."""
    assert main(list(args)) == 2
    error = capsys.readouterr().err.strip()
    assert error.startswith("error: "), error
    assert len(error.splitlines()) == 1, error
    return error.removeprefix("error: ")


@pytest.mark.parametrize(
    ("flag", "expected"),
    [
        ("--modle.net=InceptionV3", "there is no option modle.net: did you mean model.net?"),
        ("--trainer.max_epoch=3", "there is no option trainer.max_epoch: did you mean trainer.max_epochs?"),
        ("--model.net.residual_scale=1", "there is no option model.net.residual_scale: did you mean residual_scales?"),
        ("--trainer.max_epochs=many", "trainer.max_epochs: expected int or null, got many"),
        ("--data.batch_size=big", "data.batch_size: expected int, got big"),
        ("--model.net.init_args.width=wide", "model.net.width: expected float, got wide"),
        ("--model.net.stem=tiny", "model.net.stem: expected 'imagenet' or 'small', got tiny"),
        ("--model.net.depths=[1,2]", "model.net.depths: expected tuple with 3 elements, got [1, 2]"),
        ("--model.net=InceptionResnetV1", "model.net: there is no class InceptionResnetV1: did you mean Incep"),
        ("--data=CIFAR11", "data: there is no class CIFAR11: did you mean CIFAR10"),
        ("--model.net.num_classes=7", "model.net.num_classes is 7, and Digits has 10 classes: leave it out"),
        ("--model.net.residual_scales=-1", "residual_scales must be one number of at least 0, or one per stage"),
        ("--model.net.stem=imagenet", "InceptionResNetV1 needs images of at least 75 x 75 pixels and got 16 x 16"),
        ("--model.aux_weight.inception_a=0.3", "aux_weight names 'inception_a', and the heads are on"),
        ("--ckpt_path=nowhere.ckpt", "there is no checkpoint nowhere.ckpt"),
        ("--config=nowhere.yaml", "there is no file"),
        ("--model.net.residual_scales=big", "residual_scales: expected float or tuple or 'learned', got big"),
        ("--model.optimizer.lr=big", "model.optimizer.lr: expected float or Tensor, got big"),
        ("--model.lr_scheduler.T_max=big", "model.lr_scheduler.T_max: expected int, got big"),
        ("--model.net=torch.nn.ReLU", "ReLU does not say how many classes it has: give it an attribute num_classes"),
        ("--model.net=torch.fx.GraphModule", "a page may not name torch.fx.GraphModule: say --trust torch"),
        ("--model.label_smoothing=2", "label_smoothing must be 0..1, got 2.0"),
        (
            "--trainer.strategy=dpp",
            "the Trainer refuses an option: You selected an invalid strategy name: `strategy='dpp'`",
        ),
        ("--trainer.devices=many", "the Trainer refuses an option: `devices` selected with `CPUAccelerator` should"),
        ("--trainer.accelerator=hpu", "the Trainer refuses an option: You selected an invalid accelerator name"),
        ("--checkpoint.mode=most", "`mode` can be min, max but got most"),
        ("--trainer.sync_batchnorm=true", "sync_batchnorm needs GPUs: torch synchronises batch norm there only"),
        ("--recompute=[stam]", "recompute must be one of stem, inception_a, reduction_a, inception_b, reduction_b"),
        ("--data.val_fraction=2", "cannot hold out val_fraction 2.0 of 1797 images"),
        (
            "--trainer.overfit_batches=2",
            "overfit_batches would take the loaders apart: say --trainer.limit_",
        ),
        (
            "--trainer.callbacks+=LearningRateFinder",
            "LearningRateFinder sets an attribute that no rate here is",
        ),
        ("--trainer.callbacks+=BatchSizeFinder", "BatchSizeFinder sets an attribute of loaders that exist already"),
        ("--trainer.logger=TensorBoardLogger", "TensorBoardLogger needs save_dir, which nobody has given"),
        (
            "--seed_everything=null",
            "seed_everything: expected bool or int, got None: say a number, or false for no seed",
        ),
        ("--trainer.callbacks+=EarlyStoping", "there is no class EarlyStoping: did you mean EarlyStopping?"),
        (
            "--trainer.callbacks+=lightning.pytorch.callbacks.LearningRateMonitr",
            "did you mean LearningRateMonitor?",
        ),
        ("--trainer.limit_train_batches=0", "trainer.limit_train_batches is 0, so that nothing would be trained"),
        ("--trainer.devices=4096", "trainer.devices is 4096: on a CPU each is a process of its own, and this machine"),
        ("--data.batch_size=0", "data.batch_size must be at least 1, got 0"),
        ("--data.image_size=100000", "the memory does not hold a step of this training: say a smaller --data.batch"),
        ("--data.augmentation.area=[2,3]", "area of the images' views must be two shares of 0..1"),
        ("--model.mixup=-1", "model.mixup must be at least 0, got -1"),
        *((f"--model.optimizer={name}", "must be at least 0, got -1") for name in OURS),
        ("--model.optimizer.lr=nan", "model.optimizer.lr: expected float or Tensor, got nan"),
    ],
)
def test_flags(capsys: pytest.CaptureFixture[str], flag: str, expected: str) -> None:
    rate = ["--model.optimizer.lr=-1"] if flag.startswith("--model.optimizer=") else []
    assert expected in complaint(capsys, "fit", QUICKSTART, *QUIET, flag, *rate)


@pytest.mark.parametrize(
    ("flags", "expected"),
    [
        (
            ["--trainer.val_check_interval=500"],
            "`val_check_interval` (500) must be less than or equal to the number of",
        ),
        (
            ["--trainer.callbacks+=EarlyStopping", "--trainer.callbacks.monitor=val/nothing"],
            "EarlyStopping watches val/nothing, which nobody logs: say one of train/loss, ",
        ),
        (["--checkpoint.monitor=val/nothing"], "checkpoint.monitor watches val/nothing, which nobody logs: "),
        (["--data.batch_size=1"], "a batch of one image leaves batch norm a single value of each channel"),
        (
            ["--trainer.default_root_dir=/dev/null/x"],
            "no run can be made in /dev/null/x (Not a directory): say --",
        ),
        (["--trainer.default_root_dir=/etc/passwd"], "no run can be made in /etc/passwd (Not a directory): say --"),
        (["--trainer.default_root_dir=a\0b"], "no run can be made in a\\x00b (embedded null byte): say --"),
        (["--trainer.default_root_dir=/proc/x"], "no run can be made in /proc/x (No such file or directory): say --"),
        (["--checkpoint.dirpath=/dev/null"], "(Not a directory): say --checkpoint.dirpath FOLDER"),
        ([SCHEDULE, "--model.lr_scheduler.total=2"], "warmup must be 0 or more and less than total 2, got 5"),
        pytest.param(
            [SCHEDULE, "--model.lr_scheduler.total=-2"],
            "warmup must be 0 or more and less than total -2, got 5",
            marks=pytest.mark.slow,
        ),
        ([SCHEDULE], "model.lr_scheduler: inception_lightning.training.optim.WarmupCosineLR needs total, which nobody"),
        (
            [
                "--model.lr_scheduler=OneCycleLR",
                "--model.lr_scheduler.max_lr=0.1",
                "--trainer.max_epochs=-1",
            ],
            "OneCycleLR must know its length: say --trainer.max_epochs or --trainer.max_steps",
        ),
        (
            ["--trainer.logger=TensorBoardLogger", "--trainer.logger.save_dir=x"],
            "trainer.logger: lightning.pytorch.loggers.TensorBoardLogger needs the package tensorboard, which is not",
        ),
        (
            ["--trainer.logger=[{class_path: TensorBoardLogger, init_args: {save_dir: x}}]"],
            "trainer.logger: lightning.pytorch.loggers.TensorBoardLogger needs the package tensorboard, which is not",
        ),
        (
            ["--trust=lightning", "--trainer.logger=MLFlowLogger"],
            "MLFlowLogger needs the package mlflow, which is not installed: pip install mlflow",
        ),
        (
            ["--trust=lightning", "--trainer.logger=CometLogger"],
            "CometLogger needs the package comet-ml, which is not installed: pip install comet-ml",
        ),
        (
            [
                "--trainer.callbacks+=StochasticWeightAveraging",
                "--trainer.callbacks.swa_lrs=0.1",
            ],
            "StochasticWeightAveraging keeps averages in no file: say --ema_decay",
        ),
    ],
)
def test_what_lightning_refuses(
    capsys: pytest.CaptureFixture[str], tmp_path: Path, flags: list[str], expected: str
) -> None:
    assert main(["fit", *SMALL, "--trainer.max_epochs=1", f"--trainer.default_root_dir={tmp_path}", *flags]) == 2
    *_, error = [line for line in capsys.readouterr().err.splitlines() if line.startswith("error: ")]
    assert expected in error
    for run in tmp_path.iterdir():  # nothing is left behind of what had not begun
        assert (run / "metrics.csv").is_file()


@pytest.mark.parametrize(
    "flags", [["--trainer.callbacks+=Timer", "--seed_everything=true"], ["--seed_everything=false"]]
)
def test_what_lightning_has_works(tmp_path: Path, flags: list[str]) -> None:
    once = ["--trainer.max_epochs=1", "--trainer.limit_train_batches=1", f"--trainer.default_root_dir={tmp_path}"]
    assert main(["fit", *SMALL, *UNVALIDATED, *once, *flags]) == 0


@pytest.mark.parametrize(
    ("page", "expected"),
    [
        ({"trianer": {"max_epochs": 3}}, "there is no option trianer.max_epochs: did you mean trainer.max_epochs?"),
        ({"model": {"label_smooting": 0.1}}, "no option model.label_smooting: did you mean model.label_smoothing?"),
        ({"model": {"net": {"init_args": {"widht": 1}}}}, "no option model.net.widht: did you mean width?"),
        ({"model": {"optimizer": {"class_path": "AdamV"}}}, "model.optimizer: there is no class AdamV: did you mean"),
        (
            {"model": {"optimizer": {"class_path": "AdamW", "init_args": {"learning_rate": 1}}}},
            "there is no option model.optimizer.learning_rate",
        ),
        (
            {"data": {"init_args": {"augmentation": {"flipp": True}}}},
            "no option data.augmentation.flipp: did you mean flip?",
        ),
    ],
)
def test_pages(capsys: pytest.CaptureFixture[str], tmp_path: Path, page: dict[str, Any], expected: str) -> None:
    path = tmp_path / "page.yaml"
    path.write_text(yaml.safe_dump(page))
    assert expected in complaint(capsys, "fit", QUICKSTART, *QUIET, f"--config={path}")


@pytest.mark.parametrize(
    ("page", "key"),
    [
        ({"data": {"class_path": "ImageFolder", "init_args": {"root": "${DATA}"}}}, "data.init_args.root: ${DATA}"),
        ({"trainer": {"default_root_dir": "${HOME}/runs"}}, "trainer.default_root_dir: ${HOME}/runs"),
        ({"trainer": {"max_epochs": "${EPOCHS}"}}, "trainer.max_epochs: ${EPOCHS}"),
        ({"wandb": {"tags": ["a", "of-${USER}"]}}, "wandb.tags: of-${USER}"),
    ],
)
def test_a_page_knows_no_variables(
    capsys: pytest.CaptureFixture[str], tmp_path: Path, page: dict[str, Any], key: str
) -> None:
    path = tmp_path / "page.yaml"
    path.write_text(yaml.safe_dump(page))
    assert f"{key} is kept as it is, for" in complaint(capsys, "fit", QUICKSTART, *QUIET, f"--config={path}")


def test_a_page_that_is_no_yaml(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    path = tmp_path / "page.yaml"
    path.write_text("model: [1\n")
    assert "parsing" in complaint(capsys, "fit", QUICKSTART, *QUIET, f"--config={path}")


@pytest.mark.parametrize(
    ("args", "expected"),
    [
        (["fitt"], "there is no command fitt: did you mean fit?"),
        (["fit", QUICKSTART, "--ema_decay=0.9", "--trainer.strategy=fsdp"], "ema_decay averages whole weights, which"),
        (["fit", QUICKSTART, "--trainer.strategy=fsdp", "--trainer.accelerator=cpu"], "`fsdp` requires a GPU"),
        (["fit"], "model.net is missing: say --model.net VALUE, or --config FILE"),
        (["predict", "--data.root=photos"], "predict needs the checkpoint of a trained network: say --ckpt_path FILE"),
        (["test", QUICKSTART, "--ckpt_path=last", "--trainer.default_root_dir=nowhere"], "no run in nowhere has a che"),
        (["fit", QUICKSTART, "--ckpt_path=last", "--trainer.default_root_dir=nowhere"], "no run in nowhere has a che"),
    ],
)
def test_commands(capsys: pytest.CaptureFixture[str], args: list[str], expected: str) -> None:
    assert expected in complaint(capsys, *args)


def test_folders_and_images(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    folder = ["fit", QUICKSTART, *QUIET, "--data=ImageFolder", "--data.num_workers=1"]
    missing = complaint(capsys, *folder, f"--data.root={tmp_path / 'nowhere'}")
    assert missing == f"there is no folder {tmp_path / 'nowhere'}: say --data.root FOLDER"

    empty = complaint(capsys, *folder, f"--data.root={tmp_path}")
    assert empty.startswith(f"{tmp_path} holds no class folders: put the images of each class into a folder")

    for name in ("cat", "dog"):
        (tmp_path / name).mkdir()
        for index in range(5):
            pixels = torch.randint(0, 255, (20, 20, 3), dtype=torch.uint8).numpy()
            Image.fromarray(pixels).save(tmp_path / name / f"{index}.png")
    broken = tmp_path / "cat" / "broken.jpg"
    broken.write_text("<html>not found</html>")
    unreadable = complaint(capsys, *folder, f"--data.root={tmp_path}", "--data.batch_size=16")
    assert unreadable.startswith(f"cannot read the image {broken}: ")


def test_checkpoints(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    text = tmp_path / "text.ckpt"
    text.write_text("not a checkpoint")
    assert complaint(capsys, "test", QUICKSTART, f"--ckpt_path={text}").startswith(f"{text} is not a readable checkp")

    other = tmp_path / "other.ckpt"
    torch.save({"state_dict": {}}, other)
    sentence = complaint(capsys, "test", QUICKSTART, f"--ckpt_path={other}")
    assert sentence == f"{other} is not a checkpoint of inception_lightning"
