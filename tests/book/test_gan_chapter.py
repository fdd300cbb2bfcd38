"""The chapter on the GAN: what its prose says is what its cells print, and its functions do what they say."""

import functools
import io
import math
import re
from base64 import b64decode

import numpy as np
import pytest
import torch
from chapters import Chapter
from PIL import Image

import segen
from segen import losses

CHAPTER = Chapter("generation/gan")
printed = CHAPTER.printed


@functools.cache
def chapter() -> dict:
    return CHAPTER.defined("angle", "centres", "looks")


def numbers(line: str) -> list[float]:
    return [float(number) for number in re.findall(r"-?\d+(?:\.\d+)?(?:e[-+]\d+)?", line)]


def test_the_losses_are_those_of_the_package() -> None:
    random = torch.Generator().manual_seed(0)
    real, fake = (20 * torch.randn(50, generator=random) for _ in range(2))
    ours = {"minimax": "minimax_loss", "nonsaturating": "nonsaturating_loss"}
    for kind, name in ours.items():
        of_d, of_g = losses.adversarial(kind)
        torch.testing.assert_close(chapter()["discriminator_loss"](real, fake), of_d(real, fake))
        torch.testing.assert_close(chapter()[name](fake), of_g(fake))
    assert not torch.isclose(chapter()["minimax_loss"](fake), chapter()["nonsaturating_loss"](fake))


def test_a_mixture_has_the_density_that_it_is_drawn_from() -> None:
    mixture = chapter()["Mixture"]((0.25, -2.0, 0.5), (0.75, 1.0, 1.0))
    line = np.linspace(-12, 12, 4001)
    assert np.trapezoid(mixture.density(line), line) == pytest.approx(1, abs=1e-6)
    torch.manual_seed(0)
    drawn = mixture.draw(40000)
    assert drawn.shape == (40000, 1)
    for edge in (-2.0, 0.0, 1.5):
        below = np.trapezoid(np.where(line <= edge, mixture.density(line), 0), line)
        assert (drawn <= edge).float().mean().item() == pytest.approx(below, abs=0.012)


def test_the_trained_discriminators_meet_the_formula_in_the_run_shown() -> None:
    errors = [numbers(line)[1] for line in printed("proof-best").splitlines()]
    assert len(errors) == 3
    assert max(errors) < 0.03


def test_the_value_is_that_of_the_divergence() -> None:
    rows = [numbers(line[14:]) for line in printed("proof-value").splitlines()[1:]]
    assert len(rows) == 4
    for divergence, value, right in rows:
        assert value == pytest.approx(right, abs=2e-4)
        assert value == pytest.approx(-math.log(4) + 2 * divergence, abs=3e-4)
    assert rows[0][0] == 0
    assert rows[-1][0] == pytest.approx(math.log(2), abs=1e-4)


def test_only_one_of_the_losses_saturates_in_the_run_shown() -> None:
    found: dict = {}
    for line in printed("saturate").splitlines()[1:]:
        seed, step, minimax, other = numbers(line)
        found[seed, step] = minimax, other
    assert len(found) == 12
    for seed in range(3):
        assert found[seed, 30][0] > found[seed, 100][0] > found[seed, 300][0]
        assert found[seed, 30][1] < found[seed, 100][1] < found[seed, 300][1]


def test_modes_are_counted_as_the_chapter_says() -> None:
    centres, covered = chapter()["centres"], chapter()["covered"]
    torch.testing.assert_close(centres.norm(dim=1), torch.full((8,), 2.0))
    points = torch.cat([centres[:3].repeat_interleave(10, 0), torch.zeros(970, 2)])
    assert covered(points) == (3, pytest.approx(0.03))
    assert covered(torch.cat([points[1:], torch.zeros(1, 2)]))[0] == 2
    assert covered(centres + torch.tensor([0.205, 0.0])) == (0, 0.0)


def test_the_game_is_a_function_of_its_seed_and_watching_moves_nothing() -> None:
    play = chapter()["play"]
    one, two, other = play(3, steps=12, every=4)[2], play(3, steps=12, every=12)[2], play(4, steps=12, every=4)[2]
    assert one["step"] == [1, 4, 8, 12]
    assert two["step"] == [1, 12]
    assert torch.equal(one["points"][-1], two["points"][-1])
    assert not torch.allclose(one["points"][-1], other["points"][-1])


def test_a_row_of_the_experiment_is_what_was_printed() -> None:
    lines = printed("experiment").splitlines()
    assert len(lines) == 8
    rows = {line[:24].strip(): numbers(line[24:]) for line in lines[1:7]}
    assert {len(row) for row in rows.values()} == {6}
    modes = {re.sub(r" +", " ", name): row[:5] for name, row in rows.items()}
    for name in ("minimax", "non-saturating", "least squares"):
        assert np.mean(modes[f"even {name}"]) > np.mean(modes[f"hurried {name}"]) + 2
    (stored,) = (row for row in segen.results("wgan") if row["game"] == "non-saturating")
    assert lines[7].endswith(" ".join(map(str, stored["modes"])))


def test_the_failures_fail_in_the_run_shown() -> None:
    for line in printed("gallery").splitlines()[1:]:
        assert numbers(line[12:])[0] <= 3
    assert numbers(printed("gallery").splitlines()[1][12:])[2] == pytest.approx(2 * math.log(2), abs=0.02)
    last = [numbers(line[12:]) for line in printed("dead-cause").splitlines()[-4:]]
    assert last[0][1] > 0.9
    assert max(new for _, new in last[1:]) < 0.6


def test_the_smallest_game_goes_round() -> None:
    radii = {m: np.linalg.norm(chapter()["small_game"](m)[-40:], axis=1).mean() for m in (0.0, 0.5, 0.7)}
    found = [numbers(line)[-1] for line in printed("oscillation-cause").splitlines()]
    assert found == pytest.approx(list(radii.values()), abs=0.006)
    assert radii[0.0] < radii[0.5] < 1 < radii[0.7]


def test_the_picture_moves_and_loops() -> None:
    (data,) = (o.data["image/gif"] for o in CHAPTER.cells["train-moving"].outputs if "image/gif" in o.get("data", {}))
    picture = Image.open(io.BytesIO(b64decode(data)))
    assert picture.n_frames >= 20
    assert picture.info["loop"] == 0


@pytest.mark.parametrize("name", ["oscillation-text", "dead-text", "proof-value-read-text", "experiment-read-text"])
def test_numbers_in_the_prose_are_printed(name) -> None:
    out = "".join(
        map(printed, ("scratch-losses", "proof-value", "oscillation-cause", "gallery", "experiment", "train"))
    )
    out += f" {2 * math.log(2):.3f}"
    said = re.findall(r"(?<![\d.])\d\.\d{2,4}(?![\d.])", CHAPTER.cells[name].source)
    assert [number for number in said if number not in out and number != "1.386"] == []
