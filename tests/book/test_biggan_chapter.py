"""The chapter on BigGAN: what its prose says holds in the run that is shown, and its pieces are what they are said."""

import functools
import re

import pytest
import torch
from chapters import Chapter
from scipy.stats import truncnorm
from torch import nn
from torch.nn import functional as F

import segen

CHAPTER = Chapter("generation/biggan")
printed = CHAPTER.printed


@functools.cache
def chapter() -> dict:
    return CHAPTER.defined(given={"seed": 0})


BOUNDS = ["none", "1.5", "1.0", "0.5"]


def table(name: str) -> dict[str, list[float]]:
    """Precision, its lowest and highest, recall likewise, Fréchet distance and class accuracy, by bound."""
    part = re.split(r"(?m)^(small|sngan|biggan) .*$", printed("table"))
    lines = part[part.index(name) + 1].strip().splitlines()
    rows = {line.split()[0]: [float(number) for number in re.findall(r"\d+\.\d+", line)[-8:]] for line in lines}
    assert list(rows) == ["real", *BOUNDS]
    return rows


@pytest.mark.parametrize("cell", ["proof-norm", "proof-attention", "proof-projection", "proof-average", "same"])
def test_the_proofs_prove_and_their_controls_fail(cell) -> None:
    lines = dict(re.findall(r"(?m)^([^:\n]+): +(True|False)$", printed(cell)))
    controls = {"unequal", "divided by √D", "with the wrong classes"}
    for name, said in lines.items():
        assert said == str(name not in controls), name
    assert lines or "equal: True" in printed(cell)
    assert "equal: False" not in printed(cell)


def test_the_papers_networks_are_counted() -> None:
    assert "70,433,988" in printed("same")
    assert "87,982,370" in printed("same")


def test_the_pieces_are_what_they_are_said_to_be() -> None:
    torch.manual_seed(0)
    own = chapter()
    x, condition = torch.randn(5, 3, 4, 4), torch.randn(5, 6)
    scale, shift = torch.randn(2, 3, 6)
    y = own["conditional_norm"](x, condition, scale, shift)
    normal = F.batch_norm(x, None, None, training=True)
    expected = normal * (1 + condition @ scale.T)[..., None, None] + (condition @ shift.T)[..., None, None]
    torch.testing.assert_close(y, expected)
    seen, weights = own["attend"](x, *torch.randn(3, 3, 3))
    assert seen.shape == x.shape
    torch.testing.assert_close(weights.sum(2), torch.ones(5, 16))
    orthogonal = nn.init.orthogonal_(torch.empty(6, 20)) * torch.arange(1, 7)[:, None]
    assert own["orthogonal"](orthogonal) < 1e-6  # lengths cost nothing
    assert own["orthogonal"](torch.ones(2, 3)) == 18
    z = own["truncated"]((50000,), 0.7, torch.Generator().manual_seed(0))
    assert z.abs().max() <= 0.7
    assert z.std().item() == pytest.approx(truncnorm(-0.7, 0.7).std(), abs=0.01)


def test_the_small_networks_are_conditional() -> None:
    torch.manual_seed(0)
    generator, critic = chapter()["SmallGenerator"](), chapter()["SmallCritic"]()
    z, labels = torch.randn(4, 32), torch.tensor([0, 1, 2, 3])
    generator.eval(), critic.eval()
    x = generator(z, labels)
    assert x.shape == (4, 3, 16, 16)
    assert not torch.allclose(x, generator(z, labels.flip(0)))
    logits = critic(x, labels)
    assert logits.shape == (4,)
    assert not torch.allclose(logits, critic(x, labels.flip(0)))
    blind = chapter()["Blind"](critic)
    assert torch.equal(blind(x, labels), blind(x, labels.flip(0)))


def share(pattern: str, cell: str) -> float:
    return float(re.search(pattern, printed(cell))[1]) / 100


def test_the_told_game_learns_the_classes_and_the_other_does_not() -> None:
    assert share(r"drawn ones: +(\d+)%", "train-look") > 0.6
    assert share(r"(\d+)% are of the class", "break-blind") < 0.3


