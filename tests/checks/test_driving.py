"""The judges of the chapter on driving: other right ways pass, and lazy ways that are right for easy inputs do not."""

import math
import time

import numpy as np
import pytest
import torch
from sklearn.metrics import jaccard_score, precision_score, recall_score

from segen.checks import driving as check
from segen.checks.judging import RIGHT, WRONG
from segen.metrics import ConfusionMatrix

SEEDS = range(5)


def report_by_loops(matrix):
    k, table = len(matrix), matrix.tolist()
    found = [[math.nan] * k for _ in range(3)]
    for c in range(k):
        right, really, called = table[c][c], sum(table[c]), sum(line[c] for line in table)
        for values, below in zip(found, (really + called - right, called, really), strict=True):
            if below:
                values[c] = right / below
    return [torch.tensor(values, dtype=torch.float64) for values in found]


def report_by_numpy(matrix):
    counts = matrix.numpy().astype(float)
    right, called, really = counts.diagonal(), counts.sum(0), counts.sum(1)
    with np.errstate(invalid="ignore"):
        return [right / (called + really - right), right / called, right / really]


def report_by_scikit_learn(matrix):
    """Make pixels of the counts and ask scikit-learn, whose 0 / 0 is chosen by `zero_division`."""
    k = len(matrix)
    truth, answer = (np.repeat(axis.ravel(), matrix.numpy().ravel()) for axis in np.indices((k, k)))
    given = {"labels": range(k), "average": None, "zero_division": np.nan}
    iou = jaccard_score(truth, answer, labels=range(k), average=None, zero_division=0)
    absent = [c not in truth and c not in answer for c in range(k)]
    scores = [np.where(absent, np.nan, iou)]
    return [*scores, precision_score(truth, answer, **given), recall_score(truth, answer, **given)]


