"""The judges of the chapter on the GAN: other right ways pass, and lazy ways that are right for easy inputs do not."""

import math

import numpy as np
import pytest
import torch
from scipy.stats import norm
from torch.nn import functional as F

from segen.checks import gan as check
from segen.checks.gan import _log_density
from segen.checks.judging import RIGHT, WRONG

SEEDS = range(5)


def losses_by_cross_entropy(real, fake):
    bce = F.binary_cross_entropy_with_logits
    zeros, ones = torch.zeros_like(fake), torch.ones_like(fake)
    d = bce(real, torch.ones_like(real)) + bce(fake, zeros)
    return [d, -bce(fake, zeros), bce(fake, ones)]


def losses_by_logsigmoid(real, fake):
    wrong = F.logsigmoid(-fake).mean()
    return -F.logsigmoid(real).mean() - wrong, wrong, -F.logsigmoid(fake).mean()


def losses_by_numpy(real, fake):
    r, f = real.double().numpy(), fake.double().numpy()
    soft = [np.logaddexp(0, t).mean() for t in (-r, f, -f)]
    return np.array([soft[0] + soft[1], -soft[1], soft[2]])


def best_by_distributions(x, real, fake):
    def log(parts):
        mixture = torch.distributions.Categorical(parts[:, 0])
        parts = torch.distributions.Normal(parts[:, 1], parts[:, 2])
        return torch.distributions.MixtureSameFamily(mixture, parts).log_prob(x)

    return (log(real) - log(fake)).sigmoid()


def best_by_softmax(x, real, fake):
    def log(parts):
        w, m, s = parts.double().numpy().T
        return np.logaddexp.reduce(np.log(w) + norm.logpdf(x.double().numpy()[:, None], m, s), axis=1)

    return torch.from_numpy(np.stack([log(real), log(fake)])).softmax(0)[0]


def modes_by_loop(points, centres, radius, share):
    counts = [0] * len(centres)
    for p in points.tolist():
        distances = [math.dist(p, c) for c in centres.tolist()]
        if min(distances) <= radius:
            counts[distances.index(min(distances))] += 1
    return sum(count / len(points) >= share for count in counts)


def modes_by_broadcasting(points, centres, radius, share):
    distances = (points[:, None] - centres).square().sum(2).sqrt()
    mine = F.one_hot(distances.argmin(1), len(centres)) * (distances <= radius)
    return (mine.float().mean(0) >= share).sum()


WAYS = [
    losses_by_cross_entropy,
    losses_by_logsigmoid,
    losses_by_numpy,
    best_by_distributions,
    best_by_softmax,
    modes_by_loop,
    modes_by_broadcasting,
]
JUDGES = {"losses": check.game_losses, "best": check.optimal_discriminator, "modes": check.modes_covered}


@pytest.mark.parametrize("answer", WAYS, ids=lambda answer: answer.__name__)
def test_other_right_ways(answer):
    judge = JUDGES[answer.__name__.partition("_")[0]]
    assert {str(judge.judge(answer, seed)) for seed in SEEDS} == {f"✓ {judge.name}: {RIGHT}."}


def clamped(real, fake):
    real, fake = real.clamp(-50, 50), fake.clamp(-50, 50)
    return losses_by_cross_entropy(real, fake)


def by_log_and_exp(real, fake):
    soft = [(1 + t.exp()).log().mean() for t in (-real, fake, -fake)]
    return soft[0] + soft[1], -soft[1], soft[2]


def torch_clamps(real, fake):
    bce, p = F.binary_cross_entropy, fake.sigmoid()
    d = bce(real.sigmoid(), torch.ones_like(real)) + bce(p, torch.zeros_like(p))
    return d, -bce(p, torch.zeros_like(p)), bce(p, torch.ones_like(p))


def half_where_nothing_is(x, real, fake):
    def density(parts):
        w, m, s = parts.double().T
        return (w / s * (-(((x[:, None] - m) / s) ** 2) / 2).exp()).sum(1)

    p, q = density(real), density(fake)
    return torch.where(p + q > 0, p / (p + q), 0.5)


def nearest_mean(x, real, fake):
    return ((x[:, None] - real[:, 1]).abs().amin(1) < (x[:, None] - fake[:, 1]).abs().amin(1)).float()


