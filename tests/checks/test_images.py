"""The judges of the chapter on images: other right ways pass, and their oracles agree with torch."""

import numpy as np
import pytest
import torch
import torch.nn.functional as F

from segen.checks import images as check

SEEDS = range(4)


@pytest.fixture(autouse=True, scope="module")
def torch_is_loaded():
    """Given a gradient, the first backward pass imports for seconds, which is no answer's fault."""
    torch.zeros(1, requires_grad=True).clone().backward(torch.ones(1))


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


def size_by_torch(n, kernel, stride=1, padding=0, dilation=1, ceil=False):
    if n + 2 * padding < dilation * (kernel - 1) + 1:
        raise ValueError
    line = torch.zeros(1, 1, n)
    if ceil:
        return F.max_pool1d(line, kernel, stride, padding, dilation, ceil_mode=True).shape[-1]
    return F.conv1d(line, torch.zeros(1, 1, kernel), None, stride, padding, dilation).shape[-1]


def size_by_counting(n, kernel, stride=1, padding=0, dilation=1, ceil=False):
    size = len(range(0, n + 2 * padding - dilation * (kernel - 1), stride))
    if size == 0:
        raise ValueError
    hanging = range(0, n + padding, stride) if ceil and (n + 2 * padding - dilation * (kernel - 1) - 1) % stride else ()
    return max(size, min(size + 1, len(hanging)))


@pytest.mark.parametrize("answer", [size_by_torch, size_by_counting])
def test_other_ways_to_the_size(answer):
    assert [str(check.output_size.judge(answer, seed)) for seed in SEEDS] == ["✓ output_size: right."] * 4


def rows_by_sums(layers, index):
    layers = np.array(layers, int).reshape(-1, 4)
    steps = np.cumprod([1, *layers[:, 1]])
    first = index * steps[-1] - (layers[:, 2] * steps[:-1]).sum()
    return first, first + (layers[:, 3] * (layers[:, 0] - 1) * steps[:-1]).sum()


def rows_by_gradient(layers, index):
    far = 2000  # rows of the image before its row 0, so that no window begins outside
    x = y = torch.zeros(1, 1, 3 * far, dtype=torch.float64, requires_grad=True)
    origin = far  # where row 0 of the map now stands in y
    for kernel, stride, padding, dilation in layers:
        start = (origin - padding) % stride
        y = F.conv1d(y[..., start:], torch.ones(1, 1, kernel).double(), stride=stride, dilation=dilation)
        origin = (origin - padding - start) // stride
    y[..., origin + index].sum().backward()
    touched = torch.nonzero(x.grad.flatten()) - far
    return [int(touched.min()), int(touched.max())]


@pytest.mark.parametrize("answer", [rows_by_sums, rows_by_gradient])
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
