"""The chapter on inversion: what its prose says holds in what its cells print, and its functions do what they say."""

import functools
import re

import pytest
import torch
from chapters import Chapter

from segen.models import DCGANGenerator, pretrained

CHAPTER = Chapter("generation/inversion")
printed = CHAPTER.printed


@functools.cache
def chapter() -> dict:
    return CHAPTER.defined()


def numbers(text: str) -> list[float]:
    return [float(number) for number in re.findall(r"-?\d+(?:\.\d+)?", text)]


def test_generated_images_are_recovered_from_the_stated_starts() -> None:
    out = printed("proof-recover")
    found = re.findall(r"starts (\d+): (\d) of 8 noises found, off by ([\d.]+) at most,\s+images (\d+) dB", out)
    assert [int(number) for number, *_ in found] == [10, 11, 12]
    assert all(float(off) < 1e-3 and int(level) > 100 for *_, off, level in found)
    total = int(re.search(r"recovered: (\d+) of 24", out)[1])
    assert total == sum(int(count) for _, count, *_ in found) >= 18
    of_images = [int(n) for n in re.search(r"image by image: (.+)", out)[1].split()]
    assert len(of_images) == 8
    assert sum(of_images) == total
    assert min(of_images) >= 1
    assert int(re.search(r"Adam, best of 24: (\d+) dB", out)[1]) < 60


def test_a_noise_is_found_again_by_damped_steps_and_not_by_descent() -> None:
    torch.set_num_threads(1)
    space = chapter()
    draws = pretrained("dcgan").requires_grad_(False)
    true = space["starts"](2, 100)
    begin = true + 0.3 * space["starts"](2, 101)
    kept = begin.clone()
    found, path = space["recover"](draws, draws(true), begin, steps=15)
    assert path.shape == (15, 2)
    assert path[-1].min() > 100
    torch.testing.assert_close(found, true, rtol=0, atol=1e-3)
    found, path = space["descend"](draws, draws(true), begin, steps=15)
    assert path.shape == (15, 2)
    assert (found - true).abs().max() > 0.01
    assert torch.equal(begin, kept)


def test_a_damped_step_is_taken_only_if_it_helps() -> None:
    torch.manual_seed(0)
    generator = DCGANGenerator(3, 1, width=2, size=8).eval().requires_grad_(False)
    for p in generator.parameters():
        p.copy_(torch.randn(p.shape))
    begin = 3 * torch.randn(4, 3)
    _, path = chapter()["recover"](generator, -torch.ones(4, 1, 8, 8), begin, steps=20)
    assert (path.diff(dim=0) >= -1e-4).all()


def test_decibels_are_those_of_the_definition() -> None:
    x = torch.zeros(2, 3, 4, 4)
    assert chapter()["decibels"](x, x + torch.tensor([0.02, 2.0]).view(2, 1, 1, 1)).tolist() == pytest.approx([40, 0])
    assert "40.0 dB" in printed("scratch-psnr")


def test_the_search_by_descent_ends_near_the_image_and_far_from_the_noise() -> None:
    out = printed("scratch-descend")
    apart, before = numbers(re.search(r"from the true noise: .*", out)[0])
    assert apart > 0.7 * before
    assert min(numbers(out.split("each:")[1].splitlines()[0])) > 25


def test_no_singular_value_is_zero() -> None:
    values = [numbers(line)[1] for line in printed("scratch-jacobian").splitlines() if line.startswith("  number")]
    assert values == sorted(values, reverse=True)
    assert values[-1] > 0.01


def test_scipy_finds_the_same_noise() -> None:
    assert max(numbers(line.split(":")[1])[0] for line in printed("same").splitlines()) < 1e-3


def test_the_encoder_saves_steps() -> None:
    rows = [numbers(line) for line in printed("encoder").splitlines() if re.match(r" +\d+ ", line)]
    assert [steps for steps, *_ in rows] == [20, 100]
    assert all(guess > chance for _, chance, guess in rows)
    true, guessed = numbers(re.search(r"length of the noises: .*", printed("encoder"))[0])
    assert guessed < true / 2


def kinds() -> dict[str, list[float]]:
    lines = printed("kinds").splitlines()[1:]
    return {line[:15].strip(): numbers(line[15:]) for line in lines}


def test_drawn_images_are_found_best_and_those_with_clutter_worst() -> None:
    found = kinds()
    assert list(found) == ["drawn", "trained on", "held out", "street"]
    for k in range(3):
        drawn, trained, held_out, street = (found[name][k] for name in found)
        assert drawn > max(trained, held_out) + 2
        assert min(trained, held_out) > street
        assert abs(trained - held_out) < 3
    wall = numbers(re.search(r"best ([\d.]+)", printed("wall"))[0])[0]
    assert wall < 35


def test_fewer_numbers_are_worse_for_real_images_and_not_for_drawn_ones() -> None:
    sizes = {int(row[0]): row[1:] for row in map(numbers, printed("sizes").splitlines()[2:])}
    assert list(sizes) == [2, 8, 64]
    for A in range(3):
        assert sizes[2][3 + A] < sizes[8][3 + A] < sizes[64][3 + A]
        assert min(sizes[d][A] - sizes[d][3 + A] for d in sizes) > 5


def test_a_direction_changes_the_class_and_chance_does_not() -> None:
    rows = [line for line in printed("edit").splitlines()[1:] if line.strip()]
    assert len(rows) == 8
    for way, chance in zip(rows[::2], rows[1::2], strict=True):
        assert "→" in way
        assert max(numbers(way[24:])) > max(numbers(chance[24:])) + 0.2
        assert numbers(way[24:])[0] == 0


def test_what_breaks_has_its_symptom() -> None:
    out = printed("break-train")
    seen, alone = (numbers(line.split(":")[1])[0] for line in out.splitlines()[:2])
    assert seen > alone + 5
    for line in printed("break-mean").splitlines():
        alone, among = (float(value) for value in re.findall(r"([\d.]+) dB", line))
        assert (abs(alone - among) < 1) == line.startswith("sum")


def test_numbers_in_the_prose_are_printed() -> None:
    out = "".join(printed(name) for name, cell in CHAPTER.cells.items() if cell.cell_type == "code")
    for name in PROSE:
        text = CHAPTER.cells[name].source.split("\n## ")[0]
        for number in re.findall(r"(?<![\d.,])\d+\.\d+(?![\d.])", text):
            assert number in out, (name, number)


PROSE = [
    "hook-read-text",
    "scratch-descend-read-text",
    "proof-read-text",
    "encoder-read-text",
    "kinds-read-text",
    "wall-read-text",
    "sizes-read-text",
    "cannot-read-text",
    "edit-read-text",
    "edit-real-read-text",
    "paper-text",
]
