"""The judges of the chapter `wgan`: distance_on_a_line, gradient_penalty and wasserstein_losses."""

import math
from collections.abc import Callable, Iterator
from fractions import Fraction
from itertools import pairwise

import torch
from torch import nn

from segen.checks.judging import Case, exercise

# distance_on_a_line ---------------------------------------------------------------------------------------------


def _quantile(ordered: list[float], share: Fraction) -> float:
    """Return the number up to which `share` (0 to 1, 1 excluded) of the mass lies, just to the right of it."""
    return ordered[math.floor(share * len(ordered))]


def _line_distance(x: list[float], y: list[float], *, power: int = 1, turned: bool = False) -> float:
    """Return the integral of |F⁻¹(u) − G⁻¹(u)| over u from 0 to 1, in pieces on which both are constant."""
    x, y = sorted(x), sorted(y, reverse=turned)
    ends = sorted({Fraction(i, len(x)) for i in range(len(x) + 1)} | {Fraction(i, len(y)) for i in range(len(y) + 1)})
    total = 0.0
    for start, end in pairwise(ends):
        total += float(end - start) * abs(_quantile(x, start) - _quantile(y, start)) ** power
    return total


def _pieces(x: list[float], y: list[float]) -> list[float]:
    """Return |F⁻¹ − G⁻¹| on each of n·m equal pieces."""
    count = len(x) * len(y)
    x, y = sorted(x), sorted(y)
    return [abs(_quantile(x, Fraction(i, count)) - _quantile(y, Fraction(i, count))) for i in range(count)]


