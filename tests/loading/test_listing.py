"""What counts as an image in people's folders."""

import os
from pathlib import Path

import pytest
from PIL import Image

from inception_lightning.loading.decoding import FORMATS, decode
from inception_lightning.loading.listing import LeftOut, image_files

PICTURE = Image.new("RGB", (8, 6), "red")


@pytest.mark.parametrize("suffix", ["", ".jfif", ".jpe", ".JPG", ".image", ".jpg_large", ".jpg?w=300", ".txt", ".png"])
@pytest.mark.parametrize("kind", FORMATS)
def test_what_the_decoder_reads_is_an_image_whatever_it_is_called(kind: str, suffix: str, tmp_path: Path) -> None:
    file = tmp_path / f"photo{suffix}"
    PICTURE.save(file, format=kind)
    assert image_files(tmp_path) == [file]
    assert decode(file).shape == (3, 6, 8)


def test_what_is_no_image_is_counted_and_named(tmp_path: Path) -> None:
    for name in ("a.heic", "b.heic", "notes.txt", "LICENSE", "half.part", "Thumbs.db", ".hidden"):
        (tmp_path / name).write_bytes(b"BMW, P6 and II are no images")
    PICTURE.save(tmp_path / "half.jpg.part", format="jpeg")
    PICTURE.save(tmp_path / "raw.NEF", format="tiff")
    os.mkfifo(tmp_path / "pipe.jpg")
    (tmp_path / "odd\n.x\x1b").touch()
    left_out = LeftOut()
    assert image_files(tmp_path, left_out) == []
    kinds = {"files .heic": 2, "files .part": 2, "files .txt": 1, "files .nef": 1, "pipes or devices": 1}
    assert left_out.counts == kinds | {"other files": 1, "files .x\\x1b": 1}
    assert left_out.text().startswith(f"left out: 2 files .heic ({tmp_path}")
    assert left_out.text().endswith("and 2 further kinds")
    assert left_out.text().isprintable()
    assert LeftOut().text() == ""


def test_linked_folders_are_followed_once_and_loops_end(tmp_path: Path) -> None:
    ant, store = tmp_path / "root" / "ant", tmp_path / "store"
    for file in (ant / "a.jpg", tmp_path / "root" / "bee" / "b.jpg", store / "c.jpg", store / "deep" / "d.jpg"):
        file.parent.mkdir(parents=True, exist_ok=True)
        PICTURE.save(file)
    for place, target in (
        (ant / "linked", store),
        (ant / "same", store),
        (ant / "up", tmp_path / "root"),
        (store / "back", ant),
        (store / "deep" / "over", tmp_path),
        (ant / "itself", ant / "itself"),
        (ant / "gone", tmp_path / "nowhere"),
    ):
        place.symlink_to(target)
    left_out = LeftOut()
    names = [str(file.relative_to(ant)) for file in image_files(ant, left_out)]
    assert names == ["a.jpg", "linked/c.jpg", "linked/deep/d.jpg"]
    assert left_out.counts == {"links to a folder above": 3, "further links to a folder": 1, "other files": 2}
