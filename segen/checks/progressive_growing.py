"""The judges of the chapter `progressive_growing`: pixel_norm, equal_linear, grouped_deviation, fade_in and level."""

import math
from collections.abc import Iterator

import torch

from segen.checks.judging import Case, exercise

# pixel_norm -----------------------------------------------------------------------------------------------------


def _pixels_normed(x: torch.Tensor, eps: float) -> torch.Tensor:
    """Return each place's vector, divided by the root of its mean square: one place after the other."""
    places = x.movedim(1, -1).reshape(-1, x.shape[1]).tolist()
    normed = [[v / math.sqrt(math.fsum(w * w for w in place) / len(place) + eps) for v in place] for place in places]
    rest = [side for axis, side in enumerate(x.shape) if axis != 1]
    return torch.tensor(normed).view(*rest, x.shape[1]).movedim(-1, 1)


@exercise(
    "progressive_growing",
    hints=(
        "Take one place with the channels 3 and 4, and eps 0: their mean square is 12.5. What should come out?",
        "x.square().mean(1, keepdim=True) is one number for each image and place, [N, 1, …]; nothing else is averaged.",
        "x / (x.square().mean(1, keepdim=True) + eps).sqrt(); eps stands under the root.",
    ),
)
def pixel_norm(random: torch.Generator) -> Iterator[Case]:
    """`pixel_norm(x float [N, C, …], eps float)` → float, as `x`: the mean square over channels is 1 at each place."""
    shapes = [(1, 2), (2, 3), (3, 2, 2, 2), (2, 5, 3, 4), (4, 3, 5, 5), (2, 8, 4), (5, 16), (3, 6, 2, 7)]
    for number, shape in enumerate(shapes):
        x = torch.randn(shape, generator=random) * (1 + number % 3) + 0.5
        if number < 2:
            x = torch.randint(1, 9, shape, generator=random).float()
        if number == 4:
            x[1, :, 2, 3] = 0.0  # a place where all is 0 stays 0
        eps = (0.0, 0.5, 1e-8, 0.2)[number % 4]
        eps = 1e-8 if number == 4 else eps
        rest = [axis for axis in range(x.ndim) if axis != 1]
        squares = x.square()
        mean = squares.mean(1, keepdim=True)
        centred = x - x.mean(1, keepdim=True)
        mistakes = {
            "You divided by the length of the vector, the root of the sum; it is the root of the mean.": x
            / (squares.sum(1, keepdim=True) + eps).sqrt(),
            "You forgot the root.": x / (mean + eps),
            "You added eps outside the root; it is added to the mean square, under it.": x / (mean.sqrt() + eps),
            "You took one mean for each channel, over images and places, as batch norm does; it is over channels.": x
            / (squares.mean(rest, keepdim=True) + eps).sqrt(),
            "You took one mean for all of an image; each place has its own.": x
            / (squares.mean(list(range(1, x.ndim)), keepdim=True) + eps).sqrt(),
            "You took one mean for the whole batch; each image and each place has its own.": x
            / (squares.mean() + eps).sqrt(),
            "You took the mean over the images; it is over the channels, axis 1.": x
            / (squares.mean(0, keepdim=True) + eps).sqrt(),
            "You subtracted the mean: pixel norm only divides.": centred
            / (centred.square().mean(1, keepdim=True) + eps).sqrt(),
            "You divided by the standard deviation; the mean is not taken off before squaring.": x
            / (centred.square().mean(1, keepdim=True) + eps).sqrt(),
            "You took the mean of absolute values; take the root of the mean square.": x
            / (x.abs().mean(1, keepdim=True) + eps),
            "You multiplied by the root; divide.": x * (mean + eps).sqrt(),
            "You divided by the greatest channel; take the root of the mean square.": x
            / (x.abs().amax(1, keepdim=True) + eps),
            "You multiplied by √C as well: the mean square is 1 already.": x
            / (mean + eps).sqrt()
            * math.sqrt(x.shape[1]),
        }
        if eps:
            mistakes["You took a small number of your own; eps is given."] = x / (mean + 1e-8).sqrt()
            mistakes["You added eps to the sum of the squares; it is added to their mean."] = (
                x / (mean + eps / x.shape[1]).sqrt()
            )
            mistakes["You left eps out: where all channels are 0, that is 0 / 0."] = x / mean.sqrt()
        if x.ndim > 2:
            mistakes["You took one mean for each channel, over the places; it is over the channels."] = (
                x / (squares.mean(rest[1:], keepdim=True) + eps).sqrt()
            )
            mistakes["You took the mean over the last axis; channels are axis 1."] = (
                x / (squares.mean(-1, keepdim=True) + eps).sqrt()
            )
        yield Case({"x": x, "eps": eps}, _pixels_normed(x, eps), mistakes)


