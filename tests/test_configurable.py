import functools
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import torch
from jsonargparse import ArgumentParser

from inception_lightning.configurable import Configurable, plain, rebuild
from inception_lightning.errors import InputError
from inception_lightning.models import InceptionV3
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
