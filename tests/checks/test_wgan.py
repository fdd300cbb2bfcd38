"""The judges of the chapter on WGAN: other right ways pass, and lazy ways that are right for easy inputs do not."""

import numpy as np
import pytest
import torch
from scipy.optimize import linprog
from scipy.stats import wasserstein_distance

from segen.checks import wgan as check
from segen.checks.judging import RIGHT, WRONG
from segen.checks.wgan import _norms, _Waves

SEEDS = range(5)


def line_by_scipy(x, y):
    return wasserstein_distance(x.numpy(), y.numpy())


def line_by_area(x, y):
    both = torch.cat([x, y]).sort().values
    share = [(s[:, None] <= both[:-1]).float().mean(0) for s in (x, y)]
    return ((share[0] - share[1]).abs() * both.diff()).sum()


def line_by_program(x, y):
    n, m = len(x), len(y)
    cost = np.abs(x.double().numpy()[:, None] - y.double().numpy())
    sums = np.vstack([np.kron(np.eye(n), np.ones(m)), np.kron(np.ones(n), np.eye(m))])
    masses = np.concatenate([np.full(n, 1 / n), np.full(m, 1 / m)])
    return linprog(cost.ravel(), A_eq=sums, b_eq=masses).fun


def penalty_one_by_one(critic, real, fake, place):
    values = []
    for x, y, t in zip(real, fake, place, strict=True):
        between = (t * x + (1 - t) * y)[None].requires_grad_()
        (gradient,) = torch.autograd.grad(critic(between)[0], between, create_graph=True)
        values.append((gradient.square().sum().sqrt() - 1) ** 2)
    return torch.stack(values).mean()


def losses_by_hand(real, fake):
    estimate = sum(real) / len(real) - sum(fake) / len(fake)
    return [-estimate, -(sum(fake) / len(fake))]


WAYS = [line_by_scipy, line_by_area, line_by_program, penalty_one_by_one, losses_by_hand]
JUDGES = {"line": check.distance_on_a_line, "penalty": check.gradient_penalty, "losses": check.wasserstein_losses}


@pytest.mark.parametrize("answer", WAYS, ids=lambda answer: answer.__name__)
def test_other_right_ways(answer):
    judge = JUDGES[answer.__name__.partition("_")[0]]
    assert {str(judge.judge(answer, seed)) for seed in SEEDS} == {f"✓ {judge.name}: {RIGHT}."}


def quantiles(x, y):
    """Right if one set has a multiple of the other's points, wrong else."""
    share = (torch.arange(max(len(x), len(y))) + 0.5) / max(len(x), len(y))
    pick = [s.sort().values[(share * len(s)).long()] for s in (x, y)]
    return (pick[0] - pick[1]).abs().mean().item()


def interpolated(x, y):
    """Take interpolated quantiles, as NumPy's default does."""
    share = np.linspace(0, 1, 1001)
    return float(np.abs(np.quantile(x.numpy(), share) - np.quantile(y.numpy(), share)).mean())


def drawn_places(critic, real, fake, place):
    torch.manual_seed(0)
    return penalty_one_by_one(critic, real, fake, torch.rand_like(place))


LAZY = {
    "line_equal_sizes": (
        check.distance_on_a_line,
        lambda x, y: (x.sort().values - y.sort().values).abs().mean().item(),
    ),
    "line_quantiles": (check.distance_on_a_line, quantiles),
    "line_interpolated": (check.distance_on_a_line, interpolated),
    "line_medians": (check.distance_on_a_line, lambda x, y: (x.median() - y.median()).abs().item()),
    "penalty_own_places": (check.gradient_penalty, drawn_places),
    "penalty_in_the_middle": (
        check.gradient_penalty,
        lambda critic, real, fake, place: penalty_one_by_one(critic, real, fake, torch.full_like(place, 0.5)),
    ),
    "penalty_times_ten": (
        check.gradient_penalty,
        lambda *given: 10 * penalty_one_by_one(*given),
    ),
    "penalty_detached": (check.gradient_penalty, lambda *given: penalty_one_by_one(*given).detach()),
    "penalty_a_number": (check.gradient_penalty, lambda *given: penalty_one_by_one(*given).item()),
    "penalty_first_sample": (
        check.gradient_penalty,
        lambda critic, *given: penalty_one_by_one(critic, *(x[:1] for x in given)),
    ),
    "losses_first_score": (check.wasserstein_losses, lambda real, fake: (fake[0] - real[0], -fake[0])),
    "losses_difference": (check.wasserstein_losses, lambda real, fake: fake.mean() - real.mean()),
}


@pytest.mark.parametrize("name", LAZY)
def test_lazy_ways_fail(name):
    judge, answer = LAZY[name]
    assert {judge.judge(answer, seed).state for seed in SEEDS} == {WRONG}


def test_the_oracle_knows_its_critics_slopes():
    random = torch.Generator().manual_seed(0)
    critic, x = _Waves((2, 3), 5, random).double(), torch.randn(4, 2, 3, generator=random).double().requires_grad_()
    (gradient,) = torch.autograd.grad(critic(x).sum(), x)
    torch.testing.assert_close(critic.slopes(x.detach()), gradient)
    torch.testing.assert_close(_norms(gradient), gradient.flatten(1).norm(dim=1).float())
