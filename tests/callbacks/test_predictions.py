"""What prediction leaves behind: a row of each photo, as they come, and the batches of other modules."""

import csv
import os
from pathlib import Path
from typing import Any

import lightning.pytorch as pl
import numpy as np
import pytest
import torch
from PIL import Image
from torch import Tensor
from torch.utils.data import DataLoader, TensorDataset

from inception_lightning.__main__ import main
from inception_lightning.callbacks import PredictionWriter
from inception_lightning.data import Photos
from inception_lightning.errors import InputError, Stop
from inception_lightning.training.classifier import InceptionClassifier, Prediction
from tests.processes import SMALL, UNVALIDATED, finish, start_two
from tests.trainers import quiet_trainer
from tests.training.test_classifier import tiny, trainer

Row = dict[str, str]


def rows(file: Path) -> list[Row]:
    with file.open(newline="", encoding="utf-8", errors="surrogateescape") as opened:
        return list(csv.DictReader(opened))


def photos(folder: Path, count: int) -> Path:
    folder.mkdir()
    for index in range(count):
        pixels = np.random.default_rng(index).integers(0, 256, (20, 24, 3), dtype=np.uint8)
        Image.fromarray(pixels).save(folder / f"{index:02}.jpg")
    return folder


def predict(root: Path, place: Path, **further: Any) -> PredictionWriter:
    torch.manual_seed(0)
    data = Photos(root=root, class_names=list("abcdefgh"), image_size=16, batch_size=4, num_workers=0)
    writer = PredictionWriter(place)
    trainer(place, callbacks=[writer], **further).predict(
        InceptionClassifier(tiny(8)), datamodule=data, return_predictions=False
    )
    return writer


