"""The judges of the chapter `deeplab`: dilated_conv2d, field_and_seen, aspp_shapes and mean_field_step."""

import math
from collections.abc import Iterator

import torch
from torch import Tensor

from segen.checks.judging import Case, exercise

Layers = tuple[tuple[int, int, int], ...]


# dilated_conv2d -------------------------------------------------------------------------------------------------


def _whole_numbers(*shape: int, random: torch.Generator) -> Tensor:
    """Draw different whole numbers from 1 on, as floats: a counter-example is read more easily with them."""
    return torch.randperm(math.prod(shape), generator=random).view(shape).float() + 1


def _taps_summed(
    x: Tensor, weight: Tensor, dilation: tuple[int, int], margin: tuple[int, int] | None = None, *, edge: bool = False
) -> Tensor:
    """Sum tap by tap in float64, from `margin` rows and columns before the first pixel; None keeps the size.

    Beyond the border are zeros, or with `edge` the nearest pixel.
    """
    (n, _, height, width), (out, _, k, m) = x.shape, weight.shape
    spans = [d * (side - 1) for d, side in zip(dilation, (k, m), strict=True)]
    before = [span // 2 for span in spans] if margin is None else margin
    sizes = [side + 2 * b - span for side, b, span in zip((height, width), before, spans, strict=True)]
    y = torch.zeros(n, out, *(max(0, size) for size in sizes), dtype=torch.float64)
    for u in range(k):
        for v in range(m):
            rows = torch.arange(y.shape[2]) + dilation[0] * u - before[0]
            columns = torch.arange(y.shape[3]) + dilation[1] * v - before[1]
            inside = ((rows >= 0) & (rows < height))[:, None] & ((columns >= 0) & (columns < width))
            pixels = x[:, :, rows.clamp(0, height - 1)][:, :, :, columns.clamp(0, width - 1)].double()
            pixels = pixels if edge else pixels * inside
            y += (pixels[:, None] * weight[None, :, :, u, v, None, None].double()).sum(2)
    return y


@exercise(
    "deeplab",
    hints=(
        "Take one row of pixels and a kernel of three: which pixels does the output in the middle read at rate 2?",
        "Either move the picture by each tap's distance from the middle, or put d − 1 zeros between the taps.",
        "A kernel of zeros with w at [..., ::d_rows, ::d_columns], then conv2d with half its sides as padding.",
    ),
)
def dilated_conv2d(random: torch.Generator) -> Iterator[Case]:
    """`dilated_conv2d(x [N, C, H, W], weight [O, C, k, l], dilation (rows, columns))` → `[N, O, H, W]`.

    k and l are odd; zeros stand beyond the border, and the size is kept.
    """
    settings = [
        (1, 1, 1, (1, 3), (1, 3), (1, 1)),
        (1, 1, 1, (1, 5), (1, 3), (1, 2)),
        (1, 1, 1, (5, 5), (3, 3), (2, 2)),
        (1, 1, 1, (4, 7), (3, 3), (1, 2)),
        (1, 2, 1, (3, 3), (1, 1), (2, 2)),
        (2, 2, 3, (6, 5), (3, 1), (2, 3)),
        (1, 2, 2, (9, 11), (3, 5), (3, 2)),
        (2, 3, 2, (4, 4), (3, 3), (6, 6)),
    ]
    for n, c, out, size, kernel, d in settings:
        x = _whole_numbers(n, c, *size, random=random)
        weight = _whole_numbers(out, c, *kernel, random=random) - c
        right = _taps_summed(x, weight, d)
        plain = tuple(side // 2 for side in kernel)
        mistakes = {
            "You turned the kernel round; taps stay where they are, only farther apart.": _taps_summed(
                x, weight.flip(2, 3), d
            ),
            "Your taps are neighbours: the dilation is missing.": _taps_summed(x, weight, (1, 1)),
            "Your taps are d + 1 apart: between neighbours there are d − 1 zeros, not d.": _taps_summed(
                x, weight, (d[0] + 1, d[1] + 1)
            ),
            "You took the rows' rate for the columns and the columns' for the rows.": _taps_summed(x, weight, d[::-1]),
            "You took the rows' rate for the columns, too; they have their own.": _taps_summed(x, weight, (d[0],) * 2),
            "The zeros around the image are missing: the output has the image's size.": (
                _taps_summed(x, weight, d, (0, 0)),
                Exception,
            ),
            "You padded for the plain kernel; the dilated one spans d(k − 1) + 1 and needs d times as many zeros.": (
                _taps_summed(x, weight, d, plain),
                Exception,
            ),
            "You repeated the edge beyond the border; there are zeros.": _taps_summed(x, weight, d, edge=True),
            "You took the mean over the input channels; their products are summed.": right / c,
            "You used the first input channel only; sum over all of them.": _taps_summed(x[:, :1], weight[:, :1], d),
            "You kept every d-th output; that is a stride. A dilation keeps all and moves the taps.": (
                right[:, :, :: d[0], :: d[1]],
                _taps_summed(x, weight, (1, 1))[:, :, :: d[0], :: d[1]],
            ),
        }
        yield Case({"x": x, "weight": weight, "dilation": d}, right, mistakes)


# field_and_seen -------------------------------------------------------------------------------------------------


def _seen(layers: Layers) -> set[int]:
    """Follow one output back to the input, layer by layer, as a set of positions along one side."""
    seen = {0}
    for kernel, stride, dilation in reversed(layers):
        seen = {position * stride + dilation * tap for position in seen for tap in range(kernel)}
    return seen


def _both(layers: Layers) -> list[int]:
    seen = _seen(layers)
    return [max(seen) - min(seen) + 1, len(seen)]


def _field(layers: Layers, *, own: bool = False, full: bool = False) -> int:
    """Return the field by its formula, with mistakes: `own` stride counted in, `full` span of a tap for the last."""
    field = step = 1
    for kernel, stride, dilation in layers:
        step *= stride if own else 1
        field += (dilation * kernel - 1 if full else dilation * (kernel - 1)) * step
        step *= 1 if own else stride
    return field


@exercise(
    "deeplab",
    hints=(
        "Draw two layers of kernel 3 and rate 2 in one dimension. Which pixels lead to one output?",
        "Go back from the output: keep the set of positions that matter. What does one layer make of this set?",
        "A position p of a layer's output reads p·stride + dilation·tap, tap = 0 … k − 1. Begin with {0}, last layer "
        "first; the field is the largest less the smallest, plus 1.",
    ),
)
def field_and_seen(random: torch.Generator) -> Iterator[Case]:
    """`field_and_seen(layers)`, a sequence of (kernel, stride, dilation), first layer first → (field, seen), ints."""
    stacks: list[Layers] = [
        (),
        ((3, 1, 1),),
        ((3, 1, 2),),
        ((1, 1, 4),),
        ((3, 1, 2), (3, 1, 2)),
        ((3, 1, 1), (3, 1, 2)),
        ((3, 1, 2), (3, 1, 1)),
        ((3, 2, 1), (3, 1, 2)),
        ((2, 1, 3), (3, 1, 1)),
        ((3, 1, 2), (3, 1, 4), (3, 1, 8)),
        ((3, 2, 1), (1, 2, 1), (3, 1, 2)),
        ((3, 1, 5), (3, 1, 2), (5, 1, 1)),
    ]
    for _ in range(10):
        depth = int(torch.randint(2, 5, (), generator=random))
        draw = torch.randint(1, 4, (depth, 3), generator=random)
        draw[:, 2] += torch.randint(0, 3, (depth,), generator=random)
        stacks.append(tuple(map(tuple, draw.tolist())))
    for layers in stacks:
        field, seen = _both(layers)
        plain = tuple((k, s, 1) for k, s, _ in layers)
        mistakes = {
            "You counted the gaps as seen: a kernel with holes does not look into them.": [field, field],
            "You multiplied the kernels: taps of different layers may meet on one pixel, which counts once.": [
                field,
                math.prod(k for k, _, _ in layers),
            ],
            "The dilation is missing.": (_both(plain), [_both(plain)[0], seen], [field, _both(plain)[1]]),
            "The strides are missing: after one of s, a step of the map is s pixels.": (
                _both(tuple((k, 1, d) for k, _, d in layers)),
                [_field(tuple((k, 1, d) for k, _, d in layers)), seen],
            ),
            "A layer's own stride counts for the layers after it, not for itself.": (
                [_field(layers, own=True), seen],
                [_field(layers, own=True), field],
            ),
            "A dilated kernel spans d(k − 1) + 1 pixels, not d·k: behind the last tap there is nothing.": [
                _field(layers, full=True),
                seen,
            ],
            "You went through the layers from the wrong end.": _both(layers[::-1]),
            "You counted the square; the question is of one side.": ([field**2, seen**2], [field, seen**2]),
            "The two numbers have changed places: the field first, then what is seen.": [seen, field],
            "You left out the last of them: from the first to the last, both counted, is the difference plus 1.": [
                field - 1,
                seen,
            ],
        }
        yield Case({"layers": layers}, [field, seen], mistakes)


# aspp_shapes ----------------------------------------------------------------------------------------------------


@exercise(
    "deeplab",
    hints=(
        "Follow the figure branch by branch: which of them changes the height and width, and which the channels?",
        "All branches give `channels` channels, the mean's map is 1×1 before it is spread; joined they stand behind "
        "each other.",
        "With b = len(rates) + 2 branches: joined (N, b·channels, h, w); weights C·channels·(1 + 9·len(rates) + 1) "
        "+ b·channels·channels.",
    ),
)
def aspp_shapes(random: torch.Generator) -> Iterator[Case]:
    """`aspp_shapes(shape (N, C, h, w), channels, rates)` → (list of shapes, number of convolutions' weights)."""
    settings = [
        ((1, 1, 1, 1), 1, ()),
        ((1, 2, 3, 4), 1, (1,)),
        ((2, 8, 5, 7), 4, (2,)),
        ((2, 96, 8, 8), 48, (2, 4, 6)),
        ((4, 2048, 33, 33), 256, (6, 12, 18)),
    ]
    for _ in range(5):
        n, c, h, w, channels = (int(v) for v in torch.randint(1, 30, (5,), generator=random))
        count = int(torch.randint(1, 6, (), generator=random))
        settings.append(((n, c, h, w), channels, tuple(torch.randint(1, 13, (count,), generator=random).tolist())))
    for (n, c, h, w), m, rates in settings:
        kernels = [1, *(3 for _ in rates)]
        b = len(rates) + 2

        def shapes(
            *,
            looks: list | None = None,
            mean: tuple = (1, 1),
            joined: int = b,
            size: tuple = (n, m, h, w),
            many=kernels,
        ) -> list[list[int]]:
            n, m, h, w = size
            looks = looks or [[n, m, h, w] for _ in many]
            return [*looks, [n, m, *mean], [n, joined * m, h, w], [n, m, h, w]]

        weights = sum(k * k for k in kernels) * c * m + c * m + b * m * m
        right = shapes()
        shrunk = [[n, m, h - d * (k - 1), w - d * (k - 1)] for k, d in zip(kernels, (1, *rates), strict=True)]
        wide = sum((d * (k - 1) + 1) ** 2 for k, d in zip(kernels, (1, *rates), strict=True))
        mistakes = {
            "Your dilated branches shrink the map; padded by their rate, all keep its size.": [
                shapes(looks=shrunk),
                weights,
            ],
            "The mean is listed before it is spread: its map is 1×1.": [shapes(mean=(h, w)), weights],
            "The mean is missing among what is joined.": (
                [shapes(joined=b - 1), weights],
                [shapes(joined=b - 1), weights - m * m],
            ),
            "The 1×1 branch is missing among what is joined.": (
                [shapes(joined=len(rates)), weights],
                [shapes(joined=len(rates)), weights - 2 * m * m],
            ),
            "You added the branches, as v2 does; v3 puts them behind each other.": (
                [shapes(joined=1), weights],
                [shapes(joined=1), weights - (b - 1) * m * m],
            ),
            "You counted the holes as weights: a 3×3 kernel has nine of them at any rate.": [
                right,
                wide * c * m + c * m + b * m * m,
            ],
            "The weights of the mean's convolution are missing.": [right, weights - c * m],
            "The weights of the last convolution, which mixes the branches, are missing.": [right, weights - b * m * m],
            "You counted the first branch as 3×3; it is 1×1.": [right, weights + 8 * c * m],
            "You counted all branches as 1×1.": [right, weights - 8 * len(rates) * c * m],
            "You counted biases; before a batch norm there are none.": [right, weights + (b + 1) * m],
            "You counted batch norm's numbers, too; only the convolutions' are asked for.": (
                [right, weights + 2 * (b + 1) * m],
                [right, weights + 4 * (b + 1) * m],
            ),
            "Height and width have changed places.": [shapes(size=(n, m, w, h)), weights],
            "The shapes of the joined map and of the output have changed places.": [
                [*right[:-2], right[-1], right[-2]],
                weights,
            ],
        }
        yield Case({"shape": (n, c, h, w), "channels": m, "rates": rates}, [right, weights], mistakes)


# mean_field_step ------------------------------------------------------------------------------------------------


def _normed(energy: Tensor, axis: int = 1) -> Tensor:
    """Return exp(−energy), divided by its sum along `axis`."""
    weight = (energy.amin(axis, keepdim=True) - energy).exp()
    return weight / weight.sum(axis, keepdim=True)


def _messages(q: Tensor, pairs: Tensor, compatibility: Tensor) -> Tensor:
    """Return what each label costs a pixel by all others, summed pixel by pixel: `[n, K]`."""
    message = torch.zeros_like(q)
    for i in range(len(q)):
        for j in range(len(q)):
            for label in range(q.shape[1]):
                message[i, label] += pairs[i, j] * (compatibility[label] * q[j]).sum()
    return message


def _one_after_the_other(q: Tensor, unary: Tensor, pairs: Tensor, compatibility: Tensor) -> Tensor:
    q = q.clone()
    for i in range(len(q)):
        q[i] = _normed(unary + _messages(q, pairs, compatibility))[i]
    return q


@exercise(
    "deeplab",
    hints=(
        "Take one pixel and one label. What does the label cost it by itself, and what by each other pixel j?",
        "Pixel j has label b with probability q[j, b]; then label a costs pixel i pairs[i, j] · compatibility[a, b].",
        "(−unary − pairs @ q @ compatibility).softmax(1)",
    ),
)
def mean_field_step(random: torch.Generator) -> Iterator[Case]:
    """`mean_field_step(q [n, K], unary [n, K], pairs [n, n], compatibility [K, K])` → `[n, K]`, all pixels at once."""
    for case, (n, k) in enumerate([(2, 2), (2, 2), (3, 2), (2, 3), (4, 3), (5, 4)]):
        q = _normed(torch.randn(n, k, generator=random, dtype=torch.float64))
        unary = 2 * torch.rand(n, k, generator=random, dtype=torch.float64)
        pairs = torch.rand(n, n, generator=random, dtype=torch.float64)
        pairs = (pairs + pairs.T).fill_diagonal_(0)
        differ = 1 - torch.eye(k, dtype=torch.float64)
        cost = torch.rand(k, k, generator=random, dtype=torch.float64) * 3
        compatibility = differ if case == 0 else (cost + cost.T) * (differ if case < 3 else 1)
        if case > 3:
            unary = 300 * unary  # where exp alone has no answer
        message = _messages(q, pairs, compatibility)
        right = _normed(unary + message)
        hard = torch.nn.functional.one_hot(q.argmax(1), k).double()
        once = pairs.triu()
        mistakes = {
            "Your unary has the wrong sign: it is a cost, and a high one makes a label unlikely.": _normed(
                message - unary
            ),
            "Your messages have the wrong sign: they are costs of disagreeing, and make a label unlikely.": _normed(
                unary - message
            ),
            "The unary is missing: each pixel still has its own opinion.": _normed(message),
            "The messages are missing: you gave each pixel's own opinion.": _normed(unary),
            "You normed over the pixels; the labels of each pixel sum to 1.": _normed(unary + message, 0),
            "You did not norm: the labels of each pixel sum to 1.": (
                (-unary - message).exp(),
                -unary - message,
                unary + message,
            ),
            "You updated one pixel after the other; here all of them read the old q.": _one_after_the_other(
                q, unary, pairs, compatibility
            ),
            "You left the compatibility out: it says what each pair of labels costs.": _normed(unary + pairs @ q),
            "You took compatibility for granted as 1 between different labels; use the one given.": _normed(
                unary + _messages(q, pairs, differ)
            ),
            "Equal labels cost nothing in yours; the diagonal of the compatibility counts as it is.": _normed(
                unary + _messages(q, pairs, compatibility * differ)
            ),
            "You sent each pixel's likeliest label; send its probabilities.": _normed(
                unary + _messages(hard, pairs, compatibility)
            ),
            "You multiplied the old q in; the unary has its place.": (
                _normed(message - q.log()),
                _normed(unary + message - q.log()),
            ),
            "You halved the pairs: in the update of a pixel each of its pairs counts whole.": _normed(
                unary + message / 2
            ),
            "Each pixel heard only those after it; it hears all the others.": (
                _normed(unary + _messages(q, once, compatibility)),
                _normed(unary + _messages(q, once.T, compatibility)),
            ),
            "You divided the pairs by their sums; they are given as they are to be used.": _normed(
                unary + _messages(q, pairs / pairs.sum(1, keepdim=True), compatibility)
            ),
            "Pixels and labels have changed places in your output.": right.T,
        }
        inputs = {"q": q, "unary": unary, "pairs": pairs, "compatibility": compatibility}
        yield Case({name: value.float() for name, value in inputs.items()}, right, mistakes)
