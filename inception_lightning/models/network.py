"""`Inception`: named stages, one classifier, auxiliary heads. Every variant is a table given to it."""

import math
from collections.abc import Collection, Mapping, Sequence
from typing import ClassVar, Literal, TypeAlias

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from inception_lightning.configurable import Configurable
from inception_lightning.errors import InputError
from inception_lightning.models.blocks import recompute
from inception_lightning.models.initialisation import he
from inception_lightning.models.layers import AvgPool, Conv, FullConv, Spec, Style, build, grid, small

Stem: TypeAlias = Literal["imagenet", "small"]
"""``imagenet``: the paper's; ``small``: the same convolutions for images of about 32 pixels."""

Chain: TypeAlias = tuple[Spec, ...]
"""Words in order."""

AUXILIARY_HEAD = (  # Rethinking, Figure 8: 17x17 -> 5x5 -> 5x5x128 -> 1x1x768
    AvgPool(5, stride=3, valid=True),
    Conv(128, 1),
    FullConv(768, 5),
)


class Inception(Configurable, nn.Module):
    """A network of named stages, with auxiliary classifiers on some of them.

    ``forward`` gives logits in training and evaluation alike; ``forward_with_aux`` adds the heads'.

    Attributes:
        mean: What the network expects to be subtracted from images in 0..1, per channel (R, G, B).
        std: What it expects them to be divided by.
        image_size: Side of the images it was made for, in pixels.
        crop_fraction: Share of the shorter side that the centre crop of evaluation keeps.
        interpolation: How images are resized for evaluation.
        aux_weight: Weight of each auxiliary loss where nothing else is said.
        aux_dropout: Share of the auxiliary classifiers' features dropped in training.
        minimum_size: Side of the smallest square image that passes through all stages, in pixels.
    """

    mean: tuple[float, float, float] = (0.5, 0.5, 0.5)
    std: tuple[float, float, float] = (0.5, 0.5, 0.5)
    image_size: int = 299
    crop_fraction: float = 0.875
    interpolation: Literal["bilinear", "bicubic"] = "bilinear"
    aux_weight: ClassVar[float] = 0.4  # TF-slim's; the papers on v3 and later name no value
    aux_dropout: ClassVar[float] = 0.0

    def __init__(
        self,
        stages: Mapping[str, Spec],
        num_classes: int,
        *,
        aux: Mapping[str, Chain],
        dropout: float,
        style: Style,
        bottleneck: int | None = None,
    ) -> None:
        """Build the stages in order.

        Args:
            stages: Stage name -> its table. The names are attributes and start the state dict's keys.
            num_classes: Length of the logits.
            aux: Stage name -> the table of the head that reads the stage's output.
            dropout: Share of the pooled features that are dropped in training, 0..1.
            style: Width and the other choices that hold for the whole network.
            bottleneck: Features that the pooled ones are reduced to before they are classified.
        """
        super().__init__()
        self.num_classes = num_classes
        self.stages = tuple(stages)
        self.recomputed: frozenset[str] = frozenset()
        self.aux_heads = nn.ModuleDict()
        channels = 3
        for name, spec in stages.items():
            module, channels = build(spec, channels, style)
            self.add_module(name, module)
            if name in aux:
                self.aux_heads[name] = AuxiliaryHead(aux[name], channels, num_classes, self.aux_dropout, style)
        self.dropout = nn.Dropout(dropout)
        self.bottleneck: nn.Module = nn.Identity()
        if bottleneck is not None:
            features = style.filters(bottleneck)
            norm = nn.BatchNorm1d(features, eps=style.bn_eps)
            self.bottleneck, channels = nn.Sequential(nn.Linear(channels, features, bias=False), norm), features
        self.classifier = linear(channels, num_classes, style)
        self.minimum_size = smallest(tuple(stages.values()))

    def forward(self, images: Tensor) -> Tensor:
        """Normalised images (N, 3, H, W) -> logits (N, num_classes).

        Raises:
            InputError: The images are smaller than `minimum_size`.
        """
        return self.classify(self._pass(images, ())[0])

    def forward_with_aux(self, images: Tensor) -> tuple[Tensor, dict[str, Tensor]]:
        """Normalised images (N, 3, H, W) -> logits and {stage name: its head's logits}, each (N, num_classes)."""
        last, ends = self._pass(images, self.aux_heads.keys())
        aux = {name: head(ends[name]) for name, head in self.aux_heads.items()}
        return self.classify(last), aux

    def endpoints(self, images: Tensor) -> dict[str, Tensor]:
        """Normalised images (N, 3, H, W) -> {stage name: activation (N, C, H', W')}, in order."""
        return self._pass(images, self.stages)[1]

    def _pass(self, images: Tensor, kept: Collection[str]) -> tuple[Tensor, dict[str, Tensor]]:
        """The last stage's activation, and those of the stages in ``kept``.

        The others are let go, so that the next stage finds their memory warm.
        """
        self.check_size(*images.shape[-2:])
        ends = {}
        x = images
        for name in self.stages:
            stage = self.get_submodule(name)
            recomputed = name in self.recomputed and torch.is_grad_enabled()
            x = recompute(stage, x) if recomputed else stage(x)
            if name in kept:
                ends[name] = x
        return x, ends

    def recompute(self, stages: Collection[str]) -> None:
        """Compute these stages again in the backward pass instead of keeping what is inside them: memory for time.

        Raises:
            InputError: There is no such stage.
        """
        for name in stages:
            one_of("recompute", name, self.stages)
        self.recomputed = frozenset(stages)

    def classify(self, features: Tensor) -> Tensor:
        """The last stage's activation (N, C, H', W') -> logits (N, num_classes)."""
        pooled = features.mean(dim=(2, 3))  # (N, C)
        logits: Tensor = self.classifier(self.bottleneck(self.dropout(pooled)))
        return logits

    def check_size(self, height: int, width: int) -> None:
        """Refuse images that the network would shrink to nothing.

        Raises:
            InputError: ``height`` or ``width`` (pixels) is smaller than `minimum_size`.
        """
        if min(height, width) < self.minimum_size:
            raise InputError(
                f"{type(self).__name__} needs images of at least {self.minimum_size} x {self.minimum_size} pixels "
                f"and got {height} x {width}: raise image_size, or build it with stem: small for images of about 32"
            )


