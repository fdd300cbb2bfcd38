"""The baselines of Part II's table: each does what it says, and its stored row can be made again."""

import baselines as recipe
import numpy as np
import pytest
import torch

import segen


@pytest.fixture(scope="module")
def flat():
    """Images of four flat colours, each the colour of one class, in stripes of random places."""
    colours = torch.tensor([[-0.9, -0.9, -0.8], [0.9, 0.8, 0.9], [0.8, -0.8, -0.9], [-0.8, 0.9, -0.7]])
    classes = torch.tensor([2, 0, 5, 7])
    which = torch.randint(4, (6, 8, 8), generator=torch.Generator().manual_seed(0))
    which = which.repeat_interleave(4, 1).repeat_interleave(4, 2)
    return colours[which].permute(0, 3, 1, 2).contiguous(), classes[which]


def test_the_majority_is_of_all_pixels(flat):
    images, masks = flat
    commonest = max(range(8), key=lambda k: int((masks == k).sum()))
    predicted = recipe.majority(images, masks, 0)(images[:2, :, :5, :7])
    assert predicted.shape == (2, 5, 7)
    assert predicted.unique().tolist() == [commonest]


def test_a_rare_class_wins_by_its_weight():
    """Of the first region 4 pixels are common, 3 rare: 4/√14 < 3/√6; of the second, 10 and 3: 10/√14 > 3/√6."""
    regions = torch.tensor([0] * 7 + [1] * 13)
    masks = torch.tensor([1] * 4 + [3] * 3 + [1] * 10 + [3] * 3)
    assert recipe.vote(regions, masks, 2).tolist() == [3, 1]


def test_otsus_threshold_divides_best():
    """By brute force: of all thresholds it has the largest variance between the sides."""
    images = torch.rand(3, 3, 16, 16, generator=torch.Generator().manual_seed(1)) * 2 - 1
    images[:, :, :, 9:] = images[:, :, :, 9:] / 3 - 0.6
    for image, sides in zip(images, recipe.dark_and_bright(images), strict=True):
        rgb = recipe.as_bytes(image[None])[0].astype(float)
        grey = np.round(rgb @ [0.299, 0.587, 0.114])
        between = {}
        for t in range(int(grey.min()), int(grey.max())):
            low, high = grey[grey <= t], grey[grey > t]
            between[t] = low.size * high.size * (low.mean() - high.mean()) ** 2
        best = max(between, key=between.get)
        assert ((grey > best) == sides.numpy().astype(bool)).mean() > 0.99  # OpenCV's grey is rounded otherwise


def test_clusters_of_flat_colours_get_their_names(flat):
    images, masks = flat
    predict = recipe.k_means(images, masks, 0, clusters=4)
    assert torch.equal(predict(images), masks)
    # The control: with fewer clusters than colours that cannot be.
    assert not torch.equal(recipe.k_means(images, masks, 0, clusters=3)(images), masks)


def test_the_watersheds_regions_keep_to_the_edges():
    """Two things before a bright ground: every pixel is in a region, and regions hardly reach across an outline."""
    rows, columns = np.mgrid[:64, :64]
    thing = (np.hypot(rows - 20, columns - 18) < 11) | ((abs(rows - 44) < 9) & (abs(columns - 42) < 14))
    noise = np.random.default_rng(0).integers(-6, 7, (64, 64, 3))
    pixels = (np.where(thing[..., None], (40, 60, 150), (200, 190, 170)) + noise).astype(np.uint8)
    found = recipe.regions(pixels)
    assert found.shape == (64, 64)
    assert found.min() >= 0
    counts = np.stack([np.bincount(found[side], minlength=found.max() + 1) for side in (thing, ~thing)])
    assert 2 < (counts.sum(0) > 0).sum() < 1000
    assert counts.max(0).sum() > 0.98 * 64 * 64
    # The control: straight bands of as many pixels do reach across.
    bands = (np.arange(64 * 64) * len(counts.T) // 4096).reshape(64, 64)
    counts = np.stack([np.bincount(bands[side], minlength=bands.max() + 1) for side in (thing, ~thing)])
    assert counts.max(0).sum() < 0.95 * 64 * 64


def test_the_watershed_gives_each_region_one_name():
    images, masks = map(torch.stack, zip(*recipe.StreetScenes(12, seed=5), strict=True))
    answers = recipe.watershed(images, masks, 0)(images[:2])
    for pixels, answer in zip(recipe.as_bytes(images[:2]), answers, strict=True):
        found = recipe.regions(pixels)
        assert all(len(np.unique(answer[found == region])) == 1 for region in np.unique(found))
    assert (answers == masks[:2]).float().mean() > 0.5


def test_the_classifier_sees_one_pixel():
    torch.manual_seed(0)
    network = recipe.pixel_network()
    x = torch.randn(1, 3, 6, 5)
    shuffled = torch.randperm(30)
    straight = network(x).flatten(2)[..., shuffled]
    other = network(x.flatten(2)[..., shuffled].view(1, 3, 6, 5)).flatten(2)
    torch.testing.assert_close(straight, other)


def test_streets_are_drawn_by_the_seed(monkeypatch):
    monkeypatch.setattr(recipe, "STREETS", 3)
    first, again, other = (recipe.training_streets(seed) for seed in (0, 0, 1))
    assert torch.equal(first[0], again[0])
    assert not torch.equal(first[0], other[0])
    assert first[0].shape == (3, 3, 64, 64)
    assert first[1].shape == (3, 64, 64)


def row(name: str) -> dict:
    (found,) = [row for row in segen.results("baselines") if row["network"] == name]
    return found


def test_the_table_is_whole():
    rows = segen.results("baselines")
    assert [r["network"] for r in rows] == list(recipe.BASELINES)
    for r in rows:
        assert (r["data"], r["size"], r["seeds"]) == ("StreetScenes", [64, 64], [0, 1, 2])
        assert (r["streets"], r["validation"]) == (500, 256)
        assert r["recipe"] == "recipes/baselines.py"
        assert r["commit"]
        assert r["seconds"] >= 0
        assert np.array(r["class_iou"]).shape == (3, 8)
        for name in ("mean_iou", "boundary_iou", "pixel_accuracy"):
            assert len(r[name]) == 3
            assert all(0 <= value <= 1 for value in r[name])
        assert np.mean(r["class_iou"], 1) == pytest.approx(r["mean_iou"], abs=2e-4)


@pytest.mark.parametrize("name", ["Otsu", "k-means"])
def test_a_row_is_made_again(name):
    again, stored = recipe.run(({"network": name, "data": "StreetScenes"}, 1)), row(name)
    for key in ("mean_iou", "boundary_iou", "pixel_accuracy"):
        assert again[key] == pytest.approx(stored[key][1], abs=0.005)
    # The control: the other's row is another.
    other = row("k-means" if name == "Otsu" else "Otsu")
    assert again["mean_iou"] != pytest.approx(other["mean_iou"][1], abs=0.05)
