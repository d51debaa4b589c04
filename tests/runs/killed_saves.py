"""Saves that are killed: ``python -m tests.runs.killed_saves FOLDER`` says what is wrong with what they leave there.

It is a process of its own, because those that it kills are forked from it: they start in no time, and know nothing of
the threads of others.
"""

import contextlib
import multiprocessing
import statistics
import sys
import time
from multiprocessing.connection import Connection
from pathlib import Path

import torch

from inception_lightning.runs.checkpoints import LAST, CheckpointFiles, newest_good

KILLS = 10  # inside a save: how many it takes depends on what else the machine does
MOMENTS = 20
SAVES_TIMED = 3
SAVING = multiprocessing.get_context("fork")


def weights(step: int) -> torch.Tensor:
    return torch.full((500_000,), float(step))


def save_for_ever(place: Path, step: int, told: Connection) -> None:
    """What the process that is killed does: ``told`` hears of every step, before and after it is saved."""
    files = CheckpointFiles()
    while True:
        step += 1
        told.send(("saving", step))
        files.save_checkpoint({"global_step": step, "weights": weights(step)}, place)
        told.send(("saved", step))


def kill_inside_a_save(place: Path, step: int, moment: float) -> tuple[int, bool]:
    """Kill a process at the ``moment`` (0 to 1) of a save; the last step saved, and whether it died in a save."""
    heard, told = SAVING.Pipe(duplex=False)
    process = SAVING.Process(target=save_for_ever, args=(place, step, told))
    process.start()
    told.close()
    times = []
    for _ in range(SAVES_TIMED):
        assert heard.recv()[0] == "saving"
        begin = time.perf_counter()
        assert heard.recv()[0] == "saved"
        times.append(time.perf_counter() - begin)
    word = heard.recv()
    time.sleep(moment * statistics.median(times))
    process.kill()
    process.join()
    with contextlib.suppress(EOFError):
        while True:
            word = heard.recv()
    return word[1] - (word[0] == "saving"), word[0] == "saving"


def main(folder: Path) -> None:
    """Every file that killed processes leave behind is whole, and the newest is not older than the last save."""
    done, inside, turn = 0, 0, 0
    while inside < KILLS:
        done, hit = kill_inside_a_save(folder / LAST, done, (turn % MOMENTS + 0.5) / MOMENTS)
        inside, turn = inside + hit, turn + 1
        for path in folder.glob("*.ckpt"):
            content = CheckpointFiles().load_checkpoint(path)
            assert torch.equal(content["weights"], weights(content["global_step"]))
        newest = CheckpointFiles().load_checkpoint(newest_good(folder))["global_step"]
        assert newest >= done, f"step {newest} is the newest, and {done} was saved"
        assert not list(folder.glob("*.damaged"))
    print(f"{turn} kills, {inside} of them inside a save: every file can be read")


if __name__ == "__main__":
    main(Path(sys.argv[1]))
