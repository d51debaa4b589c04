"""``lightning export`` from end to end, and ``lightning predict`` with what it wrote; one export is shared."""

import contextlib
import csv
import importlib.util
import io
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import onnx
import pytest
import torch
from PIL import Image

from inception_lightning.__main__ import main
from inception_lightning.data import ImageFolder
from inception_lightning.deployment.deployed import About
from inception_lightning.training.classifier import InceptionClassifier
from inception_lightning.weights.load import pretrained
from tests.training.test_classifier import tiny, trainer

NAMES = ("cat", "dog", "owl")
SHOWS = """
import json, sys
import numpy as np, onnxruntime
from PIL import Image
session = onnxruntime.InferenceSession(sys.argv[1], providers=["CPUExecutionProvider"])
names = json.loads(session.get_modelmeta().custom_metadata_map["class_names"])
for photo in sys.argv[2:]:
    image = np.asarray(Image.open(photo).convert("RGB")).transpose(2, 0, 1)[None]
    (probabilities,) = session.run(["probabilities"], {"images": image})
    print(names[int(probabilities[0].argmax())], f"{probabilities[0].max():.4f}")
assert not [name for name in sys.modules if name.startswith(("inception_lightning", "torch"))]
"""


@dataclass(frozen=True)
class Exported:
    checkpoint: Path
    photos: Path
    out: Path
    said: str


def photos(folder: Path) -> Path:
    """Photos of many sizes, whose class shows in their colour."""
    for channel, name in enumerate(NAMES):
        (folder / name).mkdir(parents=True)
        for index in range(10):
            generator = np.random.default_rng(index)
            pixels = generator.integers(0, 120, (40 + 7 * index, 90 - 5 * index, 3), dtype=np.uint8)
            pixels[..., channel] += 100
            Image.fromarray(pixels).save(folder / name / f"{index}.png")
    return folder


@pytest.fixture(scope="module")
def exported(tmp_path_factory: pytest.TempPathFactory) -> Exported:
    place = tmp_path_factory.mktemp("export")
    data = ImageFolder(root=photos(place / "photos"), image_size=32, batch_size=8, num_workers=0)
    torch.manual_seed(0)
    fitted = trainer(place, max_epochs=3)
    fitted.fit(InceptionClassifier(tiny(3)), datamodule=data)
    fitted.save_checkpoint(place / "best.ckpt")
    words = ["--ckpt_path", str(place / "best.ckpt"), "--out", str(place / "out"), "--int8", "--int8_loss", "100"]
    told = said("export", *words, "--format", "onnx", "safetensors", "--threads", "1", "--push", "somebody/owls")
    return Exported(place / "best.ckpt", place / "photos", place / "out", told)


def said(*words: str) -> str:
    out = io.StringIO()
    with contextlib.redirect_stdout(out):
        assert main(list(words)) == 0
    return out.getvalue()


def rows(place: Path) -> list[list[str]]:
    (file,) = place.glob("predict-*/predictions.csv")
    with file.open(newline="") as opened:
        return list(csv.reader(opened))


def test_the_table_shows_that_the_files_agree(exported: Exported) -> None:
    table = {line.split()[0]: line.split()[1:] for line in exported.said.splitlines() if line.count(".") > 2}
    assert {"checkpoint", "onnx", "safetensors", "onnx-int8"} <= table.keys()
    for name in ("onnx", "safetensors"):
        top1, changed, difference, *_ = table[name]
        assert (top1, changed) == (table["checkpoint"][0], "0")
        assert float(difference) < 1e-3
    assert "6 validation images, each file in its own runtime; speed with 1 thread" in exported.said
    out = exported.out
    files = ("inceptionresnetv1.onnx", "inceptionresnetv1.int8.onnx", "inceptionresnetv1.safetensors", "README.md")
    assert sorted(path.name for path in out.iterdir()) == sorted(files)
    assert (out / files[1]).stat().st_size < 0.9 * (out / files[0]).stat().st_size


def test_what_would_be_pushed_is_said(exported: Exported) -> None:
    last = exported.said.splitlines()[-1]
    assert last.startswith("would push 4 files")
    assert "to somebody/owls: README.md, inceptionresnetv1.onnx" in last


