"""Wrong answers to the exercises of the chapter `driving`, each one idea away from the solution: EXERCISE__idea."""

import statistics
import time

import torch


def _sums(matrix):
    return matrix.diagonal().float(), matrix.sum(1).float(), matrix.sum(0).float()


def per_class_report__swapped(matrix):
    """Take rows for the answer."""
    right, row, column = _sums(matrix)
    return right / (row + column - right), right / row, right / column


def per_class_report__sum_for_union(matrix):
    """Count what is right twice."""
    right, row, column = _sums(matrix)
    return right / (row + column), right / column, right / row


def per_class_report__dice(matrix):
    """Give Dice for IoU."""
    right, row, column = _sums(matrix)
    return 2 * right / (row + column), right / column, right / row


def per_class_report__of_all_pixels(matrix):
    """Divide by the total."""
    share = matrix.diagonal().float() / matrix.sum()
    return share, share, share


def per_class_report__accuracy(matrix):
    """Count what is rightly called something else."""
    right, row, column = _sums(matrix)
    total = matrix.sum()
    return (total - row - column + 2 * right) / total, right / column, right / row


def per_class_report__whole_numbers(matrix):
    """Divide whole numbers."""
    right, row, column = _sums(matrix)
    return tuple((right / below).floor() for below in (row + column - right, column, row))


def per_class_report__absent_is_zero(matrix):
    """Replace nan by 0."""
    right, row, column = _sums(matrix)
    return tuple((right / below).nan_to_num(0) for below in (row + column - right, column, row))


def per_class_report__absent_is_one(matrix):
    """Replace nan by 1."""
    right, row, column = _sums(matrix)
    return tuple((right / below).nan_to_num(1) for below in (row + column - right, column, row))


def _times(machine, repeats):
    times = []
    for _ in range(repeats):
        before = machine.now()
        machine()
        times.append(1000 * (machine.now() - before))
    return times


def _warm(machine, warm_up):
    for _ in range(warm_up):
        machine()


def median_latency__seconds(machine, warm_up, repeats):
    """Forget the unit."""
    _warm(machine, warm_up)
    return statistics.median(_times(machine, repeats)) / 1000


def median_latency__mean(machine, warm_up, repeats):
    """Average."""
    _warm(machine, warm_up)
    return statistics.fmean(_times(machine, repeats))


def median_latency__fastest(machine, warm_up, repeats):
    """Take the least."""
    _warm(machine, warm_up)
    return min(_times(machine, repeats))


def median_latency__no_warm_up(machine, warm_up, repeats):
    """Time at once."""
    return statistics.median(_times(machine, repeats))


def median_latency__warm_up_timed(machine, warm_up, repeats):
    """Time all runs."""
    return statistics.median(_times(machine, warm_up + repeats))


def median_latency__sum(machine, warm_up, repeats):
    """Give the time of all runs together."""
    _warm(machine, warm_up)
    return sum(_times(machine, repeats))


def median_latency__low_median(machine, warm_up, repeats):
    """Take the lower of two middle runs."""
    _warm(machine, warm_up)
    return torch.tensor(_times(machine, repeats), dtype=torch.float64).median().item()


def median_latency__warm_up_each_time(machine, warm_up, repeats):
    """Warm up before every run."""
    times = []
    for _ in range(repeats):
        _warm(machine, warm_up)
        times += _times(machine, 1)
    return statistics.median(times)


def median_latency__one_beginning(machine, warm_up, repeats):
    """Look at the clock once before all runs."""
    _warm(machine, warm_up)
    times, before = [], machine.now()
    for _ in range(repeats):
        machine()
        times.append(1000 * (machine.now() - before))
    return statistics.median(times)


def median_latency__warm_up_of_the_repeats(machine, warm_up, repeats):
    """Take the runs that warm up out of the repeats."""
    _warm(machine, warm_up)
    times = _times(machine, repeats - warm_up)
    return statistics.median(times)


def median_latency__another_clock(machine, warm_up, repeats):
    """Ask the computer's clock."""
    _warm(machine, warm_up)
    times = []
    for _ in range(repeats):
        before = time.perf_counter()
        machine()
        times.append(1000 * (time.perf_counter() - before))
    return statistics.median(times)


def tile_starts__beyond_the_end(length, tile, overlap):
    """Let the last tile reach out."""
    return list(range(0, max(1, length - overlap), tile - overlap))


def tile_starts__end_missed(length, tile, overlap):
    """Stop at the last whole step."""
    return list(range(0, max(1, length - tile + 1), tile - overlap))


def tile_starts__no_overlap(length, tile, overlap):
    """Go a whole tile on."""
    return [*range(0, max(0, length - tile), tile), max(0, length - tile)]


def tile_starts__before_the_start(length, tile, overlap):
    """Let a short side begin before 0."""
    return [*range(0, max(0, length - tile), tile - overlap), length - tile]


def tile_starts__last_twice(length, tile, overlap):
    """Add the last tile though it is there."""
    starts = [*range(0, max(1, length - tile + 1), tile - overlap)]
    return [*starts, max(0, length - tile)]


def tile_starts__one_step_short(length, tile, overlap):
    """Leave out a tile that ends one before the side does."""
    last = max(0, length - tile)
    return [*range(0, max(0, last - 1), tile - overlap), last]


def tile_starts__overlap_twice(length, tile, overlap):
    """Let both neighbours give the whole overlap."""
    last = max(0, length - tile)
    return [*range(0, last, max(1, tile - 2 * overlap)), last]


def tile_starts__spread_evenly(length, tile, overlap):
    """Move all tiles back a little, and not the last one alone."""
    last = max(0, length - tile)
    number = 1 - -last // (tile - overlap)
    return [round(i * last / max(1, number - 1)) for i in range(number)]


def tile_starts__nothing_for_a_short_side(length, tile, overlap):
    """Let range decide where the tile is longer than the side."""
    starts = list(range(0, length - tile + 1, tile - overlap))
    return starts if not starts or starts[-1] == length - tile else [*starts, length - tile]
