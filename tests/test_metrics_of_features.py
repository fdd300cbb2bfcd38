"""Distances of sets of features: against closed forms, SciPy, scikit-learn, torch-fidelity, and their own spread."""

import math

import numpy as np
import pytest
import scipy.linalg
import torch
from sklearn.metrics.pairwise import polynomial_kernel
from sklearn.neighbors import NearestNeighbors
from torch_fidelity.metric_fid import fid_features_to_statistics, fid_statistics_to_metric
from torch_fidelity.metric_isc import isc_features_to_metric
from torch_fidelity.metric_kid import kid_features_to_metric
from torch_fidelity.metric_prc import prc_features_to_metric

from segen.metrics import frechet_distance, inception_score, kernel_distance, precision_recall


def drawn(n, d, *, seed=0, shift=0.0, scale=1.0):
    """Features like those of a network: dependent, of unlike spread, not normal."""
    random = torch.Generator().manual_seed(seed)
    mix = torch.randn(d, d, generator=torch.Generator().manual_seed(99)) / d**0.5
    return (scale * torch.randn(n, d, generator=random, dtype=torch.float64) @ mix.double()).relu() + shift


PAIRS = [(drawn(40, 5), drawn(60, 5, seed=1, shift=0.3)), (drawn(200, 16), drawn(200, 16, seed=2, scale=1.5))]


# Fréchet distance


def by_scipy(a, b):
    a, b = a.double().numpy(), b.double().numpy()
    one, other = np.cov(a, rowvar=False), np.cov(b, rowvar=False)
    root = scipy.linalg.sqrtm(one @ other).real
    return float(np.sum((a.mean(0) - b.mean(0)) ** 2) + np.trace(one + other - 2 * root))


@pytest.mark.parametrize(("a", "b"), PAIRS)
def test_frechet_equals_scipy_and_torch_fidelity(a, b):
    assert frechet_distance(a, b) == pytest.approx(by_scipy(a, b), rel=1e-9)
    statistics = [fid_features_to_statistics(x) for x in (a, b)]
    peer = fid_statistics_to_metric(*statistics, verbose=False)["frechet_inception_distance"]
    assert frechet_distance(a, b) == pytest.approx(peer, rel=1e-9)
    # The controls: N in the denominator, and one feature changed, are seen.
    with_n = by_scipy((a - a.mean(0)) * ((len(a) - 1) / len(a)) ** 0.5 + a.mean(0), b)
    assert frechet_distance(a, b) != pytest.approx(with_n, rel=1e-4)
    other = a.clone()
    other[0, 0] += 1
    assert frechet_distance(other, b) != pytest.approx(by_scipy(a, b), rel=1e-5)


def with_moments(mean, covariance, n=200, seed=0):
    """A sample that has just this mean and, with N − 1, just this covariance."""
    x = np.random.default_rng(seed).standard_normal((n, len(mean)))
    x -= x.mean(0)
    white = x @ np.linalg.inv(np.linalg.cholesky(np.atleast_2d(np.cov(x, rowvar=False)))).T
    return torch.from_numpy(white @ np.linalg.cholesky(covariance).T + mean)


def test_frechet_is_the_closed_form_of_gaussians():
    # In one dimension (μ − ν)² + (σ − τ)²; for covariances that commute the sum of this over their axes.
    for (m, s), (n, t) in [((0, 1), (0, 1)), ((1, 2), (4, 2)), ((0, 3), (2, 0.5))]:
        a, b = (with_moments([mean], [[sigma**2]], seed=i) for i, (mean, sigma) in enumerate([(m, s), (n, t)]))
        assert frechet_distance(a, b) == pytest.approx((m - n) ** 2 + (s - t) ** 2, abs=1e-9)
    turn, _ = np.linalg.qr(np.random.default_rng(3).standard_normal((6, 6)))
    s, t = np.arange(1.0, 7), np.array([3.0, 0.1, 2, 2, 5, 1])
    one, other = (turn @ np.diag(x**2) @ turn.T for x in (s, t))
    a, b = with_moments(np.ones(6), one), with_moments(np.zeros(6), other, seed=1)
    assert frechet_distance(a, b) == pytest.approx(6 + ((s - t) ** 2).sum(), rel=1e-9)


def test_frechet_is_symmetric_and_zero_for_equals():
    for a, b in PAIRS:
        assert frechet_distance(a, b) == pytest.approx(frechet_distance(b, a), rel=1e-12)
        assert 0 <= frechet_distance(a, a) < 1e-12
        assert frechet_distance(a, a.flip(0)) < 1e-12


