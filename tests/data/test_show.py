"""The picture of what the network will see; tests/commands/test_data.py makes it by its command."""

from io import BytesIO
from pathlib import Path

import numpy as np
from PIL import Image

from inception_lightning.data import ImageFolder
from inception_lightning.data.show import draw
from tests.strangers import NASTY


def test_class_names_are_no_formulas(tmp_path: Path) -> None:
    names = [name for name in NASTY if "/" not in name and len(name) < 100 and "\ud800" not in name]
    for name in names:
        (tmp_path / name).mkdir()
        for index in range(3):
            Image.fromarray(np.full((8, 8, 3), 80 * index, dtype=np.uint8)).save(tmp_path / name / f"{index}.png")
    data = ImageFolder(root=tmp_path, image_size=16, val_fraction=0.4, num_workers=0)
    figure = draw(data)
    figure.savefig(BytesIO(), format="png")
    titles = {axis.get_title() for part in figure.subfigs for axis in part.axes}
    assert r"Ba\$\$in" in titles
    assert all(title.isprintable() for title in titles)
