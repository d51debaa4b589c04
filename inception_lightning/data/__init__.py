"""The data: image files in, uint8 images (N, C, H, W) and class indices (N,) out."""

from inception_lightning.data.base import ImageDataModule
from inception_lightning.data.cifar import CIFAR10, CIFAR100
from inception_lightning.data.digits import Digits
from inception_lightning.data.folder import ImageFolder, Photos
from inception_lightning.data.imagenet import ImageNet
from inception_lightning.data.shards import Shards
from inception_lightning.data.table import ImageTable
from inception_lightning.loading.views import Augmentation, CenterCrop

__all__ = [
    "CIFAR10",
    "CIFAR100",
    "Augmentation",
    "CenterCrop",
    "Digits",
    "ImageDataModule",
    "ImageFolder",
    "ImageNet",
    "ImageTable",
    "Photos",
    "Shards",
]
