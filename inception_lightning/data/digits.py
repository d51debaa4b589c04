"""The data set that needs no network: 1,797 scanned handwritten digits."""

from dataclasses import dataclass

import torch

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
        from sklearn.datasets import load_digits  # takes half a second

        digits = load_digits()
        grey = torch.from_numpy(digits.images) * (255 / 16)  # (1797, 8, 8), 0..16 -> 0..255
        images = grey.round().to(torch.uint8)[:, None].expand(-1, 3, -1, -1)  # (1797, 3, 8, 8)
        labels = torch.from_numpy(digits.target)
        train, val = self.divided(labels)
        chosen = train if split == "train" else val
        return ImageTensors(images[chosen].contiguous(), labels[chosen])
