import functools
from pathlib import Path
from typing import Any, ClassVar

import torch
from torch import Tensor

from inception_lightning.data import Digits
from inception_lightning.data.base import Batch
from inception_lightning.models import InceptionResNetV1
from inception_lightning.training.classifier import InceptionClassifier
from tests.trainers import quiet_trainer

SGD = functools.partial(torch.optim.SGD, lr=0.01)


def test_a_steps_numbers_pass_by_lightnings_log_once_and_are_those_of_the_last_step(tmp_path: Path) -> None:
    class Watched(InceptionClassifier):
        names: ClassVar[list[str]] = []
        last: ClassVar[Tensor]

        def log(self, name: str, *args: Any, **kwargs: Any) -> None:
            self.names.append(name)
            super().log(name, *args, **kwargs)

        def training_step(self, batch: Batch, batch_idx: int) -> Tensor:
            Watched.last = super().training_step(batch, batch_idx)
            return self.last

    running = quiet_trainer(tmp_path, max_epochs=2, limit_train_batches=3, limit_val_batches=0)
    running.fit(
        Watched(InceptionResNetV1(10, width=0.05, depths=(1, 1, 1), stem="small", aux=True), optimizer=SGD),
        datamodule=Digits(batch_size=4, num_workers=0),
    )
    of_steps = [name for name in Watched.names if name.startswith(("train/loss", "train/lr"))]
    assert sorted(of_steps) == ["train/loss", "train/loss_inception_b", "train/loss_main", "train/lr"]
    assert running.callback_metrics["train/loss"] == Watched.last
