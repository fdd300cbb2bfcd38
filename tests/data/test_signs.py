"""RoadSigns: determined by (seed, index), balanced, legible, and not to be solved by a linear model."""

import hashlib
import pickle
import random
import re
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch
from torch.utils.data import DataLoader

import segen.data.signs
from segen.data.signs import RoadSigns

NAMES = (
    "no entry",
    "stop",
    "priority road",
    "turn left",
    "turn right",
    "straight ahead",
    "speed limit",
    "no overtaking",
    "danger",
    "crossroads",
)

GOLDEN_LABELS = [1, 5, 0, 7, 8, 8, 0, 4, 9, 9, 5, 5, 2, 0, 7, 8, 8, 0, 8, 7]
GOLDEN_MEANS = [[96.0, 81.5, 73.0], [96.9, 105.4, 111.9], [194.3, 168.4, 154.8], [132.9, 122.4, 123.7]]


def stack(dataset):
    images, labels = zip(*(dataset[i] for i in range(len(dataset))), strict=True)
    return torch.stack(images), torch.tensor(labels)


@pytest.fixture(scope="module")
def plain():
    return stack(RoadSigns(1000, view="plain"))


@pytest.mark.parametrize("view", ["street", "plain"])
@pytest.mark.parametrize("size", [16, 32, 75])
def test_contract(view, size):
    signs = RoadSigns(4, size=size, view=view)
    image, label = signs[2]
    assert len(signs) == 4
    assert signs.classes == NAMES
    assert image.shape == (3, size, size)
    assert image.dtype == torch.float32
    assert image.min() >= -1
    assert image.max() <= 1
    assert image.std() > 0.05
    assert type(label) is int
    assert 0 <= label < 10


def test_collated_labels_are_class_indices():
    images, labels = next(iter(DataLoader(RoadSigns(4), batch_size=4)))
    assert images.shape == (4, 3, 32, 32)
    assert labels.dtype == torch.int64


@pytest.mark.parametrize("view", ["street", "plain"])
def test_a_sign_does_not_depend_on_order_or_length(view):
    forwards, backwards = RoadSigns(8, view=view), RoadSigns(100, view=view)
    expected = [forwards[i] for i in range(8)]
    for i in reversed(range(8)):
        image, label = backwards[i]
        assert torch.equal(image, expected[i][0])
        assert label == expected[i][1]
    assert torch.equal(forwards[-1][0], expected[7][0])


def test_a_sign_does_not_depend_on_the_process():
    code = (
        "import hashlib; from segen.data.signs import RoadSigns; s = RoadSigns(99, seed=5);"
        "print(hashlib.sha256(b''.join(s[i][0].numpy().tobytes() for i in (7, 98, 3))).hexdigest())"
    )
    there = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout.strip()
    signs = RoadSigns(99, seed=5)
    here = hashlib.sha256(b"".join(signs[i][0].numpy().tobytes() for i in (7, 98, 3))).hexdigest()
    assert there == here


def test_seed_and_index_both_matter():
    assert not torch.equal(RoadSigns(2, seed=0)[0][0], RoadSigns(2, seed=1)[0][0])
    assert not torch.equal(RoadSigns(2)[0][0], RoadSigns(2)[1][0])
    # Seed 1, index 0 is not seed 0, index 1: the two are not added up.
    assert not torch.equal(RoadSigns(2, seed=1)[0][0], RoadSigns(2, seed=0)[1][0])
    assert RoadSigns(1, seed=2**70)[0][0].shape == (3, 32, 32)


def test_signs_are_the_same_on_every_machine():
    # Labels to the letter, pictures to within a grey level or so of what was drawn when this was written.
    signs = RoadSigns(20)
    assert [signs[i][1] for i in range(20)] == GOLDEN_LABELS
    means = np.array([((signs[i][0] + 1) * 127.5).mean((1, 2)).numpy() for i in range(4)])
    assert np.abs(means - np.array(GOLDEN_MEANS)).max() < 0.5


def test_both_views_and_all_sizes_show_the_same_sign(monkeypatch):
    street, plain, large = RoadSigns(40), RoadSigns(40, view="plain"), RoadSigns(40, size=48)
    assert [street[i][1] for i in range(40)] == [plain[i][1] for i in range(40)] == [large[i][1] for i in range(40)]
    # One class has several faces: both views choose the same one.
    chosen = []
    draw = segen.data.signs.sign_layer

    def spy(chance, face, size, **settings):
        chosen.append(id(face))
        return draw(chance, face, size, **settings)

    monkeypatch.setattr(segen.data.signs, "sign_layer", spy)
    for view in ("street", "plain"):
        list(RoadSigns(100, seed=3, view=view))
    assert chosen[:100] == chosen[100:]
    assert len(set(chosen)) > 10  # more faces than classes


def test_labels_are_uniform_and_no_function_of_the_index(plain):
    labels = plain[1]
    counts = labels.bincount(minlength=10).double()
    chi_squared = ((counts - 100) ** 2 / 100).sum().item()
    assert chi_squared < 27.9  # the 0.999 quantile with 9 degrees of freedom
    assert not torch.equal(labels[:10].sort().values, torch.arange(10))


