"""The DeepLab chapter: what its prose says of the stored tables holds there, and the table can be made again."""

import itertools
import re

import deeplab as recipe
import pytest
import torch
from chapters import Chapter

import segen

CHAPTER = Chapter("segmentation/deeplab")
SCORES = ("mean_iou", "boundary_iou", "at_edges", "inside")


def row(stride: int, *rates: int) -> dict:
    (found,) = [r for r in segen.results("deeplab") if (r["stride"], r["rates"]) == (stride, list(rates))]
    return found


def mean(values: list[float]) -> float:
    return sum(values) / len(values)


def test_the_table_is_whole() -> None:
    rows = segen.results("deeplab")
    assert [{name: row[name] for name in recipe.GRID[0]} for row in rows] == recipe.GRID
    for stored in rows:
        assert stored["seeds"] == [0, 1, 2]
        assert stored["recipe"] == "recipes/deeplab.py"
        assert stored["commit"]
        assert stored["seconds"] > 0
        assert (stored["steps"], stored["batch_size"], stored["validation"]) == (240, 8, 128)
        for name in SCORES:
            assert len(stored[name]) == 3
            assert all(0 <= value <= 1 for value in stored[name])
    for settings in recipe.WITH_CRF:
        stored = row(settings["stride"], *settings["rates"])
        assert all(pair in recipe.CHOICES for pair in zip(stored["crf_w1"], stored["crf_theta_beta"], strict=True))
        assert [len(gains) for gains in stored["crf_gains"]] == [stored["crf_streets"]] * 3


def test_a_row_begins_as_it_did() -> None:
    """The first steps of a run do not depend on how many follow: their loss must be the stored one."""
    settings = {"stride": 32, "rates": [1, 1, 1]}
    stored = row(32, 1, 1, 1)
    _, history = recipe.fit(settings, 1, steps=recipe.FIRST)
    assert history.loss[0] == pytest.approx(stored["first_loss"][1], abs=0.02)
    # The control: at another stride it is another run.
    _, other = recipe.fit(settings | {"stride": 8}, 1, steps=recipe.FIRST)
    assert other.loss[0] != pytest.approx(stored["first_loss"][1], abs=0.02)


def test_the_recipe_s_crf_is_the_package_s() -> None:
    """The recipe adds its pairs from two parts that it keeps; a CRF made at once must give the same labels."""
    generator = torch.Generator().manual_seed(0)
    logits, image = torch.randn(4, 9, 11, generator=generator), 2 * torch.rand(3, 9, 11, generator=generator) - 1
    labels = recipe.sharpened(logits, image, recipe.CHOICES)
    for (w1, theta_beta), found in zip(recipe.CHOICES, labels, strict=True):
        ranges = {"theta_alpha": recipe.THETA_ALPHA, "theta_beta": theta_beta, "theta_gamma": recipe.THETA_GAMMA}
        crf = recipe.DenseCRF(logits, image, w1=w1, w2=recipe.W2, **ranges)
        for _ in range(recipe.SWEEPS):
            crf.update()
        assert torch.equal(found, crf.probabilities().argmax(0))
    assert not all(torch.equal(a, b) for a, b in itertools.pairwise(labels))


def test_numbers_in_the_prose_are_in_the_outputs() -> None:
    """Each number with three decimals in the chapter's text is printed by one of its cells."""
    cells = CHAPTER.cells.values()
    printed = "".join(o.get("text", "") for c in cells if c.cell_type == "code" for o in c.outputs)
    text = "".join(c.source for c in cells if c.cell_type == "markdown")
    numbers = re.findall(r"\b0\.\d{3}\b", text)
    assert len(numbers) > 5
    assert [number for number in numbers if number not in printed] == []


def test_what_is_said_of_the_part_s_table() -> None:
    streets = {r["network"]: r for r in segen.results("segmentation") if r["data"] == "StreetScenes"}
    v3, plus, segnet, unet = (streets[name] for name in ("DeepLabV3", "DeepLabV3+", "SegNet", "U-Net"))
    assert mean(v3["mean_iou"]) < mean(segnet["mean_iou"])
    assert mean(v3["inside"]) > mean(segnet["inside"])
    assert mean(v3["at_edges"]) < mean(segnet["at_edges"])
    assert min(plus["mean_iou"]) > max(segnet["mean_iou"])
    assert plus["multiply_adds"] <= segnet["multiply_adds"]
    assert min(unet["mean_iou"]) > max(plus["mean_iou"])

    def by_class(row: dict) -> list[float]:
        return [mean(values) for values in zip(*row["class_iou"], strict=True)]

    assert all(a > b for a, b in zip(by_class(plus), by_class(segnet), strict=True))
    sky, building, person, sign = 0, 1, 6, 7
    assert all(by_class(v3)[c] > by_class(segnet)[c] for c in (sky, building))
    assert all(by_class(v3)[c] < by_class(segnet)[c] for c in (person, sign))


@pytest.mark.parametrize("stride", [8, 32])
def test_the_crf_mends_edges(stride: int) -> None:
    stored = row(8, 2, 4, 6) if stride == 8 else row(32, 1, 1, 1)
    for name in ("boundary_iou", "at_edges"):
        for off, on in zip(stored[f"crf_off_{name}"], stored[f"crf_on_{name}"], strict=True):
            assert on > off + 0.02


def test_a_large_stride_costs_more_than_any_rate() -> None:
    for rates in ((1, 1, 1), (2, 4, 6), (6, 12, 18)):
        assert min(row(8, *rates)["mean_iou"]) > max(row(32, 1, 1, 1)["mean_iou"])


def test_the_rates_hardly_matter() -> None:
    none, fitting, beyond = (row(8, *rates)["mean_iou"] for rates in ((1, 1, 1), (2, 4, 6), (6, 12, 18)))
    for a, b, c in zip(fitting, none, beyond, strict=True):  # the same order in every seed, and little between them
        assert a < b < c < a + 0.015
