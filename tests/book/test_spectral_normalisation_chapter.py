"""The chapter on spectral normalisation: what its prose says of the map holds there, and it can be drawn again."""

import functools
import math
import re

import numpy as np
import pytest
import spectral_normalisation as recipe
import torch
from chapters import Chapter
from torch import nn

import segen

CHAPTER = Chapter("generation/spectral_normalisation")
printed = CHAPTER.printed


@functools.cache
def chapter() -> dict:
    return CHAPTER.defined()


def row(bound: str, rate: float) -> dict:
    (found,) = [r for r in segen.results("spectral_normalisation") if (r["bound"], r["lr"]) == (bound, rate)]
    return found


def spread(bound: str, rate: float) -> float:
    return float(np.ptp(row(bound, rate)["distance"]))


def test_the_table_is_whole() -> None:
    rows = segen.results("spectral_normalisation")
    assert [{"bound": r["bound"], "lr": r["lr"]} for r in rows] == recipe.GRID
    for r in rows:
        assert r["seeds"] == [0, 1, 2]
        assert r["recipe"] == "recipes/spectral_normalisation.py"
        assert r["commit"]
        assert r["seconds"] > 0
        assert (r["steps"], r["batch_size"], r["size"], r["loss"]) == (1000, 32, 16, "hinge")
        for name in ("distance", "modes", "slope", "first_loss"):
            assert len(r[name]) == 3
            assert all(value >= 0 for value in r[name])


@pytest.mark.parametrize("bound", ["none", "clipping", "penalty", "spectral", "batch norm"])
def test_a_row_begins_as_it_did(bound) -> None:
    """The first steps of a run do not depend on how many follow: their loss must be the stored one."""
    _, history = recipe.fit({"bound": bound, "lr": 5e-3}, 1, steps=recipe.FIRST)
    stored = row(bound, 5e-3)["first_loss"]
    assert history.discriminator_loss[0] == pytest.approx(stored[1], abs=0.05)
    # The control: at another rate it is another run.
    assert row(bound, 2e-4)["first_loss"][1] != pytest.approx(stored[1], abs=0.1)


def test_the_chapter_and_the_recipe_build_alike() -> None:
    x = torch.randn(3, 3, 16, 16, generator=torch.Generator().manual_seed(0))
    scores = []
    for make in (chapter()["Discriminator"], lambda: recipe.Critic("spectral")):
        torch.manual_seed(1)
        scores.append(make()(x))
    assert torch.equal(*scores)
    torch.manual_seed(1)
    assert not torch.allclose(recipe.Critic("none")(x), scores[0])


def test_each_bound_is_where_it_should_be() -> None:
    kinds = {bound: [type(m).__name__ for m in recipe.Critic(bound).modules()] for bound in recipe.BOUNDS}
    assert kinds["none"] == kinds["clipping"] == kinds["penalty"]
    assert kinds["batch norm"].count("BatchNorm2d") == 1
    assert sum(name == "ParametrizedConv2d" for name in kinds["spectral"]) == 3
    trainer, _ = recipe.fit({"bound": "clipping", "lr": 5e-3}, 0, steps=20)
    weights = torch.cat([p.flatten() for p in trainer.models["discriminator"].parameters()])
    assert weights.abs().max() <= recipe.CLIP
    assert (weights.abs() == recipe.CLIP).any()
    trainer, _ = recipe.fit({"bound": "none", "lr": 5e-3}, 0, steps=20)
    assert torch.cat([p.flatten() for p in trainer.models["discriminator"].parameters()]).abs().max() > recipe.CLIP


def test_spectral_normalisation_is_calm_and_no_bound_is_not() -> None:
    assert max(spread("spectral", rate) for rate in recipe.RATES) < 0.255
    assert max(row("spectral", 5e-3)["distance"]) < 3.475
    assert row("spectral", 5e-3)["modes"] == [9, 9, 9]
    failed = int(np.argmax(row("none", 5e-3)["distance"]))
    assert row("none", 5e-3)["distance"][failed] == pytest.approx(5.54, abs=0.005)
    assert row("none", 5e-3)["modes"][failed] == 5
    ratio = np.mean(row("none", 5e-3)["slope"]) / np.mean(row("spectral", 5e-3)["slope"])
    assert 8 < ratio < 12


