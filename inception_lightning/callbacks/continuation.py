"""A run that is stopped anywhere and resumed is the same run: what it takes beyond Lightning's own state."""

import logging
import random
import time
from pathlib import Path
from typing import Any

import lightning.pytorch as pl
import numpy as np
import torch
from lightning.pytorch.callbacks import Callback
from torch import distributed

from inception_lightning.callbacks.agreement import Agreement
from inception_lightning.callbacks.lightning_state import (
    begin_validation_again,
    go_on,
    leave_signals_alone,
    logged_steps,
    set_logged_steps,
)
from inception_lightning.errors import InputError, Stop
from inception_lightning.loading.loaders import EvaluationLoader, TrainLoader
from inception_lightning.runs.checkpoints import ATTEMPTS, LAST, CheckpointFiles
from inception_lightning.runs.metrics_csv import MetricsFile
from inception_lightning.runs.signals import Signals
from inception_lightning.runs.wandb import boards
from inception_lightning.training.classifier import InceptionClassifier

log = logging.getLogger(__name__)

KEY = "continuation"
RETRY_SECONDS = 5.0


class Continuation(Callback):
    """Saves ``last.ckpt`` between two batches, and goes on from it bit by bit.

    It is saved at the end of each epoch, every so many minutes, and on a signal. Between two batches
    everything about the one before is done and logged, so nothing is lost or repeated. Several processes do not
    wait for each other there: each learns one step later what one of them was told.
    """

    def __init__(
        self,
        *,
        folder: Path = Path("checkpoints"),
        minutes: float = 10.0,
        every_n_steps: int | None = None,
        signals: Signals | None = None,
    ) -> None:
        """Say where and how often.

        Args:
            folder: Where ``last.ckpt`` goes.
            minutes: Save after so many minutes, within an epoch too.
            every_n_steps: Save after so many steps as well.
            signals: What notes signals, and is restored by who made it; by default made here.

        Raises:
            InputError: A number is out of range.
        """
        if not minutes >= 0 or (every_n_steps is not None and every_n_steps < 1):
            raise InputError(
                f"last.minutes must be at least 0 and last.every_n_steps at least 1, got {minutes} and {every_n_steps}"
            )
        self.folder = folder
        self.minutes = minutes
        self.every_n_steps = every_n_steps
        self.signals = signals or Signals()
        self.restores = signals is None
        self.loaded: dict[str, Any] | None = None
        self.saved_step = 0
        self.due_at = 0.0
        self.failures = 0  # saves in a row that have failed, as all processes know it
        self.stopping = False
        self.trainer: pl.Trainer
        self.agreement: Agreement

    def setup(self, trainer: pl.Trainer, pl_module: pl.LightningModule, stage: str) -> None:
        """Take the signals over from Lightning, whose handlers talk to the other processes in between."""
        self.signals.install()

    def on_train_start(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """Listen to signals and to the loader."""
        self.trainer = trainer
        self.agreement = Agreement(trainer.world_size)
        leave_signals_alone(trainer)
        self.signals.training = True
        self.saved_step = trainer.global_step
        self.due_at = time.monotonic() + 60 * self.minutes
        self.signals.install()
        loader = trainer.train_dataloader
        if isinstance(loader, TrainLoader):
            loader.listen(lambda: self.between_batches(loader.batches))
        elif not hasattr(loader, "state_dict") and trainer.is_global_zero:
            log.info(
                "%s does not know its place in the data: a run that is stopped within an epoch draws the rest of it "
                "anew; give it a state_dict (torchdata's StatefulDataLoader has one), or use an ImageDataModule",
                type(loader).__name__,
            )

    def between_batches(self, batches: int) -> None:
        """Save if it is time, and stop if a process was told to; ``batches`` of the epoch are done."""
        if batches % self.trainer.accumulate_grad_batches:
            return  # gradients are not saved
        self._save_or_stop(between_batches=True, epoch_begins=batches == 0)

    def on_validation_batch_start(
        self, trainer: pl.Trainer, pl_module: pl.LightningModule, batch: Any, batch_idx: int, dataloader_idx: int = 0
    ) -> None:
        """Stop if a process was told to; a resumed run begins this validation again."""
        loader = trainer.val_dataloaders
        if trainer.sanity_checking or not hasattr(self, "trainer"):
            return
        if isinstance(loader, EvaluationLoader):
            limit = trainer.limit_val_batches
            common = loader.common_batches * limit if isinstance(limit, float) else min(loader.common_batches, limit)
        else:  # nobody knows how many batches each process has
            common = batch_idx + 1 if trainer.world_size == 1 else 0
        if batch_idx < int(common):
            self._save_or_stop()

    def on_train_end(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """Save the end, however long the disk takes."""
        self.agreement.close()
        for _ in range(ATTEMPTS):
            if trainer.global_step == self.saved_step:
                return
            self._save()
            if self.failures:
                time.sleep(RETRY_SECONDS)
        if self.failures:
            raise self._no_space()

    def teardown(self, trainer: pl.Trainer, pl_module: pl.LightningModule, stage: str) -> None:
        """Hear what the others were told while the first one drew its pictures, and listen no more."""
        if stage == "fit" and hasattr(self, "agreement"):
            self.signals.code, *_ = self.agreement.now(self.signals.code)
        if self.restores:
            self.signals.restore()

    def on_save_checkpoint(
        self, trainer: pl.Trainer, pl_module: pl.LightningModule, checkpoint: dict[str, Any]
    ) -> None:
        """Add what every process needs to go on."""
        files = [logger for logger in trainer.loggers if isinstance(logger, MetricsFile)]
        for file in files:
            file.sync()
        checkpoint[KEY] = {
            "processes": _gather({"random": random_state(), "scores": _scores(pl_module)}, trainer.world_size),
            "rows": files[0].rows if files else 0,
            "logged_steps": logged_steps(checkpoint),
            "wandb": next((board.version for board in boards(trainer)), None),
        }
        if self.stopping and trainer.validating:
            begin_validation_again(checkpoint)

    def on_load_checkpoint(
        self, trainer: pl.Trainer, pl_module: pl.LightningModule, checkpoint: dict[str, Any]
    ) -> None:
        """Remember it until training starts; rows of ``metrics.csv`` that will be logged again go now."""
        self.loaded = checkpoint.get(KEY)
        if self.loaded is not None:
            for logger in trainer.loggers:
                if isinstance(logger, MetricsFile):
                    logger.truncate(self.loaded["rows"])

    def on_train_batch_start(
        self, trainer: pl.Trainer, pl_module: pl.LightningModule, batch: Any, batch_idx: int
    ) -> None:
        """Restore: everything that could draw random numbers before training goes on has done so."""
        self._restore(trainer, pl_module)
        if not isinstance(trainer.train_dataloader, TrainLoader):  # which would have asked before it fetched the batch
            self.between_batches(batch_idx)

    def on_validation_start(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """Restore, where the run stopped within this validation."""
        if not trainer.sanity_checking:
            self._restore(trainer, pl_module)

    def _restore(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        if self.loaded is None:
            return
        set_logged_steps(trainer, self.loaded["logged_steps"])
        go_on(trainer)
        processes = self.loaded["processes"]
        self.loaded = None
        if len(processes) != trainer.world_size:
            log.warning(
                "%d processes go on for %d: this is not the same run bit by bit", trainer.world_size, len(processes)
            )
            return
        own = processes[trainer.global_rank]
        set_random_state(own["random"])
        if isinstance(pl_module, InceptionClassifier):
            for name, value in own["scores"].items():
                setattr(pl_module.train_scores, name, value.to(pl_module.device))

    def _save_or_stop(self, *, between_batches: bool = False, epoch_begins: bool = False) -> None:
        """Do what the processes have agreed on, which all do at the same step; then say what is new here."""
        code, by_clock, self.failures = self.agreement.hear(*self._news())
        if self.failures >= ATTEMPTS:
            raise self._no_space()
        unsaved = self.trainer.global_step - self.saved_step
        by_step = self.every_n_steps is not None and unsaved >= self.every_n_steps
        by_step = by_step and not self.failures  # a full disk is given time
        self.stopping = code > 0
        due = between_batches and (by_clock or by_step or epoch_begins)
        if unsaved and (due or code):
            self._save()
        if code:
            raise Stop(f"stopped at step {self.trainer.global_step}, saved in {self.folder / LAST}", code)
        self.agreement.say(*self._news())

    def _news(self) -> tuple[int, int, int]:
        files = self.trainer.strategy.checkpoint_io
        failures = files.failures if isinstance(files, CheckpointFiles) else 0  # on the process that writes
        return self.signals.code, int(time.monotonic() >= self.due_at), failures

    def _save(self) -> None:
        self.trainer.save_checkpoint(self.folder / LAST)
        _, _, self.failures = self.agreement.now(*self._news())
        if self.failures:
            self.due_at = time.monotonic() + RETRY_SECONDS
            return
        self.saved_step = self.trainer.global_step
        self.due_at = time.monotonic() + 60 * self.minutes

    def _no_space(self) -> Stop:
        return Stop(f"the last {ATTEMPTS} checkpoints could not be saved in {self.folder}: free some space there", 74)


def random_state() -> dict[str, Any]:
    """Where Python's, NumPy's and torch's random numbers are, as lists and tensors."""
    version, numbers, gauss = random.getstate()
    name, keys, *rest = np.random.get_state(legacy=True)
    state = {
        "python": [version, list(numbers), gauss],
        "numpy": [str(name), [int(key) for key in keys], *(float(one) for one in rest)],
        "torch": torch.get_rng_state(),
    }
    return state | ({"cuda": torch.cuda.get_rng_state()} if torch.cuda.is_available() else {})


def set_random_state(state: dict[str, Any]) -> None:
    """Go on with the random numbers where `random_state` was asked."""
    version, numbers, gauss = state["python"]
    random.setstate((version, tuple(numbers), gauss))
    name, keys, position, has_gauss, cached = state["numpy"]
    np.random.set_state((name, np.array(keys, dtype=np.uint32), int(position), int(has_gauss), cached))
    torch.set_rng_state(state["torch"].cpu())
    if "cuda" in state and torch.cuda.is_available():
        torch.cuda.set_rng_state(state["cuda"].cpu())


def _scores(pl_module: pl.LightningModule) -> dict[str, Any]:
    """What the epoch has counted so far on this process."""
    if not isinstance(pl_module, InceptionClassifier):
        return {}
    return {name: torch.as_tensor(value).cpu() for name, value in pl_module.train_scores.metric_state.items()}


def _gather(own: dict[str, Any], world_size: int) -> list[dict[str, Any]]:
    if world_size == 1:
        return [own]
    gathered: list[dict[str, Any]] = [{}] * world_size
    distributed.all_gather_object(gathered, own)
    return gathered
