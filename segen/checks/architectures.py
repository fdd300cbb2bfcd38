"""The judges of the chapter `architectures`: residual_block, squeeze_excitation, network_costs and two more."""

import math
from collections.abc import Iterator

import torch
from torch import nn
from torch.nn import functional as F

from segen.checks.judging import Case, exercise


def _draw(*shape: int, random: torch.Generator) -> torch.Tensor:
    """Draw numbers with one decimal from −2 to 2: a counter-example is read more easily with them."""
    return torch.randint(-20, 21, shape, generator=random) / 10


# residual_block -------------------------------------------------------------------------------------------------


_NO_SHORTCUT = "The shortcut is missing: x, or its projection, is added to what the convolutions give."
_NO_LAST = "The last rectifier is missing: it comes after the sum."
_LAST_EARLY = "You rectified before the sum; the rectifier comes after it."
_NONE_BETWEEN = (
    "A rectifier between the convolutions is missing: there is one after the first and one after the second."
)
_STRIDE_FIRST = "You took the stride in the first 1×1 convolution, as the paper does; here the 3×3 has it."
_STRIDE_SHORTCUT = "The projection has no stride: what is added must have the sides of the branch."
_NO_PADDING = "The 3×3 convolution has no padding: it must keep the sides."
_UNUSED = "A projection was given and you added x itself."
_PRE_ACTIVATED = (
    "That is the pre-activated unit: here the rectifiers come after the convolutions and after the sum, none before."
)
_RECTIFIED = "You rectified the projection; what is added is linear in x."