def test_the_file_runs_where_this_package_and_torch_are_not(exported: Exported, tmp_path: Path) -> None:
    shown = sorted(exported.photos.glob("*/*.png"))
    module = InceptionClassifier.load_from_checkpoint(exported.checkpoint)
    view = ImageFolder(root=exported.photos, image_size=32).evaluation.build(32)
    command = [sys.executable, "-c", SHOWS, str(exported.out / "inceptionresnetv1.onnx"), *map(str, shown)]
    done = subprocess.run(command, cwd=tmp_path, env={"PATH": "/usr/bin"}, capture_output=True, text=True, check=True)
    for photo, line in zip(shown, done.stdout.splitlines(), strict=True):
        pixels = torch.from_numpy(np.array(Image.open(photo))).permute(2, 0, 1)
        share, place = module(view(pixels)[None]).softmax(dim=1)[0].max(dim=0)
        name, probability = line.split()
        assert name == NAMES[int(place)]
        assert float(probability) == pytest.approx(share.item(), abs=2e-3)


def test_the_onnx_file_says_what_it_is(exported: Exported) -> None:
    model = onnx.load(exported.out / "inceptionresnetv1.onnx")
    onnx.checker.check_model(model)
    assert {entry.domain: entry.version for entry in model.opset_import}[""] >= 18
    about = About.read({entry.key: entry.value for entry in model.metadata_props}, "it")
    assert (about.network, about.class_names, about.image_size) == ("InceptionResNetV1", NAMES, 32)
    images, probabilities = model.graph.input[0], model.graph.output[0]
    assert (images.name, images.type.tensor_type.elem_type) == ("images", onnx.TensorProto.UINT8)
    assert [side.dim_param for side in images.type.tensor_type.shape.dim if side.dim_param] == [
        "batch",
        "height",
        "width",
    ]
    assert probabilities.name == "probabilities"
    operations = {node.op_type for node in model.graph.node}
    assert not operations & {"BatchNormalization", "Dropout"}
    quantised = {node.op_type for node in onnx.load(exported.out / "inceptionresnetv1.int8.onnx").graph.node}
    assert {"QuantizeLinear", "DequantizeLinear"} <= quantised


def test_the_weights_are_read_as_any_file_of_weights(exported: Exported) -> None:
    net = pretrained(exported.out / "inceptionresnetv1.safetensors")
    module = InceptionClassifier.load_from_checkpoint(exported.checkpoint)
    images = torch.randn(2, 3, 32, 32)
    torch.testing.assert_close(net.eval()(images), module.net(images))
    assert not net.aux_heads


@pytest.mark.parametrize("suffix", ["onnx", "safetensors"])
def test_predict_writes_the_checkpoints_csv(suffix: str, exported: Exported, tmp_path: Path) -> None:
    shown = photos(tmp_path / "photos")
    (shown / "bad.jpg").write_text("<html>")
    options = [f"--data.root={shown}", "--data.num_workers=0"]
    file = str(exported.out / f"inceptionresnetv1.{suffix}")
    main(["predict", "--model", file, *options, f"--trainer.default_root_dir={tmp_path / 'file'}"])
    other = ["predict", "--ckpt_path", str(exported.checkpoint)]
    main([*other, *options, f"--trainer.default_root_dir={tmp_path / 'ck'}"])
    found, expected = rows(tmp_path / "file"), rows(tmp_path / "ck")
    assert found[0] == expected[0]
    assert len(found) == len(expected) == 32
    for one, other in zip(found[1:], expected[1:], strict=True):
        assert one[:2] == other[:2]
        assert one[-1] == other[-1]  # the reason
        assert one[2] == other[2] == "" or float(one[2]) == pytest.approx(float(other[2]), abs=2e-3)


