"""Nothing in a step reads a value of the device: counted over 20 steps, apart from what lives on the host by design."""

import contextlib
import functools
import json
import traceback
from collections import Counter
from pathlib import Path
from typing import Any

import lightning.pytorch as pl
import torch
from lightning.pytorch.callbacks import Callback
from torch import Tensor
from torch.overrides import TorchFunctionMode
from torch.utils._python_dispatch import TorchDispatchMode

from inception_lightning.callbacks import (
    Continuation,
    DeadNetwork,
    FiniteGuard,
    LineProgress,
    ResidualTelemetry,
    Speed,
    WeightAverage,
)
from inception_lightning.data import Digits
from inception_lightning.models import InceptionResNetV1
from inception_lightning.runs.metrics_csv import MetricsFile
from inception_lightning.training.classifier import InceptionClassifier
from tests.trainers import quiet_trainer

FIRST, STEPS = 3, 20

READS = {f"aten::{name}" for name in ("_local_scalar_dense", "is_nonzero", "equal", "nonzero")}
"""Operators whose result the host must have before it can go on."""

COPIES = {"aten::lift_fresh", "aten::_to_copy", "aten::copy_"}
"""Operators that may bring a tensor to another device, or a number of Python to a tensor."""

CALLS = {Tensor.tolist, Tensor.numpy, Tensor.cpu, Tensor.item, Tensor.__bool__, Tensor.__int__, Tensor.__float__}
"""What reads a tensor on the CPU without any operator, or asks for one that does."""

ON_THE_HOST = {
    ("torch/optim/", ""): "an optimizer's step counts",
    ("torch/distributions/", ""): "the draw of a mixing share",
    ("transforms/v2/_augment.py", "make_params"): "the draw of a mixing share, and of a box",
    ("transforms/v2/_augment.py", "__init__"): "what a mixing share is drawn from",
    ("transforms/v2/_container.py", "forward"): "the draw between MixUp and CutMix",
    ("inception_lightning/loading/", ""): "the labels of a batch that is being made",
    ("callbacks/agreement.py", "read"): "what has arrived",
    ("callbacks/agreement.py", "_highest"): "what processes have said",
    ("callbacks/agreement.py", "_sent"): "what processes say",
    ("callbacks/agreement.py", "__init__"): "a CPU's number, which has arrived with the question",
}
"""A file and a function, whose tensors are on the host by design, and what they are."""


def place() -> str | None:
    """Who asks, innermost first; None where it is one of `ON_THE_HOST`."""
    frames = [frame for frame in traceback.extract_stack()[:-2] if frame.filename != __file__]
    for frame in frames[::-1]:
        for file, function in ON_THE_HOST:
            if file in frame.filename and function in ("", frame.name):
                return None
    return " < ".join(f"{Path(frame.filename).name}:{frame.lineno} {frame.name}" for frame in frames[:-6:-1])


class Operators(TorchDispatchMode):
    """Counts operators that read a value, and copies between devices."""

    def __init__(self, found: "Counter[str]") -> None:
        super().__init__()
        self.found = found

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        out = func(*args, **kwargs or {})
        name = func._schema.name
        tensors = [value for value in (*args, out) if isinstance(value, Tensor)]
        moved = name in COPIES and (name == "aten::lift_fresh" or len({value.device for value in tensors}) > 1)
        if (name in READS or moved) and (where := place()):
            self.found[f"{name}: {where}"] += 1
        return out


class Calls(TorchFunctionMode):
    """Counts what reads a tensor beside the operators."""

    def __init__(self, found: "Counter[str]") -> None:
        super().__init__()
        self.found = found

    def __torch_function__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        if func in CALLS and (where := place()):
            self.found[f"{func.__name__}: {where}"] += 1
        return func(*args, **kwargs or {})


class Watch(Callback):
    """Counts over the steady steps, and writes a file for each process."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def on_train_batch_start(
        self, trainer: pl.Trainer, pl_module: pl.LightningModule, batch: Any, batch_idx: int
    ) -> None:
        if batch_idx == FIRST:
            self.found: Counter[str] = Counter()
            self.modes = contextlib.ExitStack()
            self.modes.enter_context(Operators(self.found))
            self.modes.enter_context(Calls(self.found))
        if batch_idx == FIRST + STEPS:
            self.modes.close()
            (self.folder / f"{trainer.global_rank}.json").write_text(json.dumps(self.found))


class Canary(Callback):
    """Reads the loss in one step, in every way."""

    def on_train_batch_end(
        self, trainer: pl.Trainer, pl_module: pl.LightningModule, outputs: Any, batch: Any, batch_idx: int
    ) -> None:
        if batch_idx == FIRST + 1:
            for read in (float, Tensor.tolist, torch.nonzero, torch.is_nonzero, lambda loss: loss.equal(loss)):
                read(outputs["loss"])
            torch.tensor(0.5)


def trained(folder: Path, *more: Callback, processes: int = 1) -> list[dict[str, int]]:
    """What each process has read in the steady steps of a run with all that a run may have."""
    torch.manual_seed(0)
    net = InceptionResNetV1(10, width=0.05, depths=(1, 1, 1), stem="small", aux=True)
    adam = functools.partial(torch.optim.AdamW, lr=0.001)
    module = InceptionClassifier(net, optimizer=adam, mixup=0.2, cutmix=0.2)
    callbacks = [
        *(
            Watch(folder),
            *more,
            WeightAverage(0.9),
            ResidualTelemetry(every_n_steps=100),
            LineProgress(3600),  # its line, once a minute, reads the loss
            FiniteGuard(),
        ),
        *(DeadNetwork(), Continuation(folder=folder), Speed(folder)),
    ]
    trainer = quiet_trainer(
        folder,
        max_epochs=1,
        limit_train_batches=FIRST + STEPS + 1,
        limit_val_batches=0,
        gradient_clip_val=1.0,
        log_every_n_steps=50,
        enable_progress_bar=True,
        logger=[MetricsFile(folder / "metrics.csv")],
        callbacks=callbacks,
        devices=processes,
        strategy="ddp_fork" if processes > 1 else "auto",
    )
    trainer.fit(module, Digits(batch_size=8, num_workers=0))
    return [json.loads((folder / f"{rank}.json").read_text()) for rank in range(processes)]


def test_one_process_reads_nothing(tmp_path: Path) -> None:
    assert trained(tmp_path) == [{}]


def test_nor_does_either_of_two(tmp_path: Path) -> None:
    assert trained(tmp_path, processes=2) == [{}, {}]


def test_one_that_reads_is_found(tmp_path: Path) -> None:
    (found,) = trained(tmp_path, Canary())
    kinds = {where.partition(": ")[0] for where in found}
    operators = {"aten::_local_scalar_dense", "aten::nonzero", "aten::equal", "aten::lift_fresh"}
    assert kinds == operators | {"__float__", "tolist"}