# equal_linear ---------------------------------------------------------------------------------------------------


@exercise(
    "progressive_growing",
    hints=(
        "Take one unit with four inputs that are all 1, weights that are all 1, gain 1: the output is 4 / √4 = 2, "
        "plus the bias.",
        "The scale is gain / √I, with I the inputs of a unit, weight.shape[1]. It multiplies the weights only.",
        "x @ (weight * gain / weight.shape[1] ** 0.5).T + bias.",
    ),
)
def equal_linear(random: torch.Generator) -> Iterator[Case]:
    """`equal_linear(x float [N, I], weight float [O, I], bias float [O], gain float)` → float [N, O]."""
    shapes = [(1, 4, 1), (1, 2, 3), (2, 3, 2), (3, 9, 4), (4, 5, 8), (2, 16, 6), (5, 30, 7)]
    for number, (n, inputs, outputs) in enumerate(shapes):
        x = torch.randn(n, inputs, generator=random)
        weight = torch.randn(outputs, inputs, generator=random)
        bias = torch.randn(outputs, generator=random)
        if number < 2:
            x, weight, bias = ((4 * v).round() for v in (x, weight, bias))
            x[0, 0], weight[0, 0], bias[0] = 3.0, 2.0, 5.0
        gain = (2.0, 3.0, 2**0.5, 0.5)[number % 4]
        products = [[math.fsum(a * b for a, b in zip(r, w, strict=True)) for w in weight.tolist()] for r in x.tolist()]
        product = torch.tensor(products)
        right = product * gain / math.sqrt(inputs) + bias
        mistakes = {
            "You did not scale the weights: gain / √I is missing.": product + bias,
            "You divided by I; divide by its root.": product * gain / inputs + bias,
            "You left the gain out.": product / math.sqrt(inputs) + bias,
            "You divided by the gain; it multiplies.": product / gain / math.sqrt(inputs) + bias,
            "You put the gain under the root; it is gain / √I.": product * math.sqrt(gain / inputs) + bias,
            "You squared the gain.": product * gain**2 / math.sqrt(inputs) + bias,
            "You scaled the bias, too; only the weights are scaled.": (product + bias) * gain / math.sqrt(inputs),
            "You multiplied by √I; divide by it.": product * gain * math.sqrt(inputs) + bias,
            "You left the bias out.": product * gain / math.sqrt(inputs),
            "You subtracted the bias.": product * gain / math.sqrt(inputs) - bias,
            "You multiplied by the gain alone; divide by √I, too.": product * gain + bias,
            "You multiplied the bias by the gain; it is used as it is.": product * gain / math.sqrt(inputs)
            + bias * gain,
            "You multiplied by √2 besides; that is what the gain may be.": product * gain * math.sqrt(2 / inputs)
            + bias,
            "You took √2 for the gain, whatever it is.": product * math.sqrt(2 / inputs) + bias,
        }
        if inputs != outputs:
            mistakes |= {
                "You took the number of units, O; a unit's inputs count, I.": product * gain / math.sqrt(outputs)
                + bias,
                "You took inputs and outputs together; a unit's inputs count, I.": (
                    product * gain / math.sqrt(inputs + outputs) + bias,
                    product * gain * math.sqrt(2 / (inputs + outputs)) + bias,
                ),
                "You took all weights of the layer, I·O; a unit's inputs count, I.": product
                * gain
                / math.sqrt(inputs * outputs)
                + bias,
            }
        if n != inputs:
            mistakes["You took the number of rows, N; a unit's inputs count, I."] = product * gain / math.sqrt(n) + bias
        own = [weight.std(correction=c) if weight.numel() > 1 else torch.nan for c in (0, 1)]
        mistakes["You divided by the weights' own deviation: the scale is a constant, whatever the weights are."] = (
            *(product * gain / math.sqrt(inputs) / one + bias for one in own),
        )
        lengths = weight.square().sum(1).sqrt()
        mistakes["You divided by the weights' own length: the scale is a constant, whatever the weights are."] = (
            product * gain / lengths + bias
        )
        yield Case({"x": x, "weight": weight, "bias": bias, "gain": gain}, right, mistakes)


