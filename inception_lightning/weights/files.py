"""Files of tensors, read as data: nothing in a file runs. What cannot be read is called what it is."""

import argparse
import json
import pickle
import re
import zipfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from safetensors import safe_open
from torch import Tensor

from inception_lightning.configurable import KEY
from inception_lightning.errors import InputError
from inception_lightning.weights.keras import is_keras, read_keras

EMA_FIRST = ("state_dict_ema", "model_ema", "ema", "ema_state_dict", "state_dict", "model", "net", "module")
STARTS = {  # what other files begin with, and what to do about them
    b"version https://git-lfs": "a git-lfs pointer: run git lfs pull",
    b"<": "a web page: fetch the file again",
    b"{": "JSON and holds no weights",
    b"\x1f\x8b": "compressed: unpack it by gunzip",
    b"\x93NUMPY": "a NumPy array: save a state dict by torch.save",
    b"\x08": "an ONNX model: its weights have lost their names; give the checkpoint that it was made of",
}
INSIDE = {  # and what a zip holds
    "constants.pkl": "a TorchScript program: save its state dict, torch.jit.load(FILE).state_dict(), by torch.save",
    "archive_version": "a program of torch.export: save its state dict, torch.export.load(FILE).state_dict",
}
PREFIXES = re.compile(r"^((module|model|_orig_mod)\.)+|(?<=\.)_orig_mod\.")


def read(path: Path) -> tuple[dict[str, Tensor], dict[str, Any] | None]:
    """A file's tensors by key, and if it is ours its network's ``config`` and ``preprocessing``, as plain data.

    A checkpoint says its ``class_names``, too.

    Averaged weights are taken where a file has them beside the others. Prefixes that wrappers leave
    (``module.``, ``_orig_mod.``, ``model.``, the ``net.`` of our checkpoints) are dropped.

    Args:
        path: A safetensors file, one of ``torch.save`` (a state dict, or a checkpoint with one inside), or Keras's.

    Raises:
        InputError: The file is damaged, is of another kind, would run code, or holds no tensors.
    """
    content, about = _load(path)
    tensors = {PREFIXES.sub("", key): value for key, value in _state_dict(content, path).items()}
    inside = {key.removeprefix("net."): value for key, value in tensors.items() if key.startswith("net.")}
    return inside or tensors, _of_checkpoint(content[KEY], tensors) if isinstance(content.get(KEY), dict) else about


def _of_checkpoint(about: dict[str, Any], tensors: Mapping[str, Tensor]) -> dict[str, Any]:
    """What a checkpoint of `InceptionClassifier` says of its network and images."""
    data = (about["data"] or {}).get("init_args", {})
    sizes = {"image_size": data.get("image_size"), "crop_fraction": data.get("evaluation", {}).get("fraction")}
    expected = sizes | {"interpolation": data.get("evaluation", {}).get("interpolation")}
    expected |= {name: tensors[name].flatten().tolist() for name in ("mean", "std") if name in tensors}
    preprocessing = {name: value for name, value in expected.items() if value is not None}
    names = tuple(about.get("class_names") or ())
    return {"config": about["model"]["init_args"]["net"], "preprocessing": preprocessing, "class_names": names}


def _load(path: Path) -> tuple[Mapping[str, Any], dict[str, Any] | None]:
    try:
        with path.open("rb") as file:
            is_safetensors = file.read(9)[8:] == b"{"
        if is_safetensors:
            with safe_open(path, framework="pt") as tensors:
                about = (tensors.metadata() or {}).get(KEY)
                return {key: tensors.get_tensor(key) for key in tensors.keys()}, about and json.loads(about)  # noqa: SIM118
        if is_keras(path):
            return read_keras(path), None
        if other := _other_kind(path):
            raise InputError(f"{path} is {other}")
        with torch.serialization.safe_globals([argparse.Namespace]):  # plain data, in the checkpoints of timm
            content = torch.load(path, map_location="cpu", weights_only=True)
    except InputError:
        raise
    except Exception as error:  # a damaged file can fail in any way
        raise InputError(_reason(path, error)) from error
    if not isinstance(content, Mapping):
        raise InputError(f"{path} holds a {type(content).__name__} and no weights by name")
    return content, None


def _reason(path: Path, error: Exception) -> str:
    code = (
        re.search(r"GLOBAL ([\w.]+)|function (\S+)", str(error)) if isinstance(error, pickle.UnpicklingError) else None
    )
    if code:
        return f"{path} would run code ({code[1] or code[2]}) and was not loaded: weights must be saved as a state dict"
    return f"{path} is damaged or is neither a safetensors file nor one of torch.save or Keras: fetch or save it again"


def _other_kind(path: Path) -> str | None:
    """What else a file is, as far as its content tells."""
    if zipfile.is_zipfile(path):
        with zipfile.ZipFile(path) as archive:
            names = {name.rpartition("/")[2] for name in archive.namelist()}
        known = next((kind for inside, kind in INSIDE.items() if inside in names), None)
        return known or (None if "data.pkl" in names else "a zip archive: unpack it")
    with path.open("rb") as file:
        start = file.read(512)
    kind = next((kind for mark, kind in STARTS.items() if start.lstrip().startswith(mark)), None)
    if start[:1] == b"\x08" and not re.search(rb"onnx|pytorch|keras|tf2onnx", start, re.IGNORECASE):
        return None
    return kind


def _state_dict(content: Mapping[str, Any], path: Path) -> dict[str, Tensor]:
    while not any(isinstance(value, Tensor) for value in content.values()):
        inner = next((content[name] for name in EMA_FIRST if isinstance(content.get(name), Mapping)), None)
        if inner is None:
            keys = ", ".join(str(key) for key in list(content)[:5])
            raise InputError(f"{path} holds no weights: {f'its keys are {keys}' if keys else 'it is empty'}")
        content = inner
    return {key: value for key, value in content.items() if isinstance(value, Tensor) and key != "n_averaged"}
