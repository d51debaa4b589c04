"""Weights for red, green and blue in a network for another number of channels: the rule by which they are adapted.

Only the layers that read the image change: the first convolution or, where it is separable, its two parts. Written for
the plain one, with w_R, w_G and w_B the weights (filters, kh, kw) that each colour has:

* one channel gets their sum, w_R + w_G + w_B: a grey image is then what the same image in three equal colours was;
* more channels get them in turn, R, G, B, R, ..., each times 3 / channels, so that what comes out is as large as before
  (``repeat``); or the first three keep theirs and what is new starts at 0, so that the network's answers are those that
  it gave before (``zero``). Two channels get R's and G's by the first rule.

Mean and std go the same way: their mean for one channel, in turn for more.
"""

from collections.abc import Mapping
from itertools import islice
from typing import Literal, TypeAlias

import torch
from torch import Tensor, nn

from inception_lightning.models.network import Inception

RGB = 3

ExtraChannels: TypeAlias = Literal["repeat", "zero"]
"""What channels beyond red, green and blue start with; see the head of the file."""


def adapted(
    net: Inception, tensors: Mapping[str, Tensor], channels: int, extra: ExtraChannels = "repeat"
) -> dict[str, Tensor]:
    """The tensors of a network for RGB with the first layers that ``net`` needs.

    Args:
        net: The network.
        tensors: The weights, under the names of ``net``.
        channels: How many channels they are for; where it is not 3, or that of ``net``, they stay as they are.
        extra: What channels beyond the third get.
    """
    new = dict(tensors)
    if channels != RGB or net.in_channels == RGB:
        return new
    first, second = first_layers(net)
    if first not in new:
        return new
    weight = new[first]  # (filters, 3, kh, kw)
    if second is None:
        new[first] = _shared_out(weight, net.in_channels, extra)
    elif net.in_channels > 1:  # (3 M, 1, kh, kw), M filters of each channel; one channel has all 3 M of them
        new[first] = _in_turn(weight.unflatten(0, (RGB, -1)), net.in_channels).flatten(0, 1)
        pointwise = new[second].unflatten(1, (RGB, -1))  # (filters, 3, M, 1, 1)
        new[second] = _shared_out(pointwise, net.in_channels, extra).flatten(1, 2)
    return new


def adapted_normalisation(
    mean: tuple[float, ...], std: tuple[float, ...], channels: int
) -> tuple[tuple[float, ...], tuple[float, ...]]:
    """What a network for ``channels`` channels expects, when its weights expected this of RGB."""
    if channels == 1:
        return (sum(mean) / len(mean),), (sum(std) / len(std),)
    return tuple(mean[c % len(mean)] for c in range(channels)), tuple(std[c % len(std)] for c in range(channels))


def first_layers(net: Inception) -> tuple[str, str | None]:
    """The key of the first convolution's weights; of a separable one, those of both its parts."""
    layers = (
        one for one in net.named_modules() if isinstance(one[1], nn.Conv2d) and not one[0].startswith("aux_heads.")
    )
    (first, layer), (second, _) = islice(layers, 2)
    separable = layer.in_channels == layer.groups and first.rpartition(".")[0] == second.rpartition(".")[0]
    return f"{first}.weight", f"{second}.weight" if separable else None


def _shared_out(weight: Tensor, channels: int, extra: ExtraChannels) -> Tensor:
    """Weights (filters, 3, ...) -> (filters, channels, ...), by the rules above."""
    if channels == 1:
        return weight.sum(dim=1, keepdim=True)
    if extra == "zero" and channels > RGB:
        filters, _, *rest = weight.shape
        return torch.cat([weight, weight.new_zeros(filters, channels - RGB, *rest)], dim=1)
    return _in_turn(weight.transpose(0, 1), channels).transpose(0, 1) * (RGB / channels)


def _in_turn(weight: Tensor, channels: int) -> Tensor:
    """Weights (3, ...) -> (channels, ...): R, G, B, R, ..."""
    return weight[torch.arange(channels) % RGB]
