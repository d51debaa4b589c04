"""``lightning embed`` from end to end: rows of photos, killed and resumed, by one process and by two."""

import csv
import os
import signal
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from PIL import Image
from pyarrow import parquet

from inception_lightning.__main__ import main
from inception_lightning.data import Digits, Photos
from inception_lightning.models import GoogLeNet, InceptionResNetV1
from inception_lightning.training.classifier import InceptionClassifier
from inception_lightning.weights.save import save_weights
from tests.disks import small_file_system
from tests.processes import finish, kill, program, wait_until
from tests.training.test_classifier import tiny, trainer

COUNT = 400
BAD = (3, 117)
CPU = ("--data.num_workers=0", "--trainer.accelerator=cpu")


@dataclass(frozen=True)
class Made:
    photos: Path
    checkpoint: Path
    weights: Path

    def embed(self, out: Path, *words: str) -> list[str]:
        return ["embed", str(self.photos), "--ckpt_path", str(self.checkpoint), "--out", str(out), *CPU, *words]


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Made:
    """Photos of many sizes, two of them bad, and a network that has hardly been trained."""
    place = tmp_path_factory.mktemp("embed")
    for index in range(COUNT):
        file = place / "photos" / f"{index % 4}" / f"{index:03}.png"
        file.parent.mkdir(parents=True, exist_ok=True)
        shape = (20 + index % 7, 18 + index % 5, 3)
        Image.fromarray(np.random.default_rng(index).integers(0, 256, shape, dtype=np.uint8)).save(file)
    files = sorted((place / "photos").glob("*/*.png"))
    for index in BAD:
        files[index].write_text("<html>")
    torch.manual_seed(0)
    running = trainer(place, max_steps=2, limit_val_batches=0)
    running.fit(InceptionClassifier(tiny(10)), datamodule=Digits(num_workers=0))
    running.save_checkpoint(place / "best.ckpt")
    net = GoogLeNet(10, stem="small", width=0.05, aux=False)
    net.image_size = 32
    save_weights(net, place / "net.safetensors")
    return Made(place / "photos", place / "best.ckpt", place / "net.safetensors")


@pytest.fixture(scope="module")
def whole(made: Made, tmp_path_factory: pytest.TempPathFactory) -> NDArray[np.float32]:
    """The rows of a call that nothing has disturbed."""
    out = tmp_path_factory.mktemp("whole") / "out"
    assert main(made.embed(out, "--data.batch_size=4")) == 0
    assert sorted(path.name for path in out.iterdir()) == ["embeddings.npy", "files.csv"]
    return np.load(out / "embeddings.npy")


def refusal(words: Sequence[str], capsys: pytest.CaptureFixture[str], code: int = 2) -> str:
    capsys.readouterr()
    assert main(list(words)) == code
    error = capsys.readouterr().err
    assert error.count("error: ") == 1
    return error[error.index("error: ") :]


def test_rows_are_what_the_classifier_reads_of_each_photo(made: Made, whole: NDArray[np.float32]) -> None:
    module = InceptionClassifier.load_from_checkpoint(made.checkpoint)
    assert isinstance(module.net, InceptionResNetV1)
    assert whole.dtype == np.float32
    assert whole.shape == (COUNT, module.net.num_features)
    digits = Digits()
    photos = Photos(root=made.photos, class_names=list("abcd"))
    view = digits.evaluation.build(digits.image_size)
    for index in (0, 57, COUNT - 1):
        image = view.show(photos.dataset("test").open(index))[None]
        normalised = (image / 255 - module.mean) / module.std
        expected = module.net.bottleneck(module.net.endpoints(normalised)["inception_c"].mean((2, 3)))
        torch.testing.assert_close(torch.from_numpy(whole[index : index + 1]), expected, rtol=1e-4, atol=1e-5)


def test_bad_photos_have_a_row_and_a_reason(made: Made, whole: NDArray[np.float32], tmp_path: Path) -> None:
    assert np.flatnonzero(np.isnan(whole).any(axis=1)).tolist() == list(BAD)
    out = tmp_path / "table.parquet"
    assert main(made.embed(out, "--data.batch_size=4")) == 0
    table = parquet.read_table(out)
    assert table.column_names == ["file", "embedding", "reason"]
    assert table["file"].to_pylist() == [str(file) for file in sorted(made.photos.glob("*/*.png"))]
    reasons = {index: reason for index, reason in enumerate(table["reason"].to_pylist()) if reason is not None}
    assert reasons == dict.fromkeys(BAD, "cannot identify image file: it is a web page")
    rows = table["embedding"].to_pylist()
    for index in range(COUNT):
        assert np.array_equal(np.array(rows[index], np.float32), whole[index], equal_nan=True)
    assert list(tmp_path.iterdir()) == [out]


