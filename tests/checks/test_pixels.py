"""The judges of the chapter on pixels: other right ways pass, and their oracles agree with independent ones."""

import math

import numpy as np
import pytest
import torch
from sklearn.metrics import confusion_matrix, jaccard_score

from segen.checks import pixels as check
from segen.checks.judging import RIGHT

SEEDS = range(5)


def iou_by_sets(prediction, target, c):
    said, there = (set(np.flatnonzero(np.asarray(m) == c)) for m in (prediction, target))
    return len(said & there) / len(said | there) if said | there else math.nan


def iou_by_sklearn(prediction, target, c):
    said, there = (prediction == c).flatten().numpy(), (target == c).flatten().numpy()
    return torch.tensor(jaccard_score(there, said) if (there | said).any() else math.nan)


def dice_by_numpy(iou):
    dice = [1 - (1 - j) / (1 + j) for j in iou.tolist()]
    kept = [d for d in dice if d == d]
    return np.array(dice), sum(kept) / len(kept) if kept else math.nan


def matrix_by_sklearn(prediction, target, k):
    counted = target != 255
    if not counted.any():
        return np.zeros((k, k), dtype=int)
    return confusion_matrix(target[counted], prediction[counted], labels=range(k))


def matrix_with_a_row_for_void(prediction, target, k):
    pair = (k * target.clamp(max=k) + prediction).flatten()
    return pair.bincount(minlength=k * (k + 1)).view(k + 1, k)[:k]


def mean_by_sklearn(batches, k):
    prediction, target = (torch.cat([batch[i].flatten() for batch in batches]) for i in (0, 1))
    counted = target != 255
    if not counted.any():
        return math.nan
    return jaccard_score(target[counted], prediction[counted], average="macro")


def palette_by_numbers(colours, palette):
    shifts = torch.tensor([1 << 16, 1 << 8, 1])
    table = torch.full((1 << 24,), 255, dtype=torch.uint8)
    table[(palette.long() * shifts).sum(-1)] = torch.arange(len(palette)).byte()
    return table[(colours.long() * shifts).sum(-1)]


def palette_by_a_dictionary(colours, palette):
    table = {tuple(colour): k for k, colour in enumerate(palette.tolist())}
    return np.array([[table.get(tuple(colour), 255) for colour in row] for row in colours.tolist()])


@pytest.mark.parametrize(
    ("judge", "answer"),
    [
        (check.iou, iou_by_sets),
        (check.iou, iou_by_sklearn),
        (check.dice_from_iou, dice_by_numpy),
        (check.confusion_matrix, matrix_by_sklearn),
        (check.confusion_matrix, matrix_with_a_row_for_void),
        (check.mean_iou_of_set, mean_by_sklearn),
        (check.decode_palette, palette_by_numbers),
        (check.decode_palette, palette_by_a_dictionary),
    ],
)
@pytest.mark.filterwarnings("ignore:A single label was found")
def test_other_right_ways(judge, answer):
    verdicts = [judge.judge(answer, seed) for seed in SEEDS]
    assert [verdict.state for verdict in verdicts] == [RIGHT] * 5, verdicts
