import copy
import functools
import math
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import torch
from timm.optim.rmsprop_tf import RMSpropTF as TimmsRMSpropTF

from inception_lightning.data import Digits
from inception_lightning.errors import InputError
from inception_lightning.models import InceptionResNetV1, InceptionV3
from inception_lightning.training.classifier import InceptionClassifier
from inception_lightning.training.optim import (
    RMSpropTF,
    SequentialLR,
    WarmupCosineLR,
    fused,
    made,
    parameter_groups,
    scale_rates,
    steps_of,
)
from tests.trainers import quiet_trainer


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


def tensorflow(
    weight: list[float],
    gradients: list[list[float]],
    settings: dict[str, float],
) -> list[float]:
    """TensorFlow's RMSProp written out: ms starts at 1, epsilon in the root, the rate in the momentum."""
    moved = []
    for index, value in enumerate(weight):
        ms, mom, w = 1.0, 0.0, value
        for gradient in gradients:
            g = gradient[index] + settings["weight_decay"] * w
            ms = settings["alpha"] * ms + (1 - settings["alpha"]) * g**2
            mom = settings["momentum"] * mom + settings["lr"] * g / math.sqrt(ms + settings["eps"])
            w -= mom
        moved.append(w)
    return moved


PAPER: dict[str, Any] = {"lr": 0.045, "alpha": 0.9, "momentum": 0.9, "eps": 1.0, "weight_decay": 4e-5}
SMALL_EPSILON: dict[str, Any] = {"lr": 0.001, "alpha": 0.9, "momentum": 0.9, "eps": 1e-10, "weight_decay": 0.0}
NO_MOMENTUM: dict[str, Any] = {"lr": 0.01, "alpha": 0.99, "momentum": 0.0, "eps": 1e-3, "weight_decay": 0.1}


@pytest.mark.parametrize("settings", [PAPER, SMALL_EPSILON, NO_MOMENTUM], ids=["paper", "small epsilon", "no momentum"])
def test_rmsprop_is_tensorflows(settings: dict[str, Any]) -> None:
    start = torch.tensor([0.5, -1.0, 2.0, 0.0])
    gradients = torch.randn(5, 4, generator=torch.Generator().manual_seed(0)) * torch.tensor([0.01, 0.1, 1.0, 10.0])
    ours, timms = torch.nn.Parameter(start.clone()), torch.nn.Parameter(start.clone())
    optimizers = [RMSpropTF([ours], **settings), TimmsRMSpropTF([timms], **settings)]
    for gradient in gradients:
        for parameter, optimizer in zip((ours, timms), optimizers, strict=True):
            parameter.grad = gradient.clone()
            optimizer.step()
    expected = torch.tensor(tensorflow(start.tolist(), gradients.tolist(), settings))
    torch.testing.assert_close(ours.detach(), expected, atol=1e-6, rtol=1e-6)
    torch.testing.assert_close(ours.detach(), timms.detach(), atol=1e-6, rtol=1e-6)


def test_rmsprop_is_not_torchs() -> None:
    ours, torchs = torch.nn.Parameter(torch.zeros(1)), torch.nn.Parameter(torch.zeros(1))
    settings: dict[str, Any] = {"lr": 0.045, "alpha": 0.9, "momentum": 0.9, "eps": 1.0}
    for optimizer in (RMSpropTF([ours], **settings), torch.optim.RMSprop([torchs], **settings)):
        for _ in range(5):
            ours.grad = torchs.grad = torch.full((1,), 0.1)
            optimizer.step()
    assert ours.item() == pytest.approx(-0.0443, abs=1e-4)  # facts of both programs
    assert torchs.item() == pytest.approx(-0.0566, abs=1e-4)


def test_rmsprop_goes_on_from_its_state_and_leaves_what_has_no_gradient() -> None:
    def run(parameters: list[torch.nn.Parameter], optimizer: torch.optim.Optimizer, steps: range) -> None:
        for step in steps:
            parameters[0].grad = torch.full((2,), 0.1 * step)
            optimizer.step()

    whole = [torch.nn.Parameter(torch.ones(2)), torch.nn.Parameter(torch.ones(2))]
    optimizer = RMSpropTF(whole, **PAPER)
    run(whole, optimizer, range(3))
    parts = [torch.nn.Parameter(parameter.detach().clone()) for parameter in whole]
    resumed = RMSpropTF(parts, lr=1.0)
    resumed.load_state_dict(copy.deepcopy(optimizer.state_dict()))
    run(whole, optimizer, range(3, 6))
    run(parts, resumed, range(3, 6))
    assert torch.equal(whole[0], parts[0])
    assert torch.equal(whole[1], torch.ones(2))


def test_a_negative_setting_is_refused() -> None:
    with pytest.raises(ValueError, match="eps must be at least 0, got -1"):
        RMSpropTF([torch.nn.Parameter(torch.ones(1))], eps=-1)