class AuxiliaryHead(nn.Module):
    """A classifier on an inner stage: (N, C, H, W) -> (N, num_classes), for a grid of any size.

    Its table may open with a pool; 5 x 5 with stride 3 makes 5 x 5 of v3's 17 x 17. A grid too small
    for that, or any grid where there is no such pool, is averaged to what the convolutions need, so
    the head trains on every image the network takes.
    """

    def __init__(self, table: Chain, channels: int, num_classes: int, dropout: float, style: Style) -> None:
        super().__init__()
        pools, convolutions = (table[:1], table[1:]) if isinstance(table[0], AvgPool) else ((), table)
        self.pool, channels = build(pools, channels, style)
        self.features, channels = build(convolutions, channels, style)
        self.dropout = nn.Dropout(dropout)
        self.classifier = linear(channels, num_classes, style)
        self.pooled_size = smallest(convolutions)
        self.minimum_grid = smallest(table) if pools else math.inf

    def forward(self, x: Tensor) -> Tensor:
        """Shapes as above."""
        too_small = min(x.shape[-2:]) < self.minimum_grid
        x = F.adaptive_avg_pool2d(x, self.pooled_size) if too_small else self.pool(x)  # (N, C, 5, 5), GoogLeNet's 4 x 4
        pooled = self.features(x).mean(dim=(2, 3))  # (N, C)
        logits: Tensor = self.classifier(self.dropout(pooled))
        return logits


def linear(features: int, num_classes: int, style: Style) -> nn.Linear:
    """A classifier: (N, features) -> (N, num_classes). Weights start as PyTorch's or as the paper's."""
    layer = nn.Linear(features, num_classes)
    if style.init is not he:
        style.init(layer.weight)
        nn.init.zeros_(layer.bias)
    return layer


def smallest(spec: Spec) -> int:
    """Side of the smallest square grid that passes through ``spec``."""
    return next(size for size in range(1, 1000) if grid(spec, size) >= 1)


def stem_for(stem: Stem, table: Spec) -> Spec:
    """The paper's stem, or its form for small images.

    Raises:
        InputError: ``stem`` is neither.
    """
    one_of("stem", stem, ("imagenet", "small"))
    return table if stem == "imagenet" else small(table)


def one_of(knob: str, value: str, choices: Collection[str]) -> None:
    """Refuse a ``value`` of ``knob`` that is not among ``choices``.

    Raises:
        InputError: It is not.
    """
    if value not in choices:
        raise InputError(f"{knob} must be one of {', '.join(choices)}, got {value!r}")


def check_depths(depths: Sequence[int]) -> tuple[int, int, int]:
    """The number of blocks per stage A, B and C.

    Raises:
        InputError: Not three numbers of at least 1.
    """
    if len(depths) != 3 or min(depths) < 1:
        raise InputError(f"depths must be three numbers of at least 1, one per stage A, B, C, got {list(depths)}")
    a, b, c = depths
    return a, b, c