def first_part(x, real, fake):
    return best_by_distributions(x, real[:1], fake[:1])


def modes_within(points, centres, radius, share):
    """Strictly within three quarters of the radius."""
    return modes_by_loop(points, centres, 0.75 * radius, share)


def modes_strictly_within(points, centres, radius, share):
    near, which = torch.cdist(points, centres).min(1)
    return int((which[near < radius].bincount(minlength=len(centres)) >= share * len(points)).sum())


def best_of_mean_logarithms(x, real, fake):
    def log(parts):
        w, m, s = parts.double().T
        return (w * (-(((x[:, None] - m) / s) ** 2) / 2 - s.log())).sum(1)

    return (log(real) - log(fake)).sigmoid()


def best_by_dividing_logarithms(x, real, fake):
    def log(parts):
        w, m, s = parts.double().T
        return (w.log() - (((x[:, None] - m) / s) ** 2) / 2 - s.log()).logsumexp(1)

    return log(real) / (log(real) + log(fake))


def losses_unaveraged(real, fake):
    return F.softplus(-real).mean() + F.softplus(fake), -F.softplus(fake), F.softplus(-fake)


NAMED = {
    "modes_strict": (check.modes_covered, modes_strictly_within, "exactly as far as the radius"),
    "best_mean_logarithms": (check.optimal_discriminator, best_of_mean_logarithms, "averaged the parts' logarithms"),
    "best_dividing_logarithms": (check.optimal_discriminator, best_by_dividing_logarithms, "divided logarithms"),
    "losses_unaveraged": (check.game_losses, losses_unaveraged, "loss for each sample"),
}


@pytest.mark.parametrize("name", NAMED)
def test_more_mistakes_are_named(name):
    judge, answer, words = NAMED[name]
    verdicts = [judge.judge(answer, seed) for seed in SEEDS]
    assert {verdict.state for verdict in verdicts} == {WRONG}
    assert all(words in str(verdict) for verdict in verdicts), str(verdicts[0])


LAZY = {
    "losses_clamped": (check.game_losses, clamped),
    "losses_log_and_exp": (check.game_losses, by_log_and_exp),
    "losses_of_torch_on_probabilities": (check.game_losses, torch_clamps),
    "losses_two": (check.game_losses, lambda real, fake: losses_by_cross_entropy(real, fake)[:2]),
    "losses_half_the_fakes": (check.game_losses, lambda real, fake: losses_by_cross_entropy(real, fake[: len(real)])),
    "best_half": (check.optimal_discriminator, lambda x, real, fake: torch.full_like(x, 0.5)),
    "best_half_where_nothing_is": (check.optimal_discriminator, half_where_nothing_is),
    "best_nearest_mean": (check.optimal_discriminator, nearest_mean),
    "best_first_part": (check.optimal_discriminator, first_part),
    "modes_all": (check.modes_covered, lambda points, centres, radius, share: len(centres)),
    "modes_one": (check.modes_covered, lambda *given: 1),
    "modes_near_any": (
        check.modes_covered,
        lambda points, centres, radius, share: int((torch.cdist(centres, points).amin(1) <= radius).sum()),
    ),
    "modes_smaller_radius": (check.modes_covered, modes_within),
    "modes_fixed_share": (check.modes_covered, lambda p, c, radius, share: modes_by_loop(p, c, radius, 0.25)),
    "modes_fixed_radius": (check.modes_covered, lambda p, c, radius, share: modes_by_loop(p, c, 1.0, share)),
    "modes_float": (check.modes_covered, lambda *given: float(modes_by_loop(*given))),
}


@pytest.mark.parametrize("name", LAZY)
def test_lazy_ways_fail(name):
    judge, answer = LAZY[name]
    assert {judge.judge(answer, seed).state for seed in SEEDS} == {WRONG}


def test_the_oracle_knows_its_densities():
    parts = [[0.3, -1.0, 0.5], [0.7, 2.0, 1.5]]
    for x in (-3.0, 0.0, 1.7, 9.0):
        density = sum(w * norm.pdf(x, m, s) for w, m, s in parts)
        assert _log_density(x, parts) == pytest.approx(math.log(density), abs=1e-9)
