from pathlib import Path

import pytest
from PIL import Image

from inception_lightning.data import ImageNet
from inception_lightning.errors import InputError


def image(file: Path) -> None:
    file.parent.mkdir(parents=True, exist_ok=True)
    Image.new("RGB", (10, 10), "red").save(file, format="jpeg")


def test_flat_validation_images_are_refused_with_what_to_do(tmp_path: Path) -> None:
    for synset in ("n01440764", "n01443537"):
        image(tmp_path / "train" / synset / "1.JPEG")
    for index in range(3):
        image(tmp_path / "val" / f"ILSVRC2012_val_{index}.JPEG")
    data = ImageNet(root=tmp_path)
    assert len(data.dataset("train")) == 2
    with pytest.raises(InputError) as raised:
        data.dataset("val")
    assert str(raised.value) == (
        f"the 3 images in {tmp_path / 'val'} lie flat: "
        f"lightning data prepare FOLDER --root {tmp_path}, where FOLDER has the devkit, sorts them"
    )


def test_a_subset_is_named_by_its_synsets(tmp_path: Path) -> None:
    for synset in ("n02102040", "n01440764"):
        image(tmp_path / "train" / synset / "1.JPEG")
        image(tmp_path / "val" / synset / "1.JPEG")
    data = ImageNet(root=tmp_path)
    assert list(data.class_names) == ["n01440764", "n02102040"]
    assert data.dataset("val").labels.tolist() == [0, 1]


def test_all_1000_synsets_are_followed_by_their_words(tmp_path: Path) -> None:
    for index in range(1000):
        (tmp_path / "train" / f"n{index:08}").mkdir(parents=True)
    names = ImageNet(root=tmp_path).class_names
    assert len(set(names)) == 1000
    assert (names[0], names[1], names[999]) == (
        "n00000000 tench",
        "n00000001 goldfish",
        "n00000999 toilet tissue",
    )
