"""The data set that needs no network: 1,797 scanned handwritten digits."""

from dataclasses import dataclass
from functools import cache
from importlib.util import find_spec
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray

from inception_lightning.data.base import Split
from inception_lightning.data.division import DividedImages
from inception_lightning.loading.dataset import ImageTensors
from inception_lightning.loading.views import Augmentation, CenterCrop


@dataclass(kw_only=True, eq=False)
class Digits(DividedImages):
    """The UCI optical digits that scikit-learn ships: 10 classes, 8 x 8 pixels, enlarged to ``image_size``.

    A fifth of each class is held out; test shows the same images as validation. Images lie in memory, so no worker
    is as fast as none.
    """

    image_size: int = 16
    batch_size: int = 64
    num_workers: int | None = 0
    augmentation: Augmentation = Augmentation(area=(0.6, 1.0), flip=False)
    evaluation: CenterCrop = CenterCrop(fraction=1.0)

    class_names = tuple("0123456789")

    def dataset(self, split: Split) -> ImageTensors:
        """The whole images of one split, grey in three equal channels."""
        table = torch.from_numpy(_table())
        grey = table[:, :-1].reshape(-1, 8, 8) * (255 / 16)  # (1797, 8, 8), 0..16 -> 0..255
        images = grey.round().to(torch.uint8)[:, None].expand(-1, 3, -1, -1)  # (1797, 3, 8, 8)
        labels = table[:, -1].long()
        train, val = self.divided(labels)
        chosen = train if split == "train" else val
        return ImageTensors(images[chosen].contiguous(), labels[chosen])


@cache
def _table() -> NDArray[np.float64]:
    """The file of the data set (1797, 65): 64 pixels of 0..16 and the digit, in each row.

    It is read where it lies, or by scikit-learn where it lies elsewhere: importing that takes half a second.
    """
    package = find_spec("sklearn")
    file = Path(package.origin or "").parent / "datasets" / "data" / "digits.csv.gz" if package else None
    if file is not None and file.is_file():
        return np.loadtxt(file, delimiter=",")
    from sklearn.datasets import load_digits

    digits = load_digits()
    return np.column_stack([digits.data, digits.target])
