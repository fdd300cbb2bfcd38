"""The judges of the chapter `fcn`: convolutionalise, transposed_convolution, bilinear_kernel and there_and_back."""

import itertools
import math
from collections.abc import Callable, Iterator

import torch

from segen.checks.judging import Case, exercise


def _whole_numbers(*shape: int, random: torch.Generator) -> torch.Tensor:
    """Draw different whole numbers from 1 on, as floats: a counter-example is read more easily with them."""
    return torch.randperm(math.prod(shape), generator=random).view(shape).float() + 1


# convolutionalise -----------------------------------------------------------------------------------------------


Layers = list[tuple[torch.Tensor, torch.Tensor]]


def _head(
    vector: torch.Tensor, layers: Layers, *, rectify: bool = True, last: bool = False, bias: bool = True
) -> torch.Tensor:
    """Put a window's numbers `[N, C·h·w]` through the layers, as sums of products in float64: `[N, K]`."""
    vector = vector.double()
    for number, (weight, b) in enumerate(layers):
        vector = (vector[:, None] * weight.double()).sum(2) + (b.double() if bias else 0)
        if last if number == len(layers) - 1 else rectify:
            vector = vector.clamp(min=0)
    return vector


def _at_each_window(maps: torch.Tensor, layers: Layers, size: tuple[int, int], *, order=None, step=(1, 1), **style):
    """Give each window of `size`, flattened in the axes' `order`, to the head: `[N, K, rows, columns]`."""
    (height, width), (h, w) = maps.shape[2:], size
    rows = []
    for top in range(0, height - h + 1, step[0]):
        row = []
        for left in range(0, width - w + 1, step[1]):
            window = maps[:, :, top : top + h, left : left + w]
            window = window.permute(order) if order else window
            row.append(_head(window.reshape(len(maps), -1), layers, **style))
        rows.append(torch.stack(row, dim=-1))
    return torch.stack(rows, dim=-2)


def _framed(maps: torch.Tensor, top: int, below: int, left: int, right: int) -> torch.Tensor:
    """Put so many rows and columns of zeros around `maps`."""
    n, c, height, width = maps.shape
    out = maps.new_zeros(n, c, top + height + below, left + width + right)
    out[:, :, top : top + height, left : left + width] = maps
    return out


