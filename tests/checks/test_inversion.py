"""The judges of the chapter on inversion: other right ways pass, and ways right for easy inputs only do not."""

import numpy as np
import pytest
import torch

from segen.checks import inversion as check
from segen.checks.inversion import Curved, _follow
from segen.checks.judging import RIGHT, WRONG

SEEDS = range(4)
torch.optim.SGD([torch.zeros(1, requires_grad=True)], lr=1.0)  # the first one imports much, not on an answer's time


def psnr_one_by_one(x, y):
    errors = [((a - b) ** 2).mean().item() for a, b in zip(x, y, strict=True)]
    return np.array([20 * np.log10(2 / np.sqrt(error)) for error in errors])


def invert_one_by_one(generator, target, z, steps, lr):
    found = []
    for image, start in zip(target, z, strict=True):
        one = start[None].clone().requires_grad_()
        descent = torch.optim.SGD([one], lr=lr)
        for _ in range(steps):
            descent.zero_grad()
            (generator(one) - image[None]).square().mean().backward()
            descent.step()
        found.append(one.detach()[0])
    return torch.stack(found)


def damped_stacked(z, J, rest, damping):
    below = damping**0.5 * torch.eye(len(z))
    right = torch.cat([rest, torch.zeros(len(z))])
    return z - torch.linalg.lstsq(torch.cat([J, below]), right[:, None]).solution[:, 0]


def step_by_hand(z, absent, present, amount):
    way = present.double().mean(0) - absent.double().mean(0)
    return z + amount * way / (way**2).sum() ** 0.5


WAYS = [psnr_one_by_one, invert_one_by_one, damped_stacked, step_by_hand]
JUDGES = {"psnr": check.psnr, "invert": check.invert, "damped": check.damped_step, "step": check.step_along}


@pytest.mark.parametrize("answer", WAYS, ids=lambda answer: answer.__name__)
def test_other_right_ways(answer):
    judge = JUDGES[answer.__name__.partition("_")[0]]
    assert {str(judge.judge(answer, seed)) for seed in SEEDS} == {f"✓ {judge.name}: {RIGHT}."}


def with_adam(generator, target, z, steps, lr):
    z = z.clone().requires_grad_()
    adam = torch.optim.Adam([z], lr=lr)
    for _ in range(steps):
        adam.zero_grad()
        (generator(z) - target).square().mean((1, 2, 3)).sum().backward()
        adam.step()
    return z.detach()


LAZY = {
    "psnr_of_the_first": (check.psnr, lambda x, y: 10 * torch.log10(4 / (x - y)[:1].square().mean((1, 2, 3)))),
    "psnr_own_range": (
        check.psnr,
        lambda x, y: 10 * torch.log10((x.max() - x.min()) ** 2 / (x - y).square().mean((1, 2, 3))),
    ),
    "invert_by_adam": (check.invert, with_adam),
    "damped_inverse_of_J": (check.damped_step, lambda z, J, rest, damping: z - torch.linalg.pinv(J) @ rest),
    "step_towards_the_first": (
        check.step_along,
        lambda z, absent, present, amount: (
            z + amount * torch.nn.functional.normalize(present[0] - absent.mean(0), dim=0)
        ),
    ),
}


@pytest.mark.parametrize("name", LAZY)
def test_lazy_ways_fail(name):
    judge, answer = LAZY[name]
    assert {judge.judge(answer, seed).state for seed in SEEDS} == {WRONG}


def test_the_oracle_follows_the_gradient_that_autograd_finds():
    random = torch.Generator().manual_seed(0)
    generator = Curved(3, (2, 2, 2), random).eval()
    target, z = torch.rand(4, 2, 2, 2, generator=random), torch.randn(4, 3, generator=random).double()
    leaf = z.clone().requires_grad_()
    (slope,) = torch.autograd.grad((generator(leaf) - target).square().mean((1, 2, 3)).sum(), leaf)
    torch.testing.assert_close(_follow(generator, target, z, 1, 0.3), z - 0.3 * slope)
    generator.train()
    (slope,) = torch.autograd.grad((generator(leaf) - target).square().mean((1, 2, 3)).sum(), leaf)
    torch.testing.assert_close(_follow(generator, target, z, 1, 0.3, "training"), z - 0.3 * slope)
