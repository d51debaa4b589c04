"""The temperature that a checkpoint holds divides logits in evaluation, and training starts without one."""

from pathlib import Path

import lightning.pytorch as pl
import torch

from inception_lightning.configurable import KEY
from inception_lightning.data import Digits
from inception_lightning.models import GoogLeNet
from inception_lightning.training.classifier import InceptionClassifier


def trainer(folder: Path) -> pl.Trainer:
    quiet = {"logger": False, "enable_progress_bar": False, "enable_model_summary": False}
    return pl.Trainer(accelerator="cpu", default_root_dir=folder, max_steps=1, limit_val_batches=1, **quiet)  # type: ignore[arg-type]  # of several types


def module() -> InceptionClassifier:
    return InceptionClassifier(GoogLeNet(10, stem="small", width=0.05, aux=False))


def test_evaluation_takes_the_temperature_of_a_checkpoint_and_training_does_not(tmp_path: Path) -> None:
    trained = module()
    running = trainer(tmp_path)
    running.fit(trained, Digits(num_workers=0))
    running.save_checkpoint(tmp_path / "a.ckpt")
    content = torch.load(tmp_path / "a.ckpt", weights_only=True)
    assert content[KEY]["temperature"] == 1.0
    content[KEY]["temperature"] = 2.5
    torch.save(content, tmp_path / "b.ckpt")

    warm = InceptionClassifier.load_from_checkpoint(tmp_path / "b.ckpt")
    images = torch.randint(256, (4, 3, 16, 16), dtype=torch.uint8)
    with torch.inference_mode():
        torch.testing.assert_close(warm(images), trained.eval()(images) / 2.5)
    again = module()
    trainer(tmp_path).validate(
        again, Digits(num_workers=0), ckpt_path=tmp_path / "b.ckpt", verbose=False, weights_only=True
    )
    assert again.temperature == 2.5
    further = module()
    trainer(tmp_path).fit(further, Digits(num_workers=0), ckpt_path=tmp_path / "b.ckpt", weights_only=True)
    assert further.temperature == 1.0
