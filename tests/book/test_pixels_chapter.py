"""The chapter on pixels: its eight definitions are those of the libraries it names, and its table can be made again."""

import functools
import re

import numpy as np
import pytest
import segmentation_models_pytorch as smp
import torch
from chapters import Chapter
from torchmetrics.classification import MulticlassJaccardIndex
from torchmetrics.functional.segmentation import mean_iou as torchmetrics_mean_iou

import segen

CHAPTER = Chapter("segmentation/pixels")
printed = CHAPTER.printed
NAMES = ["majority class", "Otsu", "k-means", "watershed", "per-pixel classifier"]


def row(name: str) -> dict:
    (found,) = [row for row in segen.results("baselines") if row["network"] == name]
    return found


@pytest.fixture(scope="module")
def eight():
    """The chapter's eight scores of drawn maps, and the maps: void, absent classes, an uneven last batch."""
    random = torch.Generator().manual_seed(3)
    truth = torch.randint(5, (50, 4, 4), generator=random).repeat_interleave(4, 1).repeat_interleave(4, 2)
    guess = torch.where(torch.rand(truth.shape, generator=random) < 0.7, truth, 2)
    guess[torch.rand(truth.shape, generator=random) < 0.1] = 6
    truth[:, 12:] = 255
    space: dict = {"masked": truth, "pixelwise": guess, "crops": lambda maps: maps}
    for name in ("imports", "by-hand", "from-scratch"):
        exec(CHAPTER.cells[name].source, space)
    # What comes after the scores is asserted of the chapter's own maps.
    exec(CHAPTER.cells["definitions"].source.split("\nfor name, value in")[0] + "\neight = list(eight.values())", space)
    return [float(score) for score in space["eight"]], guess, truth


def test_the_three_of_the_whole_set_are_torchmetrics(eight):
    scores, guess, truth = eight
    for average, number in (("macro", 0), ("micro", 1), ("weighted", 2)):
        peer = MulticlassJaccardIndex(9, average=average, ignore_index=255)
        assert peer(guess, truth).item() == pytest.approx(scores[number], abs=1e-6)


def test_the_one_with_zeros_divides_by_all_classes(eight):
    scores, guess, truth = eight
    counted = truth != 255
    iou = []
    for c in range(9):
        both = int(((guess == c) & (truth == c)).sum())
        iou.append(both / (int(((guess == c) & counted | (truth == c)).sum()) + 1e-10))
    assert sum(iou) / 9 == pytest.approx(scores[3])


def test_the_mean_over_images_is_torchmetrics_too(eight):
    """Void cannot be told to it, so each image is given as the row of its other pixels."""
    scores, guess, truth = eight
    each = []
    for a, b in zip(guess, truth, strict=True):
        kept = b != 255
        value = torchmetrics_mean_iou(a[kept][None, None], b[kept][None, None], num_classes=9, input_format="index")
        each.append(value.item())
    assert np.mean(each) == pytest.approx(scores[4], abs=1e-6)


def test_the_mean_over_images_in_which_absence_is_right_is_smps(eight):
    scores, guess, truth = eight
    counts = smp.metrics.get_stats(guess, truth, mode="multiclass", num_classes=9, ignore_index=255)
    assert smp.metrics.iou_score(*counts, reduction="macro-imagewise").item() == pytest.approx(scores[5], abs=1e-6)
    assert smp.metrics.iou_score(*counts, reduction="micro").item() == pytest.approx(scores[1], abs=1e-6)


def test_the_mean_over_batches_and_void_as_a_class(eight):
    scores, guess, truth = eight
    peer = functools.partial(MulticlassJaccardIndex, 9, average="macro")
    each = [peer(ignore_index=255)(a, b).item() for a, b in zip(guess.split(24), truth.split(24), strict=True)]
    assert len(each) == 3
    assert np.mean(each) == pytest.approx(scores[6], abs=1e-6)
    assert peer()(guess, truth.where(truth != 255, 0)).item() == pytest.approx(scores[7], abs=1e-6)
    assert len({round(score, 4) for score in scores}) == 8


def test_the_printed_eight_differ():
    lines = [line.split() for line in printed("definitions").splitlines() if re.match(r"\d ", line)]
    values = [float(next(word for word in line[1:] if re.fullmatch(r"0\.\d{3}", word))) for line in lines]
    assert len(values) == 8
    assert len(set(values)) == 8


def test_what_the_prose_says_of_the_table():
    scores = {name: row(name)["mean_iou"] for name in NAMES}
    for lower, higher in (("majority class", "Otsu"), ("Otsu", "watershed"), ("watershed", "k-means")):
        assert max(scores[lower]) < min(scores[higher])
    assert max(scores["k-means"]) < min(scores["per-pixel classifier"])
    assert all(0.35 < score < 0.40 for score in scores["per-pixel classifier"])


def test_numbers_in_the_prose_are_printed():
    """Each number with three decimals in the text that reads a table is printed by that table's cell."""
    for text, *tables in (("table-read", "table"), ("experiment-read", "experiment"), ("dice-read", "dice-curve")):
        numbers = re.findall(r"\b0\.\d{3}\b", CHAPTER.cells[text].source)
        assert numbers
        assert [number for number in numbers if number not in printed(*tables)] == []
