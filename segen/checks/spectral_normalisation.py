"""The judges of the chapter `spectral_normalisation`: power_iteration, lipschitz_bound and hinge_losses."""

import math
from collections.abc import Iterator

import torch

from segen.checks.judging import Case, exercise

# power_iteration ------------------------------------------------------------------------------------------------


def _unit(vector: list[float]) -> list[float]:
    length = math.sqrt(math.fsum(v * v for v in vector))
    return [v / length for v in vector]


def _dot(a: list[float], b: list[float]) -> float:
    return math.fsum(x * y for x, y in zip(a, b, strict=True))


def _times(W: list[list[float]], v: list[float]) -> list[float]:
    return [_dot(row, v) for row in W]


def _iterated(W: torch.Tensor, u: torch.Tensor, steps: int, *, stale: bool = False, unit: bool = True) -> list:
    """Return σ, u, v after so many steps, by loops over numbers."""
    rows, columns = W.double().tolist(), W.double().T.tolist()
    scaled = _unit if unit else (lambda vector: vector)
    left, right = u.double().tolist(), []
    for _ in range(steps):
        before = left
        right = scaled(_times(columns, before))
        left = scaled(_times(rows, right))
    value = _dot(before if stale else left, _times(rows, right))
    return [value, torch.tensor(left), torch.tensor(right)]


@exercise(
    "spectral_normalisation",
    hints=(
        "Take W = [[2, 0], [0, 1]] and u = (1, 1)/√2: after one step v = (2, 1)/√5. What is u?",
        "One step is two products: v = Wᵀu, brought to length 1, and then, with this new v, u = Wv, brought to length "
        "1.",
        "After the last step σ = u · (W v), with the new u and the new v.",
    ),
)
def power_iteration(random: torch.Generator) -> Iterator[Case]:
    """`power_iteration(W float [m, n], u float [m], steps: int ≥ 1)` → σ, u `[m]`, v `[n]`; one step is v, then u."""
    shapes = [(2, 2, 1), (2, 3, 1), (3, 2, 2), (3, 3, 3), (4, 4, 1), (2, 5, 4), (6, 4, 2), (12, 12, 5), (8, 20, 30)]
    for number, (m, n, steps) in enumerate(shapes):
        if m * n <= 16:
            W = torch.randint(-4, 5, (m, n), generator=random).float() + 0.5
        else:
            W = torch.randn(m, n, generator=random)
        u = torch.randn(m, generator=random)
        u = u / u.norm() * (2.0 if number % 3 == 2 else 1.0)  # of any length
        right = sigma, left, other = _iterated(W, u, steps)
        top = torch.linalg.svd(W.double())
        signs = torch.sign(left.double() @ top.U[:, 0])
        mistakes = {
            "That is the value for the u before the last step; use the new u with the new v.": [
                _iterated(W, u, steps, stale=True)[0],
                left,
                other,
            ],
            "You stopped one step early.": _iterated(W, u, steps - 1) if steps > 1 else NameError,
            "You took a step too many.": _iterated(W, u, steps + 1),
            "That is the exact greatest singular value; give what the iteration has after so many steps.": (
                [top.S[0].item(), left, other],
                [top.S[0].item(), signs * top.U[:, 0], signs * top.Vh[0]],
                [top.S[0].item(), top.U[:, 0], top.Vh[0]],
            ),
            "You returned σ²: the root is missing.": [sigma**2, left, other],
            "That is the root of the sum of all squares, the Frobenius norm; σ is how far one direction is "
            "stretched.": [W.double().square().sum().sqrt().item(), left, other],
            "u and v are turned round: u belongs to the rows, [m], v to the columns, [n].": [sigma, other, left],
            "Only σ came; return σ, u and v, the next call goes on from u.": sigma,
            "You returned the u that was given; the next call has to go on from the new one.": (
                [sigma, u, other],
                [sigma, u / u.norm(), other],
            ),
            "σ is missing at the front: return σ, u, v.": [left, other, sigma],
            "v was computed once more, from the new u; one step is v and then u.": _half_a_step_more(W, left),
            "You made one step; `steps` says how many.": _iterated(W, u, 1),
        }
        loose = _iterated(W, u, steps, unit=False)
        rows, columns = W.double().tolist(), W.double().T.tolist()
        last = _iterated(W, u, steps - 1)[1] if steps > 1 else u.double()
        long_v = torch.tensor(_times(columns, last.tolist()))
        nothing = [math.nan, torch.full_like(left, math.nan), torch.full_like(other, math.nan)]
        mistakes["You did not bring the vectors to length 1: they grow with each step."] = (
            loose,
            [loose[0], left, other],
            [_dot(left.tolist(), _times(rows, other.tolist())), loose[1], loose[2]],
            [_dot(left.tolist(), _times(rows, long_v.tolist())), left, long_v],
            [sigma**2, sigma * left, other],
            nothing,
        )
        if m == n:
            square = _iterated_square(W, u, steps)
            mistakes["You multiply by W alone: that finds an eigenvalue. Go there by Wᵀ and back by W."] = square
        else:
            mistakes["You multiply by W alone: that finds an eigenvalue. Go there by Wᵀ and back by W."] = RuntimeError
        first = _first_of_ones(W, steps)
        mistakes["You began with a vector of your own; begin with the u that is given."] = first
        yield Case({"W": W, "u": u, "steps": steps}, right, mistakes)


