"""The recipes of the chapter on architectures: what they count and measure is what they say."""

import architectures
import depth
import pytest
import torch
from torch import nn
from torch.nn import functional as F
from torch.utils.flop_counter import FlopCounterMode

from segen.models import ResNet, alexnet, vgg16


def test_multiply_adds_of_vgg_by_hand():
    """Configuration D of the paper at 224×224, written out: side, inputs, outputs of each convolution."""
    by_hand, side, channels = 0, 224, 3
    for count, width in ((2, 64), (2, 128), (3, 256), (3, 512), (3, 512)):
        for _ in range(count):
            by_hand += side * side * 9 * channels * width
            channels = width
        side //= 2
    by_hand += 25_088 * 4096 + 4096 * 4096 + 4096 * 1000
    with torch.device("meta"):
        counted = architectures.multiply_adds(vgg16().eval(), torch.zeros(1, 3, 224, 224))
        twice = architectures.multiply_adds(vgg16().eval(), torch.zeros(2, 3, 224, 224))
        narrow = architectures.multiply_adds(vgg16().eval(), torch.zeros(1, 3, 224, 192))
    assert counted == by_hand == 15_470_264_320
    assert twice == 2 * counted
    assert narrow < counted


def test_multiply_adds_know_stride_groups_and_dilation():
    layer = nn.Conv2d(4, 6, (3, 2), stride=2, padding=1, groups=2, dilation=(1, 2))
    x = torch.zeros(2, 4, 9, 8)
    outputs = layer(x).numel()
    assert architectures.multiply_adds(layer, x) == outputs * (4 // 2) * 3 * 2
    assert not layer._forward_hooks


@pytest.mark.parametrize("make", [alexnet, *architectures.NETWORKS.values()])
def test_multiply_adds_equal_torchs_counter(make):
    side = 224 if make is alexnet else 32
    with torch.device("meta"):
        model, x = make().eval(), torch.zeros(1, 3, side, side)
        with torch.no_grad(), FlopCounterMode(display=False) as counter:
            model(x)
        assert architectures.multiply_adds(model, x) == counter.get_total_flops() // 2


def test_all_rows_do_about_the_same_work():
    work = [row["multiply_adds"] for row in architectures.GRID]
    assert max(work) < 1.2 * min(work)
    assert len(architectures.GRID) == 7


@pytest.mark.parametrize(("network", "layers"), [("plain", 20), ("residual", 20), ("pre-activated", 56)])
def test_gradient_norms_are_those_of_the_convolutions_in_order(network, layers):
    torch.manual_seed(0)
    model = depth.build(network, layers)
    images, labels = torch.randn(4, 3, 16, 16), torch.tensor([0, 3, 3, 9])
    norms = depth.gradient_norms(model, images, labels)
    assert len(norms) == layers - 1  # all but the linear one
    F.cross_entropy(model(images), labels).backward()
    first, last = model.stages[0][0], [m for m in model.stages[-1].modules() if isinstance(m, nn.Conv2d)]
    last = next(m for m in reversed(last) if m.kernel_size == (3, 3))
    assert norms[0] == pytest.approx(first.weight.grad.norm().item(), rel=1e-4)
    assert norms[-1] == pytest.approx(last.weight.grad.norm().item(), rel=1e-4)
    assert isinstance(model, ResNet)
