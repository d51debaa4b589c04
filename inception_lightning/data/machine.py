"""What this machine can take: worker processes, and the shared memory through which they hand on their batches."""

import logging
import os
import shutil
from pathlib import Path

from inception_lightning.errors import InputError

log = logging.getLogger(__name__)

SHARED_MEMORY = Path("/dev/shm")
PREFETCHED = 2  # batches per worker that lie ready; DataLoader's default
MIB = 2**20


def workers(image_size: int, batch_size: int) -> int:
    """One worker process per core, 8 at most, and no more than the shared memory holds the batches of."""
    usable = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
    wanted = min(8, usable or 1)
    free = _free()
    if free is None:
        return wanted
    count = max(0, min(wanted, int(free / _per_worker(image_size, batch_size))))
    if count < wanted:
        log.warning("%d workers instead of %d: %s has only %d MiB free", count, wanted, SHARED_MEMORY, free // MIB)
    return count


def check_shared_memory(image_size: int, batch_size: int, num_workers: int) -> None:
    """Refuse more than the shared memory holds, which would kill the workers in the middle of an epoch.

    Raises:
        InputError: The batches of ``num_workers`` do not fit.
    """
    free = _free()
    needed = num_workers * _per_worker(image_size, batch_size)
    if free is not None and needed > free:
        raise InputError(
            f"{num_workers} workers need {needed / MIB:.0f} MiB of shared memory and {SHARED_MEMORY} has "
            f"{free // MIB:.0f} MiB free: say --data.num_workers {int(free * num_workers / needed)}, "
            "or docker run --shm-size=8g"
        )


def is_ample(image_size: int, batch_size: int, num_workers: int) -> bool:
    """Whether the shared memory also holds rooms that the loaders of training and validation keep; see `rooms`."""
    free = _free()
    return free is None or free >= 4 * num_workers * _per_worker(image_size, batch_size)


def _per_worker(image_size: int, batch_size: int) -> int:
    return PREFETCHED * batch_size * (3 * image_size**2 + 8)  # uint8 pixels, and a label


def _free() -> int | None:
    return shutil.disk_usage(SHARED_MEMORY).free if SHARED_MEMORY.is_dir() else None