def _half_a_step_more(W: torch.Tensor, u: torch.Tensor) -> list:
    v = _unit(_times(W.double().T.tolist(), u.tolist()))
    return [_dot(u.tolist(), _times(W.double().tolist(), v)), u, torch.tensor(v)]


def _iterated_square(W: torch.Tensor, u: torch.Tensor, steps: int) -> list:
    rows, left = W.double().tolist(), _unit(u.double().tolist())
    for _ in range(steps):
        left = _unit(_times(rows, left))
    return [_dot(left, _times(rows, left)), torch.tensor(left), torch.tensor(left)]


def _first_of_ones(W: torch.Tensor, steps: int) -> list:
    return _iterated(W, torch.ones(len(W)), steps)


# lipschitz_bound ------------------------------------------------------------------------------------------------


def _sigma(W: torch.Tensor) -> float:
    """Return the greatest singular value as the root of the greatest eigenvalue of WᵀW."""
    W = W.double()
    return math.sqrt(max(0.0, torch.linalg.eigvalsh(W.T @ W)[-1].item()))


def _bound(layers: list, norm, *, leak=lambda a: max(1.0, abs(a)), skip=lambda f: 1.0 + f, join=math.prod) -> float:
    found = []
    for layer in layers:
        if isinstance(layer, list):
            found.append(skip(_bound(layer, norm, leak=leak, skip=skip, join=join)))
        elif isinstance(layer, torch.Tensor):
            found.append(norm(layer))
        else:
            found.append(leak(layer))
    return float(join(found))


def _only_outer(layers: list) -> float:
    """Forget the x of the blocks that are inside blocks."""
    inner = [_bound([layer] if not isinstance(layer, list) else layer, _sigma, skip=lambda f: f) for layer in layers]
    return math.prod(f + isinstance(layer, list) for f, layer in zip(inner, layers, strict=True))


def _adding(layers: list) -> float:
    """Add a block's bound to what came before it."""
    found = 1.0
    for layer in layers:
        found = found + _adding(layer) if isinstance(layer, list) else found * _bound([layer], _sigma)
    return found


def _summing(layers: list, *, inside: bool = False) -> float:
    """Add up the layers of a block."""
    found = [1.0 + _summing(x, inside=True) if isinstance(x, list) else _bound([x], _sigma) for x in layers]
    return math.fsum(found) if inside else math.prod(found)


def _greatest_eigenvalue(W: torch.Tensor) -> float:
    """Return the greatest eigenvalue in absolute value; σ where there are none."""
    return torch.linalg.eigvals(W.double()).abs().max().item() if W.shape[0] == W.shape[1] else _sigma(W)