@pytest.mark.parametrize("n", [65, 66, 80])
def test_frechet_is_stable_with_few_samples_and_dead_units(n):
    """As many samples as just suffice, units that never fire, units that are copies: equal to the limit of a ridge."""
    a, b = drawn(n, 64), drawn(n, 64, seed=1)
    for x in (a, b):
        x[:, :20] = 0
        x[:, 20:40] = x[:, 40:60]
    one, other = (np.cov(x.numpy(), rowvar=False) for x in (a, b))
    values, vectors = np.linalg.eigh(one)
    root = (vectors * np.sqrt(values.clip(0))) @ vectors.T
    shared = np.sqrt(np.linalg.eigvalsh(root @ other @ root).clip(0)).sum()
    gap = ((a.mean(0) - b.mean(0)) ** 2).sum().item()
    expected = gap + np.trace(one) + np.trace(other) - 2 * shared
    assert frechet_distance(a, b) == pytest.approx(expected, rel=1e-5)
    assert frechet_distance(a, a) < 1e-12


def test_frechet_in_single_precision_is_summed_in_double():
    a, b = (x.float() + 1000 for x in PAIRS[1])
    assert frechet_distance(a, b) == pytest.approx(by_scipy(a, b), rel=1e-7)
    half = [x.half() for x in PAIRS[1]]
    assert frechet_distance(*half) == pytest.approx(by_scipy(*half), rel=1e-9)


def test_below_d_plus_one_samples_there_is_no_frechet_distance():
    assert frechet_distance(drawn(9, 8), drawn(9, 8, seed=1)) > 0
    with pytest.raises(ValueError, match=r"8 samples of 8 features; give 9 or more"):
        frechet_distance(drawn(9, 8), drawn(8, 8))


# Kernel distance


def by_scikit_learn(a, b):
    a, b = a.double().numpy(), b.double().numpy()

    def kernel(x, y):
        return polynomial_kernel(x, y, degree=3, gamma=1 / x.shape[1], coef0=1)

    inside = [kernel(x, x)[~np.eye(len(x), dtype=bool)].mean() for x in (a, b)]
    return sum(inside) - 2 * kernel(a, b).mean()


@pytest.mark.parametrize(("a", "b"), [*PAIRS, (drawn(300, 16), drawn(500, 16, seed=7))])
def test_kernel_distance_equals_scikit_learns_kernel(a, b):
    value, error = kernel_distance(a, b)
    assert value == pytest.approx(by_scikit_learn(a, b), rel=1e-9, abs=1e-12)
    assert kernel_distance(b, a) == pytest.approx((value, error), rel=1e-9, abs=1e-12)
    # The control: with the diagonals it is another, greater number.
    biased = sum(polynomial_kernel(x, x, gamma=1 / x.shape[1], coef0=1).mean() for x in (a, b))
    biased -= 2 * polynomial_kernel(a, b, gamma=1 / a.shape[1], coef0=1).mean()
    assert value < biased - 1e-3


def test_kernel_distance_equals_torch_fidelitys():
    a, b = drawn(80, 6), drawn(80, 6, seed=1, shift=0.1)
    peer = kid_features_to_metric(a, b, kid_subsets=1, kid_subset_size=80, kid_kernel="poly", verbose=False)
    assert kernel_distance(a, b)[0] == pytest.approx(peer["kernel_inception_distance_mean"], rel=1e-9)


@pytest.mark.parametrize(("m", "n", "shift"), [(40, 40, 0.0), (30, 90, 0.0), (40, 40, 0.15), (90, 30, 0.5)], ids=str)
def test_kernel_distance_is_unbiased_and_its_error_is_its_spread(m, n, shift):
    """Over many draws: mean and spread of the values are the expected value and the error that each draw states."""
    draws = 600
    found = [kernel_distance(drawn(m, 4, seed=2 * i), drawn(n, 4, seed=2 * i + 1, shift=shift)) for i in range(draws)]
    values, errors = map(np.array, zip(*found, strict=True))
    spread = values.std(ddof=1)
    large = kernel_distance(drawn(4000, 4, seed=10**6), drawn(4000, 4, seed=10**6 + 1, shift=shift))
    truth, doubt = (0.0, 0.0) if shift == 0 else large
    assert abs(values.mean() - truth) < 4 * math.hypot(spread / draws**0.5, doubt)
    stated = np.sqrt((errors**2).mean())
    # Where the sets are alike, it errs on the safe side: the first part of the variance is 0, its estimate 0 or more.
    assert 0.85 < stated / spread < (1.5 if shift < 0.5 else 1.2)
    assert 0.7 < np.median(errors) / spread < 1.2 or shift >= 0.5
    assert (np.abs(values - values.mean()) < 2 * errors).mean() > (0.93 if shift < 0.5 else 0.75)
    if shift == 0:
        assert (values < 0).mean() > 0.4
        # The control: the biased estimate is far from 0.
        biased = [drawn(m, 4, seed=2 * i).square().sum(1) / 4 for i in range(draws)]
        excess = np.mean([((b + 1) ** 3).mean().item() for b in biased]) / m
        assert excess > 10 * spread / draws**0.5


