"""Stages by name, of our networks and of others."""

import pytest
import timm
import torch
from torch import Tensor, nn
from torchvision.models import resnet18

from inception_lightning.errors import InputError
from inception_lightning.models import GoogLeNet, InceptionResNetV1
from inception_lightning.models.stages import activation, check_stage, features, stage_names


def test_ours_compute_no_stage_after_the_one_that_is_asked_for() -> None:
    torch.manual_seed(0)
    net = GoogLeNet(5, stem="small", width=0.05, aux=True).eval()
    images = torch.randn(2, 3, 32, 32)
    ends = net.endpoints(images)
    ran: list[str] = []
    for name in net.stages:
        net.get_submodule(name).register_forward_hook(lambda *_, name=name: ran.append(name))
    for place, name in enumerate(net.stages):
        ran.clear()
        assert torch.equal(activation(net, images, name), ends[name])
        assert ran == list(net.stages[: place + 1])
        assert torch.equal(features(net, images, name), ends[name].mean((2, 3)))
    with pytest.raises(InputError, match="stage must be one of stem, "):
        net.forward_to(images, "head")


def test_pooled_is_what_the_classifier_reads() -> None:
    torch.manual_seed(0)
    images = torch.randn(2, 3, 96, 96)
    ours = InceptionResNetV1(5, width=0.05, depths=(1, 1, 1)).eval()
    theirs = [resnet18(num_classes=5).eval(), timm.create_model("resnet10t", num_classes=5).eval()]
    for net, classifier in ((ours, ours.classifier), *((net, net.fc) for net in theirs)):
        assert torch.equal(classifier(features(net, images)), net(images))


def test_others_have_the_modules_that_they_are_made_of() -> None:
    net = resnet18(num_classes=5).eval()
    images = torch.randn(2, 3, 64, 64)
    assert stage_names(net)[:2] == ("conv1", "bn1")
    assert activation(net, images, "layer3").shape == (2, 256, 4, 4)
    check_stage(net, "layer3.1")
    assert features(net, images, "layer3.1").shape == (2, 256)
    assert not net.layer3._forward_hooks
    for wrong in ("layer9", ""):
        with pytest.raises(InputError, match=f"there is no stage {wrong}: ResNet has pooled, conv1, .*layer4"):
            check_stage(net, wrong, "pooled")


class Tokens(nn.Module):
    """A network whose stages are no grids."""

    def __init__(self) -> None:
        super().__init__()
        self.words = nn.Linear(3, 4)
        self.unused = nn.Linear(3, 4)
        self.both = nn.GRU(4, 4, batch_first=True)

    def forward(self, images: Tensor) -> Tensor:
        found: Tensor = self.both(self.words(images.flatten(2).transpose(1, 2)))[0]
        return found.mean(dim=1)


def test_a_stage_that_gives_no_grid_is_refused() -> None:
    images = torch.randn(2, 3, 4, 4)
    for stage, sentence in (("words", "gives 3 dimensions"), ("unused", "no activation"), ("both", "no activation")):
        with pytest.raises(InputError, match=sentence):
            features(Tokens(), images, stage)
    with pytest.raises(InputError, match="nothing is pooled"):
        features(nn.Sequential(nn.Conv2d(3, 4, 1)), images)
