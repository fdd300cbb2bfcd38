"""The judges of the chapter `gan`: game_losses, optimal_discriminator and modes_covered."""

import math
from collections.abc import Iterator

import torch

from segen.checks.judging import Case, exercise

# game_losses ----------------------------------------------------------------------------------------------------


def _softplus(value: float) -> float:
    """Return log(1 + eᵗ) for any number t."""
    return max(value, 0.0) + math.log1p(math.exp(-abs(value)))


def _mean(values: list[float]) -> float:
    return math.fsum(values) / len(values)


def _not_finite(came: list) -> bool:
    """Return whether one of three values is infinite or no number."""
    try:
        return len(came) == 3 and not all(math.isfinite(float(value)) for value in came)
    except (TypeError, ValueError, RuntimeError):
        return False


@exercise(
    "gan",
    hints=(
        "With D the logit, −log σ(D) = log(1 + e^(−D)) and −log(1 − σ(D)) = log(1 + e^D).",
        "log(1 + e^t) is torch.nn.functional.softplus(t), which neither overflows nor loses small values. Mind which "
        "of the three losses have a minus in front, and which inside.",
        "softplus(−real).mean() + softplus(fake).mean(); then −softplus(fake).mean(); then softplus(−fake).mean().",
    ),
)
def game_losses(random: torch.Generator) -> Iterator[Case]:
    """`game_losses(real float [N], fake float [M])` → discriminator's, generator's minimax, its non-saturating loss."""
    for number, (n, m) in enumerate([(1, 1), (2, 2), (2, 3), (4, 3), (5, 5), (9, 6), (3, 4), (4, 3)]):
        real, fake = torch.randn(n, generator=random) + 0.7, torch.randn(m, generator=random) - 0.4
        if number % 2:
            real, fake = 4 * real, 3 * fake
        if number == 6:  # the discriminator is sure, and right: a logarithm of a rounded probability is no use
            real, fake = 30 * (1 + real.abs()), -120 * (1 + fake.abs())
        if number == 7:  # sure, and wrong
            real, fake = -120 * (1 + real.abs()), 120 * (1 + fake.abs())
        r, f = real.tolist(), fake.tolist()
        real_right, real_wrong = _mean([_softplus(-v) for v in r]), _mean([_softplus(v) for v in r])
        fake_right, fake_wrong = _mean([_softplus(v) for v in f]), _mean([_softplus(-v) for v in f])
        both = real_right + fake_right
        right = [both, -fake_right, fake_wrong]
        large = max(map(abs, r + f)) >= 20
        pooled = (n * real_right + m * fake_right) / (n + m)

        mistakes = {
            "The minimax loss has the wrong sign: the generator wants log(1 − σ(D)) small.": [
                both,
                fake_right,
                fake_wrong,
            ],
            "The non-saturating loss has the wrong sign: the generator wants −log σ(D) small.": [
                both,
                -fake_right,
                -fake_wrong,
            ],
            "The generator's two losses are in the wrong order: minimax first.": [both, fake_wrong, -fake_right],
            "The discriminator takes real for generated: −log σ(D) is for the real ones.": [
                real_wrong + fake_wrong,
                -fake_right,
                fake_wrong,
            ],
            "You return what the discriminator wants large; an optimiser makes a loss smaller.": [
                -both,
                -fake_right,
                fake_wrong,
            ],
            "Both of the generator's losses are the non-saturating one.": [both, fake_wrong, fake_wrong],
            "The minimax loss is not the whole value: what does not depend on the generator is left out.": [
                both,
                -both,
                fake_wrong,
            ],
            "You halved the discriminator's loss; it is the sum of two means.": [both / 2, -fake_right, fake_wrong],
            "You took one mean over all logits; each side has its own.": (
                [pooled, -fake_right, fake_wrong],
                [2 * pooled, -fake_right, fake_wrong],
            ),
            "You added up over the batch; take means.": [
                n * real_right + m * fake_right,
                -m * fake_right,
                m * fake_wrong,
            ],
            "The generator's losses are of the generated logits, not of the real ones.": (
                [both, -real_wrong, real_right],
                [both, -real_right, real_wrong],
            ),
            "You return a loss for each sample; take the mean of each, so that every loss is one number.": (
                lambda came: isinstance(came, list) and any(getattr(value, "ndim", 0) for value in came)
            ),
            "You took the loss of the mean logit; take the mean of the losses.": [
                _softplus(-_mean(r)) + _softplus(_mean(f)),
                -_softplus(_mean(f)),
                _softplus(-_mean(f)),
            ],
            "That is base 2; the course takes natural logarithms.": [value / math.log(2) for value in right],
            "You took the logits for probabilities; a logarithm of a logit is nan below 0.": (
                lambda came, large=large: not large and _not_finite(came)
            ),
            "It is not finite for large logits: a sigmoid rounds to 0 or 1 there. Use softplus.": (
                lambda came, large=large: large and _not_finite(came)
            ),
        }
        if number > 5:
            mistakes["You cut the probabilities off: a loss that cannot grow teaches nothing. Use softplus."] = (
                lambda came, right=right: (
                    len(came) == 3
                    and not _not_finite(came)
                    and all(abs(float(v)) < 120 for v in came)
                    and max(map(abs, right)) > 120
                )
            )
        yield Case({"real": real, "fake": fake}, right, mistakes)


