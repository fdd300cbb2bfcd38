"""The judges of the chapter on spectral normalisation: other right ways pass, and lazy ways do not."""

import math

import numpy as np
import pytest
import torch

from segen import losses
from segen.checks import spectral_normalisation as check
from segen.checks.judging import RIGHT, WRONG

SEEDS = range(5)


def power_in_numpy(W, u, steps):
    W, u = W.numpy().astype(np.float64), u.numpy().astype(np.float64)
    for _ in range(steps):
        v = W.T @ u
        v /= np.linalg.norm(v)
        u = W @ v
        u /= np.linalg.norm(u)
    return [float(u @ W @ v), u, v]


def power_by_squaring(W, u, steps):
    """Go to v once, and then by powers of WᵀW."""
    W, u = W.double(), u.double()
    v = torch.linalg.matrix_power(W.T @ W, steps - 1) @ (W.T @ u)
    v = v / v.norm()
    return (W @ v).norm(), (W @ v) / (W @ v).norm(), v


def bound_by_eigenvalues(layers):
    def one(layer):
        if isinstance(layer, list):
            return 1 + bound_by_eigenvalues(layer)
        if isinstance(layer, float):
            return max(1, layer, -layer)
        return torch.linalg.eigvalsh(layer.double() @ layer.double().T)[-1].clamp(min=0).sqrt().item()

    return math.prod(map(one, layers))


def hinge_of_segen(real, fake):
    of_discriminator, of_generator = losses.adversarial("hinge")
    return of_discriminator(real, fake), of_generator(fake)


def hinge_by_where(real, fake):
    of_real = torch.where(real < 1, 1 - real, torch.zeros_like(real)).sum() / len(real)
    of_fake = torch.where(fake > -1, 1 + fake, torch.zeros_like(fake)).sum() / len(fake)
    return [of_real + of_fake, 0 - fake.sum() / len(fake)]


WAYS = [power_in_numpy, power_by_squaring, bound_by_eigenvalues, hinge_of_segen, hinge_by_where]
JUDGES = {"power": check.power_iteration, "bound": check.lipschitz_bound, "hinge": check.hinge_losses}


@pytest.mark.parametrize("answer", WAYS, ids=lambda answer: answer.__name__)
def test_other_right_ways(answer):
    judge = JUDGES[answer.__name__.partition("_")[0]]
    assert {str(judge.judge(answer, seed)) for seed in SEEDS} == {f"✓ {judge.name}: {RIGHT}."}


def svd(W, u, steps):
    U, S, Vh = torch.linalg.svd(W)
    return S[0], U[:, 0], Vh[0]


def converged(W, u, steps):
    return power_in_numpy(W, u, 500)


def one_step(W, u, steps):
    return power_in_numpy(W, u, 1)


def torchs_order(W, u, steps):
    """Take u for a v, and go the other way round."""
    v = W.T @ u / (W.T @ u).norm()
    for _ in range(steps):
        u = W @ v / (W @ v).norm()
        v = W.T @ u / (W.T @ u).norm()
    return u @ W @ v, u, v


def norm_of_the_product(layers):
    whole = None
    for layer in layers:
        if isinstance(layer, torch.Tensor):
            whole = layer if whole is None else layer @ whole
    return torch.linalg.matrix_norm(whole, 2).item() if whole is not None else 1.0


def eigenvalues(layers):
    bound = 1.0
    for layer in layers:
        if isinstance(layer, torch.Tensor) and layer.shape[0] == layer.shape[1]:
            bound *= torch.linalg.eigvals(layer).abs().max().item()
        elif isinstance(layer, torch.Tensor):
            bound *= torch.linalg.matrix_norm(layer, 2).item()
        elif isinstance(layer, list):
            bound *= 1 + eigenvalues(layer)
        else:
            bound *= max(1.0, abs(layer))
    return bound


LAZY = {
    "power_svd": (check.power_iteration, svd),
    "power_converged": (check.power_iteration, converged),
    "power_one_step": (check.power_iteration, one_step),
    "power_other_order": (check.power_iteration, torchs_order),
    "power_given_length": (check.power_iteration, lambda W, u, steps: (W.norm(), u, (W.T @ u))),
    "bound_product": (check.lipschitz_bound, norm_of_the_product),
    "bound_eigenvalues": (check.lipschitz_bound, eigenvalues),
    "bound_first_layer": (check.lipschitz_bound, lambda layers: bound_by_eigenvalues(layers[:1])),
    "bound_flattened": (
        check.lipschitz_bound,
        lambda layers: bound_by_eigenvalues([l for x in layers for l in (x if isinstance(x, list) else [x])]),  # noqa: E741
    ),
    "hinge_first": (check.hinge_losses, lambda real, fake: hinge_of_segen(real[:1], fake[:1])),
    "hinge_discriminator_only": (check.hinge_losses, lambda real, fake: hinge_of_segen(real, fake)[0]),
    "hinge_of_probabilities": (check.hinge_losses, lambda real, fake: hinge_of_segen(real.sigmoid(), fake.sigmoid())),
    "hinge_margin_two": (check.hinge_losses, lambda real, fake: hinge_of_segen(real / 2, fake / 2)),
}


@pytest.mark.parametrize("name", LAZY)
def test_lazy_ways_fail(name):
    judge, answer = LAZY[name]
    assert {judge.judge(answer, seed).state for seed in SEEDS} == {WRONG}
