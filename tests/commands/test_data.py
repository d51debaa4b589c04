"""ImageNet's official archives, made here in small, from `lightning data prepare` to training and validation."""

import hashlib
import io
import tarfile
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from scipy.io import savemat  # type: ignore[import-untyped]  # no types

from inception_lightning.__main__ import main
from inception_lightning.data import ImageNet
from inception_lightning.data.prepare import DEVKIT, META, TRAIN, TRUTH, VAL, prepare
from inception_lightning.errors import InputError

SYNSETS = ("n01440764", "n01443537", "n02102040")
TRUTHS = (3, 1, 2, 1)  # of each validation image, numbers in the devkit's table
IN_DEVKIT = ("n02102040", "n01440764", "n01443537")  # its order is not the sorted one


def photo(seed: int) -> bytes:
    noise = np.random.default_rng(seed).integers(0, 256, (90, 100, 3), dtype=np.uint8)
    file = io.BytesIO()
    Image.fromarray(noise).save(file, "jpeg")
    return file.getvalue()


def tar(files: dict[str, bytes], mode: str = "w") -> bytes:
    packed = io.BytesIO()
    with tarfile.open(fileobj=packed, mode=mode) as made:  # type: ignore[call-overload]
        for name, content in files.items():
            member = tarfile.TarInfo(name)
            member.size = len(content)
            made.addfile(member, io.BytesIO(content))
    return packed.getvalue()


def devkit() -> bytes:
    rows: list[tuple[object, ...]] = [
        (number, synset, "words", "gloss", 0, [], 0, 9) for number, synset in enumerate(IN_DEVKIT, start=1)
    ]
    rows.append((4, "n00001740", "entity", "gloss", 3, [1, 2, 3], 0, 0))
    names = (
        "ILSVRC2012_ID",
        "WNID",
        "words",
        "gloss",
        "num_children",
        "children",
        "wordnet_height",
        "num_train_images",
    )
    table = np.array(rows, dtype=[(name, object) for name in names])
    file = io.BytesIO()
    savemat(file, {"synsets": table[:, None]})
    truth = "\n".join(map(str, TRUTHS)).encode()
    return tar({META: file.getvalue(), TRUTH: truth}, "w:gz")


@pytest.fixture
def source(tmp_path: Path) -> Path:
    folder = tmp_path / "archives"
    folder.mkdir()
    (folder / DEVKIT).write_bytes(devkit())
    classes = {
        f"{synset}.tar": tar({f"{synset}_{index}.JPEG": photo(10 * place + index) for index in range(4)})
        for place, synset in enumerate(SYNSETS)
    }
    (folder / TRAIN).write_bytes(tar(classes))
    val = {f"ILSVRC2012_val_{index:08}.JPEG": photo(100 + index) for index in range(1, 5)}
    (folder / VAL).write_bytes(tar(val))
    return folder


def tree(root: Path) -> list[str]:
    return sorted(str(file.relative_to(root)) for file in root.rglob("*.JPEG"))


EXPECTED_VAL = [
    "val/n01440764/ILSVRC2012_val_00000003.JPEG",
    "val/n01443537/ILSVRC2012_val_00000001.JPEG",
    "val/n02102040/ILSVRC2012_val_00000002.JPEG",
    "val/n02102040/ILSVRC2012_val_00000004.JPEG",
]


