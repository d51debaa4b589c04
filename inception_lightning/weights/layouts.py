"""The peers' names for our layers, stage by stage: those of timm, torchvision, facenet-pytorch, Cadene and others.

A stage's layers stand in the order of our tables. Names are written as a shell would: ``a{b,c}`` is
``ab ac``, ``a{0..2}`` is ``a0 a1 a2``, and a blank separates patterns.
"""

import inspect
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from itertools import product
from typing import Any

from torch import nn

from inception_lightning.configurable import class_path, plain
from inception_lightning.errors import InputError
from inception_lightning.models.blocks import ConvNormReLU
from inception_lightning.models.googlenet import GoogLeNet
from inception_lightning.models.inception_resnet import InceptionResNetV1, InceptionResNetV2
from inception_lightning.models.inception_v2 import InceptionV2
from inception_lightning.models.inception_v3 import InceptionV3
from inception_lightning.models.inception_v4 import InceptionV4
from inception_lightning.models.network import Inception


@dataclass(frozen=True)
class Layout:
    """A peer's state dict.

    Attributes:
        peers: Who writes it.
        variant: Our network.
        stages: Our module -> patterns of the peer's names for its layers.
        knobs: Our network's arguments that make it the peer's.
        norm: What a batch norm is called beside its convolution ``{}``.
        conv: What the convolution itself is called.
        bgr: Whether the peer's images have their channels in the order blue, green, red.
        written: Whether `save` writes it; others are read only.
    """

    peers: tuple[str, ...]
    variant: type[Inception]
    stages: Mapping[str, str]
    knobs: Mapping[str, Any] = field(default_factory=dict)
    conv: str = "{}.conv"
    norm: str = "{}.bn"
    bgr: bool = False
    written: bool = True

    def names(self, part: str) -> list[str]:
        """The peer's names for the layers of one of our modules, in order; none where it has no such module."""
        return expand(self.stages.get(part, ""))

    def heads(self) -> list[str]:
        """The peer's names for the layers of its auxiliary heads."""
        return [name for part in self.stages if part.startswith("aux_heads.") for name in self.names(part)]

    def config(self) -> dict[str, Any]:
        """Class path and arguments of our network that is the peer's, as `Configurable.config` says them."""
        parameters = inspect.signature(self.variant).parameters.values()
        arguments = {parameter.name: plain(parameter.default) for parameter in parameters} | dict(self.knobs)
        return {"class_path": class_path(self.variant), "init_args": arguments}

    def keys(self, net: Inception) -> dict[str, str]:
        """Key in our state dict -> key in the peer's; heads that the peer has not are left out.

        Raises:
            InputError: The network has not the peer's layers.
        """
        keys: dict[str, str] = {}
        for part in parts(net):
            names, layers = self.names(part), list(units(net.get_submodule(part), part))
            if part.startswith("aux_heads.") and not names:
                continue
            if len(names) != len(layers):
                raise InputError(
                    f"{' and '.join(self.peers)}'s {self.variant.__name__} has {len(names)} layers in {part} "
                    f"and the network {len(layers)}: only networks in the released form have the peer's layout"
                )
            for theirs, (ours, layer) in zip(names, layers, strict=True):
                keys |= dict(self._tensors(layer, ours, theirs))
        return keys

    def _tensors(self, layer: nn.Module, ours: str, theirs: str) -> Iterator[tuple[str, str]]:
        names = {"conv": self.conv.format(theirs), "bn": self.norm.format(theirs)}
        if isinstance(layer, ConvNormReLU) and isinstance(layer.bn, nn.Identity):
            names["conv"] = theirs
        for key in layer.state_dict():
            piece, _, tensor = key.partition(".")
            yield f"{ours}.{key}", f"{names[piece]}.{tensor}" if tensor else f"{theirs}.{key}"


def expand(patterns: str) -> list[str]:
    """The names that blank-separated patterns stand for, the first brace turning slowest."""

    def ranged(match: re.Match[str]) -> str:
        return ",".join(str(number) for number in range(int(match[1]), int(match[2]) + 1))

    names = []
    for pattern in re.sub(r"(\d+)\.\.(\d+)", ranged, patterns).split():
        choices = [piece.split(",") for piece in re.split("[{}]", pattern)]
        names += ["".join(choice) for choice in product(*choices)]
    return names


def parts(net: Inception) -> list[str]:
    """The network's stages, heads, bottleneck and classifier, by name."""
    return [*net.stages, *(f"aux_heads.{name}" for name in net.aux_heads), "bottleneck", "classifier"]


