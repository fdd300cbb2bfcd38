"""The judges of the chapter `driving`: per_class_report, median_latency and tile_starts."""

import itertools
import math
import statistics
from collections.abc import Iterator

import torch
from torch import nn

from segen.checks.judging import Case, exercise

# per_class_report -----------------------------------------------------------------------------------------------


def _ratios(above: list[float], below: list[float], absent: float = math.nan) -> torch.Tensor:
    return torch.tensor([a / b if b else absent for a, b in zip(above, below, strict=True)])


@exercise(
    "driving",
    hints=(
        "The diagonal counts what is right. A row's sum is what is really of the class, a column's what was called so.",
        "IoU = right / (row + column − right), precision = right / column, recall = right / row.",
        "right, row, column = m.diagonal(), m.sum(1), m.sum(0), as floats; 0 / 0 is nan by itself.",
    ),
)
def per_class_report(random: torch.Generator) -> Iterator[Case]:
    """`per_class_report(matrix int64 [K, K])` → IoU, precision, recall, each float [K], nan for 0 / 0."""
    cases = [
        torch.tensor([[3, 1], [0, 4]]),
        torch.tensor([[5, 0, 2], [1, 4, 0], [0, 0, 0]]),
        torch.tensor([[2, 0, 1], [0, 0, 0], [3, 0, 4]]),
    ]
    for k in (3, 4, 5):
        matrix = torch.randint(9, (k, k), generator=random)
        matrix[k - 1] = 0
        cases.append(matrix)
    for matrix in cases:
        k = len(matrix)
        right = [float(matrix[c, c]) for c in range(k)]
        row = [float(sum(matrix[c].tolist())) for c in range(k)]
        column = [float(sum(matrix[:, c].tolist())) for c in range(k)]
        union = [r + c - b for r, c, b in zip(row, column, right, strict=True)]
        both = [r + c for r, c in zip(row, column, strict=True)]
        total = [sum(row)] * k
        rest = [t - u + b for t, u, b in zip(total, union, right, strict=True)]  # right of the class, or of the others
        iou, precision, recall = _ratios(right, union), _ratios(right, column), _ratios(right, row)
        mistakes: dict[str, object] = {
            "You swapped precision and recall: rows are the truth, columns the answer.": [iou, recall, precision],
            "You divided by the sum of row and column: what is right is in it twice.": [
                _ratios(right, both),
                precision,
                recall,
            ],
            "That is Dice in the place of IoU.": [_ratios([2 * b for b in right], both), precision, recall],
            "You divided by all pixels; each class has its own denominator.": (
                [_ratios(right, total), _ratios(right, total), _ratios(right, total)],
                [_ratios(right, total), precision, recall],
            ),
            "That is accuracy, which counts what is rightly called something else; IoU does not.": [
                _ratios(rest, total),
                precision,
                recall,
            ],
            "The division was one of whole numbers: make floats of the counts first.": [
                iou.floor(),
                precision.floor(),
                recall.floor(),
            ],
            "What is nowhere has no score: nan, not 0.": [
                _ratios(right, union, 0.0),
                _ratios(right, column, 0.0),
                _ratios(right, row, 0.0),
            ],
            "What is nowhere has no score: nan, not 1.": [
                _ratios(right, union, 1.0),
                _ratios(right, column, 1.0),
                _ratios(right, row, 1.0),
            ],
        }
        yield Case({"matrix": matrix}, [iou, precision, recall], mistakes)


# median_latency -------------------------------------------------------------------------------------------------


class Machine(nn.Module):
    """A network and its clock, which goes by what each run is said to take and by nothing else."""

    def __init__(self, durations: list[float]) -> None:
        super().__init__()
        self.durations, self.runs, self.time = durations, 0, 17.0

    def forward(self) -> None:
        """Run once."""
        self.time += self.durations[min(self.runs, len(self.durations) - 1)]
        self.runs += 1

    def now(self) -> float:
        """Return the time in seconds."""
        return self.time


def _another_clock(came: object) -> bool:
    """Return whether `came` is a number of milliseconds too small for any run of the machine."""
    return isinstance(came, torch.Tensor) and came.ndim == 0 and bool(0 <= came < 1)


