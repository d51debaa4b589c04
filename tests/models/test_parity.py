"""The same weights give the peers' numbers, in float64: logits, heads' logits, loss and every gradient."""

import functools
import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any

import pytest
import timm
import torch
import torchvision
from pytorchcv.model_provider import get_model
from torch import Tensor, nn
from torch.nn.functional import cross_entropy

from inception_lightning.models import (
    GoogLeNet,
    Inception,
    InceptionResNetV1,
    InceptionResNetV2,
    InceptionV2,
    InceptionV3,
    InceptionV4,
)
from inception_lightning.models.initialisation import NoDraws
from tests.models.golden import Variant

TOLERANCE = 1e-6  # relative; float64 gives about 1e-12


@dataclass(frozen=True, eq=False)
class Case:
    """Our network and the peers that it equals.

    ``peers`` each have their name; ``sizes`` of the square images in pixels. The first peer at the first size is
    compared every day, all others before a release.
    """

    variant: Variant
    peers: dict[str, Callable[[], nn.Module]]
    sizes: tuple[int, ...]
    knobs: dict[str, Any] = field(default_factory=dict)

    def runs(self) -> Iterator[Any]:
        """One test per size and peer: for all peers at one size, ours is computed once."""
        every_day = next(iter(self.peers)), self.sizes[0]
        for size in self.sizes:
            for name, peer in self.peers.items():
                marks = [] if (name, size) == every_day else [pytest.mark.slow]
                yield pytest.param(self, peer, size, id=f"{name}-{size}", marks=marks)


def torchvision_googlenet() -> nn.Module:
    return torchvision.models.googlenet(weights=None, init_weights=False, dropout=0.0, dropout_aux=0.0)


def torchvision_v3() -> nn.Module:
    return torchvision.models.inception_v3(weights=None, init_weights=False, dropout=0.0)


def torchvision_v3_without_head() -> nn.Module:
    return torchvision.models.inception_v3(weights=None, init_weights=False, dropout=0.0, aux_logits=False)


def from_timm(name: str, **knobs: Any) -> Callable[[], nn.Module]:
    return lambda: timm.create_model(name, **knobs)


def from_pytorchcv(name: str, count_include_pad: bool | None = None) -> Callable[[], nn.Module]:
    def peer() -> nn.Module:
        net = get_model(name)
        net.features.final_pool = nn.AdaptiveAvgPool2d(1)  # the fixed 8 x 8 or 7 x 7 wants large images
        for module in net.modules():
            if isinstance(module, nn.AvgPool2d) and count_include_pad is not None:
                module.count_include_pad = count_include_pad
        return net

    return peer


PADDED = {"count_include_pad": True}
NOT_PADDED = Case(
    InceptionV3, {"pytorchcv-v3-not-padded": from_pytorchcv("inceptionv3", False)}, (107, 139), {"aux": False}
)
CASES = [
    Case(GoogLeNet, {"torchvision-googlenet": torchvision_googlenet}, (101, 64), {"preset": "torchvision"}),
    Case(InceptionV2, {"pytorchcv-bn": from_pytorchcv("bninception")}, (96, 64), {"preset": "cadene"}),
    Case(
        InceptionV3,
        {"torchvision-v3-head": torchvision_v3, "timm-v3-head": from_timm("inception_v3", aux_logits=True)},
        (299, 331),  # the peers' heads train on nothing smaller
        PADDED,
    ),
    Case(
        InceptionV3,
        {
            "timm-v3": from_timm("inception_v3", aux_logits=False),
            "torchvision-v3": torchvision_v3_without_head,
            "pytorchcv-v3": from_pytorchcv("inceptionv3"),
        },
        (107, 139),
        PADDED | {"aux": False},
    ),
    Case(
        InceptionV4, {"timm-v4": from_timm("inception_v4"), "pytorchcv-v4": from_pytorchcv("inceptionv4")}, (107, 139)
    ),
    Case(
        InceptionResNetV1,
        {"pytorchcv-resnet-v1": from_pytorchcv("inceptionresnetv1")},
        (107, 139),
        {"preset": "facenet"},
    ),
    Case(
        InceptionResNetV2,
        {
            "timm-resnet-v2": from_timm("inception_resnet_v2"),
            "pytorchcv-resnet-v2": from_pytorchcv("inceptionresnetv2"),
        },
        (107, 139),
    ),
    NOT_PADDED,  # last: the test of the comparison takes our numbers again
]


def without_dropout(net: nn.Module) -> nn.Module:
    """The network in float64; what it drops in training would be other features than those of the other one."""
    for module in net.modules():
        if isinstance(module, nn.Dropout):
            module.p = 0.0
    return net.double()


def calibrate(net: nn.Module, images: Tensor) -> None:
    """Give batch norm other than its initial weights, and the statistics of ``images``: else logits explode."""
    for module in net.modules():
        if isinstance(module, nn.BatchNorm1d | nn.BatchNorm2d):
            module.momentum = None
            nn.init.uniform_(module.weight, 0.5, 1.5)
            nn.init.uniform_(module.bias, -0.5, 0.5)
    with torch.no_grad():
        net.train()(images)


