"""The judges of the chapter `evaluation`: frechet_distance, unbiased_mmd, inception_score and precision_recall."""

import math
from collections.abc import Callable, Iterator
from itertools import product

import numpy as np
import torch
from torch import Tensor

from segen.checks.judging import Case, exercise


def _whole(rows: list) -> Tensor:
    return torch.tensor(rows, dtype=torch.float32)


def _drawn(n: int, d: int, random: torch.Generator, *, scale: float = 3.0) -> Tensor:
    """Draw features in quarters, dependent of each other: a counter-example is read more easily with them."""
    x = torch.randn(n, d, generator=random) @ (torch.eye(d) + 0.5 * torch.randn(d, d, generator=random))
    return (scale * x).round() / 4


# frechet_distance -----------------------------------------------------------------------------------------------


def _moments(x: np.ndarray, *, less: int = 1, centred: bool = True) -> tuple[np.ndarray, np.ndarray]:
    mean = x.mean(0)
    rest = x - mean if centred else x
    return mean, rest.T @ rest / (len(x) - less)


def _root(matrix: np.ndarray) -> np.ndarray:
    values, vectors = np.linalg.eigh(matrix)
    return (vectors * np.sqrt(values.clip(0))) @ vectors.T


def _shared(one: np.ndarray, other: np.ndarray) -> float:
    """The trace of (Σa Σb)^½, by the eigenvalues of the product, which are real and not negative."""
    return float(np.sqrt(np.linalg.eigvals(one @ other).real.clip(0)).sum())


