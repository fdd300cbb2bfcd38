"""The judges of the SegNet chapter: other right ways pass, and lazy ways that are right for easy inputs do not."""

import math

import numpy as np
import pytest
import torch
import torch.nn.functional as F

from segen.checks import segnet as check
from segen.checks.judging import RIGHT, WRONG
from segen.metrics import BoundaryIoU
from segen.models import SegNet

SEEDS = range(5)


def pool_by_torch(x, k):
    return F.max_pool2d(x, k, return_indices=True)


def pool_by_unfold(x, k):
    n, c, height, width = x.shape
    windows = F.unfold(x.reshape(n * c, 1, height, width).double(), k, stride=k)
    values, place = windows.max(1)
    window = torch.arange(windows.shape[2])
    row = window // (width // k) * k + place // k
    column = window % (width // k) * k + place % k
    shape = (n, c, height // k, width // k)
    return [values.view(shape).numpy(), (row * width + column).view(shape).numpy()]


def unpool_by_loops(x, indices, size):
    large = np.full((*x.shape[:2], math.prod(size)), -np.inf)
    for n, c, i, j in np.ndindex(*x.shape):
        place = int(indices[n, c, i, j])
        large[n, c, place] = max(large[n, c, place], float(x[n, c, i, j]))
    return np.where(np.isfinite(large), large, 0).reshape(*x.shape[:2], *size)


def unpool_by_sorting(x, indices, size):
    order = x.flatten(2).argsort(2)
    large = torch.zeros(*x.shape[:2], math.prod(size))
    for n, c in np.ndindex(*x.shape[:2]):
        for place in order[n, c].tolist():  # the greatest is written last
            large[n, c, indices[n, c].flatten()[place]] = x[n, c].flatten()[place]
    return large.reshape(*x.shape[:2], *size)


def bytes_by_pooling(size, widths, remember):
    x, total = torch.zeros(1, 1, *size), 0
    for channels in widths:
        small, indices = F.max_pool2d(x, 2, ceil_mode=True, return_indices=True)
        bits = {"maps": 32 * x.numel(), "indices": 64 * indices.numel(), "bits": 2 * indices.numel()}[remember]
        total += math.ceil(bits * channels / 8)
        x = small
    return total


def boundary_by_metric(prediction, target, k, distance):
    metric = BoundaryIoU(3, distance=distance)
    metric.update(prediction[None], target[None])
    return metric.iou()[k].item()


WAYS = [pool_by_torch, pool_by_unfold, unpool_by_loops, unpool_by_sorting, bytes_by_pooling, boundary_by_metric]
JUDGES = {
    "pool": check.pool_with_indices,
    "unpool": check.unpool,
    "bytes": check.bytes_kept,
    "boundary": check.boundary_iou,
}


@pytest.mark.parametrize("answer", WAYS, ids=lambda answer: answer.__name__)
def test_other_right_ways(answer):
    judge = JUDGES[answer.__name__.partition("_")[0]]
    assert {str(judge.judge(answer, seed)) for seed in SEEDS} == {f"✓ {judge.name}: {RIGHT}."}


LAZY = {
    "unpool_torch": (check.unpool, lambda x, i, size: F.max_unpool2d(x, i, 2, output_size=size)),
    "unpool_first_image": (check.unpool, lambda x, i, size: unpool_by_loops(x[:1], i[:1], size)),
    "pool_windows_of_two": (check.pool_with_indices, lambda x, k: pool_by_torch(x, 2)),
    "bytes_of_even_sides": (
        check.bytes_kept,
        lambda size, widths, remember: sum(
            int(c * size[0] * size[1] / 4**i * {"maps": 4, "indices": 2, "bits": 1 / 16}[remember])
            for i, c in enumerate(widths)
        ),
    ),
    "boundary_always_one": (check.boundary_iou, lambda p, t, k, d: boundary_by_metric(p, t, k, 1)),
    "boundary_first_class": (check.boundary_iou, lambda p, t, k, d: boundary_by_metric(p, t, 1, d)),
    "boundary_mean": (check.boundary_iou, lambda p, t, k, d: 1.0),
}


@pytest.mark.parametrize("name", LAZY)
def test_lazy_ways_fail(name):
    judge, answer = LAZY[name]
    assert {judge.judge(answer, seed).state for seed in SEEDS} == {WRONG}


def test_the_bytes_are_those_of_the_network():
    kept = []

    class Counting(SegNet):
        def up(self, x, indices, size):
            kept.append(indices.nbytes)
            return super().up(x, indices, size)

    Counting(3, 8, width=4, blocks=(1, 1, 1))(torch.zeros(1, 3, 21, 30))
    assert sum(kept) == check._kept((21, 30), [4, 8, 16], "indices")