# optimal_discriminator ------------------------------------------------------------------------------------------


_SCALE = math.log(2 * math.pi) / 2  # of a Gaussian's logarithm; some leave it out, as it cancels


def _log_density(x: float, parts: list[list[float]], *, weigh: bool = True, variance: bool = False) -> float:
    """Return the logarithm of a mixture of Gaussians (weight, mean, deviation) at `x`, however small it is."""
    logs = []
    for weight, mean, deviation in parts:
        spread = math.sqrt(deviation) if variance else deviation
        logs.append(-(((x - mean) / spread) ** 2) / 2 - math.log(spread) + (math.log(weight) if weigh else 0))
    largest = max(logs)
    return largest + math.log(math.fsum(math.exp(value - largest) for value in logs)) - math.log(2 * math.pi) / 2


def _sigmoid(value: float) -> float:
    return 1 / (1 + math.exp(-value)) if value > 0 else math.exp(max(value, -700)) / (1 + math.exp(max(value, -700)))


def _no_scale(x: float, parts: list[list[float]]) -> float:
    """As `_log_density`, without the division by the deviation."""
    return math.log(math.fsum(w * math.exp(-(((x - m) / s) ** 2) / 2) for w, m, s in parts) + 1e-300)


@exercise(
    "gan",
    hints=(
        "At a point with densities p and q the best answer is p / (p + q). Where p = q it is a half.",
        "Far out both densities are rounded to 0. Work with their logarithms: p / (p + q) = σ(log p − log q).",
        "log p is torch.logsumexp over the parts of log w − ((x − m) / s)² / 2 − log s; the factor √(2π) cancels.",
    ),
)
def optimal_discriminator(random: torch.Generator) -> Iterator[Case]:
    """`optimal_discriminator(x float [N], real float [K, 3], fake float [M, 3])` → float [N]: that x is real."""
    one = torch.tensor([[1.0, 0.0, 1.0]])
    for number, (n, k, m) in enumerate(
        [(1, 1, 1), (2, 1, 1), (3, 1, 1), (3, 2, 1), (4, 2, 3), (6, 3, 2), (3, 1, 1), (2, 2, 1), (20, 4, 5)]
    ):
        mixtures = []
        for parts in (k, m):
            weight = torch.rand(parts, generator=random) + 0.2
            mean = 2 * torch.randn(parts, generator=random)
            deviation = 0.4 + 1.2 * torch.rand(parts, generator=random)
            mixtures.append(torch.stack([weight / weight.sum(), mean, deviation], 1))
        real, fake = mixtures
        x = 2 * torch.randn(n, generator=random)
        if number == 0:
            x, real, fake = torch.tensor([1.0]), one, torch.tensor([[1.0, 1.0, 2.0]])
        if number == 6:  # far out: both densities are 0 in any float
            x, real = torch.tensor([64.0, -64.0, 32.0]), one
            fake = torch.tensor([[1.0, 1 / 64, 1.0]])
        if number == 7:
            x, fake = torch.tensor([-64.0, 64.0]), one
            real = torch.tensor([[0.25, 1 / 64, 1.0], [0.75, -1 / 128, 1.0]])
        values, p_parts, q_parts = x.tolist(), real.tolist(), fake.tolist()
        logs = [(_log_density(v, p_parts), _log_density(v, q_parts)) for v in values]
        far = number in (6, 7)

        def each(way, logs=logs) -> torch.Tensor:
            return torch.tensor([way(p, q) for p, q in logs], dtype=torch.float64)

        def density(value: float) -> float:
            return math.exp(max(value, -745.0)) if value > -745 else 0.0

        def of(values=values, p_parts=p_parts, q_parts=q_parts, density=_log_density, **options) -> torch.Tensor:
            found = [density(v, p_parts, **options) - density(v, q_parts, **options) for v in values]
            return torch.tensor([_sigmoid(value) for value in found], dtype=torch.float64)

        right = each(lambda p, q: _sigmoid(p - q))
        mistakes = {
            "That is the probability that x is generated; it is turned round.": each(lambda p, q: _sigmoid(q - p)),
            "That is the logit log p − log q; a sigmoid makes it a probability.": each(lambda p, q: p - q),
            "You took σ of p − q; the logit is the difference of their logarithms.": each(
                lambda p, q: _sigmoid(density(p) - density(q))
            ),
            "That is the ratio p / q, which may be any size; the discriminator's best answer is p / (p + q).": each(
                lambda p, q: math.exp(min(p - q, 80.0))
            ),
            "You decided for the larger density; the best answer says how sure it is.": each(lambda p, q: float(p > q)),
            "That is q's share of the squares; take p / (p + q), nothing squared.": each(
                lambda p, q: _sigmoid(2 * (q - p))
            ),
            "You squared the densities; take p / (p + q).": each(lambda p, q: _sigmoid(2 * (p - q))),
            "You took the third column for a variance; it is the standard deviation.": of(variance=True),
            "You left out the division by the deviation: a wide Gaussian is lower.": of(density=_no_scale),
            "You left the weights of the parts out.": of(weigh=False),
            "You forgot the half in the exponent: it is exp(−((x − m) / s)² / 2).": of(
                density=lambda v, parts: _log_density(
                    v, [[w * math.sqrt(0.5), mean, s * math.sqrt(0.5)] for w, mean, s in parts]
                )
            ),
            "You averaged the parts' logarithms; add up the parts' densities first, then take the logarithm.": of(
                density=lambda v, parts: math.fsum(part[0] * _log_density(v, [[1.0, *part[1:]]]) for part in parts)
            ),
            "You divided logarithms; p / (p + q) is σ of their difference.": (
                each(lambda p, q: p / ((p + q) or 1.0)),
                each(lambda p, q: (p + _SCALE) / ((p + q + 2 * _SCALE) or 1.0)),
            ),
            "You took the largest part in place of their sum.": of(
                density=lambda v, parts: max(_log_density(v, [part]) for part in parts)
            ),
        }
        if not far:
            mistakes["That is the density p; divide by p + q."] = each(lambda p, q: density(p))
            mistakes["You averaged: (p + q) / 2 is the mixture of both, not the answer."] = each(
                lambda p, q: (density(p) + density(q)) / 2
            )
        if far:
            mistakes["Far out both densities are rounded to 0, and 0/0 is nan. Work with logarithms."] = lambda came: (
                bool(came.isnan().any())
            )
            mistakes["Far out your densities are lost in what you added to keep from 0/0. Work with logarithms."] = (
                lambda came, n=n: (
                    came.shape == (n,) and bool(((came < 1e-6) | ((came - 0.5).abs() < 1e-6) | (came > 1 - 1e-6)).all())
                )
            )
        yield Case({"x": x, "real": real, "fake": fake}, right, mistakes)


