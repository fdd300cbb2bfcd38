"""The chapter on DCGAN: what its prose says of the stored runs holds there, and a run begins as it did."""

import functools
import io
import re

import dcgan as recipe
import numpy as np
import PIL.Image
import pytest
import torch
from chapters import Chapter

import segen

CHAPTER = Chapter("generation/dcgan")
printed = CHAPTER.printed


@functools.cache
def chapter() -> dict:
    return CHAPTER.defined("same", "surgery")


MATTERS = ("strides", "batch norm", "no hidden layer", "tanh", "beta1 = 0.5")
IDLE = ("leaky ReLU", "first weights")


def row(dropped: str) -> dict:
    (found,) = [row for row in segen.results("dcgan") if row["dropped"] == dropped]
    return found


def test_the_table_is_whole() -> None:
    rows = segen.results("dcgan")
    assert [{"dropped": row["dropped"]} for row in rows] == recipe.GRID
    for row in rows:
        assert row["seeds"] == [0, 1, 2]
        assert row["recipe"] == "recipes/dcgan.py"
        assert row["commit"]
        assert (row["steps"], row["batch_size"], row["judged"]) == (800, 32, 2000)
        assert max(row["seconds"] / 3 for row in rows) < 40
        assert np.array(row["discriminator_loss"]).shape == np.array(row["generator_loss"]).shape == (3, 16)
        for counts, modes, share in zip(row["counts"], row["modes"], row["recognised"], strict=True):
            assert modes == sum(count >= 10 for count in counts)
            assert share == pytest.approx(sum(counts) / 1000)


@pytest.mark.parametrize("dropped", ["batch norm", "nothing"])
def test_a_row_begins_as_it_did(dropped) -> None:
    torch.set_num_threads(1)
    _, history = recipe.fit({"dropped": dropped}, 0, steps=recipe.FIRST)
    assert history.discriminator_loss[0] == pytest.approx(row(dropped)["discriminator_loss"][0][0], abs=0.01)
    # Fifty steps enlarge what processors round differently, most where nothing is dropped; seeds lie 0.5 apart there.
    near = {"batch norm": 0.005, "nothing": 0.03}[dropped]
    assert history.generator_loss[0] == pytest.approx(row(dropped)["generator_loss"][0][0], abs=near)
    # The control: another seed is another run.
    others = row(dropped)["generator_loss"][1:]
    assert max(abs(history.generator_loss[0] - other[0]) for other in others) > 2 * near


def test_the_chapter_and_the_recipe_build_alike() -> None:
    torch.manual_seed(0)
    z, x = torch.randn(3, 64), torch.rand(3, 3, 32, 32) * 2 - 1
    for dropped in chapter()["surgery"]:
        pair = chapter()["operated"](dropped)
        theirs = recipe.Generator(dropped), recipe.Discriminator(dropped)
        assert sum(p.numel() for n in pair for p in n.parameters()) == row(dropped)["parameters"][0]
        for mine, other, given in zip(pair, theirs, (z, x), strict=True):
            mine.apply(lambda m: m.reset_parameters() if hasattr(m, "reset_parameters") else None)
            values = list(mine.state_dict().values())
            assert [v.shape for v in values] == [v.shape for v in other.state_dict().values()]
            other.load_state_dict(dict(zip(other.state_dict(), values, strict=True)))
            torch.testing.assert_close(mine.eval()(given), other.eval()(given))


def test_five_guidelines_matter_and_two_do_not() -> None:
    whole = row("nothing")["frechet"]
    for dropped in MATTERS:
        assert min(row(dropped)["frechet"]) > max(whole)
    for dropped in IDLE:
        assert min(row(dropped)["frechet"]) < max(whole)
        assert max(row(dropped)["frechet"]) > min(whole)
        assert max(row(dropped)["modes"]) >= min(row("nothing")["modes"])
    assert max(whole) - min(whole) == pytest.approx(0.63, abs=0.05)  # "about 0.6"


def test_what_is_said_of_single_rows() -> None:
    for dropped in ("batch norm", "tanh"):
        assert row(dropped)["recognised"] == [0.0] * 3
    assert max(row("beta1 = 0.5")["modes"]) <= 2
    assert row("beta1 = 0.5")["recognised"][1] == 1.0
    assert row("beta1 = 0.5")["modes"][1] == 1
    assert [row("no hidden layer")["frechet"][i] for i in (0, 2)] == pytest.approx([22.9, 491.4], abs=0.05)
    assert min(row("strides")["modes"]) >= 4


def ends(name: str) -> dict[str, list[float]]:
    return {r["dropped"]: [float(np.mean(run[-4:])) for run in r[name]] for r in segen.results("dcgan")}


