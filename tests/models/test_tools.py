"""The field's tools take the networks as they are: they look for torch's own layers and for timm's names."""

import copy
import math
from collections.abc import Iterator
from typing import Any

import ptflops
import pytest
import torch
from captum.attr import GuidedBackprop
from timm.data.config import resolve_model_data_config
from timm.models import PretrainedCfg, create_model, group_parameters
from timm.optim._param_groups import param_groups_layer_decay
from torch import Tensor, nn
from torch.utils.flop_counter import FlopCounterMode
from torchvision.models.feature_extraction import create_feature_extractor

from inception_lightning.errors import InputError
from inception_lightning.models import InceptionResNetV1, InceptionV2, InceptionV3, InceptionV4
from inception_lightning.models.cost import count_macs
from inception_lightning.models.passes import faster
from inception_lightning.weights.public import TIMM_RESNET
from tests.models.golden import GOLDEN, Golden, Variant, shallow
from tests.models.test_network import VARIANTS

SMALL: dict[str, Any] = {"width": 0.1, "stem": "small"}


def images(size: int = 32, batch: int = 2) -> Tensor:
    torch.manual_seed(0)
    return torch.randn(batch, 3, size, size)


def plain_and_faster() -> Iterator[Any]:
    """Each row plain and faster; before a release, the faster presets too."""
    for row in GOLDEN:
        yield pytest.param(row, False, id=f"{row}-plain")
        yield pytest.param(row, True, id=f"{row}-faster", marks=[pytest.mark.slow] if row.knobs else [])


@pytest.mark.parametrize(("row", "passed"), list(plain_and_faster()))
def test_torchvisions_feature_extractor_gives_every_endpoint(row: Golden, passed: bool) -> None:
    net = row.variant(7, width=0.05, **row.knobs, **shallow(row.variant)).double()
    net = faster(net) if passed else net
    extractor = create_feature_extractor(net, return_nodes=list(net.stages))
    for mode in (True, False):
        found, expected = extractor.train(mode)(images(96).double()), net.train(mode).endpoints(images(96).double())
        assert list(found) == list(expected)
        assert [name for name, end in expected.items() if not torch.equal(found[name], end)] == []


def test_a_traced_network_still_refuses_images_that_do_not_fit() -> None:
    traced = torch.fx.symbolic_trace(InceptionV2(7, preset="cadene", width=0.05))
    assert traced(images(63)).shape == (2, 7)
    for size, sentence in ((30, "needs images of at least 31 x 31 pixels"), (39, "cannot join its branches")):
        with pytest.raises(InputError, match=sentence):
            traced(images(size))


def test_learned_scales_are_traced() -> None:
    net = InceptionResNetV1(7, residual_scales="learned", **SMALL).eval()
    traced = torch.fx.symbolic_trace(net)
    with torch.no_grad():
        net.get_parameter("inception_a.0.scale").fill_(0.7)
    assert torch.equal(traced(images()), net(images()))


@pytest.mark.parametrize(
    ("variant", "passed"),
    [
        pytest.param(InceptionV3, True, id="InceptionV3-faster"),
        pytest.param(InceptionResNetV1, False, id="InceptionResNetV1-plain", marks=pytest.mark.slow),
        pytest.param(InceptionV3, False, id="InceptionV3-plain", marks=pytest.mark.slow),
        pytest.param(InceptionResNetV1, True, id="InceptionResNetV1-faster", marks=pytest.mark.slow),
    ],
)
def test_torch_exports_and_compiles_the_network(variant: Variant, passed: bool) -> None:
    net = variant(7, **SMALL, depths=(1, 1, 1), aux=True).eval()
    net = faster(net) if passed else net
    exported = torch.export.export(net, (images(),), dynamic_shapes=({0: torch.export.Dim("batch", min=1)},)).module()
    torch.testing.assert_close(exported(images(batch=3)), net(images(batch=3)))
    torch._dynamo.reset()
    compiled = torch.compile(net.forward_with_aux, backend="eager", fullgraph=True)
    logits, aux = compiled(images())
    expected, heads = net.forward_with_aux(images())
    torch.testing.assert_close([logits, *aux.values()], [expected, *heads.values()])


@pytest.mark.parametrize("variant", VARIANTS)
def test_counts_are_torchs_part_by_part(variant: Variant) -> None:
    net = variant(7, **SMALL, **shallow(variant), aux=True).eval()
    net.image_size = 32
    parts: dict[str, int] = {}
    ends = net.endpoints(images(32, 1))
    inputs = dict(zip(net.stages, [images(32, 1), *ends.values()], strict=False))
    modules = {name: (net.get_submodule(name), inputs[name]) for name in net.stages}
    modules |= {f"aux_heads.{name}": (head, ends[name]) for name, head in net.aux_heads.items()}
    modules["classifier"] = (net.classifier, torch.randn(1, net.num_features))
    for name, (module, x) in modules.items():
        with FlopCounterMode(display=False) as counter:
            module(x)
        parts[name] = counter.get_total_flops() // 2
    assert +count_macs(net) == {name: count for name, count in parts.items() if count}


def torchs_count(net: nn.Module) -> int:
    """Multiply-accumulates of convolutions and linear layers for one image of 32 pixels."""
    with FlopCounterMode(display=False) as counter:
        net(images(32, 1))
    return counter.get_total_flops() // 2


UNCOUNTED = (nn.BatchNorm2d, nn.BatchNorm1d, nn.ReLU, nn.MaxPool2d, nn.AvgPool2d, nn.LocalResponseNorm, nn.Dropout)