def units(module: nn.Module, name: str) -> Iterator[tuple[str, nn.Module]]:
    """The layers that hold weights, a convolution together with its batch norm, in the tables' order."""
    if isinstance(module, ConvNormReLU | nn.Conv2d | nn.Linear | nn.BatchNorm1d):
        yield name, module
    else:
        for child, submodule in module.named_children():
            yield from units(submodule, f"{name}.{child}")


BN_BLOCK = "{1x1,3x3_reduce,3x3,double_3x3_reduce,double_3x3_1,double_3x3_2,pool_proj}"
BN_REDUCTION = "{3x3_reduce,3x3,double_3x3_reduce,double_3x3_1,double_3x3_2}"
GOOGLENET_BLOCKS = ("3a", "3b", "4a", "4b", "4c", "4d", "4e", "5a", "5b")

GOOGLENET = Layout(
    ("torchvision",),
    GoogLeNet,
    {
        "stem": "conv{1..3}",
        **{f"inception_{block}": f"inception{block}.branch{{1,2.0,2.1,3.0,3.1,4.1}}" for block in GOOGLENET_BLOCKS},
        "aux_heads.inception_4a": "aux1.{conv,fc1,fc2}",
        "aux_heads.inception_4d": "aux2.{conv,fc1,fc2}",
        "classifier": "fc",
    },
    {"preset": "torchvision"},
)

BN_INCEPTION = Layout(
    ("cadene",),
    InceptionV2,
    {
        "stem": "conv{1_7x7_s2,2_3x3_reduce,2_3x3}",
        **{
            f"inception_{block}": f"inception_{block}_{BN_BLOCK}"
            for block in ("3a", "3b", "4a", "4b", "4c", "4d", "5a", "5b")
        },
        **{f"inception_{block}": f"inception_{block}_{BN_REDUCTION}" for block in ("3c", "4e")},
        "classifier": "last_linear",
    },
    {"preset": "cadene"},
    conv="{}",
    norm="{}_bn",
    bgr=True,
)

V3_STEM = "Conv2d_{1a_3x3,2a_3x3,2b_3x3,3b_1x1,4a_3x3}"
V3_A = "branch{1x1,5x5_1,5x5_2,3x3dbl_1,3x3dbl_2,3x3dbl_3,_pool}"
V3_REDUCTION_A = "branch3x3{,dbl_1,dbl_2,dbl_3}"
V3_B = "branch{1x1,7x7_1,7x7_2,7x7_3,7x7dbl_1,7x7dbl_2,7x7dbl_3,7x7dbl_4,7x7dbl_5,_pool}"
V3_REDUCTION_B = "branch{3x3_1,3x3_2,7x7x3_1,7x7x3_2,7x7x3_3,7x7x3_4}"
V3_C = "branch{1x1,3x3_1,3x3_2a,3x3_2b,3x3dbl_1,3x3dbl_2,3x3dbl_3a,3x3dbl_3b,_pool}"

V3 = Layout(
    ("timm", "torchvision"),
    InceptionV3,
    {
        "stem": V3_STEM,
        "inception_a": f"Mixed_5{{b,c,d}}.{V3_A}",
        "reduction_a": f"Mixed_6a.{V3_REDUCTION_A}",
        "inception_b": f"Mixed_6{{b,c,d,e}}.{V3_B}",
        "reduction_b": f"Mixed_7a.{V3_REDUCTION_B}",
        "inception_c": f"Mixed_7{{b,c}}.{V3_C}",
        "aux_heads.inception_b": "AuxLogits.{conv0,conv1,fc}",
        "classifier": "fc",
    },
    {"count_include_pad": True},
)
WITHOUT_HEAD = {part: names for part, names in V3.stages.items() if not part.startswith("aux_heads.")}
V3_FID = Layout(("pytorch-fid",), InceptionV3, WITHOUT_HEAD, {"preset": "fid"}, written=False)

V3_CHILDREN = Layout(  # torchvision's without its head, as nn.Sequential(*net.children())
    ("radimagenet",),
    InceptionV3,
    {
        "stem": "{0..2} {4,5}",
        "inception_a": f"{{7..9}}.{V3_A}",
        "reduction_a": f"10.{V3_REDUCTION_A}",
        "inception_b": f"{{11..14}}.{V3_B}",
        "reduction_b": f"15.{V3_REDUCTION_B}",
        "inception_c": f"{{16,17}}.{V3_C}",
        "classifier": "20",
    },
    {"count_include_pad": True},
    written=False,
)

