"""The judges of the chapter `inversion`: psnr, invert, damped_step and step_along."""

import math
from collections.abc import Iterator

import torch
from torch import Tensor, nn

from segen.checks.judging import Case, exercise

# psnr -----------------------------------------------------------------------------------------------------------


def _decibels(peak: float, error: Tensor) -> Tensor:
    return 10 * torch.log10(peak**2 / error)


@exercise(
    "inversion",
    hints=(
        "Take a black and a white image first: -1 and 1 everywhere. They differ by the whole range, so the PSNR is 0.",
        "One mean of squared differences an image, over channels, rows and columns. The range from -1 to 1 is 2 wide.",
        "10 · log10(4 / (x - y).square().mean((1, 2, 3))) is one number an image, [N].",
    ),
)
def psnr(random: torch.Generator) -> Iterator[Case]:
    """`psnr(x float [N, C, H, W], y float [N, C, H, W])` → float `[N]`, in decibels; images are in [-1, 1]."""
    for number, shape in enumerate([(1, 1, 1, 2), (2, 1, 2, 2), (1, 3, 2, 3), (3, 3, 4, 4), (4, 3, 8, 6)]):
        x = 2 * torch.rand(shape, generator=random) - 1
        noise = torch.rand(shape, generator=random) - 0.3
        y = (x + noise * torch.linspace(0.2, 0.9, shape[0]).view(-1, 1, 1, 1)).clamp(-1, 1)
        if number == 0:
            x, y = torch.tensor([-0.5, 0.25]).view(shape), torch.tensor([0.25, 0.0]).view(shape)
        rest = (x - y).double()
        error = torch.tensor([math.fsum(v * v for v in one.flatten().tolist()) / one.numel() for one in rest])
        right = _decibels(2, error.double())
        absolute = rest.abs().mean((1, 2, 3))
        mistakes = {
            "Your peak is 1; from -1 to 1 the range is 2 wide.": _decibels(1, error),
            "Your peak is 255; these images go from -1 to 1, 2 in all.": _decibels(255, error),
            "You did not square the peak: it is 2² over the mean square.": 10 * torch.log10(2 / error),
            "The sign is turned round: a small error is a high PSNR.": -right,
            "You took the natural logarithm; decibels go by the one to the base 10.": 10 * torch.log(4 / error),
            "The factor is 10 for a mean of squares; 20 belongs to its root.": 20 * torch.log10(4 / error),
            "You forgot the 10: that is a bel, not a decibel.": torch.log10(4 / error),
            "You took one mean for the whole batch; each image has its own.": (
                _decibels(2, rest.square().mean()),
                _decibels(2, rest.square().mean()).expand(shape[0]),
            ),
            "You returned the mean of the batch; give one number an image.": (right.mean(), right.mean()[None]),
            "You added the squares up; take their mean.": _decibels(2, error * rest[0].numel()),
            "The peak is fixed at 2; you took it from the values of the images.": tuple(
                _decibels(1, error) + 20 * torch.log10(peak)
                for v in (x, y, torch.cat([x, y], 1))
                for one in (v.double().flatten(1), v.double().reshape(1, -1))
                for peak in (one.amax(1) - one.amin(1), one.amax(1), one.abs().amax(1))
                if (peak > 0).all()
            ),
            "You took the root of the mean square; with the factor 10 there is no root.": (
                _decibels(2, error.sqrt()),
                _decibels(math.sqrt(2), error.sqrt()),
            ),
            "You took the mean of absolute differences; square them first.": (
                _decibels(2, absolute),
                _decibels(2, absolute**2),
            ),
            "You squared the mean difference: there too much and too little cancel.": _decibels(
                2, rest.mean((1, 2, 3)) ** 2
            ),
            "You averaged the PSNR of channels; take the mean of squares over all axes but the first.": _decibels(
                2, rest.square().mean((2, 3))
            ).mean(1),
        }
        if shape[1] == 1:
            mistakes.popitem()
        yield Case({"x": x, "y": y}, right, mistakes)


# invert ---------------------------------------------------------------------------------------------------------


