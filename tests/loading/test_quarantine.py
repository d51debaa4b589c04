import csv
import os
import subprocess
import sys
import tempfile
from pathlib import Path

import lightning.pytorch as pl
import numpy as np
import pytest
import torch
from PIL import Image

from inception_lightning.data import ImageFolder
from inception_lightning.errors import InputError
from inception_lightning.loading.dataset import ImageFiles
from inception_lightning.loading.quarantine import Quarantine, add_to_list
from inception_lightning.loading.sampler import TrainSampler
from inception_lightning.loading.views import Augmentation, RandomViews
from inception_lightning.runs.metrics_csv import MetricsFile
from tests.processes import ROOT, SMALL, TWO, finish, the_run


def fill(folder: Path, classes: int, count: int) -> None:
    for label in range(classes):
        (folder / f"class{label}").mkdir(parents=True)
        for index in range(count):
            Image.new("RGB", (8, 8), (label, index % 256, index // 256)).save(
                folder / f"class{label}" / f"{index:04}.bmp"
            )


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """1,200 training images, one of them bad, and 2 validation images."""
    fill(tmp_path / "train", 2, 600)
    fill(tmp_path / "val", 2, 1)
    (tmp_path / "train" / "class1" / "0599.bmp").write_text("<html>")
    return tmp_path


def data(folder: Path, on_bad_image: str = "quarantine", workers: int = 0) -> ImageFolder:
    made = ImageFolder(
        root=folder,
        image_size=8,
        batch_size=100,
        num_workers=workers,
        on_bad_image=on_bad_image,  # type: ignore[arg-type]
    )
    made.bad_images = folder / "bad_images.csv"
    return made


def rows(file: Path) -> list[list[str]]:
    with file.open(newline="") as opened:
        return list(csv.reader(opened))


def test_a_bad_image_is_replaced_by_another_of_its_class_always_the_same(folder: Path) -> None:
    first, second = data(folder).train_views(), data(folder).train_views()
    bad = 1199
    assert first.dataset.name(bad).endswith("0599.bmp")
    image, label = first[0, bad]
    assert label == 1
    assert torch.equal(image, first[0, 600][0])  # the next of the class, in a circle; images are of one colour each
    assert not torch.equal(image, first[0, 601][0])
    assert torch.equal(image, second[0, bad][0])
    assert torch.equal(image, first[0, bad][0])


def test_the_view_of_a_replacement_is_drawn_for_the_image_that_it_replaces(tmp_path: Path) -> None:
    noise = np.random.default_rng(0).integers(0, 256, (40, 40, 3), dtype=np.uint8)
    files = [tmp_path / f"{index}.png" for index in range(2000)]
    for file in files[:-1]:
        Image.fromarray(noise).save(file)
    view = Augmentation().build(16)
    images = ImageFiles(files, [0] * len(files))
    views = RandomViews(images, view, seed=3, quarantine=Quarantine(images, tmp_path / "bad.csv"))
    files[-1].write_bytes(files[0].read_bytes())
    expected = views[5, 1999][0]
    assert not torch.equal(expected, views[5, 0][0])
    files[-1].unlink()
    assert torch.equal(views[5, 1999][0], expected)
    assert rows(tmp_path / "bad.csv")[1:] == [[str(files[-1]), "No such file or directory"]]


def test_without_a_quarantine_a_bad_image_is_an_error(folder: Path) -> None:
    images = data(folder).dataset("train")
    with pytest.raises(InputError, match=r"cannot read the image .*0599\.bmp"):
        RandomViews(images, Augmentation().build(8), seed=0)[0, 1199]


def test_a_bad_image_is_listed_once_with_its_reason_over_workers_and_epochs(folder: Path) -> None:
    for epoch in range(2):
        loader = data(folder, workers=2).train_dataloader()
        loader.sampler.set_epoch(epoch)
        assert sum(len(labels) for _, labels in loader) == 1200
    bad = folder / "train" / "class1" / "0599.bmp"
    assert rows(folder / "bad_images.csv") == [
        ["file", "reason"],
        [str(bad), "cannot identify image file: it is a web page"],
    ]


def test_more_than_a_thousandth_of_bad_images_stops(folder: Path) -> None:
    (folder / "train" / "class0" / "0000.bmp").write_bytes(b"")
    with pytest.raises(InputError) as raised:
        list(data(folder).train_dataloader())
    assert "(2 of 1200 training images are bad, more than 0.1 %: see" in str(raised.value)
    assert len(rows(folder / "bad_images.csv")) == 3


def test_a_class_without_any_good_image_stops(tmp_path: Path) -> None:
    files = [tmp_path / f"{index}.jpg" for index in range(3)]
    images = ImageFiles(files, [0, 1, 1])
    views = RandomViews(images, Augmentation().build(8), 0, Quarantine(images, tmp_path / "bad.csv"))
    with pytest.raises(InputError, match=r"more than 0\.1 %"):
        views[0, 1]


def test_the_policy_error_stops_at_the_first(folder: Path) -> None:
    with pytest.raises(InputError, match="cannot read the image"):
        list(data(folder, "error").train_dataloader())
    assert not (folder / "bad_images.csv").exists()


def test_validation_and_test_never_change_silently(folder: Path) -> None:
    (folder / "val" / "class0" / "0000.bmp").write_bytes(b"")
    for loader in (data(folder).val_dataloader(), data(folder).test_dataloader()):
        with pytest.raises(InputError, match=r"cannot read the image .*it is empty"):
            list(loader)


def test_an_image_that_vanishes_is_replaced(folder: Path) -> None:
    (folder / "train" / "class1" / "0599.bmp").unlink()
    views = data(folder).train_views()
    (folder / "train" / "class0" / "0003.bmp").unlink()
    assert torch.equal(views[0, 3][0], views[0, 4][0])


def test_the_list_counts_each_file_once(tmp_path: Path) -> None:
    listed = tmp_path / "new" / "bad.csv"
    assert add_to_list(listed, "a, b.jpg", "empty") == 1
    assert add_to_list(listed, "a, b.jpg", "empty") == 1
    assert add_to_list(listed, "c.jpg", "of\ntwo lines") == 2
    assert rows(listed) == [["file", "reason"], ["a, b.jpg", "empty"], ["c.jpg", "of\ntwo lines"]]


def test_a_list_that_cannot_be_written_is_said_once_and_counted_on(
    folder: Path, caplog: pytest.LogCaptureFixture
) -> None:
    (folder / "bad_images.csv").mkdir()  # stands for a full disk
    made = data(folder).train_views()
    for _ in range(2):
        assert torch.equal(made[0, 1199][0], made[0, 600][0])
    (said,) = caplog.messages
    assert "bad_images.csv (Is a directory): bad images are counted in memory, the first is" in said
    (folder / "train" / "class0" / "0000.bmp").write_bytes(b"")
    with pytest.raises(InputError, match="2 of 1200 training images are bad"):
        made[0, 0]


def test_names_that_are_no_text_are_listed(tmp_path: Path) -> None:
    name = os.fsdecode(b"\xff\n.jpg")
    assert [add_to_list(tmp_path / "bad.csv", name, "it is empty") for _ in range(2)] == [1, 1]
    assert b"\xff\n.jpg" in (tmp_path / "bad.csv").read_bytes()


def test_the_list_lies_in_the_folder_of_the_run(tmp_path: Path) -> None:
    fill(tmp_path / "train", 2, 1)
    fill(tmp_path / "val", 2, 1)
    run = tmp_path / "run"
    made = ImageFolder(root=tmp_path, image_size=8, batch_size=2, num_workers=0)
    made.trainer = pl.Trainer(logger=MetricsFile(run / "metrics.csv"), accelerator="cpu", default_root_dir=tmp_path)
    assert made.bad_images.parent.parent == Path(tempfile.gettempdir())
    made.setup("fit")
    quarantine = made.train_views().quarantine
    assert quarantine is not None
    assert quarantine.listed == made.bad_images == run / "bad_images.csv"


@pytest.mark.slow
def test_every_process_of_torchrun_lists_in_the_folder_of_the_run(folder: Path, tmp_path: Path) -> None:
    sampler = TrainSampler(1200, seed=0)
    sampler.num_replicas, sampler.rank = 2, 1
    assert 1199 in sampler.share()  # the second process meets the bad image
    data = ["--data=ImageFolder", f"--data.root={folder}", "--data.image_size=16", "--data.batch_size=100"]
    trainer = [*TWO, "--trainer.max_epochs=1", "--trainer.limit_train_batches=1.0", "--seed_everything=0"]
    runs = f"--trainer.default_root_dir={tmp_path / 'runs'}"
    torchrun = ["-m", "torch.distributed.run", "--standalone", "--nproc-per-node=2", "-m", "inception_lightning"]
    process = subprocess.Popen(
        [sys.executable, *torchrun, "fit", *SMALL, *data, *trainer, runs],
        cwd=ROOT,
        env=os.environ | {"PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1"},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
    code, output = finish(process)
    assert code == 0, output
    (listed,) = tmp_path.rglob("bad_images.csv")
    assert listed.parent == the_run(tmp_path / "runs")
    assert len(rows(listed)) == 2
