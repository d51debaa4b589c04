"""What a network keeps only to be trained, folded into its convolutions: the same numbers from fewer layers.

Unlike the passes of `models.passes` these do not keep the state dict: what comes out is to be run, not trained.
"""

import copy

import torch
from torch import nn
from torch.nn.utils.fusion import fuse_conv_bn_eval, fuse_linear_bn_eval

from inception_lightning.models.blocks import ConvNormReLU, ResidualBlock
from inception_lightning.models.network import Inception
from inception_lightning.models.passes import ProjectionThenPool


def folded(net: nn.Module) -> nn.Module:
    """``net`` for inference, a copy: no heads or dropout, norms and residual scales in the weights before them.

    Of a network that is none of ours only the dropout is taken out: its runtime folds what it can.
    """
    net = copy.deepcopy(net).eval().requires_grad_(False)
    if isinstance(net, Inception):
        net.aux_heads = nn.ModuleDict()
        net.recompute(())
        if isinstance(net.bottleneck, nn.Sequential):
            net.bottleneck = fuse_linear_bn_eval(*net.bottleneck)
    for module in list(net.modules()):
        if isinstance(module, ConvNormReLU):
            _fold_norm(module)
        elif isinstance(module, ResidualBlock):
            _fold_scale(module)
        for name, child in list(module.named_children()):
            if isinstance(child, nn.Dropout):
                setattr(module, name, nn.Identity())
    return net


def _fold_norm(unit: ConvNormReLU) -> None:
    if not isinstance(unit.bn, nn.BatchNorm2d):
        return
    if isinstance(unit, ProjectionThenPool) and unit.pool.count_include_pad and unit.pool.padding not in (0, (0, 0)):
        return  # a bias would be thinned out where the padding counts
    conv = unit.conv
    if isinstance(conv, nn.Sequential):  # a separable convolution, whose second one is before the norm
        *first, last = conv
        assert isinstance(last, nn.Conv2d)
        unit.conv = nn.Sequential(*first, fuse_conv_bn_eval(last, unit.bn))
    elif isinstance(conv, nn.Conv2d):
        unit.conv = fuse_conv_bn_eval(conv, unit.bn)
    else:
        return
    unit.bn = nn.Identity()


def _fold_scale(block: ResidualBlock) -> None:
    if not isinstance(block.project, nn.Conv2d):
        return
    with torch.no_grad():
        for parameter in block.project.parameters():
            parameter.mul_(block.scale)
    if isinstance(block.scale, nn.Parameter):
        del block.scale
    block.scale = 1.0