class Curved(nn.Module):
    """G(z) = tanh(W z + b), as images: a generator whose slopes are known without autograd.

    In training mode it subtracts the batch's mean, as batch norm does.
    """

    def __init__(self, latent: int, shape: tuple[int, ...], random: torch.Generator) -> None:
        super().__init__()
        self.latent, self.shape = latent, shape
        pixels = math.prod(shape)
        self.W = nn.Parameter(torch.randn(pixels, latent, generator=random) / math.sqrt(latent))
        self.b = nn.Parameter(0.3 * torch.randn(pixels, generator=random))

    def forward(self, z: Tensor) -> Tensor:
        before = z @ self.W.to(z.dtype).T
        if self.training:
            before = before - before.mean(0)
        return torch.tanh(before + self.b.to(z.dtype)).view(-1, *self.shape)

    def rest(self, z: Tensor, target: Tensor) -> tuple[Tensor, Tensor]:
        """Return what is left, `[N, pixels]`, and the slope of each pixel before W, in float64."""
        drawn = torch.tanh(z @ self.W.detach().double().T + self.b.detach().double())
        return drawn - target.double().flatten(1), 1 - drawn**2


def _follow(generator: Curved, target: Tensor, z: Tensor, steps: int, lr: float, way: str = "right") -> Tensor:
    """Return where `steps` of gradient descent lead, in float64 and by the formula; `way` names a mistake."""
    z, W = z.double(), generator.W.detach().double()
    pixels, images = W.shape[0], len(z)
    kept = torch.zeros_like(z)
    first = z
    for _ in range(steps):
        rest, slope = generator.rest(z, target)
        if way == "training":
            before = z @ W.T
            drawn = torch.tanh(before - before.mean(0) + generator.b.detach().double())
            inner = 2 * (drawn - target.double().flatten(1)) * (1 - drawn**2) / pixels
            gradient = (inner - inner.mean(0)) @ W
        elif way == "absolute":
            gradient = (rest.sign() * slope) @ W / pixels
        elif way == "root":
            gradient = (rest * slope) @ W / pixels / rest.square().mean(1, keepdim=True).sqrt()
        else:
            gradient = 2 * (rest * slope) @ W / pixels
        if way == "batch":
            gradient = gradient / images
        elif way == "sum":
            gradient = gradient * pixels
        elif way == "one for all":
            gradient = gradient.sum(0, keepdim=True).expand_as(z)
        elif way == "signs":
            gradient = gradient.sign()
        elif way == "unit":
            gradient = nn.functional.normalize(gradient, dim=1)
        elif way == "frozen":
            kept = gradient = kept if kept.any() else gradient
        elif way == "kept":
            gradient = kept = kept + gradient
        elif way == "pulled":
            gradient = gradient + 2 * z / z.shape[1]
        elif way == "from the start":
            z = first
        z = z + lr * gradient if way == "up" else z - lr * gradient
    return z


@exercise(
    "inversion",
    hints=(
        "Only z moves. Make a copy of it that requires a gradient; the generator's weights stay as they are.",
        "The error of an image is the mean of its squared differences, and the loss the sum over the images: so no "
        "image's step depends on how many others there are.",
        "In each step: error = (generator(z) - target).square().mean((1, 2, 3)).sum(), then "
        "(slope,) = torch.autograd.grad(error, z), then z = (z - lr * slope).detach().requires_grad_().",
    ),
)
def invert(random: torch.Generator) -> Iterator[Case]:
    """`invert(generator, target float [N, C, H, W], z float [N, latent], steps: int, lr: float)` → `[N, latent]`."""
    torch.optim.SGD([torch.zeros(1)], lr=1)  # the first one imports much: not on the answer's clock
    cases = [
        (1, 2, (1, 1, 3), 1, 0.5),
        (2, 2, (1, 2, 2), 1, 0.5),
        (2, 3, (1, 2, 3), 2, 0.7),
        (3, 4, (2, 3, 3), 3, 0.6),
        (4, 5, (3, 4, 4), 6, 0.8),
        (2, 3, (1, 2, 2), 0, 0.5),
        (2, 2, (1, 2, 2), 4, 1.5),
    ]
    for number, (n, latent, shape, steps, lr) in enumerate(cases):
        generator = Curved(latent, shape, random).eval()
        there = torch.randn(n, latent, generator=random)
        with torch.no_grad():
            target = generator(there)
        z = torch.randn(n, latent, generator=random)
        near = number == len(cases) - 1
        if near:
            there = 0.5 * torch.tanh(there)  # where tanh has a slope
            with torch.no_grad():
                target = generator(there)
            z = there + 0.02 * z.sign()

        def led(way: str, generator=generator, target=target, z=z, steps=steps, lr=lr) -> Tensor:
            return _follow(generator, target, z, steps, lr, way)

        mistakes = {
            "Your steps lead uphill: subtract the gradient.": led("up"),
            "You averaged over the batch: each image's step shrinks with every other one. Add the images up.": led(
                "batch"
            ),
            "You added up the pixels; an image's error is their mean.": led("sum"),
            "You descend on the absolute differences; square them.": led("absolute"),
            "You descend on the root of the mean square; leave the root out.": led("root"),
            "All images got one step; each follows its own gradient.": led("one for all"),
            "You took the gradient's sign only; its length counts.": led("signs"),
            "You brought the gradient to length 1; its length counts.": led("unit"),
            "All your steps follow the gradient at the start: compute it anew before each step.": led("frozen"),
            "You put the generator into training mode; leave it as it comes, in evaluation mode.": led("training"),
            "Gradients of earlier steps are added to the new one: set it to zero before each step.": led("kept"),
            "Something pulls z towards 0, which was not asked for.": led("pulled"),
            "Each step begins at the start again: go on from where the last one led.": led("from the start"),
            "You took one step; go on for `steps` of them.": _follow(generator, target, z, 1, lr),
            "You took one step too many.": _follow(generator, target, z, steps + 1, lr),
            "You took one step too few.": _follow(generator, target, z, max(steps - 1, 0), lr),
            "You began at 0, not at the given start.": _follow(generator, target, torch.zeros_like(z), steps, lr),
            "Nothing moved: you returned the start.": z,
            "You returned the images; the noises are asked for.": generator(led("right").float()).detach(),
        }
        if near:
            mistakes = {"You stopped early because the error is small; take all the steps.": z}
        given = {"generator": generator, "target": target, "z": z, "steps": steps, "lr": lr}
        yield Case(given, led("right"), mistakes)


