import copy
import functools
import pickle
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import torch
from huggingface_hub import PyTorchModelHubMixin
from jsonargparse import ArgumentParser
from torch import nn

from inception_lightning.configurable import Configurable, plain, rebuild
from inception_lightning.errors import InputError
from inception_lightning.models import Inception, InceptionV3
from inception_lightning.training.losses import BinaryCrossEntropy, FocalLoss
from inception_lightning.training.optim import OptimizerCallable


@dataclass(frozen=True)
class Options:
    size: tuple[int, int] = (1, 2)


class Thing(Configurable):
    def __init__(self, first: int, *, path: Path = Path("x"), options: Any = None) -> None:
        self.first = first


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        (3, 3),
        ((1, "a", None), [1, "a", None]),
        (Path("a/b"), "a/b"),
        (Options(), {"size": [1, 2]}),
        (lambda parameters: None, None),
        (torch.optim.SGD, {"class_path": "torch.optim.sgd.SGD", "init_args": {}}),
        (
            functools.partial(torch.optim.SGD, lr=0.1),
            {"class_path": "torch.optim.sgd.SGD", "init_args": {"lr": 0.1}},
        ),
    ],
)
def test_plain(value: Any, expected: Any) -> None:
    assert plain(value) == expected


def test_arguments_are_recorded_with_their_defaults() -> None:
    thing = Thing(3, options=Options())
    expected = {"first": 3, "path": "x", "options": {"size": [1, 2]}}
    assert thing.config == {"class_path": f"{__name__}.Thing", "init_args": expected}


def test_what_the_parser_gives_is_described_as_what_people_write() -> None:
    parser = ArgumentParser()
    parser.add_argument("--optimizer", type=OptimizerCallable)
    parsed = parser.instantiate(parser.parse_args(["--optimizer=SGD", "--optimizer.lr=0.1"])).optimizer
    described = plain(parsed)
    assert described["class_path"] == "torch.optim.sgd.SGD"
    assert described["init_args"]["lr"] == 0.1
    assert isinstance(rebuild(described)([torch.nn.Parameter(torch.zeros(1))]), torch.optim.SGD)


def test_optimizers_come_back_as_partials() -> None:
    optimizer = rebuild(plain(functools.partial(torch.optim.RMSprop, lr=0.045, eps=1.0)))
    built = optimizer([torch.nn.Parameter(torch.zeros(1))])
    assert isinstance(built, torch.optim.RMSprop)
    assert built.defaults["eps"] == 1.0


@pytest.mark.parametrize("path", ["os.system", "subprocess.Popen", "antigravity.Thing"])
def test_only_known_classes_are_rebuilt(path: str) -> None:
    with pytest.raises(InputError, match="is not known here"):
        rebuild({"class_path": path, "init_args": {}})


def test_known_classes_include_the_networks() -> None:
    config = {"class_path": "inception_lightning.models.inception_v3.InceptionV3", "init_args": {"width": 0.05}}
    assert isinstance(rebuild(config), InceptionV3)


class Child(InceptionV3):
    """It changes nothing about the arguments."""


class Grandchild(Child):
    def __init__(self, *, own: int = 1, **kwargs: Any) -> None:
        super().__init__(**kwargs | {"dropout": 0.5})
        self.own = own


class GreatGrandchild(Grandchild):
    def __init__(self, num_classes: int = 3, width: float = 0.05, **kwargs: Any) -> None:
        super().__init__(num_classes=num_classes, width=width, **kwargs)


class HubFirst(PyTorchModelHubMixin, InceptionV3):
    """``repo_url`` and the like are the mixin's, and no arguments of the network."""


class HubLast(GreatGrandchild, PyTorchModelHubMixin):
    """The other order, deeper."""


MADE: list[Callable[[], Inception]] = [
    lambda: Child(4, width=0.05, stem="small", depths=(1, 1, 1)),
    lambda: Grandchild(own=7, num_classes=4, width=0.05, stem="small", depths=(1, 1, 1)),
    lambda: GreatGrandchild(4, own=7, stem="small", depths=(1, 1, 1)),
    lambda: HubFirst(4, width=0.05, stem="small", depths=(1, 1, 1)),
    lambda: HubLast(4, own=7, stem="small", depths=(1, 1, 1)),
]


def assert_same_network(one: nn.Module, other: nn.Module) -> None:
    assert type(one) is type(other)
    assert one.config == other.config
    assert getattr(one, "own", None) == getattr(other, "own", None)
    names = [name for name, _ in other.named_modules()]
    assert [name for name, _ in one.named_modules()] == names
    expected = other.state_dict()
    for name, tensor in one.state_dict().items():
        assert torch.equal(tensor, expected[name]), name


