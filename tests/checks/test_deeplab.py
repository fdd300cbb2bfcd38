"""The judges of the chapter on DeepLab: other right ways pass, and wrong ways that the matrix cannot hold fail."""

import pytest
import torch
import torch.nn.functional as F

from segen.checks import deeplab as check

SEEDS = range(4)


def by_torch(x, weight, dilation):
    padding = tuple(d * (side // 2) for d, side in zip(dilation, weight.shape[2:], strict=True))
    return F.conv2d(x, weight, padding=padding, dilation=dilation)


def by_interleaving(x, weight, dilation):
    """Convolve each of the rows × columns thinned pictures plainly, as the algorithme à trous does."""
    n, _, height, width = x.shape
    y = x.new_zeros(n, len(weight), height, width)
    for row in range(min(dilation[0], height)):
        for column in range(min(dilation[1], width)):
            thinned = x[:, :, row :: dilation[0], column :: dilation[1]]
            y[:, :, row :: dilation[0], column :: dilation[1]] = F.conv2d(thinned, weight, padding="same")
    return y


@pytest.mark.parametrize("answer", [by_torch, by_interleaving])
def test_other_ways_to_dilate(answer):
    assert [str(check.dilated_conv2d.judge(answer, seed)) for seed in SEEDS] == ["✓ dilated_conv2d: right."] * 4


def by_gradient(layers):
    side = 1
    for kernel, stride, dilation in reversed(layers):
        side = (side - 1) * stride + dilation * (kernel - 1) + 1
    x = torch.zeros(1, 1, side, dtype=torch.float64, requires_grad=True)
    y = x
    for kernel, stride, dilation in layers:
        y = F.conv1d(y, torch.ones(1, 1, kernel, dtype=torch.float64), stride=stride, dilation=dilation)
    assert y.shape[-1] == 1
    y.sum().backward()
    return [side, int((x.grad > 0).sum())] if layers else torch.tensor([1, 1])


def test_another_way_to_the_field():
    assert [str(check.field_and_seen.judge(by_gradient, seed)) for seed in SEEDS] == ["✓ field_and_seen: right."] * 4


def by_building(shape, channels, rates):
    """Build the layers on the meta device, and look."""
    n, c, h, w = shape
    with torch.device("meta"):
        x = torch.empty(shape)
        branches = [torch.nn.Conv2d(c, channels, 1, bias=False)]
        branches += [torch.nn.Conv2d(c, channels, 3, padding=r, dilation=r, bias=False) for r in rates]
        mean = torch.nn.Conv2d(c, channels, 1, bias=False)
        looks = [branch(x) for branch in branches]
        looks.append(mean(x.mean((2, 3), keepdim=True)))
        joined = torch.cat([*looks[:-1], looks[-1].expand(n, channels, h, w)], 1)
        mix = torch.nn.Conv2d(joined.shape[1], channels, 1, bias=False)
        shapes = [y.shape for y in (*looks, joined, mix(joined))]
    return shapes, sum(layer.weight.numel() for layer in (*branches, mean, mix))


def test_another_way_to_the_shapes():
    by_building((1, 1, 2, 2), 1, (1,))  # what the meta device needs at first takes longer than an answer may
    assert [str(check.aspp_shapes.judge(by_building, seed)) for seed in SEEDS] == ["✓ aspp_shapes: right."] * 4


def by_einsum(q, unary, pairs, compatibility):
    energy = unary + torch.einsum("ij,jb,ab->ia", pairs, q, compatibility)
    return torch.softmax(-energy, dim=-1)


def in_numpy(q, unary, pairs, compatibility):
    q, unary, pairs, compatibility = (t.double().numpy() for t in (q, unary, pairs, compatibility))
    energy = unary + pairs @ q @ compatibility
    weight = torch.from_numpy(energy.min(1, keepdims=True) - energy).exp()
    return (weight / weight.sum(1, keepdim=True)).numpy()


@pytest.mark.parametrize("answer", [by_einsum, in_numpy])
def test_other_ways_to_a_step(answer):
    assert [str(check.mean_field_step.judge(answer, seed)) for seed in SEEDS] == ["✓ mean_field_step: right."] * 4


def overflowing(q, unary, pairs, compatibility):
    weight = (-unary - pairs @ q @ compatibility).exp()
    return weight / weight.sum(1, keepdim=True)


def writing_into_q(q, unary, pairs, compatibility):
    q[:] = by_einsum(q, unary, pairs, compatibility)
    return q


def test_exp_alone_and_changed_inputs_are_refused():
    assert check.mean_field_step.judge(overflowing).state == "wrong"
    assert "It changes its input q" in str(check.mean_field_step.judge(writing_into_q))
