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
    shapes = [(2, 1, 1, 2, 2), (3, 2, 2, 2, 3), (4, 3, 2, 3, 5), (4, 4, 2, 2, 4), (6, 2, 4, 3, 3), (5, 3, 2, 4, 3)]
    for n, c, h, w, k in shapes:
        x = (2 * torch.randn(n, c, h, w, generator=random) + 1).double()
        x = (4 * x).round() / 4
        if n == 5:  # so small that what is added to the variance shows
            x = ((x - 1) / 200).float().double()
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
            "The 1e-5 is added to the variance, under the root, not to the deviation.": (
                centred / (variance.sqrt() + 1e-5) * g + b
            ),
            "You forgot to add 1e-5 to the variance.": centred / variance.sqrt() * g + b,
            "You divided by the deviation and did not subtract the mean.": x / (variance + 1e-5).sqrt() * g + b,
            "You did not divide by the deviation.": centred * g + b,
            "You scaled and shifted first and normalised then; it is the other way round.": _normalised(
                x * g + b, (0, 2, 3)
            ),
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
    for n, d, k in [(2, 2, 2), (2, 1, 3), (1, 3, 3), (3, 2, 4), (4, 4, 4), (5, 3, 4), (8, 16, 10)]:
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
            "Each image was asked about the classes of all: that is [N, N]; keep its diagonal.": (
                real[:, None] + h @ own.T,
                real + h @ own.T,
            ),
            "The numbers are right, but stand in a column: [N, 1], where [N] is asked for.": (real + fits)[:, None],
            "You subtracted the fit; what fits its class is to score higher.": real - fits,
            "You added the embeddings to the features; the two are multiplied.": (h + own) @ w + bias,
            "Weight and embeddings are multiplied with each other; the class has a product of its own.": (
                (h * own) @ w + bias
            ),
            "You added up the fits of the whole batch; each image has its own.": real + fits.sum(),
            "All images got the first one's class.": real + h @ own[0],
            "You divided by √D, as attention does; the product is not scaled.": real + fits / d**0.5,
            "That is a probability; a logit goes through no sigmoid.": (real + fits).sigmoid(),
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
            while torch.equal(x[..., :1].expand_as(x), x):  # if all places are alike, so are most mistakes
                x = (4 * torch.randn(n, c, h, w, generator=random).double()).round() / 4
        gamma = 0.5 + torch.rand((), generator=random).double().round(decimals=2)
        given = {"x": x, "query": query, "key": key, "value": value, "gamma": gamma}
        right = _attend(**given)
        rows = x.permute(0, 2, 1, 3).reshape(n * h, c, 1, w)
        by_row = _attend(rows, query, key, value, gamma).view(n, h, c, w).permute(0, 2, 1, 3)
        whole = x.permute(1, 0, 2, 3).reshape(1, c, n * h, w)
        together = _attend(whole, query, key, value, gamma).view(c, n, h, w).permute(1, 0, 2, 3)
        seen = (_attend(**given | {"gamma": 1.0}, skip=False)).flatten(2)
        torn = x + gamma * seen.transpose(1, 2).reshape(n, c, h, w)
        cut = x.reshape(n, h * w, c).transpose(1, 2).reshape(n, c, h, w)  # numbers of unlike channels in one place
        of_cut = _attend(cut, query, key, value, 1.0, skip=False).flatten(2)
        q, k, v = (torch.einsum("dc,ncp->ndp", m, x.flatten(2)) for m in (query, key, value))
        scores = torch.einsum("ndi,ndj->nij", q, k)
        without_itself = scores.masked_fill(torch.eye(h * w, dtype=torch.bool), -1e30)
        over_images, sigmoid, others = (
            x + gamma * torch.einsum("nij,ncj->nci", weights, v).view(n, c, h, w)
            for weights in (scores.softmax(0), scores.sigmoid(), without_itself.softmax(2))
        )
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
            "gamma multiplies what is seen, not x.": gamma * x + seen.view(n, c, h, w),
            "Your [N, C, H, W] was reshaped to [N, HW, C] without moving the axis of channels first.": (
                x + gamma * of_cut.view(n, c, h, w),
                x + gamma * of_cut.transpose(1, 2).reshape(n, c, h, w),
            ),
            "The softmax is over the images of the batch; it belongs over the places that are looked at.": over_images,
            "You took a sigmoid; with a softmax the weights of a place add up to 1.": sigmoid,
            "A place does not leave itself out: it looks at all places.": others,
            "What is seen was added to the values; add it to x.": v.view(n, c, h, w) + gamma * seen.view(n, c, h, w),
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


def _drawn_again(came: torch.Tensor, whole: torch.Tensor, bound: float) -> bool:
    """Return whether what lies within is kept, and something else within the bound took the others' place."""
    if not isinstance(came, torch.Tensor) or came.shape != whole.shape:
        return False
    kept, came = whole.abs() <= bound, came.to(torch.float64)
    other = came[~kept]
    clipped = torch.isclose(other.abs(), torch.tensor(bound).double(), atol=1e-4).all()
    folded = torch.isclose(other, torch.fmod(whole, bound)[~kept], atol=1e-4).all() or (other == 0).all()
    near = torch.isclose(came[kept], whole[kept], atol=1e-4).all()
    return bool(0 < len(other) < whole.numel() and near and other.abs().le(bound).all()) and not (clipped or folded)


