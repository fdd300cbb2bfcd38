"""The judges of the chapter on FCN: other right ways pass, and so do other types of numbers."""

import numpy as np
import pytest
import torch
import torch.fx.experimental.symbolic_shapes  # autograd imports it at its first use, which takes seconds
import torch.nn.functional as F

from segen.checks import fcn as check

SEEDS = range(4)


def verdicts(exercise, answer):
    return {str(exercise.judge(answer, seed)) for seed in SEEDS}


def head_by_unfolding(maps, layers, size):
    n, _, height, width = maps.shape
    columns = F.unfold(maps, size).transpose(1, 2)
    for weight, bias in layers[:-1]:
        columns = F.relu(F.linear(columns, weight, bias))
    y = F.linear(columns, *layers[-1]).transpose(1, 2)
    return y.reshape(n, -1, height - size[0] + 1, width - size[1] + 1)


def head_as_modules(maps, layers, size):
    network = torch.nn.Sequential()
    for weight, bias in layers:
        weight = weight.reshape(len(weight), -1, *size)
        convolution = torch.nn.Conv2d(weight.shape[1], len(weight), size)
        convolution.load_state_dict({"weight": weight, "bias": bias})
        network.extend([convolution, torch.nn.ReLU()])
        size = (1, 1)
    return network[:-1](maps)


@pytest.mark.parametrize("answer", [head_by_unfolding, head_as_modules])
def test_other_ways_to_convolutionalise(answer):
    assert verdicts(check.convolutionalise, answer) == {"✓ convolutionalise: right."}


def transposed_by_torch(x, weight, stride=1, padding=0):
    return F.conv_transpose2d(x, weight, stride=stride, padding=padding)


def transposed_by_gradient(x, weight, stride=1, padding=0):
    (n, _, h, w), (_, b, k, m) = x.shape, weight.shape
    large = torch.zeros(n, b, (h - 1) * stride - 2 * padding + k, (w - 1) * stride - 2 * padding + m)
    with torch.enable_grad():
        y = F.conv2d(large.requires_grad_(), weight, stride=stride, padding=padding)
        return torch.autograd.grad(y, large, x)[0]


def transposed_by_zeros(x, weight, stride=1, padding=0):
    n, a, h, w = x.shape
    stuffed = x.new_zeros(n, a, (h - 1) * stride + 1, (w - 1) * stride + 1)
    stuffed[:, :, ::stride, ::stride] = x
    k, m = weight.shape[2:]
    y = F.conv2d(F.pad(stuffed, (m - 1, m - 1, k - 1, k - 1)), weight.flip(2, 3).transpose(0, 1))
    return y[:, :, padding : y.shape[2] - padding, padding : y.shape[3] - padding]


@pytest.mark.parametrize("answer", [transposed_by_torch, transposed_by_gradient, transposed_by_zeros])
def test_other_ways_to_transpose(answer):
    assert verdicts(check.transposed_convolution, answer) == {"✓ transposed_convolution: right."}


def kernel_by_interpolation(channels, factor):
    one = torch.zeros(1, 1, 3, 3)
    one[0, 0, 1, 1] = 1
    k = 2 * factor - factor % 2
    first = factor + factor // 2 - k // 2
    kernel = F.interpolate(one, scale_factor=factor, mode="bilinear")[0, 0, first : first + k, first : first + k]
    weight = torch.zeros(channels, channels, k, k)
    weight[range(channels), range(channels)] = kernel
    return weight


def kernel_by_convolution_of_boxes(channels, factor):
    """A triangle is a box convolved with a box; for an even factor one of them lies half a step beside."""
    fine = np.convolve(np.ones(2 * factor), np.ones(2 * factor)) / (2 * factor)
    row = fine[factor % 2 :: 2] if factor % 2 else fine[::2]
    row = row[row > 0]
    kernel = np.outer(row, row)
    return np.eye(channels)[:, :, None, None] * kernel


@pytest.mark.parametrize("answer", [kernel_by_interpolation, kernel_by_convolution_of_boxes])
def test_other_ways_to_the_bilinear_kernel(answer):
    assert verdicts(check.bilinear_kernel, answer) == {"✓ bilinear_kernel: right."}


@pytest.mark.parametrize("factor", range(1, 9))
def test_the_bilinear_oracle_interpolates(factor):
    """The judge's own kernel, given to torch, equals torch's interpolation where no border is near."""
    case = next(
        case
        for seed in range(40)
        for case in check.bilinear_kernel.cases(torch.Generator().manual_seed(seed))
        if case.inputs["factor"] == factor
    )
    channels = case.inputs["channels"]
    x = torch.randn(1, channels, 6, 7, dtype=torch.float64)
    padding = (case.expected.shape[-1] - factor) // 2
    ours = F.conv_transpose2d(x, case.expected, stride=factor, padding=padding)
    theirs = F.interpolate(x, scale_factor=factor, mode="bilinear")
    inside = slice(factor, -factor)
    torch.testing.assert_close(ours[..., inside, inside], theirs[..., inside, inside])


def sizes_by_torch(n, kernel, stride=1, padding=0, dilation=1):
    if n + 2 * padding < dilation * (kernel - 1) + 1:
        raise ValueError
    weight = torch.zeros(1, 1, kernel)
    small = F.conv1d(torch.zeros(1, 1, n), weight, None, stride, padding, dilation)
    m = small.shape[-1]
    return [m, n - ((m - 1) * stride - 2 * padding + dilation * (kernel - 1) + 1)]


def test_other_ways_there_and_back():
    assert verdicts(check.there_and_back, sizes_by_torch) == {"✓ there_and_back: right."}


def test_the_way_back_is_torchs():
    """Where torch takes the output padding, the judge's pair brings its transposed convolution back to n."""
    tried = 0
    for case in check.there_and_back.cases(torch.Generator().manual_seed(1)):
        n, kernel, stride, padding, dilation = case.inputs.values()
        if case.expected is ValueError or case.expected[1] >= max(stride, dilation):
            continue
        m, q = case.expected
        weight = torch.zeros(1, 1, kernel)
        back = F.conv_transpose1d(torch.zeros(1, 1, m), weight, None, stride, padding, q, 1, dilation)
        assert back.shape[-1] == n
        tried += 1
    assert tried > 20
