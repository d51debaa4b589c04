"""Maps of what speaks for a class, against computations that are written out."""

import importlib.util

import pytest
import timm
import torch
from torch import Tensor, nn
from torchvision.models import resnet18

from inception_lightning.deployment.explanations import LAST, chosen_stages, exact_stage, explain, grad_cam
from inception_lightning.errors import InputError
from inception_lightning.models import GoogLeNet, Inception, InceptionResNetV1, InceptionV4
from inception_lightning.training.classifier import InceptionClassifier

NAMES = ("GoogLeNet", "InceptionResNetV1", "InceptionV4")


@pytest.fixture(scope="module")
def networks() -> dict[str, Inception]:
    torch.manual_seed(0)
    v1 = InceptionResNetV1(5, width=0.1, depths=(1, 1, 1))  # with a bottleneck
    nets = [GoogLeNet(5, width=0.1, stem="small"), v1, InceptionV4(5, width=0.1, depths=(1, 1, 1))]
    for net in nets:
        net.train()(torch.randn(8, 3, 128, 128))  # batch norms that do something
    return {type(net).__name__: net.eval() for net in nets}


def module_of(net: nn.Module) -> InceptionClassifier:
    return InceptionClassifier(net).eval()


def photos(count: int = 2) -> Tensor:
    return torch.randint(0, 256, (count, 3, 128, 128), dtype=torch.uint8, generator=torch.Generator().manual_seed(1))


@pytest.mark.parametrize("name", NAMES)
def test_the_exact_map_is_weights_times_features_written_out(networks: dict[str, Inception], name: str) -> None:
    net = networks[name]
    module, classes = module_of(net), torch.tensor([1, 4])
    with torch.no_grad():
        features = net.endpoints(module.normalize(photos()))[net.stages[-1]]  # (2, C, h, w)
        exact = exact_stage(net, module.normalize(photos()))
        found = explain(module, photos(), (net.stages[-1],), exact, classes).maps[net.stages[-1]]
        assert found.shape[1:] != (1, 1)
        for index, label in enumerate(classes.tolist()):
            weights = net.classifier.weight[label]  # (F,)
            if isinstance(net.bottleneck, nn.Sequential):
                linear, norm = net.bottleneck
                assert isinstance(linear, nn.Linear)
                assert isinstance(norm, nn.BatchNorm1d)
                assert norm.running_var is not None
                weights = (weights * norm.weight / (norm.running_var + norm.eps).sqrt()) @ linear.weight  # (C,)
            expected = torch.zeros(features.shape[2:])
            for channel, weight in enumerate(weights.tolist()):
                expected += weight * features[index, channel]
            torch.testing.assert_close(found[index], expected, rtol=1e-3, atol=1e-5)


@pytest.mark.parametrize("name", NAMES)
def test_grad_cam_at_the_last_stage_is_the_exact_map_by_its_places_above_zero(
    networks: dict[str, Inception], name: str
) -> None:
    net = networks[name]
    module, classes, last = module_of(net), torch.tensor([1, 4]), net.stages[-1]
    exact = explain(module, photos(), (last,), last, classes).maps[last]
    found = grad_cam(net, module.normalize(photos()), classes, last)
    assert (exact > 0).any()
    torch.testing.assert_close(found * exact[0].numel(), exact.relu(), rtol=1e-3, atol=1e-5)


def test_grad_cam_before_the_last_stage_is_equation_2_written_out(networks: dict[str, Inception]) -> None:
    net = networks["InceptionV4"]
    module, classes = module_of(net), torch.tensor([0, 3])
    images = module.normalize(photos())
    ends = net.endpoints(images)
    for stage in ("stem", "inception_b"):
        activation = ends[stage]
        logits = net.forward_head(ends[net.stages[-1]])
        (gradient,) = torch.autograd.grad(logits[[0, 1], classes].sum(), activation, retain_graph=True)
        expected = (gradient.mean((2, 3), keepdim=True) * activation).sum(dim=1).relu()
        found = grad_cam(net, images, classes, stage)
        assert found.max() > 0
        torch.testing.assert_close(found, expected.detach(), rtol=1e-3, atol=1e-7)
    assert all(parameter.grad is None for parameter in net.parameters())


def test_the_answer_is_explained_unless_a_class_is_named(networks: dict[str, Inception]) -> None:
    net = networks["GoogLeNet"]
    module = module_of(net)
    module.temperature = 2.0
    shares = module(photos()).softmax(dim=1)
    found = explain(module, photos(), (net.stages[-1],), net.stages[-1])
    assert torch.equal(found.classes, shares.argmax(dim=1))
    torch.testing.assert_close(found.probabilities, shares.max(dim=1).values)


def test_other_networks_are_explained_where_that_is_possible() -> None:
    torch.manual_seed(0)
    images = torch.randn(1, 3, 64, 64)
    theirs = timm.create_model("resnet10t", num_classes=3).eval()
    assert exact_stage(theirs, images) == LAST
    assert chosen_stages(theirs, None, LAST) == (LAST,)
    net = resnet18(num_classes=3).eval()
    assert exact_stage(net, images) is None
    with pytest.raises(InputError, match="no stage of ResNet has exact maps: say --stage with some of conv1, "):
        chosen_stages(net, None, None)
    assert grad_cam(net, images, torch.tensor([1]), "layer3").shape == (1, 4, 4)
    with pytest.raises(InputError, match="stage fc of ResNet gives no grid"):
        grad_cam(net, images, torch.tensor([1]), "fc")


def test_stages_are_named_and_captum_is_needed_before_the_last_only(
    networks: dict[str, Inception], monkeypatch: pytest.MonkeyPatch
) -> None:
    net = networks["InceptionV4"]
    assert chosen_stages(net, "stem, inception_c,stem", "inception_c") == ("stem", "inception_c")
    with pytest.raises(InputError, match="there is no stage head: InceptionV4 has stem, inception_a, "):
        chosen_stages(net, "stem,head", "inception_c")
    monkeypatch.setattr(importlib.util, "find_spec", lambda _: None)
    assert chosen_stages(net, "inception_c", "inception_c") == ("inception_c",)
    with pytest.raises(InputError, match="pip install captum"):
        chosen_stages(net, "stem", "inception_c")
