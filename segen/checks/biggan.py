"""The judges of the chapter `biggan`: five pieces of a conditional GAN.

They are conditional_batch_norm, projection_logits, self_attention, truncated_normal and orthogonal_penalty.
"""

import math
from collections.abc import Iterator
from statistics import NormalDist

import torch

from segen.checks.judging import Case, exercise

# conditional_batch_norm -----------------------------------------------------------------------------------------


def _normalised(x: torch.Tensor, axes: tuple[int, ...], *, correction: int = 0) -> torch.Tensor:
    mean, variance = x.mean(axes, keepdim=True), x.var(axes, correction=correction, keepdim=True)
    return (x - mean) / (variance + 1e-5).sqrt()


@exercise(
    "biggan",
    hints=(
        "Two steps: bring each channel to mean 0 and deviation 1, as batch norm does; then scale and shift each image.",
        "Mean and variance are over axes 0, 2 and 3. gains[labels] has a row for each image, [N, C].",
        "gains[labels][:, :, None, None] multiplies the normalised maps, biases[labels] likewise is added.",
    ),
)
def conditional_batch_norm(random: torch.Generator) -> Iterator[Case]:
    """`conditional_batch_norm(x [N, C, H, W], labels [N], gains [K, C], biases [K, C])` → maps of the same shape."""
    for n, c, h, w, k in [(2, 1, 1, 2, 2), (3, 2, 2, 2, 3), (4, 3, 2, 3, 5), (4, 4, 2, 2, 4), (6, 2, 4, 3, 3)]:
        x = (2 * torch.randn(n, c, h, w, generator=random) + 1).double()
        x = (4 * x).round() / 4
        labels = torch.randperm(max(n, k), generator=random)[:n] % k
        if torch.equal(labels, torch.arange(n) % k):
            labels = labels.flip(0)
        gains = (1 + torch.rand(k, c, generator=random).double() + torch.arange(k)[:, None] / 2).round(decimals=2)
        biases = (torch.randn(k, c, generator=random).double() - torch.arange(k)[:, None]).round(decimals=2)
        g, b = gains[labels][:, :, None, None], biases[labels][:, :, None, None]
        plain = _normalised(x, (0, 2, 3))
        position = torch.arange(n) % k
        each = torch.empty_like(x)
        for label in labels.unique():
            each[labels == label] = _normalised(x[labels == label], (0, 2, 3))
        variance = x.var((0, 2, 3), correction=0, keepdim=True)
        centred = x - x.mean((0, 2, 3), keepdim=True)
        mistakes = {
            "Each image is normalised by itself: that is instance norm; the mean is over the batch too.": _normalised(
                x, (2, 3)
            )
            * g
            + b,
            "Each place is normalised by itself; mean and variance are over all places too.": _normalised(x, (0,)) * g
            + b,
            "All channels are normalised together; each has its own mean and variance.": _normalised(x, (0, 1, 2, 3))
            * g
            + b,
            "That is layer norm, over each image's channels and places; the mean is over the batch.": _normalised(
                x, (1, 2, 3)
            )
            * g
            + b,
            "Each class is normalised by itself; only scale and shift are its own, the statistics are the batch's.": (
                each * g + b
            ),
            "You divided by N·H·W − 1 in the variance; batch norm divides by N·H·W.": _normalised(
                x, (0, 2, 3), correction=1
            )
            * g
            + b,
            "You divided by the variance, not by its root.": centred / (variance + 1e-5) * g + b,
            "You scaled without normalising first.": x * g + b,
            "The scale is the gain itself here, not 1 + gain.": plain * (1 + g) + b,
            "The shift is not multiplied by the gain: scale first, then add.": (plain + b) * g,
            "You added no shift.": plain * g,
            "You did not scale.": plain + b,
            "Gains and biases changed places.": plain * b + g,
            "You did not condition: that is plain batch norm.": plain,
            "You took the rows in the order of the images; labels says which row is an image's.": (
                plain * gains[position][:, :, None, None] + biases[position][:, :, None, None]
            ),
            "All images got the first one's class.": plain * g[:1] + b[:1],
            "You averaged the classes' gains and biases; each image has those of its class.": (
                plain * gains.mean(0)[:, None, None] + biases.mean(0)[:, None, None]
            ),
        }
        given = {"x": x.float(), "labels": labels, "gains": gains.float(), "biases": biases.float()}
        yield Case(given, plain * g + b, mistakes)


# projection_logits ----------------------------------------------------------------------------------------------


