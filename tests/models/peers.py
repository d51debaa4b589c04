"""The peers' networks with random weights, as state dicts in the layout of each public checkpoint.

facenet-pytorch pins an old torch and Cadene's package does not install, so their names are spelt
out here, from `architectures.md` 3.1, for pytorchcv's identical networks.
"""

from collections.abc import Callable, Iterator
from functools import cache
from typing import Any

import timm
import torch
import torchvision
from pytorchcv.model_provider import get_model
from torch import Tensor, nn

from inception_lightning.models.initialisation import NoDraws

StateDict = dict[str, Tensor]


def norms(name: str) -> list[str]:
    return [f"{name}.{kind}" for kind in ("weight", "bias", "running_mean", "running_var", "num_batches_tracked")]


def facenet_names() -> Iterator[str]:
    def conv(name: str) -> list[str]:
        return [f"{name}.conv.weight", *norms(f"{name}.bn")]

    for name in ("1a", "2a", "2b", "3b", "4a", "4b"):
        yield from conv(f"conv2d_{name}")
    for group, count, branches in (("1", 5, (1, 2, 3)), ("2", 10, (1, 3)), ("3", 5, (1, 3))):
        for block in [f"repeat_{group}.{index}" for index in range(count)] + ["block8"] * (group == "3"):
            for branch, depth in enumerate(branches):
                for layer in range(depth):
                    yield from conv(f"{block}.branch{branch}" + (f".{layer}" if depth > 1 else ""))
            yield from (f"{block}.conv2d.weight", f"{block}.conv2d.bias")
        mixed, depths = {"1": ("mixed_6a", (1, 3)), "2": ("mixed_7a", (2, 2, 3)), "3": ("", ())}[group]
        for branch, depth in enumerate(depths):
            for layer in range(depth):
                yield from conv(f"{mixed}.branch{branch}" + (f".{layer}" if depth > 1 else ""))
    yield from ("last_linear.weight", *norms("last_bn"), "logits.weight", "logits.bias")


def cadene_names() -> Iterator[str]:
    def conv(name: str) -> list[str]:
        return [f"{name}.weight", f"{name}.bias", *norms(f"{name}_bn")]

    for name in ("conv1_7x7_s2", "conv2_3x3_reduce", "conv2_3x3"):
        yield from conv(name)
    for block in ("3a", "3b", "3c", "4a", "4b", "4c", "4d", "4e", "5a", "5b"):
        layers = ["1x1", "3x3_reduce", "3x3", "double_3x3_reduce", "double_3x3_1", "double_3x3_2", "pool_proj"]
        for layer in layers[1:-1] if block in ("3c", "4e") else layers:
            yield from conv(f"inception_{block}_{layer}")
    yield from ("last_linear.weight", "last_linear.bias")


def renamed(net: nn.Module, names: Iterator[str]) -> StateDict:
    """In order; pytorchcv defines its bottleneck's batch norm and every layer before it as the others do."""
    return dict(zip(names, net.state_dict().values(), strict=True))


def pooled(net: Any) -> nn.Module:
    """pytorchcv's network for images of any size: its last pool is as large as the paper's last grid."""
    net.features.final_pool = nn.AdaptiveAvgPool2d(1)
    return net


def facenet(net: nn.Module) -> StateDict:
    return renamed(net, facenet_names())


def cadene(net: nn.Module) -> StateDict:
    state = renamed(net, cadene_names())
    state["conv1_7x7_s2.weight"] = state["conv1_7x7_s2.weight"].flip(1)  # Cadene's images are B, G, R
    return state


PEERS: dict[tuple[str, str], tuple[Callable[[], nn.Module], Callable[[nn.Module], StateDict]]] = {
    # our variant, peer: its network, its state dict
    ("GoogLeNet", "torchvision"): (
        lambda: torchvision.models.googlenet(init_weights=False, aux_logits=True),
        nn.Module.state_dict,
    ),
    ("InceptionV2", "cadene"): (lambda: pooled(get_model("bninception")), cadene),
    ("InceptionV3", "torchvision"): (lambda: torchvision.models.inception_v3(init_weights=False), nn.Module.state_dict),
    ("InceptionV3", "timm"): (lambda: timm.create_model("inception_v3"), nn.Module.state_dict),
    ("InceptionV4", "timm"): (lambda: timm.create_model("inception_v4"), nn.Module.state_dict),
    ("InceptionResNetV1", "facenet"): (lambda: pooled(get_model("inceptionresnetv1")), facenet),
    ("InceptionResNetV2", "timm"): (lambda: timm.create_model("inception_resnet_v2"), nn.Module.state_dict),
}


def calibrate(net: nn.Module, images: Tensor) -> None:
    """Draw weights, and give batch norm the statistics of ``images``: with its initial ones deep networks explode."""
    for module in net.modules():
        if isinstance(module, nn.Conv2d | nn.Linear):
            nn.init.kaiming_normal_(module.weight)
            if module.bias is not None:
                nn.init.uniform_(module.bias, -0.1, 0.1)
        if isinstance(module, nn.BatchNorm2d | nn.BatchNorm1d):
            module.momentum = None
            nn.init.uniform_(module.weight, 0.5, 1.5)
            nn.init.uniform_(module.bias, -0.5, 0.5)
            module.train()
    with torch.no_grad():
        net(images)
    net.eval()


@cache
def peer(variant: str, name: str) -> tuple[StateDict, Tensor, Tensor]:
    """A peer's state dict, images, and its logits for them in evaluation, computed in float64."""
    torch.manual_seed(0)
    make, state_dict = PEERS[variant, name]
    with NoDraws():
        net = make().eval()
    images = torch.rand(2, 3, 96, 96)
    calibrate(net, images)
    state = {key: tensor.clone() for key, tensor in state_dict(net).items()}
    with torch.no_grad():
        logits: Any = net.double()(images.double())
    return state, images.double(), logits
