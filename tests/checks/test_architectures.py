"""The judges of the chapter on architectures: other right ways pass, lazy ways that are often right do not."""

import math

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from torch import nn
from torch.nn.utils.fusion import fuse_conv_bn_eval
from torchvision.models.resnet import Bottleneck
from torchvision.ops import SqueezeExcitation

from segen.checks import architectures as check
from segen.checks.judging import RIGHT, WRONG

SEEDS = range(4)


def states(exercise, answer) -> set[str]:
    return {exercise.judge(answer, seed).state for seed in SEEDS}


def block_of_torchvision(x, reduce, middle, expand, projection, stride=1):
    """torchvision's bottleneck, with batch norms that do nothing and the weights given."""
    block = Bottleneck(x.shape[1], 1, stride, norm_layer=nn.Identity)
    for name, weight in (("conv1", reduce), ("conv2", middle), ("conv3", expand)):
        layer = nn.Conv2d(*weight.shape[1::-1], weight.shape[2], bias=False, padding=weight.shape[2] // 2)
        layer.stride = stride if name == "conv2" else 1
        layer.weight.data = weight
        setattr(block, name, layer)
    if projection is not None:
        block.downsample = lambda x: F.conv2d(x, projection, stride=stride)
    return block(x)


def block_by_slices(x, reduce, middle, expand, projection, stride=1):
    """Matrix products for what is 1×1, slices for the stride, in double precision; the stride is taken late."""

    def mix(x, weight):
        return torch.einsum("nchw,oc->nohw", x.double(), weight[:, :, 0, 0].double())

    y = F.conv2d(mix(x, reduce).clamp(min=0), middle.double(), padding=1).clamp(min=0)
    y = mix(y, expand)[:, :, ::stride, ::stride]
    shortcut = x if projection is None else mix(x[:, :, ::stride, ::stride], projection)
    return (y + shortcut).clamp(min=0).numpy()


@pytest.mark.parametrize("answer", [block_of_torchvision, block_by_slices])
def test_other_ways_to_a_residual_block(answer):
    assert states(check.residual_block, answer) == {RIGHT}


def weighed_by_torchvision(x, w1, b1, w2, b2):
    block = SqueezeExcitation(x.shape[1], w1.shape[0])
    weights = {"fc1.weight": w1, "fc1.bias": b1, "fc2.weight": w2, "fc2.bias": b2}
    block.load_state_dict({k: v[:, :, None, None] if v.ndim > 1 else v for k, v in weights.items()})
    return block(x)


def weighed_in_numpy(*inputs):
    x, w1, b1, w2, b2 = (t.double().numpy() for t in inputs)
    hidden = np.maximum(x.mean((2, 3)) @ w1.T + b1, 0)
    return x / (1 + np.exp(-(hidden @ w2.T + b2)))[:, :, None, None]


@pytest.mark.parametrize("answer", [weighed_by_torchvision, weighed_in_numpy])
def test_other_ways_to_squeeze_and_excite(answer):
    assert states(check.squeeze_excitation, answer) == {RIGHT}


def counted_by_running(layers, channels, size):
    """Build the network, run it, and look: as many products as torch's counter of FLOPs has, halved."""
    from torch.utils.flop_counter import FlopCounterMode

    modules, flat = [], False
    for kind, *numbers in layers:
        if kind == "pool":
            modules += [nn.MaxPool2d(*numbers)]
        elif kind == "conv":
            modules += [nn.LazyConv2d(*numbers)]
        else:
            modules += [nn.LazyLinear(*numbers)] if flat else [nn.Flatten(), nn.LazyLinear(*numbers)]
            flat = True
    model, x = nn.Sequential(*modules), torch.zeros(1, channels, *size)
    model(x)
    with FlopCounterMode(display=False) as counter:
        model(x)
    return sum(p.numel() for p in model.parameters()), counter.get_total_flops() // 2


def test_costs_are_those_of_torchs_counter():
    counted_by_running([("conv", 1, 1, 1, 0)], 1, (1, 1))  # the first one imports much: not on the answer's clock
    assert states(check.network_costs, counted_by_running) == {RIGHT}


@pytest.mark.parametrize("form", [tuple, np.array, torch.tensor])
def test_channels_in_any_form(form):
    def answer(channels, growth, blocks, compression=0.5):
        found = []
        for count in blocks:
            found.append(channels + count * growth)
            channels = math.floor(found[-1] * compression)
        return form(found)

    assert states(check.dense_channels, answer) == {RIGHT}


def test_a_compression_is_not_always_one_of_whole_numbers():
    """Right for DenseNet-121, and for every compression that is 1 over a whole number."""

    def answer(channels, growth, blocks, compression=0.5):
        found = []
        for count in blocks:
            found.append(channels + count * growth)
            channels = found[-1] // round(1 / compression)
        return found

    assert answer(64, 32, (6, 12, 24, 16)) == [256, 512, 1024, 1024]
    assert states(check.dense_channels, answer) == {WRONG}


def folded_by_torch(weight, mean, variance, gamma, beta, eps):
    layer = nn.Conv2d(*weight.shape[1::-1], weight.shape[2], bias=False)
    norm = nn.BatchNorm2d(len(weight), eps)
    layer.load_state_dict({"weight": weight})
    state = {"running_mean": mean, "running_var": variance, "weight": gamma, "bias": beta}
    norm.load_state_dict(state, strict=False)
    fused = fuse_conv_bn_eval(layer.eval(), norm.eval())
    return fused.weight, fused.bias


def test_a_norm_is_folded_as_torch_does_it():
    assert states(check.fold_batch_norm, folded_by_torch) == {RIGHT}