def test_what_is_said_of_clipping_and_of_the_penalty() -> None:
    assert max(spread("clipping", rate) for rate in (1e-3, 5e-3)) < 0.4
    for rate in (2e-4, 1e-3):
        assert spread("penalty", rate) > max(spread(bound, rate) for bound in recipe.BOUNDS if bound != "penalty")
    others = [row(bound, 2e-4) for bound in recipe.BOUNDS if bound != "penalty"]
    assert min(row("penalty", 2e-4)["distance"]) > max(max(r["distance"]) for r in others) + 2
    assert max(row("penalty", 2e-4)["modes"]) == 3
    for rate in recipe.RATES:
        longest = max(row(bound, rate)["seconds"] for bound in recipe.BOUNDS if bound != "penalty")
        assert row("penalty", rate)["seconds"] > 1.2 * longest


def test_batch_norm_leads_and_bounds_nothing() -> None:
    for rate in (2e-4, 1e-3):
        assert max(row("batch norm", rate)["distance"]) < min(row("spectral", rate)["distance"])
    best, other = row("batch norm", 5e-3)["distance"], row("spectral", 5e-3)["distance"]
    assert np.mean(best) < np.mean(other)
    assert max(best) > min(other)  # they overlap
    for rate in recipe.RATES:
        slopes = {bound: np.mean(row(bound, rate)["slope"]) for bound in recipe.BOUNDS}
        assert max(slopes, key=slopes.get) == "batch norm"


def test_numbers_in_the_prose_are_in_the_table() -> None:
    text = CHAPTER.cells["table-read-text"].source
    numbers = re.findall(r"(?<![\d.])\d\.\d{2}(?![\d.])", text)
    numbers.remove("0.25")  # the spread, tested above
    assert sorted(numbers) == ["3.47", "5.54"]
    assert [number for number in numbers if number not in printed("table")] == []


def test_the_layer_from_scratch_has_norm_one() -> None:
    for layer in (nn.Linear(20, 64), nn.Conv2d(5, 64, 3)):
        torch.manual_seed(0)
        ours = chapter()["Normalised"](layer)
        for _ in range(500):
            weight = ours.weight()
        assert torch.linalg.matrix_norm(weight.flatten(1), 2).item() == pytest.approx(1, abs=1e-3)
        ours.eval()
        assert torch.equal(ours.weight(), ours.weight())


def test_the_estimate_never_exceeds_the_norm_and_meets_it() -> None:
    for s in range(3):
        chance = torch.Generator().manual_seed(s)
        W = torch.randn(64, 96, dtype=torch.float64, generator=chance)
        found = chapter()["iterated"](W, 400, chance)
        exact = np.linalg.svd(W.numpy(), compute_uv=False)[0]
        assert (found <= exact + 1e-9).all()
        assert found[-1] == pytest.approx(exact, rel=1e-4)
        assert found[0] < 0.95 * exact


def test_the_counts_by_hand() -> None:
    assert "4,276,739, by hand 4,276,739" in printed("count")
    assert "1,053,825, by hand 1,053,825" in printed("count")


def test_the_norm_of_a_convolution_lies_between_the_kernels_and_its_multiple() -> None:
    lines = printed("conv").splitlines()[1:]
    assert len(lines) == 5
    for line in lines:
        of_kernel, whole, ratio, limit = map(float, line.split()[-4:])
        assert whole / of_kernel == pytest.approx(ratio, abs=0.003)
        assert 0.999 <= ratio <= limit


def test_what_breaks_in_the_run_shown() -> None:
    assert "the same run twice: equal True" in printed("break-reading")
    assert "looked at meanwhile: equal False" in printed("break-reading")
    products = [float(p.replace(",", "")) for p in re.findall(r"norms ([\d.,]+)", printed("break-eval"))]
    assert products[0] == pytest.approx(1, abs=0.1)
    assert products[1] > 2
    product = float(re.search(r"300 passes on:.*product ([\d.]+)", printed("bound"))[1])
    assert math.isclose(product, 1, abs_tol=0.01)


def test_in_the_run_shown_the_plain_convolutions_are_nearer() -> None:
    distances = [float(d) for d in re.findall(r"distance ([\d.]+)", printed("train-look"))]
    assert len(distances) == 6
    assert distances[-1] < 0.8 * distances[0]
    assert distances[-1] > max(row("spectral", 1e-3)["distance"])
    counts = re.search(r"recognised as: \[(.*)\]", printed("train-look"))[1]
    assert min(map(int, counts.split(","))) == 0
