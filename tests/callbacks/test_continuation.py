"""Where the disk is full, training goes on as long as it can be hoped that somebody frees it."""

import re
from collections.abc import Iterator
from pathlib import Path

import pytest
import torch

from inception_lightning.runs.checkpoints import newest_good
from tests.disks import small_file_system
from tests.processes import assert_same_run, finish, start, the_run
from tests.runs.signal_table import TOLD

MEGABYTE = 2**20
PAUSE = ["--trust=tests", "--trainer.callbacks+=tests.runs.signal_table.Pause", "--trainer.callbacks.moment=step"]


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A file system of 4 MB."""
    with small_file_system(tmp_path / "disk", "4m") as place:
        yield place


def filled(disk: Path, free: int) -> Path:
    """A file that leaves ``free`` bytes of the disk."""
    file = disk / "filler"
    file.write_bytes(bytes(4 * MEGABYTE - free))
    return file


def test_the_disk_is_full_and_then_freed(whole: Path, small_disk: Path, tmp_path: Path) -> None:
    filler = filled(small_disk, MEGABYTE // 4)
    often = ["--last.every_n_steps=2", f"--checkpoint.dirpath={small_disk}"]
    process = start(tmp_path, *often, *PAUSE, f"--trainer.callbacks.place={tmp_path}")  # waits after its fifth step
    assert process.stdout is not None
    first = next(line for line in process.stdout if "attempt" in line)
    filler.unlink()
    (tmp_path / TOLD).touch()
    code, output = finish(process)
    assert code == 0, output
    figures = (
        r"saving \S+/last.ckpt failed \(No space left on device\): it needs 0\.[5-9] MB and 0\.[1-4] MB are free in "
    )
    assert re.match(figures, first)
    assert first.endswith("attempt 1 of 3, training goes on\n")
    assert_same_run(whole, the_run(tmp_path), small_disk / the_run(tmp_path).name)


def test_the_disk_stays_full(small_disk: Path, tmp_path: Path) -> None:
    filled(small_disk, MEGABYTE)  # one checkpoint
    code, output = finish(start(tmp_path, "--last.every_n_steps=2", f"--checkpoint.dirpath={small_disk}"))
    assert code == 74, output
    attempts = re.findall(r"attempt (\d) of 3", output)
    assert sorted(set(attempts)) == ["1", "2", "3"]
    assert "error: the last 3 checkpoints could not be saved in " in output
    assert "Traceback" not in output
    good = newest_good(small_disk / the_run(tmp_path).name)
    assert torch.load(good, weights_only=True)["global_step"] == 2
    assert not list(small_disk.glob("*/.*"))  # nothing half-written
