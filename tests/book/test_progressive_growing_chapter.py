"""The chapter on progressive growing: what its prose says of the stored runs holds there, and a run begins again."""

import ast
import functools
import re

import numpy as np
import progressive_growing as recipe
import pytest
import torch
from chapters import Chapter

import segen
from segen.models import ProGANDiscriminator, ProGANGenerator
from segen.models.progan import shrink

CHAPTER = Chapter("generation/progressive_growing")
printed = CHAPTER.printed


@functools.cache
def chapter() -> dict:
    space = CHAPTER.defined()
    for node in ast.parse(CHAPTER.cells["train-schedule"].source).body[:3]:  # HOLD, FADE, STEPS; GAME in two pieces
        exec(ast.unparse(node), space)
    return space


def row(way: str) -> dict:
    (found,) = [r for r in segen.results("progressive_growing") if r["way"] == way]
    return found


def test_the_table_is_whole() -> None:
    rows = segen.results("progressive_growing")
    assert [{"way": r["way"]} for r in rows] == recipe.GRID
    for r in rows:
        assert r["seeds"] == [0, 1, 2]
        assert r["recipe"] == "recipes/progressive_growing.py"
        assert r["commit"]
        assert (r["hold"], r["fade"], r["width"], r["samples"]) == (recipe.HOLD, recipe.FADE, 8, 512)
        assert r["steps"] == [recipe.STEPS[r["way"]]] * 3
        assert [path[-1] for path in r["distances"]] == r["frechet"]
        for times, counts, modes in zip(r["times"], r["recognised"], r["modes"], strict=True):
            assert times == sorted(times)
            assert modes == sum(count >= 5 for count in counts)


def test_both_ways_had_about_the_same_time() -> None:
    grown, direct = (np.mean([times[-1] for times in row(way)["times"]]) for way in ("grown", "direct"))
    assert 0.8 < grown / direct < 1.25


@pytest.mark.parametrize("way", ["grown", "direct"])
def test_a_row_begins_as_it_did(way) -> None:
    history = recipe.fit(recipe.make(way, 1), recipe.FIRST)
    stored = row(way)["first_loss"]
    assert history.discriminator_loss[0] == pytest.approx(stored[1], abs=0.05)
    # The control: the other way is another run.
    assert row({"grown": "direct", "direct": "grown"}[way])["first_loss"][1] != pytest.approx(stored[1], abs=0.05)


def test_the_chapter_trains_the_recipes_row() -> None:
    assert (chapter()["HOLD"], chapter()["FADE"], chapter()["STEPS"]) == (
        recipe.HOLD,
        recipe.FADE,
        recipe.STEPS["grown"],
    )
    assert chapter()["GAME"] == recipe.GAME
    for step in range(0, recipe.STEPS["grown"], 3):
        assert chapter()["grow"](step) == recipe.grow(step)
    images = torch.rand(6, 3, 32, 32, generator=torch.Generator().manual_seed(0)) * 2 - 1
    chapter()["classifier"] = segen.models.pretrained("roadsigns")
    features, _, _ = chapter()["seen"](images)
    torch.testing.assert_close(features, recipe.features(images)[0])


def test_the_chapters_networks_are_the_packages() -> None:
    torch.manual_seed(0)
    mine = chapter()["Generator"](6, [16, 8, 4, 2]), chapter()["Discriminator"]([16, 8, 4, 2])
    theirs = ProGANGenerator(6, width=2), ProGANDiscriminator(width=2)
    for ours, other in zip(mine, theirs, strict=True):
        for p, q in zip(ours.parameters(), other.parameters(), strict=True):
            q.data = p.data.view_as(q).clone()
    for network in (*mine, *theirs):
        network.double()
    z, x = torch.randn(4, 6).double(), torch.rand(4, 3, 32, 32).double()
    for level in (0, 0.4, 1, 1.9, 3):
        theirs[0].level = theirs[1].level = level
        image = mine[0](z, level)
        torch.testing.assert_close(theirs[0](z), image)
        torch.testing.assert_close(theirs[1](image), mine[1](image, level))
        torch.testing.assert_close(chapter()["blended"](x, level), shrink(x, level))


