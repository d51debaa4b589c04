import csv
import sys
import time
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from inception_lightning.__main__ import main
from inception_lightning.data import ImageFolder, Shards
from inception_lightning.errors import InputError
from tests.processes import TWO, assert_same, assert_same_run, finish, kill, start, the_run, wait_for_rows

pytest.importorskip("litdata", reason="needs the extra `stream`")

CLASSES = ("ant", "bee", "cat")
TRAIN, VAL = 64, 37  # images per class and in all


def fill(folder: Path, counts: tuple[int, ...]) -> None:
    generator = np.random.default_rng(len(folder.name))
    for name, count in zip(CLASSES, counts, strict=True):
        (folder / name).mkdir(parents=True)
        for index in range(count):
            pixels = generator.integers(0, 256, (18, 24, 3), dtype=np.uint8)
            Image.fromarray(pixels).save(folder / name / f"{index}.{'png' if index % 2 else 'jpg'}")


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("photos")
    fill(root / "train", (TRAIN, TRAIN, TRAIN))
    fill(root / "val", (20, 0, VAL - 20))
    return root


@pytest.fixture(scope="module")
def shards(folder: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("out") / "shards"
    assert main(["data", "shard", str(folder), str(out), "--data.num_workers=2"]) == 0
    return out


@pytest.mark.parametrize(
    ("workers", "address"),  # of a folder, and as an address is read
    [
        (0, "{}"),
        (2, "local:{}"),
        *(pytest.param(*case, marks=pytest.mark.slow) for case in ((2, "{}"), (0, "local:{}"))),
    ],
)
def test_batches_of_shards_are_those_of_the_folder(folder: Path, shards: Path, address: str, workers: int) -> None:
    options = {"image_size": 16, "batch_size": 10, "num_workers": workers, "seed": 3}
    one, other = ImageFolder(root=folder, **options), Shards(root=address.format(shards), **options)  # type: ignore[arg-type]
    assert tuple(one.class_names) == other.class_names
    for name in ("train", "val", "test"):
        loaders = [getattr(data, f"{name}_dataloader")() for data in (one, other)]
        for epoch in (0, 1):
            for loader in loaders:
                loader.sampler.set_epoch(epoch)
            batches = [list(loader) for loader in loaders]
            assert len(batches[0]) > 1
            assert_same(batches[0], batches[1])


def test_original_bytes_are_kept_and_the_fingerprint_tells_them(folder: Path, shards: Path, tmp_path: Path) -> None:
    train = Shards(root=str(shards)).dataset("train")
    first = sorted((folder / "train" / "ant").iterdir())[0]
    data, name = train._fetch(0)
    assert data.tobytes() == first.read_bytes()
    assert name == f"{first.name} in {shards}/train"
    again, changed = tmp_path / "again", tmp_path / "changed"
    assert main(["data", "shard", str(folder), str(again)]) == 0
    assert Shards(root=str(again)).fingerprint == Shards(root=str(shards)).fingerprint
    copy = tmp_path / "copy"
    fill(copy / "train", (TRAIN, TRAIN, TRAIN))
    fill(copy / "val", (20, 0, VAL - 20))
    Image.new("RGB", (24, 18)).save(copy / "train" / "bee" / "0.jpg")
    assert main(["data", "shard", str(copy), str(changed)]) == 0
    assert Shards(root=str(changed)).fingerprint != Shards(root=str(shards)).fingerprint


def test_what_cannot_become_shards_is_refused_in_a_sentence(
    folder: Path, shards: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["data", "shard", str(folder), str(shards)]) == 2
    assert capsys.readouterr().err == f"error: {shards} is there already: give a new folder\n"
    fill(tmp_path / "bad" / "train", (3, 3, 3))
    fill(tmp_path / "bad" / "val", (1, 1, 1))
    (tmp_path / "bad" / "val" / "cat" / "7.jpg").write_text("<html>")
    assert main(["data", "shard", str(tmp_path / "bad"), str(tmp_path / "out"), "--data.num_workers=1"]) == 2
    error = capsys.readouterr().err
    assert "cannot read the image" in error
    assert "it is a web page" in error
    assert len(error.splitlines()) == 1
    assert not (tmp_path / "out").exists()
    with pytest.raises(InputError, match=r"no shards at .*: lightning data shard FOLDER OUT"):
        Shards(root=str(folder)).dataset("train")


def test_without_litdata_the_extra_is_named(shards: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "litdata", None)
    with pytest.raises(InputError, match="shards need litdata: pip install litdata"):
        Shards(root=str(shards)).dataset("train")


def fit(shards: Path, *further: str) -> list[str]:
    data = ["--data=Shards", f"--data.root={shards}", "--data.image_size=16", "--data.batch_size=12"]
    return [*data, "--data.num_workers=1", "--trainer.limit_val_batches=1.0", *further]


@pytest.mark.slow
def test_two_ranks_killed_and_resumed_are_the_run_that_was_not(shards: Path, tmp_path: Path) -> None:
    whole, cut = tmp_path / "whole", tmp_path / "cut"
    code, output = finish(start(whole, *fit(shards, *TWO)))
    assert code == 0, output
    resume = fit(shards, *TWO, "--resume=auto", "--last.every_n_steps=3")
    for moment in (5, 13):
        process, begun = start(cut, *resume), time.time()
        wait_for_rows(process, cut, moment, begun)
        kill(process)
    code, output = finish(start(cut, *resume))
    assert code == 0, output
    assert_same_run(the_run(whole), the_run(cut))
    with (the_run(cut) / "metrics.csv").open(newline="") as file:
        scores = [float(row["val/top1"]) for row in csv.DictReader(file) if row["val/top1"]]
    assert len(scores) == 3
    for score in scores:
        assert score * VAL == pytest.approx(round(score * VAL), abs=1e-4)  # a number of whole images
    assert torch.cat([labels for _, labels in Shards(root=str(shards), image_size=16).val_dataloader()]).shape == (VAL,)