# damped_step ----------------------------------------------------------------------------------------------------


@exercise(
    "inversion",
    hints=(
        "Take one unknown first: J = [[2.0]], rest = [4.0], damping 0. The step must end where 2 δ = 4, at z - 2.",
        "Solve (JᵀJ + damping · I) δ = Jᵀ rest for δ [D]; the new noise is z - δ.",
        "delta = torch.linalg.solve(J.T @ J + damping * torch.eye(len(z), dtype=J.dtype), J.T @ rest).",
    ),
)
def damped_step(random: torch.Generator) -> Iterator[Case]:
    """`damped_step(z float [D], J float [M, D], rest float [M], damping: float)` → float `[D]`, the next noise."""
    cases = [(2, 1, 0.5), (2, 2, 2.0), (5, 2, 0.0), (6, 3, 0.7), (12, 4, 3.0), (4, 6, 0.5), (30, 8, 10.0)]
    for m, d, damping in cases:
        z, J = torch.randn(d, generator=random), torch.randn(m, d, generator=random)
        rest = torch.randn(m, generator=random)
        zz, JJ, r = z.double(), J.double(), rest.double()
        gradient, normal = JJ.T @ r, JJ.T @ JJ
        one = torch.eye(d, dtype=torch.float64)

        def moved(matrix: Tensor, zz=zz, gradient=gradient) -> Tensor:
            return zz - torch.linalg.pinv(matrix) @ gradient

        delta = torch.linalg.lstsq(  # the same as a least squares problem with D more rows
            torch.cat([JJ, math.sqrt(damping) * one]), torch.cat([r, torch.zeros(d, dtype=torch.float64)])
        ).solution
        mistakes = {
            "You added the step: that leads away from the image.": zz + delta,
            "That is a step without damping.": moved(normal) if damping else zz + 9,
            "That is a step along the gradient; the matrix JᵀJ is missing.": (
                zz - gradient,
                zz - damping * gradient,
                zz - gradient / damping if damping else zz + 9,
            ),
            "The damping was multiplied by the diagonal of JᵀJ (Marquardt's way); here it is by I.": moved(
                normal + damping * torch.diag(normal.diagonal())
            ),
            "The damping was added to every entry of JᵀJ; it belongs on the diagonal.": moved(normal + damping),
            "The damping was subtracted.": moved(normal - damping * one),
            "The damping was squared.": moved(normal + damping**2 * one),
            "You halved the step.": zz - delta / 2,
            "You doubled the step: the 2 of the square's slope is on both sides.": zz - 2 * delta,
            "You returned δ; the next noise is z - δ.": (delta, -delta),
            "You multiplied by JᵀJ where its inverse is needed.": zz - (normal + damping * one) @ gradient,
            "Only the diagonal of JᵀJ was looked at: solve with the whole matrix.": zz
            - gradient / (normal.diagonal() + damping),
            "The damping was added to the inverse; add it to JᵀJ, before solving.": zz
            - (torch.linalg.pinv(normal) + damping * one) @ gradient,
            "JᵀJ and Jᵀ rest were divided by the number of rows; the damping then weighs too much.": moved(
                normal + m * damping * one
            ),
            "You stayed where you were; the step is always taken here.": zz,
        }
        yield Case({"z": z, "J": J, "rest": rest, "damping": damping}, zz - delta, mistakes)


