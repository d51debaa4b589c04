"""How fast JPEGs are decoded, by whom, and whether to Pillow's pixels: ``python benchmarks/decoding.py FOLDER``.

Whole images, from bytes in memory, on one thread, in turns; the rate is the median of the rounds, by the processor's
clock. What is not installed is left out. PyTorch's own decoders need ``pip install torchcodec``.
"""

import argparse
import importlib
import io
import os
import time
from collections.abc import Callable
from pathlib import Path
from statistics import median
from typing import TypeAlias

os.environ.setdefault("OMP_NUM_THREADS", "1")

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image
from rich.console import Console
from rich.table import Table

from inception_lightning.loading.listing import image_files

Pixels: TypeAlias = NDArray[np.uint8]
Decode: TypeAlias = Callable[[Pixels], Pixels]
"""From a file's bytes to (H, W, 3)."""


def by_pillow(data: Pixels) -> Pixels:
    """What the others are compared with."""
    with Image.open(io.BytesIO(data)) as image:
        return np.asarray(image.convert("RGB"))


def by_torch(module: str) -> Decode:
    """The decoders of torchvision and TorchCodec, which have the same face."""
    library = importlib.import_module(module)
    rgb = library.ImageReadMode.RGB
    return lambda data: library.decode_jpeg(torch.from_numpy(data), mode=rgb).permute(1, 2, 0).numpy()


def by_simplejpeg() -> Decode:
    """libjpeg-turbo with its defaults."""
    return importlib.import_module("simplejpeg").decode_jpeg


CANDIDATES: dict[str, Callable[[], Decode]] = {
    "Pillow": lambda: by_pillow,
    "simplejpeg": by_simplejpeg,
    "torchvision.io": lambda: by_torch("torchvision.io"),
    "TorchCodec": lambda: by_torch("torchcodec.decoders"),
}


def installed() -> dict[str, Decode]:
    """The candidates that are here."""
    found = {}
    for name, load in CANDIDATES.items():
        try:
            found[name] = load()
        except ImportError:
            continue
    return found


def rate(decode: Decode, images: list[Pixels]) -> float:
    """Images per second of the processor."""
    start = time.process_time()
    for data in images:
        decode(data)
    return len(images) / (time.process_time() - start)


def equal_to_pillow(decode: Decode, images: list[Pixels]) -> int:
    """How many images have exactly Pillow's pixels."""
    return sum(np.array_equal(decode(data), by_pillow(data)) for data in images)


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", type=Path, help="a folder of JPEGs")
    parser.add_argument("--rounds", type=int, default=5, help="times that each decodes all")
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    images = [np.fromfile(file, np.uint8) for file in image_files(arguments.folder)]
    candidates = installed()
    table = Table("decoder", "images/s", "x Pillow", f"equal to Pillow, of {len(images)}")
    rates: dict[str, list[float]] = {name: [] for name in candidates}
    for _ in range(arguments.rounds):
        for name, decode in candidates.items():
            rates[name].append(rate(decode, images))
    for name, decode in candidates.items():
        ratio = median(one / other for one, other in zip(rates[name], rates["Pillow"], strict=True))
        table.add_row(name, f"{median(rates[name]):.0f}", f"{ratio:.2f}", str(equal_to_pillow(decode, images)))
    Console(width=100).print(table)


if __name__ == "__main__":
    main()