def test_no_loss_orders_the_runs() -> None:
    d, g = ends("discriminator_loss"), ends("generator_loss")
    least = min((value, name) for name, values in g.items() for value in values)
    assert least[1] == "batch norm"
    best = [value for name in ("nothing", *IDLE) for value in d[name]]
    others = [value for name in MATTERS for value in d[name]]
    assert min(others) < min(best)
    assert max(others) > max(best)
    best = [value for name in ("nothing", *IDLE) for value in g[name]]
    others = [value for name in MATTERS for value in g[name]]
    assert min(others) < min(best)
    assert max(others) > max(best)
    correlations = [float(v) for v in re.findall(r"([+-]\d\.\d\d)$", printed("losses"), re.MULTILINE)]
    assert len(correlations) == 2
    assert max(map(abs, correlations)) < 0.4
    highest = max(value for values in d.values() for value in values)
    assert f"highest discriminator's loss: {highest:.2f}" in printed("losses")


def test_the_four_curves_are_as_the_answer_says() -> None:
    d, g = ends("discriminator_loss"), ends("generator_loss")
    assert d["tanh"][0] < 0.01 < g["tanh"][0]
    assert g["tanh"][0] == max(g[name][0] for name in ("tanh", "batch norm", "nothing", "beta1 = 0.5"))
    assert d["beta1 = 0.5"][0] < 0.05
    assert abs(d["batch norm"][0] - g["batch norm"][0]) < 0.3
    assert d["nothing"][0] == pytest.approx(0.3, abs=0.05)
    assert g["nothing"][0] == pytest.approx(4, abs=0.3)


def test_the_run_that_is_shown_draws_signs() -> None:
    found = re.search(r"distance ([\d.]+) \(1,000 samples\), (\d+)% recognised", printed("train-look"))
    distance, recognised = float(found[1]), int(found[2])
    assert distance < max(row("nothing")["frechet"])
    assert recognised > 55
    counts = [int(n) for n in re.findall(r"^ +(\d+) ", printed("train-look"), re.MULTILINE)]
    assert len(counts) == 10
    assert sum(count >= 10 for count in counts) >= 8
    assert printed("train").startswith("287,088 weights")


def test_the_losses_stand_still_while_the_distance_falls() -> None:
    middle, last = (re.findall(r"\d\.\d\d", line) for line in printed("train-curves").splitlines()[1:3])
    for a, b in zip(middle, last, strict=True):
        assert float(b) == pytest.approx(float(a), rel=0.25)
    distances = [float(d) for d in printed("train-curves").splitlines()[3].split()[1:]]
    assert len(distances) == 8
    assert distances[-1] < 0.75 * distances[2]


def test_the_middle_is_short_and_no_worse() -> None:
    lines = {line.split()[0]: line.split()[1:] for line in printed("latent-lengths").splitlines()[1:]}
    length = {name: float(values[0]) for name, values in lines.items()}
    assert length["straight"] == pytest.approx(32**0.5, abs=0.1)
    assert length["sphere"] == pytest.approx(8, abs=0.1)
    shares = [int(values[1].rstrip("%")) for values in lines.values()]
    assert max(shares) - min(shares) <= 5
    distances = [float(values[2]) for values in lines.values()]
    assert max(distances) - min(distances) < 0.2


def test_steps_between_means_change_the_kind() -> None:
    rows = [re.findall(r"(\d+)%", line) for line in printed("latent-arithmetic").splitlines()[2:]]
    assert len(rows) == 6
    for still, now, random_still, random_now in (map(int, row) for row in rows):
        assert now > 50 > 20 > still  # more than half, hardly any
        assert random_still > 50
        assert now > 2 * random_now


def test_the_moving_picture_moves() -> None:
    frames = [torch.rand(4, 3, 8, 8, generator=torch.Generator().manual_seed(s)) * 2 - 1 for s in range(3)]
    film = PIL.Image.open(io.BytesIO(chapter()["moving"](frames, columns=2)))
    assert (film.n_frames, film.size, film.info["loop"]) == (3, (16, 16), 0)
    film.seek(0)
    shown = torch.from_numpy(np.array(film.convert("RGB")).astype(np.float32)) / 127.5 - 1
    assert (shown[:8, 8:] - frames[0][1].permute(1, 2, 0)).abs().mean() < 0.15
    (output,) = [o for o in CHAPTER.cells["train-gif"].outputs if "data" in o and "image/gif" in o.data]
    assert output.data["image/gif"]


def test_numbers_in_the_prose_are_printed() -> None:
    text = "".join(CHAPTER.cells[name].source for name in ("table-read-text", "losses-read-text"))
    numbers = re.findall(r"(?<![\d.])\d+\.\d(?![\d.])", text)
    numbers = [n for n in numbers if n != "0.9"]
    assert len(numbers) >= 2
    assert [n for n in numbers if n not in printed("table")] == []
    assert "864,129" in printed("hook")
    for n in ("98,304", "73,728", "18,432", "1,152"):
        assert n in printed("scratch-net")