def _convolve(x: torch.Tensor, weight: torch.Tensor, stride: int = 1) -> torch.Tensor:
    """Convolve in float64, tap by tap, padded so that the size is kept at stride 1."""
    (n, _, height, width), (out, _, k, _) = x.shape, weight.shape
    p = k // 2
    framed = x.new_zeros(n, x.shape[1], height + 2 * p, width + 2 * p, dtype=torch.float64)
    framed[:, :, p : p + height, p : p + width] = x
    y = torch.zeros(n, out, -(-height // stride), -(-width // stride), dtype=torch.float64)
    for i in range(k):
        for j in range(k):
            rows = framed[:, :, i : i + height : stride, j : j + width : stride]
            y += torch.einsum("nchw,oc->nohw", rows, weight[:, :, i, j].double())
    return y


@exercise(
    "architectures",
    hints=(
        "Two ways lead from x to the sum: three convolutions, and the shortcut. Write each on a line of its own.",
        "1×1, rectifier, 3×3 with padding 1 and the stride, rectifier, 1×1. The shortcut: x, or 1×1 with the stride.",
        "F.relu(branch + (x if projection is None else F.conv2d(x, projection, stride=stride))).",
    ),
)
def residual_block(random: torch.Generator) -> Iterator[Case]:
    """`residual_block(x [N, A, H, W], reduce [C, A, 1, 1], middle [C, C, 3, 3], expand, projection, stride=1)`.

    A bottleneck without batch norm, its stride in the 3×3 convolution.
    """
    settings = [
        (1, 1, 1, 1, (1, 2), 1, False),
        (1, 1, 1, 1, (2, 2), 1, False),
        (1, 2, 1, 2, (2, 3), 1, True),
        (1, 1, 2, 3, (4, 3), 2, True),
        (2, 3, 2, 4, (5, 7), 1, True),
        (2, 4, 3, 4, (6, 5), 1, False),
        (2, 3, 2, 5, (7, 8), 2, True),
        (1, 2, 3, 2, (7, 5), 3, True),
    ]
    for n, a, c, b, size, stride, project in settings:
        x = _draw(n, a, *size, random=random)
        reduce, middle = _draw(c, a, 1, 1, random=random), _draw(c, c, 3, 3, random=random)
        expand = _draw(b, c, 1, 1, random=random)
        projection = _draw(b, a, 1, 1, random=random) if project else None
        first = _convolve(x, reduce)
        second = _convolve(first.relu(), middle, stride)
        branch = _convolve(second.relu(), expand)
        shortcut = _convolve(x, projection, stride) if project else x.double()
        right = (branch + shortcut).relu()

        def rest(second: torch.Tensor, expand=expand, shortcut=shortcut) -> torch.Tensor:
            return (_convolve(second, expand) + shortcut).relu()

        unrectified = _convolve(first, middle, stride)
        before = _convolve(_convolve(_convolve(x.relu(), reduce).relu(), middle, stride).relu(), expand)
        mistakes = {
            _NO_SHORTCUT: (branch, branch.relu()),
            _NO_LAST: branch + shortcut,
            _LAST_EARLY: branch.relu() + shortcut,
            _NONE_BETWEEN: (rest(second), rest(unrectified.relu()), rest(unrectified)),
            _STRIDE_FIRST: rest(_convolve(_convolve(x, reduce, stride).relu(), middle).relu()),
            _STRIDE_SHORTCUT: right if stride == 1 else RuntimeError,
            _NO_PADDING: RuntimeError,
            _PRE_ACTIVATED: (before + shortcut, before + (_convolve(x.relu(), projection, stride) if project else x)),
        }
        if project:
            mistakes[_RECTIFIED] = (branch + shortcut.relu()).relu()
            mistakes[_UNUSED] = (branch + x).relu() if stride == 1 and a == b else RuntimeError
        else:
            mistakes |= {_RECTIFIED: right, _UNUSED: right}
        inputs = {"x": x, "reduce": reduce, "middle": middle, "expand": expand, "projection": projection}
        yield Case(inputs | {"stride": stride}, right, mistakes)


# squeeze_excitation ---------------------------------------------------------------------------------------------


_SUM = "You summed over the positions; the squeeze takes their mean."
_MAXIMUM = "You took the largest value of each channel; the squeeze takes the mean."
_WHOLE_BATCH = "Your means run over the batch, too: each image has its own."
_ONE_IMAGE = "You weighed all images by the means of one; each has its own."
_NO_RELU = "The rectifier between the two layers is missing."
_NO_SIGMOID = "The sigmoid at the end is missing: the weights lie between 0 and 1."
_SOFTMAX = "You used a softmax: the channels do not compete, each has a sigmoid of its own."
_WEIGHTS_ONLY = "You returned the weights; multiply x by them."
_ADDED = "You added the weights; each channel is multiplied by its own."
_NO_BIASES = "The biases are missing."
_ONE_BIAS = "One of the two biases is missing: each layer has its own."
_COLUMNS = "You weighed rows or columns: the weights [N, C] need two more axes before they meet [N, C, H, W]."


@exercise(
    "architectures",
    hints=(
        "Three lines: the mean of each channel, the two small layers, the product. Write the shape beside each.",
        "x.mean((2, 3)) is [N, C]; with w1 [R, C] the first layer is means @ w1.T + b1, then a rectifier.",
        "s = torch.sigmoid(hidden @ w2.T + b2) is [N, C]; return x * s[:, :, None, None].",
    ),
)
def squeeze_excitation(random: torch.Generator) -> Iterator[Case]:
    """`squeeze_excitation(x [N, C, H, W], w1 [R, C], b1 [R], w2 [C, R], b2 [C])` → `[N, C, H, W]`."""
    for n, c, r, height, width in ((1, 1, 1, 1, 2), (1, 2, 1, 2, 2), (2, 3, 2, 2, 3), (3, 4, 2, 5, 3), (2, 8, 3, 4, 6)):
        x, w1, b1 = (_draw(*shape, random=random) for shape in ((n, c, height, width), (r, c), (r,)))
        w2, b2 = _draw(c, r, random=random), _draw(c, random=random)
        # At least one hidden neuron must be negative for one image, and one positive, or the rectifier cannot be seen.
        b1[0] = -(x[0].double().mean((1, 2)) @ w1[0].double()).item() + (0.7 if n * c % 2 else -0.7)

        def logits(means: torch.Tensor, first=1, second=1, rectify=torch.relu, w1=w1, b1=b1, w2=w2, b2=b2):
            hidden = torch.einsum("nc,rc->nr", means, w1.double()) + first * b1
            return torch.einsum("nr,cr->nc", rectify(hidden), w2.double()) + second * b2

        def weighed(s: torch.Tensor, x=x) -> torch.Tensor:
            return torch.einsum("nchw,nc->nchw", x.double(), s)

        means = torch.einsum("nchw->nc", x.double()) / (height * width)
        z = logits(means)
        s = 1 / (1 + torch.exp(-z))
        mistakes = {
            _SUM: weighed(logits(means * height * width).sigmoid()),
            _MAXIMUM: weighed(logits(x.double().amax((2, 3))).sigmoid()),
            _WHOLE_BATCH: weighed(logits(means.mean(0, keepdim=True).expand(n, c)).sigmoid()),
            _ONE_IMAGE: (
                weighed(logits(means[:1].expand(n, c)).sigmoid()),
                weighed(logits(means[-1:].expand(n, c)).sigmoid()),
            ),
            _NO_RELU: weighed(logits(means, rectify=lambda h: h).sigmoid()),
            _NO_SIGMOID: (weighed(z), weighed(z.relu())),
            _SOFTMAX: weighed(z.softmax(1)),
            _WEIGHTS_ONLY: (s, s[:, :, None, None], s[:, :, None, None].expand(n, c, height, width)),
            _ADDED: x + s[:, :, None, None],
            _NO_BIASES: weighed(logits(means, 0, 0).sigmoid()),
            _ONE_BIAS: (weighed(logits(means, 0, 1).sigmoid()), weighed(logits(means, 1, 0).sigmoid())),
            _COLUMNS: x * s if n in (1, height) and c in (1, width) else RuntimeError,
        }
        yield Case({"x": x, "w1": w1, "b1": b1, "w2": w2, "b2": b2}, weighed(s), mistakes)


# network_costs --------------------------------------------------------------------------------------------------


_NO_BIAS = "The biases are missing from the parameters: one for each output channel."
_INPUT_SIDES = "You took the sides of the input for the multiply-adds; what counts is how many numbers come out."
_KERNEL = "A kernel of side k has k·k taps, for each channel that it reads."
_POOL_IGNORED = "A pooling has no weights, but it changes the sides for what follows."
_CHANNELS = "Each layer reads the channels that the one before it put out, not those of the image."
_BIAS_WORK = "You counted the biases among the multiply-adds; they are added to the sums, which costs nothing here."
_DOUBLED = "You counted each multiplication and each addition; a multiply-add is both together."
_FLAT = "A linear layer reads all positions of all channels: C·H·W numbers."
_NO_PAD = "You left out the padding when you followed the sides."
_SQUARE = "Height and width are not the same: follow both."
_ROUNDED_UP = "You rounded the sides up; where the kernel does not fit any more there is no output."
_HALVED = "A pooling leaves (n − k) // s + 1 places; n // s is that only where k is s."
_POOL_STRIDE = "A pooling has a stride of its own, its second number; it need not be its kernel."
_SWAPPED = "Parameters come first, multiply-adds second."


def _by_building(layers: list[tuple], channels: int, size: tuple[int, int]) -> list[int]:
    """Build each layer on the meta device and look at what it has and what it gives."""
    total, work, x = 0, 0, torch.zeros(1, channels, *size, device="meta")
    for kind, *numbers in layers:
        if kind == "pool":
            x = F.max_pool2d(x, *numbers)
            continue
        x = x if kind == "conv" else x.flatten(1)
        layer = (
            nn.Conv2d(x.shape[1], *numbers, device="meta")
            if kind == "conv"
            else nn.Linear(x.shape[1], *numbers, device="meta")
        )
        x = layer(x)
        total += layer.weight.numel() + layer.bias.numel()
        work += x.numel() * layer.weight[0].numel()
    return [total, work]


def _by_formula(
    layers: list[tuple],
    channels: int,
    size: tuple[int, int],
    *,
    bias: int = 1,
    bias_work: int = 0,
    factor: int = 1,
    taps: int = 2,
    flat: bool = True,
    pool: bool = True,
    padded: bool = True,
    input_sides: bool = False,
    follow: bool = True,
    square: int | None = None,
    up: bool = False,
    halved: bool = False,
    own_stride: bool = True,
) -> list[int]:
    """Count by the formulas, with the changes that make mistakes of them."""
    total, work, now = 0, 0, list(size)
    if square is not None:
        now = [now[square]] * 2
    a = channels
    for kind, *numbers in layers:
        if kind == "linear":
            inputs = a * math.prod(now) if flat else a
            total += (inputs + bias) * numbers[0]
            work += (inputs + bias_work) * numbers[0]
            a, now = numbers[0], [1, 1]
            continue
        k, stride, p = (*numbers, 0) if kind == "pool" else numbers[1:]
        before = math.prod(now)
        if pool or kind == "conv":
            rounding = math.ceil if up else math.floor
            stride = stride if own_stride or kind == "conv" else k
            sides = [rounding((side + (2 * p if padded else 0) - k) / stride) + 1 for side in now]
            now = [side // stride for side in now] if halved and kind == "pool" else sides
        if kind == "conv":
            b, products = numbers[0], (a if follow else channels) * k**taps
            total += (products + bias) * b
            work += (before if input_sides else math.prod(now)) * b * (products + bias_work)
            a = b
    return [total, factor * work]


@exercise(
    "architectures",
    hints=(
        "Go through the layers and carry three numbers along: channels, height and width of the map.",
        "A side of n becomes (n + 2p − k) // s + 1. Multiply-adds: (numbers that come out) · (products for each).",
        "conv: (a·k·k + 1)·b parameters, h·w·b·a·k·k multiply-adds, new sides; linear: the same with a·h·w inputs.",
    ),
)
def network_costs(random: torch.Generator) -> Iterator[Case]:
    """`network_costs(layers, channels, size)` → (parameters, multiply-adds) for one image."""

    def number(low: int, high: int) -> int:
        return int(torch.randint(low, high + 1, (), generator=random))

    settings = [
        ([("conv", 2, 1, 1, 0)], 1, (1, 2)),
        ([("conv", 2, 2, 1, 0)], 1, (2, 3)),
        ([("conv", 2, 3, 1, 1)], 2, (4, 5)),
        ([("linear", 3)], 2, (2, 3)),
        ([("conv", 4, 3, 2, 1), ("conv", 5, 1, 1, 0)], 3, (8, 6)),
        ([("pool", 2, 2), ("conv", 3, 3, 1, 1)], 2, (5, 8)),
        ([("conv", 4, 3, 1, 1), ("pool", 3, 2), ("linear", 7), ("linear", 2)], 3, (8, 12)),
    ]
    settings += [
        (
            [
                ("conv", number(4, 40), 5, 2, 2),
                ("pool", 2, 2),
                ("conv", number(4, 40), 3, 1, number(0, 1)),
                ("pool", 3, 2),
                ("linear", number(10, 90)),
                ("linear", 10),
            ],
            number(1, 4),
            (number(30, 50), number(52, 70)),
        )
        for _ in range(2)
    ]
    for layers, channels, size in settings:
        right = _by_building(layers, channels, size)
        changes = {
            _NO_BIAS: {"bias": 0},
            _INPUT_SIDES: {"input_sides": True},
            _KERNEL: {"taps": 1},
            _POOL_IGNORED: {"pool": False},
            _CHANNELS: {"follow": False},
            _BIAS_WORK: {"bias_work": 1},
            _DOUBLED: {"factor": 2},
            _FLAT: {"flat": False},
            _NO_PAD: {"padded": False},
            _ROUNDED_UP: {"up": True},
            _HALVED: {"halved": True},
            _POOL_STRIDE: {"own_stride": False},
        }
        mistakes = {says: _by_formula(layers, channels, size, **change) for says, change in changes.items()}
        mistakes[_SQUARE] = tuple(_by_formula(layers, channels, size, square=side) for side in (0, 1))
        yield Case({"layers": layers, "channels": channels, "size": size}, right, mistakes | {_SWAPPED: right[::-1]})


# dense_channels -------------------------------------------------------------------------------------------------


_ONCE = "You added the growth once a block; every layer of the block adds it."
_NO_TRANSITION = "The transition between two blocks is missing: it keeps only a share of the channels."
_LAST_TRANSITION = "There is no transition after the last block."
_AFTER_TRANSITION = "You noted the channels after each transition; asked are those after each block."
_TRANSITION_FIRST = "The first block reads what the stem gives: the transition comes after it."
_ROUNDED = "Half a channel is left out: round down, as the paper does."
_HALF = "You kept a half; the transition keeps the share `compression`."
_DIVIDED = "Multiply by compression: 1 / compression need not be a whole number."
_KEPT_REST = "You kept what the transition leaves out: compression is the share that stays."
_REPLACED = "You forgot what went in: a dense block keeps it and appends."
_TIMES = "The channels grow by addition: each layer appends `growth` maps."


@exercise(
    "architectures",
    hints=(
        "Follow one number. A layer appends; a transition shrinks. When does which happen?",
        "After a block of n layers there are n · growth more. Note the number, then compress, then the next block.",
        "for each count: channels += count * growth; append to the list; channels = int(compression * channels).",
    ),
)
def dense_channels(random: torch.Generator) -> Iterator[Case]:
    """`dense_channels(channels, growth, blocks, compression=0.5)` → the channels after each block, a list."""

    def number(low: int, high: int) -> int:
        return int(torch.randint(low, high + 1, (), generator=random))

    settings = [(4, 3, (1,), 0.5), (4, 3, (2, 1), 0.5), (7, 3, (3, 2), 0.5), (64, 32, (6, 12, 24, 16), 0.5)]
    settings += [(16, 12, (4, 4, 4), 1.0), (10, 5, (3, 2, 4), 0.25), (6, 4, (2, 3, 1), 0.75)]
    settings += [(number(3, 90), number(3, 40), tuple(number(1, 9) for _ in range(4)), 0.5) for _ in range(2)]

    def follow(channels, growth, blocks, compression, *, last=False, first=False, once=False, keep=1, up=False):
        inside, after = [], []
        for count in blocks:
            if first:
                channels = math.floor(compression * channels)
            for _ in range(1 if once else count):
                channels = channels + growth
            if not keep:
                channels = count * growth
            inside.append(channels)
            if not first:
                channels = (math.ceil if up else math.floor)(compression * channels)
            after.append(channels)
        return after if last else inside

    for setting in settings:
        right = follow(*setting)
        after = follow(*setting, last=True)
        channels, growth, blocks, compression = setting
        times = [channels * growth]
        for _ in blocks[1:]:
            times.append(int(compression * times[-1]) * growth)
        mistakes = {
            _ONCE: follow(*setting, once=True),
            _NO_TRANSITION: follow(channels, growth, blocks, 1.0),
            _LAST_TRANSITION: [*right[:-1], after[-1]],
            _AFTER_TRANSITION: (after, [*after[:-1], right[-1]]),
            _TRANSITION_FIRST: follow(*setting, first=True),
            _ROUNDED: follow(*setting, up=True),
            _REPLACED: follow(*setting, keep=0),
            _TIMES: times,
            _HALF: follow(channels, growth, blocks, 0.5),
            _DIVIDED: follow(channels, growth, blocks, 1 / int(1 / compression)),
            _KEPT_REST: follow(channels, growth, blocks, 1 - compression),
        }
        inputs = {"channels": channels, "growth": growth, "blocks": blocks, "compression": compression}
        yield Case(inputs, right, mistakes)


# fold_batch_norm ------------------------------------------------------------------------------------------------


_NO_ROOT = "You divided by the variance; it is the root of it (and of eps) that is divided by."
_EPS_OUTSIDE = "Eps belongs under the root, added to the variance."
_NO_EPS = "Eps is missing: it is added to the variance."
_NO_MEAN = "The mean is not subtracted: what the convolution gives is centred first."
_MEAN_UNSCALED = "The mean is subtracted before the scaling, so it is scaled, too."
_MEAN_ADDED = "The mean is subtracted, not added."
_NO_GAMMA = "Gamma is missing: the normed map is multiplied by it."
_NO_BETA = "Beta is missing: it is added at the end."
_INPUT_AXIS = "You scaled the input channels; the norm comes after the convolution and scales its outputs, axis 0."
_WEIGHT_ONLY = "Scale the weight as well as the bias: the norm divides what the convolution gives."


@exercise(
    "architectures",
    hints=(
        "Write the norm of one channel as a·y + b, with y what the convolution gives. What are a and b?",
        "a = gamma / sqrt(variance + eps), b = beta − a · mean; a scales each of the kernels of that output channel.",
        "return weight * a[:, None, None, None], beta − a * mean.",
    ),
)
def fold_batch_norm(random: torch.Generator) -> Iterator[Case]:
    """`fold_batch_norm(weight [O, C, k, k], mean [O], variance [O], gamma [O], beta [O], eps)` → (weight, bias)."""
    for out, c, k, eps in ((1, 1, 1, 1.0), (2, 1, 1, 0.1), (2, 2, 1, 0.1), (3, 2, 3, 0.5), (4, 4, 2, 1e-5)):
        weight, mean, beta = (_draw(*shape, random=random) for shape in ((out, c, k, k), (out,), (out,)))
        variance, gamma = (torch.randint(2, 30, (out,), generator=random) / 10 for _ in range(2))

        def through(pixels, w=weight, mean=mean, variance=variance, gamma=gamma, beta=beta, eps=eps):
            y = F.conv2d(pixels, w.double())
            return F.batch_norm(y, *(t.double() for t in (mean, variance, gamma, beta)), eps=eps)[:, :, 0, 0]

        # What a linear map does to nothing is its bias, and to one pixel more is its weight.
        bias = through(torch.zeros(1, c, k, k, dtype=torch.float64))[0]
        pixels = torch.eye(c * k * k, dtype=torch.float64).view(-1, c, k, k)
        folded = (through(pixels) - bias).T.reshape(out, c, k, k)

        def made(a: torch.Tensor, b: torch.Tensor, weight=weight) -> list[torch.Tensor]:
            return [weight * a.view(-1, 1, 1, 1), b]

        a = gamma / (variance + eps).sqrt()
        wrong = {
            _NO_ROOT: gamma / (variance + eps),
            _EPS_OUTSIDE: gamma / (variance.sqrt() + eps),
            _NO_EPS: gamma / variance.sqrt(),
            _NO_GAMMA: 1 / (variance + eps).sqrt(),
        }
        mistakes = {says: made(scale, beta - scale * mean) for says, scale in wrong.items()}
        mistakes |= {
            _NO_MEAN: made(a, beta),
            _MEAN_UNSCALED: made(a, beta - mean),
            _MEAN_ADDED: made(a, beta + a * mean),
            _NO_BETA: made(a, -a * mean),
            _WEIGHT_ONLY: [weight, beta - a * mean],
            _INPUT_AXIS: [weight * a.view(1, -1, 1, 1), beta - a * mean] if out in (1, c) or c == 1 else RuntimeError,
        }
        inputs = {"weight": weight, "mean": mean, "variance": variance, "gamma": gamma, "beta": beta, "eps": eps}
        yield Case(inputs, [folded, bias], mistakes)
