"""The chapter on WGAN: what its prose says of the stored games holds there, and they can be played again."""

import functools
import math
import re

import numpy as np
import pytest
import torch
import wgan as recipe
from chapters import Chapter
from scipy.stats import wasserstein_distance

import segen

CHAPTER = Chapter("generation/wgan")
printed = CHAPTER.printed


@functools.cache
def chapter() -> dict:
    return CHAPTER.defined()


def row(game: str) -> dict:
    (found,) = [row for row in segen.results("wgan") if row["game"] == game]
    return found


def test_the_table_is_whole() -> None:
    rows = segen.results("wgan")
    assert [{"game": row["game"]} for row in rows] == recipe.GRID
    for row in rows:
        assert row["seeds"] == [0, 1, 2, 3, 4]
        assert row["recipe"] == "recipes/wgan.py"
        assert row["commit"]
        assert row["seconds"] > 0
        assert (row["steps"], row["batch_size"], row["critic_steps"]) == (4000, 256, 5)
        assert (row["penalty"], row["clip"], row["spread"]) == (1.0, 0.1, 0.05)
        for name in ("modes", "near", "distance", "losses", "distances"):
            assert len(row[name]) == 5
        assert np.array(row["distances"]).shape == np.array(row["losses"]).shape == (5, 16)
        assert [path[-1] for path in row["distances"]] == row["distance"]


@pytest.mark.parametrize("game", ["non-saturating", "clipping", "penalty"])
def test_a_row_begins_as_it_did(game) -> None:
    _, notes = recipe.play(game, 1, steps=recipe.FIRST)
    first = sum(notes["last"]) / recipe.FIRST
    assert first == pytest.approx(row(game)["first_loss"][1], abs=0.02)
    # The control: another seed's game is another one.
    assert first != pytest.approx(row(game)["first_loss"][2], abs=0.001)


def test_the_chapter_and_the_recipe_play_alike() -> None:
    generator, _ = chapter()["game_with_penalty"](3, 30)
    other, _ = recipe.play("penalty", 3, steps=30)
    for mine, theirs in zip(generator.parameters(), other.parameters(), strict=True):
        torch.testing.assert_close(mine, theirs, rtol=1e-4, atol=1e-5)
    another, _ = recipe.play("clipping", 3, steps=30)
    assert not torch.allclose(next(generator.parameters()), next(another.parameters()), atol=1e-4)


def test_modes_are_counted_as_the_chapter_says() -> None:
    centres = recipe.centres()
    torch.testing.assert_close(centres.norm(dim=1), torch.full((8,), 2.0))
    points = torch.cat([centres[:3].repeat_interleave(10, 0), torch.zeros(970, 2)])
    assert recipe.coverage(points) == (3, pytest.approx(0.03))
    assert recipe.coverage(points[1:])[0] == 2  # nine of 999 are no hundredth
    off = torch.tensor([0.199, 0.0])
    assert recipe.coverage(centres + off)[1] == 1.0
    assert recipe.coverage(centres + off * 1.02)[1] == 0.0


def test_the_exact_distance_is_exact() -> None:
    random = torch.Generator().manual_seed(0)
    for n in (1, 2, 30):
        x, y = torch.randn(n, 1, generator=random), torch.randn(n, 1, generator=random) * 2 + 1
        exact = wasserstein_distance(x[:, 0].numpy(), y[:, 0].numpy())
        assert recipe.earth_mover(x, y) == pytest.approx(exact, abs=1e-5)
        assert chapter()["earth_mover"](x, y) == pytest.approx(exact, abs=1e-5)
        assert chapter()["sorted_distance"](x[:, 0].numpy(), y[:, 0].numpy()) == pytest.approx(exact, abs=1e-5)


def test_the_penalty_covers_all_modes_and_the_others_do_not() -> None:
    assert row("penalty")["modes"] == [8] * 5
    assert sum(modes < 8 for modes in row("non-saturating")["modes"]) == 3
    assert min(row("non-saturating")["modes"]) == 4
    assert max(row("clipping")["modes"]) < 8


