"""The judges of the chapter DCGAN: other right ways pass, and lazy ways that are right for easy inputs do not."""

import math

import pytest
import torch
from torch import nn
from torch.nn import functional as F
from torch.nn.utils import parameters_to_vector

from segen.checks import dcgan as check
from segen.checks.judging import RIGHT, WRONG
from segen.models import DCGANGenerator

SEEDS = range(5)
torch.optim.SGD([torch.zeros(1, requires_grad=True)])  # what an optimiser imports is no part of an answer's time


def shapes_by_building(latent, out_channels, width, size):
    """Build the network on the meta device, and look."""
    with torch.device("meta"):
        x, found = torch.empty(1, latent, 1, 1), []
        layers = DCGANGenerator(latent, out_channels, width=width, size=size).layers
        found.append(tuple(x.shape[1:]))
        for layer in layers:
            x = layer(x)
            if isinstance(layer, nn.ConvTranspose2d):
                found.append(tuple(x.shape[1:]))
    return found


def shapes_as_lists(latent, out_channels, width, size):
    n = int(math.log2(size)) - 2
    return [[latent, 1, 1]] + [[width << n - 1 - i, 4 << i, 4 << i] for i in range(n)] + [[out_channels, size, size]]


def weights_by_name(network, noise):
    """Tell scales by the running statistics beside them."""
    state, drawn = network.state_dict(), []
    for (name, _), n in zip(network.named_parameters(), noise, strict=True):
        layer = name.rpartition(".")[0]
        if name.endswith("bias"):
            drawn.append(0 * n)
        else:
            drawn.append(float(f"{layer}.running_mean" in state) + n * 0.02)
    return tuple(drawn)


def weights_in_place(network, noise):
    """Change the network, and return its parameters themselves."""
    noise = iter(noise)
    for module in network.modules():
        for name, p in module.named_parameters(recurse=False):
            n = next(noise)
            with torch.no_grad():
                p.copy_(torch.zeros_like(n) if name == "bias" else 0.02 * n + isinstance(module, nn.BatchNorm2d))
    return list(network.parameters())


def sphere_by_turning(a, b, t):
    """Turn a in the plane that it spans with b, by Gram and Schmidt."""
    a, b = a.double(), b.double()
    u, v = F.normalize(a), F.normalize(b)
    across = v - (u * v).sum(1, keepdim=True) * u
    angle = torch.atan2(across.norm(dim=1, keepdim=True), (u * v).sum(1, keepdim=True))
    length = torch.lerp(a.norm(dim=1, keepdim=True), b.norm(dim=1, keepdim=True), t)
    return length * ((t * angle).cos() * u + (t * angle).sin() * F.normalize(across))


def sphere_row_by_row(a, b, t):
    rows = []
    for x, y in zip(a.double(), b.double(), strict=True):
        cosine = (x @ y / x.norm() / y.norm()).clamp(-1, 1)
        w = math.acos(cosine)
        p, q = (1 - t, t) if w < 1e-4 else (math.sin((1 - t) * w) / math.sin(w), math.sin(t * w) / math.sin(w))
        rows.append((p * x / x.norm() + q * y / y.norm()) * ((1 - t) * x.norm() + t * y.norm()))
    return torch.stack(rows)


def step_by_sgd(generator, discriminator, real, z, lr):
    """Use optimisers, two passes of the generator, and binary cross-entropy."""
    for_g, for_d = (torch.optim.SGD(n.parameters(), lr=lr) for n in (generator, discriminator))
    bce = F.binary_cross_entropy_with_logits
    with torch.no_grad():
        fake = generator(z)
    r, f = discriminator(real), discriminator(fake)
    (bce(r, torch.ones_like(r)) + bce(f, torch.zeros_like(f))).backward()
    for_d.step()
    for_g.zero_grad()
    f = discriminator(generator(z))
    bce(f, torch.ones_like(f)).backward()
    for_g.step()
    return [parameters_to_vector(n.parameters()) for n in (generator, discriminator)]


WAYS = [
    (check.generator_shapes, shapes_by_building),
    (check.generator_shapes, shapes_as_lists),
    (check.first_weights, weights_by_name),
    (check.first_weights, weights_in_place),
    (check.spherical, sphere_by_turning),
    (check.spherical, sphere_row_by_row),
    (check.alternate_step, step_by_sgd),
]


@pytest.mark.parametrize(("judge", "answer"), WAYS, ids=[answer.__name__ for _, answer in WAYS])
def test_other_right_ways(judge, answer):
    assert {str(judge.judge(answer, seed)) for seed in SEEDS} == {f"✓ {judge.name}: {RIGHT}."}


