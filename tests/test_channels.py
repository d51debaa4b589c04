"""Images of five channels from end to end: trained, resumed, tested, predicted, exported; others refused everywhere."""

import csv
import json
import shutil
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tifffile
import torch
import yaml
from PIL import Image

from inception_lightning.__main__ import main
from inception_lightning.configurable import KEY
from inception_lightning.data import Augmentation, ImageFolder, Photos
from inception_lightning.deployment.formats import opened
from inception_lightning.errors import InputError
from inception_lightning.evaluation.predictions import predict_some
from inception_lightning.runs.checkpoints import read_checkpoint
from inception_lightning.training.classifier import InceptionClassifier

NAMES = ("corn", "wheat")
NET = ["--model.net", "InceptionResNetV1", "--model.net.stem", "small", "--model.net.width", "0.05"]
SMALL = [*NET, "--model.net.depths", "[1,1,1]", "--data.image_size", "16", "--data.batch_size", "4"]
QUICK = ["--data.num_workers", "0", "--wandb.mode", "disabled", "--trainer.accelerator", "cpu"]


@dataclass(frozen=True)
class Place:
    folder: Path

    @property
    def tiles(self) -> Path:
        return self.folder / "tiles"

    @property
    def photos(self) -> Path:
        return self.folder / "photos"

    @property
    def statistics(self) -> Path:
        return self.folder / "statistics.yaml"

    def checkpoint(self, name: str, which: str = "last") -> Path:
        (found,) = (self.folder / name).glob(f"*/checkpoints/{which}.ckpt")
        return found

    def exported(self, name: str) -> Path:
        (found,) = (self.folder / "exported").glob(f"{name}/*.safetensors")
        return found


def fill(folder: Path) -> None:
    """Tiles of five bands in 16 bits, and photos; of two classes each."""
    for index, name in enumerate(NAMES):
        for kind in ("tiles", "photos"):
            (folder / kind / name).mkdir(parents=True)
        for number in range(8):
            generator = np.random.default_rng((index, number))
            bands = generator.normal(3000, 500, (20, 24, 5))
            bands[..., 3] += 2500 * index
            file = folder / "tiles" / name / f"{number}.tif"
            tifffile.imwrite(file, bands.astype(np.uint16), photometric="minisblack", planarconfig="contig")
            pixels = generator.integers(0, 255, (20, 24, 3), np.uint8)
            Image.fromarray(pixels).save(folder / "photos" / name / f"{number}.jpg")


def fit(place: Path, root: Path | None, *words: str, epochs: int = 2) -> int:
    data = ["--data", "ImageFolder", "--data.root", str(root), *SMALL] if root else []
    lasting = ["--trainer.max_epochs", str(epochs), "--trainer.default_root_dir", str(place)]
    return main(["fit", *data, *QUICK, *lasting, *words])


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Place:
    made = Place(tmp_path_factory.mktemp("channels"))
    fill(made.folder)
    root = ["--root", str(made.tiles), "--data.num_workers=0"]
    assert main(["data", "check", *root, "--statistics", str(made.statistics)]) == 0
    assert fit(made.folder / "whole", made.tiles, "--config", str(made.statistics)) == 0
    assert fit(made.folder / "parts", made.tiles, "--config", str(made.statistics), epochs=1) == 0
    last = made.checkpoint("parts")
    assert fit(made.folder / "parts", None, "--ckpt_path", str(last), epochs=2) == 0
    assert fit(made.folder / "rgb", made.photos, epochs=1) == 0
    for name in ("whole", "rgb"):
        out = ["--out", str(made.folder / "exported" / name), "--data.num_workers", "0"]
        assert main(["export", "--ckpt_path", str(made.checkpoint(name)), "--format", "safetensors", *out]) == 0
    return made


def predictions(folder: Path) -> list[list[str]]:
    (file,) = folder.glob("predict-*/predictions.csv")
    with file.open(newline="") as opened_file:
        return list(csv.reader(opened_file))