def test_the_card_says_what_people_need(exported: Exported) -> None:
    card = (exported.out / "README.md").read_text()
    for part in (
        "InceptionResNetV1, 3 classes",
        "cat, dog, owl",
        "## Licence",
        "## Preprocessing",
        "```js",
        "| onnx |",
    ):
        assert part in card
    (code,) = [block for block in card.split("```python\n")[1:] if "inceptionresnetv1.onnx" in block]
    lines = code.split("```")[0].strip().splitlines()
    assert len(lines) == 5
    place = exported.out / "photo.jpg"
    Image.open(next(exported.photos.glob("owl/*"))).save(place)
    program = "\n".join(["import os", f"os.chdir({str(exported.out)!r})", *lines, "print(probabilities.shape)"])
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    place.unlink()
    assert done.stdout == "(1, 3)\n"


def refusal(words: Sequence[str], capsys: pytest.CaptureFixture[str]) -> str:
    assert main(list(words)) == 2
    error = capsys.readouterr().err
    assert error.startswith("error: ")
    assert error.count("\n") == 1
    return error


def test_a_file_beyond_the_tolerance_ends_with_one(exported: Exported, capsys: pytest.CaptureFixture[str]) -> None:
    words = ["export", "--ckpt_path", str(exported.checkpoint), "--out", str(exported.out.with_name("again"))]
    assert main([*words, "--format", "safetensors", "--tolerance", "-1", "--images", "2"]) == 1
    assert "safetensors differs from the checkpoint by up to" in capsys.readouterr().err


def test_what_cannot_be_had_is_said_in_one_sentence(
    exported: Exported, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    checkpoint = ["--ckpt_path", str(exported.checkpoint)]
    assert "has a checkpoint 'best'" in refusal(["export"], capsys)
    told = refusal(["export", *checkpoint, "--format", "tflite"], capsys)
    assert "there is no --format tflite: choose from" in told
    assert "say user/name" in refusal(["export", *checkpoint, "--push", "owls"], capsys)
    assert "whole number of at least 1" in refusal(["export", *checkpoint, "--images", "0"], capsys)
    (tmp_path / "two" / "cat").mkdir(parents=True)
    (tmp_path / "two" / "dog").mkdir()
    for name in ("cat/1.png", "cat/2.png", "dog/1.png", "dog/2.png"):
        Image.new("RGB", (40, 40)).save(tmp_path / "two" / name)
    other = refusal(["export", *checkpoint, "--data.root", str(tmp_path / "two")], capsys)
    assert "knows 3 classes and ImageFolder has 2" in other
    for name, content in (("empty.onnx", b""), ("text.safetensors", b"<html>"), ("text.xml", b"<html>")):
        (tmp_path / name).write_bytes(content)
        words = ["predict", "--model", str(tmp_path / name), "--data.root", str(exported.photos)]
        assert "cannot be opened as" in refusal(words, capsys)
    (tmp_path / "code.pt2").write_bytes(b"")
    words = ["predict", "--model", "code.pt2", "--data.root", str(exported.photos)]
    assert "machine code" in refusal(words, capsys)
    assert not list(tmp_path.glob("runs/*"))


def test_a_missing_runtime_is_named(
    exported: Exported, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    there = importlib.util.find_spec
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None if name == "onnxruntime" else there(name))
    words = ["export", "--ckpt_path", str(exported.checkpoint), "--format", "onnx"]
    assert "needs what is not installed: pip install onnxruntime" in refusal(words, capsys)


@pytest.mark.slow
@pytest.mark.parametrize("kind", ["openvino", "pt2"])
def test_other_formats_agree_and_predict(kind: str, exported: Exported, tmp_path: Path) -> None:
    out = tmp_path / "out"
    words = ["--ckpt_path", str(exported.checkpoint), "--out", str(out), "--threads", "1"]
    told = said("export", *words, "--format", kind)
    (row,) = [line.split() for line in told.splitlines() if line.startswith(kind)]
    assert row[2] == "0"
    assert float(row[3]) < 1e-3
    (file,) = [path for path in out.iterdir() if path.suffix in (".xml", ".pt2")]
    options = [f"--data.root={exported.photos}", "--data.num_workers=0", f"--trainer.default_root_dir={tmp_path}"]
    main(["predict", "--model", str(file), *options, *(["--trust-config"] if kind == "pt2" else [])])
    assert len(rows(tmp_path)) == 31
    assert f"## {file.name}" in (out / "README.md").read_text()