@exercise(
    "evaluation",
    hints=(
        "Begin with D = 1: there it is (μ − ν)² + (σ − τ)². Does your function give that?",
        "Means and covariances first: x − x.mean(0), the product of its transpose with it, over N − 1. Then three "
        "traces and the squared length of the means' difference.",
        "The trace of (Σa Σb)^½ is the sum of the square roots of the eigenvalues of Σa Σb: not the root of each "
        "element, nor of each matrix by itself. torch.linalg.eigvals gives them, as complex numbers: take .real.",
    ),
)
def frechet_distance(random: torch.Generator) -> Iterator[Case]:
    """`frechet_distance(a float [N, D], b float [M, D])` → a float: |μa − μb|² + tr(Σa + Σb − 2 (Σa Σb)^½).

    Covariances with N − 1; N and M are at least D + 1 and may differ.
    """
    pairs = [
        (_whole([[0], [2]]), _whole([[5], [7]])),
        (_whole([[0], [2]]), _whole([[0], [6], [3]])),
        (_whole([[0, 0], [2, 0], [0, 4], [2, 4]]), _whole([[1, 0], [1, 2], [3, 2], [7, 0]])),
        (_whole([[0, 0], [4, 4], [1, 0], [3, 4]]), _whole([[0, 1], [3, -2], [1, 1], [2, -1], [0, 3]])),
    ]
    pairs += [(_drawn(n, d, random), _drawn(m, d, random)) for n, m, d in ((6, 9, 2), (20, 12, 3), (40, 40, 6))]
    for x, y in pairs:
        a, b = x.double().numpy(), y.double().numpy()

        def told(
            less: int = 1,
            centred: bool = True,
            shared: Callable = _shared,
            gap: Callable = lambda d: float(d @ d),
            weights: tuple = (1, 1, 2),
            a: np.ndarray = a,
            b: np.ndarray = b,
        ) -> float:
            (mean_a, one), (mean_b, other) = (_moments(v, less=less, centred=centred) for v in (a, b))
            p, q, r = weights
            return gap(mean_a - mean_b) + p * np.trace(one) + q * np.trace(other) - r * shared(one, other)

        right = told()
        mistakes = {
            "Your covariances divide by N; here it is N − 1.": told(less=0),
            "Your covariances are not centred: take the mean off first.": told(centred=False),
            "The square root is missing: the trace of Σa Σb is not that of its root.": told(
                shared=lambda p, q: float(np.trace(p @ q))
            ),
            "You took the root of each element; (Σa Σb)^½ is the matrix whose square is the product.": (
                told(shared=lambda p, q: float(np.sqrt(np.abs(np.diag(p @ q))).sum())),
                told(shared=lambda p, q: float(np.sqrt(np.diag(p @ q).clip(0)).sum())),
            ),
            "The root of the product is not the product of the roots, unless the two commute.": told(
                shared=lambda p, q: float(np.trace(_root(p) @ _root(q)))
            ),
            "eigvalsh and eigh are for symmetric matrices, and the product is none: they read one half of it.": (
                told(shared=lambda p, q: float(np.sqrt(np.linalg.eigvalsh(p @ q).clip(0)).sum())),
                told(shared=lambda p, q: float(np.sqrt(np.abs(np.linalg.eigvalsh(p @ q))).sum())),
            ),
            "Singular values are not eigenvalues here: the product is not symmetric.": told(
                shared=lambda p, q: float(np.sqrt(np.linalg.svd(p @ q, compute_uv=False)).sum())
            ),
            "You took the root of the trace; it is the trace of the root.": told(
                shared=lambda p, q: float(np.sqrt(np.trace(p @ q)))
            ),
            "You multiplied the eigenvalues of the two; those of the product are others.": (
                told(shared=lambda p, q: float(np.sqrt((np.linalg.eigvalsh(p) * np.linalg.eigvalsh(q)).clip(0)).sum()))
            ),
            "You compare the variances of each feature by itself; how features go together counts too.": told(
                shared=lambda p, q: float(np.sqrt(np.diag(p) * np.diag(q)).sum())
            ),
            "The last trace is subtracted twice, not once.": told(weights=(1, 1, 1)),
            "The last trace was added.": told(weights=(1, 1, -2)),
            "The last trace was left out.": told(weights=(1, 1, 0)),
            "The means were left out.": told(gap=lambda d: 0.0),
            "Only the means were compared; their covariances count too.": told(weights=(0, 0, 0)),
            "The length of the means' difference is not squared.": told(gap=lambda d: float(np.linalg.norm(d))),
            "You took the mean over the features of the squared difference; it is a sum.": told(
                gap=lambda d: float((d**2).mean())
            ),
            "You took the root of the whole; this distance is stated squared.": math.sqrt(max(right, 0)),
            "You compared the covariances by the squares of their differences.": told(
                weights=(0, 0, 1), shared=lambda p, q: -float(((p - q) ** 2).sum())
            ),
            "You compared spreads by (σ − τ)² of standard deviations with N.": told(
                less=0, shared=lambda p, q: float(np.sqrt(np.diag(p) * np.diag(q)).sum())
            ),
        }
        yield Case({"a": x, "b": y}, float(right), mistakes)


# unbiased_mmd ---------------------------------------------------------------------------------------------------


def _kernel(x: list, y: list, *, degree: int = 3, add: float = 1.0, divide: bool = True) -> float:
    product = sum(p * q for p, q in zip(x, y, strict=True))
    return (product / (len(x) if divide else 1) + add) ** degree


def _pairs(x: list, y: list, kernel: Callable, *, keep: Callable = lambda i, j: True, over: float = 0) -> float:
    """The mean of the kernel over the pairs that are kept, or its sum divided by `over`."""
    values = [kernel(p, q) for (i, p), (j, q) in product(enumerate(x), enumerate(y)) if keep(i, j)]
    return sum(values) / (over or len(values))


