"""Our weights as files: ours, or in a peer's layout, key for key."""

import json
import math
from dataclasses import asdict
from pathlib import Path

from safetensors.torch import save_file
from torch import Tensor

from inception_lightning.configurable import KEY
from inception_lightning.errors import InputError
from inception_lightning.models.blocks import ResidualBlock
from inception_lightning.models.cost import skeleton
from inception_lightning.models.network import Inception
from inception_lightning.weights.layouts import LAYOUTS, Layout
from inception_lightning.weights.load import HARMLESS, warn_of_knobs
from inception_lightning.weights.public import Preprocessing


def export(net: Inception, peer: str) -> dict[str, Tensor]:
    """The network's weights as the state dict of ``peer``'s network, key for key.

    Residual scales that are not the peer's are folded into the convolutions before them. Heads that
    the peer's network has not are left out.

    Args:
        net: The network.
        peer: ``timm``, ``torchvision``, ``facenet`` or ``cadene``.

    Raises:
        InputError: The peer has no such network.
    """
    written = [layout for layout in LAYOUTS if layout.written and isinstance(net, layout.variant)]
    layouts = {name: layout for layout in written for name in layout.peers}
    if peer not in layouts:
        raise InputError(f"{peer} has no {type(net).__name__}: it can be exported for {' or '.join(sorted(layouts))}")
    layout, state = layouts[peer], net.state_dict()
    theirs, ours = layout.config()["init_args"].get("preset"), net.config["init_args"].get("preset")
    if theirs != ours:
        raise InputError(f"{peer}'s {type(net).__name__} is that of preset: {theirs}, and this network has {ours}")
    warn_of_knobs(net, layout.config(), f"{peer}'s {type(net).__name__}", HARMLESS | {"residual_scales"})
    keys = layout.keys(net)
    for key, factor in _scale_ratios(net, layout).items():
        state[key] = state[key] * factor
    if layout.bgr:
        state[next(iter(keys))] = state[next(iter(keys))].flip(1)
    # torchvision's GoogLeNet has fully connected layers where its paper's heads, and ours, have 4x4 convolutions
    return {
        theirs: state[ours].flatten(1) if theirs.endswith("fc1.weight") else state[ours]
        for ours, theirs in keys.items()
    }


def save_weights(net: Inception, path: str | Path, peer: str | None = None) -> None:
    """Write a safetensors file: ours, which says all that `pretrained` needs, or ``peer``'s as `export` makes it."""
    state = export(net, peer) if peer else net.state_dict()
    about = {"config": net.config, "preprocessing": asdict(Preprocessing.of(net))}
    metadata = {"format": "pt"} | ({} if peer else {KEY: json.dumps(about)})
    save_file({key: tensor.contiguous() for key, tensor in state.items()}, path, metadata)


def _scale_ratios(net: Inception, layout: Layout) -> dict[str, float]:
    """Key of a residual's last convolution -> its scale here divided by the peer's, where they differ."""
    blocks = {name: block for name, block in net.named_modules() if isinstance(block, ResidualBlock)}
    if not blocks:
        return {}
    peer = skeleton(layout.variant, layout.knobs)
    ratios: dict[str, float] = {}
    for name, block in blocks.items():
        other = peer.get_submodule(name)
        assert isinstance(other, ResidualBlock)
        ratio = _number(block.scale) / _number(other.scale)
        ratios |= {
            f"{name}.project.{kind}": ratio for kind in ("weight", "bias") if not math.isclose(ratio, 1, rel_tol=1e-6)
        }
    return ratios


def _number(scale: float | Tensor) -> float:
    return scale.item() if isinstance(scale, Tensor) else scale