def test_the_table_printed_is_the_one_stored() -> None:
    for way in ("direct", "grown"):
        (line,) = [line for line in printed("table").splitlines() if line.startswith(way)]
        numbers = [float(number) for number in re.findall(r"[\d.]+", line)]
        found = row(way)["frechet"]
        assert numbers[0] == row(way)["steps"][0]
        assert numbers[1:4] == pytest.approx([np.mean(found), min(found), max(found)], abs=0.006)
        assert numbers[4:7] == row(way)["modes"]


def at(way: str, share: float) -> list[float]:
    """Each seed's distance when this share of its time was over, between the looks along a straight line."""
    runs = zip(row(way)["times"], row(way)["distances"], strict=True)
    return [float(np.interp(share, np.array(times) / times[-1], path)) for times, path in runs]


def test_growing_ends_a_little_ahead_and_not_before_the_end() -> None:
    grown, direct = row("grown")["frechet"], row("direct")["frechet"]
    assert np.mean(grown) < np.mean(direct)
    assert min(direct) < max(grown) < min(direct) + 0.5  # they overlap, if only just
    assert sum(g < d - 3 for g, d in zip(grown, direct, strict=True)) == 2
    assert sum(abs(g - d) < 0.5 for g, d in zip(grown, direct, strict=True)) == 1
    early = [d < g for g, d in zip(at("grown", 0.4), at("direct", 0.4), strict=True)]
    assert sum(early) == 2
    later = [d < g for g, d in zip(at("grown", 0.67), at("direct", 0.67), strict=True)]
    assert 0 < sum(later) < 3
    assert {*row("grown")["modes"], *row("direct")["modes"]} == {3, 4}


def test_the_live_run_is_the_stored_one() -> None:
    now, stored = re.search(r"distance ([\d.]+), stored ([\d.]+)", printed("live")).groups()
    assert float(stored) == pytest.approx(row("grown")["frechet"][0], abs=0.006)
    assert abs(float(now) - float(stored)) < 5


def test_fading_has_no_jump_in_the_run_shown() -> None:
    lines = re.findall(r"α near [01] +([\d.]+) +([\d.]+) +([\d.]+) +([\d.]+) +([\d.]+)", printed("proof-fade"))
    assert len(lines) == 8
    for _, of_image, by, of_score, by_score in lines[3::4]:
        assert float(of_image) < 1e-3
        assert float(of_score) < 1e-3
        assert 9.5 < float(by) < 10.5
        assert 9.5 < float(by_score) < 10.5


@pytest.mark.parametrize(
    ("text", "sources"),
    [
        ("hook-read-text", ["hook"]),
        ("table-read-text", ["table", "hook"]),
        ("break-switch-read-text", ["break-switch"]),
    ],
)
def test_numbers_in_the_prose_are_printed(text, sources) -> None:
    out = "".join(map(printed, sources))
    numbers = re.findall(r"(?<![\d.])\d+\.\d\d(?!\d)", CHAPTER.cells[text].source)
    assert len(numbers) >= 2
    assert [number for number in numbers if number not in out] == []


def test_progan_is_where_the_chapter_says_in_the_parts_table() -> None:
    found = {r["network"]: r for r in segen.results("generation") if r["data"] == "RoadSigns"}
    assert max(found["ProGAN"]["frechet"]) < min(found["WGAN-GP"]["frechet"] + found["SN-GAN"]["frechet"])
    assert max(found["DCGAN"]["frechet"]) < min(found["ProGAN"]["frechet"])
    assert found["ProGAN"]["modes"] == [9, 9, 9]
    assert found["DCGAN"]["steps"] > 2 * found["ProGAN"]["steps"]
    for name in ("DCGAN", "WGAN-GP", "SN-GAN", "ProGAN"):
        (line,) = [line for line in printed("part").splitlines() if line.startswith(name)]
        assert float(line[len(name) :].split()[0]) == pytest.approx(np.mean(found[name]["frechet"]), abs=0.006)
