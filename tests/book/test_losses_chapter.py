"""The chapter on losses: what its prose says of the stored table holds there, and a row can be begun again."""

import losses as recipe
import pytest

import segen

ROWS = {row["loss"]: row for row in segen.results("losses")}
SIGN = 7


def signs(loss: str, score: str) -> list[float]:
    return [classes[SIGN] for classes in ROWS[loss][score]]


def test_the_table_is_whole() -> None:
    assert list(ROWS) == list(recipe.LOSSES)
    for row in ROWS.values():
        assert row["seeds"] == [0, 1, 2]
        assert row["recipe"] == "recipes/losses.py"
        assert row.items() >= recipe.FIXED.items()
        for name in ("mean_iou", "pixel_accuracy", "calibration", "class_iou", "first_loss"):
            assert len(row[name]) == 3


def test_a_row_begins_as_it_did() -> None:
    """The first steps of a run do not depend on how many follow: their loss must be the stored one."""
    stored = ROWS["Dice"]["first_loss"]
    _, history = recipe.fit({"loss": "Dice"}, 0, steps=recipe.FIRST)
    assert history.loss[0] == pytest.approx(stored[0], abs=0.01)
    # The control: another loss is another run.
    assert ROWS["cross-entropy"]["first_loss"][0] != pytest.approx(stored[0], abs=0.05)


def test_weights_buy_recall_with_false_alarms() -> None:
    assert min(ROWS["weighted"]["mean_iou"]) > max(ROWS["cross-entropy"]["mean_iou"])
    assert min(signs("weighted", "class_accuracy")) > max(signs("cross-entropy", "class_accuracy")) + 0.3
    assert max(ROWS["weighted"]["pixel_accuracy"]) < min(ROWS["cross-entropy"]["pixel_accuracy"])


def test_focal_is_within_the_spread_of_cross_entropy() -> None:
    focal, plain = ROWS["focal"]["mean_iou"], ROWS["cross-entropy"]["mean_iou"]
    assert min(focal) < max(plain)
    assert min(plain) < max(focal)


def test_regions_are_above_means_over_pixels_and_lovasz_leads() -> None:
    pixels = [iou for loss in ("cross-entropy", "weighted", "focal") for iou in ROWS[loss]["mean_iou"]]
    for loss in ("Dice", "Tversky"):
        assert min(ROWS[loss]["mean_iou"]) > max(pixels)
        assert min(ROWS["Lovász"]["mean_iou"]) > max(ROWS[loss]["mean_iou"])
    assert min(signs("Tversky", "class_accuracy")) > max(signs("Dice", "class_accuracy"))
    for loss in ("Dice", "Tversky"):
        assert sum(signs(loss, "class_accuracy")) > 1.8 * sum(signs("cross-entropy", "class_accuracy"))


def test_what_probabilities_mean() -> None:
    calibrated = ROWS["cross-entropy"]["calibration"] + ROWS["weighted"]["calibration"]
    for loss, sign in (("focal", 1), ("Dice", -1)):
        assert min(ROWS[loss]["calibration"]) > max(calibrated) + 0.03
        for run in ROWS[loss]["reliability"]:
            sure, right = run[11]
            assert sign * (right - sure) > 0.05
