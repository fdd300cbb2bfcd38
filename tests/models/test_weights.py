"""Shipped networks are what their cards say, and the recipe that made them makes them again."""

import math
from pathlib import Path

import driving
import pytest
import roadsigns as recipe
import torch
from safetensors.torch import load_file

import segen
from segen.data import CamVid, RoadSigns, StreetScenes, data_root
from segen.models import ResNet, pretrained, weights
from segen.training import ClassifierTrainer

ROOT = Path(__file__).parents[2]
HELD_OUT = 1500


@pytest.fixture(scope="module")
def signs():
    """Held-out signs of both views, of a seed that is neither trained on nor measured on in the recipe."""
    return {view: RoadSigns(HELD_OUT, seed=2, view=view) for view in ("street", "plain")}


def accuracy(network: torch.nn.Module, signs) -> float:
    return ClassifierTrainer(network).evaluate(signs, batch_size=500)["accuracy"]


@pytest.mark.parametrize("name", weights.NETWORKS)
def test_what_is_shipped_is_small_and_half_precision(name):
    file = weights.ASSETS / f"{name}.safetensors"
    assert file.stat().st_size < 2_000_000
    stored = load_file(file)
    assert {value.dtype for value in stored.values()} <= {torch.float16, torch.int64}
    assert all(value.isfinite().all() for value in stored.values())
    network = pretrained(name)
    assert not network.training
    assert {value.dtype for value in network.state_dict().values()} <= {torch.float32, torch.int64}
    assert network.state_dict().keys() == stored.keys()
    for key, value in network.state_dict().items():
        assert torch.equal(value, stored[key].to(value.dtype))
    assert network.card["name"] == name
    assert {"what", "trained_on", "measured_on", "recipe", "commit", "seed", "licence"} <= network.card.keys()
    assert (ROOT / network.card["recipe"]).is_file()


def test_the_card_of_the_road_signs_and_its_table_agree():
    card, (row,) = pretrained("roadsigns").card, segen.results("roadsigns")
    assert (weights.ASSETS / "roadsigns.safetensors").stat().st_size < 1_000_000
    assert {name: row[name] for name in recipe.GRID[0]} == recipe.GRID[0]
    assert recipe.FIXED.items() <= row.items()
    assert row["held_out"] == 10_000
    assert row["seeds"] == [0, 1, 2]
    assert card["seed"] == row["seeds"][0]
    assert card["commit"] == row["commit"]
    assert card["recipe"] == row["recipe"] == "recipes/roadsigns.py"
    assert tuple(card["classes"]) == RoadSigns.classes
    for view in ("street", "plain"):
        for score in ("accuracy", "macro_f1"):
            assert card[f"{score}_{view}"] == row[f"{score}_{view}"][0]
        assert min(row[f"accuracy_{view}"]) > 0.995
        for half, whole in zip(row[f"accuracy_{view}"], row[f"accuracy_{view}_float32"], strict=True):
            assert abs(half - whole) < 0.001


@pytest.mark.parametrize("view", ["street", "plain"])
def test_the_road_signs_are_recognised_as_stated(signs, view):
    network = pretrained("roadsigns")
    stated = network.card[f"accuracy_{view}"]
    error = math.sqrt(max(1 - stated, 1e-3) / HELD_OUT)  # a binomial's, for a share near 1
    assert accuracy(network, signs[view]) == pytest.approx(stated, abs=4 * error)


def test_shuffled_weights_recognise_nothing(signs):
    """The control: the same numbers in another order are no classifier."""
    network = pretrained("roadsigns")
    with torch.no_grad():
        for weight in network.parameters():
            order = torch.randperm(weight.numel(), generator=torch.Generator().manual_seed(0))
            weight.copy_(weight.flatten()[order].view_as(weight))
    assert accuracy(network, signs["plain"]) < 0.3


def test_features_are_what_the_last_layer_reads():
    network, x = pretrained("roadsigns"), torch.rand(5, 3, 32, 32, generator=torch.Generator().manual_seed(1)) * 2 - 1
    features = network.features(x)[-1].mean((2, 3))
    assert features.shape == (5, 64)
    last = network.head[-1]
    torch.testing.assert_close(features @ last.weight.T + last.bias, network(x))


# The networks of the chapter on driving


@pytest.mark.parametrize(("name", "dataset"), [("streets", StreetScenes), ("camvid", CamVid)])
def test_the_cards_of_driving_and_its_table_agree(name, dataset):
    card, row = pretrained(name).card, next(row for row in segen.results("driving") if row["name"] == name)
    assert row.items() >= driving.SETTINGS[name].items()
    assert card.items() >= driving.CARDS[name].items()
    assert tuple(card["classes"]) == dataset.classes
    assert [card["seed"]] == row["seeds"] == [driving.SEED]
    assert (card["commit"], card["recipe"]) == (row["commit"], row["recipe"])
    for where in ("val",) if name == "camvid" else driving.WEATHERS:
        assert card[where] == row[where]["mean_iou"]
        assert card[where] == pytest.approx(sum(row[where]["class_iou"]) / len(dataset.classes), abs=2e-4)