def test_weights_need_no_checkpoint_and_stages_are_the_networks_own(
    made: Made, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    few = tmp_path / "few"
    few.mkdir()
    for file in sorted(made.photos.glob("0/*.png"))[5:9]:
        os.link(file, few / file.name)
    words = ["embed", str(few), "--weights", str(made.weights), *CPU, "--stage"]
    assert main([*words, "inception_3b", "--out", str(tmp_path / "rows.npy")]) == 0
    with (tmp_path / "files.csv").open(newline="") as opened:
        assert list(csv.reader(opened)) == [["file", "reason"], *([str(name), ""] for name in sorted(few.iterdir()))]
    module = InceptionClassifier(GoogLeNet(10, stem="small", width=0.05, aux=False))
    channels = {info["module"]: info["num_chs"] for info in module.net.feature_info}  # type: ignore[union-attr]
    assert np.load(tmp_path / "rows.npy").shape == (4, channels["inception_3b"])
    told = refusal([*words, "inception_9"], capsys)
    assert f"there is no stage inception_9: GoogLeNet has pooled, {', '.join(channels)}" in told


def marked(out: Path) -> int:
    """How many rows there are of a call that goes on."""
    try:
        return sum(map(bool, (out / "embeddings.npy.partial" / "marks").read_bytes()))
    except FileNotFoundError:
        return 0


def test_a_call_that_was_killed_goes_on_and_leaves_the_same_rows(
    made: Made, whole: NDArray[np.float32], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "out"
    words = made.embed(out, "--data.batch_size=4")
    process = program(*words)
    wait_until(process, lambda: marked(out) >= 20, "20 rows")
    kill(process)
    before = marked(out)
    assert 20 <= before < COUNT
    assert not (out / "embeddings.npy").exists()
    assert "begun with another stage: remove it, or name another --out" in refusal([*words, "--stage=stem"], capsys)
    assert main(words) == 0
    assert f"{before} of {COUNT} rows are there already" in capsys.readouterr().out
    assert np.array_equal(np.load(out / "embeddings.npy"), whole, equal_nan=True)
    assert sorted(path.name for path in out.iterdir()) == ["embeddings.npy", "files.csv"]
    assert "is there already: remove it" in refusal(words, capsys)


@pytest.mark.slow
def test_two_processes_leave_the_rows_of_one_and_a_signal_ends_both(
    made: Made, whole: NDArray[np.float32], tmp_path: Path
) -> None:
    out = tmp_path / "out"
    words = made.embed(out, "--data.batch_size=4", "--trainer.devices=2", "--trainer.strategy=ddp")
    process = program(*words)
    wait_until(process, lambda: marked(out) >= 20, "20 rows")
    process.send_signal(signal.SIGTERM)
    code, said = finish(process)
    assert code == 143, said
    assert f" of {COUNT} rows are in {out}/embeddings.npy.partial, and the same command goes on" in said
    code, said = finish(program(*words))
    assert code == 0, said
    assert f" of {COUNT} rows are there already" in said
    np.testing.assert_allclose(np.load(out / "embeddings.npy"), whole, rtol=1e-4, atol=1e-5)


def test_a_full_disk_is_a_sentence_and_code_74(
    made: Made, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    with small_file_system(tmp_path / "small", "40k") as disk:
        words = made.embed(disk / "out", "--data.batch_size=4")
        assert "MB more and" in refusal(words, capsys, 74)
        monkeypatch.setattr("inception_lightning.deployment.rows.Rows.bytes_to_come", lambda *_: 0)
        told = refusal(words, capsys, 74)  # the room is taken by somebody else meanwhile
        assert "No space left on device" in told
        assert f" of {COUNT} rows are in" in told
        assert marked(disk / "out") > 0


def test_what_cannot_be_had_is_said_in_one_sentence(
    made: Made, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "empty").mkdir()
    (tmp_path / "file").touch()
    known = ["--weights", str(made.weights)]
    photos = str(made.photos)
    for words, sentence in (
        (["embed", "nowhere", *known], "there is no folder nowhere"),
        (["embed", "empty", *known], "no images in empty"),
        (["embed", photos], "has a checkpoint 'best'"),
        (["embed", photos, "--ckpt_path", "none.ckpt"], "there is no checkpoint none.ckpt"),
        (["embed", photos, *known, "--ckpt_path", "a.ckpt"], "leave one out"),
        (["embed", photos, *known, "--out", "rows.h5"], "name a .parquet, a .npy or a folder"),
        (["embed", photos, *known, "--out", "file/rows"], "cannot be written: Not a directory"),
        (["embed", photos, *known, "--data.batch_size", "0"], "data.batch_size must be at least 1"),
        (["embed", photos, *known, "--stag", "stem"], "there is no option stag: did you mean stage?"),
        (["embed", photos, *known, "--trainer.precision", "8"], "the Trainer refuses an option"),
        (["embed"], "the following arguments are required: folder"),
    ):
        assert sentence in refusal(words, capsys)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["empty", "file"]
