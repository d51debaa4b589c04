"""Compiled networks: in which mode, for which batches, and where what was compiled is kept."""

import contextlib
import logging
import os
from collections.abc import Callable
from pathlib import Path
from typing import Literal, TypeAlias, TypeVar

import torch
from torch import Tensor
from torch.utils._pytree import tree_map_only

log = logging.getLogger(__name__)

Mode: TypeAlias = Literal["default", "reduce-overhead"]
"""``default``; or ``reduce-overhead``, with CUDA graphs, which spare small networks the launch of their kernels."""

CACHE = "TORCHINDUCTOR_CACHE_DIR"
"""The variable of the environment by which torch is told where to keep what it has compiled."""

WITHOUT_LAYOUT = ((2, 13), (2, 15))
"""From which torch on, and up to which, a compiled backward pass may lose channels-last: pytorch/pytorch#189239."""

Outputs = TypeVar("Outputs")


class FullBatches:
    """Runs full batches through a compiled pass, and smaller ones as if it were not compiled.

    An epoch's last batch, which is smaller, would otherwise be compiled for by itself, for minutes. Training and
    evaluation each have their own full batch, and so has each size of image.
    """

    def __init__(self, mode: Mode) -> None:
        """Say how it is compiled."""
        self.mode = mode
        self.largest: dict[tuple[int | bool, ...], int] = {}

    def run(self, compiled: Callable[[Tensor], Outputs], images: Tensor, *, training: bool) -> Outputs:
        """``compiled(images)``, images (N, 3, H, W); what it gives stays what it is when the next batch comes."""
        kind = (training, *images.shape[1:])
        self.largest[kind] = max(len(images), self.largest.get(kind, 0))
        if len(images) < self.largest[kind]:
            with torch.compiler.set_stance("force_eager"):
                return compiled(images)
        outputs = compiled(images)
        if self.mode == "reduce-overhead" and images.is_cuda:  # a CUDA graph writes into the same memory again
            outputs = tree_map_only(Tensor, Tensor.clone, outputs)
        return outputs


def prepare() -> None:
    """Keep what is compiled from run to run, unless the environment says where; say what is slow in this torch."""
    place = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "inception_lightning" / "compiled"
    if CACHE not in os.environ:
        with contextlib.suppress(OSError):  # then torch keeps it in the temporary folder
            place.mkdir(parents=True, exist_ok=True)
            os.environ[CACHE] = str(place)
    major, minor = (int(part) for part in torch.__version__.split(".")[:2])
    if WITHOUT_LAYOUT[0] <= (major, minor) < WITHOUT_LAYOUT[1]:
        log.warning(
            "torch %d.%d may lose channels-last in the compiled backward pass, and a fifth of its speed "
            "(pytorch/pytorch#189239): torch 2.12 and 2.15 do not",
            *(major, minor),
        )