def test_imagenet_is_prepared_checked_trained_and_validated(
    source: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    root = tmp_path / "imagenet"
    assert main(["data", "prepare", str(source), "--root", str(root), "--unchecked"]) == 0
    assert [name for name in tree(root) if name.startswith("val")] == EXPECTED_VAL
    assert sum(name.startswith("train") for name in tree(root)) == 12
    capsys.readouterr()
    assert main(["data", "check", "--data=ImageNet", "--root", str(root), "--data.num_workers=1"]) == 0
    said = capsys.readouterr().out
    assert "train: 12 images, 3 of 3 classes of 4 to 4 images" in said
    assert "val: 4 images, 3 of 3 classes of 1 to 2 images" in said
    common = ["--data=ImageNet", f"--data.root={root}", "--data.num_workers=0", "--data.batch_size=4"]
    quiet = ["--trainer.accelerator=cpu", "--trainer.devices=1", "--trainer.enable_progress_bar=false"]
    small = ["--model.net=InceptionResNetV1", "--model.net.width=0.05", "--model.net.depths=[1,1,1]"]
    small += ["--data.image_size=75"]
    small += ["--trainer.default_root_dir", str(tmp_path / "runs"), "--wandb.mode=disabled"]
    assert main(["fit", *small, *common, *quiet, "--trainer.max_epochs=1", "--trainer.limit_train_batches=1"]) == 0
    best = next((tmp_path / "runs").rglob("best.ckpt"))
    assert main(["validate", f"--ckpt_path={best}", *quiet]) == 0


def test_preparing_can_be_stopped_and_started_again(source: Path, tmp_path: Path) -> None:
    root = tmp_path / "imagenet"
    prepare(source, root, {})
    whole = tree(root)
    (root / ".prepared").unlink()
    (root / whole[-1]).unlink()
    kept = root / whole[0]
    before = kept.stat().st_mtime_ns
    prepare(source, root, {})
    assert tree(root) == whole
    assert kept.stat().st_mtime_ns == before


def test_flat_validation_images_are_sorted_with_the_devkit(source: Path, tmp_path: Path) -> None:
    root = tmp_path / "imagenet"
    prepare(source, root, {})
    for file in list((root / "val").rglob("*.JPEG")):
        file.rename(root / "val" / file.name)
    (source / VAL).unlink()
    prepare(source, root, {})
    assert [name for name in tree(root) if name.startswith("val")] == EXPECTED_VAL


def test_checksums_are_compared(source: Path, tmp_path: Path) -> None:
    with pytest.raises(InputError, match="is damaged or another file: its MD5 is"):
        prepare(source, tmp_path / "imagenet")
    sums = {file.name: hashlib.md5(file.read_bytes()).hexdigest() for file in source.iterdir()}
    prepare(source, tmp_path / "imagenet", sums)
    assert len(ImageNet(root=tmp_path / "imagenet").dataset("train")) == 12


def without_a_class() -> bytes:
    return tar({f"{synset}.tar": tar({f"{synset}_1.JPEG": photo(1)}) for synset in SYNSETS[:2]})


def with_half_a_class() -> bytes:
    inner = tar({f"{SYNSETS[0]}_{index}.JPEG": photo(index) for index in range(4)})
    cut = inner[: inner.index(f"{SYNSETS[0]}_2".encode())]
    return tar(
        {f"{SYNSETS[0]}.tar": cut} | {f"{synset}.tar": tar({f"{synset}_1.JPEG": photo(1)}) for synset in SYNSETS[1:]}
    )


SHORT = {
    "no class": (TRAIN, without_a_class, r"is not complete: of n02102040 there are 0 images"),
    "half a class": (TRAIN, with_half_a_class, "cannot unpack .*: it ends too early"),
    "half of it": (TRAIN, lambda: without_a_class()[:-20_000], "cannot unpack|ends .* bytes too early"),
    "validation": (
        VAL,
        lambda: tar({"ILSVRC2012_val_00000001.JPEG": photo(1)}),
        "is not complete: of n02102040 there are 0 images",
    ),
    "nothing": (VAL, lambda: tar({}), "cannot unpack|is not complete"),
}


@pytest.mark.parametrize("kind", SHORT)
def test_a_short_archive_of_imagenet_is_refused_without_checksums_too(kind: str, source: Path, tmp_path: Path) -> None:
    name, content, said = SHORT[kind]
    whole = (source / name).read_bytes()
    (source / name).write_bytes(content())
    for _ in range(2):
        with pytest.raises(InputError, match=said):
            prepare(source, tmp_path / "imagenet", {})
    (source / name).write_bytes(whole)
    prepare(source, tmp_path / "imagenet", {})


def test_the_devkit_of_the_whole_announces_the_images_of_each_class(
    source: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("inception_lightning.data.prepare.CLASSES", 3)
    with pytest.raises(InputError, match=r"of n02102040 there are 4 images in .*train, and the devkit announces 9"):
        prepare(source, tmp_path / "imagenet", {})


@pytest.mark.parametrize("name", ["../n01440764.tar", "/tmp/n01440764.tar", "n01440764.tar/../../x", "evil.sh"])
def test_a_training_tar_with_other_names_writes_nothing(name: str, source: Path, tmp_path: Path) -> None:
    (source / TRAIN).write_bytes(tar({name: b"owned"}))
    with pytest.raises(InputError, match="which ImageNet's does not: do not trust it"):
        prepare(source, tmp_path / "a" / "imagenet", {})
    assert [file for file in (tmp_path / "a").rglob("*") if file.is_file()] == []


def test_a_missing_or_wrong_devkit_is_a_sentence(source: Path, tmp_path: Path) -> None:
    (source / DEVKIT).write_bytes(b"no devkit")
    with pytest.raises(InputError, match="is not ImageNet's devkit"):
        prepare(source, tmp_path, {})
    (source / DEVKIT).unlink()
    with pytest.raises(InputError, match="put ImageNet's archives there"):
        prepare(source, tmp_path, {})


def test_check_says_what_is_bad_and_twice_there(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for split, label, count in (("train", "a", 3), ("train", "b", 2), ("val", "a", 1), ("val", "b", 1)):
        (tmp_path / split / label).mkdir(parents=True)
        for index in range(count):
            (tmp_path / split / label / f"{index}.jpg").write_bytes(photo(index if split == "train" else 0))
    (tmp_path / "train" / "b" / "1.jpg").write_text("<html>")
    assert main(["data", "check", "--root", str(tmp_path), "--out", str(tmp_path / "bad.csv")]) == 2
    said = capsys.readouterr().out
    assert "train: 5 images, 2 of 2 classes of 2 to 3 images; shorter side 90 to 90" in said
    assert "duplicates: 1 images are there more than once" in said
    assert "warning: 1 images are in train and in val" in said
    assert f"bad in train: {tmp_path / 'train' / 'b' / '1.jpg'}: cannot identify image file: it is a web page" in said
    assert said.endswith("1 bad images\n")
    assert "web page" in (tmp_path / "bad.csv").read_text()


def test_show_draws_what_a_page_says(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    picture = tmp_path / "new" / "digits.png"
    assert main(["data", "show", "--config", "experiments/quickstart.yaml", "--out", str(picture)]) == 0
    with Image.open(picture) as drawn:
        assert min(drawn.size) > 800
    assert capsys.readouterr().out == f"see {picture}\n"


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["check", "--root", "nowhere"], "there is no folder nowhere"),
        (["show", "--config", "nowhere.yaml"], "cannot read the page nowhere.yaml"),
        (["check", "--data=CIFAR11"], "CIFAR11"),
        (["check", "--data.rooot=x"], "rooot"),
        (["prepare", "nowhere", "--root", "x", "--fast"], "there is no option fast"),
    ],
)
def test_wrong_words_are_a_sentence(words: list[str], said: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["data", *words]) == 2
    error = capsys.readouterr().err
    assert error.startswith("error: ")
    assert said in error
    assert len(error.strip().splitlines()) == 1
