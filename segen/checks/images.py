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
_EDGE = "You repeated the edge instead of putting zeros around the image."
_NO_STRIDE = "Every position is there: with a stride of s only each s-th row and column is kept."
_STRIDE_ROWS = "You took the stride in the rows only; the columns have it too."
_STRIDE_LATE = "You begin the stride at the second position; the first output is where the kernel first fits."
_LAST = "The last position is missing: the kernel fits there once more (the + 1 of the formula)."
_NO_BIAS = "The bias is missing."
_BIAS_EACH = "You added the bias once for each input channel; it is added once to the sum."
_MEAN = "You took the mean over the input channels; their products are summed."
_FIRST_CHANNEL = "You used the first input channel only; sum over all of them."


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
            _LAST: _slide(framed, weight, both, last=1) + add,
            _NO_BIAS: right - add,
            _BIAS_EACH: right + (c - 1) * add,
            _MEAN: ((right - add) / c + add, right / c),
            _FIRST_CHANNEL: _slide(framed[:, :1], weight[:, :1], both) + add,
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
                _EDGE: _slide(_edge_repeated(x, p), weight, both) + add,
            }
        if s > 1:
            mistakes[_STRIDE_LATE] = (
                _slide(framed, weight, both, start=1) + add,
                _slide(framed, weight, both, start=s - 1) + add,
            )
        yield Case({"x": x, "weight": weight, "bias": bias, "stride": s, "padding": p}, right, mistakes)


# output_size ----------------------------------------------------------------------------------------------------


def _positions(n: int, kernel: int, stride: int, padding: int, dilation: int) -> int:
    """Count the places where every tap of the kernel falls on a pixel or on the padding, one by one."""
    line = range(-padding, n + padding)
    return sum(
        all(first + dilation * tap in line for tap in range(kernel)) for first in range(-padding, n + padding, stride)
    )


