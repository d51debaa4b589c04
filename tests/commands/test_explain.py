"""``lightning explain`` from end to end: photos of a folder, and the worst mistakes of a test."""

import csv
import re
import shutil
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from inception_lightning.__main__ import main
from inception_lightning.data import Digits
from inception_lightning.evaluation.predictions_csv import Predictions
from inception_lightning.training.classifier import InceptionClassifier
from tests.disks import small_file_system
from tests.training.test_classifier import tiny, trainer

COUNT = 10
BAD = "07.png"
NASTY = "<img src=x onerror=alert(1)>&.png"
CPU = ("--data.num_workers=0", "--device=cpu")


@dataclass(frozen=True)
class Made:
    photos: Path
    checkpoint: Path
    runs: Path


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Made:
    """Photos, one of them bad and one of them of a nasty name, and a network that has hardly been trained."""
    place = tmp_path_factory.mktemp("explain")
    (place / "photos").mkdir()
    names = [f"{index:02}.png" for index in range(COUNT)]
    for index, name in enumerate([*names[:-1], NASTY]):
        pixels = np.random.default_rng(index).integers(0, 256, (40, 30 + index, 3), dtype=np.uint8)
        Image.fromarray(pixels).save(place / "photos" / name)
    (place / "photos" / BAD).write_text("<html>")
    torch.manual_seed(0)
    running = trainer(place, max_steps=2, limit_val_batches=0)
    running.fit(InceptionClassifier(tiny(10)), datamodule=Digits(num_workers=0, image_size=32))
    running.save_checkpoint(place / "runs" / "run" / "checkpoints" / "best.ckpt")
    return Made(place / "photos", place / "runs" / "run" / "checkpoints" / "best.ckpt", place / "runs")


def rows(folder: Path) -> list[dict[str, str]]:
    with (folder / "explanations.csv").open(newline="") as file:
        return list(csv.DictReader(file))


def refusal(words: Sequence[str], capsys: pytest.CaptureFixture[str], code: int = 2) -> str:
    capsys.readouterr()
    assert main(list(words)) == code
    error = capsys.readouterr().err
    assert error.count("error: ") == 1
    return error[error.index("error: ") :]


