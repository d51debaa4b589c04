"""Keras applications' two Inceptions, written out in torch on Keras's tensors, and files as Keras writes them."""

import zipfile
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import NDArray
from torch import Tensor

EPSILON = 1e-3  # of Keras's batch norm


@dataclass
class Kerases:
    """Draws a network's weights as its forward asks for them, layer by layer, as Keras makes them.

    Attributes:
        width: Factor on every number of filters.
        first: The number that Keras gives the first convolution; it counts on in each process.
        layers: Layer -> variable -> array in Keras's order of dimensions.
    """

    width: float
    first: int = 0
    layers: dict[str, dict[str, NDArray[np.float32]]] = field(default_factory=dict)
    random: np.random.Generator = field(default_factory=lambda: np.random.default_rng(0))
    made: int = 0

    def numbered(self, kind: str) -> str:
        """``conv2d``, ``conv2d_1``, ..."""
        number = self.first + self.made
        return f"{kind}_{number}" if number else kind

    def kernel(self, *shape: int) -> NDArray[np.float32]:
        """A kernel that keeps the activations' size."""
        return self.random.normal(0, (2 / np.prod(shape[:-1])) ** 0.5, shape).astype(np.float32)

    def conv(
        self, x: Tensor, filters: int, rows: int, cols: int, stride: int = 1, padding: str = "same", name: str = ""
    ) -> Tensor:
        """Keras's ``conv2d_bn``: no bias, a batch norm without gamma, ReLU."""
        filters = max(1, round(filters * self.width))
        layer, norm = name or self.numbered("conv2d"), f"{name}_bn" if name else self.numbered("batch_normalization")
        self.made += not name
        kernel = self.kernel(rows, cols, x.shape[1], filters)
        beta, mean = (self.random.normal(0, 0.1, filters).astype(np.float32) for _ in range(2))
        variance = self.random.uniform(0.5, 1.5, filters).astype(np.float32)
        self.layers[layer] = {"kernel": kernel}
        self.layers[norm] = {"beta": beta, "moving_mean": mean, "moving_variance": variance}
        x = F.conv2d(padded(x, rows, cols, stride, padding), torch.tensor(kernel).permute(3, 2, 0, 1), stride=stride)
        beta_, mean_, variance_ = (torch.tensor(values)[:, None, None] for values in (beta, mean, variance))
        return ((x - mean_) / (variance_ + EPSILON).sqrt() + beta_).relu()

    def up(self, x: Tensor, filters: int, name: str) -> Tensor:
        """A residual block's last convolution: with a bias, without batch norm and ReLU."""
        kernel, bias = self.kernel(1, 1, x.shape[1], filters), self.random.normal(0, 0.1, filters).astype(np.float32)
        self.layers[name] = {"kernel": kernel, "bias": bias}
        return F.conv2d(x, torch.tensor(kernel).permute(3, 2, 0, 1), torch.tensor(bias))

    def dense(self, x: Tensor, classes: int, name: str = "predictions") -> Tensor:
        """The logits: Keras's softmax is left to the caller."""
        kernel, bias = self.kernel(x.shape[1], classes), self.random.normal(0, 0.1, classes).astype(np.float32)
        self.layers[name] = {"kernel": kernel, "bias": bias}
        return x @ torch.tensor(kernel) + torch.tensor(bias)


