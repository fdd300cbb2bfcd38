"""The chapter on driving: what its prose says of the stored tables holds there, and its own functions are right."""

import functools
import re

import numpy as np
import pytest
import torch
from chapters import Chapter
from torch import nn

import segen
from segen.data import StreetScenes

CHAPTER = Chapter("segmentation/driving")
printed = CHAPTER.printed
prose = CHAPTER.prose


@functools.cache
def chapter() -> dict:
    return CHAPTER.defined()


WEATHERS = ("clear", "rain", "fog", "night")


def shift(trained: str, augmented: str) -> dict:
    (row,) = [r for r in segen.results("shift") if (r["trained"], r["augmented"]) == (trained, augmented)]
    return row


def part(data: str) -> dict:
    return {row["network"]: row for row in segen.results("segmentation") if row["data"] == data}


def test_numbers_of_the_experiment_are_in_its_tables():
    numbers = re.findall(r"\b0\.\d{3}\b", prose("experiment-read-text"))
    assert len(numbers) > 10
    assert [number for number in numbers if number not in printed("table")] == []


def test_numbers_of_the_parts_table_are_printed():
    numbers = re.findall(r"\b0\.\d{3}\b", prose("part-read-text"))
    assert len(numbers) > 5
    assert [number for number in numbers if number not in printed("part", "part-classes", "real")] == []


def test_weather_takes_a_third_and_more():
    clear = shift("clear", "no")
    for weather in WEATHERS[1:]:
        for before, after in zip(clear["clear"], clear[weather], strict=True):
            assert after < before * 0.69


def test_what_is_said_of_colours_and_light():
    no, colours, light = (shift("clear", how) for how in ("no", "colours", "light"))
    for weather in WEATHERS[1:]:
        assert min(colours[weather]) > max(no[weather])
    assert np.mean(colours["clear"]) < np.mean(no["clear"])
    for weather in ("rain", "fog", "clear"):
        assert np.mean(light[weather]) < np.mean(colours[weather])
    assert abs(np.mean(light["night"]) - np.mean(colours["night"])) < 0.01


def test_what_is_said_of_classes_at_night():
    day, night = (np.mean(shift("clear", "no")[f"{weather}_class_iou"], axis=0) for weather in ("clear", "night"))
    sky, sign = 0, 7
    assert night[sky] == 0
    assert abs(night[sign] - day[sign]) < 0.02
    changed = np.mean(shift("clear", "colours")["night_class_iou"], axis=0)
    assert [StreetScenes.classes[i] for i in np.flatnonzero(changed < night)] == [
        "building",
        "pavement",
        "sign",
    ]


def test_what_is_said_of_all_weathers():
    mixed, no = shift("mixed", "no"), shift("clear", "no")
    assert max(mixed["clear"]) < min(no["clear"])
    for weather in WEATHERS[1:]:
        assert min(mixed[weather]) > max(max(r[weather]) for r in segen.results("shift") if r["trained"] == "clear")


def test_which_weather_is_hardest():
    no, mixed = shift("clear", "no"), shift("mixed", "no")
    assert np.mean(no["fog"]) < np.mean(no["night"]) < np.mean(no["rain"])
    (harder_at_night,) = [i for i, (fog, night) in enumerate(zip(no["fog"], no["night"], strict=True)) if night < fog]
    assert no["seeds"][harder_at_night] == 1
    assert (round(no["fog"][harder_at_night], 3), round(no["night"][harder_at_night], 3)) == (0.393, 0.391)
    means = [np.mean(mixed[weather]) for weather in WEATHERS[1:]]
    assert means.index(min(means)) == 0  # rain
    assert max(means) - min(means) < 0.02


def test_what_is_said_of_the_parts_table():
    streets, camvid = part("StreetScenes"), part("CamVid")
    for score in ("mean_iou", "boundary_iou"):
        best = min(streets["U-Net"][score])
        assert best > max(max(row[score]) for name, row in streets.items() if name != "U-Net")
    for cost in ("multiply_adds", "latency_ms"):
        assert max(streets, key=lambda name: streets[name][cost]) == "U-Net"
    assert sorted(camvid, key=lambda name: -camvid[name]["mean_iou"][0])[:2] == ["DeepLabV3+", "FCN-8s"]
    assert min(camvid, key=lambda name: camvid[name]["mean_iou"][0]) == "SegNet"
    classes = {name: np.mean(row["class_iou"], axis=0) for name, row in streets.items()}
    for name, found in classes.items():
        assert (classes["U-Net"] >= found).all()
        assert set(np.argsort(found)[:2]) == {6, 7}, name  # people and signs
    for name, row in camvid.items():
        assert set(np.argsort(row["class_iou"][0])[:4]) == {2, 6, 9, 10}, name  # poles, signs, people, bicyclists


def test_a_row_that_was_not_run_says_so():
    assert printed("part").count("not run") >= len(
        [row for row in segen.results("baselines") if "latency_ms" not in row]
    )
    for row in segen.results("segmentation"):
        assert row["network"] in printed("part")


@pytest.mark.parametrize(("tile", "margin"), [(16, 4), (24, 8), (40, 4)])
def test_tiles_with_margins_as_wide_as_the_view_are_the_whole(tile, margin):
    """Two 3×3 convolutions see two pixels to each side; inside the picture no tile may show."""
    torch.manual_seed(0)
    network = nn.Sequential(nn.Conv2d(3, 4, 3, padding=1), nn.Conv2d(4, 2, 3, padding=1)).double()
    x = torch.randn(2, 3, 40, 56, dtype=torch.float64)
    with torch.no_grad():
        whole, tiled = network(x), chapter()["by_tiles"](network, x, tile, margin)
        torch.testing.assert_close(tiled, whole)
        assert not torch.allclose(chapter()["by_tiles"](network, x, tile, 0), whole) or tile == 40


def test_what_is_said_of_the_drive():
    said = re.findall(r"(?<![\d.])\d+\.\d+", prose("drive-read-text"))
    assert len(said) == 5
    shown = printed("drive", "shipped")
    assert [number for number in said if number not in shown] == []
    truth, answer, still = (float(share) for share in re.findall(r"(\d+\.\d)%", printed("drive")))
    follows = (answer - still * (100 - truth) / 100) / truth  # where the truth changes
    assert follows < 0.8


def test_the_drive_moves_for_sixty_frames():
    pictures = [o.data["image/gif"] for o in CHAPTER.cells["drive"].outputs if "image/gif" in o.get("data", {})]
    assert len(pictures) == 1
    assert len(pictures[0]) < 700_000
