"""The judges of the chapter on progressive growing: other right ways pass, lazy ways right for easy inputs do not."""

import numpy as np
import pytest
import torch
from torch.nn import functional as F

from segen.checks import progressive_growing as check
from segen.checks.judging import RIGHT, WRONG
from segen.layers import EqualLinear, minibatch_deviation
from segen.layers import pixel_norm as of_the_package

SEEDS = range(5)


def norm_by_length(x, eps):
    """By F.normalize: the length is √C times the root mean square, and eps joins as one channel more."""
    more = torch.full_like(x[:, :1], (eps * x.shape[1]) ** 0.5)
    return F.normalize(torch.cat([x, more], 1), dim=1)[:, :-1] * x.shape[1] ** 0.5


def norm_in_float64(x, eps):
    return x.double() / (x.double().pow(2).mean(1, keepdim=True) + eps) ** 0.5


def linear_by_module(x, weight, bias, gain):
    layer = EqualLinear(weight.shape[1], weight.shape[0], gain=gain)
    layer.weight.data, layer.bias.data = weight, bias
    return layer(x)


def linear_by_inputs(x, weight, bias, gain):
    """Scale what comes in, in place of the weights."""
    return F.linear(x * gain / x.shape[1] ** 0.5, weight, bias)


def deviation_by_the_package(x, group):
    return torch.cat([minibatch_deviation(part) for part in x.split(group)])


def deviation_by_numpy(x, group):
    parts = np.split(x.numpy(), len(x) // group)
    numbers = [np.sqrt(part.var(0) + 1e-8).mean() for part in parts]
    channel = np.repeat(numbers, group)[:, None, None, None] * np.ones((1, 1, *x.shape[2:]))
    return np.concatenate([x.numpy(), channel], 1)


def fade_by_repeating(old, new, alpha):
    return torch.lerp(old.repeat_interleave(2, 2).repeat_interleave(2, 3), new, alpha)


def fade_by_kron(old, new, alpha):
    return (1 - alpha) * torch.kron(old, torch.ones(2, 2)) + alpha * new


def level_by_interpolation(step, hold, fade, stages):
    places = [0.0]
    for _ in range(stages):
        places += [places[-1] + hold, places[-1] + hold + fade]
    levels = [0, *(k for k in range(stages) for k in (k, k + 1))]
    return float(np.interp(step, places, levels))


def level_as_tensor(step, hold, fade, stages):
    at = torch.tensor(float(step))
    starts = torch.arange(stages) * (hold + fade) + hold
    return ((at - starts) / fade).clamp(0, 1).sum()


JUDGES = {
    "norm": check.pixel_norm,
    "linear": check.equal_linear,
    "deviation": check.grouped_deviation,
    "fade": check.fade_in,
    "level": check.level,
}
WAYS = [
    norm_by_length,
    norm_in_float64,
    linear_by_module,
    linear_by_inputs,
    deviation_by_the_package,
    deviation_by_numpy,
    fade_by_repeating,
    fade_by_kron,
    level_by_interpolation,
    level_as_tensor,
]


@pytest.mark.parametrize("answer", WAYS, ids=lambda answer: answer.__name__)
def test_other_right_ways(answer):
    judge = JUDGES[answer.__name__.partition("_")[0]]
    assert {str(judge.judge(answer, seed)) for seed in SEEDS} == {f"✓ {judge.name}: {RIGHT}."}


LAZY = {
    "norm_own_eps": (check.pixel_norm, lambda x, eps: of_the_package(x)),
    "norm_maps_only": (check.pixel_norm, lambda x, eps: x / (x.square().mean(-3, keepdim=True) + eps).sqrt()),
    "linear_drawn_anew": (
        check.equal_linear,
        lambda x, weight, bias, gain: EqualLinear(x.shape[1], len(bias), gain=gain)(x),
    ),
    "linear_own_gain": (
        check.equal_linear,
        lambda x, weight, bias, gain: F.linear(x * (2 / x.shape[1]) ** 0.5, weight, bias),
    ),
    "deviation_of_four": (
        check.grouped_deviation,
        lambda x, group: torch.cat([minibatch_deviation(part) for part in x.split(4)]),
    ),
    "deviation_first_group": (
        check.grouped_deviation,
        lambda x, group: torch.cat([x, minibatch_deviation(x[:group])[:1, -1:].expand(len(x), 1, *x.shape[2:])], 1),
    ),
    "fade_half": (check.fade_in, lambda old, new, alpha: torch.lerp(F.interpolate(old, scale_factor=2), new, 0.5)),
    "fade_clamped": (
        check.fade_in,
        lambda old, new, alpha: torch.lerp(F.interpolate(old, scale_factor=2), new, min(alpha, 0.5)),
    ),
    "level_of_three_stages": (
        check.level,
        lambda step, hold, fade, stages: level_by_interpolation(step, hold, fade, 3),
    ),
    "level_equal_shares": (
        check.level,
        lambda step, hold, fade, stages: level_by_interpolation(step, (hold + fade) / 2, (hold + fade) / 2, stages),
    ),
}


@pytest.mark.parametrize("name", LAZY)
def test_lazy_ways_fail(name):
    judge, answer = LAZY[name]
    assert {judge.judge(answer, seed).state for seed in SEEDS} == {WRONG}


def test_the_oracles_agree_with_the_package():
    random = torch.Generator().manual_seed(0)
    x = torch.randn(6, 3, 4, 4, generator=random)
    torch.testing.assert_close(check._pixels_normed(x, 1e-8), of_the_package(x))
    torch.testing.assert_close(check._deviation(x), minibatch_deviation(x)[0, -1, 0, 0].item(), rtol=1e-5, atol=1e-6)
    assert [check._level(step, 2, 2, 2) for step in range(10)] == [0, 0, 0, 0.5, 1, 1, 1, 1.5, 2, 2]