def test_a_folder_becomes_pictures_a_table_and_a_page(
    made: Made, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "out"
    words = ["explain", str(made.photos), "--ckpt_path", str(made.checkpoint), *CPU, "--out", str(out)]
    assert main([*words, "--stage", "inception_a,inception_c"]) == 0
    said = capsys.readouterr().out
    assert f"{COUNT - 1} images explained in {out / 'explain.html'}" in said
    assert "1 could not be read" in said
    table = rows(out)
    assert [Path(row["file"]).name for row in table] == sorted(path.name for path in made.photos.iterdir())
    module = InceptionClassifier.load_from_checkpoint(made.checkpoint)
    for row in table:
        if row["file"].endswith(BAD):
            assert row["reason"] == "cannot identify image file: it is a web page"
            assert row["class"] == row["picture"] == ""
            continue
        assert row["class"] in module.class_names
        with Image.open(out / row["picture"]) as picture:  # the photo and two maps, enlarged
            assert picture.size == (3 * 160, 160)
    assert len(list((out / "pictures").iterdir())) == COUNT - 1
    page = (out / "explain.html").read_text()
    assert page.count("<figure>") == COUNT - 1
    assert "prefers-color-scheme: dark" in page
    assert "&lt;img src=x onerror=alert(1)&gt;&amp;.png" in page
    assert "onerror=alert(1)>" not in page
    assert set(re.findall(r'src="(\w+):', page)) == {"data"}
    assert not re.search(r"https?://|<script|<link", page)


def test_a_class_may_be_named_and_a_map_of_one_place_is_said_to_say_nothing(
    made: Made, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    words = ["explain", str(made.photos / "00.png"), "--ckpt_path", str(made.checkpoint), *CPU, "--class", "7"]
    assert main([*words, "--data.image_size", "8", "--out", str(tmp_path / "out")]) == 0
    said = capsys.readouterr().out
    assert "1 image explained in" in said
    assert "At inception_c the whole image is one place, so that its map says nothing: name an earlier --stage" in said
    assert [row["class"] for row in rows(tmp_path / "out")] == ["7"]


def test_the_worst_mistakes_of_a_test_are_explained_by_what_was_tested(
    made: Made, tmp_path: Path, capsys: pytest.CaptureFixture[str], caplog: pytest.LogCaptureFixture
) -> None:
    runs = f"--trainer.default_root_dir={made.runs}"
    quiet = ["--trainer.accelerator=cpu", "--trainer.enable_progress_bar=false", "--data.num_workers=0", runs]
    assert main(["test", "--ckpt_path", str(made.checkpoint), *quiet]) == 0
    (folder,) = made.runs.glob("test-*")
    assert main(["explain", "--test", folder.name, runs, *CPU, "--out", str(tmp_path / "out")]) == 0
    table = rows(tmp_path / "out")
    known = Predictions.read(folder / "predictions.csv")
    assert len(table) == 24
    for row in table:
        index = int(row["file"])  # digits lie in no files
        assert row["true"] == known.class_names[int(known.targets[index])] != row["class"]
        assert row["class"] == known.class_names[int(known.probabilities[index].argmax())]
        assert float(row["probability"]) == pytest.approx(known.probabilities[index].max(), abs=1e-4)
    assert "the worst mistakes of test-" in (tmp_path / "out" / "explain.html").read_text()
    assert "the test gives" not in caplog.text
    moved = tmp_path / "elsewhere" / "runs"
    shutil.copytree(made.runs, moved)
    shutil.move(made.checkpoint, tmp_path / "hidden.ckpt")
    try:
        words = ["explain", "--test", str(moved / folder.name), *CPU]
        assert main([*words, "--out", str(tmp_path / "moved")]) == 0  # the folder of runs was moved as a whole
    finally:
        shutil.move(tmp_path / "hidden.ckpt", made.checkpoint)
    assert rows(tmp_path / "moved") == table


def test_a_test_of_files_and_of_another_network_says_so(
    made: Made, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    for index in range(6):
        file = tmp_path / "data" / str(index % 3) / f"{index}.png"
        file.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(np.full((20, 20, 3), 40 * index, np.uint8)).save(file)
    files = [str(file) for file in sorted((tmp_path / "data").glob("*/*.png"))]
    names = tuple(map(str, range(10)))
    shares = np.full((6, 10), 0.01, np.float32)
    shares[:, 9] = 0.91
    (tmp_path / "scores").mkdir()
    Predictions(shares, np.arange(6) // 2, names, files).write(tmp_path / "scores" / "predictions.csv")
    Path(files[2]).unlink()
    words = ["explain", "--test", str(tmp_path / "scores"), "--ckpt_path", str(made.checkpoint), *CPU]
    assert main([*words, "--out", str(tmp_path / "out")]) == 0
    table = {row["file"]: row for row in rows(tmp_path / "out")}
    assert sorted(table) == files
    assert [table[file]["true"] for file in files] == ["0", "0", "", "1", "2", "2"]
    assert table[files[2]]["reason"]
    assert "the test gives 0.910 and this network" in caplog.text


def test_a_full_disk_is_a_sentence_and_what_was_drawn_stays(
    made: Made, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with small_file_system(tmp_path / "small", "48k") as disk:
        words = ["explain", str(made.photos), "--ckpt_path", str(made.checkpoint), *CPU, "--out", str(disk / "out")]
        assert "No space left on device" in refusal(words, capsys, 74)
        assert list((disk / "out" / "pictures").iterdir())


def test_what_cannot_be_had_is_said_in_one_sentence(
    made: Made, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "empty").mkdir()
    (tmp_path / "file").touch()
    known, photos = ["--ckpt_path", str(made.checkpoint)], str(made.photos)
    for words, sentence in (
        ([], "say either a folder of photos, or --test"),
        ([photos, "--test", "empty"], "say either a folder of photos, or --test"),
        (["nowhere", *known], "there is no folder nowhere"),
        (["empty", *known], "no images in empty"),
        ([photos], "has a checkpoint 'best'"),
        ([photos, *known, "--stage", "stemm"], "there is no stage stemm: InceptionResNetV1 has stem, "),
        ([photos, *known, "--class", "cat"], "there is no class cat"),
        ([photos, *known, "--device", "tpu"], "--device tpu cannot be used here"),
        ([photos, *known, "--out", "file"], "file is there already"),
        ([photos, *known, "--out", "file/out"], "cannot be written: Not a directory"),
        (["--test", "nowhere", *known], "there is no folder nowhere: name one that lightning test has left"),
        (["--test", "empty", *known], "cannot read the predictions empty/predictions.csv"),
        ([photos, *known, "--clas", "cat"], "there is no option clas: did you mean class?"),
    ):
        assert sentence in refusal(["explain", *words], capsys)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["empty", "file"]