@pytest.mark.parametrize("name", ["small", "sngan"])
def test_truncation_costs_recall_and_gains_no_precision(name) -> None:
    rows = table(name)
    recalls = [rows[bound][3] for bound in BOUNDS]
    assert recalls == sorted(recalls, reverse=True)
    assert recalls[-1] < recalls[0] - 0.2
    _, lowest, highest = rows["none"][:3]
    for bound in BOUNDS[1:]:
        assert rows[bound][1] <= highest  # no bound is above by more than the spread
    assert rows["0.5"][2] < lowest
    assert rows["real"][0] > 0.8


def test_the_shipped_generator_has_nothing_to_trade() -> None:
    rows = table("biggan")
    for bound in BOUNDS:
        assert max(rows[bound][2], rows[bound][5]) < 0.05
        assert rows[bound][7] > 0.5
    row = next(row for row in segen.results("generation") if row["network"] == "BigGAN")
    assert max(row["recall"]) < 0.01
    assert max(row["precision"]) < 0.02
    assert min(row["modes"]) >= 9


def test_the_class_is_heard_above_the_noise_and_was_not_at_first() -> None:
    rows = re.findall(r"(?m)^\d\.\d +([\d.]+) +([\d.]+) +([\d.]+) +([\d.]+)", printed("heard"))
    assert len(rows) == 6
    for fresh_class, fresh_noise, trained_class, trained_noise in rows:
        assert float(fresh_class) < float(fresh_noise)
        assert float(trained_class) > float(trained_noise)


def test_lengthened_noise_draws_better_than_short_noise() -> None:
    found = {
        (name, kind): float(precision)
        for name, kind, precision in re.findall(
            r"(?m)^(small|sngan) +(normal|b = 0\.5|lengthened) +[\d.]+ +([\d.]+)", printed("break-truncation")
        )
    }
    assert len(found) == 6
    for name in ("small", "sngan"):
        assert found[name, "lengthened"] > found[name, "b = 0.5"] + 0.1


def test_numbers_in_the_prose_are_printed() -> None:
    pairs = {
        "train-read-text": ["train-look"],
        "table-read-text": ["table"],
        "part-read-text": ["part"],
        "heard-read-text": ["heard"],
        "break-buffers-read-text": ["break-buffers"],
        "break-truncation-read-text": ["break-truncation"],
    }
    for text, shown in pairs.items():
        out = "".join(map(printed, shown)).replace("%", " %")
        numbers = re.findall(r"(?<![\d.])\d+\.\d\d(?!\d)|\d+ %", CHAPTER.cells[text].source.partition("## ")[0])
        of_the_paper = ["16 %", "60 %"]
        assert [number for number in numbers if number not in out and number not in of_the_paper] == [], text


def test_foreign_statistics_spoil_the_averaged_weights() -> None:
    found = {
        name.strip(): float(value) for name, value in re.findall(r"(?m)^(.+?) +class +(\d+)%", printed("break-buffers"))
    }
    assert len(found) == 4
    assert found["of the first day"] < min(found["averaged"], found["recomputed"]) - 20


def test_the_debugging_exercise_is_broken_and_mended() -> None:
    assert share(r"(\d+)% where", "debug") < 0.6
    assert share(r"(\d+)% where", "debug-solved") > 0.9


def test_what_is_said_of_the_parts_table() -> None:
    signs, clothing = (
        {row["network"]: row for row in segen.results("generation") if row["data"] == data}
        for data in ("RoadSigns", "FashionMNIST")
    )
    assert len(signs) == len(clothing) == 6
    distances = {name: row["frechet"] for name, row in signs.items()}
    later = ("WGAN-GP", "SN-GAN")
    assert max(distances["DCGAN"]) < min(min(d) for name, d in distances.items() if name != "DCGAN")
    assert max(distances["ProGAN"]) < min(min(distances[name]) for name in later)
    assert min(distances["BigGAN"]) > max(max(distances[name]) for name in ("DCGAN", "ProGAN", *later))
    assert max(signs["GAN"]["modes"]) == 2
    assert min(min(row["modes"]) for name, row in signs.items() if name != "GAN") == 9

    in_order = sorted(clothing, key=lambda name: clothing[name]["frechet"][0])
    assert in_order == ["DCGAN", "ProGAN", "SN-GAN", "WGAN-GP", "BigGAN", "GAN"]
    assert max(clothing, key=lambda name: clothing[name]["recall"][0]) == "DCGAN"
    assert [name for name, row in clothing.items() if row["modes"][0] >= 9] == ["DCGAN"]
