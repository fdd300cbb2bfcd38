"""The FCN chapter: what its prose says of the part's table holds there, and its training begins as the table's did."""

import functools
import re
from itertools import pairwise

import pytest
import segmentation as recipe
import torch
from chapters import Chapter

import segen
from segen.data import StreetScenes

CHAPTER = Chapter("segmentation/fcn")


@functools.cache
def chapter() -> dict:
    return CHAPTER.defined(given={"classes": StreetScenes(1).classes})


NETWORKS = ("FCN-32s", "FCN-16s", "FCN-8s")


def row(network: str) -> dict:
    (found,) = [
        row for row in segen.results("segmentation") if (row["network"], row["data"]) == (network, "StreetScenes")
    ]
    return found


def mean(network: str, name: str) -> float:
    values = row(network)[name]
    return sum(values) / len(values)


def test_the_rows_are_of_three_seeds_and_equal_settings() -> None:
    for name in NETWORKS:
        assert len(row(name)["seeds"]) == 3
        for key in ("steps", "batch_size", "size", "lr", "seeds"):
            assert row(name)[key] == row("FCN-8s")[key]


def test_a_row_begins_as_it_did() -> None:
    _, history = recipe.fit("FCN-8s", "StreetScenes", 0, steps=20)
    assert history.loss[0] == pytest.approx(row("FCN-8s")["first_losses"][0], abs=0.02)


def test_each_skip_pays_in_every_seed() -> None:
    for worse, better in pairwise(NETWORKS):
        for name in ("mean_iou", "boundary_iou", "at_edges", "inside"):
            assert min(row(better)[name]) > max(row(worse)[name])


def test_inside_the_first_skip_does_most_and_at_edges_both_do_much() -> None:
    def gains(name: str) -> tuple[float, float]:
        coarse, middle, fine = (mean(network, name) for network in NETWORKS)
        return middle - coarse, fine - middle

    first, second = gains("inside")
    assert first > 2 * second
    for name in ("at_edges", "boundary_iou"):
        first, second = gains(name)
        assert first > second > 0.75 * first
    assert mean("FCN-8s", "at_edges") < 0.6
    assert gains("mean_iou")[0] > 0.15


def test_people_and_signs_hardly_exist_for_the_coarsest() -> None:
    for name in ("pedestrian", "sign"):
        place = recipe.StreetScenes(1).classes.index(name)
        means = [sum(seed[place] for seed in row(network)["class_iou"]) / 3 for network in NETWORKS]
        assert means[0] < 0.1
        assert means == sorted(means)
        assert means[2] < 0.35


def test_skips_cost_next_to_nothing() -> None:
    coarse, _, fine = (row(network) for network in NETWORKS)
    assert fine["parameters"] - coarse["parameters"] == 3_216
    assert 0.002 < fine["multiply_adds"] / coarse["multiply_adds"] - 1 < 0.003


def test_the_chapter_and_the_recipe_measure_alike() -> None:
    generator = torch.Generator().manual_seed(0)
    masks = torch.randint(8, (3, 6, 7), generator=generator).repeat_interleave(4, 1).repeat_interleave(4, 2)
    guess = torch.where(torch.rand(masks.shape, generator=generator) < 0.8, masks, 2)

    class Told:
        """A trainer whose answers are given: class c where `guess` is c."""

        def predict(self, images):
            return torch.nn.functional.one_hot(guess[images[:, 0, 0, 0].long()], 8).movedim(-1, 1)

    class Streets(list):
        """Pairs with the names of eight classes, as a dataset has them."""

        classes = tuple("abcdefgh")

    images = torch.arange(3.0)[:, None, None, None].expand(3, 3, 24, 28)
    theirs = recipe.score(Told(), Streets(zip(images, masks, strict=True)), distance=2)
    ours = chapter()["score"](guess, masks)
    assert ours == pytest.approx({name: theirs[name] for name in ours})


def test_the_matrix_is_that_of_the_convolution() -> None:
    matrix_of = chapter()["matrix_of"]
    for k, s, p, height, width in ((3, 2, 1, 8, 7), (2, 3, 2, 5, 6), (4, 1, 0, 6, 4)):
        kernel, x = torch.randn(k, k).double(), torch.randn(height, width).double()
        by_torch = torch.nn.functional.conv2d(x[None, None], kernel[None, None], stride=s, padding=p)
        torch.testing.assert_close(matrix_of(kernel, height, width, s, p) @ x.flatten(), by_torch.flatten())


def test_numbers_in_the_prose_are_in_the_table() -> None:
    """Each number with three decimals in the reading of the table is printed by its cell."""
    cells = CHAPTER.cells
    printed = "".join(output.text for output in cells["table"].outputs)
    numbers = re.findall(r"\b0\.\d{3}\b", cells["experiment-read-text"].source)
    assert len(numbers) > 5
    assert [number for number in numbers if number not in printed] == []
