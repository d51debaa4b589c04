"""The same weights give the same logits as the peers' networks, in float64, calibrated, eval mode."""

from collections.abc import Callable
from typing import Any, TypeAlias

import pytest
import timm
import torch
from torch import Tensor, nn

from inception_lightning.models import Inception, InceptionResNetV2, InceptionV3

Variant: TypeAlias = Callable[..., Inception]


def calibrate(net: nn.Module, images: Tensor) -> None:
    """Give batch norm the statistics of ``images``: with its initial ones the logits of deep networks explode."""
    for module in net.modules():
        if isinstance(module, nn.BatchNorm2d):
            module.momentum = None
            nn.init.uniform_(module.weight, 0.5, 1.5)
            nn.init.uniform_(module.bias, -0.5, 0.5)
    net.train()
    with torch.no_grad():
        net(images)
    net.eval()


def copy_in_order(peer: nn.Module, net: Inception) -> None:
    """Copy entry by entry: the tables are written in the order in which the peers define their layers."""
    source = sorted(peer.state_dict().items(), key=lambda item: item[0].startswith("AuxLogits"))
    target = sorted(net.state_dict().items(), key=lambda item: item[0].startswith("aux_heads"))
    assert [value.shape for _, value in source] == [value.shape for _, value in target]
    net.load_state_dict({name: value for (name, _), (_, value) in zip(target, source, strict=True)})


@pytest.mark.parametrize("size", [139, 299])
@pytest.mark.parametrize(
    ("name", "variant", "knobs"),
    [
        ("inception_v3", InceptionV3, {"aux": False, "count_include_pad": True}),
        ("inception_resnet_v2", InceptionResNetV2, {}),
    ],
)
def test_logits_equal_timm(name: str, variant: Variant, knobs: dict[str, Any], size: int) -> None:
    torch.manual_seed(0)
    images = torch.randn(4, 3, size, size, dtype=torch.float64)
    peer = timm.create_model(name).double()
    calibrate(peer, images)
    net = variant(**knobs).double().eval()
    copy_in_order(peer, net)
    with torch.no_grad():
        theirs, ours = peer(images), net(images)
    assert ((ours - theirs).abs().max() / theirs.abs().max()).item() <= 1e-6


def test_head_equals_timm() -> None:
    torch.manual_seed(0)
    images = torch.randn(4, 3, 299, 299, dtype=torch.float64)
    peer = timm.create_model("inception_v3", aux_logits=True).double()
    calibrate(peer, images)
    net = InceptionV3(count_include_pad=True).double().eval()
    copy_in_order(peer, net)
    with torch.no_grad():
        logits, head = peer(images)
        ours, heads = net.forward_with_aux(images)
    assert ((ours - logits).abs().max() / logits.abs().max()).item() <= 1e-6
    assert ((heads["inception_b"] - head).abs().max() / head.abs().max()).item() <= 1e-6
