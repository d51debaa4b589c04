"""Keras's files (``.h5``, ``.weights.h5``, ``.keras``), read as data by h5py: names and arrays, nothing else."""

import re
import zipfile
from collections import defaultdict
from collections.abc import Mapping
from pathlib import Path
from typing import Any, BinaryIO

import torch
from torch import Tensor

from inception_lightning.errors import InputError

HDF5 = b"\x89HDF\r\n\x1a\n"
INSIDE = "model.weights.h5"
"""What a ``.keras`` file, a zip, calls its weights."""
MOST_BYTES = 4 * 2**30
"""Of a file's arrays; Inception-ResNet-v2 and an optimizer's state for it take 0.7 GB."""

NUMBERED = re.compile(r"(conv2d|batch_normalization)(?:_(\d+))?")
# what Keras 3 stores under the numbers 0, 1, ..; Inceptions' batch norms have no gamma
OF_KERNEL = ("kernel", "bias")
OF_NORM = ("gamma", "beta", "moving_mean", "moving_variance")
NORM = {"gamma": "weight", "beta": "bias", "moving_mean": "running_mean", "moving_variance": "running_var"}


def is_keras(path: Path) -> bool:
    """Whether a file is Keras's, by its content."""
    with path.open("rb") as file:
        if file.read(len(HDF5)) == HDF5:
            return True
    if not zipfile.is_zipfile(path):
        return False
    with zipfile.ZipFile(path) as archive:
        return INSIDE in archive.namelist()


def read_keras(path: Path) -> dict[str, Tensor]:
    """A file's tensors in torch's order of dimensions, under the names of the Keras layouts of `layouts`.

    Keras numbers convolutions and batch norms as they are made, from wherever the process stood: here they begin at
    0, a convolution's batch norm beside it (``conv2d_0.conv.weight``, ``conv2d_0.bn.running_var``). A layer that was
    named (``conv_7b``, ``predictions``) keeps its name.

    Raises:
        InputError: h5py is not installed, or the file reaches outside itself, is larger than `MOST_BYTES` or was
            written by an early Keras 3, which does not name its layers.
    """
    try:
        import h5py
    except ImportError:
        raise InputError(f"{path} is Keras's: pip install h5py, which reads it") from None
    if zipfile.is_zipfile(path):
        with zipfile.ZipFile(path) as archive, archive.open(INSIDE) as inside:
            _check_size(path, archive.getinfo(INSIDE).file_size)
            layers = _layers(h5py, inside, path)  # type: ignore[arg-type]  # it reads and seeks
    else:
        with path.open("rb") as file:
            layers = _layers(h5py, file, path)
    return _named(layers)


def _layers(h5py: Any, file: BinaryIO, path: Path) -> dict[str, dict[str, Tensor]]:
    """Layer -> array -> tensor; what is stored of an optimizer is passed by."""
    arrays: dict[str, Any] = {}

    def keep(name: str, item: Any) -> None:  # links are not followed
        if isinstance(item, h5py.Dataset) and not name.startswith("optimizer"):
            arrays[name] = item

    with h5py.File(file, "r") as content:
        content.visititems(keep)
        if any(array.external or array.is_virtual for array in arrays.values()):
            raise InputError(f"{path} takes arrays from other files and was not loaded: save the weights in one file")
        _check_size(path, sum(array.nbytes for array in arrays.values()))
        layers: dict[str, dict[str, Tensor]] = defaultdict(dict)
        for name, array in arrays.items():
            place, _, leaf = name.rpartition("/")
            layer = place.rpartition("/")[2] if not leaf.isdecimal() else _name_of(content[place], path)
            layers[layer][leaf.removesuffix(":0")] = torch.from_numpy(array[()])
    return {layer: _by_name(tensors) for layer, tensors in layers.items()}


def _check_size(path: Path, size: int) -> None:
    if size > MOST_BYTES:
        raise InputError(f"{path} holds {size / 2**30:.0f} GiB of arrays, more than any Inception network")


def _name_of(group: Any, path: Path) -> str:
    name = group.attrs.get("name")
    if not isinstance(name, str):
        raise InputError(
            f"{path} was written by an early Keras 3, which does not name its layers: save it again as .h5, "
            "or by a newer Keras"
        )
    return name


def _by_name(tensors: Mapping[str, Tensor]) -> dict[str, Tensor]:
    if not all(leaf.isdecimal() for leaf in tensors):
        return dict(tensors)
    values = [tensors[leaf] for leaf in sorted(tensors, key=int)]
    names = OF_KERNEL if values and values[0].dim() > 1 else OF_NORM[-len(values) :]
    return dict(zip(names, values, strict=False))


def _named(layers: Mapping[str, Mapping[str, Tensor]]) -> dict[str, Tensor]:
    numbers: dict[str, list[int]] = defaultdict(list)
    for layer in layers:
        if match := NUMBERED.fullmatch(layer):
            numbers[match[1]].append(int(match[2] or 0))
    places = {kind: {number: place for place, number in enumerate(sorted(found))} for kind, found in numbers.items()}
    tensors: dict[str, Tensor] = {}
    for layer, arrays in layers.items():
        match = NUMBERED.fullmatch(layer)
        name = f"conv2d_{places[match[1]][int(match[2] or 0)]}" if match else layer
        if "moving_mean" in arrays:
            norm = name if match else layer.removesuffix("_bn")
            whole = {"gamma": torch.ones_like(arrays["moving_mean"])} | dict(arrays)  # Keras's Inceptions have no gamma
            tensors |= {f"{norm}.bn.{NORM[kind]}": whole[kind] for kind in whole if kind in NORM}
        elif "kernel" in arrays:
            normed = match or f"{layer}_bn" in layers
            tensors |= {f"{name}{'.conv' if normed else ''}.{kind}": value for kind, value in _torch(arrays).items()}
    return tensors


def _torch(arrays: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """A kernel (H, W, in, out) or (in, out) as torch's weight, and its bias."""
    kernel = arrays["kernel"]
    weight = kernel.permute(3, 2, 0, 1) if kernel.dim() == 4 else kernel.T
    return {"weight": weight.contiguous()} | ({"bias": arrays["bias"]} if "bias" in arrays else {})
