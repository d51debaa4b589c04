"""From the archives that ImageNet is published in to one folder per class.

torchvision's ``parse_devkit_archive`` and its kin trust what an archive holds (any names, links, any size; before
Python 3.11.4 paths that lead outside too), and take an unpacking that was stopped for a finished one.
"""

import logging
import os
import re
import tarfile
from collections import Counter
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import IO

from inception_lightning.data.archives import checksum, extract, inside, open_tar, write
from inception_lightning.errors import InputError

log = logging.getLogger(__name__)

DEVKIT, TRAIN, VAL = "ILSVRC2012_devkit_t12.tar.gz", "ILSVRC2012_img_train.tar", "ILSVRC2012_img_val.tar"
CHECKSUMS = {
    DEVKIT: "fa75699e90414af021442c21a62c3abf",
    TRAIN: "1d675b47d978889d74fa0da5fadfb00e",
    VAL: "29b22e2961454d5413ddabcf34fc5622",
}
CLASSES = 1000
META = "ILSVRC2012_devkit_t12/data/meta.mat"
TRUTH = "ILSVRC2012_devkit_t12/data/ILSVRC2012_validation_ground_truth.txt"
SYNSET_TAR = re.compile(r"(n\d{8})\.tar")
TRAIN_IMAGE = re.compile(r"n\d{8}_\d+\.JPEG")
VAL_IMAGE = re.compile(r"ILSVRC2012_val_(\d{8})\.JPEG")


def prepare(source: Path, root: Path, checksums: Mapping[str, str] | None = None) -> None:
    """Make ``root/train`` and ``root/val`` from an archive, or from the folder of ImageNet's official archives.

    It can be stopped and started again: what is there is left, and a file appears when it is complete.

    Args:
        source: A tar or zip of class folders; or a folder that holds the devkit, and the training tar,
            the validation tar, or flat images in ``root/val``.
        root: Where the class folders go.
        checksums: The MD5 of each archive by name; by default the official ones. Empty checks none.

    Raises:
        InputError: An archive is missing or damaged, or holds less than the devkit announces or what it should not.
    """
    if source.is_file():
        log.info("%d files in %s", extract(source, root), root)
        return
    devkit = source / DEVKIT
    if not devkit.is_file():
        raise InputError(
            f"there is no {DEVKIT} in {source}: put ImageNet's archives there, as image-net.org names them"
        )
    done = root / ".prepared"
    finished = set(done.read_text().split()) if done.is_file() else set()
    for name in (DEVKIT, TRAIN, VAL):
        if (source / name).is_file() and name not in finished:
            _check(source / name, CHECKSUMS if checksums is None else checksums)
    synsets, training = read_devkit(devkit)
    root.mkdir(parents=True, exist_ok=True)
    for name, work in ((TRAIN, _train), (VAL, _val)):
        if (source / name).is_file() and name not in finished:
            log.info("%d images from %s", work(source / name, root, synsets), name)
            announced = training if name == TRAIN else Counter(synsets)
            _compare(source / name, root / ("train" if name == TRAIN else "val"), announced)
            finished.add(name)
            done.write_text("\n".join(sorted(finished)))
    moved = _sort_flat(root / "val", synsets)
    if moved:
        log.info("%d flat validation images moved into their class folders", moved)
        _compare(root / "val", root / "val", Counter(synsets))


def read_devkit(devkit: Path) -> tuple[list[str], Mapping[str, int]]:
    """The synset of each validation image, in order, and the number of training images of each synset.

    Only the whole of ImageNet has these numbers; those of a part's synsets are 0, which stands for any.

    Raises:
        InputError: It is not the devkit.
    """
    from scipy.io import loadmat  # type: ignore[import-untyped]  # no types; scikit-learn brings it

    try:
        with tarfile.open(devkit) as tar:
            table = loadmat(_part(tar, META), squeeze_me=True)["synsets"]
            truth = _part(tar, TRUTH).read(10**7).decode().split()
        leaves = [row for row in table if int(row[4]) == 0]  # ID, WNID, words, gloss, children, ..., training images
        names = {int(row[0]): str(row[1]) for row in leaves}
        counts = {str(row[1]): int(row[7]) if len(leaves) == CLASSES else 0 for row in leaves}
        return [names[int(number)] for number in truth], counts
    except Exception as error:  # a damaged archive, or table, can fail in any way
        raise InputError(f"{devkit} is not ImageNet's devkit: {error}") from None


