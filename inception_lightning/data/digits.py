"""The data set that needs no network: 1,797 scanned handwritten digits."""

from collections.abc import Sequence

import torch
from sklearn.datasets import load_digits

from inception_lightning.data.base import ImageDataModule, Split, split_by_fraction
from inception_lightning.loading.dataset import ImageTensors
from inception_lightning.loading.views import Augmentation, CenterCrop


class Digits(ImageDataModule):
    """The UCI optical digits that scikit-learn ships: 10 classes, 8 x 8 pixels, enlarged to ``image_size``.

    A fifth of each class is held out; test shows the same images as validation.
    """

    class_names: Sequence[str] = tuple("0123456789")

    def __init__(
        self,
        *,
        val_fraction: float = 0.2,
        image_size: int = 16,
        batch_size: int = 64,
        num_workers: int | None = 0,
        augmentation: Augmentation = Augmentation(area=(0.6, 1.0), flip=False),
        evaluation: CenterCrop = CenterCrop(fraction=1.0),
        seed: int = 0,
    ) -> None:
        """Hold out validation images and say how images are shown to the network.

        Args:
            val_fraction: Share of each class that is held out, 0..1; always the same images.
            image_size: Side of the square images that come out, in pixels.
            batch_size: Images per batch and process.
            num_workers: Processes that load; 0 is fastest, the images lie in memory.
            augmentation: The random view for training.
            evaluation: The fixed view for validation, test and prediction.
            seed: Where the order of training images and their random views start.
        """
        super().__init__(
            image_size=image_size,
            batch_size=batch_size,
            num_workers=num_workers,
            augmentation=augmentation,
            evaluation=evaluation,
            seed=seed,
        )
        self.val_fraction = val_fraction

    def dataset(self, split: Split) -> ImageTensors:
        """The whole images of one split, grey in three equal channels."""
        digits = load_digits()
        grey = torch.from_numpy(digits.images) * (255 / 16)  # (1797, 8, 8), 0..16 -> 0..255
        images = grey.round().to(torch.uint8)[:, None].expand(-1, 3, -1, -1)  # (1797, 3, 8, 8)
        labels = torch.from_numpy(digits.target)
        train, val = split_by_fraction(labels, self.val_fraction, seed=0)
        chosen = train if split == "train" else val
        return ImageTensors(images[chosen].contiguous(), labels[chosen])
