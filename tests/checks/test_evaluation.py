"""The judges of the chapter on evaluation: other right ways pass, lazy ways that are right for easy inputs do not."""

import math

import numpy as np
import pytest
import scipy.linalg
import torch
from sklearn.metrics.pairwise import polynomial_kernel
from sklearn.neighbors import NearestNeighbors

from segen import metrics
from segen.checks import evaluation as check
from segen.checks.judging import RIGHT, WRONG

SEEDS = range(5)


def frechet_by_scipy(a, b):
    one, other = np.atleast_2d(np.cov(a.numpy().T)), np.atleast_2d(np.cov(b.numpy().T))
    root = scipy.linalg.sqrtm((one @ other).astype(complex)).real
    return float(((a.mean(0) - b.mean(0)) ** 2).sum()) + np.trace(one) + np.trace(other) - 2 * np.trace(root)


def frechet_by_package(a, b):
    return metrics.frechet_distance(a, b)


def frechet_in_single_precision(a, b):
    one, other = torch.cov(a.T).view(a.shape[1], -1), torch.cov(b.T).view(a.shape[1], -1)
    shared = torch.linalg.eigvals(one @ other).sqrt().real.sum()
    return (a.mean(0) - b.mean(0)).square().sum() + one.trace() + other.trace() - 2 * shared


def mmd_by_scikit_learn(a, b):
    def kernel(x, y):
        return polynomial_kernel(x.double().numpy(), y.double().numpy(), degree=3, gamma=1 / x.shape[1], coef0=1)

    own = [kernel(x, x)[~np.eye(len(x), dtype=bool)].mean() for x in (a, b)]
    return sum(own) - 2 * kernel(a, b).mean()


def mmd_by_loops(a, b):
    def k(x, y):
        return (float(x.double() @ y.double()) / len(x) + 1) ** 3

    n, m = len(a), len(b)
    total = sum(k(a[i], a[j]) for i in range(n) for j in range(n) if i != j) / (n * (n - 1))
    total += sum(k(b[i], b[j]) for i in range(m) for j in range(m) if i != j) / (m * (m - 1))
    return total - 2 / (n * m) * sum(k(x, y) for x in a for y in b)


def score_by_package(p):
    return metrics.inception_score(p)


def score_by_scipy(p):
    rows = p.double().numpy()
    kl = scipy.stats.entropy(rows, np.broadcast_to(rows.mean(0), rows.shape), axis=1)
    return np.exp(kl.mean())


def score_with_a_guard(p):
    return ((p * ((p + 1e-12).log() - (p.mean(0) + 1e-12).log())).sum(1)).mean().exp()


def neighbours_by_package(real, fake, k):
    return metrics.precision_recall(real, fake, k)


def neighbours_by_scikit_learn(real, fake, k):
    def covered(x, points):
        x, points = x.double().numpy(), points.double().numpy()
        radius = NearestNeighbors(n_neighbors=k).fit(x).kneighbors()[0][:, -1]  # without the sample itself
        return np.mean([(np.linalg.norm(x - p, axis=1) <= radius).any() for p in points])

    return [covered(real, fake), covered(fake, real)]


def neighbours_by_topk(real, fake, k):
    exact = {"compute_mode": "donot_use_mm_for_euclid_dist"}
    gaps = torch.cdist(real, fake, **exact)
    radii = [torch.cdist(x, x, **exact).topk(k + 1, largest=False).values[:, -1] for x in (real, fake)]
    precision = (gaps <= radii[0][:, None]).any(0).float().mean()
    return torch.stack([precision, (gaps <= radii[1]).any(1).float().mean()])


JUDGES = {
    "frechet": check.frechet_distance,
    "mmd": check.unbiased_mmd,
    "score": check.inception_score,
    "neighbours": check.precision_recall,
}
WAYS = [
    frechet_by_scipy,
    frechet_by_package,
    frechet_in_single_precision,
    mmd_by_scikit_learn,
    mmd_by_loops,
    score_by_package,
    score_by_scipy,
    score_with_a_guard,
    neighbours_by_package,
    neighbours_by_scikit_learn,
    neighbours_by_topk,
]


@pytest.mark.parametrize("answer", WAYS, ids=lambda answer: answer.__name__)
def test_other_right_ways(answer):
    judge = JUDGES[answer.__name__.partition("_")[0]]
    assert {str(judge.judge(answer, seed)) for seed in SEEDS} == {f"✓ {judge.name}: {RIGHT}."}