def _compare(archive: Path, folder: Path, announced: Mapping[str, int]) -> None:
    """Have as many images of each synset as the devkit announces."""
    for synset, count in announced.items():
        place = folder / synset
        found = sum(entry.name.endswith(".JPEG") for entry in os.scandir(place)) if place.is_dir() else 0
        if not found or (count and found != count):
            raise InputError(
                f"{archive} is not complete: of {synset} there are {found:,} images in {folder}, and the devkit "
                f"announces {f'{count:,}' if count else 'some'}"
            )


def _part(tar: tarfile.TarFile, name: str) -> IO[bytes]:
    opened = tar.extractfile(name)
    if opened is None:
        raise ValueError(f"{name} is not a file")
    return opened


def _check(archive: Path, checksums: Mapping[str, str]) -> None:
    if archive.name not in checksums:
        log.warning("%s is not checked", archive.name)
        return
    log.info("checking %s", archive.name)
    found = checksum(archive)
    if found != checksums[archive.name]:
        raise InputError(
            f"{archive} is damaged or another file: its MD5 is {found}, and {checksums[archive.name]} was expected"
        )


def _train(archive: Path, root: Path, synsets: list[str]) -> int:
    count = 0
    with open_tar(archive) as outer:
        for synset, size, opened in _plain(archive, outer, SYNSET_TAR):
            done = root / "train" / f".{synset[1]}.{size}"
            if not done.exists():
                with open_tar(archive, opened) as inner:
                    for name, image_size, image in _plain(archive, inner, TRAIN_IMAGE):
                        write(image, image_size, inside(root / "train" / synset[1], name[0], archive))
                        count += 1
                done.parent.mkdir(parents=True, exist_ok=True)
                done.touch()
    return count


def _val(archive: Path, root: Path, synsets: list[str]) -> int:
    count = 0
    with open_tar(archive) as tar:
        for name, size, opened in _plain(archive, tar, VAL_IMAGE):
            folder = _folder(root / "val", name, synsets)
            write(opened, size, inside(folder, name[0], archive))
            count += 1
    return count


def _plain(
    archive: Path, tar: tarfile.TarFile, pattern: re.Pattern[str]
) -> Iterator[tuple[re.Match[str], int, IO[bytes]]]:
    """The members, all of which must be plain files with names of this pattern."""
    for member in tar:
        name = pattern.fullmatch(member.name.removeprefix("./"))
        opened = tar.extractfile(member) if member.isreg() and name else None
        if opened is not None and name:
            yield name, member.size, opened
        elif not member.isdir():
            raise InputError(f"{archive} holds {member.name!r}, which ImageNet's does not: do not trust it")


def _sort_flat(val: Path, synsets: list[str]) -> int:
    """Move the images that lie in ``val`` itself into their class folders."""
    names = [VAL_IMAGE.fullmatch(file.name) for file in val.iterdir()] if val.is_dir() else []
    flat = [name for name in names if name]
    for name in flat:
        folder = _folder(val, name, synsets)
        folder.mkdir(exist_ok=True)
        (val / name[0]).rename(folder / name[0])
    return len(flat)


def _folder(val: Path, name: re.Match[str], synsets: list[str]) -> Path:
    number = int(name[1])
    if not 1 <= number <= len(synsets):
        raise InputError(f"{name[0]} is none of the {len(synsets)} validation images that the devkit knows")
    return val / synsets[number - 1]
