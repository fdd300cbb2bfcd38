"""The judges of the chapter `dcgan`: generator_shapes, first_weights, spherical and alternate_step."""

import math
from collections.abc import Callable, Iterator

import torch
from torch import nn

from segen.checks.judging import Case, exercise

# generator_shapes -----------------------------------------------------------------------------------------------


def _maps(
    latent: int,
    out_channels: int,
    width: int,
    size: int,
    *,
    first: int = 4,
    turned: bool = False,
    even: bool = False,
    widest: bool = False,
    end: int | None = None,
    innermost: bool = False,
) -> list[list[int]]:
    """List the maps from the noise to the image, from the image backwards: sides are halved, channels double."""
    sides = [size]
    while sides[-1] > first:
        sides.append(sides[-1] // 2)
    channels = [width * (1 if even else 2**i) for i in range(len(sides) - 1)]
    if widest:
        channels = [max(1, width // 2**i) for i in reversed(range(len(sides) - 1))]
    if turned:
        channels.reverse()
    maps = [[end or out_channels, size, size]]
    maps += [[c, side, side] for c, side in zip(channels, sides[1:], strict=True)]
    maps.append([latent, 1, 1])
    return [[m[1], m[2], m[0]] if innermost else m for m in reversed(maps)]


@exercise(
    "dcgan",
    hints=(
        "Write the list for size=8 on paper: the noise, one map of 4×4, the image.",
        "Begin at the end: the image has out_channels. The map before it has half its side and `width` channels, the "
        "one before that half the side and twice the channels, and so on down to 4×4.",
        "With n = log2(size / 4) doublings the maps are (width · 2^(n−1−i), 4 · 2^i, 4 · 2^i) for i = 0 … n−1; before "
        "them comes (latent, 1, 1), after them (out_channels, size, size).",
    ),
)
def generator_shapes(random: torch.Generator) -> Iterator[Case]:
    """`generator_shapes(latent, out_channels, width, size)` → list of (C, H, W): the noise, each map, the image."""
    fixed = [(7, 3, 5, 8), (100, 3, 16, 16), (64, 3, 24, 32), (100, 1, 64, 64)]
    drawn = []
    for power in (3, 4, 5, 6, 7):
        latent, channels, width = (int(torch.randint(1, 40, (), generator=random)) for _ in range(3))
        drawn.append((latent + 40, channels % 4 + 1, width + 4, 2**power))
    for latent, out_channels, width, size in fixed + drawn:
        given = {"latent": latent, "out_channels": out_channels, "width": width, "size": size}
        right = _maps(**given)
        half = _maps(latent, out_channels, width, size // 2) if size > 8 else [[latent, 1, 1], [out_channels, 4, 4]]
        grown = [[latent, 1, 1], *([m[0], m[1] // 2, m[2] // 2] for m in right[1:])]
        drawn_above = [[4 * width, 4, 4], [2 * width, 8, 8], [width, 16, 16]]  # in the chapter's picture
        four = [[max(1, 4 * width // 2**i), *m[1:]] for i, m in enumerate(right[1:-1])]
        mistakes = {
            "The channels are turned round: the smallest map has the most.": _maps(**given, turned=True),
            "The noise is missing: the list begins with (latent, 1, 1).": right[1:],
            "The image is missing: the list ends with (out_channels, size, size).": right[:-1],
            "The last layer draws the image: it has out_channels, not `width` channels.": _maps(**given, end=width),
            "`width` belongs to the last map before the image; you gave it to the first one.": _maps(
                **given, widest=True
            ),
            "The channels stay the same; they halve whenever the side doubles.": _maps(**given, even=True),
            "You stopped one doubling too early.": half,
            "The first layer makes 4×4 of the noise at once: its kernel is 4×4, its stride 1.": (
                _maps(**given, first=2),
                grown,
            ),
            "You began with maps of 8×8; the first one is 4×4.": _maps(**given, first=8),
            "Channels come first: (C, H, W).": _maps(**given, innermost=True),
            "You left out the last map before the image.": right[:-2] + right[-1:],
            "You counted the batch in; give (C, H, W).": [[1, *m] for m in right],
            "The list is turned round: the noise comes first, the image last.": right[::-1],
            "Those are the maps for images of 32×32; how many there are follows from `size`.": (
                [right[0], *drawn_above, right[-1]],
                [right[0], *drawn_above, [out_channels, 32, 32]],
            ),
            "The first map has 4 · width channels for images of 32×32 only; count back from the image.": [
                right[0],
                *four,
                right[-1],
            ],
            "The noise is a single pixel, (latent, 1, 1); only the first layer makes 4×4 of it.": [
                [latent, 4, 4],
                *right[1:],
            ],
            "The last layer goes from half the side straight to the image: no map of `width` channels is as large.": [
                right[0],
                *([2 * c, *sides] for c, *sides in right[1:-1]),
                [width, size, size],
                right[-1],
            ],
        }
        yield Case(given, right, mistakes)


# first_weights --------------------------------------------------------------------------------------------------


class _Block(nn.Module):
    """Layers inside a module of its own: whoever looks at the outermost layers only misses them."""

    def __init__(self, *layers: nn.Module) -> None:
        super().__init__()
        self.inner = nn.Sequential(*layers)


def _networks() -> Iterator[tuple[nn.Module, list[str]]]:
    """Yield small networks, and what each of their parameters is, in order."""
    yield nn.Sequential(nn.Conv2d(1, 2, 2, bias=False)), ["kernel"]
    yield nn.Sequential(nn.BatchNorm2d(3)), ["scale", "shift"]
    yield nn.Sequential(nn.Conv2d(2, 1, 1)), ["kernel", "bias"]
    yield nn.Sequential(nn.ConvTranspose2d(2, 1, 2, bias=False)), ["transposed"]
    yield nn.Sequential(nn.Conv2d(1, 2, 3), nn.BatchNorm2d(2), nn.ReLU()), ["kernel", "bias", "scale", "shift"]
    up = nn.Sequential(nn.ConvTranspose2d(3, 4, 4), nn.BatchNorm2d(4), nn.ReLU(), nn.ConvTranspose2d(4, 3, 4, 2, 1))
    yield up, ["transposed", "bias", "scale", "shift", "transposed", "bias"]
    inside = _Block(nn.ConvTranspose2d(2, 3, 4, 2, 1, bias=False), nn.BatchNorm2d(3))
    yield nn.Sequential(nn.Conv2d(3, 2, 1), inside), ["kernel", "bias", "transposed", "scale", "shift"]


@exercise(
    "dcgan",
    hints=(
        "Print type(module).__name__ and the parameters' names of each module of the network: four kinds of tensors.",
        "isinstance(module, nn.Conv2d | nn.ConvTranspose2d) and isinstance(module, nn.BatchNorm2d) tell the modules "
        "apart; network.modules() goes through all of them, also those inside others.",
        "Kernels 0.02 · noise, scales 1 + 0.02 · noise, all biases and shifts zeros; one tensor for each of "
        "network.parameters(), in that order.",
    ),
)
def first_weights(random: torch.Generator) -> Iterator[Case]:
    """`first_weights(network, noise: list of float tensors)` → list of float tensors, one for each parameter."""
    for network, kinds in _networks():
        for p, kind in zip(network.parameters(), kinds, strict=True):
            if kind in ("scale", "shift"):  # not as torch begins: so it is seen who left them
                nn.init.constant_(p, 0.7 if kind == "scale" else 0.1)
        own = [p.detach().clone() for p in network.parameters()]
        noise = [torch.randn(p.shape, generator=random) for p in own]

        def made(
            *,
            kernel: float = 0.02,
            scale: float = 0.02,
            centre: float = 1.0,
            shift: float = 0.0,
            bias: float = 0.0,
            kept: tuple[str, ...] = (),
            kinds: list = kinds,
            noise: list = noise,
            own: list = own,
        ) -> list[torch.Tensor]:
            times = {"kernel": kernel, "transposed": kernel, "scale": scale, "shift": shift, "bias": bias}
            drawn = [
                times[kind] * n + (centre if kind == "scale" else 0.0) for kind, n in zip(kinds, noise, strict=True)
            ]
            return [mine if kind in kept else d for kind, d, mine in zip(kinds, drawn, own, strict=True)]

        is_kernel = [kind in ("kernel", "transposed") for kind in kinds]
        is_zero = [kind in ("bias", "shift") for kind in kinds]
        of_norm = [kind in ("scale", "shift") for kind in kinds]

        def sorted_by(later: list[bool], made: Callable = made) -> list[torch.Tensor]:
            """Put those that are marked behind the others."""
            return [m for wanted in (False, True) for m, mark in zip(made(), later, strict=True) if mark == wanted]

        mistakes = {
            "Kernels were multiplied by √0.02: 0.02 is the standard deviation, not the variance.": (
                made(kernel=math.sqrt(0.02)),
                made(kernel=math.sqrt(0.02), scale=math.sqrt(0.02)),
            ),
            "You squared 0.02: it is the standard deviation already.": (
                made(kernel=0.02**2),
                made(kernel=0.02**2, scale=0.02**2),
            ),
            "The scales of batch norm lie around 1; yours lie around 0, which multiplies the maps away.": made(
                centre=0.0
            ),
            "The scales of batch norm are drawn, too: 1 + 0.02 · noise.": made(scale=0.0),
            "The scales of batch norm spread by 0.02, not by 1.": made(scale=1.0),
            "The shifts of batch norm begin at 0; you drew them.": (made(shift=0.02), made(shift=0.02, bias=0.02)),
            "The shifts of batch norm begin at 0, its scales around 1: you treated both alike.": [
                1 + 0.02 * n if kind in ("scale", "shift") else right
                for kind, n, right in zip(kinds, noise, made(), strict=True)
            ],
            "The convolutions' biases begin at 0; you drew them.": made(bias=0.02),
            "The convolutions' biases begin at 0; you left them as torch had drawn them.": made(kept=("bias",)),
            "Kernels of transposed convolutions are drawn as all others; you left them as they were.": (
                made(kept=("transposed",)),
                made(kept=("transposed", "bias")),
            ),
            "You left the kernels of convolutions as torch had drawn them.": made(kept=("kernel",)),
            "You left batch norm as it was: its scales are drawn, too.": made(kept=("scale", "shift")),
            "You returned the noise itself.": noise,
            "You left the weights as torch had drawn them.": own,
            "Every tensor was drawn from N(0, 0.02²), whatever it is.": [0.02 * n for n in noise],
            "You told the tensors apart by their number of axes; a convolution's bias has one axis as a scale has.": [
                right if kind in ("kernel", "transposed") else 1 + 0.02 * n
                for kind, n, right in zip(kinds, noise, made(), strict=True)
            ],
            "The 1 was multiplied by 0.02, too: scales are 1 + 0.02 · noise.": made(centre=0.02),
            "Kernels of transposed convolutions lie around 0; you drew them as scales of batch norm.": [
                right + (kind == "transposed") for kind, right in zip(kinds, made(), strict=True)
            ],
            "You added to the weights that were there; they are replaced.": (
                [m + o if kernel else m for m, o, kernel in zip(made(), own, is_kernel, strict=True)],
                [m + o for m, o in zip(made(), own, strict=True)],
            ),
            "Your tensors are sorted by kind; give them in the order of network.parameters().": (
                sorted_by(is_zero),
                sorted_by(of_norm),
                sorted_by([not kernel for kernel in is_kernel]),
            ),
            "Biases and shifts are missing: they are returned, too, as zeros.": [
                m for m, zero in zip(made(), is_zero, strict=True) if not zero
            ],
        }

        yield Case({"network": network, "noise": noise}, made(), mistakes)


# spherical ------------------------------------------------------------------------------------------------------


def _turned(u: torch.Tensor, w: torch.Tensor, angle: torch.Tensor) -> torch.Tensor:
    """Turn unit rows `u` by `angle [N]` towards the unit rows `w`, which are at right angles to them."""
    return angle.cos()[:, None] * u + angle.sin()[:, None] * w


@exercise(
    "dcgan",
    hints=(
        "Take a = (1, 0), b = (0, 1), t = ½ first: the answer is (√½, √½), which has length 1, not (½, ½).",
        "Two tasks: the direction turns by t times the angle between the two, the length goes from |a| to |b| evenly.",
        "With unit vectors u, v and the angle ω between them the direction is (sin((1−t)ω) u + sin(tω) v) / sin ω. "
        "Where ω is 0 there is nothing to turn: the direction is u. Each row has its own ω.",
    ),
)
def spherical(random: torch.Generator) -> Iterator[Case]:
    """`spherical(a float [N, D], b float [N, D], t: float)` → float `[N, D]`: direction and length go evenly."""
    right_angle = math.pi / 2
    cases: list[tuple[int, int, list[float], list[float], list[float], float]] = [
        (1, 2, [right_angle], [1.0], [1.0], 0.25),
        (1, 2, [2 * math.pi / 3], [2.0], [2.0], 0.5),
        (1, 3, [right_angle], [1.0], [3.0], 0.25),
        (1, 3, [1.0], [2.0], [2.0], 0.0),
        (1, 3, [1.2], [2.0], [5.0], 1.0),
        (2, 3, [2.2, 0.6], [2.0, 1.0], [1.0, 4.0], 0.3),
        (2, 4, [0.0, 1.5], [2.0, 1.0], [5.0, 1.0], 0.4),
        (5, 64, [1.6, 1.4, 0.0, 2.8, 1.5], [8.0, 7.0, 9.0, 8.5, 7.5], [8.2, 9.0, 7.0, 8.0, 8.1], 0.7),
        (3, 16, [1.5, 1.7, 1.6], [4.0, 4.0, 4.0], [4.0, 4.0, 4.0], 0.5),
    ]
    for n, d, angles, starts, ends, t in cases:
        turn, one, two = (torch.tensor(v, dtype=torch.float64) for v in (angles, starts, ends))
        frame = torch.randn(n, d, 2, generator=random, dtype=torch.float64)
        u, w = torch.linalg.qr(frame).Q.unbind(2)
        a, v = one[:, None] * u, _turned(u, w, turn)
        b = two[:, None] * v
        b[turn == 0] = (a * (two / one)[:, None])[turn == 0]  # the same direction to the last bit
        length = (1 - t) * one + t * two
        right = length[:, None] * _turned(u, w, t * turn)
        straight = (1 - t) * a + t * b
        nlerp = length[:, None] * nn.functional.normalize((1 - t) * u + t * v)
        apart = turn.sin().clamp(min=1e-12)
        weights = [((1 - t) * turn).sin() / apart, (t * turn).sin() / apart]
        usual = torch.where((turn > 0)[:, None], weights[0][:, None] * a + weights[1][:, None] * b, straight)
        joint = math.acos(float((a * b).sum() / (a.norm() * b.norm())) * (1 - 1e-15))
        at_once = (math.sin((1 - t) * joint) * a + math.sin(t * joint) * b) / max(math.sin(joint), 1e-12)
        rows_at_once = length[:, None] * (math.sin((1 - t) * joint) * u + math.sin(t * joint) * v)
        rows_at_once = rows_at_once / max(math.sin(joint), 1e-12)
        backwards = ((1 - t) * two + t * one)[:, None] * _turned(u, w, (1 - t) * turn)

        one_length = float((1 - t) * a.norm() + t * b.norm())
        of_batch = (math.sin((1 - t) * joint) * a / a.norm() + math.sin(t * joint) * b / b.norm()) * one_length
        of_batch = of_batch / max(math.sin(joint), 1e-12)
        mean_turn = turn.mean().expand(n)
        mean_angle = ((1 - t) * mean_turn).sin()[:, None] * u + (t * mean_turn).sin()[:, None] * v
        mean_angle = length[:, None] * mean_angle / mean_turn.sin()[:, None]

        def parallel(came: object, turn: torch.Tensor = turn, right: torch.Tensor = right) -> bool:
            if not torch.is_tensor(came) or came.shape != right.shape:
                return False
            rest = came.double()[turn > 0], right[turn > 0]
            return not came[turn == 0].isfinite().all() and bool(torch.isclose(*rest, rtol=1e-3, atol=1e-3).all())

        mistakes: dict[str, object] = {
            "That is the straight line: it leaves the sphere, and its middle is too short.": straight,
            "You went straight and put the length right afterwards: the direction does not turn evenly.": nlerp,
            "The ends are turned round: t = 0 is a.": backwards,
            "The length stays that of a; it goes evenly from |a| to |b|.": one[:, None] * _turned(u, w, t * turn),
            "The length stays that of b; it goes evenly from |a| to |b|.": two[:, None] * _turned(u, w, t * turn),
            "The direction has length 1 in your answer; give it the length back.": _turned(u, w, t * turn),
            "You weighted a and b themselves: where their lengths differ, the direction no longer turns evenly.": usual,
            "You took one angle for the whole batch; each row has its own.": (at_once, rows_at_once, mean_angle),
            "You forgot to divide by sin ω.": length[:, None] * apart[:, None] * _turned(u, w, t * turn),
            "Where a and b have the same direction you divide 0 by 0; there is nothing to turn there.": parallel,
            "Where a and b have the same direction you give zeros: 0 by 0, hidden; the direction there is a's.": (
                torch.where((turn > 0)[:, None], right, torch.zeros_like(right))
            ),
            "You took one length for the whole batch; each row has its own (dim=1).": of_batch,
            "The length goes the wrong way: at t = 0 it is |a|.": (
                ((1 - t) * two + t * one)[:, None] * _turned(u, w, t * turn)
            ),
        }
        if not (turn == 0).any():
            cosine = (a * b).sum(1)  # of vectors that were not made to length 1
            wrong = cosine.clamp(-1, 1).acos()
            below = wrong.sin()
            mixed = ((1 - t) * wrong).sin()[:, None] * u + (t * wrong).sin()[:, None] * v
            nan = torch.full_like(right, math.nan)
            mistakes["You took the angle of vectors whose length is not 1; divide by the lengths first."] = (
                length[:, None] * mixed / below[:, None] if (cosine.abs() < 1).all() else nan,
                length[:, None] * mixed / below[:, None],
            )
        yield Case({"a": a.float(), "b": b.float(), "t": t}, right, mistakes)


# alternate_step -------------------------------------------------------------------------------------------------


class _Linear(nn.Linear):
    """A linear layer that gives `[N]` where it has one output: the smallest generator and discriminator."""

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        out = super().forward(x.to(self.weight.dtype))
        return out[:, 0] if self.out_features == 1 else out


def _step(
    W: torch.Tensor,
    b: torch.Tensor,
    v: torch.Tensor,
    c: torch.Tensor,
    x: torch.Tensor,
    z: torch.Tensor,
    lr: float,
    *,
    at_once: bool = False,
    swapped: bool = False,
    saturating: bool = False,
    wrong_aim: bool = False,
    sums: bool = False,
    half: float = 1.0,
    real_only: bool = False,
    fake_only: bool = False,
    leaks: bool = False,
    moves_both: bool = False,
    accumulates: bool = False,
    joint: float = 0.0,
    outer: str = "softplus",
    signs: bool = False,
    only: str = "",
    sign: float = 1.0,
    first: str = "discriminator",
) -> list[torch.Tensor]:
    """Play one step of y = W z + b against x·v + c by formulas, all in float64, and return both vectors of weights."""
    s = torch.sigmoid

    def mean(t: torch.Tensor) -> torch.Tensor:
        return t.sum(0) if sums else t.mean(0)

    def slope_of(t: torch.Tensor) -> torch.Tensor:
        """Return the derivative of the function that is put around the logits, softplus if it is right."""
        return {"softplus": s(t), "sigmoid": s(t) * s(-t), "none": torch.ones_like(t)}[outer]

    def along(slope: torch.Tensor) -> torch.Tensor:
        """Return the slope that is followed: Adam's first step knows the sign alone."""
        return slope.sign() if signs else slope

    y = z @ W.T + b

    def of_discriminator(v: torch.Tensor, c: torch.Tensor, y: torch.Tensor) -> tuple[torch.Tensor, ...]:
        """Return the slopes of its loss: with respect to v, c, and each y."""
        r, f = x @ v + c, y @ v + c
        on_real, on_fake = -slope_of(-r), slope_of(f)
        if swapped:
            on_real, on_fake = s(r), -s(-f)
        if real_only:
            on_fake = on_fake * 0
        if fake_only:
            on_real = on_real * 0
        if joint:  # one mean over all: each of the two counts by its share
            on_real, on_fake = (joint * o * len(o) / (len(r) + len(f)) for o in (on_real, on_fake))
        return (
            half * (mean(on_real[:, None] * x) + mean(on_fake[:, None] * y)),
            half * (mean(on_real) + mean(on_fake)),
            half * on_fake[:, None] * v / (1 if sums else len(y)),
        )

    def of_generator(v: torch.Tensor, c: torch.Tensor, y: torch.Tensor) -> tuple[torch.Tensor, ...]:
        f = y @ v + c
        slope = -s(f) if saturating else -slope_of(-f)
        if wrong_aim:
            slope = s(f)
        return slope[:, None] * v / (1 if sums else len(y)), mean(slope[:, None] * y), mean(slope)

    def generator_moved(v: torch.Tensor, c: torch.Tensor, extra: torch.Tensor | float = 0.0) -> tuple:
        pull = of_generator(v, c, y)[0] + extra
        return W - sign * lr * along(pull.T @ z), b - sign * lr * along(pull.sum(0))

    if first == "generator":
        W2, b2 = generator_moved(v, c)
        dv, dc, _ = of_discriminator(v, c, z @ W2.T + b2)
        v2, c2 = v - sign * lr * dv, c - sign * lr * dc
    else:
        dv, dc, dy = of_discriminator(v, c, y)
        v2, c2 = v - sign * lr * along(dv), c - sign * lr * along(dc)
        W2, b2 = generator_moved(v if at_once else v2, c if at_once else c2, dy if leaks else 0.0)
        if moves_both:
            _, ev, ec = of_generator(v2, c2, y)
            v2, c2 = v2 - lr * (ev + accumulates * dv), c2 - lr * (ec + accumulates * dc)
    if only == "discriminator":
        W2, b2 = W, b
    if only == "generator":
        W2, b2 = generator_moved(v, c)
        v2, c2 = v, c
    return [torch.cat([W2.flatten(), b2]), torch.cat([v2, c2[None]])]


@exercise(
    "dcgan",
    hints=(
        "Two losses, two gradients, two updates. Which weights may each of them move?",
        "The discriminator's loss looks at generator(z).detach(); its gradient is taken with respect to its own "
        "weights, and it is updated before the generator's loss is computed.",
        "softplus(-discriminator(real)).mean() + softplus(discriminator(fake.detach())).mean(), an SGD step of the "
        "discriminator; then softplus(-discriminator(fake)).mean(), an SGD step of the generator, with gradients of "
        "its own. Return parameters_to_vector of both.",
    ),
)
def alternate_step(random: torch.Generator) -> Iterator[Case]:
    """`alternate_step(generator, discriminator, real [N, D], z [M, L], lr)` → weights of both after it, two vectors."""
    torch.optim.SGD([torch.zeros(1)], lr=1)  # the first one imports much: not on the answer's clock
    shapes = [(1, 1, 2, 1), (2, 2, 2, 1), (3, 2, 2, 2), (4, 6, 3, 2), (8, 5, 4, 3), (5, 5, 2, 4)]
    for n, m, d, latent in shapes:
        W, b, v = (1.5 * torch.randn(s, generator=random, dtype=torch.float64) for s in ((d, latent), (d,), (d,)))
        c = torch.randn((), generator=random, dtype=torch.float64)
        v, c = v + 0.5 * v.sign(), c + 0.5
        x = torch.randn(n, d, generator=random, dtype=torch.float64) + 1
        z = torch.randn(m, latent, generator=random, dtype=torch.float64)
        lr = 0.5
        generator, discriminator = _Linear(latent, d).double(), _Linear(d, 1).double()
        with torch.no_grad():
            for p, value in zip(
                [*generator.parameters(), *discriminator.parameters()], (W, b, v[None], c[None]), strict=True
            ):
                p.copy_(value)

        def step(given: tuple = (W, b, v, c, x, z, lr), **how: object) -> list[torch.Tensor]:
            return _step(*given, **how)

        right = step()
        mistakes = {
            "Both were updated at once: the generator answers the discriminator that has just been updated.": step(
                at_once=True
            ),
            "The discriminator's loss reached the generator: detach the fakes there, or clear its gradient.": step(
                leaks=True
            ),
            "The generator's loss moved the discriminator, too: it may move the generator only.": (
                step(moves_both=True),
                step(moves_both=True, accumulates=True),
            ),
            "The generator did not move: its own step needs the fakes with their graph, not detached ones.": (
                step(only="discriminator"),
                RuntimeError,
            ),
            "The discriminator did not move.": step(only="generator"),
            "The discriminator's aims are turned round: real logits are to become large, generated ones small.": step(
                swapped=True
            ),
            "That is the saturating loss; take softplus(−f), the non-saturating one.": step(saturating=True),
            "The generator helps the discriminator: its own samples should be taken for real.": step(wrong_aim=True),
            "You added up over the batch; take means.": step(sums=True),
            "You halved the discriminator's loss; it is the sum of two means.": step(half=0.5),
            "The discriminator never saw a generated sample.": step(real_only=True),
            "The discriminator never saw a real sample.": step(fake_only=True),
            "You climbed: subtract lr times the gradient.": step(sign=-1.0),
            "The generator went first; the discriminator is updated before it.": step(first="generator"),
            "They are turned round: the generator's weights come first.": right[::-1],
            "Neither of them moved.": step(sign=0.0),
            "You took one mean over real and generated samples together; take two means and add them.": (
                step(joint=1.0),
                step(joint=2.0),
            ),
            "Those are the bare logits; put softplus around each before you take the mean.": step(outer="none"),
            "You averaged probabilities: softplus(−t) is −log of the sigmoid of t, not the sigmoid of −t.": step(
                outer="sigmoid"
            ),
            "That is Adam's step, as long for each weight; subtract lr times the gradient.": step(signs=True),
        }
        given = {"generator": generator, "discriminator": discriminator, "real": x, "z": z, "lr": lr}
        yield Case(given, right, mistakes)