@pytest.mark.filterwarnings("ignore:distutils Version classes are deprecated")  # by thop's import
@pytest.mark.parametrize("variant", VARIANTS)
def test_thop_gives_torchs_count(variant: Variant) -> None:
    import thop

    net = variant(7, **SMALL, **shallow(variant), aux=False).eval()
    nothing = dict.fromkeys(UNCOUNTED, lambda *_: None)  # thop counts these too, and torch does not
    found, parameters = thop.profile(copy.deepcopy(net), (images(32, 1),), custom_ops=nothing, verbose=False)
    assert found == torchs_count(net)
    assert parameters == sum(parameter.numel() for parameter in net.parameters())


@pytest.mark.parametrize("variant", VARIANTS)
def test_ptflops_gives_torchs_count(variant: Variant) -> None:
    net = variant(7, **SMALL, **shallow(variant), aux=False).eval()
    biases = 0  # ptflops counts an addition of a bias as one operation, and torch does not

    def add(module: nn.Module, inputs: Any, output: Tensor) -> None:
        nonlocal biases
        biases += output.numel() if module.bias is not None else 0

    hooks = [m.register_forward_hook(add) for m in net.modules() if isinstance(m, nn.Conv2d | nn.Linear)]
    net(images(32, 1))
    for hook in hooks:
        hook.remove()
    found, parameters = ptflops.get_model_complexity_info(
        net, (3, 32, 32), as_strings=False, print_per_layer_stat=False, backend="aten"
    )
    assert found == torchs_count(net) + biases
    assert parameters == sum(parameter.numel() for parameter in net.parameters())


def rectified(relu: nn.Module, gradients: Any, _: Any) -> Any:
    """The gradients that flow on, those below zero stopped."""
    return tuple(gradient.clamp(min=0) for gradient in gradients)


@pytest.mark.filterwarnings("ignore:Setting backward hooks on ReLU")
@pytest.mark.parametrize("variant", VARIANTS)
def test_captums_guided_backpropagation_meets_the_relus(variant: Variant) -> None:
    net = variant(7, **SMALL, **shallow(variant), aux=False).eval()
    x = images().requires_grad_()
    guided = GuidedBackprop(net).attribute(x, target=1)
    (plain,) = torch.autograd.grad(net(x)[:, 1].sum(), x)
    assert not torch.allclose(guided, plain, rtol=0.1, atol=0.1 * plain.abs().max().item())
    for relu in [module for module in net.modules() if isinstance(module, nn.ReLU)]:  # what captum does, by hand
        relu.register_full_backward_hook(rectified)
    (by_hand,) = torch.autograd.grad(net(x)[:, 1].sum(), x)
    torch.testing.assert_close(guided, by_hand)


def test_timm_prepares_images_as_the_network_wants_them() -> None:
    net = InceptionV4(7, width=0.05)
    TIMM_RESNET.give_to(net)
    assert resolve_model_data_config(net) == {
        "input_size": (3, 299, 299),
        "interpolation": "bicubic",
        "mean": (0.5, 0.5, 0.5),
        "std": (0.5, 0.5, 0.5),
        "crop_pct": 0.8975,
        "crop_mode": "center",
    }


@pytest.mark.parametrize("variant", VARIANTS)
def test_pretrained_cfg_and_feature_info_have_timms_fields(variant: Variant) -> None:
    net = variant(7, **SMALL, **shallow(variant))
    theirs: Any = create_model("test_resnet", pretrained=False)
    assert net.pretrained_cfg.keys() <= set(PretrainedCfg.__dataclass_fields__)
    assert net.feature_info[0].keys() == set(theirs.feature_info[0])
    for name in ("first_conv", "classifier"):
        assert isinstance(net.get_submodule(net.pretrained_cfg[name]), nn.Conv2d | nn.Linear)


def test_timm_groups_parameters_by_depth() -> None:
    net = InceptionV3(7, **SMALL)
    coarse, fine = (group_parameters(net, net.group_matcher(coarse)) for coarse in (True, False))
    assert len(coarse) == len(net.stages) + 1
    assert len(fine) == 1 + 3 + 1 + 4 + 1 + 2 + 1
    for groups in (coarse, fine):
        assert sorted(name for names in groups.values() for name in names) == sorted(dict(net.named_parameters()))
        assert {name.split(".")[0] for name in groups[max(groups)]} == {"aux_heads", "classifier"}
    assert {name.rsplit(".", 3)[0].split(".")[0] for name in fine[9]} == {"reduction_b"}
    rates = [group["lr_scale"] for group in param_groups_layer_decay(net, layer_decay=0.5)]
    assert (min(rates), max(rates)) == (0.5 ** (len(fine) - 1), 1.0)


@pytest.mark.filterwarnings("ignore")  # of torchao, about its own future
def test_torchao_quantises_every_convolution() -> None:
    from torchao.quantization.pt2e.quantize_pt2e import convert_pt2e, prepare_pt2e  # 7 s
    from torchao.quantization.pt2e.quantizer import x86_inductor_quantizer as x86

    net = InceptionV3(7, width=0.1, depths=(1, 1, 1), aux=False).eval()
    quantizer = x86.X86InductorQuantizer().set_global(x86.get_default_x86_inductor_quantization_config())
    prepared = prepare_pt2e(torch.export.export(net, (images(96),)).module(), quantizer)
    prepared(images(96))
    quantised = convert_pt2e(prepared)
    convolutions = [node for node in quantised.graph.nodes if "conv2d" in str(node.target)]
    assert len(convolutions) == sum(isinstance(module, nn.Conv2d) for module in net.modules())
    for node in convolutions:
        assert ["dequantize_per" in str(argument.target) for argument in node.args[:2]] == [True, True]
    assert math.isclose((quantised(images(96)) - net(images(96))).abs().max().item(), 0, abs_tol=0.02)