@exercise(
    "evaluation",
    hints=(
        "Three means of the kernel: over pairs within a, over pairs within b, over pairs of one of each. Do it by hand "
        "for two samples each.",
        "Within a set no sample is paired with itself: leave the diagonal out of the sum, and divide by N (N − 1).",
        "((k_aa.sum() − k_aa.trace()) / (N (N − 1))) + the same of b − 2 k_ab.mean(); and let it be negative.",
    ),
)
def unbiased_mmd(random: torch.Generator) -> Iterator[Case]:
    """`unbiased_mmd(a float [N, D], b float [M, D])` → a float, the unbiased squared MMD, kernel (xᵀy / D + 1)³.

    N and M are at least 2 and may differ; the value may be negative.
    """
    sets = [
        (_whole([[0], [1]]), _whole([[1], [2]])),
        (_whole([[1], [-1]]), _whole([[1], [-1]])),
        (_whole([[2, 0], [0, 2]]), _whole([[1, 1], [1, 2]])),
        (_whole([[1, 0], [0, 1], [2, 1]]), _whole([[0, 0], [2, 2]])),
        (_whole([[1, 0], [0, 3]]), _whole([[1, 1], [2, 2], [0, 3], [1, 2]])),
    ]
    sets += [(_drawn(n, d, random) / 2, _drawn(m, d, random) / 2) for n, m, d in ((3, 5, 2), (8, 6, 4), (12, 12, 3))]
    for a, b in sets:
        x, y = a.double().tolist(), b.double().tolist()

        def told(
            kernel: Callable = _kernel,
            within: Callable = lambda i, j: i != j,
            across: Callable = lambda i, j: True,
            square: bool = False,
            factor: float = 2.0,
            x: list = x,
            y: list = y,
        ) -> float:
            own = [_pairs(v, v, kernel, keep=within, over=len(v) ** 2 if square else 0) for v in (x, y)]
            return sum(own) - factor * _pairs(x, y, kernel, keep=across)

        right = told()
        mistakes = {
            "You paired samples with themselves: that is biased upwards. Leave the diagonals out.": told(
                within=lambda i, j: True
            ),
            "The diagonals are left out of the sums, but you still divide by N²; pairs are N (N − 1).": told(
                square=True
            ),
            "You divide by N (N − 1), but the diagonals are still in the sums.": sum(
                _pairs(v, v, _kernel, over=len(v) * (len(v) - 1)) for v in (x, y)
            )
            - 2 * _pairs(x, y, _kernel),
            "You counted each pair once, but N (N − 1) counts it twice.": sum(
                _pairs(v, v, _kernel, keep=lambda i, j: i < j) / 2 for v in (x, y)
            )
            - 2 * _pairs(x, y, _kernel),
            "You cut the longer set; all samples count.": told(x=x[: len(y)], y=y[: len(x)]),
            "Between the two sets there is no diagonal to leave out: all pairs are of different samples.": told(
                across=lambda i, j: i != j
            ),
            "The mean over pairs of both sets is subtracted twice.": told(factor=1.0),
            "The mean over pairs of both sets was added.": told(factor=-2.0),
            "The mean over pairs of both sets was left out.": told(factor=0.0),
            "It must not be held at 0: an unbiased estimate of 0 is negative half of the time.": max(right, 0.0),
            "You took its size without its sign; it may be negative.": abs(right),
            "That is the root; the squared discrepancy is asked for.": math.sqrt(max(right, 0.0)),
            "The power is 3.": tuple(told(lambda p, q, e=e: _kernel(p, q, degree=e)) for e in (1, 2, 4)),
            "The 1 is missing in the kernel.": told(lambda p, q: _kernel(p, q, add=0.0)),
            "The product is divided by the number of features, D.": told(lambda p, q: _kernel(p, q, divide=False)),
            "The product is divided by D, not by its root.": told(
                lambda p, q: (sum(s * t for s, t in zip(p, q, strict=True)) / len(p) ** 0.5 + 1) ** 3
            ),
            "You divided by the number of samples; the product is divided by that of features, D.": tuple(
                sum(
                    _pairs(v, w, lambda p, q, n=n: (_kernel(p, q, degree=1, add=0.0) * len(p) / n + 1) ** 3, keep=keep)
                    * factor
                    for v, w, n, keep, factor in (
                        (x, x, len(x), lambda i, j: i != j, 1),
                        (y, y, last, lambda i, j: i != j, 1),
                        (x, y, len(x), lambda i, j: True, -2),
                    )
                )
                for last in {len(x), len(y)}
            ),
            "You divided by D after adding the 1.": told(
                lambda p, q: ((sum(s * t for s, t in zip(p, q, strict=True)) + 1) / len(p)) ** 3
            ),
            "That is the distance of the means; no kernel is in it.": float(
                (a.double().mean(0) - b.double().mean(0)).square().sum()
            ),
        }
        yield Case({"a": a, "b": b}, right, mistakes)