# grouped_deviation ----------------------------------------------------------------------------------------------


def _deviation(maps: torch.Tensor) -> float:
    """Return the mean over all channels and places of the deviation over the images `[M, C, H, W]`."""
    columns = maps.flatten(1).T.tolist()
    total = 0.0
    for column in columns:
        mean = math.fsum(column) / len(column)
        total += math.sqrt(math.fsum((v - mean) ** 2 for v in column) / len(column) + 1e-8)
    return total / len(columns)


def _with_channel(x: torch.Tensor, numbers: torch.Tensor, *, first: bool = False) -> torch.Tensor:
    """Return `x` with one channel more, after the others or `first`, that holds `numbers` (one an image, or more)."""
    numbers = numbers.reshape(-1, 1, 1, 1) if numbers.ndim < 2 else numbers
    channel = numbers.expand(len(x), 1, *x.shape[2:])
    return torch.cat([channel, x] if first else [x, channel], 1)


@exercise(
    "progressive_growing",
    hints=(
        "Take two images of one pixel, 1 and 3, in one group: their mean is 2, their deviation 1. All pixels of the "
        "new channel are 1.",
        "x.view(-1, group, C, H, W) has the groups along axis 0 and their images along axis 1; the deviation is taken "
        "along axis 1, divided by `group`, and averaged over C, H and W: one number a group.",
        "spread = (groups.var(1, correction=0) + 1e-8).sqrt().mean((1, 2, 3)); spread.repeat_interleave(group) has one "
        "number an image. Use reshape where view refuses.",
    ),
)
def grouped_deviation(random: torch.Generator) -> Iterator[Case]:
    """`grouped_deviation(x float [N, C, H, W], group int)` → float [N, C + 1, H, W]; groups are of neighbours."""
    shapes = [
        (2, 1, 1, 1, 2),
        (4, 1, 1, 2, 2),
        (4, 2, 2, 2, 2),
        (6, 3, 2, 3, 3),
        (6, 2, 4, 4, 2),
        (8, 3, 4, 4, 4),
        (5, 4, 3, 2, 5),
        (12, 2, 3, 3, 4),
    ]
    for number, (n, channels, height, width, group) in enumerate(shapes):
        x = torch.randn(n, channels, height, width, generator=random)
        if number < 2:
            x = torch.randint(0, 9, x.shape, generator=random).float()
            x[0], x[1] = 1.0, 7.0
            if number:
                x[2], x[3], x[3, 0, 0, 1] = 2.0, 5.0, -2.0
        elif number == 4:
            x[:group] = x[:1]  # a group of equal images
        x = x * (1 + torch.arange(n).div(group, rounding_mode="floor")).view(-1, 1, 1, 1)
        groups = x.view(-1, group, channels, height, width)

        def each(values: torch.Tensor, group: int = group) -> torch.Tensor:
            return values.repeat_interleave(group)

        right = _with_channel(x, each(torch.tensor([_deviation(images) for images in groups])))
        spread = (groups.var(1, correction=0) + 1e-8).sqrt()
        mean = spread.mean((1, 2, 3))
        turned = x.view(group, -1, channels, height, width)
        strided = (turned.var(0, correction=0) + 1e-8).sqrt().mean((1, 2, 3))
        by_number = (turned.var(1, correction=0) + 1e-8).sqrt().mean((1, 2, 3))
        off = groups - groups.mean(1, keepdim=True)
        mistakes = {
            "You put the new channel first; it comes last.": _with_channel(x, each(mean), first=True),
            "You divided by one less than the group has images; divide by their number.": _with_channel(
                x, each((groups.var(1, correction=1) + 1e-8).sqrt().mean((1, 2, 3)))
            ),
            "You forgot the root: that is the variance.": _with_channel(
                x, each(groups.var(1, correction=0).mean((1, 2, 3)))
            ),
            "You took the root of the mean variance; take the mean of the roots.": _with_channel(
                x, each((groups.var(1, correction=0).mean((1, 2, 3)) + 1e-8).sqrt())
            ),
            "You added the deviations up; take their mean over channels and places.": _with_channel(
                x, each(spread.sum((1, 2, 3)))
            ),
            "You averaged over channels only: each place got its own number.": _with_channel(
                x, spread.mean(1, keepdim=True).repeat_interleave(group, 0)
            ),
            "You took the deviation within each image; it is over the images of a group.": _with_channel(
                x, x.flatten(1).var(1, correction=0).add(1e-8).sqrt()
            ),
            "You took the deviation of all numbers of a group together; first over images, then the mean.": (
                _with_channel(x, each(groups.flatten(1).var(1, correction=0).add(1e-8).sqrt()))
            ),
            "You took the deviation of the images' means; take it at each channel and place, then the mean.": (
                _with_channel(x, each(groups.mean((2, 3, 4)).var(1, correction=0).add(1e-8).sqrt()))
            ),
            "You took `group` for the number of groups; it is how many images each has.": _with_channel(
                x, by_number.repeat_interleave(n // group)
            ),
            "You took the mean of absolute values; a deviation is the root of a mean square.": _with_channel(
                x, each(off.abs().mean((1, 2, 3, 4)))
            ),
            "You did not subtract the mean over the group's images.": _with_channel(
                x, each((groups.square().mean(1) + 1e-8).sqrt().mean((1, 2, 3)))
            ),
            "You averaged over places only: each channel got a channel of its own; add one alone.": torch.cat(
                [x, spread.mean((2, 3), keepdim=True).repeat_interleave(group, 0).expand_as(x)], 1
            ),
            "You returned the new channel alone; the maps come before it.": each(mean)
            .view(-1, 1, 1, 1)
            .expand(n, 1, height, width),
        }
        if group < n:
            whole = (x.var(0, correction=0) + 1e-8).sqrt().mean()
            mistakes |= {
                "You took the whole batch for one group.": _with_channel(x, whole.expand(n)),
                "Your groups are of images far apart; the first `group` images are the first group.": (
                    _with_channel(x, strided.repeat(group)),
                    _with_channel(x, strided.repeat_interleave(group)),
                ),
                "All images got the first group's number.": _with_channel(x, mean[:1].expand(n)),
                "All groups got one number, the mean of theirs; each image gets its own group's.": _with_channel(
                    x, mean.mean().expand(n)
                ),
                "The numbers went to the wrong images: each of a group's images gets the group's.": _with_channel(
                    x, mean.repeat(group)
                ),
            }

        def of_equal_images(came: object, right: torch.Tensor = right, group: int = group) -> str | None:
            """Look at a number that is 1e-4, too small for the comparison."""
            if not isinstance(came, torch.Tensor) or came.shape != right.shape or came.dtype.itemsize < 4:
                return None
            number = came[:group, -1].abs().max().item()
            if number == 0:
                return "You left out the 1e-8: where all images are alike, the root has no slope."
            return "The 1e-8 is added to the variance, under the root." if number < 5e-5 else None

        yield Case({"x": x, "group": group}, right, mistakes, also=of_equal_images if number == 4 else None)


# fade_in --------------------------------------------------------------------------------------------------------


def _doubled(x: torch.Tensor) -> torch.Tensor:
    """Return maps `[N, C, H, W]` as `[N, C, 2H, 2W]`, each pixel four times."""
    rows = torch.arange(2 * x.shape[2]) // 2
    columns = torch.arange(2 * x.shape[3]) // 2
    return x[:, :, rows][:, :, :, columns]


@exercise(
    "progressive_growing",
    hints=(
        "Take alpha = 0: only the old image counts, enlarged. Take alpha = 1: only the new one.",
        "Enlarging repeats each pixel twice along both axes: repeat_interleave, or F.interpolate with mode='nearest'.",
        "(1 - alpha) * F.interpolate(old, scale_factor=2, mode='nearest') + alpha * new.",
    ),
)
def fade_in(random: torch.Generator) -> Iterator[Case]:
    """`fade_in(old float [N, C, H, W], new float [N, C, 2H, 2W], alpha float)` → float [N, C, 2H, 2W]."""
    shapes = [(1, 1, 1, 2), (1, 1, 2, 2), (2, 3, 4, 4), (3, 1, 2, 5), (2, 2, 4, 4), (1, 3, 8, 8), (2, 3, 3, 6)]
    for number, (n, channels, height, width) in enumerate(shapes):
        old = torch.rand(n, channels, height, width, generator=random) * 2 - 1
        new = torch.rand(n, channels, 2 * height, 2 * width, generator=random) * 2 - 1
        if number < 2:
            old, new = (8 * old).round(), (8 * new).round()
            old[0, 0, 0, 0], old[0, 0, 0, 1] = 8.0, -4.0
        alpha = (0.25, 0.75, 0.0, 0.4, 1.0, 0.1, 0.6)[number]
        large = _doubled(old)
        tiled = old.repeat(1, 1, 2, 2)
        smooth = torch.nn.functional.interpolate(old, scale_factor=2, mode="bilinear")
        spread = torch.zeros_like(new)
        spread[:, :, ::2, ::2] = old
        small = torch.nn.functional.avg_pool2d(new, 2)

        def mixed(large: torch.Tensor, new: torch.Tensor = new, alpha: float = alpha) -> torch.Tensor:
            return (1 - alpha) * large + alpha * new

        mistakes = {
            "The shares are the wrong way round: alpha is the new image's.": alpha * large + (1 - alpha) * new,
            "You added alpha of the new image without taking as much of the old one away.": large + alpha * new,
            "You added the whole new image; it counts alpha times.": (1 - alpha) * large + new,
            "The new image is missing.": (1 - alpha) * large,
            "The image needs no tanh: it may have any numbers.": mixed(large).tanh(),
            "The image is not cut off: it may have any numbers.": mixed(large).clamp(-1, 1),
            "You took the mean of both; alpha says how much of each.": (large + new) / 2,
            "You enlarged smoothly; repeat each pixel, so that at alpha = 0 nothing has changed.": (
                mixed(smooth),
                mixed(torch.nn.functional.interpolate(old, scale_factor=2, mode="bilinear", align_corners=True)),
                mixed(torch.nn.functional.interpolate(old, scale_factor=2, mode="bicubic")),
            ),
            "You repeated the whole image, four times; repeat each pixel.": mixed(tiled),
            "You left gaps of 0 between the old pixels; repeat each pixel.": mixed(spread),
            "You shrank the new image; the old one is enlarged.": (1 - alpha) * old + alpha * small,
            "You switch at one half; both images are blended.": new if alpha >= 0.5 else large,
            "You return the new image whatever alpha is.": new,
            "You return the enlarged old image whatever alpha is.": large,
            "Your shares do not add up to 1: the root of a share is for noise, not for images.": (1 - alpha) ** 0.5
            * large
            + alpha**0.5 * new,
        }
        yield Case({"old": old, "new": new, "alpha": alpha}, mixed(large), mistakes)


# level ----------------------------------------------------------------------------------------------------------


def _level(step: int, hold: int, fade: int, stages: int) -> float:
    """Return the level by walking there, one step after the other."""
    reached, part = 0, 0
    for _ in range(step):
        part += 1
        if part == hold + fade:
            reached, part = reached + 1, 0
    return float(stages) if reached >= stages else reached + max(0, part - hold) / fade


@exercise(
    "progressive_growing",
    hints=(
        "Write it down for hold = 2, fade = 2: the levels of the steps 0 to 8 are 0, 0, 0, 0.5, 1, 1, 1, 1.5, 2.",
        "A stage takes hold + fade steps: divmod(step, hold + fade) gives the stages that are over, and what is left.",
        "min(stages, stage + max(0, rest - hold) / fade) with stage, rest = divmod(step, hold + fade).",
    ),
)
def level(random: torch.Generator) -> Iterator[Case]:
    """`level(step int, hold int, fade int, stages int)` → float: hold a level, fade to the next, end at `stages`."""
    fixed = [(3, 2, 2, 3), (0, 2, 2, 3), (1, 2, 2, 1), (2, 2, 4, 3), (4, 2, 2, 3), (7, 3, 1, 2), (11, 1, 4, 3)]
    fixed += [(100, 5, 5, 3), (29, 5, 5, 3), (30, 5, 5, 3), (35, 20, 10, 2), (55, 20, 10, 2)]
    fixed += [(15, 2, 2, 3), (23, 1, 4, 2), (98, 5, 5, 3)]  # past the end, where one more stage would fade in
    for _ in range(12):
        hold, fade, stages = (int(torch.randint(1, 9, (), generator=random)) for _ in range(3))
        fixed.append((int(torch.randint(0, 8 * stages + 8, (), generator=random)), hold, fade, stages))
    for step, hold, fade, stages in fixed:
        whole, rest = divmod(step, hold + fade)
        first = whole + min(1.0, rest / fade)
        later, since = divmod(step - hold - fade, hold + fade)
        right = _level(step, hold, fade, stages)
        mistakes = {
            "You fade first and hold then; a level is held before the next one fades in.": min(float(stages), first),
            "Your network goes on growing; it ends at `stages`.": float(whole + max(0, rest - hold) / fade),
            "Your level jumps; while fading it rises evenly.": float(min(stages, whole)),
            "Your level rises all the time; it is held for `hold` steps first.": min(
                float(stages), step / (hold + fade)
            ),
            "You fade over the whole stage, hold + fade steps; it takes `fade` steps.": min(
                float(stages), whole + max(0, rest - hold) / (hold + fade)
            ),
            "You hold the first level only; each is held.": min(float(stages), max(0, step - hold) / fade),
            "You are one step ahead: the first step of a fading has the old level.": min(
                float(stages), whole + max(0, rest - hold + 1) / fade
            ),
            "Your first stage is held for hold + fade steps more than it should.": (
                0.0 if later < 0 else min(float(stages), later + max(0, since - hold) / fade)
            ),
            "You stop one stage early.": min(float(stages - 1), whole + max(0, rest - hold) / fade),
            "That is what is left of the fading; count what is done.": (
                min(float(stages), whole + (1 - max(0, rest - hold) / fade)),
                min(float(stages), whole + (1 - (rest - hold) / fade if rest > hold else 0)),
            ),
            "Past the last stage your level still rises and falls back; it stays at `stages`.": (
                min(stages, whole) + max(0, rest - hold) / fade
            ),
            "That is the share alone; add the stages that are over.": (right % 1, max(0, rest - hold) / fade),
            "A share is never below 0: while a level is held, it is 0.": min(
                float(stages), whole + (rest - hold) / fade
            ),
            "You are one step behind: the second step of a fading is above the old level.": min(
                float(stages), whole + max(0, rest - hold - 1) / fade
            ),
            "A fading is over after `fade` steps: divide by `fade`.": (
                min(float(stages), whole + max(0, rest - hold) / (fade + 1)),
                min(float(stages), whole + max(0, rest - hold) / max(1, fade - 1)),
            ),
            "A stage takes hold + fade steps, not hold alone.": float(min(stages, step // hold)),
            "`hold` and `fade` changed places.": min(float(stages), whole + max(0, rest - fade) / hold),
            "Levels are counted from 0.": right + 1,
            "You took the greater of the two; `stages` is the most.": max(
                float(stages), whole + max(0, rest - hold) / fade
            ),
        }
        given = {"step": step, "hold": hold, "fade": fade, "stages": stages}
        yield Case(given, right, mistakes)