def test_the_best_networks_score_what_was_asked_of_them():
    rows = {row["name"]: row for row in segen.results("driving")}
    best = rows["clear"]["clear"]
    assert best["mean_iou"] > 0.86
    assert min(best["class_iou"]) > 0.70
    assert rows["camvid"]["val"]["mean_iou"] >= 0.55
    assert min(rows["streets"][weather]["mean_iou"] for weather in ("clear", "rain", "fog", "night")) > 0.8


def iou_by_hand(network, samples) -> torch.Tensor:
    """Return each class's IoU over all samples, counted by sets and not by segen's confusion matrix."""
    answers, truths = [], []
    with torch.no_grad():
        for image, mask in samples:
            answers.append(network(image[None]).argmax(1)[0])
            truths.append(mask)
    answer, truth = torch.stack(answers), torch.stack(truths)
    classes = range(len(network.card["classes"]))
    return torch.tensor([((answer == k) & (truth == k)).sum() / ((answer == k) | (truth == k)).sum() for k in classes])


@pytest.mark.parametrize("weather", ["clear", "rain", "fog", "night"])
def test_streets_are_labelled_as_stated(weather):
    network = pretrained("streets")
    row = next(row for row in segen.results("driving") if row["name"] == "streets")
    iou = iou_by_hand(network, [StreetScenes(256, seed=1, weather=weather)[i] for i in range(256)])
    assert iou.tolist() == pytest.approx(row[weather]["class_iou"], abs=2e-3)
    assert iou.mean().item() == pytest.approx(network.card[weather], abs=1e-3)


def test_shuffled_weights_label_no_street():
    network, streets = pretrained("streets"), StreetScenes(8, seed=1)
    with torch.no_grad():
        for weight in network.parameters():
            order = torch.randperm(weight.numel(), generator=torch.Generator().manual_seed(0))
            weight.copy_(weight.flatten()[order].view_as(weight))
    assert iou_by_hand(network, [streets[i] for i in range(8)]).nanmean() < 0.2


def test_camvid_is_labelled_as_stated():
    """On CamVid's validation frames, where they are: the whole score, by the recipe's measure."""
    if not list(data_root().glob("[Cc]am[Vv]id*")):
        pytest.skip("CamVid is not in $SEGEN_DATA")
    network, row = pretrained("camvid"), next(row for row in segen.results("driving") if row["name"] == "camvid")
    found = driving.on_camvid(network)
    assert found["mean_iou"] == pytest.approx(row["val"]["mean_iou"], abs=1e-3)
    assert found["class_iou"] == pytest.approx(row["val"]["class_iou"], abs=3e-3)


def test_another_default_type_and_the_random_state_do_not_matter():
    state, x = torch.get_rng_state(), torch.zeros(1, 3, 32, 32)
    expected = pretrained("roadsigns")(x)
    assert torch.equal(torch.get_rng_state(), state)
    try:
        torch.set_default_dtype(torch.float64)
        assert torch.equal(pretrained("roadsigns")(x), expected)
    finally:
        torch.set_default_dtype(torch.float32)


def test_each_call_gives_a_network_of_its_own():
    first, second = pretrained("roadsigns"), pretrained("roadsigns")
    torch.nn.init.zeros_(first.head[-1].weight)
    assert second.head[-1].weight.abs().sum() > 0
    assert all(weight.requires_grad for weight in first.parameters())


@pytest.mark.parametrize("name", ["road_signs", "", None, ["roadsigns"]])
def test_a_network_that_is_not_shipped(name):
    with pytest.raises(ValueError, match=r"There is no trained network .*those shipped are: .*roadsigns"):
        pretrained(name)


def test_weights_of_another_shape_are_refused(monkeypatch):
    monkeypatch.setitem(weights.NETWORKS, "roadsigns", lambda: ResNet(3, 10, width=8, blocks=(1, 1, 1), small=True))
    with pytest.raises(RuntimeError, match="size mismatch"):
        pretrained("roadsigns")
    monkeypatch.setitem(weights.NETWORKS, "roadsigns", lambda: ResNet(3, 10, width=16, blocks=(1, 1), small=True))
    with pytest.raises(RuntimeError, match="Unexpected key"):
        pretrained("roadsigns")


def test_the_recipe_begins_as_it_did():
    """The first steps of a run do not depend on how many follow: their loss must be the stored one."""
    stored = segen.results("roadsigns")[0]["first_loss"]
    _, history = recipe.fit(recipe.GRID[0], 0, steps=recipe.FIRST)
    assert history.loss[0] == pytest.approx(stored[0], abs=0.01)
    # The control: another seed is another run.
    assert stored[1] != pytest.approx(stored[0], abs=0.01)