def test_global_random_states_are_untouched():
    numpy_state = np.random.get_state  # the legacy state: the one that must not move
    before = random.getstate(), numpy_state()[1].copy(), numpy_state()[2], torch.get_rng_state()
    for view in ("street", "plain"):
        RoadSigns(3, view=view)[1]
    assert random.getstate() == before[0]
    assert (numpy_state()[1] == before[1]).all()
    assert numpy_state()[2] == before[2]
    assert torch.equal(torch.get_rng_state(), before[3])


def test_only_raw_integers_are_drawn():
    # NumPy may change its distributions between versions; the raw integers of PCG64 it may not.
    source = Path(segen.data.signs.__file__).read_text()
    used = set(re.findall(r"np\.random\.(\w+)", source))
    assert used == {"PCG64", "SeedSequence"}
    assert "import random" not in source


def test_what_was_drawn_is_kept_and_cannot_be_spoiled(monkeypatch):
    signs = RoadSigns(3)
    first = signs[1][0].clone()
    monkeypatch.setattr(segen.data.signs, "draw_sign", lambda *_: pytest.fail("drawn twice"))
    signs[1][0].zero_()
    assert torch.equal(signs[1][0], first)
    assert signs._drawn[1][0].dtype == np.uint8


def test_pickling_keeps_the_signs_and_leaves_the_pictures():
    signs = RoadSigns(50, seed=4)
    fresh = len(pickle.dumps(signs))
    expected = [signs[i][0] for i in range(50)]
    assert len(pickle.dumps(signs)) == fresh
    copy = pickle.loads(pickle.dumps(signs))
    assert torch.equal(copy[7][0], expected[7])


def test_the_arrows_point_where_their_names_say(plain):
    images, labels = plain
    white = ((images.min(1).values > 0.25) & (images.amax(1) - images.amin(1) < 0.4)).float()
    mean = [white[labels == k].mean(0)[8:24, 8:24] for k in range(10)]

    def likeness(a, b):
        return torch.corrcoef(torch.stack([a.flatten(), b.flatten()]))[0, 1].item()

    left, right, up = (mean[NAMES.index(name)] for name in ("turn left", "turn right", "straight ahead"))
    assert likeness(left.flip(1), right) > 0.95
    assert likeness(left, right) < 0.9  # the control: not mirrored, they differ
    assert likeness(left.rot90(-1), up) > 0.9
    # The head is wider than the shaft, and the left arrow has it on the left.
    assert left[:, 1:6].sum() > 1.2 * left[:, 10:15].sum()
    assert up[1:6].sum() > 1.2 * up[10:15].sum()


def test_colours_are_those_of_the_road(plain):
    images, labels = plain
    red, green, blue = (images[:, c, 6:26, 6:26] for c in range(3))
    share = {
        "red": ((red > green + 0.5) & (red > blue + 0.5)).float().mean((1, 2)),
        "blue": ((blue > red + 0.5) & (blue > green + 0.2)).float().mean((1, 2)),
        "yellow": ((red > blue + 0.6) & (green > blue + 0.4)).float().mean((1, 2)),
    }
    main = {"turn left": "blue", "turn right": "blue", "straight ahead": "blue", "priority road": "yellow"}
    for label, name in enumerate(NAMES):
        colour = main.get(name, "red")
        shares = {c: s[labels == label].mean().item() for c, s in share.items()}
        assert max(shares, key=shares.get) == colour, name


@pytest.mark.filterwarnings("ignore:lbfgs failed to converge")
def test_a_linear_model_of_the_pixels_fails_in_the_street_and_not_on_plain_ground(plain):
    from sklearn.linear_model import LogisticRegression

    def accuracy(images, labels, n):
        x, y = images.flatten(1).numpy(), labels.numpy()
        return LogisticRegression(max_iter=40).fit(x[:n], y[:n]).score(x[n:], y[n:])

    assert accuracy(*stack(RoadSigns(2500)), 2000) < 0.65
    assert accuracy(*plain, 700) > 0.95  # the control: the signs can be told apart


@pytest.mark.parametrize(
    ("settings", "sentence"),
    [
        ({"length": -1}, "length=-1"),
        ({"length": 2.5}, "length=2.5"),
        ({"length": True}, "length=True"),
        ({"size": 8}, "size=8.*16 to 512"),
        ({"size": (32, 32)}, r"size=\(32, 32\)"),
        ({"size": 32.0}, "size=32.0"),
        ({"seed": -1}, "seed=-1"),
        ({"seed": 0.5}, "seed=0.5"),
        ({"view": "night"}, "view='night'.*'street', 'plain'"),
    ],
)
def test_bad_arguments_get_a_sentence(settings, sentence):
    settings = {"length": 3} | settings
    with pytest.raises(ValueError, match=sentence):
        RoadSigns(settings.pop("length"), **settings)


@pytest.mark.parametrize("index", [3, -4])
def test_beyond_the_end(index):
    with pytest.raises(IndexError, match="3 samples"):
        RoadSigns(3)[index]


def test_iterating_ends():
    assert len(list(RoadSigns(3))) == 3
    assert list(RoadSigns(0)) == []
