"""What `lightning fit` costs over a plain PyTorch loop: ``python benchmarks/fit.py --config PAGE [options of fit]``.

Every step of the run is followed by one of a plain loop over a twin of the network, on the same batch size, with
the same optimizer, losses and clipping, so that both meet the machine in the same state. What lies between two
plain steps is the run's: data, normalisation, training step, guards, telemetry, logging to metrics.csv and W&B.
"""

import copy
import os
import statistics
import sys
import time
from collections.abc import Iterator
from itertools import chain, repeat
from typing import Any

import lightning.pytorch as pl
import torch
from lightning.pytorch.callbacks import Callback
from rich.console import Console
from torch import Tensor, nn

from inception_lightning.commands.exit_codes import exit_code
from inception_lightning.commands.fit import InceptionCLI, main
from inception_lightning.data.base import Batch, ImageDataModule
from inception_lightning.training.classifier import InceptionClassifier
from inception_lightning.training.optim import fused

WARM_UP = 5
"""Turns that are not counted: memory is being found, convolutions are being chosen."""
TURN = int(os.environ.get("STEPS_PER_TURN", "1"))
"""Steps of each, one after the other. On a GPU several: between two turns it is waited for, and within none."""


class PlainTwin(Callback):
    """Trains a twin of the module in a plain loop, one step after each of the Trainer's."""

    def __init__(self) -> None:
        self.steps = 0  # of the Trainer's turn
        self.fit: list[float] = []  # seconds per step
        self.plain: list[float] = []
        self.clock: float | None = None

    def on_train_start(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """Copy the network and make an optimizer of the same kind."""
        assert isinstance(pl_module, InceptionClassifier)
        data: ImageDataModule = trainer.datamodule  # type: ignore[attr-defined]
        self.device = trainer.strategy.root_device
        self.twin = copy.deepcopy(pl_module.net)
        self.weights, self.smoothing = pl_module.aux_weights, pl_module.label_smoothing
        self.mean, self.std = pl_module.mean.clone(), pl_module.std.clone()
        optimizer = fused(pl_module.optimizer, trainer)
        self.optimizer = optimizer([p for p in self.twin.parameters() if p.requires_grad])
        self.clip = trainer.gradient_clip_val
        self.bfloat16 = trainer.precision == "bf16-mixed"
        self.batches: Iterator[Batch] = chain.from_iterable(map(iter, repeat(data.train_dataloader())))

    def on_train_epoch_start(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """The first turn of an epoch, whose loader starts, is not compared."""
        self.steps, self.clock = 0, None

    def on_train_batch_end(
        self, trainer: pl.Trainer, pl_module: pl.LightningModule, outputs: Any, batch: Any, batch_idx: int
    ) -> None:
        """After a turn, take the Trainer's time, then that of as many plain steps."""
        self.steps += 1
        if self.steps < TURN:
            return
        self._wait()
        end = time.perf_counter()
        for _ in range(TURN):
            self._plain_step()
        self._wait()
        if self.clock is not None:
            self.fit.append((end - self.clock) / TURN)
            self.plain.append((time.perf_counter() - end) / TURN)
        self.steps, self.clock = 0, time.perf_counter()

    def _plain_step(self) -> None:
        images, labels = next(self.batches)
        inputs = images.to(self.device, memory_format=torch.channels_last).float().div(255)
        inputs = (inputs - self.mean) / self.std
        with torch.autocast(self.device.type, torch.bfloat16, enabled=self.bfloat16):
            loss = self._loss(inputs, labels.to(self.device))
        self.optimizer.zero_grad()
        loss.backward()
        if self.clip:
            nn.utils.clip_grad_norm_(self.twin.parameters(), self.clip)
        self.optimizer.step()

    def _loss(self, inputs: Tensor, labels: Tensor) -> Tensor:
        criterion = nn.CrossEntropyLoss(label_smoothing=self.smoothing)
        if not any(self.weights.values()):
            return criterion(self.twin(inputs), labels)
        logits, aux = self.twin.forward_with_aux(inputs)
        heads = [self.weights[name] * criterion(head, labels) for name, head in aux.items()]
        return torch.stack([criterion(logits, labels), *heads]).sum()

    def _wait(self) -> None:
        if self.device.type == "cuda":
            torch.cuda.synchronize()


class PairedCLI(InceptionCLI):
    """`lightning fit` with a twin."""

    def instantiate_trainer(self, **kwargs: Any) -> pl.Trainer:
        """The run's own Trainer, and the twin after all other callbacks."""
        trainer = super().instantiate_trainer(**kwargs)
        self.twin = PlainTwin()
        trainer.callbacks.append(self.twin)  # type: ignore[attr-defined]  # set by a connector
        return trainer

    def run(self) -> None:
        """Train, and print."""
        super().run()
        report(self.twin.fit[WARM_UP:], self.twin.plain[WARM_UP:])


def report(fit: list[float], plain: list[float]) -> None:
    """The ratio of each pair of steps: median and quartiles, and that of the totals."""
    ratios = [ours / theirs for ours, theirs in zip(fit, plain, strict=True)]
    low, middle, high = statistics.quantiles(ratios, n=4)
    turn = "steps" if TURN == 1 else f"{TURN} steps"
    Console(width=120).print(
        f"{len(ratios)} pairs of {turn}: fit {1e3 * statistics.median(fit):.1f} ms, "
        f"plain loop {1e3 * statistics.median(plain):.1f} ms\n"
        f"ratio per pair: median {middle:.3f}, quartiles {low:.3f} to {high:.3f}; "
        f"of all the time {sum(fit) / sum(plain):.3f}",
        highlight=False,
    )


if __name__ == "__main__":
    sys.exit(exit_code(lambda: main(["fit", *sys.argv[1:]], PairedCLI)))
