"""The order of batches, and augmentation that leaves no trace."""

import random
from itertools import chain

import numpy as np
import pytest
import torch

from segen.data.loading import batches, derive_seed


class Numbers(torch.utils.data.Dataset):
    """Sample i is (an image full of i, i)."""

    def __init__(self, length):
        self.length = length

    def __len__(self):
        return self.length

    def __getitem__(self, index):
        return torch.full((1, 2, 2), float(index)), index


def labels(count, *arguments, **settings):
    stream = batches(*arguments, **settings)
    return [next(stream)[1].tolist() for _ in range(count)]


def test_each_epoch_shows_each_sample_once_in_another_order():
    first, second = labels(3, Numbers(12), 4), labels(6, Numbers(12), 4)[3:]
    assert sorted(chain(*first)) == sorted(chain(*second)) == list(range(12))
    assert first != second


def test_an_incomplete_last_batch_is_dropped():
    seen = labels(4, Numbers(11), 4)
    assert all(len(batch) == 4 for batch in seen)
    assert len(set(chain(*seen[:2]))) == 8
    assert len(set(chain(*seen[2:]))) == 8


def test_the_order_depends_on_the_seed_alone():
    expected = labels(7, Numbers(10), 3, seed=5)
    torch.manual_seed(99)
    assert labels(7, Numbers(10), 3, seed=5) == expected
    assert labels(7, Numbers(10), 3, seed=6) != expected
    assert labels(7, Numbers(10), 3, seed=5, num_workers=2) == expected


@pytest.mark.parametrize("start", [1, 3, 4, 11])
def test_start_counts_batches(start):
    assert labels(5, Numbers(10), 3, seed=5, start=start) == labels(start + 5, Numbers(10), 3, seed=5)[start:]


def test_the_shares_of_processes_make_the_batch():
    whole = labels(5, Numbers(20), 6, seed=1)
    parts = [labels(5, Numbers(20), 6, seed=1, process=p, processes=3) for p in range(3)]
    assert [a + b + c for a, b, c in zip(*parts, strict=True)] == whole


def noise(image, target):
    return image + torch.rand(()), target


def test_augmentation_is_drawn_for_each_sample_and_from_the_place_alone():
    def images(count, **settings):
        stream = batches(Numbers(12), 4, augment=noise, **settings)
        return [next(stream)[0] for _ in range(count)]

    expected = images(6)
    draws = torch.cat(expected)[:, 0, 0, 0] % 1
    assert len(draws.unique()) == 24, "no two samples share a draw, in any epoch"
    torch.manual_seed(3)
    assert all(torch.equal(a, b) for a, b in zip(images(6), expected, strict=True))
    assert torch.equal(images(2, start=4)[0], expected[4])
    parts = [images(1, process=p, processes=2)[0] for p in (0, 1)]
    assert torch.equal(torch.cat(parts), expected[0])


def test_global_random_states_are_not_touched():
    before = torch.random.get_rng_state(), random.getstate(), np.random.get_state()[1].tolist()  # noqa: NPY002
    stream = batches(Numbers(12), 4, augment=noise)
    next(stream), next(stream)
    next(batches(Numbers(12), 4, num_workers=1))
    assert torch.equal(torch.random.get_rng_state(), before[0])
    assert random.getstate() == before[1]
    assert np.random.get_state()[1].tolist() == before[2]  # noqa: NPY002


def test_types():
    images, targets = next(batches(Numbers(4), 2))
    assert images.dtype == torch.float32
    assert images.shape == (2, 1, 2, 2)
    assert targets.dtype == torch.int64


@pytest.mark.parametrize(
    ("arguments", "settings", "sentence"),
    [
        (([], 1), {}, "dataset is empty"),
        ((Numbers(3), 4), {}, "batch_size=4 is larger than the dataset of 3 samples; choose at most 3"),
        ((Numbers(3), 0), {}, "batch_size=0"),
        ((Numbers(3), 2), {"start": -1}, "start=-1"),
        ((Numbers(3), 2.0), {}, "batch_size=2.0 was given; give a whole number"),
        ((Numbers(3), None), {}, "batch_size=None was given"),
        ((Numbers(3), True), {}, "batch_size=True was given"),
        ((Numbers(3), 2), {"start": 1.5}, "start=1.5 was given"),
        ((Numbers(3), 2), {"seed": 1.5}, "seed=1.5 was given"),
        ((Numbers(3), 2), {"num_workers": -1}, "num_workers=-1 was given"),
        ((Numbers(3), 2), {"augment": 3}, "augment=3 was given; give a function"),
        ((iter([]), 2), {}, "list_iterator was given as dataset"),
        ((Numbers(9), 3), {"processes": 2}, "cannot be shared equally by 2"),
    ],
)
def test_bad_input_is_refused_at_once(arguments, settings, sentence):
    with pytest.raises(ValueError, match=sentence):
        batches(*arguments, **settings)


@pytest.mark.parametrize("num_workers", [0, 1])
def test_samples_of_several_sizes_are_refused(num_workers):
    samples = [(torch.zeros(3, side, 4), 1) for side in (4, 5)]
    with pytest.raises(
        ValueError, match=r"not of one size \(images \(3, 4, 4\), \(3, 5, 4\).*; give the dataset a size"
    ):
        next(batches(samples, 2, num_workers=num_workers))
    with pytest.raises(ValueError, match="not of one size"):
        next(batches([{"image": image} for image, _ in samples], 2))


def test_derived_seeds_do_not_collide():
    seeds = {derive_seed(a, b, c) for a in range(20) for b in range(20) for c in range(3)}
    assert len(seeds) == 1200
    assert all(0 <= seed < 2**63 for seed in seeds)
