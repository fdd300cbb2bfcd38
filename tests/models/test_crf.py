import itertools
import math

import numpy as np
import pytest
import torch
from torch.nn import functional as F

from segen.data import StreetScenes
from segen.models import DenseCRF

STRENGTHS = {"w1": 3.0, "w2": 2.0, "theta_alpha": 1.5, "theta_beta": 0.7, "theta_gamma": 0.8}


def example(seed, size=(3, 4), k=3, strengths=STRENGTHS):
    generator = torch.Generator().manual_seed(seed)
    logits = torch.randn(k, *size, generator=generator, dtype=torch.float64)
    image = 2 * torch.rand(3, *size, generator=generator) - 1
    return logits, image, DenseCRF(logits, image, **strengths)


def pairs_by_hand(image, w1, w2, theta_alpha, theta_beta, theta_gamma):
    """Equation 3 of the paper, pair by pair; each kernel divided by the roots of both pixels' sums."""
    colours = image.double().numpy()
    places = list(itertools.product(range(image.shape[1]), range(image.shape[2])))

    def kernel(of):
        k = np.zeros((len(places), len(places)))
        for i, a in enumerate(places):
            for j, b in enumerate(places):
                if i != j:
                    k[i, j] = of((a[0] - b[0]) ** 2 + (a[1] - b[1]) ** 2, colours[:, *a] - colours[:, *b])
        sums = k.sum(1)
        return k / np.sqrt(np.outer(sums, sums))

    appearance = kernel(lambda p, c: math.exp(-p / (2 * theta_alpha**2) - (c**2).sum() / (2 * theta_beta**2)))
    smoothness = kernel(lambda p, c: math.exp(-p / (2 * theta_gamma**2)))
    return w1 * appearance + w2 * smoothness


def energies(logits, pairs):
    """The energy of each of the K^n labellings, by the sum of equation 1: a dictionary."""
    z = logits.flatten(1).T.numpy()
    unary = np.log(np.exp(z).sum(1, keepdims=True)) - z
    n, k = z.shape
    return {
        labels: sum(unary[i, labels[i]] for i in range(n))
        + sum(pairs[i, j] for i, j in itertools.combinations(range(n), 2) if labels[i] != labels[j])
        for labels in itertools.product(range(k), repeat=n)
    }


@pytest.mark.parametrize("seed", range(3))
def test_pairs_equal_the_equation(seed):
    _, image, crf = example(seed)
    np.testing.assert_allclose(crf.pairs, pairs_by_hand(image, **STRENGTHS), rtol=1e-10)
    assert (crf.pairs.diagonal() == 0).all()
    torch.testing.assert_close(crf.pairs, crf.pairs.T, rtol=1e-12, atol=0)
    # Controls: another range of place, colour or nearness gives other pairs.
    for name in ("theta_alpha", "theta_beta", "theta_gamma"):
        other = pairs_by_hand(image, **STRENGTHS | {name: 1.1 * STRENGTHS[name]})
        assert np.abs(other - crf.pairs.numpy()).max() > 1e-3


@pytest.mark.parametrize("seed", range(3))
def test_free_energy_equals_the_sum_over_all_labellings(seed):
    logits, image, crf = example(seed, size=(2, 3), k=2)
    energy = energies(logits, pairs_by_hand(image, **STRENGTHS))
    log_z = math.log(sum(math.exp(-e) for e in energy.values()))
    for _ in range(4):
        q = crf.q.numpy()
        free = 0.0
        for labels, e in energy.items():
            p = math.prod(q[i, label] for i, label in enumerate(labels))
            free += p * (e + math.log(p))
        assert crf.free_energy() == pytest.approx(free, rel=1e-10)
        assert crf.free_energy() > -log_z  # the divergence from the true distribution is above 0
        crf.update()


@pytest.mark.parametrize("seed", range(4))
def test_one_pixel_at_a_time_lowers_the_free_energy_at_every_step(seed):
    strong = {"w1": 30.0, "w2": 20.0, "theta_alpha": 3.0, "theta_beta": 2.0, "theta_gamma": 1.5}
    _, _, crf = example(seed, size=(5, 6), k=4, strengths=strong)
    rng = np.random.default_rng(seed)
    free = [crf.free_energy()]
    for _ in range(4):
        for pixel in rng.permutation(30).tolist():
            crf.update(pixel)
            free.append(crf.free_energy())
            assert free[-1] <= free[-2] + 1e-12 * abs(free[-2])
    assert free[30] < free[0] - 1
    torch.testing.assert_close(crf.q.sum(1), torch.ones(30, dtype=torch.float64))


def test_an_update_is_the_best_for_its_pixel():
    _, _, crf = example(0, size=(3, 3))
    crf.update(4)
    best = crf.free_energy()
    generator = torch.Generator().manual_seed(0)
    for scale in (1e-3, 0.1, 3.0):
        kept = crf.q[4].clone()
        crf.q[4] = (kept.log() + scale * torch.randn(3, generator=generator, dtype=torch.float64)).softmax(0)
        assert crf.free_energy() > best
        crf.q[4] = kept