@exercise(
    "biggan",
    hints=(
        "Two numbers are added for each image: how real it is, and how well it fits its own class.",
        "embeddings[labels] has a row for each image, [N, D]. Multiply it with features, number by number, and add up.",
        "features @ weight + bias + (embeddings[labels] * features).sum(1).",
    ),
)
def projection_logits(random: torch.Generator) -> Iterator[Case]:
    """`projection_logits(features [N, D], labels [N], weight [D], bias scalar, embeddings [K, D])` → logits `[N]`."""
    for n, d, k in [(1, 1, 2), (2, 2, 2), (3, 2, 4), (4, 4, 4), (5, 3, 4), (8, 16, 10)]:
        few = n * d <= 6
        h = torch.randint(1, 6, (n, d), generator=random).double() if few else torch.randn(n, d, generator=random)
        w = torch.randint(2, 5, (d,), generator=random).double() if few else torch.randn(d, generator=random)
        e = torch.randn(k, d, generator=random).double()
        e = (3 * e).round() + 0.5 if few else e
        h, w = h.double(), w.double()
        bias = torch.tensor(-0.25).double() if few else torch.randn((), generator=random).double()
        labels = torch.randint(1, k, (n,), generator=random)
        if n > 1:
            labels[-1] = 0
        own = e[labels]
        real, fits = h @ w + bias, (own * h).sum(1)
        everything = h @ e.T  # [N, K]
        position = e[torch.arange(n) % k]
        mistakes = {
            "The class is missing: that says only how real an image is.": real,
            "That is the projection alone; how real the image is has to be added.": (fits, fits + bias),
            "You forgot the bias.": real - bias + fits,
            "You added the fit to all classes; an image is asked about its own one only.": real + everything.sum(1),
            "You took the fit to the class it fits best; the label says which class is asked about.": real
            + everything.max(1).values,
            "That is a classifier's log-probability; the projection is the product itself.": real
            + everything.log_softmax(1).gather(1, labels[:, None])[:, 0],
            "The class's numbers are added up without looking at the image; multiply them with the features.": real
            + own.sum(1),
            "You took the mean over the features; the product is a sum.": real + fits / d,
            "You divided by the lengths: that is a cosine, not a projection.": real
            + fits / (own.norm(dim=1) * h.norm(dim=1)),
            "You took the rows in the order of the images; labels says which row is an image's.": real
            + (position * h).sum(1),
            "Each image was asked about the classes of all: that is [N, N]; keep its diagonal.": real[:, None]
            + h @ own.T,
            "You subtracted the fit; what fits its class is to score higher.": real - fits,
            "You multiplied where the two parts are added.": real * fits,
            "That lacks the sum over the features: one number an image is asked for.": real[:, None] + own * h,
        }
        given = {"features": h.float(), "labels": labels, "weight": w.float(), "bias": bias.float()}
        yield Case(given | {"embeddings": e.float()}, real + fits, mistakes)


# self_attention -------------------------------------------------------------------------------------------------


def _attend(x, query, key, value, gamma, *, scale=1.0, softmax="key", turn=False, skip=True) -> torch.Tensor:
    """Return what attention gives, image by image and place by place."""
    n, c, h, w = x.shape
    flat = x.flatten(2)  # [N, C, P]
    q, k, v = (torch.einsum("dc,ncp->ndp", m, flat) for m in (query, key, value))
    scores = torch.einsum("ndi,ndj->nij", q, k) * scale  # of place i to place j
    axis = {"key": 2, "query": 1}.get(softmax)
    weights = scores if softmax is None else scores.flatten(1).softmax(1).view_as(scores)
    weights = weights if axis is None else scores.softmax(axis)
    seen = torch.einsum("nji,ncj->nci" if turn else "nij,ncj->nci", weights, v)
    return (x if skip else 0) + gamma * seen.view(n, c, h, w)


