"""The chapter on the classifier: what it writes out is right beyond the cases shown; its prose says what is printed."""

import ast
import functools
import math
import re

import numpy as np
import pytest
import torch
from chapters import Chapter
from torch import nn
from torch.utils.data import TensorDataset

from segen.training import ClassifierTrainer

CHAPTER = Chapter("convolution/classifier")
printed = CHAPTER.printed


@functools.cache
def chapter() -> dict:
    return CHAPTER.defined()


@pytest.mark.parametrize(
    ("ours", "theirs"),
    [
        (lambda w: chapter()["Momentum"](w, 0.03, 0.8), lambda w: torch.optim.SGD(w, lr=0.03, momentum=0.8)),
        (lambda w: chapter()["Adam"](w, 0.02), lambda w: torch.optim.Adam(w, lr=0.02)),
        (
            lambda w: chapter()["Adam"](w, 0.05, betas=(0.5, 0.9), eps=1e-3),
            lambda w: torch.optim.Adam(w, lr=0.05, betas=(0.5, 0.9), eps=1e-3),
        ),
    ],
)
def test_the_optimisers_are_torchs(ours, theirs) -> None:
    ends = []
    for make in (ours, theirs):
        draw = torch.Generator().manual_seed(0)
        weights = [torch.randn(shape, generator=draw).double().requires_grad_() for shape in ((3, 4), (5,), ())]
        optimiser = make(weights)
        for _ in range(30):
            optimiser.zero_grad()
            sum(((w - 1) ** 4).sum() + (w * torch.randn(w.shape, generator=draw)).sum() for w in weights).backward()
            optimiser.step()
        ends.append([w.detach() for w in weights])
    for a, b in zip(*ends, strict=True):
        torch.testing.assert_close(a, b, rtol=1e-12, atol=1e-12)


def test_the_rate_is_the_trainers() -> None:
    data = TensorDataset(torch.zeros(4, 3), torch.zeros(4, dtype=torch.int64))
    trainer = ClassifierTrainer(nn.Linear(3, 2), lr=0.3, decay=50)
    history = trainer.fit(data, steps=50, batch_size=2, every=1, progress=False)
    ours = [chapter()["rate_at"](step, 50, 0.3) for step in range(50)]
    np.testing.assert_allclose(history.lr, ours, rtol=1e-12)


def test_an_uneven_split_of_the_judging_changes_nothing() -> None:
    draw = torch.Generator().manual_seed(1)
    x, y = torch.randn(250, 3, generator=draw), torch.randint(4, (250,), generator=draw)
    model = nn.Sequential(nn.Linear(3, 4), nn.BatchNorm1d(4))
    loss, right = chapter()["judged"](model, x, y)
    assert model.training
    model.eval()
    with torch.no_grad():
        logits = model(x)
    assert loss == pytest.approx(nn.functional.cross_entropy(logits, y).item(), rel=1e-5)
    assert right == pytest.approx((logits.argmax(1) == y).double().mean().item())


def test_augmentation_keeps_range_and_label() -> None:
    namespace = chapter()
    if "change" not in namespace:
        source = CHAPTER.cells["augment"].source
        node = next(n for n in ast.parse(source).body if isinstance(n, ast.Assign) and n.targets[0].id == "change")
        exec(ast.unparse(node), namespace)
    image = torch.rand(3, 32, 32, generator=torch.Generator().manual_seed(2)) * 2 - 1
    with torch.random.fork_rng():
        torch.manual_seed(0)
        for label in range(5):
            changed, same = namespace["augment"](image, label)
            assert same == label
            assert changed.shape == image.shape
            assert changed.min() >= -1
            assert changed.max() <= 1
            assert not torch.equal(changed, image)


def test_the_floor_of_softmax_twice() -> None:
    """The best that ten numbers from 0 to 1 can do, found by search and not by the formula of the page."""
    logits = torch.zeros(1, 10, requires_grad=True)
    optimiser = torch.optim.Adam([logits], lr=1.0)
    for _ in range(200):
        optimiser.zero_grad()
        loss = nn.functional.cross_entropy(logits.softmax(1), torch.tensor([0]))
        loss.backward()
        optimiser.step()
    assert loss.item() == pytest.approx(-math.log(math.e / (math.e + 9)), abs=1e-3)
    assert f"{loss.item():.3f}"[:4] in printed("break-loop")


def test_numbers_in_the_prose_are_printed() -> None:
    """Each number with three decimals in the text of the results is printed by a cell."""
    shown = printed()
    text = "".join(c.source for c in CHAPTER.cells.values() if c.cell_type == "markdown" and c.id.endswith("read-text"))
    numbers = re.findall(r"\b\d\.\d{3}\b", text)
    assert len(numbers) > 5
    assert [number for number in numbers if number not in shown] == []