@exercise(
    "fcn",
    hints=(
        "How many windows of size (h, w) are there in the maps? At each of them the head must be asked once.",
        "Row o of the first weight holds C·h·w numbers in the order of Flatten: weight.view(O, C, h, w) is a kernel. "
        "What kernel has a layer that reads O numbers at one place?",
        "F.conv2d(maps, weight.view(O, -1, h, w), bias) for the first layer, kernels of 1×1 for all others, relu "
        "between two layers and none at the end.",
    ),
)
def convolutionalise(random: torch.Generator) -> Iterator[Case]:
    """`convolutionalise(maps [N, C, H, W], layers: list of (weight, bias), size: (h, w))` → `[N, K, H−h+1, W−w+1]`.

    The first weight is `[O, C·h·w]`, the next `[P, O]` and so on; a rectifier stands between two layers.
    """
    settings = [
        (1, 1, (2, 2), (2, 2), (1,)),
        (1, 1, (2, 3), (2, 2), (1,)),
        (1, 2, (2, 2), (2, 2), (1,)),
        (1, 2, (1, 3), (1, 2), (2, 1)),
        (1, 1, (3, 4), (2, 3), (2,)),
        (2, 3, (4, 3), (2, 2), (4, 3)),
        (2, 2, (3, 5), (3, 2), (3, 4, 2)),
        (1, 3, (4, 4), (1, 1), (3, 2)),
        (3, 2, (5, 6), (2, 3), (5, 3)),
    ]
    for number, (n, c, (height, width), (h, w), outs) in enumerate(settings):
        maps = _whole_numbers(n, c, height, width, random=random)
        if number > 1:
            maps = maps - (maps.max() // 2)  # of both signs: what is read is not rectified
        layers, reads = [], c * h * w
        for out in outs:
            weight = _whole_numbers(out, reads, random=random) - (out * reads + 1) // 2
            layers.append((weight, 10 * _whole_numbers(out, random=random) - 15))
            reads = out
        size = (h, w)
        right = _at_each_window(maps, layers, size)
        above, before = (h - 1) // 2, (w - 1) // 2
        padded = _framed(maps, above, h - 1 - above, before, w - 1 - before)
        first = [(torch.stack([row.view(c, h, w).flip(1, 2).flatten() for row in layers[0][0]]), layers[0][1])]
        mistakes = {
            "The numbers of a kernel are in another order: Flatten goes through the channels first, then rows, then "
            "columns.": _at_each_window(maps, layers, size, order=(0, 2, 3, 1)),
            "Rows and columns of the kernel have changed places.": _at_each_window(
                maps, layers, size, order=(0, 1, 3, 2)
            ),
            "You turned the kernels round; a fully connected layer reads the window as it is.": _at_each_window(
                maps, first + layers[1:], size
            ),
            "Your windows lie side by side; there is one at every place, a step of 1 apart.": _at_each_window(
                maps, layers, size, step=size
            ),
            "The rectifier between the layers is missing.": _at_each_window(maps, layers, size, rectify=False),
            "There is a rectifier after the last layer too; scores may be negative.": _at_each_window(
                maps, layers, size, last=True
            ),
            "The maps are read as they are: a rectifier stands between two layers, not before the first.": (
                _at_each_window(maps.clamp(min=0), layers, size)
            ),
            "The biases after the first layer are missing.": _at_each_window(
                maps, layers[:1] + [(weight, 0 * bias) for weight, bias in layers[1:]], size
            ),
            "The biases are missing.": _at_each_window(maps, layers, size, bias=False),
            "You padded the maps; a window must lie inside them.": _at_each_window(padded, layers, size),
            "You asked at the first window only; there is one at every place.": (
                right[:, :, 0, 0],
                right[:, :, :1, :1],
            ),
            "You took a mean over the places; each has scores of its own.": (
                right.mean((2, 3)),
                right.mean((2, 3), keepdim=True),
            ),
            "You took the largest score over the places; each has scores of its own.": (
                right.amax((2, 3)),
                right.amax((2, 3), keepdim=True),
            ),
            "Only the first layer is there; the others follow as kernels of 1×1.": _at_each_window(
                maps, layers[:1], size
            ),
            "You returned the number of the best class; return the scores of all.": right.argmax(1),
        }
        yield Case({"maps": maps, "layers": layers, "size": size}, right, mistakes)


# transposed_convolution -----------------------------------------------------------------------------------------


def _stamp(x: torch.Tensor, weight: torch.Tensor, stride: tuple[int, int], *, add: bool = True) -> torch.Tensor:
    """Write each number of `x`, times the kernel, on an empty canvas, number by number in float64."""
    (n, _, h, w), (_, b, k, m) = x.shape, weight.shape
    canvas = torch.zeros(n, b, (h - 1) * stride[0] + k, (w - 1) * stride[1] + m, dtype=torch.float64)
    x, weight = x.double(), weight.double()
    for i, j in itertools.product(range(h), range(w)):
        top, left = i * stride[0], j * stride[1]
        place = canvas[:, :, top : top + k, left : left + m]
        written = (x[:, :, None, i, j, None, None] * weight[None]).sum(1)
        place.copy_(written + place if add else written)
    return canvas


def _sides(got: torch.Tensor | list) -> tuple[int, ...]:
    """Height and width of what came, nothing if it is no batch of maps."""
    return tuple(got.shape[-2:]) if isinstance(got, torch.Tensor) and got.ndim == 4 else ()


def _cut(canvas: torch.Tensor, top: int, below: int, left: int, right: int) -> torch.Tensor:
    height, width = canvas.shape[2:]
    return canvas[:, :, top : height - below, left : width - right]


@exercise(
    "fcn",
    hints=(
        "Begin with an empty canvas of (h − 1)·s + k rows. What does the number at (0, 0) write on it, and where does "
        "its neighbour write?",
        "The number at (i, j) adds itself times the kernel at rows i·s to i·s + k, for all channels; where two meet, "
        "they add up. Padding p cuts p rows and columns off each side at the end.",
        "For each tap: canvas[:, :, u : u + h·s : s, v : v + w·s : s] += torch.einsum('nahw,ab->nbhw', x, "
        "weight[:, :, u, v]), with the slices cut to h and w positions; then cut the padding off.",
    ),
)
def transposed_convolution(random: torch.Generator) -> Iterator[Case]:
    """`transposed_convolution(x [N, A, h, w], weight [A, B, k, l], stride=1, padding=0)` → `[N, B, H, W]`.

    H = (h − 1)·stride − 2·padding + k, W likewise with l: the transpose of the convolution with these settings.
    """
    settings = [
        (1, 1, 1, (1, 2), (1, 1), 2, 0),
        (1, 1, 1, (1, 1), (2, 2), 1, 0),
        (1, 1, 1, (1, 2), (1, 2), 1, 0),
        (1, 1, 1, (2, 1), (3, 1), 2, 0),
        (1, 1, 1, (2, 2), (2, 2), 2, 0),
        (1, 1, 1, (2, 2), (3, 3), 1, 1),
        (1, 2, 1, (1, 2), (2, 2), 2, 0),
        (1, 1, 2, (2, 3), (3, 2), 2, 0),
        (2, 2, 2, (2, 3), (3, 3), 2, 1),
        (2, 3, 2, (3, 4), (4, 4), 2, 1),
        (1, 2, 3, (3, 2), (2, 3), 3, 0),
        (2, 2, 3, (4, 3), (5, 4), 3, 1),
    ]
    for n, a, b, size, kernel, s, p in settings:
        x = _whole_numbers(n, a, *size, random=random)
        weight = _whole_numbers(a, b, *kernel, random=random) - a
        both = (s, s)
        canvas = _stamp(x, weight, both)
        right = _cut(canvas, p, p, p, p)
        mistakes = {
            "You turned the kernel round: each number writes the kernel as it is.": _cut(
                _stamp(x, weight.flip(2, 3), both), p, p, p, p
            ),
            "Where kernels overlap they add up; yours overwrite each other.": _cut(
                _stamp(x, weight, both, add=False), p, p, p, p
            ),
            "The stride is missing: neighbours write s pixels apart.": (
                _cut(_stamp(x, weight, (1, 1)), p, p, p, p),
                _stamp(x, weight, (1, 1)),
            ),
            "You took the stride in the rows only; the columns have it too.": _cut(
                _stamp(x, weight, (s, 1)), p, p, p, p
            ),
            "You returned s·h rows; the last kernel ends at (h − 1)·s + k.": lambda got, s=s, size=size, r=right: (
                _sides(got) == (s * size[0], s * size[1]) != _sides(r)
            ),
            "You used the first input channel only; sum over all of them.": _cut(
                _stamp(x[:, :1], weight[:1], both), p, p, p, p
            ),
            "You took the mean over the input channels; what they write is summed.": right / a,
        }
        if kernel[0] == kernel[1]:
            mistakes["Your kernel's rows and columns have changed places."] = _cut(
                _stamp(x, weight.transpose(2, 3), both), p, p, p, p
            )
        if a == b > 1:
            mistakes[
                "The channels are mixed up: the first axis of the weight is the input's, the second the output's."
            ] = _cut(_stamp(x, weight.transpose(0, 1), both), p, p, p, p)
        if p:
            mistakes |= {
                "Padding is not cut off: in the transpose, p rows and columns are taken from each side.": canvas,
                "You put the padding around the output; in the transpose it is cut off.": (
                    _framed(canvas, p, p, p, p),
                    _stamp(_framed(x, p, p, p, p), weight, both),
                ),
                "You cut the padding off one side only; p rows and columns go on each side.": (
                    canvas[:, :, p:, p:],
                    canvas[:, :, :-p, :-p],
                    canvas[:, :, 2 * p :, 2 * p :],
                    canvas[:, :, : -2 * p, : -2 * p],
                ),
                "You cut rows only, or columns only; the padding is on all four sides.": (
                    _cut(canvas, p, p, 0, 0),
                    _cut(canvas, 0, 0, p, p),
                ),
            }
        yield Case({"x": x, "weight": weight, "stride": s, "padding": p}, right, mistakes)


# bilinear_kernel ------------------------------------------------------------------------------------------------


def _response(factor: int) -> list[float]:
    """What interpolation by `factor` makes of a single 1 far from any border: the row of its weights, by distance.

    Pixel i of the large row has its centre at (i + 1/2) / factor of the small one, whose 1 has its at 1/2.
    """
    row = []
    for i in range(-factor, 2 * factor):
        distance = abs((i + 0.5) / factor - 0.5)
        if distance < 1 - 1e-9:
            row.append(1 - distance)
    return row


def _square(row: list[float]) -> torch.Tensor:
    line = torch.tensor(row, dtype=torch.float64)
    return line[:, None] * line


def _on_the_diagonal(kernel: torch.Tensor, channels: int) -> torch.Tensor:
    return torch.eye(channels, dtype=torch.float64)[:, :, None, None] * kernel


@exercise(
    "fcn",
    hints=(
        "Take factor 2 and one channel: enlarge a single 1 with F.interpolate and look at what comes. How many numbers "
        "are not 0, and what are they?",
        "Along a line tap i weighs 1 − |i − c| / factor, where c = (k − 1) / 2 is the middle of the kernel; k is "
        "2·factor for an even factor and 2·factor − 1 for an odd one.",
        "row = 1 − |arange(k) − (k − 1) / 2| / factor; the kernel is row[:, None] * row; put it at [c, c] of zeros "
        "[channels, channels, k, k].",
    ),
)
def bilinear_kernel(random: torch.Generator) -> Iterator[Case]:
    """`bilinear_kernel(channels: int ≥ 1, factor: int ≥ 1)` → float `[channels, channels, k, k]`.

    k = 2·factor − factor % 2; a transposed convolution with it, of stride `factor`, interpolates each channel.
    """
    fixed = [(1, 1), (1, 2), (1, 3), (2, 1), (2, 2), (1, 4), (3, 3)]
    drawn = [
        tuple(int(torch.randint(low, high, (), generator=random)) for low, high in ((2, 5), (2, 9))) for _ in "1234"
    ]
    for channels, factor in fixed + drawn:
        row = _response(factor)
        kernel, k = _square(row), len(row)
        right = _on_the_diagonal(kernel, channels)

        def with_row(weights: list[float], channels: int = channels) -> torch.Tensor:
            return _on_the_diagonal(_square(weights), channels)

        def triangle(length: int, centre: float, half: float) -> list[float]:
            return [1 - abs(i - centre) / half for i in range(length)]

        mistakes = {
            "Each channel feeds all channels; a class must be enlarged by itself, so only [c, c] is not 0.": (
                kernel.expand(channels, channels, k, k)
            ),
            "The shape has one channel too few: [channels, channels, k, k], also where most of it is 0.": (
                kernel.expand(channels, 1, k, k),
                kernel.expand(1, channels, k, k),
                kernel.expand(channels, k, k),
                kernel,
            ),
            "Its taps add up to 1; each of the factor² positions between the pixels needs taps that add up to 1.": (
                right / factor**2
            ),
            "It is one line; bilinear is a line times a line.": (
                torch.tensor(row, dtype=torch.float64),
                _on_the_diagonal(torch.tensor(row, dtype=torch.float64).expand(k, k), channels),
                _on_the_diagonal(torch.tensor(row, dtype=torch.float64)[:, None].expand(k, k), channels),
            ),
            "All taps are equal: that repeats pixels, or blurs, but does not interpolate.": (
                _on_the_diagonal(torch.ones(k, k, dtype=torch.float64), channels),
                _on_the_diagonal(torch.ones(factor, factor, dtype=torch.float64), channels),
                _on_the_diagonal(torch.ones(k, k, dtype=torch.float64) / k**2, channels),
            ),
            "The kernel is not symmetric: its middle is (k − 1) / 2, between two taps if k is even.": (
                with_row(triangle(k, k // 2, factor)),
                with_row(triangle(k, (k - 1) // 2, factor)),
                with_row(triangle(k, factor - 1, factor)),
                with_row(triangle(k, factor - 0.5, factor)),
                with_row(triangle(k, factor, factor)),
            ),
            "The taps fall too slowly or too fast: over `factor` taps, one old pixel, they go from 1 to 0.": (
                with_row(triangle(k, (k - 1) / 2, k / 2)),
                with_row(triangle(k, (k - 1) / 2, (k + 1) / 2)),
                with_row(triangle(k, (k - 1) / 2, k)),
                with_row(triangle(k, (k - 1) / 2, (k + 1) // 2)),
            ),
            "The side is wrong: 2·factor for an even factor, 2·factor − 1 for an odd one.": lambda got, k=k: (
                len(set(_sides(got))) == 1 and _sides(got)[0] != k
            ),
            "Distances of rows and columns are added before they are weighed; bilinear multiplies the two weights.": (
                _on_the_diagonal(_pyramid(k, factor, lambda i, j: i + j), channels)
            ),
            "The weight falls with the Euclidean distance: that is a cone; bilinear multiplies the two weights.": (
                _on_the_diagonal(_pyramid(k, factor, math.hypot), channels)
            ),
        }
        yield Case({"channels": channels, "factor": factor}, right, mistakes)


def _pyramid(k: int, factor: int, far: Callable[[float, float], float]) -> torch.Tensor:
    """Weigh each tap by its distance from the middle, `far(rows, columns)`."""
    middle = (k - 1) / 2
    values = [[max(0.0, 1 - far(abs(i - middle), abs(j - middle)) / factor) for j in range(k)] for i in range(k)]
    return torch.tensor(values, dtype=torch.float64)


# there_and_back -------------------------------------------------------------------------------------------------


def _placed(n: int, kernel: int, stride: int, padding: int, dilation: int) -> tuple[int, int] | None:
    """Count, place by place, where the kernel fits, and the pixels behind its last place; None if it fits nowhere."""
    line = list(range(-padding, n + padding))
    places = [
        first for first in range(-padding, n + padding, stride) if first + dilation * (kernel - 1) <= n + padding - 1
    ]
    if not places:
        return None
    reached = places[-1] + dilation * (kernel - 1)
    return len(places), line[-1] - reached


@exercise(
    "fcn",
    hints=(
        "With kernel 3, stride 2 and padding 1 both 7 and 8 pixels give 4. What does the transposed convolution give "
        "back from 4, and what is missing?",
        "m = ⌊(n + 2p − d(k − 1) − 1) / s⌋ + 1, and the way back gives (m − 1)s − 2p + d(k − 1) + 1 + q, which is n.",
        "room = n + 2p − d(k − 1) − 1; a ValueError if it is below 0; otherwise m = room // s + 1 and q = room % s.",
    ),
)
def there_and_back(random: torch.Generator) -> Iterator[Case]:
    """`there_and_back(n, kernel, stride=1, padding=0, dilation=1)`, all int → (m, q), two ints.

    m is the side after the convolution, q the `output_padding` with which the transposed convolution gives n again.
    ValueError where the kernel is larger than the padded input.
    """
    fixed = [(1, 1, 1, 0, 1), (3, 3, 1, 0, 1), (4, 2, 2, 0, 1), (5, 2, 2, 0, 1), (2, 3, 1, 0, 1), (4, 3, 1, 1, 1)]
    fixed += [(7, 3, 2, 1, 1), (8, 3, 2, 1, 1), (5, 3, 1, 0, 2), (6, 2, 2, 0, 2), (6, 3, 3, 0, 1), (9, 2, 4, 0, 1)]
    fixed += [(2, 3, 2, 1, 1), (4, 3, 1, 0, 2), (3, 2, 2, 0, 3), (64, 7, 2, 3, 1), (224, 3, 2, 0, 1), (11, 3, 3, 2, 3)]
    ranges = ((1, 40), (1, 8), (1, 5), (0, 4), (1, 4))
    drawn = [tuple(int(torch.randint(*r, (), generator=random)) for r in ranges) for _ in range(20)]
    for n, k, s, p, d in fixed + sorted(drawn):
        found = _placed(n, k, s, p, d)
        right = ValueError if found is None else list(found)
        room = n + 2 * p - d * (k - 1) - 1

        def sizes(room: int, rest: int, s: int = s) -> list[int] | type:
            return ValueError if room < 0 else [room // s + 1, rest]

        mistakes = {
            "Your output padding is always 0; rows that the stride left out must come back.": sizes(room, 0),
            "The + 1 is missing: a kernel that just fits has one position, not none.": (
                ValueError if room < 0 else [room // s, room % s]
            ),
            "The two values have changed places: m comes first.": sizes(room, 0)
            if room < 0
            else [room % s, room // s + 1],
            "You rounded up; a last step that does not fit whole is not made.": (
                ValueError if room < 0 else [-(-room // s) + 1, room % s]
            ),
            "The rest is that of n by the stride; what counts is what is left when the kernel has been placed.": (
                sizes(room, n % s),
                sizes(room, (n + 2 * p) % s),
            ),
            "Your output padding is what is lacking to the next step; it is what the last step left over.": (
                sizes(room, -room % s),
                sizes(room, s - room % s),
            ),
            "Your output padding is that of stride·m; the way back also depends on kernel and padding.": sizes(
                room, n - s * (room // s + 1)
            ),
            "It is always s − 1, which is right only where the rest is the largest there can be.": sizes(room, s - 1),
            "The dilation is missing: with it the kernel spans d(k − 1) + 1 pixels.": (
                sizes(n + 2 * p - k, (n + 2 * p - k) % s)
            ),
            "Your kernel spans d·k pixels; the last tap has nothing behind it: d(k − 1) + 1.": sizes(
                n + 2 * p - d * k, (n + 2 * p - d * k) % s
            ),
            "You padded one side only; there are p zeros at each end, 2p in all.": sizes(room - p, (room - p) % s),
            "The padding is missing.": sizes(room - 2 * p, (room - 2 * p) % s),
            "Both values are needed: the size m, and the output padding q.": (
                (room // s + 1, room % s) if room >= 0 else ValueError
            ),
        }
        if room < 0:
            mistakes["The kernel does not fit into the padded input: raise a ValueError, no size is 0 or below."] = (
                [room // s + 1, room % s],
                [0, 0],
                [0, room % s],
                [0, room],
                [max(0, room // s + 1), max(0, room % s)],
            )
        inputs = {"n": n, "kernel": k, "stride": s, "padding": p, "dilation": d}
        yield Case(inputs, right, mistakes)
