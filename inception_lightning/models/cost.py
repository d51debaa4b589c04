"""Networks without weights, made in a blink: for their shapes, names and costs."""

from collections import Counter
from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor, nn

from inception_lightning.models.initialisation import NoDraws
from inception_lightning.models.network import Inception


def skeleton(variant: type[Inception], knobs: Mapping[str, Any] | None = None) -> Inception:
    """The network in evaluation mode, its weights neither drawn nor, therefore, given any memory."""
    with NoDraws():
        return variant(**(knobs or {})).eval()


def empty_batch(net: Inception, size: int | None = None) -> Tensor:
    """No images (0, C, S, S), by default of the network's own size: they give every shape and cost no arithmetic."""
    side = size or net.image_size
    return torch.empty(0, net.in_channels, side, side)


def shapes(net: Inception, size: int | None = None) -> dict[str, tuple[int, ...]]:
    """Stage -> the shape of its activation for one image (C, H, W)."""
    with torch.no_grad():
        return {name: tuple(end.shape[1:]) for name, end in net.endpoints(empty_batch(net, size)).items()}


def count_parameters(net: Inception) -> Counter[str]:
    """Part of the network -> parameters. Parts are stages, ``aux_heads.`` and a stage, bottleneck, classifier."""
    counts: Counter[str] = Counter()
    for name, parameter in net.named_parameters():
        counts[_part(name)] += parameter.numel()
    return counts


def count_macs(net: Inception, size: int | None = None) -> Counter[str]:
    """Part of the network -> multiply-accumulates of its convolutions and linear layers for one image.

    Its side is ``size``, or the network's own. They are those of torch's ``FlopCounterMode``, halved, which is not used
    itself: it needs images with something in them, imports torch's compiler and makes ``lightning models`` take 4.8 s
    of the processor instead of 2.7.
    """
    counts: Counter[str] = Counter()

    def counter(part: str) -> Any:
        def count(layer: nn.Conv2d | nn.Linear, _: Any, output: Tensor) -> None:
            counts[part] += output.shape[1:].numel() * layer.weight[0].numel()

        return count

    layers = [(name, layer) for name, layer in net.named_modules() if isinstance(layer, nn.Conv2d | nn.Linear)]
    hooks = [layer.register_forward_hook(counter(_part(name))) for name, layer in layers]
    with torch.no_grad():
        net.forward_with_aux(empty_batch(net, size))
    for hook in hooks:
        hook.remove()
    return counts


def _part(name: str) -> str:
    return ".".join(name.split(".")[: 2 if name.startswith("aux_heads.") else 1])


def minimum_size_with_heads(net: Inception) -> int:
    """Side of the smallest square image that passes through the heads too, in pixels."""
    return next(size for size in range(net.minimum_size, 1000) if _passes(net, size))


def _passes(net: Inception, size: int) -> bool:
    try:
        with torch.no_grad():
            net.forward_with_aux(empty_batch(net, size))
    except RuntimeError:
        return False
    return True