def padded(x: Tensor, rows: int, cols: int, stride: int, padding: str) -> Tensor:
    """TensorFlow's padding ``same``: whatever is odd goes below and to the right."""
    if padding == "valid":
        return x
    missing = [
        max((-(-side // stride) - 1) * stride + size - side, 0)
        for side, size in zip(x.shape[2:], (rows, cols), strict=True)
    ]
    (top, left), (height, width) = (missing[0] // 2, missing[1] // 2), missing
    return F.pad(x, (left, width - left, top, height - top))


def average(x: Tensor) -> Tensor:
    """TensorFlow's 3x3 average pool ``same``: over the cells that there are."""
    ones = torch.ones(1, 1, *x.shape[2:])
    return F.avg_pool2d(x, 3, 1, 1, divisor_override=1) / F.avg_pool2d(ones, 3, 1, 1, divisor_override=1)


def cat(*branches: Tensor) -> Tensor:
    """Filter concat."""
    return torch.cat(branches, 1)


def stem(k: Kerases, x: Tensor) -> Tensor:
    """Both networks' first five convolutions."""
    x = k.conv(k.conv(x, 32, 3, 3, 2, "valid"), 32, 3, 3, 1, "valid")
    x = F.max_pool2d(k.conv(x, 64, 3, 3), 3, 2)
    return F.max_pool2d(k.conv(k.conv(x, 80, 1, 1, 1, "valid"), 192, 3, 3, 1, "valid"), 3, 2)


def chain(k: Kerases, x: Tensor, *convolutions: tuple[Any, ...]) -> Tensor:
    """One after the other."""
    for convolution in convolutions:
        x = k.conv(x, *convolution)
    return x


def inception_v3(k: Kerases, x: Tensor, classes: int) -> Tensor:
    """``keras.applications.InceptionV3``."""
    x = stem(k, x)
    for pool in (32, 64, 64):
        x = cat(
            k.conv(x, 64, 1, 1),
            chain(k, x, (48, 1, 1), (64, 5, 5)),
            chain(k, x, (64, 1, 1), (96, 3, 3), (96, 3, 3)),
            k.conv(average(x), pool, 1, 1),
        )
    x = cat(
        k.conv(x, 384, 3, 3, 2, "valid"),
        chain(k, x, (64, 1, 1), (96, 3, 3), (96, 3, 3, 2, "valid")),
        F.max_pool2d(x, 3, 2),
    )
    for c in (128, 160, 160, 192):
        x = cat(
            k.conv(x, 192, 1, 1),
            chain(k, x, (c, 1, 1), (c, 1, 7), (192, 7, 1)),
            chain(k, x, (c, 1, 1), (c, 7, 1), (c, 1, 7), (c, 7, 1), (192, 1, 7)),
            k.conv(average(x), 192, 1, 1),
        )
    x = cat(
        chain(k, x, (192, 1, 1), (320, 3, 3, 2, "valid")),
        chain(k, x, (192, 1, 1), (192, 1, 7), (192, 7, 1), (192, 3, 3, 2, "valid")),
        F.max_pool2d(x, 3, 2),
    )
    for _ in range(2):
        one, three = k.conv(x, 320, 1, 1), k.conv(x, 384, 1, 1)
        three = cat(k.conv(three, 384, 1, 3), k.conv(three, 384, 3, 1))
        double = chain(k, x, (448, 1, 1), (384, 3, 3))
        double = cat(k.conv(double, 384, 1, 3), k.conv(double, 384, 3, 1))
        x = cat(one, three, double, k.conv(average(x), 192, 1, 1))
    return k.dense(x.mean((2, 3)), classes)


def inception_resnet_v2(k: Kerases, x: Tensor, classes: int) -> Tensor:
    """``keras.applications.InceptionResNetV2``."""

    def blocks(x: Tensor, kind: str, count: int, scale: float, *branches: Sequence[tuple[Any, ...]]) -> Tensor:
        for index in range(1, count + 1):
            mixed = cat(*(chain(k, x, *branch) for branch in branches))
            last = kind == "block8" and index == count
            x = x + (1.0 if last else scale) * k.up(mixed, x.shape[1], f"{kind}_{index}_conv")
            x = x if last else x.relu()
        return x

    x = stem(k, x)
    x = cat(
        k.conv(x, 96, 1, 1),
        chain(k, x, (48, 1, 1), (64, 5, 5)),
        chain(k, x, (64, 1, 1), (96, 3, 3), (96, 3, 3)),
        k.conv(average(x), 64, 1, 1),
    )
    one = [(32, 1, 1)]
    x = blocks(x, "block35", 10, 0.17, one, [*one, (32, 3, 3)], [*one, (48, 3, 3), (64, 3, 3)])
    x = cat(
        k.conv(x, 384, 3, 3, 2, "valid"),
        chain(k, x, (256, 1, 1), (256, 3, 3), (384, 3, 3, 2, "valid")),
        F.max_pool2d(x, 3, 2),
    )
    x = blocks(x, "block17", 20, 0.1, [(192, 1, 1)], [(128, 1, 1), (160, 1, 7), (192, 7, 1)])
    x = cat(
        chain(k, x, (256, 1, 1), (384, 3, 3, 2, "valid")),
        chain(k, x, (256, 1, 1), (288, 3, 3, 2, "valid")),
        chain(k, x, (256, 1, 1), (288, 3, 3), (320, 3, 3, 2, "valid")),
        F.max_pool2d(x, 3, 2),
    )
    x = blocks(x, "block8", 10, 0.2, [(192, 1, 1)], [(192, 1, 1), (224, 1, 3), (256, 3, 1)])
    return k.dense(k.conv(x, 1536, 1, 1, name="conv_7b").mean((2, 3)), classes)


def write_h5(layers: dict[str, dict[str, NDArray[np.float32]]], path: Path) -> None:
    """A whole model as Keras 2 and 3 write ``.h5``; Keras 2 ended the variables' names by ``:0``."""
    with h5py.File(path, "w") as file:
        file.create_group("optimizer_weights/adam/conv2d").create_dataset("m:0", data=np.ones((3, 3, 3, 3)))
        for layer, arrays in layers.items():
            group = file.create_group(f"model_weights/{layer}/{layer}")
            for name, array in arrays.items():
                group.create_dataset(f"{name}:0", data=array)


def write_keras(layers: dict[str, dict[str, NDArray[np.float32]]], path: Path, *, named: bool = True) -> None:
    """A ``.keras`` file, or its ``.weights.h5`` alone, whose groups are called by position."""
    weights = path if path.suffix == ".h5" else path.with_name("model.weights.h5")
    with h5py.File(weights, "w") as file:
        for place, (layer, arrays) in enumerate(layers.items()):
            group = file.create_group(f"layers/functional/layers/layer_{place}/vars")
            if named:
                group.attrs["name"] = layer
            for number, array in enumerate(arrays.values()):
                group.create_dataset(str(number), data=array)
    if weights != path:
        with zipfile.ZipFile(path, "w") as archive:
            archive.write(weights, weights.name)
            archive.writestr("config.json", "{}")
