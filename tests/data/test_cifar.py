import functools
import hashlib
import os
import pickle
import tarfile
import threading
from collections.abc import Iterator
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torchvision import datasets
from torchvision.datasets import utils

from inception_lightning.data import CIFAR10, CIFAR100
from inception_lightning.data.base import Split
from inception_lightning.errors import InputError

SPLITS: tuple[Split, ...] = ("train", "val", "test")
NOWHERE = "http://127.0.0.1:1/cifar.tar.gz"  # refused at once


class Server(SimpleHTTPRequestHandler):
    """Sends the files of a folder, and hangs up on whoever asks for anything else."""

    def do_GET(self) -> None:
        if Path(self.translate_path(self.path)).is_file():
            super().do_GET()
        else:
            self.close_connection = True

    do_HEAD = do_GET

    def log_message(self, *_: object) -> None:
        """Be silent."""


@pytest.fixture
def server(tmp_path: Path) -> Iterator[tuple[Path, str]]:
    """A folder and the address at which a server on this machine sends its files."""
    folder = tmp_path / "server"
    folder.mkdir()
    with ThreadingHTTPServer(("127.0.0.1", 0), functools.partial(Server, directory=str(folder))) as running:
        thread = threading.Thread(target=running.serve_forever)
        thread.start()
        yield folder, f"http://127.0.0.1:{running.server_port}/"
        running.shutdown()
        thread.join()


def write(folder: Path, name: str, content: Any) -> list[str]:
    """A file of the archive, as its name and checksum."""
    data = pickle.dumps(content)
    folder.mkdir(parents=True, exist_ok=True)
    (folder / name).write_bytes(data)
    return [name, hashlib.md5(data).hexdigest()]


def batch(size: int, classes: int, key: str, seed: int) -> dict[str, Any]:
    pixels = np.random.default_rng(seed).integers(0, 256, (size, 3072), dtype=np.uint8)
    return {"data": pixels, key: [index % classes for index in range(size)]}


def cifar10(source: Path, url: str = NOWHERE) -> type[CIFAR10]:
    """CIFAR-10 with 500 + 100 images of noise, its archive made in ``source``."""
    folder = source / "cifar-10-batches-py"
    parts = [write(folder, f"data_batch_{part}", batch(100, 10, "labels", part)) for part in range(5)]
    tests = [write(folder, "test_batch", batch(100, 10, "labels", 99))]
    names = write(folder, "batches.meta", {"label_names": [f"name {index}" for index in range(10)]})
    with tarfile.open(source / "cifar-10-python.tar.gz", "w:gz") as tar:
        tar.add(folder, arcname=folder.name)

    class Archive(datasets.CIFAR10):
        train_list = parts
        test_list = tests
        meta = {"filename": names[0], "key": "label_names", "md5": names[1]}  # noqa: RUF012  # as torchvision has it
        tgz_md5 = hashlib.md5((source / "cifar-10-python.tar.gz").read_bytes()).hexdigest()

    Archive.url = url

    class Fake(CIFAR10):
        archive = Archive

    return Fake


def test_a_share_of_each_class_of_the_training_images_is_held_out(tmp_path: Path) -> None:
    data = cifar10(tmp_path)(root=tmp_path)
    data.prepare_data()
    train, val, test = (data.dataset(split) for split in SPLITS)
    assert (len(train), len(val), len(test)) == (450, 50, 100)
    assert val.labels.bincount().tolist() == [5] * 10
    whole = {image.numpy().tobytes() for image in torch.cat([train.images, val.images])}
    assert len(whole) == 500
    assert not whole & {image.numpy().tobytes() for image in test.images}
    assert torch.equal(cifar10(tmp_path)(root=tmp_path, seed=9).dataset("val").images, val.images)


def test_val_fraction_0_validates_on_the_test_images(tmp_path: Path) -> None:
    data = cifar10(tmp_path)(root=tmp_path, val_fraction=0)
    train, val, test = (data.dataset(split) for split in SPLITS)
    assert (len(train), len(val), len(test)) == (500, 100, 100)
    assert torch.equal(val.images, test.images)


def test_the_pixels_are_the_archives_rows_red_first(tmp_path: Path) -> None:
    data = cifar10(tmp_path)(root=tmp_path, val_fraction=0)
    row = torch.from_numpy(batch(100, 10, "labels", 99)["data"][7])
    image, label = data.dataset("test")[7]
    assert torch.equal(image, row.view(3, 32, 32))
    assert label == 7
    assert data.class_names[7] == "name 7"
    assert data.num_classes == 10


def test_batches_come_at_the_size_that_was_said(tmp_path: Path) -> None:
    data = cifar10(tmp_path)(root=tmp_path, image_size=40, batch_size=30, num_workers=0)
    images, labels = next(iter(data.train_dataloader()))
    assert images.shape == (30, 3, 40, 40)
    assert images.dtype == torch.uint8
    assert labels.max() < 10