def test_arguments_are_those_of_the_class_that_was_asked_for() -> None:
    net = GreatGrandchild(4, own=7, stem="small")
    expected = {"num_classes": 4, "width": 0.05, "own": 7, "stem": "small"}
    assert net.config == {"class_path": f"{__name__}.GreatGrandchild", "init_args": expected}
    assert net.own == 7
    assert net.get_submodule("dropout").p == 0.5  # what a parent decides is no argument


@pytest.mark.parametrize("make", MADE)
def test_a_subclass_is_rebuilt_from_its_arguments(make: Callable[[], Inception]) -> None:
    net = make()
    again = rebuild(net.config)
    again.load_state_dict(net.state_dict())
    assert_same_network(again, net)


@pytest.mark.parametrize("make", MADE)
@pytest.mark.parametrize("duplicate", [copy.copy, copy.deepcopy, lambda net: pickle.loads(pickle.dumps(net))])
def test_copies_know_their_arguments(make: Callable[[], Inception], duplicate: Callable[[Any], Inception]) -> None:
    net = make()
    twin = duplicate(net)
    assert_same_network(twin, net)
    twin.record(own=9)
    assert twin.config["init_args"]["own"] == 9
    assert net.config == make().config  # a copy's record is its own


@pytest.mark.parametrize("make", MADE[3:])
def test_a_network_of_the_hub_is_saved_and_loaded(make: Callable[[], Any], tmp_path: Path) -> None:
    net = make()
    net.save_pretrained(tmp_path)
    assert_same_network(type(net).from_pretrained(tmp_path), net)
    twin = copy.copy(net)
    net.reset_classifier(6)
    net.save_pretrained(tmp_path)
    assert_same_network(type(net).from_pretrained(tmp_path), net)
    assert twin.config["init_args"]["num_classes"] == 4


def test_arguments_without_names_are_refused() -> None:
    class Many(Configurable):
        def __init__(self, *sizes: int) -> None:
            self.sizes = sizes

    assert Many().config["init_args"] == {}
    with pytest.raises(InputError, match=r"Many takes \*sizes, which a checkpoint cannot name: use keywords"):
        Many(1, 2)


def test_what_init_itself_refuses_is_pythons_to_say() -> None:
    with pytest.raises(TypeError, match="missing 1 required positional argument: 'first'"):
        Thing()  # type: ignore[call-arg]
    with pytest.raises(TypeError, match="second"):
        Thing(1, second=2)  # type: ignore[call-arg]


@pytest.mark.parametrize(
    ("options", "unknown"),
    [
        (None, ()),
        (FocalLoss(1.0), ()),
        (functools.partial(torch.optim.SGD, lr=0.1), ()),
        ({"a": [BinaryCrossEntropy(), 1]}, ()),
        (nn.Linear(1, 1), ("options",)),
        ({"a": [nn.ReLU(), 1]}, ("options",)),
        (lambda logits: logits, ("options",)),
        (functools.partial(print, "x"), ("options",)),
    ],
)
def test_an_argument_is_unknown_where_something_in_it_does_not_know_its_own(options: Any, unknown: object) -> None:
    thing = Thing(3, options=options)
    assert thing.unknown == unknown
    thing.record(options=None)
    assert thing.unknown == ()


def test_a_class_without_arguments_of_its_own_has_a_record() -> None:
    assert BinaryCrossEntropy().config["init_args"] == {}
    assert isinstance(rebuild(BinaryCrossEntropy().config), BinaryCrossEntropy)


@pytest.mark.parametrize(
    "path", ["torch.optim.lr_scheduler.warnings", "torch.nn.functional.Tensor", "torch.nn.init.math"]
)
def test_what_a_trusted_module_has_only_imported_is_not_called(path: str) -> None:
    with pytest.raises(InputError, match=r"is no class or function|may not name"):
        rebuild({"class_path": path, "init_args": {}})


def test_a_function_that_makes_a_module_is_called_and_another_is_not() -> None:
    config = {"class_path": "torchvision.models.resnet18", "init_args": {"num_classes": 3}}
    assert rebuild(config).fc.out_features == 3
    with pytest.raises(InputError, match=r"torch.nn.init.zeros_ makes no network, loss, metric, optimizer or schedule"):
        rebuild({"class_path": "torch.nn.init.zeros_", "init_args": {"tensor": 1}})