def test_all_at_once_equals_the_paper_s_algorithm():
    logits, image, crf = example(1)
    pairs = pairs_by_hand(image, **STRENGTHS)
    z = logits.flatten(1).T.numpy()
    unary = np.log(np.exp(z).sum(1, keepdims=True)) - z
    q = np.exp(-unary)
    for _ in range(3):
        crf.update()
        after = np.zeros_like(q)
        for i in range(12):
            for label in range(3):
                message = sum(pairs[i, j] * q[j, other] for j in range(12) for other in range(3) if other != label)
                after[i, label] = math.exp(-unary[i, label] - message)
        q = after / after.sum(1, keepdims=True)
        np.testing.assert_allclose(crf.q, q, rtol=1e-10)
    np.testing.assert_allclose(crf.probabilities()[2, 1, 3], q[7, 2], rtol=1e-10)


def test_two_pixels_oscillate_when_both_move_at_once():
    # Two pixels of one colour that should agree and are told to differ: each takes over what the other one just was.
    logits = torch.tensor([[[2.0, 0.0]], [[0.0, 2.0]]])
    crf = DenseCRF(logits, torch.zeros(3, 1, 2), w1=8.0, w2=0.0)
    free, first = [], []
    for _ in range(40):
        crf.update()
        free.append(crf.free_energy())
        first.append(crf.q[0, 0].item())
    assert max(first[::2]) < 0.02
    assert min(first[1::2]) > 0.98
    rises = [b > a + 1 for a, b in itertools.pairwise(free)]
    assert sum(rises) == len(rises) // 2  # every second step, and for ever
    # One after the other they agree, at a lower free energy.
    alone = DenseCRF(logits, torch.zeros(3, 1, 2), w1=8.0, w2=0.0)
    for step in range(10):
        alone.update(step % 2)
    assert alone.q[0, 0].item() == pytest.approx(alone.q[1, 0].item(), abs=0.02)
    assert alone.free_energy() < min(free) - 1


def test_sharpens_a_coarse_prediction_of_a_street():
    right = {"before": 0, "after": 0, "blind": 0}
    for i in range(2):
        image, mask = StreetScenes(2, seed=3)[i]
        truth = F.one_hot(mask, 8).movedim(-1, 0).float()
        coarse = F.interpolate(F.avg_pool2d(truth[None], 4), size=(64, 64), mode="bilinear")[0]
        logits = (0.9 * coarse + 0.1 / 8).log().requires_grad_()
        for name, seen, steps in (("before", image, 0), ("after", image, 3), ("blind", image.flip(2), 3)):
            crf = DenseCRF(logits, seen)
            for _ in range(steps):
                crf.update()
            assert crf.probabilities().shape == (8, 64, 64)
            right[name] += (crf.probabilities().argmax(0) == mask).sum().item()
    assert right["after"] > right["before"] > right["blind"]  # control: by another image's colours it gets worse


def test_edges():
    one = DenseCRF(torch.tensor([[[1.0]], [[0.0]]]), torch.zeros(3, 1, 1))
    before = one.q.clone()
    one.update()
    torch.testing.assert_close(one.q, before)  # no neighbour, nothing to agree with
    image = torch.zeros(3, 2, 2)
    image[:, 0, 0] = 1  # so unlike the others that every pair with it vanishes
    far = DenseCRF(torch.randn(4, 2, 2, generator=torch.Generator().manual_seed(0)), image, w2=0.0, theta_beta=1e-3)
    assert far.pairs.isfinite().all()
    assert (far.pairs[0] == 0).all()
    far.update()
    assert far.q.isfinite().all()
    sure = DenseCRF(torch.tensor([[[1e4, 0.0]], [[0.0, 1e4]]]), torch.zeros(3, 1, 2))
    assert math.isfinite(sure.free_energy())
    assert sure.q.tolist() == [[1, 0], [0, 1]]


def test_refuses_with_a_sentence():
    logits, image = torch.zeros(4, 5, 6), torch.zeros(3, 5, 6)
    with pytest.raises(ValueError, match=r"DenseCRF was given logits \[1, 4, 5, 6\] of .* one image, \[K, H, W\]\.$"):
        DenseCRF(logits[None], image)
    with pytest.raises(ValueError, match=r"logits \[4, 5, 6\] of torch\.int64"):
        DenseCRF(logits.long(), image)
    with pytest.raises(ValueError, match=r"an image \[1, 3, 5, 6\]; give a single one, \[C, H, W\]\.$"):
        DenseCRF(logits, image[None])
    with pytest.raises(ValueError, match=r"DenseCRF was given images of torch\.uint8 where floats"):
        DenseCRF(logits, image.to(torch.uint8))
    with pytest.raises(ValueError, match=r"logits \[4, 5, 6\] and an image \[3, 5, 5\]; give both at one size\.$"):
        DenseCRF(logits, image[..., :5])
    for name, value in (("w1", -1.0), ("w2", -0.1), ("theta_alpha", 0.0), ("theta_beta", -1.0), ("theta_gamma", 0.0)):
        with pytest.raises(ValueError, match=rf"{name}={value}.*; give weights of 0 or more, and ranges above 0\.$"):
            DenseCRF(logits, image, **{name: value})