def test_the_error_of_one_draw_says_how_far_it_is_off():
    """Of sets that differ, some two in three draws lie within one error of their mean, and most within two."""
    found = [kernel_distance(drawn(250, 32, seed=2 * i), drawn(250, 32, seed=2 * i + 1, shift=0.1)) for i in range(80)]
    values, errors = map(np.array, zip(*found, strict=True))
    off = np.abs(values - values.mean()) / errors
    assert 0.5 < (off < 1).mean() < 0.85
    assert (off < 2).mean() > 0.88


def test_the_error_equals_an_independent_jackknife():
    """Where the sets differ, the first part of the variance rules, and leaving one sample out estimates it."""
    a, b = drawn(60, 5), drawn(50, 5, seed=1, shift=0.5)

    def left_out(x, i):
        return torch.cat([x[:i], x[i + 1 :]])

    over_a = np.array([by_scikit_learn(left_out(a, i), b) for i in range(len(a))])
    over_b = np.array([by_scikit_learn(a, left_out(b, j)) for j in range(len(b))])
    variance = sum((len(x) - 1) * x.var() for x in (over_a, over_b))
    assert kernel_distance(a, b)[1] == pytest.approx(variance**0.5, rel=0.1)
    assert kernel_distance(a, b)[1] < variance**0.5  # the jackknife counts the second part twice


# Inception score