# modes_covered --------------------------------------------------------------------------------------------------


@exercise(
    "gan",
    hints=(
        "Draw it: two centres, five points. Which points are near which centre, and which are near none?",
        "torch.cdist(points, centres) is [N, K]. A point belongs to its nearest centre, if that is within the radius.",
        "Count with bincount(minlength=K); a mode is covered if its count is at least share · N, N of all points.",
    ),
)
def modes_covered(random: torch.Generator) -> Iterator[Case]:
    """`modes_covered(points float [N, d], centres float [K, d], radius float, share float)` → int: modes covered."""
    share, radius = 0.25, 1.0
    plans = [
        # points a mode (centres far apart), points near none, and the dimension
        ([1, 0], 0, 1),
        ([2, 1], 1, 2),
        ([3, 1], 4, 2),
        ([1, 1, 1], 1, 2),
        ([2, 2, 0], 4, 2),
        ([6, 1, 1, 0], 0, 3),
        ([5, 4, 0, 3], 4, 2),
        ([4, 3, 3, 2, 0], 4, 2),
        ([0, 0, 0], 5, 2),
        ([12, 20, 3, 16, 0, 1], 28, 2),
        ([2, 1], 1, 2),  # just at the radius
    ]
    for number, (counts, astray, dim) in enumerate(plans):
        k, n = len(counts), sum(counts) + astray
        share = 0.25 if number != 9 else 0.125
        radius = [1.0, 2.0, 0.5, 0.5, 3.0, 1.0, 0.5, 2.0, 1.0, 0.25, 0.5][number]
        # Centres on a line of the space, 1.5 radii apart: balls overlap, a point is its nearest centre's.
        along = torch.zeros(dim)
        along[number % dim] = 1.5 * radius
        centres = torch.arange(k).float()[torch.randperm(k, generator=random), None] * along
        centres = centres + torch.randint(-3, 4, (dim,), generator=random)
        points = []
        for own, (centre, count) in enumerate(zip(centres, counts, strict=True)):
            for _ in range(count):  # near the centre, or beyond the border of the next one's ball
                way = torch.randn(dim, generator=random)
                way = way / way.norm() * (0.1 + 0.6 * torch.rand((), generator=random))
                if number in (3, 6):  # in a corner: near, but not by the sum of the axes
                    way = 0.6 * way.sign()
                if number == 2:  # in the ball of the other centre as well, and nearer to its own
                    way = 0.65 * (centres[1 - own] - centre).sign()
                if number == 10:  # beside the line, exactly as far as the radius
                    way = torch.tensor([0.0, 1.0 if len(points) % 2 else -1.0])
                points.append(centre + radius * way)
        for which in range(astray):  # beside the line, outside every ball; in a corner: near by each axis alone
            way = torch.full((dim,), 1.04 + 0.05 * which)
            way[number % dim] = 0.0
            if number in (4, 7):
                way = torch.full((dim,), 0.8)
            points.append(centres[which % k] + radius * way)
        points = torch.stack(points)[torch.randperm(n, generator=random)]
        rows, middles = points.tolist(), centres.tolist()
        distances = [[math.dist(p, c) for c in middles] for p in rows]
        nearest = [min(range(k), key=row.__getitem__) for row in distances]
        inside = [row[which] <= radius for row, which in zip(distances, nearest, strict=True)]

        def covered(found: list[float], least: float) -> int:
            return sum(value >= least for value in found)

        def tally(kept: list[bool], nearest=nearest, k=k) -> list[int]:
            return [sum(1 for which, keep in zip(nearest, kept, strict=True) if keep and which == c) for c in range(k)]

        counted = tally(inside)
        in_ball = [sum(row[c] <= radius for row in distances) for c in range(k)]
        taxi = [[sum(abs(a - b) for a, b in zip(p, c, strict=True)) for c in middles] for p in rows]
        box = [[max(abs(a - b) for a, b in zip(p, c, strict=True)) for c in middles] for p in rows]
        squared = [row[which] ** 2 <= radius for row, which in zip(distances, nearest, strict=True)]
        right = covered(counted, share * n)
        mistakes = {
            "You counted points that are near no centre: the radius says what is near.": covered(
                tally([True] * n), share * n
            ),
            "One point is not enough: a mode needs its share of the points.": covered(counted, 1),
            "At least the share: a mode that has just so many points is covered.": sum(v > share * n for v in counted),
            "The share is of all points, also of those near no mode.": covered(counted, share * max(1, sum(counted))),
            "The share is of all points, not of what a mode would have if all were alike.": covered(
                counted, share * n / k
            ),
            "A point counts for its nearest centre only; you counted it in every ball that it is in.": covered(
                in_ball, share * n
            ),
            "You compared squared distances with the radius.": covered(tally(squared), share * n),
            "You added up the axes' differences; take the Euclidean distance.": covered(
                [sum(row[c] <= radius and nearest[i] == c for i, row in enumerate(taxi)) for c in range(k)], share * n
            ),
            "You looked at each axis by itself: that is a box, not a ball.": covered(
                [sum(row[c] <= radius and nearest[i] == c for i, row in enumerate(box)) for c in range(k)], share * n
            ),
            "A point exactly as far as the radius belongs to its centre, too: at most so far.": covered(
                tally([row[which] < radius for row, which in zip(distances, nearest, strict=True)]), share * n
            ),
            "That is how many points are near a mode; count the modes.": sum(inside),
            "That is the share of the modes; give their number.": lambda came, share=right / k, right=right: (
                right > 0
                and isinstance(came, torch.Tensor)
                and came.ndim == 0
                and came.is_floating_point()
                and abs(came.item() - share) < 1e-6
            ),
            "That is one number a mode; add up how many are covered.": lambda came, k=k: (
                k > 1 and (tuple(came.shape) == (k,) if isinstance(came, torch.Tensor) else len(came) == k)
            ),
            "Those are the modes that are missed.": k - right,
        }
        yield Case({"points": points, "centres": centres, "radius": radius, "share": share}, right, mistakes)
