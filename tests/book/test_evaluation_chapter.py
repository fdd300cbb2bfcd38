"""The chapter on evaluation: its functions are those of other libraries, and what its prose says is what it prints."""

import functools
import re

import numpy as np
import pytest
import torch
from chapters import Chapter
from torch_fidelity.metric_fid import fid_features_to_statistics, fid_statistics_to_metric
from torch_fidelity.metric_isc import isc_features_to_metric
from torch_fidelity.metric_kid import kid_features_to_metric

from segen import metrics
from segen.models import pretrained

CHAPTER = Chapter("generation/evaluation")
printed = CHAPTER.printed


@functools.cache
def chapter() -> dict:
    return CHAPTER.defined("SIGNS", given={"judge": pretrained("roadsigns")}, without=("debug", "debug-solved"))


def drawn(seed: int, n: int = 90, d: int = 7) -> torch.Tensor:
    random = torch.Generator().manual_seed(seed)
    mix = torch.randn(d, d, generator=torch.Generator().manual_seed(5))
    return (torch.randn(n, d, generator=random) @ mix).relu()


@functools.cache
def experiment() -> dict:
    """Measure → way → (mean, least, greatest), as the experiment prints them."""
    found: dict = {}
    measure = ""
    for line in printed("experiment").splitlines()[1:]:
        row = re.fullmatch(r"    (.+?) +(-?[\d.]+) \((-?[\d.]+) to (-?[\d.]+)\)", line)
        if row:
            found[measure][row[1]] = tuple(map(float, row.groups()[1:]))
        else:
            measure = line
            found[measure] = {}
    return found


def test_the_chapters_functions_are_torch_fidelitys() -> None:
    a, b = drawn(0), drawn(1) * 1.2
    statistics = [fid_features_to_statistics(x.double()) for x in (a, b)]
    frechet = fid_statistics_to_metric(*statistics, verbose=False)["frechet_inception_distance"]
    assert chapter()["scratch_frechet"](a, b) == pytest.approx(frechet, rel=1e-6)
    options = {"kid_subsets": 1, "kid_subset_size": len(a), "kid_kernel": "poly", "verbose": False}
    kernel = kid_features_to_metric(a.double(), b.double(), **options)["kernel_inception_distance_mean"]
    assert chapter()["scratch_mmd"](a, b) == pytest.approx(kernel, rel=1e-6)
    assert chapter()["biased_mmd"](a, b) > kernel + 1e-3
    score = isc_features_to_metric(a.double(), splits=1)["inception_score_mean"]
    assert chapter()["scratch_score"](a.double().softmax(1)) == pytest.approx(score, rel=1e-9)


def test_the_features_are_those_that_the_last_layer_reads() -> None:
    images, _ = chapter()["pictures"](6, seed=3)
    judge = chapter()["judge"]
    with torch.no_grad():
        torch.testing.assert_close(
            chapter()["probabilities"](chapter()["features"](images)), judge(images).softmax(1), rtol=1e-4, atol=1e-6
        )


def test_every_number_names_its_features_and_n() -> None:
    assert 'pretrained("roadsigns")' in CHAPTER.cells["card-text"].source
    for name in ("judge-moments", "experiment"):
        assert printed(name).startswith("N = 600, features of pretrained('roadsigns')")


def test_the_experiment_has_all_rows_with_three_seeds() -> None:
    ways = ["real", "blur", "noise", "five classes", "one a class", "copies", "copies, by train"]
    assert list(experiment()) == ["score", "Fréchet", "kernel", "precision", "recall"]
    for rows in experiment().values():
        assert list(rows) == ways
        for mean, least, most in rows.values():
            assert least <= mean <= most
    assert "for s in range(3)" in CHAPTER.cells["experiment"].source