def test_inception_score_equals_torch_fidelitys_and_the_definition():
    logits = 3 * torch.randn(200, 7, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    peer = isc_features_to_metric(logits, splits=1)["inception_score_mean"]
    p = logits.softmax(1).numpy()
    kl = scipy.stats.entropy(p, np.broadcast_to(p.mean(0), p.shape), axis=1)
    assert inception_score(logits.softmax(1)) == pytest.approx(peer, rel=1e-12)
    assert inception_score(logits.softmax(1)) == pytest.approx(math.exp(kl.mean()), rel=1e-12)
    assert inception_score(logits.softmax(1)) != pytest.approx(math.exp(kl.mean()) + 1e-3, rel=1e-6)


def test_inception_score_goes_from_one_to_the_number_of_classes():
    sure = torch.eye(10).repeat(5, 1)
    assert inception_score(sure) == pytest.approx(10)
    assert inception_score(sure[:10]) == pytest.approx(10)
    assert inception_score(torch.full((50, 10), 0.1)) == pytest.approx(1)
    assert inception_score(sure[:1].repeat(50, 1)) == pytest.approx(1)
    assert inception_score(torch.eye(10)[:4]) == pytest.approx(4)
    assert inception_score(torch.randn(500, 10).softmax(1).half()) > 1


@pytest.mark.parametrize("rows", [torch.randn(5, 3), torch.full((5, 3), 0.5), torch.tensor([[1.5, -0.5]])])
def test_what_is_no_probability_is_refused(rows):
    with pytest.raises(ValueError, match=r"give probabilities, of logits logits.softmax\(1\)"):
        inception_score(rows)


# Precision and recall


def by_neighbours(real, fake, k):
    def covered(x, points):
        trees = NearestNeighbors(n_neighbors=k + 1, algorithm="kd_tree").fit(x)
        radius = trees.kneighbors(x)[0][:, -1]
        return np.mean([(np.linalg.norm(x - p, axis=1) <= radius).any() for p in points])

    real, fake = real.numpy(), fake.numpy()
    return covered(real, fake), covered(fake, real)


@pytest.mark.parametrize("k", [1, 3, 5])
@pytest.mark.parametrize(("a", "b"), PAIRS)
def test_precision_and_recall_equal_scikit_learns_neighbours_and_torch_fidelitys(a, b, k):
    ours = precision_recall(a, b, k)
    assert ours == pytest.approx(by_neighbours(a, b, k))
    peer = prc_features_to_metric(b, a, prc_neighborhood=k, prc_batch_size=1000, verbose=False)
    assert ours == pytest.approx((peer["precision"], peer["recall"]), abs=0.02)
    assert precision_recall(b, a, k) == ours[::-1]


def test_precision_and_recall_of_a_line():
    """Worked by hand: with k = 1 the real balls reach 1, the fake ones 10 and 10."""
    real, fake = torch.tensor([[0.0], [1], [2], [3]]), torch.tensor([[3.5], [13.5]])
    assert precision_recall(real, fake, 1) == (0.5, 1.0)
    assert precision_recall(fake, real, 1) == (1.0, 0.5)
    assert precision_recall(real, real, 3) == (1.0, 1.0)
    assert precision_recall(real, real + 100, 3) == (0.0, 0.0)
    # A distance that is just the radius counts.
    assert precision_recall(real, torch.tensor([[4.0], [40]]), 1)[0] == 0.5


def test_copies_are_seen_exactly():
    real = drawn(50, 20).float() * 1e3
    assert precision_recall(real, real.clone()) == (1.0, 1.0)
    one = real[:1].repeat(9, 1)
    assert precision_recall(real, one)[0] == 1.0
    assert precision_recall(real, one)[1] == pytest.approx(1 / 50)


# Bad input, of all

BAD = {
    "NaN": (torch.full((9, 3), float("nan")), "NaN or infinity in 9 of 9 rows"),
    "infinity": (torch.tensor([[math.inf, 0.0]] + [[0.0, 1.0]] * 8), "NaN or infinity in 1 of 9 rows"),
    "integers": (torch.ones(9, 3, dtype=torch.int64), r"\[9, 3\] of torch.int64; give floats"),
    "maps": (torch.zeros(9, 3, 4, 4), r"\[9, 3, 4, 4\] of torch.float32; give floats \[N, D\]"),
    "nothing": (torch.zeros(0, 3), r"\[0, 3\]"),
    "an array": (np.zeros((9, 3)), "as ndarray; give floats"),
}


@pytest.mark.parametrize("name", BAD)
@pytest.mark.parametrize("judge", [frechet_distance, kernel_distance, precision_recall], ids=lambda f: f.__name__)
def test_bad_features_get_a_sentence(judge, name):
    bad, says = BAD[name]
    good = drawn(9, 3 if name != "infinity" else 2)
    for pair in ((bad, good), (good, bad)):
        with pytest.raises(ValueError, match=rf"^{judge.__name__} was given .*{says}"):
            judge(*pair)


@pytest.mark.parametrize("name", BAD)
def test_bad_probabilities_get_a_sentence(name):
    with pytest.raises(ValueError, match=rf"^inception_score was given probabilities .*{BAD[name][1]}"):
        inception_score(BAD[name][0])


@pytest.mark.parametrize("judge", [frechet_distance, kernel_distance, precision_recall], ids=lambda f: f.__name__)
def test_features_of_two_networks_are_refused(judge):
    with pytest.raises(ValueError, match=r"with 3 features and \w+ with 5 features; give features of one network"):
        judge(drawn(20, 3), drawn(20, 5))


def test_too_few_samples_are_refused():
    with pytest.raises(ValueError, match=r"3 and 9 samples; give four or more"):
        kernel_distance(drawn(3, 2), drawn(9, 2))
    with pytest.raises(ValueError, match=r"9 real and 3 fake samples with k=3; give more than k"):
        precision_recall(drawn(9, 2), drawn(3, 2))
    for k in (0, -1, 1.5, True):
        with pytest.raises(ValueError, match=r"precision_recall was given k="):
            precision_recall(drawn(9, 2), drawn(9, 2), k)


def test_what_was_given_stays_as_it_was():
    a, b = drawn(20, 3), drawn(20, 3, seed=1)
    before = a.clone(), b.clone()
    for judge in (frechet_distance, kernel_distance, precision_recall):
        judge(a, b)
    inception_score(a.softmax(1))
    assert torch.equal(a, before[0])
    assert torch.equal(b, before[1])
    assert kernel_distance(a.clone().requires_grad_(), b) == kernel_distance(a, b)
