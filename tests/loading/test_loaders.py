import subprocess
import sys

from tests.data.test_base import Noise
from tests.processes import ROOT


def test_a_listener_is_called_before_each_batch_is_fetched() -> None:
    loader = Noise(size=20, batch_size=5).train_dataloader()
    handed_out: list[int] = []
    loader.listen(lambda: handed_out.append(loader.batches))
    first = iter(loader)
    assert handed_out == []  # Lightning makes the iterator before it tells the epoch
    next(first)
    assert handed_out == [0]
    assert len(list(first)) == 3
    assert handed_out == [0, 1, 2, 3]
    later: list[int] = []
    loader.listen(lambda: later.append(loader.batches))
    assert len(list(loader)) == 4
    assert (handed_out, later) == ([0, 1, 2, 3], [0, 1, 2, 3])


ENDS = """
import atexit
import multiprocessing

ended = []
atexit.register(lambda: print(len(ended), {process.exitcode for process in ended}))  # the last of all

import torch
from inception_lightning.loading.loaders import TrainLoader, collate
from inception_lightning.loading.sampler import TrainSampler

images = {(0, index): (torch.zeros(3, 8, 8), 0) for index in range(100)}
loader = TrainLoader(images, TrainSampler(100, seed=0), collate=collate, batch_size=8, num_workers=2)
batches = iter(loader)
next(batches)
ended += multiprocessing.active_children()
"""


def test_workers_end_with_the_program_wherever_it_ends() -> None:
    said = subprocess.run([sys.executable, "-c", ENDS], capture_output=True, text=True, check=True, cwd=ROOT)
    assert said.stdout == "2 {-9}\n", said.stderr
