"""A folded network gives the numbers of the whole one, without what only training needs."""

import pytest
import torch
from torch import nn

from inception_lightning.deployment.folding import folded
from inception_lightning.models import InceptionResNetV1
from inception_lightning.models.passes import faster
from tests.models.golden import GOLDEN, Golden, shallow


@pytest.mark.parametrize("row", GOLDEN, ids=str)
def test_numbers_stay(row: Golden) -> None:
    torch.manual_seed(0)
    net = faster(row.variant(7, width=0.05, aux=True, **row.knobs, **shallow(row.variant))).double()
    images = torch.randn(2, 3, 96, 96, dtype=torch.float64)
    net.train()(images)  # so that the statistics of batch norm are no longer 0 and 1
    expected = net.eval()(images)
    slim = folded(net)
    torch.testing.assert_close(slim(images), expected, rtol=1e-9, atol=1e-9 * expected.abs().max().item())
    assert nn.Dropout not in {type(module) for module in slim.modules()}
    assert [name for name in slim.state_dict() if name.startswith("aux_heads.")] == []
    assert torch.equal(net(images), expected)  # which is untouched


def test_learned_scales_and_norms_are_in_the_convolutions() -> None:
    net = InceptionResNetV1(7, width=0.05, stem="small", depths=(1, 1, 1), residual_scales="learned").double().eval()
    with torch.no_grad():
        net.get_parameter("inception_a.0.scale").fill_(0.7)
    images = torch.randn(2, 3, 32, 32, dtype=torch.float64)
    slim = folded(net)
    torch.testing.assert_close(slim(images), net(images))
    assert [module for module in slim.modules() if isinstance(module, nn.BatchNorm2d | nn.BatchNorm1d)] == []
    assert [name for name in slim.state_dict() if name.endswith("scale")] == []
