"""The judges of the chapter `images`: conv2d, output_size, receptive_field and max_pool_backward."""

import math
from collections.abc import Iterator

import torch

from segen.checks.judging import Case, exercise


def _whole_numbers(*shape: int, random: torch.Generator) -> torch.Tensor:
    """Draw different whole numbers from 1 on, as floats: a counter-example is read more easily with them."""
    return torch.randperm(math.prod(shape), generator=random).view(shape).float() + 1


# conv2d ---------------------------------------------------------------------------------------------------------


_FLIPPED = "You turned the kernel round: that is the convolution of mathematics; conv2d does not flip."
_TRANSPOSED = "Your kernel's rows and columns have changed places."
_NO_PADDING = "The zeros at the border are missing: pad before you slide the kernel."
_PADDED_AFTER = "You put the zeros around the output; they belong around the input."
_ONE_SIDE = "You padded below and on the right only; zeros come on all four sides."
_PADDED_ROWS = "You padded above and below only; zeros come on the left and right too."
_PADDED_COLUMNS = "You padded on the left and right only; zeros come above and below too."
_EDGE = "You repeated the edge instead of putting zeros around the image."
_NO_STRIDE = "Every position is there: with a stride of s only each s-th row and column is kept."
_STRIDE_ROWS = "You took the stride in the rows only; the columns have it too."
_STRIDE_COLUMNS = "You took the stride in the columns only; the rows have it too."
_STRIDE_LATE = "You begin the stride at the second position; the first output is where the kernel first fits."
_LAST = "The last position is missing: the kernel fits there once more (the + 1 of the formula)."
_NO_BIAS = "The bias is missing."
_BIAS_EACH = "You added the bias once for each input channel; it is added once to the sum."
_MEAN = "You took the mean over the input channels; their products are summed."
_FIRST_CHANNEL = "You used the first input channel only; sum over all of them."
_CUT_OFF = "The fractions are cut off: keep the numbers floats, as the input is."
_NEGATIVE = "Numbers below 0 have become 0: a convolution gives them too; the rectifier comes after it."


def _slide(
    x: torch.Tensor, weight: torch.Tensor, stride: tuple[int, int], *, before: int = 0, start: int = 0, last: int = 0
) -> torch.Tensor:
    """Slide the kernel over `x`, sum by sum in float64, from row and column `start`, `last` positions too few."""
    (n, _, height, width), (out, _, k, m) = x.shape, weight.shape
    tops = list(range(start, height - k + 1, stride[0]))[: -last or None]
    lefts = list(range(start, width - m + 1, stride[1]))[: -last or None]
    y = torch.zeros(n, out, len(tops), len(lefts), dtype=torch.float64)
    for i, top in enumerate(tops):
        for j, left in enumerate(lefts):
            for a in range(k):
                for b in range(m):
                    pixel = x[:, None, :, top + a, left + b].double()
                    y[:, :, i, j] += (pixel * weight[None, :, :, a, b].double()).sum(2)
    return y


def _frame(x: torch.Tensor, top: int, below: int, left: int, right: int) -> torch.Tensor:
    """Put so many rows and columns of zeros around `x`."""
    n, c, height, width = x.shape
    framed = x.new_zeros(n, c, top + height + below, left + width + right)
    framed[:, :, top : top + height, left : left + width] = x
    return framed


def _edge_repeated(x: torch.Tensor, p: int) -> torch.Tensor:
    rows = torch.arange(-p, x.shape[2] + p).clamp(0, x.shape[2] - 1)
    columns = torch.arange(-p, x.shape[3] + p).clamp(0, x.shape[3] - 1)
    return x[:, :, rows][:, :, :, columns]


