"""ImageNet: Russakovsky et al., ImageNet Large Scale Visual Recognition Challenge, arXiv:1409.0575."""

from collections.abc import Sequence
from functools import cached_property

from torchvision.models import Inception_V3_Weights

from inception_lightning.data.base import Split
from inception_lightning.data.folder import ImageFolder
from inception_lightning.errors import InputError
from inception_lightning.loading.dataset import ImageFiles
from inception_lightning.loading.listing import image_files


class ImageNet(ImageFolder):
    """ILSVRC-2012 as everyone has it on disk: ``root/train/n01440764/*.JPEG``, ``root/val/n01440764/*.JPEG``.

    Subsets with fewer classes work as well; arguments as `ImageFolder`.
    """

    @cached_property
    def class_names(self) -> Sequence[str]:
        """The synsets; with all 1,000 of them each is followed by its word ("n01440764 tench")."""
        words = Inception_V3_Weights.IMAGENET1K_V1.meta["categories"]  # in the order of the sorted synsets
        if len(self.class_folders) != len(words):
            return self.class_folders
        return [f"{synset} {word}" for synset, word in zip(self.class_folders, words, strict=True)]

    def dataset(self, split: Split) -> ImageFiles:
        """The whole images of one split.

        Raises:
            InputError: A folder is missing or empty, or the validation images are not in class folders.
        """
        val = self.splits.held.get("val")
        if split != "train" and val is not None and not any(entry.is_dir() for entry in val.iterdir()):
            count = len(image_files(val))
            raise InputError(
                f"the {count} images in {val} lie flat: "
                f"lightning data prepare FOLDER --root {self.root}, where FOLDER has the devkit, sorts them"
            )
        return super().dataset(split)