def test_a_photo_that_cannot_be_read_is_a_row_with_its_reason(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = photos(tmp_path / "photos", 20)
    predict(folder, tmp_path / "sound")
    sound = rows(tmp_path / "sound" / "predictions.csv")
    assert len(sound) == 20
    assert "reason" not in sound[0]
    (folder / "07.jpg").write_bytes(b"")
    (folder / "13.jpg").write_text("<html>")
    capsys.readouterr()
    predict(folder, tmp_path / "bad")
    bad = rows(tmp_path / "bad" / "predictions.csv")
    assert list(bad[0])[-1] == "reason"
    assert [row["file"] for row in bad] == [row["file"] for row in sound]
    reasons = {7: "cannot identify image file: it is empty", 13: "cannot identify image file: it is a web page"}
    for index, (row, before) in enumerate(zip(bad, sound, strict=True)):
        assert row.pop("reason") == reasons.get(index, "")
        assert row == (before if index not in reasons else dict.fromkeys(before, "") | {"file": before["file"]})
    said = capsys.readouterr().out
    assert f"18 predictions in {tmp_path / 'bad' / 'predictions.csv'}" in said
    assert "2 of 20 photos could not be read: see the column reason" in said


class Stopped(Exception):
    """Somebody stops in the middle."""


class StopsAtThird(PredictionWriter):
    def on_predict_batch_end(self, *arguments: Any, **further: Any) -> None:
        super().on_predict_batch_end(*arguments, **further)
        if len(self.rows) >= 12:
            raise Stopped


def test_rows_are_there_before_the_last_photo(tmp_path: Path) -> None:
    folder = photos(tmp_path / "photos", 20)
    (folder / "06.jpg").write_bytes(b"")
    data = Photos(root=folder, class_names=list("abcdefgh"), image_size=16, batch_size=4, num_workers=0)
    running = trainer(tmp_path, callbacks=[StopsAtThird(tmp_path)])
    with pytest.raises(Stopped):
        running.predict(InceptionClassifier(tiny(8)), datamodule=data)
    table = rows(tmp_path / "predictions.csv")
    assert [Path(row["file"]).name for row in table] == [f"{index:02}.jpg" for index in range(12)]
    assert [bool(row["reason"]) for row in table] == [index == 6 for index in range(12)]


def test_a_file_and_a_pattern_are_as_good_as_a_folder(tmp_path: Path) -> None:
    folder = photos(tmp_path / "photos [2019]", 12)
    whole = {row["file"]: row for row in rows(predict(folder, tmp_path / "folder").path)}
    assert rows(predict(folder / "03.jpg", tmp_path / "file").path) == [whole[str(folder / "03.jpg")]]
    (tmp_path / "notes.txt").touch()
    for pattern in ("photos*/0?.jpg", "**/0*", "*/0[0-9].jpg"):
        assert [row["file"] for row in rows(predict(tmp_path / pattern, tmp_path / "pattern").path)] == [
            str(folder / f"{index:02}.jpg") for index in range(10)
        ]
    with pytest.raises(InputError, match=r"there is no folder .*x\*: say --data.root FOLDER, a file, or a pattern"):
        predict(tmp_path / "x*", tmp_path / "none")


def test_names_that_are_no_text_are_kept(tmp_path: Path) -> None:
    folder = photos(tmp_path / "photos", 2)
    os.rename(os.fsencode(folder / "01.jpg"), os.fsencode(folder) + b"/\xff\n,.jpg")
    names = [row["file"] for row in rows(predict(folder, tmp_path / "out").path)]
    assert names == [str(folder / "00.jpg"), str(folder / os.fsdecode(b"\xff\n,.jpg"))]


def test_a_full_disk_is_a_sentence(tmp_path: Path) -> None:
    (tmp_path / "out").write_text("no folder")
    with pytest.raises(Stop, match=r"cannot write .*predictions\.csv"):
        predict(photos(tmp_path / "photos", 2), tmp_path / "out")


def test_two_processes_write_what_one_writes(tmp_path: Path) -> None:
    folder = photos(tmp_path / "photos", 9)
    (folder / "04.jpg").write_bytes(b"")
    runs = f"--trainer.default_root_dir={tmp_path / 'runs'}"
    cpu = ["--trainer.accelerator=cpu", "--trainer.enable_progress_bar=false"]
    assert main(["fit", *SMALL, *UNVALIDATED, "--trainer.max_epochs=1", "--trainer.limit_train_batches=1", runs]) == 0
    common = ["predict", "--ckpt_path=last", f"--data.root={folder}", "--data.batch_size=2", "--data.num_workers=0"]
    first, second = start_two(*common, runs, *cpu)
    (code, said), (other_code, other_said) = finish(first), finish(second)
    assert (code, other_code) == (0, 0), said + other_said
    assert "1 of 9 photos could not be read: see the column reason" in said
    assert "could not be read" not in other_said
    (two,) = (tmp_path / "runs").glob("predict-*/*")
    assert two.name == "predictions.csv"
    assert main([*common, runs, *cpu]) == 0
    (one,) = {*(tmp_path / "runs").glob("predict-*/*")} - {two}
    assert [row["file"] for row in rows(two)] == [row["file"] for row in rows(one)]
    assert [row["class"] for row in rows(two)] == [row["class"] for row in rows(one)]
    assert [row["reason"] for row in rows(two)] == [row["reason"] for row in rows(one)]


class Giver(pl.LightningModule):
    """Gives what a test wants."""

    def __init__(self, given: Any) -> None:
        super().__init__()
        self.given = given

    def predict_step(self, batch: list[Tensor], batch_idx: int) -> Any:
        return self.given(batch[0])


def predicted(folder: Path, given: Any) -> list[Any]:
    """The content of the file that is left behind."""
    trainer = quiet_trainer(folder, callbacks=[PredictionWriter(folder / "predict")])
    loader = DataLoader(TensorDataset(torch.arange(5.0)), batch_size=2)
    trainer.predict(Giver(given), loader, return_predictions=False)
    assert [path.name for path in (folder / "predict").iterdir()] == ["predictions-0.pt"]
    content: list[Any] = torch.load(folder / "predict" / "predictions-0.pt", weights_only=True)
    return content


def test_tensors_of_any_module_are_kept_batch_by_batch(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    found = predicted(tmp_path, lambda batch: 2 * batch)
    assert [batch.tolist() for batch in found] == [[0, 2], [4, 6], [8]]
    assert f"3 batches of predictions in {tmp_path / 'predict' / 'predictions-0.pt'}" in capsys.readouterr().out


def test_dictionaries_and_lists_are_kept_as_they_are(tmp_path: Path) -> None:
    found = predicted(tmp_path, lambda batch: {"twice": 2 * batch, "names": ["a", 1, None]})
    assert found[2]["twice"].tolist() == [8]
    assert found[2]["names"] == ["a", 1, None]


def test_a_classifiers_predictions_of_other_data_are_named(tmp_path: Path) -> None:
    found = predicted(tmp_path, lambda batch: Prediction(batch.long(), batch[:, None].long(), batch[:, None]))
    assert [batch["indices"].tolist() for batch in found] == [[0, 1], [2, 3], [4]]
    assert found[2].keys() == {"indices", "classes", "probabilities"}


def test_without_predictions_nothing_is_written(tmp_path: Path) -> None:
    trainer = quiet_trainer(tmp_path, callbacks=[PredictionWriter(tmp_path / "predict")])
    trainer.predict(Giver(None), DataLoader(TensorDataset(torch.ones(0))), return_predictions=False)
    assert not (tmp_path / "predict").exists()