def _whole(layers: list) -> torch.Tensor:
    """Return the product of all matrices, the last one leftmost, as if there were nothing between."""
    whole = None
    for layer in layers:
        if isinstance(layer, list):
            inner = _whole(layer)
            layer = torch.eye(inner.shape[0], dtype=torch.float64) + inner
        elif not isinstance(layer, torch.Tensor):
            continue
        whole = layer.double() if whole is None else layer.double() @ whole
    return whole


@exercise(
    "spectral_normalisation",
    hints=(
        "Take one matrix diag(3, 0.5): by how much can it lengthen a vector, at most?",
        "One after the other, the bounds multiply. A leaky ReLU has the slopes a and 1: its bound is the larger.",
        "A residual block x + f(x) is at most 1 + (the bound of f) steep: the two ways add up. Call your own function "
        "for f.",
    ),
)
def lipschitz_bound(random: torch.Generator) -> Iterator[Case]:
    """`lipschitz_bound(layers: list)` → float: a matrix `[m, n]`, a float a (leaky ReLU), or a list (a block)."""
    draw = lambda m, n: torch.randn(m, n, generator=random)  # noqa: E731
    stacks = [
        [torch.tensor([[3.0, 0.0], [0.0, 0.5]])],
        [torch.tensor([[0.0, 4.0], [0.0, 0.0]])],
        [torch.tensor([[0.5, 0.0], [0.0, 0.25]])],
        [2.0],
        [draw(2, 2), 0.2, draw(2, 2)],
        [draw(3, 2), 0.0, draw(1, 3)],
        [[draw(2, 2)]],
        [draw(4, 3), -1.5, draw(4, 4), 0.1, draw(2, 4)],
        [draw(3, 3), [0.1, draw(5, 3) / 4, 0.1, draw(3, 5) / 4], draw(1, 3)],
        [0.1, [draw(3, 3), 3.0, [0.2, draw(3, 3)]], draw(2, 3)],
        [draw(20, 12), 0.2, [draw(20, 20), 0.2, draw(20, 20)], 0.2, draw(1, 20)],
    ]
    for layers in stacks:
        norms = {
            "That is the Frobenius norm of each matrix; take the greatest singular value.": lambda W: (
                W.double().square().sum().sqrt().item()
            ),
            "You took the largest entry; a matrix can lengthen by more, or by less.": lambda W: W.abs().max().item(),
            "You added up all singular values; only the greatest counts.": lambda W: (
                torch.linalg.svdvals(W.double()).sum().item()
            ),
            "You took the least singular value; the bound is the greatest.": lambda W: torch.linalg.svdvals(W.double())[
                -1
            ].item(),
            "You forgot the root: those are the eigenvalues of WᵀW, the squared singular values.": lambda W: (
                _sigma(W) ** 2
            ),
            "That is the largest sum of a row: a norm, but not for lengths of vectors.": lambda W: (
                W.abs().sum(1).max().item()
            ),
            "That is the largest sum of a column: a norm, but not for lengths of vectors.": lambda W: (
                W.abs().sum(0).max().item()
            ),
            "You left the matrices out.": lambda W: 1.0,
            "You took eigenvalues; the greatest singular value counts.": _greatest_eigenvalue,
        }
        mistakes = {says: _bound(layers, norm) for says, norm in norms.items()}
        mistakes |= {
            "You added the bounds; one layer after the other, they multiply.": _bound(layers, _sigma, join=math.fsum),
            "You took the steepest layer; the steepness of all of them multiplies.": _bound(layers, _sigma, join=max),
            "A leaky ReLU is not flatter than 1: above 0 its slope is 1.": _bound(
                layers, _sigma, leak=lambda a: abs(a)
            ),
            "A leaky ReLU's slope may be above 1; take the larger of 1 and |a|.": _bound(
                layers, _sigma, leak=lambda a: 1.0
            ),
            "A slope of −1.5 is as steep as 1.5: take |a|.": _bound(layers, _sigma, leak=lambda a: max(1.0, a)),
            "A residual block is x + f(x): you left out the x.": _bound(layers, _sigma, skip=lambda f: f),
            "In a residual block the two ways add up; you took the steeper one.": _bound(
                layers, _sigma, skip=lambda f: max(1.0, f)
            ),
            "In a residual block the two ways add up; that is the root of their squares' sum.": _bound(
                layers, _sigma, skip=lambda f: math.hypot(1.0, f)
            ),
            "A residual block has the bound 2 only if that of f is 1; it is 1 + that of f.": _bound(
                layers, _sigma, skip=lambda f: 2.0
            ),
            "A residual block is x + f(x), not 2 f(x): its bound is 1 + that of f.": _bound(
                layers, _sigma, skip=lambda f: 2.0 * f
            ),
            "A block's bound is 1 + that of f, and multiplies what came before; you added it.": _adding(layers),
            "The blocks within blocks have an x, too; you left it out.": _only_outer(layers),
            "Within a block layers in a row multiply, too; you added them.": _summing(layers),
            "A leaky ReLU has the slope a or the slope 1, never both: take the larger.": (
                _bound(layers, _sigma, leak=lambda a: 1.0 + abs(a)),
                _bound(layers, _sigma, leak=lambda a: (1.0 + abs(a)) / 2),
            ),
            "Matrices can shorten: a bound may be below 1.": (
                max(1.0, _bound(layers, _sigma)),
                _bound(layers, lambda W: max(1.0, _sigma(W))),
            ),
        }
        if any(not isinstance(layer, float) for layer in layers):
            mistakes["You multiplied the matrices first; between them are ReLUs, so the norms multiply."] = (
                _sigma(_whole(layers)),
                RuntimeError,
            )
        yield Case({"layers": layers}, _bound(layers, _sigma), mistakes)