# inception_score ------------------------------------------------------------------------------------------------


def _entropy(p: list[float], base: float = math.e) -> float:
    return -sum(q * math.log(q, base) for q in p if q > 0)


def _divergence(p: list[float], q: list[float], base: float = math.e) -> float:
    return sum(s * math.log(s / t, base) for s, t in zip(p, q, strict=True) if s > 0)


def _score(p: Tensor) -> float:
    """The score of rows above 0, by the formula."""
    return float((p * (p.log() - p.mean(0).log())).sum(1).mean().exp())


@exercise(
    "evaluation",
    hints=(
        "Two images, each surely of another class: the answer is 2. Two images of one class: 1. Try both.",
        "The marginal is the mean of the rows. Each row's KL to it is a sum over classes; their mean is over images.",
        "exp(H(mean of p) − mean of H(p)) is the same number; with torch.special.entr, 0 log 0 is 0.",
    ),
)
def inception_score(random: torch.Generator) -> Iterator[Case]:
    """`inception_score(p float [N, K])` → a float, exp of the mean of KL(p(y | x) ‖ p(y)); rows add up to 1.

    A probability may be 0: `0 log 0` is 0.
    """
    counts = [
        [[1, 1], [3, 1]],
        [[1, 3], [1, 1], [2, 2]],
        [[1, 0], [0, 1]],
        [[1, 0, 0], [1, 0, 0], [0, 1, 1]],
        [[2, 1, 1], [2, 1, 1]],
        [[1, 0, 0, 0], [0, 1, 0, 0], [0, 0, 1, 0], [0, 0, 0, 1]],
        [[4, 0, 0, 0], [1, 1, 2, 0], [0, 3, 1, 0]],
    ]
    sets = [_whole(rows) / _whole(rows).sum(1, keepdim=True) for rows in counts]
    sets += [(3 * torch.randn(n, k, generator=random)).softmax(1) for n, k in ((4, 3), (9, 10), (30, 5))]
    for p in sets:
        rows = p.double().tolist()
        n, k = p.shape
        marginal = p.double().mean(0).tolist()
        each = [_divergence(row, marginal) for row in rows]
        right = math.exp(sum(each) / n)
        spread = _entropy(marginal)
        unsure = sum(map(_entropy, rows)) / n
        down = p.double() / p.double().sum(0).clamp(min=1e-300)
        column = down.mean(1).tolist()
        mistakes = {
            "The exponential is missing: that is the mean divergence.": sum(each) / n,
            "You took the exponential of each divergence and then the mean; it is the other way round.": sum(
                map(math.exp, each)
            )
            / n,
            "You summed over the images; take the mean.": math.exp(min(sum(each), 700)),
            "You took the mean over the classes too; a divergence is a sum over them.": math.exp(sum(each) / (n * k)),
            "You compared each row with even shares; compare it with the mean of the rows.": math.exp(
                math.log(k) - unsure
            ),
            "You looked at the mean of the rows alone; how sure each row is counts too.": math.exp(spread),
            "You looked at each row alone; how classes are shared out over the set counts too.": (
                math.exp(-unsure),
                math.exp(unsure),
            ),
            "The sign is turned round.": 1 / right,
            "The logarithm is natural, as the exponential is; you mixed two bases.": (
                math.exp(sum(each) / n / math.log(2)),
                2 ** (sum(each) / n),
            ),
            "You added up the columns: the marginal is the mean over images, axis 0.": math.exp(
                sum(_divergence(row, column) for row in down.T.tolist() if min(column) > 0) / k
            ),
            "These are probabilities already: no softmax.": _score(p.double().softmax(1)),
            "You summed the entropies where they must be subtracted.": math.exp(min(spread + unsure, 700)),
        }
        if min(marginal) > 0 and p.min() > 0:
            reverse = sum(_divergence(marginal, row) for row in rows) / n
            mistakes["The divergence is the wrong way round: it is KL(row ‖ mean of the rows)."] = math.exp(reverse)
        if p.min() == 0:
            mistakes["A probability of 0 gives 0 · log 0 = nan; it must count as 0."] = float("nan")
            mistakes["The constant that keeps the logarithm from 0 is too large: it changes the score."] = tuple(
                _score(q)
                for c in (1e-1, 1e-2, 1e-3, 1e-4, 1e-5)
                for q in (p.double().clamp(min=c), (p.double().clamp(min=c, max=1 - c)), p.double() + c)
            ) + tuple(
                float((p.double() * ((p.double() + c).log() - (p.double().mean(0) + e).log())).sum(1).mean().exp())
                for c in (1e-1, 1e-2, 1e-3, 1e-4, 1e-5)
                for e in (c, 0)
                if min(marginal) > 0
            )
        yield Case({"p": p}, right, mistakes)