def test_what_is_said_of_the_experiment() -> None:
    rows = experiment()
    frechet, kernel, score = rows["Fréchet"], rows["kernel"], rows["score"]
    for way in ("blur", "noise", "five classes", "one a class"):
        assert frechet[way][1] > frechet["real"][2]
    for way in ("blur", "noise", "five classes"):
        assert kernel[way][1] > kernel["real"][2]
    assert kernel["one a class"][1] < kernel["real"][2]
    assert frechet["one a class"][2] < frechet["blur"][1]
    assert kernel["noise"][1] > kernel["five classes"][2]
    assert frechet["noise"][2] < frechet["five classes"][1]
    assert score["one a class"][1] > score["real"][2]
    assert score["five classes"][2] < 5.1
    assert rows["recall"]["one a class"][2] < 0.1
    assert rows["recall"]["five classes"][2] < rows["recall"]["real"][1] - 0.2
    for name in rows:  # copies cannot be told from real signs
        (_, low, high), (_, least, most) = rows[name]["copies"], rows[name]["real"]
        room = 0.05 + (most - least)
        assert low < most + room
        assert high > least - room
    assert frechet["copies, by train"] == (0, 0, 0)
    assert kernel["copies, by train"][2] < 0
    assert rows["precision"]["copies, by train"] == (1, 1, 1)


def test_the_experiment_begins_as_it_did() -> None:
    """The first row of the table, with fewer signs and less time: the same measures of real signs lie where it says."""
    a, b = (chapter()["features"](chapter()["pictures"](300, seed=s)[0]) for s in (100, 300))
    (_, least, most) = experiment()["Fréchet"]["real"]
    assert metrics.frechet_distance(a, b) > least  # fewer signs, more bias
    assert metrics.frechet_distance(a, b) < 8 * most
    value, error = metrics.kernel_distance(a, b)
    assert abs(value - experiment()["kernel"]["real"][0]) < 5 * error


def test_the_cheater_can_be_caught() -> None:
    lines = dict(re.findall(r"^([A-D]): (.+)$", printed("cheater-solved"), re.MULTILINE))
    found = {
        name: (int(line.split()[0]), *map(float, re.findall(r"[\d.]+$|(?<=known )[\d.]+", line)))
        for name, line in lines.items()
    }
    assert sorted(found) == ["A", "B", "C", "D"]
    (seven,) = [name for name, (classes, _, _) in found.items() if classes == 7]
    (copier,) = [name for name, (_, nearest, _) in found.items() if nearest == 0]
    honest, soft = sorted({*found} - {seven, copier}, key=lambda name: found[name][2])
    assert found[soft][2] > 1.5 * found[honest][2]
    assert found[honest][1] > 0.1


def test_inception_is_only_asked_where_it_is() -> None:
    assert "download" not in CHAPTER.cells["real"].source
    assert "weights_only=True" in CHAPTER.cells["real"].source
    assert "are not there" in printed("real")


def test_numbers_in_the_prose_are_printed() -> None:
    said = ("hook-read-text", "judge-read-text", "experiment-read-text", "bias-read-text", "network-read-text")
    said += (
        "shifts-text",
        "memory-read-text",
        "break-eval-read-text",
        "break-range-read-text",
        "break-resize-read-text",
    )
    shown = "".join(printed(name) for name, cell in CHAPTER.cells.items() if cell.cell_type == "code")
    shown = {float(number) for number in re.findall(r"-?\d+\.\d+", shown)}
    text = "\n".join(CHAPTER.cells[name].source for name in said).replace("−", "-")
    numbers = [number for number in re.findall(r"(?<![\w.])-?\d+\.\d+", text) if number not in ("0.5", "0.15")]
    assert len(numbers) > 15
    places = {number: len(number.split(".")[1]) for number in numbers}
    missing = [n for n in numbers if not any(abs(round(s, places[n]) - float(n)) < 1e-9 for s in shown)]
    assert missing == []


def test_the_closed_form_by_hand() -> None:
    """Means that are 5 apart, deviations 1 and 3 on one axis, 0 on the other: 25 + 4."""
    a, b = torch.tensor([[0.0, 0], [1, 0], [2, 0]]), torch.tensor([[3.0, 0], [6, 0], [9, 0]])
    for distance in (chapter()["scratch_frechet"], metrics.frechet_distance):
        assert distance(a, b) == pytest.approx(29)
        assert np.isclose(distance(a, a), 0, atol=1e-9)