@exercise(
    "wgan",
    hints=(
        "Work it out on paper for x = 0, 1 and y = 5: half of the mass comes from 0, half from 1.",
        "Sort both sets. With n and m points, cut the mass into n·m equal grains: each x has m of them, each y has n.",
        "The mean of |a − b|, where a is the sorted x with each number m times, and b the sorted y with each n times.",
    ),
)
def distance_on_a_line(random: torch.Generator) -> Iterator[Case]:
    """`distance_on_a_line(x float [n], y float [m])` → float: the exact distance, equal masses in each set."""
    shapes = [(2, 1), (1, 2), (2, 2), (3, 2), (2, 4), (3, 3), (5, 3), (4, 6), (7, 4), (30, 12), (25, 25)]
    for number, (n, m) in enumerate(shapes):
        few = n * m <= 24
        x = torch.randperm(30, generator=random)[:n].float() if few else 10 * torch.randn(n, generator=random)
        y = torch.randperm(30, generator=random)[:m].float() + (5 if number % 2 else -9)
        if number % 3 == 2:  # both sides of 0, and equal numbers
            x, y = x - 15, (y / 3).floor()
        if number == 9:  # one set between two lumps of the other: the means are equal
            x, y = torch.cat([x[:15] - 40, x[15:] + 40]), y / 30
        one, other = x.tolist(), y.tolist()
        right, pieces = _line_distance(one, other), _pieces(one, other)
        shorter = min(n, m)
        cut = [abs(a - b) for a, b in zip(sorted(one)[:shorter], sorted(other)[:shorter], strict=True)]
        unsorted = [
            abs(one[i // m] - other[i // n]) for i in range(n * m)
        ]  # each number as often as in the solution, in the order given
        tiled = [abs(sorted(one)[i % n] - sorted(other)[i % m]) for i in range(n * m)]
        every = [abs(a - b) for a in one for b in other]
        nearest = [min(abs(a - b) for b in other) for a in one]
        mistakes = {
            "Those are the means' distance: mass that moves left and mass that moves right do not cancel.": abs(
                sum(one) / n - sum(other) / m
            ),
            "The distance has the sign of the means; take absolute values, it is never below 0.": (
                sum(one) / n - sum(other) / m,
                sum(other) / m - sum(one) / n,
            ),
            "You paired the numbers in the order given; sort both sets first.": sum(unsorted) / (n * m),
            "You dropped what the longer set has more; all of its mass has to move.": (
                sum(cut) / shorter,
                RuntimeError,
            ),
            "You added the ways up; each grain has the mass 1 / (n·m), so take their mean.": sum(pieces),
            "You squared the ways: that is the distance of order 2, before its root.": _line_distance(
                one, other, power=2
            ),
            "That is the root of the mean square, the distance of order 2; take the mean of |x − y|.": math.sqrt(
                _line_distance(one, other, power=2)
            ),
            "That is the longest way; take the mean of all.": max(pieces),
            "You sorted the sets in opposite orders; the smallest goes to the smallest.": _line_distance(
                one, other, turned=True
            ),
            "You repeated whole sorted sets, which are then sorted no more; repeat each number by itself.": sum(tiled)
            / (n * m),
            "You averaged over all pairs; a plan carries each grain once.": sum(every) / (n * m),
            "You carried each x to the nearest y; but each y takes only as much as its mass.": sum(nearest) / n,
        }
        yield Case({"x": x, "y": y}, right, mistakes)


# gradient_penalty -----------------------------------------------------------------------------------------------


class _Waves(nn.Module):
    """D(x) = v · sin(W x): a critic whose gradient, Wᵀ (v cos(W x)), is known without autograd."""

    def __init__(self, shape: tuple[int, ...], units: int, random: torch.Generator) -> None:
        super().__init__()
        inputs = math.prod(shape)
        self.W = nn.Parameter(torch.randn(units, inputs, generator=random) / math.sqrt(inputs))
        self.v = nn.Parameter(torch.randn(units, generator=random))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        rows = x.flatten(1)
        return torch.sin(rows @ self.W.to(rows.dtype).T) @ self.v.to(rows.dtype)

    def slopes(self, x: torch.Tensor) -> torch.Tensor:
        """Return the gradient at each sample, `[N, …]` as `x`, in float64, by the formula."""
        rows, W, v = x.double().flatten(1), self.W.detach().double(), self.v.detach().double()
        return ((torch.cos(rows @ W.T) * v) @ W).view(x.shape)


def _norms(gradient: torch.Tensor) -> torch.Tensor:
    return torch.tensor([math.sqrt(math.fsum(v * v for v in row.flatten().tolist())) for row in gradient])


@exercise(
    "wgan",
    hints=(
        "Take one sample first: the point between, the critic's gradient there, its norm, and (norm − 1)². Print the "
        "shapes.",
        "place has one number a sample: view it as [N, 1, …, 1]. torch.autograd.grad(critic(between).sum(), between, "
        "create_graph=True) gives all gradients at once, [N, …].",
        "gradient.flatten(1).norm(dim=1) is one norm a sample, [N]. Subtract 1, square, take the mean; between needs "
        "requires_grad_().",
    ),
)
def gradient_penalty(random: torch.Generator) -> Iterator[Case]:
    """`gradient_penalty(critic, real float [N, …], fake float [N, …], place float [N])` → scalar with a gradient."""
    shapes = [(1, 2), (2, 2), (3, 4), (2, 2, 2, 2), (4, 3, 4, 4), (3, 2, 5, 3), (5, 7), (3, 4, 6)]
    for number, shape in enumerate(shapes):
        n = shape[0]
        real, fake = torch.randn(shape, generator=random), torch.randn(shape, generator=random)
        place = 0.1 + 0.3 * torch.rand(n, generator=random)
        critic = _Waves(shape[1:], 6, random)
        with torch.no_grad():
            critic.v.mul_(1.6 if number % 2 else 0.5)  # now too steep, now too flat
        eps = place.view(-1, *[1] * (len(shape) - 1))

        def at(x: torch.Tensor, norms: Callable = _norms, critic: _Waves = critic) -> torch.Tensor:
            return norms(critic.slopes(x))

        between = eps * real + (1 - eps) * fake
        norms = at(between)
        right = ((norms - 1) ** 2).mean().item()
        gradient = critic.slopes(between)

        def squared(values: torch.Tensor) -> float:
            return ((values.double() - 1) ** 2).mean().item()

        mistakes = {
            "You took one norm for the whole batch; each sample has its own.": squared(gradient.square().sum().sqrt()),
            "You did not subtract 1: that asks for slope 0.": (norms**2).mean().item(),
            "You did not square: slopes that are too small and too large cancel.": (norms - 1).mean().item(),
            "You took the absolute value of slope − 1; take its square.": (norms - 1).abs().mean().item(),
            "You left the root out: that is the squared norm minus 1.": squared(norms**2),
            "You added the samples up; take their mean.": ((norms - 1) ** 2).sum().item(),
            "You took the gradient at the real samples; it belongs at the places between.": squared(at(real)),
            "You took the gradient at the generated samples; it belongs at the places between.": squared(at(fake)),
            "The places are the wrong way round: 1 is the real sample.": squared(at(eps * fake + (1 - eps) * real)),
            "All samples got the first one's place; each has its own.": squared(
                at(place[0] * real + (1 - place[0]) * fake)
            ),
            "You only punish slopes above 1; those below count too.": (norms - 1).clamp(min=0).square().mean().item(),
            "You averaged the scores before the gradient: each norm is then N times too small. Add them up.": squared(
                norms / n
            ),
            "You took the norm of the mean gradient; take the norm of each sample's, then the mean.": squared(
                gradient.mean(0).square().sum().sqrt()
            ),
            "You averaged the norms first; each slope has to be 1, not their mean.": squared(norms.mean()),
            "You added up the axes' values without squaring them; the norm is the root of the sum of squares.": squared(
                gradient.flatten(1).abs().sum(1)
            ),
            "You took the mean of the squares where the norm is the root of their sum.": squared(
                gradient.flatten(1).square().mean(1).sqrt()
            ),
        }
        if len(shape) > 2:
            mistakes |= {
                "Your norm is over the channels only; it is over all axes but the first.": squared(
                    gradient.square().sum(1).sqrt()
                ),
                "Your norm is over the last axis only; it is over all axes but the first.": squared(
                    gradient.square().sum(-1).sqrt()
                ),
            }
        else:
            mistakes["Your norm is over the samples; it is over all axes but the first."] = squared(
                gradient.square().sum(0).sqrt()
            )

        def detached(came: object) -> str | None:
            if not isinstance(came, torch.Tensor) or not came.requires_grad:
                return "It has no gradient with respect to the critic's weights: create_graph=True keeps one."
            return None

        given = {"critic": critic, "real": real, "fake": fake, "place": place}
        yield Case(given, right, mistakes, also=detached)


# wasserstein_losses ---------------------------------------------------------------------------------------------


@exercise(
    "wgan",
    hints=(
        "Take real scores of 5 and generated ones of 1: the critic does well. Is your loss of it then small?",
        "The estimate is mean(real) − mean(fake). The critic makes it large, so its loss is the negative of that.",
        "The critic's loss is fake.mean() − real.mean(); the generator's is −fake.mean().",
    ),
)
def wasserstein_losses(random: torch.Generator) -> Iterator[Case]:
    """`wasserstein_losses(real float [N], fake float [M])` → the critic's loss, the generator's loss: two scalars."""
    for number, (n, m) in enumerate([(1, 1), (2, 2), (2, 3), (4, 2), (5, 5), (7, 3), (16, 9)]):
        few = n + m < 8
        real = torch.randint(2, 9, (n,), generator=random).float() if few else torch.randn(n, generator=random)
        fake = torch.randint(-8, -1, (m,), generator=random).float() if few else torch.randn(m, generator=random)
        if number % 2:
            real, fake = -real / 2, fake / 4
        r, f = math.fsum(real.tolist()) / n, math.fsum(fake.tolist()) / m
        sums = math.fsum(real.tolist()), math.fsum(fake.tolist())

        def soft(values: torch.Tensor, sign: int) -> float:
            return sum(math.log1p(math.exp(sign * v)) for v in values.tolist()) / len(values)

        mistakes = {
            "Your critic's loss has the wrong sign: made smaller, it scores real samples lower.": [r - f, -f],
            "Your generator's loss has the wrong sign: made smaller, its samples are scored lower.": [f - r, f],
            "Both signs are wrong: you return what each player wants large.": [r - f, f],
            "The generator's loss is not the critic's turned round: the real samples do not depend on it.": [
                f - r,
                r - f,
            ],
            "Both players got the same loss; they want opposite things.": [f - r, f - r],
            "You added up the scores; take their means.": [sums[1] - sums[0], -sums[1]],
            "These are a GAN's losses; a critic's score is no logit, there is no logarithm.": [
                soft(real, -1) + soft(fake, 1),
                soft(fake, -1),
            ],
            "You took absolute values; the estimate may be below 0, and then the critic has to turn round.": (
                [-abs(r - f), -f],
                [abs(r - f), -f],
                [abs(f - r), abs(f)],
            ),
            "They are turned round: the critic's loss comes first.": [-f, f - r],
            "The critic's loss needs the generated scores with a plus: you added where they differ.": [-r - f, -f],
            "Your critic looks at the real samples only; it has to score the generated ones lower.": [-r, -f],
            "Your critic looks at the generated samples only; it has to score the real ones higher.": [f, -f],
            "You took the mean over all scores together; each side has its own mean.": [
                (sums[1] - sums[0]) / (n + m),
                -f,
            ],
            "You halved the critic's loss; it is the difference of the two means.": [(f - r) / 2, -f],
        }
        yield Case({"real": real, "fake": fake}, [f - r, -f], mistakes)
