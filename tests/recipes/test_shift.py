"""The table of the chapter on driving's experiment: its rows are whole, and one of them can be begun again."""

import pytest
import shift
import torch

import segen

ROWS = segen.results("shift")


def row(**settings) -> dict:
    (found,) = [row for row in ROWS if settings.items() <= row.items()]
    return found


def test_the_table_is_whole():
    assert [{name: row[name] for name in ("trained", "augmented")} for row in ROWS] == shift.GRID
    for stored in ROWS:
        assert stored.items() >= shift.FIXED.items()
        assert stored["seeds"] == list(shift.SEEDS)
        assert stored["recipe"] == "recipes/shift.py"
        assert stored["commit"]
        assert stored["seconds"] < 3 * 60  # a minute of one core a run
        assert len(set(stored["first_loss"])) == 3
        for weather in shift.WEATHERS:
            for mean, classes in zip(stored[weather], stored[f"{weather}_class_iou"], strict=True):
                assert mean == pytest.approx(sum(classes) / 8, abs=2e-4)


def test_a_row_begins_as_it_did():
    """The first steps of a run do not depend on how many follow: their loss must be the stored one."""
    torch.set_num_threads(1)
    settings = {"trained": "clear", "augmented": "colours"}
    _, history = shift.fit(settings, 1, steps=shift.FIRST)
    assert history.loss[0] == pytest.approx(row(**settings)["first_loss"][1], abs=0.01)
    # The controls: another seed and another augmentation are other runs.
    assert row(**settings)["first_loss"][0] != pytest.approx(history.loss[0], abs=0.02)
    assert row(trained="clear", augmented="light")["first_loss"][1] != pytest.approx(history.loss[0], abs=0.02)


def test_dimming_keeps_the_range_and_moves_no_pixel():
    torch.manual_seed(0)
    image = torch.rand(3, 8, 8)
    dimmed = [shift.dim(image) for _ in range(20)]
    assert all(x.min() >= 0 and x.max() <= 1 for x in dimmed)
    assert min(x.mean() for x in dimmed) < 0.5 * image.mean()
    flat = shift.dim(torch.full((3, 64, 64), 0.5))
    assert (flat - flat.mean()).abs().max() < 0.4  # nothing but noise


# What the chapter says of the table


def test_training_in_all_weathers_is_best_outside_clear_weather():
    clear = row(trained="clear", augmented="no")
    mixed = row(trained="mixed", augmented="no")
    for weather in ("rain", "fog", "night"):
        others = [other for other in ROWS if other["trained"] == "clear"]
        assert min(mixed[weather]) > max(max(other[weather]) for other in others)
    assert max(mixed["clear"]) < min(clear["clear"])


def test_colours_recover_some_of_what_weather_takes():
    clear, colours = (row(trained="clear", augmented=a) for a in ("no", "colours"))
    for weather in ("rain", "fog", "night"):
        assert min(colours[weather]) > max(clear[weather])
    assert max(colours["clear"]) < min(clear["clear"])
