"""The SegNet chapter: what its prose says of the stored tables holds there, and its table can be made again."""

import functools
import re

import pytest
import segnet as recipe
import torch
from chapters import Chapter

import segen
from segen.data import StreetScenes

CHAPTER = Chapter("segmentation/segnet")


@functools.cache
def chapter() -> dict:
    return CHAPTER.defined(
        "shifts", "ways", given={"classes": StreetScenes(1).classes}, without=("debug", "debug-solved")
    )


SCORES = ("mean_iou", "boundary_iou", "sign_iou", "at_edges", "inside")


def row(way: str) -> dict:
    (found,) = [row for row in segen.results("segnet") if row["way"] == way]
    return found


def mean(values: list[float]) -> float:
    return sum(values) / len(values)


def test_the_table_is_whole() -> None:
    rows = segen.results("segnet")
    assert [{"way": row["way"]} for row in rows] == recipe.GRID
    for row in rows:
        assert row["seeds"] == [0, 1, 2]
        assert row["recipe"] == "recipes/segnet.py"
        assert row["commit"]
        assert row["seconds"] > 0
        assert (row["steps"], row["batch_size"], row["streets"], row["validation"]) == (480, 8, 512, 128)
        for name in SCORES:
            assert len(row[name]) == 3
            assert all(0 <= value <= 1 for value in row[name])


def test_a_row_begins_as_it_did() -> None:
    """The first steps of a run do not depend on how many follow: their loss must be the stored one."""
    _, history = recipe.fit({"way": "unpool"}, 0, steps=recipe.FIRST)
    assert history.loss[0] == pytest.approx(row("unpool")["first_losses"][0], abs=0.02)
    # The control: with the places forgotten it is another run.
    assert row("corner")["first_losses"][0] != pytest.approx(row("unpool")["first_losses"][0], abs=0.05)


def test_the_chapter_and_the_recipe_build_alike() -> None:
    x = torch.randn(2, 3, 64, 64, generator=torch.Generator().manual_seed(0))
    outputs = {}
    for way in recipe.WAYS:
        both = []
        for ways in (recipe.WAYS, chapter()["ways"]):
            torch.manual_seed(1)
            network = ways[way](3, 8, width=recipe.WIDTH, blocks=recipe.BLOCKS)
            assert sum(p.numel() for p in network.parameters()) == row(way)["parameters"][0]
            both.append(network(x))
        assert torch.equal(*both)
        outputs[way] = both[0]
    assert not torch.equal(outputs["unpool"], outputs["corner"])


def test_the_chapter_and_the_recipe_measure_alike() -> None:
    generator = torch.Generator().manual_seed(0)
    masks = torch.randint(8, (3, 6, 7), generator=generator).repeat_interleave(4, 1).repeat_interleave(4, 2)
    guess = torch.where(torch.rand(masks.shape, generator=generator) < 0.8, masks, 2)
    assert chapter()["score"](guess, masks) == pytest.approx(recipe.score(guess, masks))


def test_packing_loses_nothing() -> None:
    generator = torch.Generator().manual_seed(0)
    for shape in [(1, 1, 1, 1), (2, 3, 5, 7), (1, 1, 2, 2)]:
        codes = torch.randint(4, shape, generator=generator)
        packed = chapter()["pack"](codes)
        assert packed.dtype == torch.uint8
        assert packed.numel() == -(-codes.numel() // 4)
        assert torch.equal(chapter()["unpack"](packed, shape), codes)


def test_places_are_worth_something_against_corners() -> None:
    for name in ("mean_iou", "boundary_iou"):
        assert min(row("unpool")[name]) > max(row("corner")[name])


def test_interpolation_is_as_good_but_for_contours() -> None:
    places, none = row("unpool"), row("bilinear")
    assert min(places["mean_iou"]) < max(none["mean_iou"])  # no claim of a difference
    assert min(none["mean_iou"]) < max(places["mean_iou"])
    assert min(places["boundary_iou"]) > max(none["boundary_iou"])
    assert max(places["sign_iou"]) < min(none["sign_iou"])


def test_learnt_enlarging_is_behind_interpolation() -> None:
    assert max(row("transposed")["mean_iou"]) < min(row("bilinear")["mean_iou"])
    assert row("transposed")["parameters"][0] > row("bilinear")["parameters"][0]


def test_whole_maps_are_far_ahead() -> None:
    others = [row(way) for way in ("unpool", "corner", "bilinear", "transposed")]
    for name in SCORES:
        assert min(row("skips")[name]) > max(max(other[name]) for other in others)
    for name in ("mean_iou", "boundary_iou"):
        best = max(mean(other[name]) for other in others)
        assert mean(row("skips")[name]) > best + 0.1


def test_what_is_said_of_the_parts_table() -> None:
    rows = {row["network"]: row for row in segen.results("segmentation") if row["data"] == "StreetScenes"}
    ours, unet, fcn = (rows[name] for name in ("SegNet", "U-Net", "FCN-8s"))
    assert max(ours["mean_iou"]) + 0.1 < min(unet["mean_iou"])
    assert min(ours["mean_iou"]) < max(fcn["mean_iou"])
    assert max(ours["mean_iou"]) > min(fcn["mean_iou"])
    assert min(ours["boundary_iou"]) > max(fcn["boundary_iou"])
    so_far = [rows[name] for name in ("FCN-32s", "FCN-16s", "FCN-8s", "U-Net", "SegNet")]
    scatter = [max(row["mean_iou"]) - min(row["mean_iou"]) for row in so_far]
    assert scatter[-1] == max(scatter)


def test_numbers_in_the_prose_are_in_the_tables() -> None:
    """Each number with three decimals in the chapter's text is printed by its tables."""
    cells = CHAPTER.cells.values()
    printed = "".join(o.text for c in cells if c.id in ("table", "part") for o in c.outputs)
    text = "".join(c.source for c in cells if c.id in ("experiment-read-text", "part-read-text"))
    numbers = re.findall(r"\b0\.\d{3}\b", text)
    assert len(numbers) > 10
    assert [number for number in numbers if number not in printed] == []
