"""The same weights give the peers' numbers, in float64: logits, heads' logits, loss and every gradient."""

import functools
from collections.abc import Callable
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
from tests.models.golden import Variant

TOLERANCE = 1e-6  # relative; float64 gives about 1e-12


@dataclass(frozen=True)
class Case:
    """A peer's network and ours; ``sizes`` of the square images in pixels, those in ``slow`` before a release."""

    name: str
    peer: Callable[[], nn.Module]
    variant: Variant
    sizes: tuple[int, ...]
    knobs: dict[str, Any] = field(default_factory=dict)
    slow: tuple[int, ...] = ()

    def runs(self) -> list[Any]:
        """One test per size."""
        runs = [pytest.param(self, size, id=f"{self.name}-{size}") for size in self.sizes]
        marks = pytest.mark.slow
        return runs + [pytest.param(self, size, id=f"{self.name}-{size}", marks=marks) for size in self.slow]


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
FACENET = {"preset": "facenet"}
CASES = [
    Case("torchvision-googlenet", torchvision_googlenet, GoogLeNet, (64, 101), {"preset": "torchvision"}),
    Case("torchvision-v3", torchvision_v3_without_head, InceptionV3, (107, 139), PADDED | {"aux": False}),
    Case("torchvision-v3-head", torchvision_v3, InceptionV3, (299,), PADDED, slow=(331,)),
    Case(
        "timm-v3",
        from_timm("inception_v3", aux_logits=False),
        InceptionV3,
        (139,),
        PADDED | {"aux": False},
        slow=(107,),
    ),
    Case("timm-v3-head", from_timm("inception_v3", aux_logits=True), InceptionV3, (), PADDED, slow=(299, 331)),
    Case("timm-v4", from_timm("inception_v4"), InceptionV4, (107,), slow=(139,)),
    Case("timm-resnet-v2", from_timm("inception_resnet_v2"), InceptionResNetV2, (107,), slow=(139,)),
    Case("pytorchcv-bn", from_pytorchcv("bninception"), InceptionV2, (64, 96), {"preset": "cadene"}),
    Case("pytorchcv-v3", from_pytorchcv("inceptionv3"), InceptionV3, (107,), PADDED | {"aux": False}, slow=(139,)),
    Case("pytorchcv-v3-not-padded", from_pytorchcv("inceptionv3", False), InceptionV3, (107, 139), {"aux": False}),
    Case("pytorchcv-v4", from_pytorchcv("inceptionv4"), InceptionV4, (139,), slow=(107,)),
    Case("pytorchcv-resnet-v1", from_pytorchcv("inceptionresnetv1"), InceptionResNetV1, (107, 139), FACENET),
    Case("pytorchcv-resnet-v2", from_pytorchcv("inceptionresnetv2"), InceptionResNetV2, (139,), slow=(107,)),
]


def calibrate(net: nn.Module, images: Tensor) -> None:
    """Give batch norm other than its initial weights, and the statistics of ``images``: else logits explode."""
    for module in net.modules():
        if isinstance(module, nn.BatchNorm1d | nn.BatchNorm2d):
            module.momentum = None
            nn.init.uniform_(module.weight, 0.5, 1.5)
            nn.init.uniform_(module.bias, -0.5, 0.5)
        if isinstance(module, nn.Dropout):
            module.p = 0.0
    with torch.no_grad():
        net.train()(images)


def pairs(peer: dict[str, Tensor], net: dict[str, Tensor]) -> list[tuple[str, Tensor, Tensor]]:
    """Entry by entry, heads last: the tables are written in the order in which the peers define their layers."""
    theirs = sorted(peer.items(), key=lambda item: item[0].lower().startswith("aux"))
    ours = sorted(net.items(), key=lambda item: item[0].startswith("aux_heads"))
    assert [value.numel() for _, value in theirs] == [value.numel() for _, value in ours]
    return [(name, a.reshape(b.shape), b) for (_, a), (name, b) in zip(theirs, ours, strict=True)]


def outputs(peer: nn.Module, images: Tensor) -> list[Tensor]:
    """The peer's logits and then its heads', first head first; torchvision's GoogLeNet gives them last first."""
    result = peer(images)
    if isinstance(result, Tensor):
        return [result]
    logits, *heads = result
    return [logits, *reversed(heads)]


def difference(ours: Tensor, theirs: Tensor, floor: float = 0.0) -> float:
    """The largest difference, relative to the largest of their values or to ``floor``."""
    return (ours - theirs).abs().max().item() / max(theirs.abs().max().item(), floor)


def compare(peer: nn.Module, net: Inception, size: int) -> dict[str, float]:
    """The relative differences after the same weights, images and labels."""
    images, labels = torch.randn(2, 3, size, size, dtype=torch.float64), torch.tensor([1, 100])
    for each in (peer, net):
        each.zero_grad()
        calibrate(each.double(), images)
    net.load_state_dict({name: theirs for name, theirs, _ in pairs(peer.state_dict(), net.state_dict())})
    with torch.no_grad():
        found = {"eval logits": difference(net.eval()(images), outputs(peer.eval(), images)[0])}
    logits, heads = net.train().forward_with_aux(images)
    ours, theirs = [logits, *heads.values()], outputs(peer.train(), images)
    found["train logits"] = difference(logits, theirs[0])
    found["heads"] = max([difference(a, b) for a, b in zip(ours[1:], theirs[1:], strict=True)], default=0.0)
    losses = []
    for results in (ours, theirs):
        loss = sum((net.aux_weight * cross_entropy(head, labels) for head in results[1:]), torch.zeros(()))
        losses.append(cross_entropy(results[0], labels) + loss)
        losses[-1].backward()
    found["loss"] = difference(losses[0].detach(), losses[1].detach())
    grads = pairs(gradients(peer), gradients(net))
    floor = 1e-6 * max(b.abs().max().item() for _, b, _ in grads)  # a bias before batch norm has none but rounding
    found["gradients"] = max(difference(ours, theirs, floor) for _, theirs, ours in grads)
    return found


def gradients(net: nn.Module) -> dict[str, Tensor]:
    """Every parameter's gradient; one without any fails here."""
    grads = {name: parameter.grad for name, parameter in net.named_parameters()}
    assert [name for name, grad in grads.items() if grad is None] == []
    return {name: grad for name, grad in grads.items() if grad is not None}


@functools.lru_cache(maxsize=1)  # for all sizes of a case; networks of several do not fit into memory
def networks(name: str) -> tuple[nn.Module, Inception]:
    (case,) = [case for case in CASES if case.name == name]
    return case.peer(), case.variant(**case.knobs)


@pytest.mark.parametrize(("case", "size"), [run for case in CASES for run in case.runs()])
def test_logits_heads_loss_and_every_gradient_equal_the_peers(case: Case, size: int) -> None:
    torch.manual_seed(0)
    found = compare(*networks(case.name), size)
    print(case.name, size, found)
    assert {name: value for name, value in found.items() if not value <= TOLERANCE} == {}


def test_the_comparison_sees_whether_average_pools_count_their_padding() -> None:
    torch.manual_seed(0)
    found = compare(from_pytorchcv("inceptionv3")(), InceptionV3(aux=False), 107)
    assert min(found["eval logits"], found["train logits"], found["gradients"]) > 1e-3