def test_warm_up_rises_straight_and_the_cosine_ends_at_zero() -> None:
    optimizer = torch.optim.SGD([torch.nn.Parameter(torch.ones(1))], lr=0.5)
    schedule = WarmupCosineLR(optimizer, total=14, warmup=4)
    rates = []
    for _ in range(15):
        rates.append(optimizer.param_groups[0]["lr"])
        optimizer.step()
        schedule.step()
    assert rates[:6] == pytest.approx([0.1, 0.2, 0.3, 0.4, 0.5, 0.25 * (1 + math.cos(math.pi / 10))])
    assert rates[14] == pytest.approx(0.0)
    assert rates[4:] == sorted(rates[4:], reverse=True)
    with pytest.raises(ValueError, match="warmup must be 0 or more and less than total 5, got 5"):
        WarmupCosineLR(optimizer, total=5)


def test_the_trunk_has_groups_of_its_own() -> None:
    network = net()
    groups = parameter_groups(network, network.stages)
    sizes = [sum(parameter.numel() for parameter in group["params"]) for group in groups]
    heads = sum(
        parameter.numel() for room in (network.aux_heads, network.classifier) for parameter in room.parameters()
    )
    assert len(groups) == 4
    assert sizes[0] + sizes[1] == heads
    assert sum(sizes) == sum(parameter.numel() for parameter in network.parameters())
    optimizer = torch.optim.SGD(groups, lr=0.5)
    scale_rates(optimizer, 2.0, 0.1)
    assert [group["lr"] for group in optimizer.param_groups] == pytest.approx([1.0, 1.0, 0.1, 0.1])


@dataclass
class Situation:
    """What `steps_of` asks a Trainer."""

    max_epochs: int | None = 3
    max_steps: int = -1
    limit_train_batches: int | float = 1.0
    accumulate_grad_batches: int = 1

    def steps(self, tmp_path: Path) -> int:
        running = quiet_trainer(tmp_path, **vars(self))
        running.strategy.connect(InceptionClassifier(net()))
        running.datamodule = Digits(batch_size=100, num_workers=0)  # type: ignore[attr-defined]  # 1437 images: 14 batches
        return steps_of(running)


@pytest.mark.parametrize(
    ("situation", "expected"),
    [
        (Situation(), 42),
        (Situation(max_steps=10), 10),
        (Situation(max_steps=100), 42),
        (Situation(limit_train_batches=5), 15),
        (Situation(limit_train_batches=0.5), 21),
        (Situation(accumulate_grad_batches=4), 12),
        (Situation(max_epochs=-1, max_steps=7), 7),
    ],
)
def test_the_steps_of_a_training(tmp_path: Path, situation: Situation, expected: int) -> None:
    assert situation.steps(tmp_path) == expected


def test_a_training_without_end_has_no_length(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"OneCycleLR must know its length: say --trainer.max_epochs or --trainer.max"):
        Situation(max_epochs=-1).steps(tmp_path)


def test_schedules_follow_each_other_and_go_on_from_their_state() -> None:
    def made_of() -> tuple[torch.optim.SGD, SequentialLR]:
        optimizer = torch.optim.SGD([torch.nn.Parameter(torch.ones(1))], lr=0.8)
        rise = functools.partial(torch.optim.lr_scheduler.LinearLR, start_factor=0.25, total_iters=3)
        halve = functools.partial(torch.optim.lr_scheduler.StepLR, step_size=1, gamma=0.5)
        return optimizer, SequentialLR(optimizer, [rise, halve], [3])

    def rates(optimizer: torch.optim.SGD, schedule: SequentialLR, steps: int) -> list[float]:
        found = []
        for _ in range(steps):
            found.append(optimizer.param_groups[0]["lr"])
            optimizer.step()
            schedule.step()
        return found

    optimizer, schedule = made_of()
    first = rates(optimizer, schedule, 4)
    assert first == pytest.approx([0.2, 0.4, 0.6, 0.8])
    again, resumed = made_of()
    again.load_state_dict(copy.deepcopy(optimizer.state_dict()))
    resumed.load_state_dict(copy.deepcopy(schedule.state_dict()))
    assert rates(again, resumed, 3) == rates(optimizer, schedule, 3) == pytest.approx([0.4, 0.2, 0.1])


@pytest.mark.parametrize(
    ("optimizer", "options", "expected"),
    [
        (torch.optim.AdamW, {}, True),
        (functools.partial(torch.optim.Adam, lr=0.1), {"precision": "bf16-mixed"}, True),
        (functools.partial(torch.optim.AdamW, fused=False), {}, False),
        (functools.partial(torch.optim.AdamW, foreach=True), {}, None),
        (torch.optim.AdamW, {"precision": "bf16-mixed", "gradient_clip_val": 1.0}, None),  # Lightning would refuse it
        (torch.optim.SGD, {}, None),
        (RMSpropTF, {}, None),
    ],
)
def test_adam_steps_fused_where_that_changes_nothing_else(
    tmp_path: Path, optimizer: Any, options: dict[str, Any], expected: bool | None
) -> None:
    made = fused(optimizer, quiet_trainer(tmp_path, **options))([torch.nn.Parameter(torch.zeros(1))])
    assert made.defaults.get("fused") is expected


def test_what_refuses_a_value_is_named() -> None:
    assert made("model.optimizer", dict, a=1) == {"a": 1}
    with pytest.raises(InputError, match=r"model.optimizer: eps must be at least 0, got -1"):
        made("model.optimizer", RMSpropTF, [torch.nn.Parameter(torch.ones(1))], eps=-1)
    with pytest.raises(TypeError):  # a mistake in the program, whose traceback is wanted
        made("model.optimizer", RMSpropTF)