# hinge_losses ---------------------------------------------------------------------------------------------------


@exercise(
    "spectral_normalisation",
    hints=(
        "Take one real score of 0.5 and one generated of −2. The first is on the right side, but by less than 1: it "
        "costs 0.5. The second costs nothing.",
        "A real score r costs max(0, 1 − r), a generated score f costs max(0, 1 + f); each side has its mean. The "
        "generator has no margin.",
        "(1 - real).clamp(min=0).mean() + (1 + fake).clamp(min=0).mean(), and -fake.mean().",
    ),
)
def hinge_losses(random: torch.Generator) -> Iterator[Case]:
    """`hinge_losses(real float [N], fake float [M])` → the discriminator's loss, the generator's: two scalars."""
    for number, (n, m) in enumerate([(1, 1), (2, 2), (2, 3), (4, 2), (5, 5), (7, 3), (16, 9)]):
        scale = 1.0 if number < 5 else 2.0
        real = (scale * torch.randn(n, generator=random) + 0.5).mul(4).round().div(4)
        fake = (scale * torch.randn(m, generator=random) - 0.3).mul(4).round().div(4)
        if number == 0:  # one on the right side and one on the wrong
            real, fake = torch.tensor([0.5]), torch.tensor([0.25])
        if number == 1:  # beyond the margin on both sides
            real, fake = torch.tensor([1.75, -0.5]), torch.tensor([-2.5, 0.75])
        r, f = real.tolist(), fake.tolist()

        def mean(values: list[float]) -> float:
            return math.fsum(values) / len(values)

        def cost(values: list[float], sign: int, margin: float = 1.0, power: int = 1) -> list[float]:
            return [max(0.0, margin + sign * v) ** power for v in values]

        def soft(value: float) -> float:
            return math.log1p(math.exp(value))

        right = [mean(cost(r, -1)) + mean(cost(f, 1)), -mean(f)]
        of_logits = mean([soft(-v) for v in f])
        mistakes = {
            "The signs of the scores are turned round: real ones should lie above 1, generated below −1.": [
                mean(cost(r, 1)) + mean(cost(f, -1)),
                right[1],
            ],
            "Your discriminator wants both kinds of scores above 1; generated ones should lie below −1.": [
                mean(cost(r, -1)) + mean(cost(f, -1)),
                right[1],
            ],
            "You forgot the max with 0: what is far on the right side must not pay for the others.": [
                mean([1 - v for v in r]) + mean([1 + v for v in f]),
                right[1],
            ],
            "You took the max of the mean; each sample has its own hinge.": [
                max(0.0, 1 - mean(r)) + max(0.0, 1 + mean(f)),
                right[1],
            ],
            "The margin is 1, not 0.": [mean(cost(r, -1, 0.0)) + mean(cost(f, 1, 0.0)), right[1]],
            "You squared the hinge.": [mean(cost(r, -1, power=2)) + mean(cost(f, 1, power=2)), right[1]],
            "You added up the samples; take the mean of each side.": [
                math.fsum(cost(r, -1)) + math.fsum(cost(f, 1)),
                -math.fsum(f),
            ],
            "You took one mean over real and generated scores together; each side has its own.": (
                [mean(cost(r, -1) + cost(f, 1)), right[1]],
                [2 * mean(cost(r, -1) + cost(f, 1)), right[1]],
            ),
            "You halved the discriminator's loss; it is the sum of the two means.": [right[0] / 2, right[1]],
            "The generator's loss has the wrong sign: made smaller, its samples are scored lower.": [
                right[0],
                -right[1],
            ],
            "The generator has no hinge: its loss is minus the mean score, or good samples would teach it nothing.": (
                [right[0], mean(cost(f, -1))],
                [right[0], mean(cost(f, -1, 0.0))],
            ),
            "You gave the generator the discriminator's own term; it wants the score up, not down.": [
                right[0],
                mean(cost(f, 1)),
            ],
            "The generator's loss is not the discriminator's turned round.": [right[0], -right[0]],
            "They are turned round: the discriminator's loss comes first.": right[::-1],
            "You left the generated scores out of the discriminator's loss.": [mean(cost(r, -1)), right[1]],
            "You left the real scores out of the discriminator's loss.": [mean(cost(f, 1)), right[1]],
            "Those are the Wasserstein game's losses: there is no margin in them.": [mean(f) - mean(r), right[1]],
            "Those are the losses of logits: the hinge has no logarithm.": [
                mean([soft(-v) for v in r]) + mean([soft(v) for v in f]),
                of_logits,
            ],
            "softplus is not the hinge: max(0, ·) has no slope where a score is beyond the margin.": (
                [mean([soft(-v) for v in r]) + mean([soft(v) for v in f]), right[1]],
                [mean([soft(1 - v) for v in r]) + mean([soft(1 + v) for v in f]), right[1]],
            ),
            "The generator's loss has no softplus: it is minus the mean score.": [right[0], of_logits],
            "Both are losses, to be made small: you gave the discriminator's aim, which it makes large.": (
                [-right[0], right[1]],
                [-right[0], -right[1]],
            ),
            "Your max is turned round: what lies beyond the margin costs nothing, and the rest counts.": [
                mean([min(0.0, 1 - v) for v in r]) + mean([min(0.0, 1 + v) for v in f]),
                right[1],
            ],
            "real and fake are mixed up.": [mean(cost(f, -1)) + mean(cost(r, 1)), -mean(r)],
            "Real scores are none of the generator's business: its loss is minus the mean generated score.": [
                right[0],
                mean(r) - mean(f),
            ],
            "You returned a number for each sample; take the means.": (
                [torch.tensor([a + b for a, b in zip(cost(r, -1), cost(f, 1), strict=False)]), -fake],
                [torch.tensor([a + b for a, b in zip(cost(r, -1), cost(f, 1), strict=False)]), right[1]],
            ),
        }
        yield Case({"real": real, "fake": fake}, right, mistakes)