# step_along -----------------------------------------------------------------------------------------------------


@exercise(
    "inversion",
    hints=(
        "Take noises of two numbers: those without have the mean (0, 0), those with it (3, 4). Which way is it, and "
        "how far is a step of 1?",
        "The direction is the mean of `present` less the mean of `absent`, divided by its length: a vector [D].",
        "direction = present.mean(0) - absent.mean(0); return z + amount * direction / direction.norm().",
    ),
)
def step_along(random: torch.Generator) -> Iterator[Case]:
    """`step_along(z float [N, D], absent float [A, D], present float [B, D], amount: float)` → float `[N, D]`."""
    cases = [(1, 2, 1, 1, 1.0), (1, 2, 2, 1, 2.0), (2, 3, 3, 2, 0.5), (3, 4, 2, 5, -1.5), (4, 6, 7, 3, 3.0)]
    for number, (n, d, a, b, amount) in enumerate(cases):
        z = torch.randn(n, d, generator=random)
        absent = torch.randn(a, d, generator=random) - 0.5
        present = torch.randn(b, d, generator=random) + torch.linspace(0.5, 2, d)
        if number == 0:
            absent, present = torch.tensor([[1.0, 0.0]]), torch.tensor([[4.0, 4.0]])
        zz, low, high = z.double(), absent.double(), present.double()
        means = low.mean(0), high.mean(0)
        way = means[1] - means[0]
        sums = high.sum(0) - low.sum(0)
        few = min(a, b)

        def along(direction: Tensor, zz=zz, amount=amount) -> Tensor:
            return zz + amount * direction

        right = along(way / way.norm())
        mistakes = {
            "Below 0 the step goes the other way: leave the sign of amount.": zz + abs(amount) * way / way.norm()
            if amount < 0
            else zz + 9,
            "You went the other way: the direction is from those without to those with it.": along(-way / way.norm()),
            "The direction has not the length 1: divide by its norm.": along(way),
            "You brought the two means to length 1; their difference is what has the length 1.": along(
                means[1] / means[1].norm() - means[0] / means[0].norm()
            ),
            "You averaged over the numbers of a noise; average over the noises, axis 0.": (
                along((high.mean() - low.mean()).sign() * torch.ones(d)),
                along((high.mean(1) - low.mean(1)).sign().expand(d)) if a == b == 1 else zz + 9,
            ),
            "You divided by the squared norm.": along(way / way.norm() ** 2),
            "You divided by the sum of absolute values; the length is the root of the sum of squares.": along(
                way / way.abs().sum()
            ),
            "You divided by the largest value; the length is the root of the sum of squares.": along(
                way / way.abs().max()
            ),
            "You took sums where means are wanted: the two sets differ in size.": (
                along(sums / sums.norm()),
                along(sums),
            ),
            "That is the way to the mean of those with it, from 0; subtract the mean of those without.": along(
                means[1] / means[1].norm()
            ),
            "You gave the direction only: start at z.": (
                (amount * way / way.norm()),
                (amount * way / way.norm())[None],
            ),
            "You brought the noises to length 1 afterwards; nobody asked for that.": nn.functional.normalize(
                right, dim=1
            ),
            "You kept each noise's length; here the step is straight.": nn.functional.normalize(right, dim=1)
            * zz.norm(dim=1, keepdim=True),
            "You walked towards the mean of those with it; all noises take the same step.": zz
            + amount * nn.functional.normalize(means[1] - zz, dim=1),
            "You brought each noise to length 1 before taking means.": along(
                nn.functional.normalize(
                    nn.functional.normalize(high, dim=1).mean(0) - nn.functional.normalize(low, dim=1).mean(0), dim=0
                )
            ),
            "You took one noise of each set; take the means of all.": along(
                nn.functional.normalize(high[0] - low[0], dim=0)
            ),
            "You cut the longer set; take the mean of all of each.": along(
                nn.functional.normalize(high[:few].mean(0) - low[:few].mean(0), dim=0)
            ),
        }
        if a == b == 1:
            for says in list(mistakes)[-3:]:
                mistakes.pop(says)
        yield Case({"z": z, "absent": absent, "present": present, "amount": amount}, right, mistakes)