def only_outermost(network, noise):
    """Look at the outermost layers only; inner ones keep their weights."""
    drawn = weights_by_name(network, noise)
    own = dict(network.named_parameters())
    return [p.detach() if "inner" in name else d for (name, p), d in zip(own.items(), drawn, strict=True)]


def own_chance(network, noise):
    torch.manual_seed(0)
    return weights_by_name(network, [torch.randn_like(n) for n in noise])


def separate_fakes(generator, discriminator, real, z, lr):
    """Answer the old discriminator: its weights are put in only at the end."""
    import copy

    old = copy.deepcopy(discriminator)
    step_by_sgd(copy.deepcopy(generator), discriminator, real, z, lr)
    F.softplus(-old(generator(z))).mean().backward()
    with torch.no_grad():
        for p in generator.parameters():
            p -= lr * p.grad
    return [parameters_to_vector(n.parameters()) for n in (generator, discriminator)]


LAZY = {
    "shapes_of_32_only": (
        check.generator_shapes,
        lambda latent, c, w, size: [(latent, 1, 1), (4 * w, 4, 4), (2 * w, 8, 8), (w, 16, 16), (c, 32, 32)],
    ),
    "shapes_three_colours": (
        check.generator_shapes,
        lambda latent, c, w, size: shapes_as_lists(latent, 3, w, size),
    ),
    "shapes_floats": (
        check.generator_shapes,
        lambda *given: [tuple(map(float, s)) for s in shapes_as_lists(*given)],
    ),
    "weights_outermost": (check.first_weights, only_outermost),
    "weights_own_chance": (check.first_weights, own_chance),
    "weights_uniform": (
        check.first_weights,
        lambda network, noise: [(n - n.mean()) * 0.02 for n in noise],
    ),
    "weights_too_few": (check.first_weights, lambda *given: weights_by_name(*given)[:1]),
    "sphere_equal_lengths": (
        check.spherical,
        lambda a, b, t: F.normalize(sphere_by_turning(a, b, t)) * a.norm(dim=1, keepdim=True),
    ),
    "sphere_middle_only": (check.spherical, lambda a, b, t: sphere_by_turning(a, b, 0.5)),
    "sphere_first_row": (check.spherical, lambda a, b, t: sphere_by_turning(a[:1], b[:1], t).expand_as(a)),
    "sphere_end_cut": (
        check.spherical,
        lambda a, b, t: torch.where(
            (F.cosine_similarity(a, b) > 0.7)[:, None], (1 - t) * a + t * b, sphere_by_turning(a, b, t).to(a.dtype)
        ),
    ),
    "step_old_discriminator": (check.alternate_step, separate_fakes),
    "step_twice_as_long": (
        check.alternate_step,
        lambda g, d, real, z, lr: step_by_sgd(g, d, real, z, 2 * lr),
    ),
    "step_as_one_vector": (
        check.alternate_step,
        lambda *given: torch.cat(step_by_sgd(*given)),
    ),
    "step_real_of_fakes_size": (
        check.alternate_step,
        lambda g, d, real, z, lr: step_by_sgd(g, d, real[: len(z)], z[: len(real)], lr),
    ),
    "step_adam": (
        check.alternate_step,
        lambda g, d, real, z, lr: step_by_adam(g, d, real, z, lr),
    ),
}


def step_by_adam(generator, discriminator, real, z, lr):
    for_g, for_d = (torch.optim.Adam(n.parameters(), lr=lr) for n in (generator, discriminator))
    (F.softplus(-discriminator(real)).mean() + F.softplus(discriminator(generator(z).detach())).mean()).backward()
    for_d.step()
    F.softplus(-discriminator(generator(z))).mean().backward()
    for_g.step()
    return [parameters_to_vector(n.parameters()) for n in (generator, discriminator)]


@pytest.mark.parametrize("name", LAZY)
def test_lazy_ways_fail(name):
    judge, answer = LAZY[name]
    assert {judge.judge(answer, seed).state for seed in SEEDS} == {WRONG}


def test_the_oracle_plays_as_autograd_does():
    """The step by formulas, against the gradients that torch takes."""
    torch.manual_seed(0)
    generator, discriminator = check._Linear(3, 4).double(), check._Linear(4, 1).double()
    x, z = torch.randn(5, 4).double(), torch.randn(7, 3).double()
    W, b, v, c = (p.detach().clone() for n in (generator, discriminator) for p in n.parameters())
    expected = check._step(W, b, v[0], c[0], x, z, 0.3)
    for mine, theirs in zip(expected, step_by_sgd(generator, discriminator, x, z, 0.3), strict=True):
        torch.testing.assert_close(mine, theirs.detach())
