"""`Inception`: named stages, one classifier, auxiliary heads. Every variant is a table given to it."""

from collections.abc import Collection, Mapping, Sequence
from typing import Any, ClassVar, Literal

import torch
from torch import Tensor, nn

from inception_lightning.configurable import Configurable
from inception_lightning.errors import InputError
from inception_lightning.models.blocks import ConvNormReLU, recompute
from inception_lightning.models.heads import AuxiliaryHead, Chain
from inception_lightning.models.initialisation import linear
from inception_lightning.models.knobs import check_channels, check_classes, check_dropout, one_of
from inception_lightning.models.layers import Spec, Style, build, grid, reduction, smallest


class Inception(Configurable, nn.Module):
    """A network of named stages, with auxiliary classifiers on some of them.

    ``forward`` gives logits in training and evaluation alike; ``forward_with_aux`` adds the heads'. What
    timm's networks have besides has timm's names here.

    Attributes:
        mean: What the network expects to be subtracted from images in 0..1, per channel: (R, G, B) where there are 3.
        std: What it expects them to be divided by.
        image_size: Side of the images it was made for, in pixels.
        crop_fraction: Share of the shorter side that the centre crop of evaluation keeps.
        interpolation: How images are resized for evaluation.
        aux_weight: Weight of each auxiliary loss where nothing else is said.
        aux_dropout: Share of the auxiliary classifiers' features dropped in training.
        stages: The stages' names, in order.
        num_classes: Length of the logits; 0 where the network gives features instead.
        in_channels: Channels of the images, written C below.
        num_features: Length of the features that the classifier reads.
        feature_info: Of each stage: ``num_chs``, its channels; ``reduction``, pixels of the image from one place
            of its grid to the next; ``module``, its name.
        minimum_size: Side of the smallest square image that passes through all stages, in pixels.
        misfits: Image sides, modulo the last stage's ``reduction``, whose grids the branches of a stage disagree on.
    """

    mean: tuple[float, ...] = (0.5, 0.5, 0.5)
    std: tuple[float, ...] = (0.5, 0.5, 0.5)
    image_size: int = 299
    crop_fraction: float = 0.875
    interpolation: Literal["bilinear", "bicubic"] = "bilinear"
    aux_weight: ClassVar[float] = 0.4  # TF-slim's; the papers on v3 and later name no value
    aux_dropout: ClassVar[float] = 0.0
    classifier: Any  # nn.Linear; nn.Identity where there are no classes

    def __init__(
        self,
        stages: Mapping[str, Spec],
        num_classes: int,
        *,
        in_channels: int = 3,
        aux: Mapping[str, Chain],
        dropout: float,
        style: Style,
        bottleneck: int | None = None,
    ) -> None:
        """Build the stages in order.

        Args:
            stages: Stage name -> its table. The names are attributes and start the state dict's keys.
            num_classes: Length of the logits. With 0 the network, and each of its heads, gives the features
                that it would classify.
            in_channels: Channels of the images.
            aux: Stage name -> the table of the head that reads the stage's output.
            dropout: Share of the pooled features that are dropped in training, 0..1.
            style: Width and the other choices that hold for the whole network.
            bottleneck: Features that the pooled ones are reduced to before they are classified.

        Raises:
            InputError: ``num_classes``, ``in_channels`` or ``dropout`` is impossible, a head's stage is missing, or no
                image fits the stages.
        """
        super().__init__()
        check_classes(num_classes)
        check_channels(in_channels)
        check_dropout(dropout)
        for name in aux:
            one_of("aux", name, stages)
        self.num_classes = num_classes
        self.in_channels = in_channels
        if in_channels != len(self.mean):
            self.mean, self.std = in_channels * (0.5,), in_channels * (0.5,)
        self.stages = tuple(stages)
        self.tables = dict(stages)  # as the papers draw them, for figures
        self.init = style.init
        self.recomputed: frozenset[str] = frozenset()
        self.aux_heads = nn.ModuleDict()
        self.feature_info: list[dict[str, Any]] = []
        self._add_stages(stages, aux, style)
        channels, scale = (self.feature_info[-1][name] for name in ("num_chs", "reduction"))
        self.dropout = nn.Dropout(dropout)
        self.bottleneck: nn.Module = nn.Identity()
        if bottleneck is not None:
            features = style.filters(bottleneck)
            norm = nn.BatchNorm1d(features, eps=style.bn_eps)
            self.bottleneck, channels = nn.Sequential(nn.Linear(channels, features, bias=False), norm), features
        self.num_features = channels
        self.classifier = linear(channels, num_classes, style.init)
        table = tuple(stages.values())
        self.minimum_size = smallest(table)
        self.misfits = tuple(side for side in range(scale) if grid(table, scale * self.minimum_size + side) < 1)

    def _add_stages(self, stages: Mapping[str, Spec], aux: Mapping[str, Chain], style: Style) -> None:
        channels, scale = self.in_channels, 1
        for name, spec in stages.items():
            module, channels = build(spec, channels, style)
            self.add_module(name, module)
            scale *= reduction(spec)
            self.feature_info.append({"num_chs": channels, "reduction": scale, "module": name})
            if name in aux:
                self.aux_heads[name] = AuxiliaryHead(aux[name], channels, self.num_classes, self.aux_dropout, style)

    def forward(self, images: Tensor) -> Tensor:
        """Normalised images (N, C, H, W) -> logits (N, num_classes).

        Raises:
            InputError: The images do not fit; see `check_size`.
        """
        return self.forward_head(self.forward_features(images))

    def forward_with_aux(self, images: Tensor) -> tuple[Tensor, dict[str, Tensor]]:
        """Normalised images (N, C, H, W) -> logits and {stage name: its head's logits}, each (N, num_classes)."""
        last, ends = self._pass(images, self.aux_heads.keys())
        aux = {name: head(ends[name]) for name, head in self.aux_heads.items()}
        return self.forward_head(last), aux

    def forward_features(self, images: Tensor) -> Tensor:
        """Normalised images (N, C, H, W) -> the last stage's activation (N, F, H', W')."""
        return self._pass(images, ())[0]

    def forward_head(self, features: Tensor, pre_logits: bool = False) -> Tensor:
        """The last stage's activation (N, F, H', W') -> logits (N, num_classes).

        Args:
            features: The activation.
            pre_logits: Give what the classifier reads (N, num_features) instead.
        """
        pooled = features.mean(dim=(2, 3))  # (N, F)
        pooled = self.bottleneck(self.dropout(pooled))  # (N, num_features)
        return pooled if pre_logits else self.classifier(pooled)

    def endpoints(self, images: Tensor) -> dict[str, Tensor]:
        """Normalised images (N, C, H, W) -> {stage name: activation (N, F, H', W')}, in order."""
        return self._pass(images, self.stages)[1]

    def forward_to(self, images: Tensor, stage: str) -> Tensor:
        """Normalised images (N, 3, H, W) -> the activation of one stage (N, C, H', W'); later ones are not computed.

        Raises:
            InputError: There is no such stage, or the images do not fit.
        """
        one_of("stage", stage, self.stages)
        return self._pass(images, (), self.stages[: self.stages.index(stage) + 1])[0]

    def _pass(
        self, images: Tensor, kept: Collection[str], stages: Sequence[str] | None = None
    ) -> tuple[Tensor, dict[str, Tensor]]:
        """The activation of the last of the ``stages``, by default of all, and those of the stages in ``kept``.

        The others are let go, so that the next stage finds their memory warm.
        """
        ends = {}
        x = size_checked(images, *self._sides())
        for name in self.stages if stages is None else stages:
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

    def check_size(self, height: int, width: int) -> None:
        """Refuse images that the network would shrink to nothing, or on which its branches disagree.

        Raises:
            InputError: ``height`` or ``width`` (pixels) is smaller than `minimum_size`, or is one of the `misfits`.
        """
        check_sides(height, width, *self._sides())

    def _sides(self) -> tuple[str, int, int, tuple[int, ...]]:
        # plain data, which a traced graph can hold
        return type(self).__name__, self.minimum_size, self.feature_info[-1]["reduction"], self.misfits

    @property
    def pretrained_cfg(self) -> dict[str, Any]:
        """What timm's tools ask a network: how it wants its images, as things stand, and what its layers are called.

        ``timm.data.resolve_model_data_config(net)`` makes the settings of an evaluation transform of it.
        """
        convolutions = (name for name, module in self.named_modules() if isinstance(module, nn.Conv2d))
        return {
            "architecture": type(self).__name__,
            "num_classes": self.num_classes,
            "input_size": (self.in_channels, self.image_size, self.image_size),
            "min_input_size": (self.in_channels, self.minimum_size, self.minimum_size),
            "interpolation": self.interpolation,
            "crop_pct": self.crop_fraction,
            "crop_mode": "center",
            "mean": tuple(self.mean),
            "std": tuple(self.std),
            "first_conv": next((name for name in convolutions if not name.startswith("aux_heads.")), None),
            "classifier": "classifier",
        }

    def get_classifier(self) -> nn.Module:
        """The layer that makes logits of features; ``nn.Identity`` where there are no classes."""
        return self.classifier

    def reset_classifier(self, num_classes: int) -> None:
        """Put a new classifier, for other classes, in the place of the old one, and so in each head.

        It starts as the first one did. The network's `config` says the new number.

        Args:
            num_classes: Length of the logits; 0 for features instead.

        Raises:
            InputError: ``num_classes`` is no whole number of at least 0.
        """
        check_classes(num_classes)
        place = next(self.parameters())
        for owner in (self, *self.aux_heads.values()):
            assert isinstance(owner, Inception | AuxiliaryHead)
            owner.classifier = linear(owner.num_features, num_classes, self.init).to(place).train(self.training)
        self.num_classes = num_classes
        self.record(num_classes=num_classes)

    def group_matcher(self, coarse: bool = False) -> dict[str, str]:
        """Patterns that sort parameters by depth, for layer-wise learning rates (timm's ``layer_decay``).

        A stage that repeats a block is one group per block. Heads, bottleneck and classifier match nothing: timm puts
        them last.

        Args:
            coarse: Make each stage one group.
        """
        repeating = [name for name in self.stages if block_count(self.get_submodule(name)) and not coarse]
        return {name: rf"^{name}\.(\d+)" if name in repeating else rf"^{name}\." for name in self.stages}


