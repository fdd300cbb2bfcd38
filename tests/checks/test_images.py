"""The judges of the chapter on images: other right ways pass, and their oracles agree with torch."""

import numpy as np
import pytest
import torch
import torch.nn.functional as F

from segen.checks import images as check

SEEDS = range(4)


def conv_by_unfolding(x, weight, bias, stride=1, padding=0):
    n, _, height, _ = x.shape
    out, _, k, m = weight.shape
    columns = F.unfold(x, (k, m), padding=padding, stride=stride)
    y = weight.flatten(1) @ columns + bias[:, None]
    return y.view(n, out, (height + 2 * padding - k) // stride + 1, -1)


def conv_in_numpy(x, weight, bias, stride=1, padding=0):
    x, weight = np.pad(x.double().numpy(), ((0, 0), (0, 0), (padding,) * 2, (padding,) * 2)), weight.double().numpy()
    windows = np.lib.stride_tricks.sliding_window_view(x, weight.shape[2:], axis=(2, 3))[:, :, ::stride, ::stride]
    return np.einsum("nchwij,ocij->nohw", windows, weight) + bias.numpy()[:, None, None]


@pytest.mark.parametrize("answer", [F.conv2d, conv_by_unfolding, conv_in_numpy])
def test_other_ways_to_convolve(answer):
    own = lambda x, weight, bias, stride=1, padding=0: answer(x, weight, bias, stride, padding)  # noqa: E731
    assert [str(check.conv2d.judge(own, seed)) for seed in SEEDS] == ["✓ conv2d: right."] * 4


def size_by_torch(n, kernel, stride=1, padding=0, dilation=1):
    if n + 2 * padding < dilation * (kernel - 1) + 1:
        raise ValueError
    one = torch.zeros(1, 1, n)
    return F.conv1d(one, torch.zeros(1, 1, kernel), None, stride, padding, dilation).shape[-1]


def size_by_counting(n, kernel, stride=1, padding=0, dilation=1):
    size = len(range(0, n + 2 * padding - dilation * (kernel - 1), stride))
    if size == 0:
        raise ValueError
    return size


@pytest.mark.parametrize("answer", [size_by_torch, size_by_counting])
def test_other_ways_to_the_size(answer):
    assert [str(check.output_size.judge(answer, seed)) for seed in SEEDS] == ["✓ output_size: right."] * 4


def field_from_the_end(layers):
    seen = 1
    for kernel, stride, dilation in reversed(layers):
        seen = (seen - 1) * stride + dilation * (kernel - 1) + 1
    return seen


def field_by_gradient(layers):
    side = 1  # the input that leaves one output
    for kernel, stride, dilation in reversed(layers):
        side = (side - 1) * stride + dilation * (kernel - 1) + 1
    x = y = torch.zeros(1, 1, side, dtype=torch.float64, requires_grad=True)
    for kernel, stride, dilation in layers:
        y = F.conv1d(y, torch.ones(1, 1, kernel, dtype=torch.float64), stride=stride, dilation=dilation)
    y.sum().backward()
    touched = torch.nonzero(x.grad.flatten())
    return int(touched.max() - touched.min()) + 1


@pytest.mark.parametrize("answer", [field_from_the_end, field_by_gradient])
def test_other_ways_to_the_receptive_field(answer):
    assert [str(check.receptive_field.judge(answer, seed)) for seed in SEEDS] == ["✓ receptive_field: right."] * 4


def backward_by_torch(x, grad, kernel=2, stride=2):
    x = x.clone().requires_grad_()
    F.max_pool2d(x, kernel, stride).backward(grad)
    return x.grad


def backward_by_indices(x, grad, kernel=2, stride=2):
    _, places = F.max_pool2d(x, kernel, stride, return_indices=True)
    flat = torch.zeros(*x.shape[:2], x.shape[2] * x.shape[3], dtype=torch.float64)
    return flat.scatter_add(2, places.flatten(2), grad.flatten(2).double()).view(x.shape)


@pytest.mark.parametrize("answer", [backward_by_torch, backward_by_indices])
def test_other_ways_back_through_the_pool(answer):
    verdicts = [str(check.max_pool_backward.judge(answer, seed)) for seed in SEEDS]
    assert verdicts == ["✓ max_pool_backward: right."] * 4
