import argparse
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import save_file

from inception_lightning.errors import InputError
from inception_lightning.weights.files import read

STATE = {"stem.weight": torch.arange(2000.0), "classifier.bias": torch.ones(3)}


class Runs:
    """Unpickling it makes a file."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def __reduce__(self) -> tuple[Callable[..., Any], tuple[str]]:
        return os.mkdir, (str(self.path),)


@pytest.mark.parametrize("save", [torch.save, save_file], ids=["torch", "safetensors"])
def test_a_file_is_known_by_its_content(save: Any, tmp_path: Path) -> None:
    save(STATE, tmp_path / "weights.bin")
    tensors, about = read(tmp_path / "weights.bin")
    assert about is None
    assert tensors.keys() == STATE.keys()
    assert all(torch.equal(tensors[key], STATE[key]) for key in STATE)


def test_old_torch_files_and_timms_arguments_are_read(tmp_path: Path) -> None:
    torch.save(STATE, tmp_path / "old.pth", _use_new_zipfile_serialization=False)
    assert read(tmp_path / "old.pth")[0].keys() == STATE.keys()
    torch.save({"state_dict": STATE, "args": argparse.Namespace(lr=0.1)}, tmp_path / "timm.pth.tar")
    assert read(tmp_path / "timm.pth.tar")[0].keys() == STATE.keys()


@pytest.mark.parametrize("share", [0.0, 0.3, 0.99])
@pytest.mark.parametrize("kind", ["zip", "old", "safetensors"])
def test_a_truncated_file_is_refused_in_one_sentence(kind: str, share: float, tmp_path: Path) -> None:
    path = tmp_path / "weights"
    match kind:
        case "safetensors":
            save_file(STATE, path)
        case _:
            torch.save(STATE, path, _use_new_zipfile_serialization=kind == "zip")
    content = path.read_bytes()
    path.write_bytes(content[: int(share * len(content))])
    with pytest.raises(InputError, match=r"weights is damaged or is neither a safetensors file nor one of torch.save"):
        read(path)


@pytest.mark.parametrize("content", [b"", b"\x89HDF", b"\x89HDF\r\n\x1a\n damaged", b"\x08\x07 nothing known"])
def test_damaged_files_are_refused_in_one_sentence(content: bytes, tmp_path: Path) -> None:
    (tmp_path / "weights.pth").write_bytes(content)
    with pytest.raises(InputError, match="is damaged or is neither"):
        read(tmp_path / "weights.pth")


@pytest.mark.parametrize(
    ("content", "kind"),
    [
        (b"<html>not found</html>", "weights.pth is a web page: fetch the file again"),
        (b"version https://git-lfs.github.com/spec/v1", "is a git-lfs pointer: run git lfs pull"),
        (b'{"error": "not found"}', "is JSON and holds no weights"),
        (b"\x1f\x8b\x08rest", "is compressed: unpack it"),
        (b"\x93NUMPY\x01\x00", "is a NumPy array"),
        (b"\x08\x08\x12\x07pytorch\x1a\x053.0.1", "is an ONNX model"),
        (b"PK\x05\x06" + 18 * b"\0", "is a zip archive: unpack it"),
    ],
)
def test_other_files_are_called_what_they_are(content: bytes, kind: str, tmp_path: Path) -> None:
    (tmp_path / "weights.pth").write_bytes(content)
    with pytest.raises(InputError, match=kind):
        read(tmp_path / "weights.pth")


def test_programs_are_called_what_they_are(tmp_path: Path) -> None:
    layer = torch.nn.Linear(2, 2)
    torch.jit.save(torch.jit.trace(layer, torch.ones(1, 2)), tmp_path / "script.pt")
    torch.export.save(torch.export.export(layer, (torch.ones(1, 2),)), tmp_path / "program.pt2")
    with pytest.raises(InputError, match=r"script.pt is a TorchScript program: save its state dict"):
        read(tmp_path / "script.pt")
    with pytest.raises(InputError, match=r"program.pt2 is a program of torch.export: save its state dict"):
        read(tmp_path / "program.pt2")


@pytest.mark.parametrize("zipped", [True, False])
@pytest.mark.parametrize("wrap", [lambda runs: runs, lambda runs: {"state_dict": STATE, "extra": runs}])
def test_a_pickle_that_would_run_code_is_refused_and_nothing_runs(wrap: Any, zipped: bool, tmp_path: Path) -> None:
    torch.save(wrap(Runs(tmp_path / "ran")), tmp_path / "evil.pth", _use_new_zipfile_serialization=zipped)
    with pytest.raises(InputError, match=r"evil.pth would run code \(posix.mkdir\) and was not loaded") as error:
        read(tmp_path / "evil.pth")
    assert "\n" not in str(error.value)
    assert not (tmp_path / "ran").exists()


def test_a_whole_pickled_module_is_refused(tmp_path: Path) -> None:
    torch.save(torch.nn.Linear(1, 1), tmp_path / "module.pth")
    with pytest.raises(InputError, match=r"would run code \(torch.nn.modules.linear.Linear\)"):
        read(tmp_path / "module.pth")


@pytest.mark.parametrize(
    ("content", "sentence"),
    [
        ([1, 2], "holds a list and no weights by name"),
        ({}, "holds no weights: it is empty"),
        ({"epoch": 3, "lr": 0.1}, "holds no weights: its keys are epoch, lr"),
        ({"state_dict": {}}, "holds no weights: it is empty"),
    ],
)
def test_a_file_without_weights_is_refused(content: Any, sentence: str, tmp_path: Path) -> None:
    torch.save(content, tmp_path / "weights.pth")
    with pytest.raises(InputError, match=sentence):
        read(tmp_path / "weights.pth")
