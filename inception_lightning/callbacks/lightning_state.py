"""What Lightning 2.6 keeps to itself and a run that goes on exactly must know; its private names stand here only.

Averages have theirs in `averaging`, which subclasses Lightning's own.
"""

from typing import Any

import lightning.pytorch as pl
from lightning.pytorch.strategies import DDPStrategy, DeepSpeedStrategy, FSDPStrategy, ModelParallelStrategy


def logged_steps(checkpoint: dict[str, Any]) -> int:
    """The steps that Lightning had counted for its loggers when it made ``checkpoint``."""
    steps: int = checkpoint["loops"]["fit_loop"]["epoch_loop.state_dict"]["_batches_that_stepped"]
    return steps


def set_logged_steps(trainer: pl.Trainer, steps: int) -> None:
    """Correct the count: Lightning makes it one too many where it skips a validation that was done before the stop."""
    trainer.fit_loop.epoch_loop._batches_that_stepped = steps


def go_on(trainer: pl.Trainer) -> None:
    """Have the epoch that a run goes on with end as any other: Lightning would leave out ReduceLROnPlateau's step."""
    trainer.fit_loop._restarting = False


def leave_signals_alone(trainer: pl.Trainer) -> None:
    """Spare every batch the broadcast by which processes ask the first one for a SIGTERM, and wait for the answer.

    Lightning's own handler, which would note that signal, is not installed where `runs.signals` heeds it.
    """
    trainer.fit_loop.epoch_loop._broadcast_sigterm_tensor = _nothing  # type: ignore[method-assign]


def _nothing() -> None:
    pass


def begin_validation_again(checkpoint: dict[str, Any]) -> None:
    """Have a run that was stopped within a validation begin that validation again, when it goes on."""
    begun = {"ready": 1, "started": 1, "processed": 0, "completed": 0}
    place = checkpoint["loops"]["fit_loop"]["epoch_loop.val_loop.batch_progress"]
    place.update(total=dict(begun), current=dict(begun), is_last_batch=False)


def shards_weights(trainer: pl.Trainer) -> bool:
    """Whether no process has the whole network, so that one alone can compute nothing with it."""
    return isinstance(trainer.strategy, FSDPStrategy | ModelParallelStrategy | DeepSpeedStrategy)


def waits_for_every_gradient(trainer: pl.Trainer) -> bool:
    """Whether processes wait for the gradients of all parameters, of frozen ones too, and so for ever."""
    strategy = trainer.strategy
    return isinstance(strategy, DDPStrategy) and not strategy._ddp_kwargs.get("find_unused_parameters")
