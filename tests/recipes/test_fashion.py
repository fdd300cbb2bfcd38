"""The classifier of Fashion-MNIST: card and table agree, and where the pictures are, it scores and begins as stated."""

import fashion
import pytest
import torch
from torch.nn import functional as F

import segen
from segen.data import FashionMNIST, data_root
from segen.models import pretrained

(ROW,) = segen.results("fashion")


def pictures(split: str) -> FashionMNIST:
    """The pictures of a split; the test is skipped where they are not."""
    if not list(data_root().glob("[Ff]ashion*")):
        pytest.skip("Fashion-MNIST is not in $SEGEN_DATA")
    return FashionMNIST(split=split)


def test_the_card_and_the_table_agree():
    card = pretrained("fashion").card
    assert {name: ROW[name] for name in fashion.GRID[0]} == fashion.GRID[0]
    assert (ROW["steps"], ROW["batch_size"], ROW["lr"]) == (fashion.STEPS, fashion.BATCH_SIZE, fashion.LR)
    assert ROW["seeds"] == list(fashion.SEEDS)
    assert card["seed"] == fashion.SEEDS[0]
    assert (card["commit"], card["recipe"]) == (ROW["commit"], "recipes/fashion.py")
    assert tuple(card["classes"]) == FashionMNIST.classes
    assert f"{ROW['pictures']:,}" in card["trained_on"]
    assert f"{ROW['tested']:,}" in card["measured_on"]
    for name in ("accuracy", "macro_f1"):
        assert card[name] == ROW[name][0]
        assert min(ROW[name]) > 0.85


def test_it_names_test_pictures_as_stated():
    test, network = pictures("test"), pretrained("fashion")
    images, labels = zip(*(test[i] for i in range(ROW["tested"])), strict=True)
    images, labels = F.pad(torch.stack(images), (2, 2, 2, 2), value=-1.0), torch.tensor(labels)
    with torch.no_grad():
        answers = torch.cat([network(part).argmax(1) for part in images.split(500)])
        upside_down = torch.cat([network(part.flip(2)).argmax(1) for part in images[:1000].split(500)])
    assert (answers == labels).float().mean().item() == pytest.approx(ROW["accuracy"][0], abs=1e-3)
    assert (upside_down == labels[:1000]).float().mean() < 0.6  # the control


def test_the_row_begins_as_it_did():
    pictures("train")
    _, history = fashion.fit(fashion.GRID[0], 0, steps=fashion.FIRST)
    assert history.loss[0] == pytest.approx(ROW["first_loss"][0], abs=0.005)
    assert ROW["first_loss"][1] != pytest.approx(ROW["first_loss"][0], abs=0.01)