def pairs(peer: dict[str, Tensor], net: dict[str, Tensor]) -> list[tuple[str, Tensor, Tensor]]:
    """The peer's names, entry by entry, heads last, with its tensor and ours of the same shape.

    The tables are written in the order in which the peers define their layers.
    """
    theirs = sorted(peer.items(), key=lambda item: item[0].lower().startswith("aux"))
    ours = sorted(net.items(), key=lambda item: item[0].startswith("aux_heads"))
    assert [value.numel() for _, value in theirs] == [value.numel() for _, value in ours]
    return [(name, a, b.reshape(a.shape)) for (name, a), (_, b) in zip(theirs, ours, strict=True)]


def outputs(net: nn.Module, images: Tensor) -> list[Tensor]:
    """The logits and, in training, then the heads', first head first; torchvision's GoogLeNet gives them last first."""
    if isinstance(net, Inception) and net.training:
        logits, aux = net.forward_with_aux(images)
        return [logits, *aux.values()]
    result = net(images)
    if isinstance(result, Tensor):
        return [result]
    logits, *heads = result
    return [logits, *reversed(heads)]


def largest(values: Tensor) -> float:
    """The largest absolute value."""
    return torch.linalg.vector_norm(values, math.inf).item()


def difference(ours: Tensor, theirs: Tensor, floor: float = 0.0) -> float:
    """The largest difference, relative to the largest of their values or to ``floor``."""
    return largest(ours - theirs) / max(largest(theirs), floor)


@dataclass(frozen=True)
class Numbers:
    """What a network makes of `images_of` a size; ``eval`` of the first one alone."""

    eval: Tensor
    train: list[Tensor]
    loss: Tensor
    gradients: dict[str, Tensor]


def images_of(size: int) -> Tensor:
    return torch.randn(2, 3, size, size, dtype=torch.float64, generator=torch.Generator().manual_seed(size))


def numbers(net: nn.Module, size: int) -> Numbers:
    """Logits in evaluation; logits, the heads' logits, loss and gradients in training."""
    images, labels = images_of(size), torch.tensor([1, 100])
    with torch.no_grad():
        alone = outputs(net.eval(), images[:1])[0]
    logits, *heads = outputs(net.train(), images)
    loss = cross_entropy(logits, labels)
    for head in heads:
        loss = loss + 0.3 * cross_entropy(head, labels)
    loss.backward()
    return Numbers(alone, [logits.detach(), *(head.detach() for head in heads)], loss.detach(), gradients(net))


def gradients(net: nn.Module) -> dict[str, Tensor]:
    """Every parameter's gradient; one without any fails here."""
    grads = {name: parameter.grad for name, parameter in net.named_parameters()}
    assert [name for name, grad in grads.items() if grad is None] == []
    return {name: grad for name, grad in grads.items() if grad is not None}


@functools.lru_cache(maxsize=1)  # for all peers of a case; networks of several do not fit into memory
def ours(case: Case, size: int) -> tuple[dict[str, Tensor], Numbers]:
    """Our network's state dict before its step of training, and its numbers."""
    torch.manual_seed(0)
    net = without_dropout(case.variant(**case.knobs))
    calibrate(net, images_of(size)[..., :139, :139])  # more pixels give the same statistics
    moved = dict(net.named_buffers())
    state = {name: tensor.clone() if name in moved else tensor for name, tensor in net.state_dict().items()}
    return state, numbers(net, size)


def compare(case: Case, peer: Callable[[], nn.Module], size: int) -> dict[str, float]:
    """The relative differences after the same weights, images and labels."""
    state, found = ours(case, size)
    with NoDraws():  # it takes our weights
        net = without_dropout(peer())
    net.load_state_dict({name: our for name, _, our in pairs(net.state_dict(), state)})
    theirs = numbers(net, size)
    grads = pairs(theirs.gradients, found.gradients)
    floor = 1e-6 * max(largest(their) for _, their, _ in grads)  # a bias before batch norm has none but rounding
    heads = zip(found.train[1:], theirs.train[1:], strict=True)
    return {
        "eval logits": difference(found.eval, theirs.eval),
        "train logits": difference(found.train[0], theirs.train[0]),
        "heads": max([difference(our, their) for our, their in heads], default=0.0),
        "loss": difference(found.loss, theirs.loss),
        "gradients": max(difference(our, their, floor) for _, their, our in grads),
    }


@pytest.mark.parametrize(("case", "peer", "size"), [run for case in CASES for run in case.runs()])
def test_logits_heads_loss_and_every_gradient_equal_the_peers(
    case: Case, peer: Callable[[], nn.Module], size: int
) -> None:
    found = compare(case, peer, size)
    assert {name: value for name, value in found.items() if not value <= TOLERANCE} == {}


def test_the_comparison_sees_whether_average_pools_count_their_padding() -> None:
    found = compare(NOT_PADDED, from_pytorchcv("inceptionv3"), NOT_PADDED.sizes[0])
    assert min(found["eval logits"], found["train logits"], found["gradients"]) > 1e-3