def block_count(stage: nn.Module) -> int | None:
    """How often a stage repeats its block, if that is all it does; a single layer or convolution is no block."""
    blocks = list(stage.children())
    layers = [block for block in blocks if isinstance(block, ConvNormReLU) or not list(block.children())]
    repeats = isinstance(stage, nn.Sequential) and len({type(block) for block in blocks}) == 1 and not layers
    return len(blocks) if repeats else None


def check_sides(height: int, width: int, network: str, minimum: int, period: int, misfits: tuple[int, ...]) -> None:
    """Refuse images of sides that do not fit.

    Args:
        height: Of the images, in pixels.
        width: The same.
        network: Its name, for the message.
        minimum: Side of the smallest square image that passes.
        period: Sides that differ by it fit alike.
        misfits: Sides, modulo ``period``, that do not fit.

    Raises:
        InputError: They are too small, or among the misfits.
    """
    if height < minimum or width < minimum:
        raise InputError(
            f"{network} needs images of at least {minimum} x {minimum} pixels "
            f"and got {height} x {width}: raise image_size, or build it with stem: small for images of about 32"
        )
    if misfits and (height % period in misfits or width % period in misfits):
        fits = next(side for side in range(max(height, width), 2**31) if side % period not in misfits)
        raise InputError(
            f"{network} cannot join its branches on images of {height} x {width} pixels: "
            f"choose another image_size, such as {fits}"
        )


def size_checked(images: Tensor, network: str, minimum: int, period: int, misfits: tuple[int, ...]) -> Tensor:
    """The images (N, C, H, W), once `check_sides` has passed them."""
    height, width = images.shape[-2:]
    check_sides(height, width, network, minimum, period, misfits)
    return images


torch.fx.wrap("size_checked")  # torch.fx keeps the call in its graph: while it traces, images have no size
