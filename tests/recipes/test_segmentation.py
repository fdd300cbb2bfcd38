"""The table of Part II: its rows hold what they promise, and one of them can be made again."""

import pytest
import segmentation
import torch

import segen
from segen.data import StreetScenes
from segen.models import UNet

ROWS = segen.results("segmentation")
SCORES = ("mean_iou", "boundary_iou", "pixel_accuracy", "at_edges", "inside")


def row(network: str, data: str) -> dict:
    return next(r for r in ROWS if (r["network"], r["data"]) == (network, data))


@pytest.mark.parametrize("network", segmentation.NETWORKS)
def test_each_network_has_its_row_of_the_streets(network):
    stored = row(network, "StreetScenes")
    assert stored.items() >= segmentation.SETTINGS["StreetScenes"].items()
    assert stored.items() >= segmentation.costs(network, "StreetScenes").items()
    assert 1.6e6 < stored["parameters"] < 2e6
    for name in SCORES:
        assert len(stored[name]) == len(stored["seeds"]) == 3
        assert all(0 < score < 1 for score in stored[name])
    for mean, classes in zip(stored["mean_iou"], stored["class_iou"], strict=True):
        assert mean == pytest.approx(sum(classes) / 8, abs=1e-3)
    assert len(set(stored["first_losses"])) == 3
    assert stored["seconds"] < 3 * 240


def first_loss(network: str, seed: int) -> float:
    """The loss over the first steps of a run; only so many streets are drawn as these steps ask for."""
    return segmentation.fit(network, "StreetScenes", seed, steps=segmentation.FIRST)[1].loss[0]


def test_the_beginning_of_a_row_is_made_again():
    torch.set_num_threads(1)
    stored = row("FCN-8s", "StreetScenes")["first_losses"]
    assert first_loss("FCN-8s", 1) == pytest.approx(stored[1], abs=2e-3)
    assert abs(stored[0] - stored[1]) > 1e-2  # another seed would not pass


def test_multiply_adds_are_those_of_the_formula():
    # One 3×3 convolution of UNet's first level, worked by hand: 64·64 places, 9 taps, 3 channels in and 16 out.
    network = UNet(3, 8, width=16).eval()
    first = network.contracting[0][0][0]
    with segmentation.FlopCounterMode(display=False) as counter, torch.no_grad():
        first(segmentation.blank("StreetScenes"))
    assert counter.get_total_flops() == 2 * 64 * 64 * 9 * 3 * 16


def test_edges():
    masks = torch.zeros(1, 5, 6, dtype=torch.long)
    masks[0, :, 3:] = 1
    assert torch.equal(segmentation.at_edges(masks)[0, 0], torch.tensor([0, 0, 1, 1, 0, 0]).bool())


def test_a_flip_takes_the_mask_along():
    image, mask = StreetScenes(1)[0]
    for seed in range(8):
        torch.manual_seed(seed)
        changed, moved = segmentation.flip(image, mask)
        assert torch.equal(changed, image) == torch.equal(moved, mask)
        assert torch.equal(changed.flip(-1), image) == torch.equal(moved.flip(-1), mask)