# precision_recall -----------------------------------------------------------------------------------------------


def _reach(points: list, others: list, k: int) -> list[float]:
    """For each point the k-th smallest of its distances to the others, counted from 1."""
    return [sorted(math.dist(p, q) for q in others)[k - 1] for p in points]


def _share(centres: list, radii: list[float], points: list, *, closed: bool = True, nearest: bool = False) -> float:
    """The share of points that lie in a ball; with `nearest`, in that of the nearest centre."""
    inside = 0
    for q in points:
        gaps = [math.dist(c, q) for c in centres]
        which = [min(range(len(gaps)), key=gaps.__getitem__)] if nearest else range(len(gaps))
        inside += any(gaps[i] <= radii[i] if closed else gaps[i] < radii[i] for i in which)
    return inside / len(points)


@exercise(
    "evaluation",
    hints=(
        "Put real = 0, 1, 2, 3 and fake = 3.5, 13.5 on a line, k = 1. The real balls reach 1: which fakes lie in one?",
        "torch.cdist(x, x) has each sample's distance to itself, 0, in it: the k-th neighbour is the (k + 1)-th "
        "smallest.",
        "Precision: (cdist(real, fake) <= radius_of_real[:, None]).any(0).mean(); recall: with the roles exchanged.",
    ),
)
def precision_recall(random: torch.Generator) -> Iterator[Case]:
    """`precision_recall(real float [N, D], fake float [M, D], k: int)` → (precision, recall), each from 0 to 1.

    A ball around each sample reaches to its k-th nearest neighbour in its own set, not counting itself; what lies on
    the sphere is in the ball. Precision: fakes in a real ball; recall: reals in a fake ball.
    """
    sets = [
        (_whole([[0], [1], [2], [3]]), _whole([[3.5], [13.5]]), 1),
        (_whole([[0], [4], [10]]), _whole([[14], [16], [30], [41]]), 1),
        (_whole([[0], [1], [3], [7], [20]]), _whole([[4], [12], [13], [21], [60], [90]]), 2),
        (_whole([[0, 0], [3, 4], [6, 8], [20, 0]]), _whole([[3, 0], [9, 12], [0, 20], [40, 40]]), 2),
        (_whole([[0], [2], [4], [6]]), _whole([[8], [11], [14], [17], [100]]), 1),
        (_whole([[0], [0], [5], [9]]), _whole([[-1], [30], [60], [75]]), 1),  # a double is a neighbour, at distance 0
        (_whole([[0], [100], [300]]), _whole([[-100.5], [501], [900]]), 1),  # just beyond the sphere
    ]
    for n, m, d, k in ((12, 9, 2, 3), (20, 30, 2, 2), (25, 25, 4, 5), (15, 40, 3, 1), (40, 15, 2, 4)):
        real = torch.randn(n, d, generator=random).mul(8).round() / 4
        fake = torch.randn(m, d, generator=random).mul(11).add(2).round() / 4
        sets.append((real, fake, k))
    for real, fake, k in sets:
        x, y = real.double().tolist(), fake.double().tolist()

        def told(
            reach: Callable = lambda v, other, k: _reach(v, v, k + 1),
            k: int = k,
            closed: bool = True,
            nearest: bool = False,
            x: list = x,
            y: list = y,
        ) -> list[float]:
            radii = reach(x, y, k), reach(y, x, k)
            style = {"closed": closed, "nearest": nearest}
            return [_share(x, radii[0], y, **style), _share(y, radii[1], x, **style)]

        def around_the_point(x: list = x, y: list = y, k: int = k) -> list[float]:
            """Each point's own ball, and whether the other set comes into it."""
            found = []
            for centres, points in ((x, y), (y, x)):
                radii = _reach(points, points, k + 1)
                inside = [min(math.dist(c, q) for c in centres) <= r for q, r in zip(points, radii, strict=True)]
                found.append(sum(inside) / len(points))
            return found

        right = told()
        least = min(len(x), len(y))

        def balls_hit(x: list = x, y: list = y, k: int = k) -> list[float]:
            """The share of balls in which there is something (density's cousin, coverage)."""
            found = []
            for centres, points in ((y, x), (x, y)):
                radii = _reach(points, points, k + 1)
                pairs = zip(points, radii, strict=True)
                found.append(sum(any(math.dist(p, q) <= r for q in centres) for p, r in pairs) / len(points))
            return found

        def inside(metric: Callable = math.dist, x: list = x, y: list = y, k: int = k) -> tuple[list, list]:
            """For each point of y, and of x, whether it lies in each ball of the other set."""
            found = []
            for centres, points in ((x, y), (y, x)):
                radii = [sorted(metric(p, q) for q in centres)[k] for p in centres]
                found.append([[metric(c, q) <= r for c, r in zip(centres, radii, strict=True)] for q in points])
            return found[0], found[1]

        def of_balls(how: Callable, found: tuple[list, list]) -> list[float]:
            return [sum(map(how, rows)) / len(rows) for rows in found]

        mistakes = {
            "They are turned round: precision comes first.": right[::-1],
            "A point has to lie in one ball, not in all of them.": of_balls(all, inside()),
            "You averaged over pairs of a point and a ball; count the points that lie in any ball.": of_balls(
                lambda row: sum(row) / len(row), inside()
            ),
            "You measured by sums of absolute differences; the distance is the root of the sum of squares.": of_balls(
                any, inside(lambda p, q: sum(abs(a - b) for a, b in zip(p, q, strict=True)))
            ),
            "A sample is no neighbour of itself: your k-th neighbour is the (k − 1)-th.": told(
                lambda v, other, k: _reach(v, v, k)
            ),
            "Your balls reach one neighbour too far.": told(lambda v, other, k: _reach(v, v, min(k + 2, len(v)))),
            "You reach for a neighbour that is not there: the k-th is at place k of a sorted row, from 0.": (
                IndexError
            ),
            "What lies just on the sphere is in the ball: ≤, not <.": told(closed=False),
            "You looked only at the ball of the nearest centre; a wider one may hold the point.": told(nearest=True),
            "You gave all balls of a set one radius; each sample has its own.": (
                told(lambda v, other, k: [sum(_reach(v, v, k + 1)) / len(v)] * len(v)),
                told(lambda v, other, k: [max(_reach(v, v, k + 1))] * len(v)),
                told(lambda v, other, k: [sorted(_reach(v, v, k + 1))[(len(v) - 1) // 2]] * len(v)),
            ),
            "The radius reaches to a neighbour in the sample's own set, not in the other one.": told(
                lambda v, other, k: _reach(v, other, min(k, len(other)))
            ),
            "You drew the balls around the points that are judged; they belong to the other set.": around_the_point(),
            "You counted balls in which something lies; count the points that lie in a ball.": balls_hit(),
            "You divided by the number of the other set.": [
                right[0] * len(y) / len(x),
                right[1] * len(x) / len(y),
            ],
            "You counted; divide by the number of points.": [right[0] * len(y), right[1] * len(x)],
        }
        if least > 4 and k != 3:
            mistakes["k is given: do not take 3 always."] = told(lambda v, other, k: _reach(v, v, min(4, len(v))))
        yield Case({"real": real, "fake": fake, "k": k}, right, mistakes)