def test_what_is_drawn_without_the_penalty_is_sharper_and_yet_further_off() -> None:
    assert min(row("non-saturating")["near"]) > max(row("penalty")["near"])
    assert max(row("penalty")["distance"]) < min(row("non-saturating")["distance"])
    assert max(row("penalty")["distance"]) < min(row("clipping")["distance"])


def correlations(game: str) -> list[float]:
    def ranks(values):
        return np.argsort(np.argsort(values))

    pairs = zip(row(game)["losses"], row(game)["distances"], strict=True)
    return [float(np.corrcoef(ranks(-np.array(loss)), ranks(exact))[0, 1]) for loss, exact in pairs]


def test_only_the_penalised_critics_value_follows_the_distance() -> None:
    found = {game: correlations(game) for game in ("non-saturating", "clipping", "penalty")}
    assert min(found["penalty"]) > max(found["non-saturating"] + found["clipping"])
    for game, values in found.items():
        line = next(line for line in printed("quality").splitlines() if line.startswith(game))
        assert [float(number) for number in line.split()[1:]] == pytest.approx(values, abs=0.006)


def test_the_estimate_meets_the_exact_distance_in_the_run_shown() -> None:
    errors = [float(error) for error in re.findall(r"([+-]\d+\.\d)%", printed("proof-line"))]
    assert len(errors) == 6
    assert max(map(abs, errors)) < 3


def test_in_the_run_shown_the_penalty_sees_more() -> None:
    shares: dict = {}
    for line in printed("capacity").splitlines()[1:]:
        name, bound, *_, share = re.split(r"\s{2,}|\s(?=clipping|penalty)|(?<=g)\s+|(?<=y)\s+", line.strip())
        shares.setdefault((name, bound), []).append(int(share.rstrip("%")))
    assert len(shares) == 6
    for name in ("eight lumps", "25 lumps", "spiral"):
        assert len(shares[name, "clipping"]) == 3
        assert min(shares[name, "penalty"]) > max(shares[name, "clipping"])


def test_the_steepest_clipped_critic_is_as_steep_as_said() -> None:
    found = {
        float(c): float(slope) for c, slope in re.findall(r"c = +([\d.]+): at most +([\d.]+) steep", printed("depth"))
    }
    assert found.keys() == {0.01, 0.1, 0.5}
    for c, slope in found.items():
        assert slope == pytest.approx(math.sqrt(2) * c**4 * 64**3, rel=0.02)
    assert found[0.01] < 0.01  # the answer to the prediction


def test_the_dual_is_the_distance_and_its_surface_is_not_too_steep() -> None:
    random = np.random.default_rng(1)
    x, y = random.normal(size=(12, 2)), random.normal(1, 1, (9, 2))
    cost = np.linalg.norm(x[:, None] - y, axis=2)
    plan = chapter()["cheapest_plan"](cost, np.full(12, 1 / 12), np.full(9, 1 / 9))
    f, g = chapter()["best_prices"](cost)
    assert f.mean() - g.mean() == pytest.approx((plan * cost).sum(), abs=1e-6)
    places = random.normal(0, 2, (60, 2))
    values = (g + np.linalg.norm(places[:, None] - y, axis=2)).min(1)
    ways = np.linalg.norm(places[:, None] - places, axis=2)
    assert (np.abs(values[:, None] - values) <= ways + 1e-9).all()


def test_numbers_in_the_prose_are_printed() -> None:
    out = printed("table") + printed("quality")
    numbers = re.findall(r"(?<![\d.])\d\.\d{2,3}(?![\d.])", CHAPTER.cells["table-read-text"].source)
    numbers.remove("0.25")  # the band
    assert len(numbers) >= 7
    assert [number for number in numbers if number not in out] == []
    near = [f"{100 * float(np.mean(row(game)['near'])):.0f} %" for game in ("non-saturating", "penalty")]
    assert all(share in CHAPTER.cells["table-read-text"].source for share in near)


def test_in_the_run_shown_penalised_slopes_are_even_and_clipped_ones_are_not() -> None:
    ratios = re.findall(r"(clipping|penalty) .*ratio ([\d.]+)", printed("capacity-look"))
    assert len(ratios) == 6
    for bound, ratio in ratios:
        assert (float(ratio) > 0.7) == (bound == "penalty")
