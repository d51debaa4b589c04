import copy
import functools
from typing import Any

import pytest
import torch
from torch import Tensor, nn
from torch.optim import Optimizer

from inception_lightning.errors import InputError
from inception_lightning.models import InceptionResNetV1
from inception_lightning.training.classifier import InceptionClassifier
from inception_lightning.training.muon import Muon

SETTINGS: dict[str, Any] = {"lr": 0.02, "weight_decay": 0.05}
SHAPES = ((6, 4), (3, 9), (5,), ())


def draw(*shape: int, seed: int) -> Tensor:
    return torch.randn(shape, generator=torch.Generator().manual_seed(seed))


def parameters(*shapes: tuple[int, ...]) -> list[nn.Parameter]:
    return [nn.Parameter(draw(*shape, seed=place)) for place, shape in enumerate(shapes)]


def move(given: list[nn.Parameter], *optimizers: Optimizer, steps: range = range(4)) -> None:
    """Steps with drawn gradients; an optimizer whose rate is on a schedule has it at each step."""
    for step in steps:
        for place, parameter in enumerate(given):
            parameter.grad = draw(*parameter.shape, seed=100 * step + place)
        for optimizer in optimizers:
            optimizer.param_groups[0]["lr"] = 0.02 / (step + 1)
            optimizer.step()


def test_matrices_move_as_torchs_muon_has_it_and_the_rest_as_adamw() -> None:
    ours, theirs = parameters(*SHAPES), parameters(*SHAPES)
    move(ours, Muon(ours, **SETTINGS))
    matrices = torch.optim.Muon(theirs[:2], **SETTINGS, adjust_lr_fn="match_rms_adamw")
    move(theirs, matrices, torch.optim.AdamW(theirs[2:], **SETTINGS))
    for one, other, start in zip(ours, theirs, parameters(*SHAPES), strict=True):
        assert torch.equal(one, other)
        assert not torch.equal(one, start)


@pytest.mark.parametrize("layout", [torch.contiguous_format, torch.channels_last])
@pytest.mark.parametrize("shape", [(6, 4, 3, 2), (3, 8, 1, 1)])
def test_a_convolution_moves_as_the_matrix_that_it_is(layout: torch.memory_format, shape: tuple[int, ...]) -> None:
    (ours,) = parameters(shape)
    ours.data = ours.data.to(memory_format=layout)
    matrix = nn.Parameter(parameters(shape)[0].detach().flatten(1))
    optimizers = Muon([ours], **SETTINGS), torch.optim.Muon([matrix], **SETTINGS, adjust_lr_fn="match_rms_adamw")
    for step in range(3):
        ours.grad = draw(*shape, seed=step).to(memory_format=layout)
        matrix.grad = ours.grad.flatten(1)
        for optimizer in optimizers:
            optimizer.step()
    assert torch.equal(ours.detach().flatten(1), matrix.detach())
    assert ours.is_contiguous(memory_format=layout)


def test_it_goes_on_from_its_state_and_leaves_what_has_no_gradient() -> None:
    whole = parameters(*SHAPES, (2, 2))
    optimizer = Muon(whole, **SETTINGS)
    move(whole[:4], optimizer)
    parts = [nn.Parameter(parameter.detach().clone()) for parameter in whole]
    resumed = Muon(parts, lr=1.0)
    resumed.load_state_dict(copy.deepcopy(optimizer.state_dict()))
    move(whole[:4], optimizer, steps=range(4, 7))
    move(parts[:4], resumed, steps=range(4, 7))
    assert all(torch.equal(one, other) for one, other in zip(whole, parts, strict=True))
    assert torch.equal(whole[4], parameters(*SHAPES, (2, 2))[4])


def test_groups_have_settings_of_their_own() -> None:
    spared, decayed = parameters((4, 4), (4,))
    spared.grad, decayed.grad = torch.zeros(4, 4), torch.zeros(4)
    before = spared.detach().clone(), decayed.detach().clone()
    groups: list[dict[str, Any]] = [{"params": [spared], "weight_decay": 0.0}, {"params": [decayed]}]
    Muon(groups, lr=0.5, weight_decay=0.1).step()
    assert torch.equal(spared, before[0])
    torch.testing.assert_close(decayed.detach(), 0.95 * before[1])


@pytest.mark.parametrize("setting", [{"lr": -1.0}, {"momentum": 1.0}, {"betas": (0.9, 1.0)}, {"eps": float("nan")}])
def test_a_setting_out_of_range_is_refused(setting: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match=f"{next(iter(setting))}.* must be at least 0"):
        Muon(parameters((2, 2)), **setting)


def test_torchs_own_is_refused_with_the_name_of_ours() -> None:
    net = InceptionResNetV1(10, width=0.05, depths=(1, 1, 1), stem="small")
    with pytest.raises(InputError, match=r"torch.optim.Muon .*: say inception_lightning.training.muon.Muon"):
        InceptionClassifier(net, optimizer=functools.partial(torch.optim.Muon, lr=0.01))


def test_an_old_torch_is_said(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("inception_lightning.training.muon.muon", None)  # as its import leaves it there
    with pytest.raises(InputError, match=r"Muon needs torch 2\.15 or later, and this is 2"):
        Muon(parameters((2, 2)))
