import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
import torch

from inception_lightning.errors import InputError
from inception_lightning.storage import LAST, MANIFEST, PREVIOUS, CheckpointFiles, newest_good, read_manifest
from tests.processes import ROOT

SAVE_FOR_EVER = """
import sys, torch
from inception_lightning.storage import CheckpointFiles
files, step = CheckpointFiles(), int(sys.argv[2])
while True:
    step += 1
    files.save_checkpoint({"global_step": step, "weights": torch.full((500_000,), float(step))}, sys.argv[1])
    print(step, flush=True)
"""


def save(folder: Path, step: int, name: str = LAST) -> Path:
    CheckpointFiles().save_checkpoint({"global_step": step, "weights": torch.full((3,), float(step))}, folder / name)
    return folder / name


def step_of(path: Path) -> int:
    return int(CheckpointFiles().load_checkpoint(path)["global_step"])


def test_the_newest_is_chosen_by_step_and_not_by_time(tmp_path: Path) -> None:
    save(tmp_path, 30)
    save(tmp_path, 10, "best.ckpt")
    assert newest_good(tmp_path) == tmp_path / LAST
    assert step_of(newest_good(tmp_path)) == 30


@pytest.mark.parametrize("damage", ["cut", "empty", "flipped"])
def test_a_damaged_one_is_named_set_aside_and_the_one_before_is_taken(
    tmp_path: Path, damage: str, caplog: pytest.LogCaptureFixture
) -> None:
    save(tmp_path, 1)
    last = save(tmp_path, 2)
    content = bytearray(last.read_bytes())
    content[len(content) // 2] ^= 1
    last.unlink()  # previous.ckpt is another file, or a link to the one before
    last.write_bytes(bytes({"cut": content[:-5], "empty": b"", "flipped": content}[damage]))
    assert newest_good(tmp_path) == tmp_path / PREVIOUS
    assert step_of(tmp_path / PREVIOUS) == 1
    assert f"{last} is damaged" in caplog.text
    assert (tmp_path / "last.damaged").is_file()
    assert not last.exists()


def test_nothing_good(tmp_path: Path) -> None:
    save(tmp_path, 1).write_text("")
    with pytest.raises(InputError, match="no good checkpoint"):
        newest_good(tmp_path)


def test_files_without_a_manifest_are_taken_as_they_are(tmp_path: Path) -> None:
    save(tmp_path, 1)
    (tmp_path / MANIFEST).unlink()
    assert newest_good(tmp_path) == tmp_path / LAST


def test_the_manifest_does_not_grow(tmp_path: Path) -> None:
    for step in range(20):
        save(tmp_path, step)
    assert [entry.step for entry in read_manifest(tmp_path)] == [16, 17, 18, 19]
    assert json.loads((tmp_path / MANIFEST).read_text())["format"] == 1


def kills_inside_saves(folder: Path, times: int) -> int:
    """Kill a process that does nothing but save; how many unreadable files it has left."""
    bad = done = inside = 0
    for turn in range(times):
        environment = os.environ | {"PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1"}
        args = [sys.executable, "-c", SAVE_FOR_EVER, str(folder / LAST), str(done)]
        process = subprocess.Popen(args, stdout=subprocess.PIPE, text=True, env=environment)
        assert process.stdout is not None
        done = int(process.stdout.readline())
        time.sleep(0.0031 * turn)
        process.send_signal(signal.SIGKILL)
        rest = process.stdout.read().split()
        process.wait()
        process.stdout.close()
        done = int(rest[-1]) if rest else done
        inside += any(folder.glob(".*.tmp"))
        for path in folder.glob("*.ckpt"):
            try:
                bad += not torch.equal(*_weights(path))
            except Exception:  # unreadable in whatever way
                bad += 1
        assert step_of(newest_good(folder)) >= done
        assert not list(folder.glob("*.damaged"))
    print(f"{times} kills, {inside} with a file half-written beside its place, {bad} unreadable files")
    return bad


def _weights(path: Path) -> tuple[torch.Tensor, torch.Tensor]:
    content = CheckpointFiles().load_checkpoint(path)
    return content["weights"], torch.full((500_000,), float(content["global_step"]))


@pytest.mark.parametrize("times", [3, pytest.param(20, marks=pytest.mark.slow)])
def test_kills_inside_saves_leave_no_bad_file(other_file_system: Path, times: int) -> None:
    assert kills_inside_saves(other_file_system, times) == 0


@pytest.mark.slow
def test_kills_inside_saves_on_a_disk_leave_no_bad_file(tmp_path: Path) -> None:
    assert kills_inside_saves(tmp_path, 20) == 0


def test_a_full_disk_is_a_warning_with_figures(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def full(descriptor: int) -> None:
        raise OSError(28, "No space left on device")

    save(tmp_path, 1)
    files = CheckpointFiles()
    with monkeypatch.context() as broken:
        broken.setattr(os, "fsync", full)
        files.save_checkpoint({"global_step": 2}, tmp_path / LAST)
        files.save_checkpoint({"global_step": 3}, tmp_path / LAST)
    assert files.failures == 2
    assert "No space left on device): it needs 0.0 MB and " in caplog.text
    assert "MB are free in" in caplog.text
    assert step_of(newest_good(tmp_path)) == 1
    assert not list(tmp_path.glob(".*"))
    files.save_checkpoint({"global_step": 4}, tmp_path / LAST)
    assert files.failures == 0