def latency_by_sorting(machine, warm_up, repeats):
    times = []
    for run in range(warm_up + repeats):
        before = machine.now()
        machine()
        if run >= warm_up:
            times.append((machine.now() - before) * 1e3)
    times.sort()
    return (times[(repeats - 1) // 2] + times[repeats // 2]) / 2


def latency_by_numpy(machine, warm_up, repeats):
    for _ in range(warm_up):
        machine.forward()
    stamps = [machine.now()]
    for _ in range(repeats):
        machine()
        stamps.append(machine.now())
    return np.median(np.diff(stamps)) * 1000


def starts_by_moving_back(length, tile, overlap):
    starts = []
    for start in range(0, length, tile - overlap):
        starts.append(max(0, min(start, length - tile)))
        if start + tile >= length:
            break
    return tuple(starts)


def starts_by_counting(length, tile, overlap):
    step = tile - overlap
    number = 1 + max(0, math.ceil((length - tile) / step))
    return np.minimum(np.arange(number) * step, max(0, length - tile))


def starts_by_set(length, tile, overlap):
    last = max(length - tile, 0)
    return sorted({*range(0, last, tile - overlap), last})


WAYS = {
    check.per_class_report: [report_by_loops, report_by_numpy, report_by_scikit_learn],
    check.median_latency: [latency_by_sorting, latency_by_numpy],
    check.tile_starts: [starts_by_moving_back, starts_by_counting, starts_by_set],
}
PAIRS = [(judge, answer) for judge, answers in WAYS.items() for answer in answers]


@pytest.mark.parametrize(("judge", "answer"), PAIRS, ids=[answer.__name__ for _, answer in PAIRS])
def test_other_right_ways(judge, answer):
    assert {str(judge.judge(answer, seed)) for seed in SEEDS} == {f"✓ {judge.name}: {RIGHT}."}


def iou_of(matrix):
    confusion = ConfusionMatrix(len(matrix))
    truth, answer = torch.meshgrid(*[torch.arange(len(matrix))] * 2, indexing="ij")
    counts = matrix.flatten()
    confusion.update(answer.flatten().repeat_interleave(counts)[None], truth.flatten().repeat_interleave(counts)[None])
    return confusion.iou()


def test_the_expected_iou_is_the_one_of_the_package():
    for case in check.per_class_report.cases(torch.Generator().manual_seed(3)):
        torch.testing.assert_close(
            iou_of(case.inputs["matrix"]).float(), case.expected[0], equal_nan=True, rtol=1e-6, atol=1e-6
        )


def sums(matrix):
    return matrix.diagonal().float(), matrix.sum(1).float(), matrix.sum(0).float()


def lazy_means(matrix):
    """Give the means over the classes."""
    return [values.nanmean() for values in report_by_loops(matrix)]


def lazy_only_rows(matrix):
    right, row, column = sums(matrix)
    return right / (row + column - right), right / row, right / row


def lazy_smoothed(matrix):
    right, row, column = sums(matrix)
    return tuple((right + 1) / (below + 1) for below in (row + column - right, column, row))


def lazy_epsilon(matrix):
    right, row, column = sums(matrix)
    return tuple(right / (below + 1e-6) for below in (row + column - right, column, row))


def lazy_absent_from_the_truth(matrix):
    """Leave out every class that is not in the truth, although it was claimed."""
    right, row, column = sums(matrix)
    nowhere = row == 0
    iou = (right / (row + column - right)).masked_fill(nowhere, math.nan)
    return iou, (right / column).masked_fill(nowhere, math.nan), right / row


def lazy_halves(matrix):
    """Give the IoU only."""
    right, row, column = sums(matrix)
    return right / (row + column - right)


def lazy_whole_division(matrix):
    right, row, column = matrix.diagonal(), matrix.sum(1), matrix.sum(0)
    return tuple(right // below.clamp(min=1) for below in (row + column - right, column, row))


def lazy_wall_clock(machine, warm_up, repeats):
    """Ask another clock."""
    times = []
    for run in range(warm_up + repeats):
        before = time.perf_counter()
        machine()
        if run >= warm_up:
            times.append(1000 * (time.perf_counter() - before))
    return float(np.median(times))


def lazy_one_span(machine, warm_up, repeats):
    """Divide the time of all runs by their number."""
    for _ in range(warm_up):
        machine()
    before = machine.now()
    for _ in range(repeats):
        machine()
    return 1000 * (machine.now() - before) / repeats


def lazy_one_warm_up(machine, warm_up, repeats):
    machine()
    return latency_by_sorting(machine, 0, repeats)


def lazy_ninth_decile(machine, warm_up, repeats):
    for _ in range(warm_up):
        machine()
    stamps = [machine.now()]
    for _ in range(repeats):
        machine()
        stamps.append(machine.now())
    return float(np.percentile(np.diff(stamps), 90) * 1000)


def lazy_once(machine, warm_up, repeats):
    return latency_by_sorting(machine, warm_up, 1)


def lazy_warm_up_between(machine, warm_up, repeats):
    """Warm up before every single run."""
    return float(np.median([latency_by_sorting(machine, warm_up, 1) for _ in range(repeats)]))


def lazy_microseconds(machine, warm_up, repeats):
    return 1000 * latency_by_sorting(machine, warm_up, repeats)


def lazy_no_overlap_at_all(length, tile, overlap):
    return starts_by_set(length, tile, 0)


def lazy_gaps(length, tile, overlap):
    return starts_by_set(length, tile + overlap, 0)


def lazy_even_spread(length, tile, overlap):
    """Spread the tiles evenly."""
    number = 1 + max(0, math.ceil((length - tile) / (tile - overlap)))
    return np.linspace(0, max(0, length - tile), number).round().astype(int).tolist()


def lazy_ends(length, tile, overlap):
    """Give where the tiles end."""
    return [start + tile for start in starts_by_set(length, tile, overlap)]


def lazy_from_the_back(length, tile, overlap):
    """Count from the end."""
    return sorted({max(0, length - tile - start) for start in starts_by_set(length, tile, overlap)})


def lazy_floats(length, tile, overlap):
    return [float(start) for start in starts_by_set(length, tile, overlap)]


def lazy_every_pixel(length, tile, overlap):
    """Let a tile begin at every pixel."""
    return list(range(max(1, length - tile + 1)))


def lazy_two(length, tile, overlap):
    return sorted({0, max(0, length - tile)})


LAZY = {
    check.per_class_report: [
        lazy_means, lazy_only_rows, lazy_smoothed, lazy_epsilon, lazy_absent_from_the_truth, lazy_halves,
        lazy_whole_division,
    ],
    check.median_latency: [
        lazy_wall_clock, lazy_one_span, lazy_one_warm_up, lazy_ninth_decile, lazy_once, lazy_warm_up_between,
        lazy_microseconds,
    ],
    check.tile_starts: [
        lazy_no_overlap_at_all, lazy_gaps, lazy_even_spread, lazy_ends, lazy_from_the_back, lazy_floats,
        lazy_every_pixel, lazy_two,
    ],
}  # fmt: skip
LAZY_PAIRS = [(judge, answer) for judge, answers in LAZY.items() for answer in answers]


@pytest.mark.parametrize(("judge", "answer"), LAZY_PAIRS, ids=[answer.__name__ for _, answer in LAZY_PAIRS])
def test_lazy_ways_fail(judge, answer):
    assert {judge.judge(answer, seed).state for seed in SEEDS} == {WRONG}
