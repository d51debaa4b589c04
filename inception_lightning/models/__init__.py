"""The networks: plain ``torch.nn.Module``s from normalised images to logits."""

from inception_lightning.models.googlenet import GoogLeNet
from inception_lightning.models.inception_resnet import InceptionResNetV1, InceptionResNetV2
from inception_lightning.models.inception_v2 import InceptionV2
from inception_lightning.models.inception_v3 import InceptionV3
from inception_lightning.models.inception_v4 import InceptionV4
from inception_lightning.models.network import Inception

__all__ = [
    "GoogLeNet",
    "Inception",
    "InceptionResNetV1",
    "InceptionResNetV2",
    "InceptionV2",
    "InceptionV3",
    "InceptionV4",
]