def test_what_was_measured_is_trained_with_and_kept_in_the_checkpoint(place: Place) -> None:
    tiles = [tifffile.imread(file) for file in (place.tiles).glob("*/*.tif")]
    page = yaml.safe_load(place.statistics.read_text())["model"]
    data = ImageFolder(root=place.tiles, num_workers=0)
    train = [data.dataset("train")[index][0].double() for index in range(len(data.dataset("train")))]
    pixels = torch.stack(train).transpose(0, 1).flatten(1)  # (5, N H W)
    assert 0 < len(train) < len(tiles)
    assert page["mean"] == pytest.approx(pixels.mean(1).tolist(), rel=1e-4)
    assert page["std"] == pytest.approx(pixels.std(1, unbiased=False).tolist(), rel=1e-4)
    assert place.statistics.read_text().startswith("# of images of 5 channels, uint16, of which 65535 is 1.0\n")

    checkpoint = read_checkpoint(place.checkpoint("whole"))
    held = checkpoint[KEY]["model"]["init_args"]
    assert (held["mean"], held["std"]) == (page["mean"], page["std"])
    assert held["net"]["init_args"]["in_channels"] == 5
    assert held["pixels"] == "float32"
    assert checkpoint[KEY]["data"]["init_args"]["channels"] == 5
    module = InceptionClassifier.load_from_checkpoint(place.checkpoint("whole"))
    assert module.mean.flatten().tolist() == pytest.approx(page["mean"])
    assert module(torch.rand(1, 5, 16, 16)).shape == (1, 2)
    written = yaml.safe_load(place.checkpoint("whole").parents[1].joinpath("config.yaml").read_text())
    assert written["model"]["net"]["init_args"]["in_channels"] == 5


def test_a_training_of_five_channels_goes_on_bit_by_bit(place: Place) -> None:
    whole, parts = (read_checkpoint(place.checkpoint(name)) for name in ("whole", "parts"))
    assert whole["global_step"] == parts["global_step"] > 0
    assert [key for key, one in whole["state_dict"].items() if not torch.equal(one, parts["state_dict"][key])] == []


