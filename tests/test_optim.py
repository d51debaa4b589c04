import pytest
import torch

from inception_lightning.models import InceptionResNetV1, InceptionV3
from inception_lightning.optim import parameter_groups


def net(**knobs: object) -> InceptionResNetV1:
    return InceptionResNetV1(5, width=0.05, depths=(1, 1, 1), stem="small", aux=True, **knobs)  # type: ignore[arg-type]


@pytest.mark.parametrize("knobs", [{}, {"learned_scales": True}])
def test_every_trained_parameter_is_there_exactly_once(knobs: dict[str, object]) -> None:
    network = net(**knobs)
    stem = network.get_submodule("stem").requires_grad_(False)
    given = [id(parameter) for group in parameter_groups(network) for parameter in group["params"]]
    trained = {id(parameter) for parameter in network.parameters() if parameter.requires_grad}
    assert len(given) == len(set(given))
    assert set(given) == trained
    assert not set(given) & {id(parameter) for parameter in stem.parameters()}


def test_only_weights_of_convolutions_and_classifiers_are_decayed() -> None:
    network = net(learned_scales=True)
    decayed, spared = parameter_groups(network)
    names = {id(parameter): name for name, parameter in network.named_parameters()}
    assert "weight_decay" not in decayed  # the optimizer's own
    assert spared["weight_decay"] == 0.0
    weights = [
        f"{name}.weight"
        for name, module in network.named_modules()
        if isinstance(module, torch.nn.Conv2d | torch.nn.Linear)
    ]
    assert sorted(names[id(parameter)] for parameter in decayed["params"]) == sorted(weights)
    rest = {names[id(parameter)] for parameter in spared["params"]}
    assert {"inception_a.0.scale", "classifier.bias"} <= rest
    assert network.get_parameter("inception_a.0.scale").ndim == 0
    norms = [name for name, module in network.named_modules() if isinstance(module, torch.nn.BatchNorm2d)]
    assert norms
    assert {f"{name}.bias" for name in norms} <= rest
    assert rest >= {f"{name}.weight" for name in norms if f"{name}.weight" in names.values()}


def test_decay_shrinks_weights_and_leaves_the_rest() -> None:
    network = InceptionV3(5, width=0.05, stem="small")
    before = {name: parameter.detach().clone() for name, parameter in network.named_parameters()}
    optimizer = torch.optim.SGD(parameter_groups(network), lr=0.5, weight_decay=0.1)
    for parameter in network.parameters():
        parameter.grad = torch.zeros_like(parameter)
    optimizer.step()
    for name, parameter in network.named_parameters():
        factor = 0.95 if parameter.ndim > 1 else 1.0
        torch.testing.assert_close(parameter.detach(), factor * before[name])