@exercise(
    "biggan",
    hints=(
        "Flatten the places first: [N, C, H, W] → [N, C, HW]. query @ flat is then [N, d, HW]. Print the shapes.",
        "The scores are q.transpose(1, 2) @ k, [N, HW, HW], a row for each place that asks. Softmax over axis 2.",
        "value @ flat is [N, C, HW]; multiplied with the transposed weights it has a column for each place that asks. "
        "Back to [N, C, H, W], times gamma, plus x.",
    ),
)
def self_attention(random: torch.Generator) -> Iterator[Case]:
    """`self_attention(x [N, C, H, W], query [d, C], key [d, C], value [C, C], gamma)` → maps of the same shape."""
    shapes = [(1, 1, 1, 2, 1), (1, 2, 2, 2, 2), (2, 2, 2, 3, 3), (3, 4, 3, 2, 2), (2, 5, 4, 4, 3), (3, 6, 2, 5, 4)]
    for n, c, h, w, d in shapes:
        x = torch.randn(n, c, h, w, generator=random).double()
        query, key = (torch.randn(2, d, c, generator=random) / c**0.5).double()
        value = torch.randn(c, c, generator=random).double()
        if n * c * h * w <= 8:
            x, query, key, value = ((4 * t).round() / 4 + 0.25 for t in (x, query, key, value))
        gamma = 0.5 + torch.rand((), generator=random).double().round(decimals=2)
        given = {"x": x, "query": query, "key": key, "value": value, "gamma": gamma}
        right = _attend(**given)
        rows = x.permute(0, 2, 1, 3).reshape(n * h, c, 1, w)
        by_row = _attend(rows, query, key, value, gamma).view(n, h, c, w).permute(0, 2, 1, 3)
        whole = x.permute(1, 0, 2, 3).reshape(1, c, n * h, w)
        together = _attend(whole, query, key, value, gamma).view(c, n, h, w).permute(1, 0, 2, 3)
        seen = (_attend(**given | {"gamma": 1.0}, skip=False)).flatten(2)
        torn = x + gamma * seen.transpose(1, 2).reshape(n, c, h, w)
        mistakes = {
            "The softmax is over the places that ask; for each of them the weights must add up to 1.": (
                _attend(**given, softmax="query")
            ),
            "The softmax is over all pairs at once; each place that asks has weights of its own.": (
                _attend(**given, softmax="all")
            ),
            "There is no softmax; the scores are no weights yet.": _attend(**given, softmax=None),
            "Queries and keys changed places: each place asks with the key of itself.": _attend(
                x, key, query, value, gamma
            ),
            "The values are collected for the place that is looked at, not for the one that looks: transpose the "
            "weights.": _attend(**given, turn=True),
            "You divided by √d, as transformers do; here the scores are not scaled.": _attend(**given, scale=d**-0.5),
            "What is seen is to be added to x.": _attend(**given, skip=False),
            "You left gamma out.": _attend(**given | {"gamma": 1.0}),
            "gamma belongs to what is seen, not to x as well.": gamma * _attend(**given | {"gamma": 1.0}),
            "You mixed x and what is seen, (1 − γ) x + γ …; x is kept whole.": _attend(**given) - gamma * x,
            "You looked only along rows; each place looks at all places.": by_row,
            "Places look at the other images of the batch; each image is by itself.": together,
            "Your maps [N, HW, C] were reshaped to [N, C, H, W] without moving the axis first.": torn,
            "The values are x itself; multiply it by value first.": _attend(
                x, query, key, torch.eye(c).double(), gamma
            ),
            "The matrix of values is used transposed: its rows are outputs.": _attend(x, query, key, value.T, gamma),
        }
        yield Case({name: t.float() for name, t in given.items()}, right, mistakes)


# truncated_normal -----------------------------------------------------------------------------------------------

_NORMAL = NormalDist()