def test_it_is_tested_and_predicts(place: Place, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    checkpoint, where = str(place.checkpoint("whole")), ["--trainer.default_root_dir", str(tmp_path)]
    assert main(["test", "--ckpt_path", checkpoint, *where]) == 0
    said = capsys.readouterr().out
    assert "Pictures show channels 1, 2 and 3 of 5 as red, green and blue, each stretched to its own range." in said
    assert main(["predict", "--ckpt_path", checkpoint, "--data.root", str(place.tiles), *where]) == 0
    rows = predictions(tmp_path)
    assert len(rows) == 17
    assert_predicts(place.exported("whole"), place, tmp_path / "file", rows)


def assert_predicts(file: Path, place: Place, there: Path, rows: list[list[str]]) -> None:
    """An exported file predicts what the checkpoint does."""
    words = ["--model", str(file), "--data.root", str(place.tiles), "--data.num_workers", "0"]
    assert main(["predict", *words, "--trainer.default_root_dir", str(there)]) == 0
    for row, expected in zip(predictions(there)[1:], rows[1:], strict=True):
        assert row[:2] == expected[:2]
        assert float(row[2]) == pytest.approx(float(expected[2]), abs=1e-4)


def test_an_exported_file_says_its_channels(place: Place) -> None:
    assert_says_its_channels(place.exported("whole"))


def assert_says_its_channels(file: Path) -> None:
    """A file, and the card beside it, say what images they take."""
    about = opened(file).about
    assert (about.channels, about.pixels, about.numbers, about.scale) == (5, "float32", "uint16", 65535)
    assert json.loads(about.metadata()["channels"]) == 5
    card = file.with_name("README.md").read_text()
    assert "float32 (N, 5, H, W)" in card
    assert "uint16 divided by 65535" in card
    assert 'image = np.load("bands.npy")[None]  # float32 (1, 5, H, W)' in card
    assert "PIL" not in card
    assert "photo.jpg" not in card


def test_a_photo_of_other_bands_is_a_row_with_its_reason(place: Place, tmp_path: Path) -> None:
    shutil.copytree(place.tiles, tmp_path / "tiles")
    shutil.copy(place.photos / "corn" / "0.jpg", tmp_path / "tiles" / "corn" / "z.jpg")
    words = ["--ckpt_path", str(place.checkpoint("whole")), "--data.root", str(tmp_path / "tiles")]
    assert main(["predict", *words, "--trainer.default_root_dir", str(tmp_path / "out")]) == 0
    rows = predictions(tmp_path / "out")
    assert [row[-1] for row in rows if row[0].endswith("z.jpg")] == ["it has 3 channels and the data have 5"]
    assert main(["data", "check", "--root", str(tmp_path / "tiles"), "--data.num_workers=0"]) == 2


def test_the_pictures_are_drawn(place: Place) -> None:
    run = place.checkpoint("whole").parents[1]
    assert (run / "predictions.png").is_file()
    views, of_photos = (Image.open(folder / "views.png") for folder in (run, place.checkpoint("rgb").parents[1]))
    assert views.height == of_photos.height + 24  # the caption
    module = InceptionClassifier.load_from_checkpoint(place.checkpoint("whole"))
    guess = predict_some(module, ImageFolder(root=place.tiles, image_size=16, num_workers=0))[0]
    assert guess.image.shape == (3, 16, 16)
    assert guess.image.dtype == torch.uint8
    assert guess.image.float().std() > 40  # though all values are below a tenth


def test_it_is_embedded_and_explained(place: Place, tmp_path: Path) -> None:
    checkpoint = ["--ckpt_path", str(place.checkpoint("whole"))]
    quick = ["--data.num_workers", "0"]
    assert main(["embed", str(place.tiles), *checkpoint, *quick, "--out", str(tmp_path / "e.npy")]) == 0
    assert len(np.load(tmp_path / "e.npy")) == 16
    assert main(["explain", str(place.tiles), *checkpoint, *quick, "--out", str(tmp_path / "shown")]) == 0
    page = (tmp_path / "shown" / "explain.html").read_text()
    assert "Pictures show channels 1, 2 and 3 of 5 as red, green and blue, each stretched to its own range." in page


def words_of(place: Place, out: Path) -> dict[str, Sequence[str]]:
    """Every meeting of a network with images, or weights, of another number of channels."""
    five, rgb, tiles, photos = place.checkpoint("whole"), place.checkpoint("rgb"), place.tiles, place.photos
    where = ["--trainer.default_root_dir", str(out)]
    folder = ["--data", "ImageFolder", *QUICK[:2]]
    train = ["fit", *folder, *SMALL, *QUICK[2:], "--trainer.fast_dev_run", "true", *where]
    return {
        "predict": ["predict", "--ckpt_path", str(five), "--data.root", str(photos), *where],
        "predict rgb": ["predict", "--ckpt_path", str(rgb), "--data.root", str(tiles), *where],
        "test": ["test", "--ckpt_path", str(five), "--data.root", str(photos), *where],
        "test rgb": ["test", "--ckpt_path", str(rgb), "--data.root", str(tiles), *where],
        "test other data": ["test", "--ckpt_path", str(five), "--data", "Digits", *where],
        "validate": ["validate", "--ckpt_path", str(five), *folder, "--data.root", str(photos), *where],
        "calibrate": ["calibrate", "--ckpt_path", str(rgb), "--data.root", str(tiles), *where],
        "resume": ["fit", "--ckpt_path", str(five), "--data.root", str(photos), "--allow_changes", "true"],
        "ensemble": ["test", "--ckpt_path", str(five), "--ensemble", str(rgb), *where],
        "export": ["export", "--ckpt_path", str(five), "--data.root", str(photos), "--out", str(out)],
        "export rgb": ["export", "--ckpt_path", str(rgb), "--data.root", str(tiles), "--out", str(out)],
        "file": ["predict", "--model", str(place.exported("whole")), "--data.root", str(photos), *where],
        "file rgb": ["predict", "--model", str(place.exported("rgb")), "--data.root", str(tiles), *where],
        "embed": ["embed", str(photos), "--ckpt_path", str(five), "--out", str(out / "e.npy")],
        "embed rgb": ["embed", str(tiles), "--ckpt_path", str(rgb), "--out", str(out / "e.npy")],
        "explain": ["explain", str(photos), "--ckpt_path", str(five), "--out", str(out / "e")],
        "explain rgb": ["explain", str(tiles), "--ckpt_path", str(rgb), "--out", str(out / "e")],
        "weights": [*train, "--data.root", str(photos), "--model.weights", str(five)],
        "weights for 4": [*train, "--data.root", str(tiles), "--data.channels", "4"],
        "said to the network": [*train, "--data.root", str(tiles), "--model.net.in_channels", "3"],
        "mean": [*train, "--data.root", str(photos), "--config", str(place.statistics)],
        "fid": ["fid", str(photos), str(photos), "--weights", str(five), "--num_workers", "0", "--device", "cpu"],
    }


MEETINGS = [
    *("predict", "predict rgb", "test", "test rgb", "test other data", "validate", "calibrate", "resume", "ensemble"),
    *(
        "export",
        "export rgb",
        "embed",
        "embed rgb",
        "explain",
        "explain rgb",
        "file",
        "file rgb",
        "weights",
        "weights for 4",
        "said to the network",
        "mean",
        "fid",
    ),
]


@pytest.mark.parametrize("meeting", MEETINGS)
def test_another_number_is_refused_in_one_sentence(
    meeting: str, place: Place, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(list(words_of(place, tmp_path)[meeting])) == 2
    said = [line for line in capsys.readouterr().err.splitlines() if line.startswith("error: ")]
    assert len(said) == 1
    assert "channel" in said[0]
    assert "5" in said[0]
    assert "3" in said[0] or "4" in said[0]


@pytest.mark.parametrize("name", ["distortion", "rand_augment"])
def test_what_changes_colours_is_refused(name: str, place: Place, capsys: pytest.CaptureFixture[str]) -> None:
    assert fit(place.folder / "refused", place.tiles, f"--data.augmentation.{name}", "1") == 2
    assert f"augmentation.{name} changes" in capsys.readouterr().err


def test_what_does_not_is_done(place: Place) -> None:
    how: Any = {"erasing": 1.0, "interpolation": "random", "crop": "slim"}
    data = ImageFolder(root=place.tiles, image_size=16, num_workers=0, augmentation=Augmentation(**how))
    view = data.train_views()[0, 0][0]
    assert view.shape == (5, 16, 16)
    assert view.dtype == torch.float32
    assert (view == 0.5).any()  # what was erased
    assert (view < 0.2).any()


def test_grey_in_16_bits_is_one_channel_where_it_is_said(tmp_path: Path) -> None:
    for name in NAMES:
        (tmp_path / name).mkdir()
        for number in range(4):
            deep = np.random.default_rng(number).integers(0, 65536, (12, 12)).astype(np.uint16)
            Image.fromarray(deep).save(tmp_path / name / f"{number}.png")
    colours = ImageFolder(root=tmp_path, image_size=12, num_workers=0)
    assert (colours.num_channels, colours.pixels) == (3, "uint8")
    grey = ImageFolder(root=tmp_path, image_size=12, num_workers=0, channels=1)
    assert (grey.num_channels, grey.pixels) == (1, "float32")
    image = grey.dataset("train")[0][0]
    assert image.shape == (1, 12, 12)
    assert len((image * 65535).unique()) > 130  # more than 8 bits


@pytest.mark.parametrize("workers", [0, 2])
def test_arrays_are_images_where_there_are_no_pictures(workers: int, tmp_path: Path) -> None:
    for name in NAMES:
        (tmp_path / "arrays" / name).mkdir(parents=True)
        for number in range(6):
            array = np.random.default_rng(number).integers(0, 256, (7, 12, 14), np.uint8)
            np.save(tmp_path / "arrays" / name / f"{number}.npy", array)
    data = ImageFolder(root=tmp_path / "arrays", image_size=12, batch_size=4, num_workers=workers)
    assert (data.num_channels, data.pixels) == (7, "uint8")
    images, _ = next(iter(data.train_dataloader()))
    assert images.shape == (4, 7, 12, 12)
    assert images.is_contiguous(memory_format=torch.channels_last)
    photos = Photos(root=tmp_path / "arrays", class_names=NAMES, num_workers=0)
    assert len(photos.files) == 12
    Image.new("RGB", (12, 14)).save(tmp_path / "arrays" / "corn" / "a.png")
    mixed = ImageFolder(root=tmp_path / "arrays", image_size=12, num_workers=0)
    assert len(mixed.undivided()) == 1
    assert mixed.num_channels == 3
    assert "12 files .npy" in mixed.left_out.text()


def test_shards_and_tables_have_bands_too(place: Place, tmp_path: Path) -> None:
    from inception_lightning.data import ImageTable, Shards

    pytest.importorskip("litdata")
    assert main(["data", "shard", str(place.tiles), str(tmp_path / "shards"), "--data.num_workers=0"]) == 0
    shards = Shards(root=str(tmp_path / "shards"), image_size=16, num_workers=0)
    assert shards.num_channels == 5
    (tmp_path / "t.csv").write_text(
        "path,label\n" + "".join(f"{file},{file.parent.name}\n" for file in sorted(place.tiles.glob("*/*.tif")))
    )
    table = ImageTable(root=tmp_path / "t.csv", image_size=16, num_workers=0, scale=10_000)
    image = table.dataset("train")[0][0]
    assert image.shape[0] == shards.dataset("train")[0][0].shape[0] == 5
    assert 0.1 < float(image.mean()) < 0.6


def test_images_of_other_types_are_no_images(place: Place) -> None:
    module = InceptionClassifier.load_from_checkpoint(place.checkpoint("rgb"))
    with pytest.raises(TypeError, match="must be uint8"):
        module(torch.rand(1, 3, 16, 16))
    with pytest.raises(InputError, match="images have 1 channel and the network takes 3"):
        module(torch.zeros(1, 1, 16, 16, dtype=torch.uint8))


@pytest.mark.parametrize(
    ("said", "why"),
    [
        (["--data.channels", "0"], "data.channels must be at least 1"),
        (["--data.scale", "0"], "data.scale must be a number above 0"),
        (["--model.std", "[0.1,0,1,1,1]"], "model.std must be above 0"),
        (["--model.mean", "[0.1,0.2]"], "model.mean has 2 numbers and the images have 5 channels"),
        (["--model.pixels", "uint8"], "say --model.pixels float32"),
    ],
)
def test_impossible_numbers_are_refused(
    said: list[str], why: str, place: Place, capsys: pytest.CaptureFixture[str]
) -> None:
    assert fit(place.folder / "refused", place.tiles, *said) == 2
    assert why in capsys.readouterr().err


@pytest.mark.slow  # compiling takes a minute
def test_every_format_takes_five_channels(place: Place, tmp_path: Path) -> None:
    checkpoint, out = ["--ckpt_path", str(place.checkpoint("whole"))], ["--out", str(tmp_path / "out")]
    formats = ["--format", "onnx", "openvino", "pt2", "safetensors", "--int8", "--int8_loss", "100"]
    assert main(["export", *checkpoint, *formats, *out, "--tolerance", "1e-4", "--data.num_workers", "0"]) == 0
    for suffix in (".onnx", ".int8.onnx", ".xml", ".pt2", ".safetensors"):
        assert_says_its_channels(tmp_path / "out" / f"inceptionresnetv1{suffix}")
    where = ["--data.root", str(place.tiles), "--trainer.default_root_dir", str(tmp_path / "checkpoint")]
    assert main(["predict", *checkpoint, *where]) == 0
    rows = predictions(tmp_path / "checkpoint")
    assert_predicts(tmp_path / "out" / "inceptionresnetv1.onnx", place, tmp_path / "onnx", rows)