def frechet_of_equal_sizes(a, b):
    n = min(len(a), len(b))
    return frechet_by_scipy(a[:n], b[:n])


def first_centred(a, b):
    return frechet_by_scipy(a, b - b.mean(0) + a.mean(0)) + float((a.mean(0) - b.mean(0)).abs().sum())


LAZY = {
    "frechet_equal_sizes": (check.frechet_distance, frechet_of_equal_sizes),
    "frechet_sum_of_sizes": (check.frechet_distance, first_centred),
    "frechet_wasserstein_in_one_dimension": (
        check.frechet_distance,
        lambda a, b: float(((a.mean(0) - b.mean(0)) ** 2 + (a.std(0) - b.std(0)) ** 2).sum()),
    ),
    "frechet_mean_of_features": (check.frechet_distance, lambda a, b: frechet_by_scipy(a, b) / a.shape[1]),
    "mmd_linear": (check.unbiased_mmd, lambda a, b: float((a.mean(0) - b.mean(0)).square().sum())),
    "mmd_smaller_set": (check.unbiased_mmd, lambda a, b: mmd_by_loops(a[: len(b)], b[: len(a)])),
    "mmd_first_pairs": (check.unbiased_mmd, lambda a, b: mmd_by_loops(a[:2], b[:2])),
    "mmd_both_over_the_first_size": (
        check.unbiased_mmd,
        lambda a, b: metrics_own(a, len(a)) + metrics_own(b, len(a)) - 2 * across(a, b),
    ),
    "score_classes_seen": (check.inception_score, lambda p: float(len(p.argmax(1).unique()))),
    "score_of_one_hot": (
        check.inception_score,
        lambda p: score_by_scipy(torch.nn.functional.one_hot(p.argmax(1), p.shape[1])),
    ),
    "score_of_halves": (
        check.inception_score,
        lambda p: float(np.mean([score_by_scipy(x) for x in p.chunk(2)])),
    ),
    "score_softmax_again": (check.inception_score, lambda p: score_by_scipy(p.softmax(1))),
    "neighbours_always_three": (check.precision_recall, lambda r, f, k: neighbours_by_topk(r, f, min(3, len(r) - 1))),
    "neighbours_always_one": (check.precision_recall, lambda r, f, k: neighbours_by_topk(r, f, 1)),
    "neighbours_city_block": (
        check.precision_recall,
        lambda r, f, k: city_block(r, f, k),
    ),
    "neighbours_precision_twice": (
        check.precision_recall,
        lambda r, f, k: [neighbours_by_topk(r, f, k)[0].item()] * 2,
    ),
}


def metrics_own(x, n):
    kernel = polynomial_kernel(x.double().numpy(), degree=3, gamma=1 / x.shape[1], coef0=1)
    return (kernel.sum() - np.trace(kernel)) / (n * (n - 1))


def across(a, b):
    return polynomial_kernel(a.double().numpy(), b.double().numpy(), gamma=1 / a.shape[1], coef0=1).mean()


def city_block(real, fake, k):
    gaps = torch.cdist(real, fake, p=1)
    radii = [torch.cdist(x, x, p=1).sort(1).values[:, k] for x in (real, fake)]
    return [(gaps <= radii[0][:, None]).any(0).float().mean(), (gaps <= radii[1]).any(1).float().mean()]


@pytest.mark.parametrize("name", LAZY)
def test_lazy_ways_fail(name):
    judge, answer = LAZY[name]
    assert {judge.judge(answer, seed).state for seed in SEEDS} == {WRONG}


def test_what_the_judges_expect_is_what_the_package_gives():
    random = torch.Generator().manual_seed(3)
    for case in check.frechet_distance.cases(random):
        assert metrics.frechet_distance(**case.inputs) == pytest.approx(case.expected, abs=1e-6)
    for case in check.inception_score.cases(random):
        assert metrics.inception_score(case.inputs["p"]) == pytest.approx(case.expected)
    for case in check.precision_recall.cases(random):
        assert list(metrics.precision_recall(**case.inputs)) == pytest.approx(case.expected)
    for case in check.unbiased_mmd.cases(random):
        if min(map(len, case.inputs.values())) > 3:
            assert metrics.kernel_distance(**case.inputs)[0] == pytest.approx(case.expected)
    assert math.isfinite(case.expected)