@exercise(
    "images",
    hints=(
        "Draw 5 pixels and a kernel of 3, and count where it fits; then with a stride of 2, with a zero at each end.",
        "A dilated kernel spans d(k − 1) + 1 pixels. It fits if that is at most n + 2p; the rest is room to move.",
        "room = n + 2p − d(k − 1) − 1; a ValueError if it is below 0; otherwise room // s + 1.",
    ),
)
def output_size(random: torch.Generator) -> Iterator[Case]:
    """`output_size(n, kernel, stride=1, padding=0, dilation=1)`, all int → int, the side of the output.

    ValueError where the kernel is larger than the padded input.
    """
    fixed = [(1, 1, 1, 0, 1), (3, 1, 1, 0, 1), (3, 2, 1, 0, 1), (4, 2, 2, 0, 1), (5, 2, 2, 0, 1), (3, 3, 1, 1, 1)]
    fixed += [(2, 3, 1, 0, 1), (5, 3, 1, 0, 2), (7, 3, 3, 0, 1), (1, 3, 2, 0, 1), (4, 3, 1, 0, 2), (6, 3, 2, 1, 1)]
    fixed += [
        (2, 3, 2, 0, 1),
        (2, 3, 1, 1, 1),
        (1, 2, 2, 1, 2),
        (32, 4, 2, 1, 1),
        (224, 7, 2, 3, 1),
        (33, 3, 1, 12, 12),
    ]
    ranges = ((1, 40), (1, 8), (1, 5), (0, 4), (1, 4))
    drawn = [tuple(int(torch.randint(*r, (), generator=random)) for r in ranges) for _ in range(20)]
    for n, k, s, p, d in fixed + sorted(drawn):
        room = n + 2 * p - d * (k - 1) - 1
        right = _positions(n, k, s, p, d) or ValueError
        fits = room >= 0

        def or_refused(size: int, fits: bool = fits) -> int | type:
            return size if fits else ValueError

        mistakes = {
            "The + 1 is missing: a kernel that just fits has one position, not none.": or_refused(room // s),
            "You rounded up; a last step that does not fit whole is not made.": or_refused(-(-room // s) + 1),
            "You put the + 1 under the fraction; it counts the first position and is not divided.": or_refused(
                (room + 1) // s
            ),
            "You padded one side only; there are p zeros at each end, 2p in all.": max(0, (room - p) // s + 1)
            or ValueError,
            "Your kernel spans d·k pixels; the last tap has nothing behind it: d(k − 1) + 1.": (
                (room - d + 1) // s + 1 if room - d + 1 >= 0 else ValueError
            ),
            "The dilation is missing: with it the kernel spans d(k − 1) + 1 pixels.": (
                (n + 2 * p - k) // s + 1 if n + 2 * p >= k else ValueError
            ),
            "The stride is missing: divide by it and round down.": or_refused(room + 1),
            "The padding is missing.": (room - 2 * p) // s + 1 if room >= 2 * p else ValueError,
            "You looked at k alone: a dilated kernel spans more, and must fit too.": (
                right if fits or k > n + 2 * p else room // s + 1
            ),
            "You compared the kernel with the image alone; the padding counts too.": (
                right if d * (k - 1) + 1 <= n else ValueError
            ),
        }
        if not fits:
            mistakes["The kernel does not fit into the padded input: raise a ValueError, no size is 0 or below."] = (
                room // s + 1,
                0,
                max(0, room // s + 1),
            )
        inputs = {"n": n, "kernel": k, "stride": s, "padding": p, "dilation": d}
        yield Case(inputs, right, mistakes)


# receptive_field ------------------------------------------------------------------------------------------------


def _seen(layers: tuple[tuple[int, int, int], ...]) -> int:
    """Follow one output back to the input as a set of positions; return from the first to the last how many."""
    seen = {0}
    for kernel, stride, dilation in reversed(layers):
        seen = {position * stride + dilation * tap for position in seen for tap in range(kernel)}
    return max(seen) - min(seen) + 1


@exercise(
    "images",
    hints=(
        "One layer of kernel k sees k pixels. What does a second 3×3 layer add, if the first has a stride of 2?",
        "Keep two numbers as you go: how much is seen, and how many pixels of the input one step of this map is.",
        "Begin with seen = 1 and step = 1; each layer adds d(k − 1) · step to seen, and then multiplies step by s.",
    ),
)
def receptive_field(random: torch.Generator) -> Iterator[Case]:
    """`receptive_field(layers)`, a sequence of (kernel, stride, dilation), first layer first → int, side in pixels."""
    stacks = [
        (),
        ((3, 1, 1),),
        ((1, 1, 1),),
        ((3, 2, 1),),
        ((3, 1, 2),),
        ((3, 1, 1), (3, 1, 1)),
        ((3, 2, 1), (3, 1, 1)),
        ((3, 1, 1), (3, 2, 1)),
        ((2, 2, 1), (3, 1, 1), (2, 2, 1)),
        ((3, 1, 1), (3, 1, 2), (3, 1, 4)),
        ((3, 2, 1), (3, 2, 1), (3, 1, 2), (3, 1, 1)),
    ]
    for _ in range(10):
        depth = int(torch.randint(1, 7, (), generator=random))
        draw = torch.randint(1, 4, (depth, 3), generator=random)
        draw[:, 0] += torch.randint(0, 3, (depth,), generator=random)
        stacks.append(tuple(map(tuple, draw.tolist())))

    def total(layers: tuple, *, start: int = 1, own: bool = False, dilated: bool = True, of=lambda k: k - 1) -> int:
        seen, step = start, 1
        for kernel, stride, dilation in layers:
            step *= stride if own else 1
            seen += (dilation if dilated else 1) * of(kernel) * step
            step *= 1 if own else stride
        return seen

    for layers in stacks:
        product = math.prod(kernel for kernel, _, _ in layers)
        plain, sums = total(tuple((k, 1, d) for k, _, d in layers)), 1
        for kernel, stride, dilation in layers:
            sums = sums * stride + dilation * (kernel - 1)
        last = 1
        for index, (kernel, _, dilation) in enumerate(layers):
            last += dilation * (kernel - 1) * (layers[index - 1][1] if index else 1)
        step, added = 1, 1
        for kernel, stride, dilation in layers:
            added += dilation * (kernel - 1) * step
            step += stride - 1
        mistakes = {
            "It begins at 1: with no layer at all an output sees its own pixel.": total(layers, start=0),
            "You left the strides out: after a stride of 2 each step is two pixels of the input.": plain,
            "A layer's own stride does not widen what it sees itself; it widens what later layers see.": total(
                layers, own=True
            ),
            "You multiplied the kernels; each layer adds d(k − 1) steps.": product,
            "You added whole kernels; neighbouring kernels overlap, so each layer adds k − 1 steps.": (
                total(layers, of=lambda k: k),
                total(layers, start=0, of=lambda k: k),
            ),
            "You left the dilation out: taps are d apart, so a layer adds d(k − 1) steps.": total(
                layers, dilated=False
            ),
            "You went through the layers from the wrong end: the strides that count are those before a layer.": (
                total(layers[::-1]),
                sums,
            ),
            "Only the stride of the layer just before is in your step; it is the product of all before.": last,
            "You added the strides up; steps of steps multiply.": added,
        }
        yield Case({"layers": layers}, _seen(layers), mistakes)


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
        (1, 1, 5, 5, 2, 2, False),
        (2, 3, 4, 6, 2, 2, False),
        (2, 2, 7, 9, 3, 2, False),
        (1, 2, 6, 6, 3, 1, False),
        (2, 2, 6, 6, 2, 2, True),
        (1, 2, 6, 7, 2, 3, False),
    ]
    for n, c, height, width, k, s, tied in settings:
        x = _whole_numbers(n, c, height, width, random=random)
        x = (x % 2) + 1 if tied else x
        x = torch.full_like(x, 3.0) if tied and height == 2 else x
        h, w = (height - k) // s + 1, (width - k) // s + 1
        grad = 10 * _whole_numbers(n, c, h, w, random=random)
        new = lambda: torch.zeros(n, c, height, width, dtype=torch.float64)  # noqa: B023, E731
        right, every, even, last, corner, least = new(), new(), new(), new(), new(), new()
        written, weighted, ones, tie_last = new(), new(), new(), new()
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
            "You gave the gradient to the window's upper left corner; it goes to its largest pixel.": corner,
            "The gradient went to the smallest value of each window.": least,
            "You multiplied by the pixel's value; the maximum passes the gradient on unchanged.": weighted,
            "You marked the winners with 1; each receives its window's gradient.": ones,
            "It has the shape of the output; the gradient of an input has the input's shape.": grad,
        }
        yield Case({"x": x, "grad": grad, "kernel": k, "stride": s}, right, mistakes)
