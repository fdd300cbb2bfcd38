"""The U-Net chapter: what its prose says of the stored table holds there, and the table can be made again."""

import functools
import re

import pytest
import torch
import unet as recipe
from chapters import Chapter

import segen
from segen.data import StreetScenes

CHAPTER = Chapter("segmentation/unet")


@functools.cache
def chapter() -> dict:
    return CHAPTER.defined(given={"classes": StreetScenes(1).classes})


SCORES = ("mean_iou", "sign_iou", "at_edges", "inside")


def row(**settings) -> dict:
    (found,) = [row for row in segen.results("unet") if settings.items() <= row.items()]
    return found


def mean(values: list[float]) -> float:
    return sum(values) / len(values)


def test_the_table_is_whole() -> None:
    rows = segen.results("unet")
    assert [{name: row[name] for name in recipe.GRID[0]} for row in rows] == recipe.GRID
    for row in rows:
        assert row["seeds"] == [0, 1, 2]
        assert row["recipe"] == "recipes/unet.py"
        assert row["commit"]
        assert row["seconds"] > 0
        assert (row["steps"], row["batch_size"], row["validation"]) == (480, 8, 128)
        for name in SCORES:
            assert len(row[name]) == 3
            assert all(0 <= value <= 1 for value in row[name])


def test_a_row_begins_as_it_did() -> None:
    """The first steps of a run do not depend on how many follow: their loss must be the stored one."""
    stored = row(skips=True, elastic=0, streets=8)
    for seed in (0, 1):
        _, history = recipe.fit({"skips": True, "elastic": 0, "streets": 8}, seed, steps=recipe.FIRST)
        assert history.loss[0] == pytest.approx(stored["first_loss"][seed], abs=0.02)
    # The control: without skips it is another run.
    _, other = recipe.fit({"skips": False, "elastic": 0, "streets": 8}, 0, steps=recipe.FIRST)
    assert other.loss[0] != pytest.approx(stored["first_loss"][0], abs=0.02)


def test_the_chapter_and_the_recipe_measure_alike() -> None:
    generator = torch.Generator().manual_seed(0)
    masks = torch.randint(8, (3, 6, 7), generator=generator).repeat_interleave(4, 1).repeat_interleave(4, 2)
    guess = torch.where(torch.rand(masks.shape, generator=generator) < 0.8, masks, 2)
    assert chapter()["score"](guess, masks) == pytest.approx(recipe.score(guess, masks))


def test_the_chapter_and_the_recipe_deform_alike() -> None:
    image, mask = recipe.StreetScenes(1, seed=2)[0]
    deformed = []
    for elastic in (chapter()["elastic"], recipe.elastic):
        with torch.random.fork_rng():
            torch.manual_seed(5)
            deformed.append(elastic(image, mask, sigma=3))
    for a, b in zip(*deformed, strict=True):
        assert torch.equal(a, b)
    assert not torch.equal(deformed[0][1], mask)


def test_image_and_mask_are_deformed_together() -> None:
    """Where the road's own mask is deformed as an image, it must lie where the deformed mask has road."""
    _, mask = recipe.StreetScenes(1, seed=2)[0]
    as_image = (mask == 2).float()[None]
    with torch.random.fork_rng():
        torch.manual_seed(6)
        image, labels = recipe.elastic(as_image, mask, sigma=3)
    assert ((image[0] > 0.5) == (labels == 2)).float().mean() > 0.99
    assert ((as_image[0] > 0.5) == (labels == 2)).float().mean() < 0.99


def test_edges_are_where_a_neighbour_differs() -> None:
    masks = torch.zeros(1, 5, 6, dtype=torch.int64)
    masks[:, 2, 3] = 1
    expected = torch.zeros(1, 5, 6, dtype=torch.bool)
    expected[:, 1:4, 2:5] = True
    assert torch.equal(chapter()["at_edges"](masks), expected)


@pytest.mark.parametrize("streets", [8, 32, 128, 512])
def test_skips_help_at_every_number_of_streets(streets: int) -> None:
    on, off = (row(skips=skips, elastic=0, streets=streets) for skips in (True, False))
    assert min(on["mean_iou"]) > max(off["mean_iou"])
    at_edges, inside = (mean(on[name]) - mean(off[name]) for name in ("at_edges", "inside"))
    assert at_edges > inside > 0
    if streets == 512:
        assert at_edges > 3 * inside
    assert mean(on["sign_iou"]) > mean(off["sign_iou"])


def test_more_streets_do_not_make_up_for_skips() -> None:
    assert min(row(skips=True, elastic=0, streets=32)["mean_iou"]) > max(
        row(skips=False, elastic=0, streets=512)["mean_iou"]
    )
    for skips in (True, False):
        iou = {n: mean(row(skips=skips, elastic=0, streets=n)["mean_iou"]) for n in (8, 32, 128, 512)}
        assert iou[32] - iou[8] > 3 * (iou[512] - iou[128])


def test_deformation_helps_where_streets_are_few() -> None:
    for streets in (8, 32, 128, 512):
        straight, bent = (row(skips=True, elastic=sigma, streets=streets)["mean_iou"] for sigma in (0, 2))
        if streets < 100:
            assert min(bent) > max(straight)
        else:
            assert max(bent) < min(straight)


def test_numbers_in_the_prose_are_in_the_tables() -> None:
    """Each number with three decimals in the chapter's text is printed by one of its two tables."""
    cells = CHAPTER.cells.values()
    printed = "".join(o.text for c in cells if c.id in ("table", "elastic-table") for o in c.outputs)
    text = "".join(c.source for c in cells if c.id in ("experiment-read-text", "elastic-read-text"))
    numbers = re.findall(r"\b0\.\d{3}\b", text)
    assert len(numbers) > 10
    assert [number for number in numbers if number not in printed] == []
