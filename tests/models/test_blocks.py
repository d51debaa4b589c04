import copy

import pytest
import torch
from torch import Tensor, nn

from inception_lightning.errors import InputError
from inception_lightning.models import InceptionResNetV1
from inception_lightning.models.blocks import ResidualBlock, recompute
from inception_lightning.models.layers import Conv, Residual, Style, build


def test_residual_is_relu_of_the_scaled_sum() -> None:
    block, _ = build(Residual(Conv(4, 3), 0.3), 3, Style())
    linear, _ = build(Residual(Conv(4, 3), 0.3, relu=False), 3, Style())
    linear.load_state_dict(block.state_dict())
    x = torch.randn(2, 3, 8, 8)
    branch = block.get_submodule("project")(block.get_submodule("inner")(x))
    assert torch.allclose(linear(x), x + 0.3 * branch, atol=1e-6)
    assert torch.allclose(block(x), torch.relu(x + 0.3 * branch), atol=1e-6)


def test_scale_zero_is_the_identity_on_a_rectified_input() -> None:
    block, _ = build(Residual(Conv(4, 3), 0.0), 3, Style())
    x = torch.rand(2, 3, 8, 8)
    assert torch.equal(block(x), x)


def learned_block(scale: float) -> ResidualBlock:
    block, _ = build(Residual(Conv(4, 3), scale), 3, Style(learned_scales=True))
    assert isinstance(block, ResidualBlock)
    return block


def test_a_learned_scale_is_a_parameter_that_starts_at_its_number() -> None:
    block, fixed = learned_block(0.3), build(Residual(Conv(4, 3), 0.3), 3, Style())[0]
    assert isinstance(block.scale, nn.Parameter)
    assert block.state_dict()["scale"] == pytest.approx(0.3)
    fixed.load_state_dict({name: value for name, value in block.state_dict().items() if name != "scale"})
    x = torch.rand(2, 3, 8, 8)
    assert torch.allclose(block(x), fixed(x))


def test_a_learned_scale_is_trained() -> None:
    block = learned_block(0.3)
    block(torch.rand(2, 3, 8, 8)).square().sum().backward()
    assert isinstance(block.scale, Tensor)
    assert block.scale.grad is not None
    assert block.scale.grad.abs().item() > 0


def test_a_learned_scale_of_zero_is_the_identity_on_a_rectified_input() -> None:
    block = learned_block(0.0)
    x = torch.rand(2, 3, 8, 8)
    assert torch.equal(block(x), x)


def test_a_learned_scale_keeps_half_precision() -> None:
    with torch.autocast("cpu", dtype=torch.bfloat16):
        assert learned_block(0.3)(torch.rand(2, 3, 8, 8, dtype=torch.bfloat16)).dtype == torch.bfloat16


def test_no_kind_of_batch_norm_counts_an_image_twice() -> None:
    plain, _ = build(Conv(4, 3), 3, Style())
    for stage in (plain, nn.SyncBatchNorm.convert_sync_batchnorm(copy.deepcopy(plain))):
        again = copy.deepcopy(stage)
        x = torch.randn(2, 3, 8, 8, requires_grad=True)
        stage(x).sum().backward()
        recompute(again, x).sum().backward()
        for name, buffer in stage.named_buffers():
            assert torch.equal(buffer, again.get_buffer(name)), name


def test_recomputed_stages_give_the_same_gradients_and_statistics() -> None:
    torch.manual_seed(0)
    plain = InceptionResNetV1(5, width=0.1, depths=(1, 1, 1), stem="small", aux=True)
    thrifty = copy.deepcopy(plain)
    thrifty.recompute(["stem", "inception_a", "inception_c"])
    images = torch.randn(2, 3, 32, 32)
    for net in (plain, thrifty):
        torch.manual_seed(1)  # of the dropout
        logits, aux = net.forward_with_aux(images)
        (logits.sum() + aux["inception_b"].sum()).backward()
    for (name, ours), theirs in zip(thrifty.named_parameters(), plain.parameters(), strict=True):
        assert ours.grad is not None
        assert theirs.grad is not None
        torch.testing.assert_close(ours.grad, theirs.grad, msg=name)
    for name, tensor in plain.state_dict().items():
        assert torch.equal(tensor, thrifty.state_dict()[name]), name  # batch norm counted once
    with pytest.raises(InputError, match=r"recompute must be one of stem, inception_a, .*, got 'inception_z'"):
        thrifty.recompute(["inception_z"])


def test_batch_norm_on_the_sum_comes_before_the_relu() -> None:
    block, _ = build(Residual(Conv(4, 3), 1.0, relu=False, norm=True), 3, Style())
    sums = block(5 + 3 * torch.randn(8, 3, 6, 6))  # (8, 3, 6, 6)
    assert torch.allclose(sums.mean(dim=(0, 2, 3)), torch.zeros(3), atol=1e-5)
    assert torch.allclose(sums.std(dim=(0, 2, 3)), torch.ones(3), atol=0.01)
    rectified, _ = build(Residual(Conv(4, 3), 1.0, norm=True), 3, Style())
    assert rectified(torch.randn(8, 3, 6, 6)).min() == 0