@exercise(
    "images",
    hints=(
        "Take one output channel and one position: which numbers of x are multiplied by which of the weight?",
        "Pad x with zeros on all four sides first. Output (i, j) then looks at rows from i·s and columns from j·s on.",
        "(x[:, None, :, i·s : i·s + k, j·s : j·s + l] * weight).sum((2, 3, 4)) + bias is y[:, :, i, j], with x padded.",
    ),
)
def conv2d(random: torch.Generator) -> Iterator[Case]:
    """`conv2d(x [N, C, H, W], weight [O, C, k, l], bias [O], stride=1, padding=0)` → `[N, O, H', W']`.

    Cross-correlation, as torch's `conv2d`: the kernel is not flipped, zeros stand beyond the border.
    """
    settings = [
        (1, 1, 1, (2, 3), (2, 2), 1, 0),
        (1, 1, 1, (3, 3), (2, 2), 1, 0),
        (1, 2, 1, (2, 2), (1, 1), 1, 0),
        (1, 1, 1, (2, 2), (2, 2), 1, 1),
        (1, 1, 1, (3, 4), (2, 1), 2, 0),
        (1, 1, 2, (5, 5), (3, 3), 2, 1),
        (2, 3, 4, (6, 5), (3, 2), 1, 1),
        (2, 2, 3, (7, 8), (3, 3), 2, 2),
        (2, 2, 3, (9, 7), (1, 3), 3, 0),
    ]
    for n, c, out, size, kernel, s, p in settings:
        x = _whole_numbers(n, c, *size, random=random)
        weight = _whole_numbers(out, c, *kernel, random=random) - c
        bias = 10 * _whole_numbers(out, random=random)
        if n > 1:  # in the larger cases fractions and negative numbers too
            x, bias = x / 4 - x.max() / 8, bias / 4
        add = bias.double().view(-1, 1, 1)
        framed, both = _frame(x, p, p, p, p), (s, s)
        right = _slide(framed, weight, both) + add
        mistakes = {
            _FLIPPED: _slide(framed, weight.flip(2, 3), both) + add,
            _NO_PADDING: _slide(x, weight, both) + add
            if min(a - b for a, b in zip(size, kernel, strict=True)) >= 0
            else Exception,
            _NO_STRIDE: _slide(framed, weight, (1, 1)) + add,
            _STRIDE_ROWS: _slide(framed, weight, (s, 1)) + add,
            _STRIDE_COLUMNS: _slide(framed, weight, (1, s)) + add,
            _LAST: _slide(framed, weight, both, last=1) + add,
            _NO_BIAS: right - add,
            _BIAS_EACH: right + (c - 1) * add,
            _MEAN: ((right - add) / c + add, right / c),
            _FIRST_CHANNEL: _slide(framed[:, :1], weight[:, :1], both) + add,
            _CUT_OFF: (right.trunc(), right.floor()),
            _NEGATIVE: right.clamp(min=0),
        }
        if kernel[0] == kernel[1]:
            mistakes[_TRANSPOSED] = _slide(framed, weight.transpose(2, 3), both) + add
        if p:
            inside = _slide(x, weight, both) + add if kernel[0] <= size[0] and kernel[1] <= size[1] else right
            mistakes |= {
                _PADDED_AFTER: (_frame(inside, p, p, p, p), _frame(inside - add, p, p, p, p) + add),
                _ONE_SIDE: (
                    _slide(_frame(x, 0, p, 0, p), weight, both) + add,
                    _slide(_frame(x, 0, 2 * p, 0, 2 * p), weight, both) + add,
                ),
                _PADDED_ROWS: _slide(_frame(x, p, p, 0, 0), weight, both) + add,
                _PADDED_COLUMNS: _slide(_frame(x, 0, 0, p, p), weight, both) + add,
                _EDGE: _slide(_edge_repeated(x, p), weight, both) + add,
            }
        if s > 1:
            mistakes[_STRIDE_LATE] = (
                _slide(framed, weight, both, start=1) + add,
                _slide(framed, weight, both, start=s - 1) + add,
            )
        yield Case({"x": x, "weight": weight, "bias": bias, "stride": s, "padding": p}, right, mistakes)


# output_size ----------------------------------------------------------------------------------------------------


