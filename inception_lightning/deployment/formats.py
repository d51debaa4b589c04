"""The formats that a trained network is exported to, each with the runtime that proves it."""

import importlib.util
import os
import shutil
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from torch import nn

from inception_lightning.deployment.deployed import About
from inception_lightning.deployment.onnx_files import ONNXFile, write_onnx
from inception_lightning.deployment.openvino_files import OpenVINOFile, write_openvino
from inception_lightning.deployment.runtimes import Runtime
from inception_lightning.deployment.tensors import Tensors, write_tensors
from inception_lightning.deployment.torch_packages import TorchPackage, write_package
from inception_lightning.errors import InputError


@dataclass(frozen=True)
class Format:
    """A kind of file.

    Attributes:
        suffix: Of its file.
        title: What people call it.
        write: Writes a file: the network, what the file is to say of itself, the path.
        open: Opens a file in its runtime, with so many threads.
        to_write: The packages that writing needs, beside those of running.
        to_run: The packages that running needs.
        compiled: Whether a file is machine code: it needs a compiler, and a stranger's is a program.
    """

    suffix: str
    title: str
    write: Callable[[nn.Module, About, Path], None]
    open: Callable[[Path, int], Runtime]
    to_write: tuple[str, ...] = ()
    to_run: tuple[str, ...] = ()
    compiled: bool = False

    def check(self, purpose: str, *, writes: bool) -> None:
        """Refuse a format whose packages, or whose compiler, are missing.

        Args:
            purpose: What needs them, for the message.
            writes: Whether a file is to be written, and not only run.

        Raises:
            InputError: They are.
        """
        needed = (*self.to_run, *(self.to_write if writes else ()))
        missing = [name for name in needed if importlib.util.find_spec(name) is None]
        if missing:
            raise InputError(f"{purpose} needs what is not installed: pip install {' '.join(missing)}")
        if writes and self.compiled and shutil.which(os.environ.get("CXX", "g++")) is None:
            raise InputError(f"{purpose} is compiled, and there is no C++ compiler here: install g++, or say CXX=...")


ONNX = ("onnx", "onnxscript")

FORMATS: dict[str, Format] = {
    "onnx": Format(".onnx", "ONNX Runtime", write_onnx, ONNXFile, ONNX, ("onnxruntime",)),
    "openvino": Format(".xml", "OpenVINO", write_openvino, OpenVINOFile, ONNX, ("openvino",)),
    "pt2": Format(".pt2", "AOTInductor", write_package, TorchPackage, compiled=True),
    "safetensors": Format(".safetensors", "torch", write_tensors, Tensors),
}
"""The formats that can be run here, so that each file is proved."""


def format_of(path: Path) -> Format | None:
    """The format that a file's suffix says; None for none of them."""
    return next((kind for kind in FORMATS.values() if kind.suffix == path.suffix), None)


def opened(path: Path, threads: int = 1) -> Runtime:
    """A file in its own runtime.

    Raises:
        InputError: There is no such file, its runtime is not installed, or it is damaged or of another kind.
    """
    kind = format_of(path)
    if kind is None:
        known = ", ".join(kind.suffix for kind in FORMATS.values())
        raise InputError(f"{path} is no exported file: their names end in {known}")
    if not path.is_file():
        raise InputError(f"there is no file {path}")
    kind.check(f"{path}", writes=False)
    return kind.open(path, threads)