V3_KERAS = Layout(  # counted in the order in which its code makes them, which is that of our tables
    ("keras",),
    InceptionV3,
    {
        "stem": "conv2d_{0..4}",
        "inception_a": "conv2d_{5..25}",
        "reduction_a": "conv2d_{26..29}",
        "inception_b": "conv2d_{30..69}",
        "reduction_b": "conv2d_{70..75}",
        "inception_c": "conv2d_{76..93}",
        "classifier": "predictions",
    },
    written=False,
)

V4 = Layout(
    ("timm", "cadene"),
    InceptionV4,
    {
        "stem": "features.{0..2} features.3.conv features.4.branch{0.0,0.1,1.0,1.1,1.2,1.3} features.5.conv",
        "inception_a": "features.{6..9}.branch{0,1.0,1.1,2.0,2.1,2.2,3.1}",
        "reduction_a": "features.10.branch{0,1.0,1.1,1.2}",
        "inception_b": "features.{11..17}.branch{0,1.0,1.1,1.2,2.0,2.1,2.2,2.3,2.4,3.1}",
        "reduction_b": "features.18.branch{0.0,0.1,1.0,1.1,1.2,1.3}",
        "inception_c": "features.{19..21}.branch{0,1_0,1_1a,1_1b,2_0,2_1,2_2,2_3a,2_3b,3.1}",
        "classifier": "last_linear",
    },
)

BLOCK_35 = "{branch0,branch1.0,branch1.1,branch2.0,branch2.1,branch2.2,conv2d}"
BLOCK_17 = BLOCK_8 = "{branch0,branch1.0,branch1.1,branch1.2,conv2d}"
REDUCTIONS = {
    "reduction_a": "mixed_6a.branch{0,1.0,1.1,1.2}",
    "reduction_b": "mixed_7a.branch{0.0,0.1,1.0,1.1,2.0,2.1,2.2}",
}

RESNET_V1 = Layout(
    ("facenet",),
    InceptionResNetV1,
    {
        "stem": "conv2d_{1a,2a,2b,3b,4a,4b}",
        "inception_a": f"repeat_1.{{0..4}}.{BLOCK_35}",
        "inception_b": f"repeat_2.{{0..9}}.{BLOCK_17}",
        "inception_c": f"repeat_3.{{0..4}}.{BLOCK_8} block8.{BLOCK_8}",
        **REDUCTIONS,
        "bottleneck": "last_{linear,bn}",
        "classifier": "logits",
    },
    {"preset": "facenet"},
)

RESNET_V2_STAGES = {
    "stem": "conv2d_{1a,2a,2b,3b,4a} mixed_5b.branch{0,1.0,1.1,2.0,2.1,2.2,3.1}",
    "inception_a": f"repeat.{{0..9}}.{BLOCK_35}",
    "inception_b": f"repeat_1.{{0..19}}.{BLOCK_17}",
    "inception_c": f"repeat_2.{{0..8}}.{BLOCK_8} block8.{BLOCK_8}",
    **REDUCTIONS,
    "conv_7b": "conv2d_7b",
}
RESNET_V2 = Layout(("timm",), InceptionResNetV2, {**RESNET_V2_STAGES, "classifier": "classif"})
RESNET_V2_CADENE = Layout(("cadene",), InceptionResNetV2, {**RESNET_V2_STAGES, "classifier": "last_linear"})


def _keras_blocks(stage: str, blocks: int, first: int, convolutions: int) -> str:
    """Keras's residual blocks: ``convolutions`` counted from ``first`` on, then a projection with its own name."""
    return " ".join(
        f"conv2d_{{{first + convolutions * block}..{first + convolutions * (block + 1) - 1}}} {stage}_{block + 1}_conv"
        for block in range(blocks)
    )


RESNET_V2_KERAS = Layout(
    ("keras",),
    InceptionResNetV2,
    {
        "stem": "conv2d_{0..11}",
        "inception_a": _keras_blocks("block35", 10, 12, 6),
        "reduction_a": "conv2d_{72..75}",
        "inception_b": _keras_blocks("block17", 20, 76, 4),
        "reduction_b": "conv2d_{156..162}",
        "inception_c": _keras_blocks("block8", 10, 163, 4),
        "conv_7b": "conv_7b",
        "classifier": "predictions",
    },
    written=False,
)

LAYOUTS = (  # where two layouts have all of their names in a file, the first is taken
    GOOGLENET,
    BN_INCEPTION,
    V3,
    V3_FID,
    V3_CHILDREN,
    V4,
    RESNET_V1,
    RESNET_V2,
    RESNET_V2_CADENE,
    RESNET_V2_KERAS,
    V3_KERAS,
)
