"""Loaders whose place in the data is plain state, and which every process leaves at the same time."""

import atexit
import multiprocessing
import signal
from collections.abc import Callable, Iterator, Sequence
from typing import TypeAlias

import torch
from torch import Tensor
from torch.utils.data import DataLoader, Dataset, default_collate

from inception_lightning.errors import Stop
from inception_lightning.loading.batched_views import SampleBatch
from inception_lightning.loading.dataset import Label
from inception_lightning.loading.sampler import EvaluationSampler, TrainSampler

Sample: TypeAlias = tuple[Tensor, Label]
Collate: TypeAlias = Callable[[Sequence[Sample]], tuple[Tensor, Tensor]]
WORKER_SIGNS = ("DataLoader worker", "Pin memory thread")
STOPPING_SECONDS = 60  # a worker outlives a SIGTERM so long, while training stops and saves


def collate(samples: Sequence[Sample]) -> tuple[Tensor, Tensor]:
    """One batch, its pixels side by side in memory: as images are decoded, and as convolutions like it.

    In a worker process torch's own function puts it into shared memory straight away.
    """
    if isinstance(samples, SampleBatch):
        return samples.images, samples.labels
    images, labels = zip(*samples, strict=True)
    pixels: Tensor = default_collate([image.permute(1, 2, 0) for image in images])  # (N, H, W, 3)
    return pixels.permute(0, 3, 1, 2), batched(labels)  # (N, 3, H, W), channels-last


def batched(labels: Sequence[Label]) -> Tensor:
    """Class indices (N,), or rows (N, K), of the images of a batch."""
    rows = [label for label in labels if isinstance(label, Tensor)]
    return torch.stack(rows) if rows else torch.tensor(labels)


def leave_signals_to_parent(worker: int) -> None:
    """Have a worker process wait for what its training process makes of a signal that came to all of them.

    A terminal's Ctrl-C, ``timeout`` and SLURM tell every process; a worker that died first would look like the reason.
    """
    for name in ("SIGINT", "SIGHUP", "SIGUSR1"):
        if hasattr(signal, name):
            signal.signal(getattr(signal, name), signal.SIG_IGN)
    if hasattr(signal, "alarm"):  # the training process ends a worker by SIGTERM too, if it does not end by itself
        signal.signal(signal.SIGTERM, lambda *_: signal.alarm(STOPPING_SECONDS))


def end_workers() -> None:
    """End what still loads when the program does: multiprocessing would ask by a SIGTERM, which they outlive."""
    for process in multiprocessing.active_children():
        if process.daemon:
            process.kill()


atexit.register(end_workers)


class _Loader(DataLoader[Sample]):
    """A DataLoader with what training and evaluation have in common."""

    batch_size: int

    def __init__(
        self,
        views: Dataset[Sample],
        sampler: TrainSampler | EvaluationSampler,
        *,
        collate: Collate,
        batch_size: int,
        num_workers: int,
        drop_last: bool = False,
    ) -> None:
        """Batch ``views`` in the order of ``sampler``."""
        super().__init__(
            views,
            batch_size=batch_size,
            sampler=sampler,
            num_workers=num_workers,
            collate_fn=collate,
            drop_last=drop_last,
            pin_memory=torch.cuda.is_available(),
            persistent_workers=num_workers > 0,
            worker_init_fn=leave_signals_to_parent,
            generator=torch.Generator(),  # its own, so that a new epoch does not draw from the training's numbers
        )


class TrainLoader(_Loader):
    """Training batches; its state is ``(epoch, batches handed out)``, which Lightning saves and restores."""

    sampler: TrainSampler
    epoch = 0
    batches = 0
    resumed = False
    _before_batch: Callable[[], None] | None = None

    def listen(self, function: Callable[[], None]) -> None:
        """Call ``function``, and no other, before each batch is fetched: the one before is then done and logged."""
        self._before_batch = function

    def __iter__(self) -> Iterator[tuple[Tensor, Tensor]]:  # type: ignore[override]  # batches, not torch's iterator
        # A generator: Lightning makes the iterator before it tells the sampler the epoch, so nothing may
        # be drawn or prefetched before the first batch is asked for.
        epoch = self.sampler.epoch
        self.batches = self.batches if self.resumed and self.epoch == epoch else 0
        self.epoch, self.resumed = epoch, False
        fetched: Iterator[tuple[Tensor, Tensor]] | None = None
        while self.batches < len(self):
            if self._before_batch is not None:
                self._before_batch()
            if fetched is None:
                self.sampler.skip = self.batches * self.batch_size
                fetched = super().__iter__()
            batch = _fetch(fetched)
            self.batches += 1
            yield batch

    def state_dict(self) -> dict[str, int]:
        """Where the next batch comes from."""
        return {"epoch": self.epoch, "batches": self.batches}

    def load_state_dict(self, state: dict[str, int]) -> None:
        """Go on where ``state`` was taken."""
        self.epoch, self.batches, self.resumed = state["epoch"], state["batches"], True

    def indices(self, batches: int | None = None) -> list[int]:
        """The samples of the batch that was handed out last, or of the epoch's batch number ``batches``, from 1."""
        end = (self.batches if batches is None else batches) * self.batch_size
        return self.sampler.share()[end - self.batch_size : end]


class EvaluationLoader(_Loader):
    """Evaluation batches: every sample once, and one empty batch on a process that has no sample.

    Without it that process would skip the evaluation in whose end all processes count together.
    """

    sampler: EvaluationSampler

    def __iter__(self) -> Iterator[tuple[Tensor, Tensor]]:  # type: ignore[override]  # as in TrainLoader
        if len(self.sampler) == 0 and self.sampler.size:
            images, labels = collate([self.dataset[0]])
            yield images[:0], labels[:0]  # (0, 3, H, W), (0,)
            return
        fetched = super().__iter__()
        for _ in range(len(self)):
            yield _fetch(fetched)

    def __len__(self) -> int:
        return max(super().__len__(), min(1, self.sampler.size))

    @property
    def common_batches(self) -> int:
        """The number of batches that every process has at least."""
        return -(-(self.sampler.size // self.sampler.num_replicas * self.sampler.views) // self.batch_size)


def worker_died(error: Exception) -> Stop | None:
    """What to say where ``error`` means that a loader's process is dead; None for any other error."""
    if not isinstance(error, EOFError | ConnectionError) and not str(error).startswith(WORKER_SIGNS):
        return None
    reason = str(error).splitlines()[0] if str(error) else type(error).__name__
    return Stop(
        f"a loader's process died ({reason}): the usual cause is too little memory; say fewer --data.num_workers", 1
    )


def _fetch(batches: Iterator[tuple[Tensor, Tensor]]) -> tuple[Tensor, Tensor]:
    try:
        return next(batches)
    except (EOFError, ConnectionError) as error:
        raise worker_died(error) or error from error