@exercise(
    "biggan",
    hints=(
        "Where must u = 0, u = 1/2 and u = 1 end up? At −bound, 0 and bound.",
        "Φ, the cumulative distribution, brings −bound and bound to two numbers from 0 to 1. Spread u between them.",
        "p = Φ(−b) + u (Φ(b) − Φ(−b)), and then Φ⁻¹(p): torch.special.ndtr and torch.special.ndtri.",
    ),
)
def truncated_normal(random: torch.Generator) -> Iterator[Case]:
    """`truncated_normal(u float [...] in (0, 1), bound float)` → normal numbers between −bound and bound `[...]`."""
    cases = [((1,), 1.0), ((3,), 0.5), ((2, 2), 2.0), ((5,), 0.1), ((4, 3), 1.5), ((2, 3, 4), 0.75), ((40, 8), 3.0)]
    for shape, bound in cases:
        u = 0.02 + 0.96 * torch.rand(shape, generator=random).double()
        if u.numel() <= 16:
            u = (u * 50).round() / 50
            u[u == 0.5] = 0.6
            u.view(-1)[0] = 0.9  # beyond the bound, if the normal is not truncated, for bounds up to 1.2
        low, high = _NORMAL.cdf(-bound), _NORMAL.cdf(bound)

        def normal(p: torch.Tensor) -> torch.Tensor:
            values = [_NORMAL.inv_cdf(min(max(v, 1e-12), 1 - 1e-12)) for v in p.flatten().tolist()]
            return torch.tensor(values, dtype=torch.float64).view(p.shape)

        whole = normal(u)
        spread = math.sqrt(1 - 2 * bound * _NORMAL.pdf(bound) / (high - low))
        mistakes = {
            "You cut off what lies beyond: all of it piles up at the bound.": whole.clamp(-bound, bound),
            "You made the normal narrower: some numbers still lie beyond the bound.": (bound * whole, spread * whole),
            "That is the normal distribution, not truncated.": whole,
            "That is uniform between the bounds; near 0 there must be more.": (2 * u - 1) * bound,
            "Only the upper end is cut off; Φ(−bound) is the lower one.": normal(u * high),
            "Only the lower end is cut off; Φ(bound) is the upper one.": normal(low + u * (1 - low)),
            "Your numbers lie on one side of 0; begin at Φ(−bound).": normal(0.5 + u * (high - 0.5)),
            "The signs are turned round: greater u must give greater numbers.": normal(high - u * (high - low)),
            "You added Φ(−bound) but did not make the way shorter.": normal((low + u).clamp(max=1 - 1e-12)),
            "You stopped at the probability; Φ⁻¹ is still to come.": low + u * (high - low),
            "What lies beyond was folded back by the remainder; it belongs nowhere, its mass is shared out.": (
                torch.fmod(whole, bound)
            ),
            "What lies beyond was set to 0; its mass is to be shared out.": torch.where(
                whole.abs() <= bound, whole, torch.zeros(()).double()
            ),
            "You brought the truncated numbers back to deviation 1.": normal(low + u * (high - low)) / spread,
        }
        yield Case({"u": u.float(), "bound": bound}, normal(low + u * (high - low)), mistakes)


# orthogonal_penalty ---------------------------------------------------------------------------------------------


@exercise(
    "biggan",
    hints=(
        "Flatten the weight to a matrix with a row for each output: [C_out, C_in·k·k].",
        "W Wᵀ holds the product of each pair of rows. Its diagonal, their lengths squared, is not punished.",
        "products = W @ W.T; off = products − the diagonal of products; off.square().sum().",
    ),
)
def orthogonal_penalty(random: torch.Generator) -> Iterator[Case]:
    """`orthogonal_penalty(weight float [C_out, C_in, k, k] or [C_out, C_in])` → scalar with a gradient."""
    for shape in [(2, 1), (2, 3), (3, 2), (2, 2, 1, 1), (3, 2, 2, 2), (5, 3, 3, 3), (8, 4, 1, 1)]:
        few = math.prod(shape) <= 16
        weight = (
            torch.randint(1, 5, shape, generator=random).double()
            if few
            else torch.randn(shape, generator=random).double() / 3
        )
        if few:
            weight.view(-1)[-1] = -2
        rows = weight.flatten(1).tolist()
        count, columns = len(rows), list(zip(*rows, strict=True))

        def products(vectors: list) -> torch.Tensor:
            each = [[math.fsum(a * b for a, b in zip(u, v, strict=True)) for v in vectors] for u in vectors]
            return torch.tensor(each, dtype=torch.float64)

        pairs, across = products(rows), products(columns)
        off, off_across = pairs - pairs.diag().diag(), across - across.diag().diag()
        right = off.square().sum().item()
        length = pairs.diag().sqrt()
        mistakes = {
            "You punished the diagonal too: that holds the rows' lengths.": pairs.square().sum().item(),
            "You subtracted the identity: that asks for rows of length 1 as well, and BigGAN leaves lengths alone.": (
                (pairs - torch.eye(count)).square().sum().item()
            ),
            "You compared the columns; the filters are the rows.": off_across.square().sum().item(),
            "You added up the products without squaring: those of unlike signs cancel.": off.sum().item(),
            "You took absolute values; take squares.": off.abs().sum().item(),
            "You took the root; the penalty is the squared norm.": math.sqrt(right),
            "You took the mean; the penalty is a sum.": (right / count**2, right / max(1, count * (count - 1))),
            "You counted each pair once; both W_i·W_j and W_j·W_i are in the sum.": right / 2,
            "You brought the rows to length 1 first; BigGAN does not.": (off / length / length[:, None])
            .square()
            .sum()
            .item(),
            "You punished the diagonal alone.": pairs.diag().square().sum().item(),
        }

        def detached(came: object) -> str | None:
            if not isinstance(came, torch.Tensor) or not came.requires_grad:
                return "It has no gradient with respect to the weight; return a tensor made of it, no number."
            return None

        yield Case({"weight": weight.float().requires_grad_()}, right, mistakes, also=detached)