def _positions(n: int, kernel: int, stride: int, padding: int, dilation: int, ceil: bool) -> int:
    """Count the places where every tap falls on a pixel or the padding, one by one; with `ceil` one that hangs over."""
    line, span = range(-padding, n + padding), dilation * (kernel - 1)
    firsts = [first for first in line[::stride] if first + span in line]
    over = ceil and firsts and firsts[-1] + span < line[-1] and firsts[-1] + stride < n
    return len(firsts) + bool(over)


@exercise(
    "images",
    hints=(
        "Draw 5 pixels and a kernel of 3, and count where it fits; then with a stride of 2, with a zero at each end.",
        "A dilated kernel spans d(k − 1) + 1 pixels. It fits if that is at most n + 2p; the rest is room to move.",
        "room = n + 2p − d(k − 1) − 1, m = room // s + 1. With ceil, one more if room % s is not 0 and m·s < n + p.",
    ),
)
def output_size(random: torch.Generator) -> Iterator[Case]:
    """`output_size(n, kernel, stride=1, padding=0, dilation=1, ceil=False)`, all int → int, the side of the output.

    ValueError where the kernel is larger than the padded input. `ceil` as torch's `ceil_mode` of a pooling.
    """
    fixed = [(1, 1, 1, 0, 1), (3, 1, 1, 0, 1), (3, 2, 1, 0, 1), (4, 2, 2, 0, 1), (5, 2, 2, 0, 1), (3, 3, 1, 1, 1)]
    fixed += [(2, 3, 1, 0, 1), (5, 3, 1, 0, 2), (7, 3, 3, 0, 1), (1, 3, 2, 0, 1), (4, 3, 1, 0, 2), (6, 3, 2, 1, 1)]
    fixed += [(2, 3, 2, 0, 1), (2, 3, 1, 1, 1), (1, 2, 2, 1, 2), (32, 4, 2, 1, 1), (224, 7, 2, 3, 1)]
    fixed = [(*one, False) for one in [*fixed, (33, 3, 1, 12, 12)]]
    fixed += [(*one, True) for one in ((5, 2, 2, 0, 1), (4, 2, 2, 0, 1), (3, 2, 2, 1, 1), (4, 3, 2, 1, 1))]
    fixed += [(4, 1, 2, 0, 1, True), (2, 3, 2, 0, 1, True), (6, 3, 2, 0, 1, True), (6, 2, 2, 0, 2, True)]
    ranges = ((1, 40), (1, 8), (1, 5), (0, 4), (1, 4), (0, 2))
    drawn = [tuple(int(torch.randint(*r, (), generator=random)) for r in ranges) for _ in range(30)]
    for n, k, s, p, d, ceil in fixed + sorted(drawn):
        ceil, p = bool(ceil), min(p, k // 2) if ceil else p  # as much padding as torch's poolings take
        room = n + 2 * p - d * (k - 1) - 1
        right = _positions(n, k, s, p, d, ceil) or ValueError
        fits = room >= 0

        def counted(room: int, s: int = s, end: int = n + p, ceil: bool = ceil) -> int | type:
            m = room // s + 1
            return m + bool(ceil and room % s and m * s < end) if room >= 0 else ValueError

        def or_refused(size: int, fits: bool = fits) -> int | type:
            return size if fits else ValueError

        mistakes = {
            "The + 1 is missing: a kernel that just fits has one position, not none.": or_refused(
                right - 1 if fits else 0
            ),
            "Only with ceil does a window that hangs over count.": or_refused(-(-room // s) + 1 if not ceil else right),
            "You put the + 1 under the fraction; it counts the first position and is not divided.": or_refused(
                (room + 1) // s
            ),
            "You padded one side only; there are p zeros at each end, 2p in all.": counted(room - p),
            "Your kernel spans d·k pixels; the last tap has nothing behind it: d(k − 1) + 1.": counted(room - d + 1),
            "The dilation is missing: with it the kernel spans d(k − 1) + 1 pixels.": counted(n + 2 * p - k),
            "The stride is missing: divide by it and round down.": counted(room, 1),
            "The padding is missing.": counted(room - 2 * p),
            "You looked at k alone: a dilated kernel spans more, and must fit too.": (
                right if fits or k > n + 2 * p else room // s + 1
            ),
            "You compared the kernel with the image alone; the padding counts too.": (
                right if d * (k - 1) + 1 <= n else ValueError
            ),
            "A kernel that just fits has one position: refuse only what is larger.": right if room else ValueError,
            "Pixels that a stride leaves over are left out, not refused.": right if room % s == 0 else ValueError,
            "With ceil one more window counts, if pixels are left over: it hangs over the end.": counted(
                room, ceil=False
            ),
            "The window that hangs over must begin before the end of the image, not in the padding.": or_refused(
                -(-room // s) + 1 if ceil else right
            ),
            "The image ends at n + p, counted from the first zero before it: a window may begin up to there.": counted(
                room, end=n
            ),
            "Whether pixels are left over is a matter of the whole span, d(k − 1) + 1, not of k alone.": or_refused(
                room // s + 1 + bool(ceil and (n + 2 * p - k) % s and (room // s + 1) * s < n + p)
            ),
            "ceil adds a window only where the last whole one leaves pixels over.": or_refused(room // s + 1 + ceil),
        }
        if not fits:
            mistakes |= {
                "The kernel does not fit into the padded input: raise a ValueError, no size is 0 or below.": (
                    *(room // s + 1, 0, max(0, room // s + 1)),
                ),
                "With ceil, too, a kernel that is larger than the padded input is refused.": 1 if ceil else ValueError,
            }
        inputs = {"n": n, "kernel": k, "stride": s, "padding": p, "dilation": d, "ceil": ceil}
        yield Case(inputs, right, mistakes)


# receptive_field ------------------------------------------------------------------------------------------------


def _seen(layers: tuple[tuple[int, int, int, int], ...], index: int) -> list[int]:
    """Follow one output back to the input as a set of positions; return the first and the last."""
    seen = {index}
    for kernel, stride, padding, dilation in reversed(layers):
        seen = {position * stride - padding + dilation * tap for position in seen for tap in range(kernel)}
    return [min(seen), max(seen)]


@exercise(
    "images",
    hints=(
        "Begin with the last layer alone: at which row of its input does the window of output i begin, and where end?",
        "Row i of a layer's output reads from row s·i − p of its input. So go from the last layer back to the first.",
        "Begin with first = last = index. Each layer, backwards: first = s·first − p; last = s·last − p + d(k − 1).",
    ),
)
def receptive_field(random: torch.Generator) -> Iterator[Case]:
    """`receptive_field(layers, index)`, (kernel, stride, padding, dilation) each, first layer first → (first, last)."""
    one, two, pool = (3, 1, 1, 1), (3, 2, 1, 1), (2, 2, 0, 1)
    stacks = [((), 4), (((3, 1, 0, 1),), 2), (((1, 1, 0, 1),), 5), (((3, 1, 1, 1),), 0), (((3, 2, 0, 1),), 3)]
    stacks += [(((3, 1, 0, 2),), 1), (((4, 1, 0, 1),), 1), (((3, 2, 1, 1),), 2), (((3, 1, 0, 1),) * 2, 0)]
    stacks += [((two, one), 3), ((one, two), 3), ((pool, one, pool), 2), ((two, two, (3, 1, 2, 2), one), 5)]
    for _ in range(12):
        depth = int(torch.randint(1, 6, (), generator=random))
        draw = torch.randint(0, 3, (depth, 4), generator=random) + torch.tensor([1, 1, 0, 1])
        draw[:, 0] += torch.randint(0, 3, (depth,), generator=random)
        stacks.append((tuple(map(tuple, draw.tolist())), int(torch.randint(0, 9, (), generator=random))))

    def back(layers: tuple, index: int, begin=lambda i, s, p: i * s - p, width=lambda k, d: d * (k - 1)) -> list[int]:
        first = last = index
        for kernel, stride, padding, dilation in reversed(layers):
            first, last = begin(first, stride, padding), begin(last, stride, padding) + width(kernel, dilation)
        return [first, last]

    for layers, index in stacks:
        first, last = right = _seen(layers, index)
        steps, side = math.prod(stride for _, stride, _, _ in layers), last - first + 1
        centred = index * steps - (side - 1) // 2
        mistakes = {
            "You left the paddings out: row 0 of a padded map is a row of zeros.": back(
                layers, index, lambda i, s, p: i * s
            ),
            "The padding has the wrong sign: what is put before the image moves the window up.": back(
                layers, index, lambda i, s, p: i * s + p
            ),
            "The padding is in rows of the layer's input: do not multiply it by the layer's own stride.": back(
                layers, index, lambda i, s, p: (i - p) * s
            ),
            "You left the strides out: a step of the output is s steps of the input.": back(
                layers, index, lambda i, s, p: i - p
            ),
            "The last row is one too far: a window of k rows from i on ends at i + d(k − 1).": [first, last + 1],
            "You added the paddings as they are; one of a later layer counts times all strides before that layer.": [
                index * steps - sum(padding for _, _, padding, _ in layers),
                index * steps - sum(padding for _, _, padding, _ in layers) + side - 1,
            ],
            "You let a layer's own stride widen its window; only the strides before it do.": [
                first,
                first
                + sum(
                    d * (k - 1) * math.prod(s for _, s, _, _ in layers[: i + 1])
                    for i, (k, _, _, d) in enumerate(layers)
                ),
            ],
            "You added whole kernels; each layer adds d(k − 1) rows.": back(layers, index, width=lambda k, d: d * k),
            "You left the dilation out: taps are d apart, so a window ends d(k − 1) further on.": back(
                layers, index, width=lambda k, d: k - 1
            ),
            "A dilated kernel spans d(k − 1) + 1 rows, not d·k.": back(layers, index, width=lambda k, d: d * k - 1),
            "You went through the layers from the wrong end: begin with the one that gives the output.": back(
                layers[::-1], index
            ),
            "You cut the window at the image's edge; rows of padding count, and lie below 0.": [max(0, first), last],
            "You gave the window's side; give its first and its last row.": side,
            "You assumed that the window lies evenly around index times the strides; kernels and paddings decide.": (
                [centred, centred + side - 1]
            ),
        }
        yield Case({"layers": layers, "index": index}, right, mistakes)


# max_pool_backward ----------------------------------------------------------------------------------------------


def _windows(x: torch.Tensor, grad: torch.Tensor, k: int, s: int) -> Iterator[tuple]:
    """Yield for each window (n, c, top, left, g, its values as (value, row, column), row by row)."""
    for n, c, i, j in torch.cartesian_prod(*(torch.arange(side) for side in grad.shape)).tolist():
        top, left = i * s, j * s
        values = [(float(x[n, c, top + a, left + b]), top + a, left + b) for a in range(k) for b in range(k)]
        yield n, c, top, left, float(grad[n, c, i, j]), values


@exercise(
    "images",
    hints=(
        "The output of a window is one of its pixels. What if that pixel grows a little? And another?",
        "Begin with zeros like x. In each window find the largest value, and add the window's gradient at its place.",
        "In window (i, j), rows from i·stride: w = x[n, c, …].flatten().argmax(); row i·stride + w // kernel, column "
        "j·stride + w % kernel; use +=, since windows may overlap.",
    ),
)
def max_pool_backward(random: torch.Generator) -> Iterator[Case]:
    """`max_pool_backward(x [N, C, H, W], grad [N, C, h, w], kernel=2, stride=2)` → `[N, C, H, W]`.

    The gradient of the loss with respect to x; of equal largest values the first, row by row, receives it.
    """
    settings = [
        (1, 1, 2, 2, 2, 2, False),
        (1, 1, 2, 4, 2, 2, False),
        (1, 1, 2, 3, 2, 1, False),
        (1, 1, 2, 2, 2, 2, True),
        (1, 1, 2, 2, 2, 2, False),
        (1, 1, 5, 5, 2, 2, False),
        (2, 3, 4, 6, 2, 2, False),
        (2, 2, 7, 9, 3, 2, False),
        (1, 2, 6, 6, 3, 1, False),
        (2, 2, 6, 6, 2, 2, True),
        (1, 2, 6, 7, 2, 3, False),
    ]
    for number, (n, c, height, width, k, s, tied) in enumerate(settings):
        x = _whole_numbers(n, c, height, width, random=random)
        x = (x % 2) + 1 if tied else x
        x = torch.full_like(x, 3.0) if tied and height == 2 else x
        h, w = (height - k) // s + 1, (width - k) // s + 1
        grad = 10 * _whole_numbers(n, c, h, w, random=random)
        if number == 4:
            x = -x
        elif number > 4:  # in the larger cases fractions and numbers of both signs
            x = x if tied else x - x.max() // 2
            grad = grad / 4 - grad.max() / 8
        new = lambda: torch.zeros(n, c, height, width, dtype=torch.float64)  # noqa: B023, E731
        right, every, even, last, corner, least = new(), new(), new(), new(), new(), new()
        written, weighted, ones, tie_last = new(), new(), new(), new()
        far, from_zero, downwards = new(), new(), new()
        for a, b, top, left, g, values in _windows(x, grad, k, s):
            largest = max(value for value, _, _ in values)
            winners = [(i, j) for value, i, j in values if value == largest]
            i, j = winners[0]
            right[a, b, i, j] += g
            written[a, b, i, j] = g
            weighted[a, b, i, j] += g * largest
            ones[a, b, i, j] += 1
            tie_last[(a, b, *winners[-1])] += g
            corner[a, b, top, left] += g
            least[(a, b, *min(values)[1:])] += g
            far[(a, b, *max(values, key=lambda one: abs(one[0]))[1:])] += g
            from_zero[(a, b, *(winners[0] if largest > 0 else (top, left)))] += g
            downwards[(a, b, *min(winners, key=lambda place: place[::-1]))] += g
            for i, j in winners:
                every[a, b, i, j] += g
                last[a, b, i, j] += g / len(winners)
            for _, i, j in values:
                even[a, b, i, j] += g / k**2
        mistakes = {
            "You spread the gradient over the whole window; that is the average's gradient, not the maximum's.": (
                even,
                even * k**2,
            ),
            "Where windows overlap, a pixel may win several times: add the gradients, do not overwrite.": written,
            "Of several equal values each got the whole gradient; only the first of them receives it.": every,
            "Of several equal values each got a share; only the first of them receives the gradient.": last,
            "Of several equal values the last got the gradient; it goes to the first.": tie_last,
            "Of several equal values it goes to the first row by row; you went column by column.": downwards,
            "You gave the gradient to the window's upper left corner; it goes to its largest pixel.": corner,
            "You looked for the largest from 0 on; all may be below 0: begin with the window's first.": from_zero,
            "You compared values without their signs; −4 is not larger than 3.": far,
            "The gradient went to the smallest value of each window.": least,
            "You multiplied by the pixel's value; the maximum passes the gradient on unchanged.": weighted,
            "You marked the winners with 1; each receives its window's gradient.": ones,
            "The fractions are cut off: keep the numbers floats, as the input is.": (right.trunc(), right.floor()),
            "Gradients below 0 are lost; they are handed back with their signs.": (right.clamp(min=0), right.abs()),
            "It has the shape of the output; the gradient of an input has the input's shape.": grad,
        }
        yield Case({"x": x, "grad": grad, "kernel": k, "stride": s}, right, mistakes)