@exercise(
    "driving",
    hints=(
        "Run it warm_up times without looking at the clock; then look before and after each single run.",
        "Keep one duration for each of the repeats, and give the median of them, in milliseconds.",
        "for each repeat: before = machine.now(); machine(); times.append(1000 * (machine.now() − before)); in the end "
        "statistics.median(times).",
    ),
)
def median_latency(random: torch.Generator) -> Iterator[Case]:
    """`median_latency(machine, warm_up: int, repeats: int)` → float, milliseconds."""
    cases = [([0.5, 0.01, 0.01, 0.01], 1, 3), ([0.9, 0.4, 0.01, 0.02, 0.2], 2, 3), ([0.3, 0.01, 0.02, 0.05, 0.5], 1, 4)]
    for warm_up, repeats in ((0, 5), (3, 6), (2, 9)):
        durations = (torch.rand(warm_up + repeats, generator=random) ** 4 + 0.01).tolist()
        cases.append(([0.8 + d for d in durations[:warm_up]] + durations[warm_up:], warm_up, repeats))
    for durations, warm_up, repeats in cases:
        timed = [1000 * d for d in durations[warm_up : warm_up + repeats]]
        first = [1000 * d for d in durations[:repeats]]
        every = [1000 * d for d in durations[: warm_up + repeats]]
        again = [1000 * durations[min(i, len(durations) - 1)] for i in range(warm_up, 10**3, warm_up + 1)][:repeats]
        mistakes: dict[str, object] = {
            "Those are seconds; milliseconds are asked for.": statistics.median(timed) / 1000,
            "That is the mean, which one slow run pulls up; the median is asked for.": statistics.fmean(timed),
            "That is the fastest run; the median is asked for.": min(timed),
            "You timed the runs that warm up, too.": statistics.median(every),
            "You did not warm up: the first runs are slower, and they are not what is asked.": statistics.median(first),
            "That is the time of all runs together.": sum(timed),
            "You warmed up again before every run; once, before the first, is asked for.": statistics.median(again),
            "Each duration needs its own beginning: you looked at the clock once, before all of them.": (
                statistics.median(itertools.accumulate(timed))
            ),
            "That is the time of another clock: ask machine.now().": _another_clock,
            "Of an even number of runs the median is the mean of the two in the middle.": (
                statistics.median_low(timed),
                statistics.median_high(timed),
            ),
            "The runs that warm up come on top of the repeats; you took them out of them.": (
                statistics.median(timed[: repeats - warm_up]) if repeats > warm_up else math.nan
            ),
        }
        given = {"machine": Machine(durations), "warm_up": warm_up, "repeats": repeats}
        yield Case(given, statistics.median(timed), mistakes)


# tile_starts ----------------------------------------------------------------------------------------------------


def _starts(length: int, tile: int, overlap: int) -> list[int]:
    starts, at = [], 0
    while at + tile < length:
        starts.append(at)
        at += tile - overlap
    return [*starts, max(0, length - tile)]


@exercise(
    "driving",
    hints=(
        "Tiles begin a step of tile − overlap apart, from 0 on, as long as a tile ends before the side does.",
        "The last tile ends where the side ends: it begins at length − tile, and overlaps more than the others.",
        "starts = list(range(0, length − tile, tile − overlap)) + [length − tile], and [0] if one tile covers all.",
    ),
)
def tile_starts(random: torch.Generator) -> Iterator[Case]:
    """`tile_starts(length: int, tile: int, overlap: int)` → list of ints: where the tiles along one side begin."""
    cases = [(4, 4, 0), (8, 4, 0), (7, 4, 0), (10, 4, 2), (3, 4, 1), (9, 4, 1), (8, 4, 1), (64, 64, 16)]
    for _ in range(6):
        tile = int(torch.randint(3, 30, (), generator=random))
        overlap = int(torch.randint(tile, (), generator=random)) // 2
        cases.append((int(torch.randint(1, 150, (), generator=random)), tile, overlap))
    for length, tile, overlap in cases:
        step = tile - overlap
        right = _starts(length, tile, overlap)
        over = list(range(0, max(1, length - overlap), step))
        last = max(0, length - tile)
        mistakes: dict[str, object] = {
            "The last tile reaches beyond the side; move it back so that it ends there.": (
                over,
                list(range(0, length, step)),
            ),
            "The end of the side is in no tile.": list(range(0, max(1, length - tile + 1), step)),
            "Tiles are a step of tile − overlap apart; you left out the overlap.": _starts(length, tile, 0),
            "Tiles are tile − overlap apart, not overlap.": _starts(length, tile, step) if overlap else None,
            "A tile that ends one before the side does is one of them: the step before the last tile is missing.": [
                *range(0, max(0, last - 1), step),
                last,
            ],
            "Neighbours share the overlap once: they are tile − overlap apart, not tile − 2 · overlap.": (
                [*range(0, last, max(1, tile - 2 * overlap)), last] if overlap else None
            ),
            "Only the last tile is moved back; you spread all of them evenly.": (
                [round(i * last / (len(right) - 1)) for i in range(len(right))] if len(right) > 1 else None
            ),
            "One tile stands in the list twice.": [*right[:-1], right[-1], right[-1]],
            "A side shorter than a tile still has one tile, at 0.": [] if length < tile else None,
            "A side shorter than a tile has one tile, at 0, and not before it.": [length - tile]
            if length < tile
            else None,
        }
        named = {sentence: value for sentence, value in mistakes.items() if value is not None}
        yield Case({"length": length, "tile": tile, "overlap": overlap}, right, named)