def test_cifar100_has_fine_labels(tmp_path: Path) -> None:
    folder = tmp_path / "cifar-100-python"
    train = write(folder, "train", batch(1000, 100, "fine_labels", 0))
    test = write(folder, "test", batch(100, 100, "fine_labels", 1))
    names = write(folder, "meta", {"fine_label_names": [f"name {index}" for index in range(100)]})

    class Archive(datasets.CIFAR100):
        train_list = [train]  # noqa: RUF012  # as torchvision has it
        test_list = [test]  # noqa: RUF012
        meta = {"filename": names[0], "key": "fine_label_names", "md5": names[1]}  # noqa: RUF012

    class Fake(CIFAR100):
        archive = Archive

    data = Fake(root=tmp_path)
    assert data.num_classes == len(data.class_names) == 100
    assert data.dataset("val").labels.bincount().tolist() == [1] * 100
    assert len(data.dataset("train")) == 900


def test_the_archive_is_downloaded_checked_and_unpacked_once(tmp_path: Path, server: tuple[Path, str]) -> None:
    folder, address = server
    data = cifar10(folder, f"{address}cifar-10-python.tar.gz")(root=tmp_path / "new")
    data.prepare_data()
    assert len(data.dataset("train")) == 450
    (folder / "cifar-10-python.tar.gz").unlink()
    data.prepare_data()


def test_an_archive_put_there_by_hand_needs_no_network(tmp_path: Path) -> None:
    fake = cifar10(tmp_path / "made")
    (tmp_path / "data").mkdir()
    (tmp_path / "made" / "cifar-10-python.tar.gz").rename(tmp_path / "data" / "cifar-10-python.tar.gz")
    data = fake(root=tmp_path / "data")
    data.prepare_data()
    assert len(data.dataset("test")) == 100


def test_without_archive_and_network_it_says_what_to_put_where(tmp_path: Path) -> None:
    data = cifar10(tmp_path / "made")(root=tmp_path / "empty")
    with pytest.raises(InputError) as raised:
        data.prepare_data()
    assert str(raised.value).startswith("cannot download Archive (<urlopen error")
    assert str(raised.value).endswith(f"put cifar-10-python.tar.gz into {tmp_path / 'empty'}")


def test_a_damaged_download_is_refused(tmp_path: Path, server: tuple[Path, str]) -> None:
    folder, address = server
    fake = cifar10(folder, f"{address}cifar-10-python.tar.gz")
    (folder / "cifar-10-python.tar.gz").write_bytes(b"half")
    with pytest.raises(InputError, match=r"cannot download Archive .*corrupted.*: put cifar-10-python"):
        fake(root=tmp_path / "new").prepare_data()


def test_a_server_that_hangs_up_is_no_traceback(tmp_path: Path, server: tuple[Path, str]) -> None:
    folder, address = server
    fake = cifar10(folder, f"{address}elsewhere.tar.gz")
    with pytest.raises(InputError, match="cannot download Archive"):
        fake(root=tmp_path / "new").prepare_data()


@pytest.mark.parametrize("split", ["train", "val", "test"])
def test_asking_for_images_that_are_not_there_says_what_to_do(split: Any, tmp_path: Path) -> None:
    data = CIFAR10(root=tmp_path)
    with pytest.raises(InputError) as raised:
        data.dataset(split)
    assert str(raised.value) == (
        f"no CIFAR10 in {tmp_path}: put cifar-10-python.tar.gz there, or say --data.root FOLDER"
    )


class Attack:
    """Makes a folder when it is unpickled."""

    def __init__(self, mark: Path) -> None:
        self.mark = mark

    def __reduce__(self) -> tuple[object, tuple[str]]:
        return os.mkdir, (str(self.mark),)


@pytest.mark.parametrize("name", ["data_batch_1", "test_batch", "batches.meta"])
def test_a_file_with_another_checksum_is_refused_before_it_is_unpickled(name: str, tmp_path: Path) -> None:
    data = cifar10(tmp_path)(root=tmp_path)
    mark, file = tmp_path / "mark", tmp_path / "cifar-10-batches-py" / name
    for content in (pickle.dumps({"data": Attack(mark)}), file.read_bytes()[:-20]):
        file.write_bytes(content)
        for read in (lambda: data.dataset("train"), lambda: data.dataset("test"), lambda: data.class_names):
            with pytest.raises(InputError, match=f"no Archive in {tmp_path}: put cifar-10-python"):
                read()
    assert not mark.exists()


def test_each_file_is_checksummed_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    looked: list[str] = []
    real = utils.calculate_md5

    def watched(file: str, *rest: Any) -> Any:
        looked.append(Path(file).name)
        return real(file, *rest)

    monkeypatch.setattr(utils, "calculate_md5", watched)  # torchvision's own checks too
    data = cifar10(tmp_path)(root=tmp_path)
    data.prepare_data()
    for _ in range(2):
        _ = data.dataset("train"), data.dataset("val"), data.dataset("test"), data.class_names, data.fingerprint
    assert sorted(looked) == ["batches.meta", *(f"data_batch_{part}" for part in range(5)), "test_batch"]