def _in_disorder(came: torch.Tensor, u: torch.Tensor) -> bool:
    """Return whether a greater u has a smaller number somewhere, and not everywhere."""
    if not isinstance(came, torch.Tensor) or came.shape != u.shape or not came.isfinite().all():
        return False
    ways = came.flatten()[u.flatten().argsort()].diff().sign()
    return bool((ways < 0).any() and (ways > 0).any())


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
    cases = [((3,), 1.0), ((4,), 0.5), ((2, 2), 2.0), ((5,), 0.1), ((4, 3), 1.5), ((2, 3, 4), 0.75), ((40, 8), 3.0)]
    for shape, bound in cases:
        u = 0.02 + 0.96 * torch.rand(shape, generator=random).double()
        if u.numel() <= 16:
            u = (u * 50).round() / 50
            u[u == 0.5] = 0.6
            u.view(-1)[0] = 0.9  # beyond the bound, if the normal is not truncated, for bounds up to 1.2
            u.view(-1)[1] = 0.3 if u.view(-1)[1] < 0.5 else 0.62  # and within it, for bounds from 0.53 on
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
            "You added Φ(−bound) but did not make the way shorter.": torch.where(
                low + u < 1, normal(low + u), torch.nan if low + u.max() > 1 else 0.0
            ),
            "You began at 0: Φ(−bound) is still to be added.": normal(u * (high - low)),
            "You spread u between −bound and bound; do so between Φ(−bound) and Φ(bound).": torch.special.ndtri(
                (2 * u - 1) * bound
            ),
            "Multiply u by Φ(bound) − Φ(−bound), not 2 u − 1 by Φ(bound).": torch.special.ndtri((2 * u - 1) * high),
            "What lies beyond was squeezed by tanh; it belongs nowhere, its mass is shared out.": (
                bound * torch.tanh(whole / bound)
            ),
            "You divided by the greatest number that came; the bound is no matter of chance.": (
                whole / whole.abs().max() * bound
            ),
            "What lies beyond was left out: a number for each u is asked for.": whole[whole.abs() <= bound],
            "You drew again what lies beyond: each u alone is to say which number it gives.": (
                lambda came, whole=whole, bound=bound: _drawn_again(came, whole, bound)
            ),
            "You stopped at the probability; Φ⁻¹ is still to come.": low + u * (high - low),
            "What lies beyond was folded back by the remainder; it belongs nowhere, its mass is shared out.": (
                torch.fmod(whole, bound)
            ),
            "What lies beyond was set to 0; its mass is to be shared out.": torch.where(
                whole.abs() <= bound, whole, torch.zeros(()).double()
            ),
            "You brought the truncated numbers back to deviation 1.": normal(low + u * (high - low)) / spread,
            "They do not grow with u: were they drawn without it?": (
                lambda came, u=u, whole=whole, bound=bound: (
                    _in_disorder(came, u) and not _drawn_again(came, whole, bound)
                )
            ),
        }
        yield Case({"u": u.float(), "bound": bound}, normal(low + u * (high - low)), mistakes)


# orthogonal_penalty ---------------------------------------------------------------------------------------------


def _between(weight: torch.Tensor) -> float:
    """Return the squared products of different rows of [..., rows, numbers]."""
    products = torch.einsum("...id,...jd->...ij", weight, weight)
    return (products.square().sum() - products.diagonal(dim1=-2, dim2=-1).square().sum()).item()


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

        kernels = weight.reshape(*shape[:2], -1)  # [C_out, C_in, k·k], of a linear layer [C_out, C_in, 1]
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
            "You squared the sum; square each product and add up then.": off.sum().item() ** 2,
            "You gave each row its own sum; add them up to one number.": off.square().sum(1),
            "You multiplied number by number; W Wᵀ is a product of matrices.": (
                weight.square().sum().item(),
                weight.square().square().sum().item(),
            ),
            "Your rows are single kernels; a filter is all weights of one output, [C_in·k·k].": _between(
                kernels.flatten(0, 1)
            ),
            "You compared the filters at each place of the kernel by itself; a product is over all weights.": _between(
                kernels.permute(2, 0, 1)
            ),
            "You added up over the kernel's places first; a filter has all its weights.": (
                _between(kernels.sum(2)),
                _between(kernels.mean(2)),
            ),
            "You took the greatest product; add all of them up.": off.square().max().item(),
            "You multiplied by a β; leave that to the loss.": (1e-4 * right, 1e-3 * right, 1e-2 * right),
        }

        def detached(came: object) -> str | None:
            if not isinstance(came, torch.Tensor) or not came.requires_grad:
                return "It has no gradient with respect to the weight; return a tensor made of it, no number."
            return None

        yield Case({"weight": weight.float().requires_grad_()}, right, mistakes, also=detached)
