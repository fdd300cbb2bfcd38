"""The judges of the chapter `losses`: dice_loss, focal_loss, median_frequency_weights and flip_and_crop."""

import math
import statistics
from collections.abc import Callable, Iterator

import torch

from segen.checks.judging import Case, exercise

VOID = 255


def _sigmoid(z: float) -> float:
    return 1 / (1 + math.exp(-z)) if z >= 0 else math.exp(z) / (1 + math.exp(z))


def _softplus(z: float) -> float:
    """Return log(1 + eᶻ)."""
    return max(z, 0.0) + math.log1p(math.exp(-abs(z)))


def _binary(n: int, height: int, width: int, random: torch.Generator, *, void: float, rare: float = 0.4) -> tuple:
    """Return logits and a target of zeros, ones and void."""
    logits = 2 * torch.randn(n, height, width, generator=random)
    target = (torch.rand(n, height, width, generator=random) < rare).long()
    target[torch.rand(n, height, width, generator=random) < void] = VOID
    return logits, target


def _pixels(logits: torch.Tensor, target: torch.Tensor) -> list[tuple[float, int]]:
    """Return (logit, label) of each pixel, void ones too."""
    return list(zip(logits.flatten().tolist(), target.flatten().tolist(), strict=True))


def _tensor(value: float) -> torch.Tensor:
    return torch.tensor(value)


CUT_OFF = "No gradient flows from it to the logits: compute in torch, without item, detach, numpy or float."


def _learnable(logits: torch.Tensor, right: float, slope: list[float]) -> Callable[[object], str | None]:
    """Return what looks at the gradient of a loss that is `right`, `slope` being what each logit of it should have.

    Of a wrong number nothing is said: what is wrong with it comes first.
    """

    def also(came: object) -> str | None:
        try:
            if abs(float(came.detach() if isinstance(came, torch.Tensor) else came) - right) > 1e-3:
                return None
        except (TypeError, ValueError, RuntimeError):  # no single number
            return None
        if not isinstance(came, torch.Tensor) or not came.requires_grad:
            return CUT_OFF
        try:
            (found,) = torch.autograd.grad(came, logits, allow_unused=True)
        except Exception as error:  # the answer's own backward pass
            return f"The number is right, and its gradient cannot be computed: {type(error).__name__}."
        if found is None:
            return CUT_OFF
        expected = torch.tensor(slope).view_as(found)
        if not torch.isclose(found, expected, rtol=2e-2, atol=1e-4).all():
            return "The number is right, and its gradient is not: a part of it was cut off from the logits."
        return None

    return also


# dice_loss ------------------------------------------------------------------------------------------------------


def _dice(pixels: list[tuple[float, int]], smooth: float, of: Callable[[float], float] = _sigmoid) -> float:
    both = sum(of(z) for z, y in pixels if y == 1)
    total = sum(of(z) for z, _ in pixels) + sum(y == 1 for _, y in pixels)
    below = total + smooth
    return 1 - (2 * both + smooth) / below if below else math.nan


@exercise(
    "losses",
    hints=(
        "Turn logits into probabilities with the sigmoid, and throw away what is void before you add anything up.",
        "Three sums over the whole batch: p · y, p, and y. Twice the first over the other two, smooth above and below.",
        "keep = target != 255; p, y = logits[keep].sigmoid(), target[keep]; return 1 - (2 * (p * y).sum() + smooth) / "
        "(p.sum() + y.sum() + smooth).",
    ),
)
def dice_loss(random: torch.Generator) -> Iterator[Case]:
    """`dice_loss(logits float [N, H, W], target int64 [N, H, W] of 0, 1, 255, smooth: float)` → scalar."""
    cases = [
        (torch.tensor([[[2.0, -1.0]]]), torch.tensor([[[1, 0]]]), 0.0),
        (torch.tensor([[[0.5, -1.0]]]), torch.tensor([[[0, 0]]]), 1.0),
        (torch.tensor([[[2.0, 0.3, -1.0]]]), torch.tensor([[[1, 255, 0]]]), 0.0),
        (torch.tensor([[[3.0, 1.0]], [[-1.0, 0.5]]]), torch.tensor([[[1, 1]], [[0, 1]]]), 0.5),
    ]
    for n, side, smooth in ((2, 3, 1.0), (3, 4, 0.0), (4, 5, 2.0), (2, 3, 0.5)):
        cases.append((*_binary(n, side, side + 1, random, void=0.2), smooth))
    cases[-1][0].requires_grad_()
    for logits, target, smooth in cases:
        every = _pixels(logits, target)
        pixels = [(z, y) for z, y in every if y != VOID]
        images = [[(z, y) for z, y in _pixels(*pair) if y != VOID] for pair in zip(logits, target, strict=True)]
        both = sum(_sigmoid(z) for z, y in pixels if y)
        p, y = sum(_sigmoid(z) for z, _ in pixels), sum(y for _, y in pixels)
        right = 1 - (2 * both + smooth) / (p + y + smooth)
        squares = sum(_sigmoid(z) ** 2 for z, _ in pixels)
        each = [_dice(image, smooth) for image in images]
        negative = [(z, 0 if y == VOID else y) for z, y in every]
        mistakes = {
            "That is the coefficient; the loss is one minus it.": _tensor(1 - right),
            "You counted void pixels as not being of the class; they count nowhere.": _tensor(_dice(negative, smooth)),
            "You left void out of y, but not out of the sum of p.": _tensor(_dice(every, smooth)),
            "You used the logits as they are; a probability is their sigmoid.": _tensor(
                _dice(pixels, smooth, lambda z: z)
            ),
            "Twice the intersection: the 2 is missing.": _tensor(1 - (both + smooth) / (p + y + smooth)),
            "That is the IoU's form, with the union below; Dice has the sum of both.": _tensor(
                1 - (both + smooth) / (p + y - both + smooth) if p + y - both + smooth else 0.0
            ),
            "Twice the intersection stands over the sum of both, not over the union.": _tensor(
                1 - (2 * both + smooth) / (p + y - both + smooth) if p + y - both + smooth else 0.0
            ),
            "The 2 belongs to the intersection alone; smooth is not doubled.": _tensor(
                1 - 2 * (both + smooth) / (p + y + smooth)
            ),
            "Smooth stands above too: without it, nothing against nothing has loss 1.": _tensor(
                1 - 2 * both / (p + y + smooth)
            ),
            "You left out smooth.": _tensor(1 - 2 * both / (p + y)),
            "You squared the probabilities below; that is another form, which the exercise does not ask for.": _tensor(
                1 - (2 * both + smooth) / (squares + y + smooth) if squares + y + smooth else 0.0
            ),
            "You averaged over images; the sums go over the whole batch.": _tensor(sum(each) / len(each)),
            "You thresholded the probabilities: that has no slope, and nothing can be learnt from it.": _tensor(
                _dice(pixels, smooth, lambda z: float(z > 0))
            ),
        }
        also = None
        if logits.requires_grad:
            above, below = 2 * both + smooth, p + y + smooth
            chain = [_sigmoid(z) * _sigmoid(-z) * (t != VOID) for z, t in every]
            slope = [c * (above - 2 * (t == 1) * below) / below**2 for c, (_, t) in zip(chain, every, strict=True)]
            also, mistakes[CUT_OFF] = _learnable(logits, right, slope), RuntimeError
        yield Case({"logits": logits, "target": target, "smooth": smooth}, _tensor(right), mistakes, also)


# focal_loss -----------------------------------------------------------------------------------------------------


def _focal(pixels: list[tuple[float, int]], gamma: float, alpha: float) -> list[float]:
    """Return each pixel's loss."""
    losses = []
    for z, y in pixels:
        signed = z if y == 1 else -z  # the probability of what is right is the sigmoid of this
        losses.append((alpha if y == 1 else 1 - alpha) * _sigmoid(-signed) ** gamma * _softplus(-signed))
    return losses


@exercise(
    "losses",
    hints=(
        "Give each pixel the probability of what is right: p where y is 1, and 1 − p where y is 0.",
        "With s = z where y is 1 and −z where it is 0: the log of that probability is F.logsigmoid(s), for any logit.",
        "1 − p is sigmoid(−s). Multiply by alpha where y is 1 and 1 − alpha where it is 0; leave out void; take the "
        "mean, and 0 where nothing is left.",
    ),
)
def focal_loss(random: torch.Generator) -> Iterator[Case]:
    """`focal_loss(logits float [N, H, W], target int64 of 0, 1, 255, gamma: float, alpha: float)` → scalar."""
    cases = [
        (torch.tensor([[[1.0]]]), torch.tensor([[[1]]]), 2.0, 0.5),
        (torch.tensor([[[1.0]]]), torch.tensor([[[0]]]), 2.0, 0.25),
        (torch.tensor([[[2.0, -1.0, 0.5]]]), torch.tensor([[[1, 0, 255]]]), 1.0, 0.25),
        (torch.tensor([[[-200.0, 200.0]]]), torch.tensor([[[1, 0]]]), 2.0, 0.75),
        (torch.tensor([[[1.0, 2.0]]]), torch.tensor([[[255, 255]]]), 2.0, 0.5),
    ]
    for n, side, gamma, alpha in ((2, 3, 0.0, 0.3), (2, 4, 3.0, 0.8), (3, 5, 1.5, 0.25), (2, 3, 2.0, 0.4)):
        cases.append((*_binary(n, side, side + 1, random, void=0.2), gamma, alpha))
    cases[-1][0].requires_grad_()
    for logits, target, gamma, alpha in cases:
        every = _pixels(logits, target)
        pixels = [(z, y) for z, y in every if y != VOID]
        given = {"logits": logits, "target": target, "gamma": gamma, "alpha": alpha}
        if not pixels:
            nothing = {"Where all is void, nothing is left to average: return 0, not nan.": _tensor(math.nan)}
            yield Case(given, _tensor(0.0), nothing)
            continue
        losses = _focal(pixels, gamma, alpha)
        right = sum(losses) / len(losses)
        negative = _focal([(z, 0 if y == VOID else y) for z, y in every], gamma, alpha)
        flipped = [
            (alpha if y == 1 else 1 - alpha) * _sigmoid(s) ** gamma * _softplus(-s)
            for z, y in pixels
            for s in [z if y == 1 else -z]
        ]
        always = [  # 1 − p of the class, right or wrong
            (alpha if y == 1 else 1 - alpha) * _sigmoid(-z) ** gamma * _softplus(-z if y == 1 else z) for z, y in pixels
        ]
        far = max(abs(z) for z, _ in pixels) > 100
        plain = sum(_focal(pixels, 0.0, 0.5)) / 0.5 / len(pixels)
        means = ((alpha, plain), (1.0, sum(_focal(pixels, 0.0, alpha)) / len(pixels)), (1.0, plain))
        mistakes: dict[str, object] = {
            "Where a logit is large, the log of a rounded probability is infinite: use F.logsigmoid.": lambda came: (
                isinstance(came, torch.Tensor) and not came.isfinite().all()
            ),
            "You cut the probability off before its log, and the loss with it: F.logsigmoid needs no clamp.": (
                lambda came, far=far: far and isinstance(came, torch.Tensor) and came.ndim == 0 and 1 < came < 50
            ),
            "You added up; the loss is a mean over the pixels that are not void.": _tensor(sum(losses)),
            "You divided by all pixels; void ones do not count.": _tensor(sum(losses) / len(every)),
            "You counted void as 0.": _tensor(sum(negative) / len(negative)),
            "You weighed by p^γ: that looks at what is right already; (1 − p)^γ looks away from it.": _tensor(
                sum(flipped) / len(flipped)
            ),
            "1 − p is of the class that is right: where y is 0, that is the probability of 1.": _tensor(
                sum(always) / len(always)
            ),
            "alpha is the weight of the ones; zeros weigh 1 − alpha. You have it the other way round.": _tensor(
                sum(_focal(pixels, gamma, 1 - alpha)) / len(losses)
            ),
            "You weighed the zeros by alpha too; they weigh 1 − alpha.": _tensor(
                alpha * sum(_focal(pixels, gamma, 0.5)) / 0.5 / len(losses)
            ),
            "You left out alpha.": _tensor(sum(_focal(pixels, gamma, 0.5)) / 0.5 / len(losses)),
            "You divided by the number of ones, as detectors do; here it is a mean over pixels.": _tensor(
                sum(losses) / max(1, sum(y for _, y in pixels))
            ),
            "You divided by the sum of the alphas; here it is a mean over pixels.": _tensor(
                sum(losses) / sum(alpha if y == 1 else 1 - alpha for _, y in pixels)
            ),
            "Each pixel has its own factor (1 − p)^γ; you took one, of the mean cross-entropy.": tuple(
                _tensor(weight * (1 - math.exp(-mean)) ** gamma * mean) for weight, mean in means
            ),
            "That is cross-entropy: the factor (1 − p)^γ is missing.": _tensor(
                sum(_focal(pixels, 0.0, alpha)) / len(losses)
            ),
        }
        also = None
        if logits.requires_grad:
            slope = []
            for z, y in every:
                signed = z if y == 1 else -z
                steep = gamma * _sigmoid(signed) * -_softplus(-signed) - _sigmoid(-signed)
                steep *= (alpha if y == 1 else 1 - alpha) * _sigmoid(-signed) ** gamma
                slope.append((steep if y == 1 else -steep) / len(losses) if y != VOID else 0.0)
            also, mistakes[CUT_OFF] = _learnable(logits, right, slope), RuntimeError
        yield Case(given, _tensor(right), mistakes, also)


# median_frequency_weights ---------------------------------------------------------------------------------------


def _frequencies(masks: list[list[int]], k: int, *, void: bool = False, everywhere: bool = False) -> list[float]:
    """Return each class's pixels over the pixels of the images that have it (or of all); 0 for an absent one."""
    found = []
    for c in range(k):
        there = [mask for mask in masks if everywhere or c in mask]
        pixels = sum(sum(void or y != VOID for y in mask) for mask in there)
        found.append(sum(mask.count(c) for mask in there) / pixels if pixels else 0.0)
    return found


def _shares(masks: list[list[int]], k: int) -> list[float]:
    """Return the mean of each class's share of an image, over the images that have it; 0 for an absent one."""
    found = []
    for c in range(k):
        each = [mask.count(c) / sum(y != VOID for y in mask) for mask in masks if c in mask]
        found.append(statistics.fmean(each) if each else 0.0)
    return found


def _over(frequencies: list[float], middle: Callable[[list[float]], float], *, absent: float = 0.0) -> torch.Tensor:
    present = [f for f in frequencies if f]
    return torch.tensor([middle(present) / f if f else absent for f in frequencies])


@exercise(
    "losses",
    hints=(
        "Two counts for each class: its own pixels, and all pixels of the images in which it occurs, void left out.",
        "The median is over the classes that occur at all. Of an even number it is the mean of the two "
        "in the middle, as quantile(0.5) gives; torch.median gives the lower one.",
        "frequency = pixels.sum(0) / (present * valid[:, None]).sum(0) with pixels [N, K]; weight = median / "
        "frequency, and 0 for a class that is nowhere.",
    ),
)
def median_frequency_weights(random: torch.Generator) -> Iterator[Case]:
    """`median_frequency_weights(masks int64 [N, H, W] of 0..k−1 and 255, k: int)` → float [k], 0 for absent ones."""
    cases = [
        (torch.tensor([[[0, 0, 0, 1]]]), 2),
        (torch.tensor([[[0, 0, 0, 1]], [[0, 0, 0, 0]]]), 2),
        (torch.tensor([[[0, 0, 1, 2]], [[0, 1, 1, 255]]]), 3),
        (torch.tensor([[[0, 0, 0, 2]], [[0, 255, 2, 2]]]), 4),
    ]
    for n, side, k in ((3, 4, 4), (4, 5, 6), (5, 4, 7)):
        odds = torch.rand(k, generator=random) ** 2 + 0.02
        masks = torch.multinomial(odds, n * side * side, replacement=True, generator=random).view(n, side, side)
        masks[0][masks[0] == 1] = 0  # one image at least lacks a class
        masks[torch.rand(n, side, side, generator=random) < 0.15] = VOID
        cases.append((masks, k))
    for masks, k in cases:
        lists = [mask.flatten().tolist() for mask in masks]
        frequencies = _frequencies(lists, k)
        everywhere = _frequencies(lists, k, everywhere=True)
        zeros = [*frequencies]
        weights = _over(frequencies, statistics.median)
        mistakes: dict[str, object] = {
            "You divided by the pixels of all images: a class's frequency counts the images in which it occurs.": _over(
                everywhere, statistics.median
            ),
            "You counted void pixels in the size of the images.": _over(
                _frequencies(lists, k, void=True), statistics.median
            ),
            "You averaged the images' shares; add up the pixels of all images first, and divide then.": _over(
                _shares(lists, k), statistics.median
            ),
            "That is the lower of the two middle values; with an even number of classes the median is their mean.": (
                _over(frequencies, statistics.median_low)
            ),
            "You took the median over absent classes too, as if their frequency were 0.": torch.tensor(
                [statistics.median(zeros) / f if f else 0.0 for f in frequencies]
            ),
            "That is the mean over the frequency; the median is asked for.": _over(frequencies, statistics.mean),
            "You divided the other way round: a rare class must weigh more.": torch.tensor(
                [f / statistics.median(f for f in frequencies if f) for f in frequencies]
            ),
            "You scaled the weights to a sum of 1; median(f) / f is asked for as it is.": weights / weights.sum(),
            "You left out the median: that is one over the frequency.": _over(frequencies, lambda _: 1.0),
            "A class that is nowhere weighs 0, not infinitely much.": _over(
                frequencies, statistics.median, absent=math.inf
            ),
            "A class that is nowhere weighs 0, not 1.": _over(frequencies, statistics.median, absent=1.0),
        }
        yield Case({"masks": masks, "k": k}, weights, mistakes)


# flip_and_crop --------------------------------------------------------------------------------------------------


def _cut(grid: list[list], flip: bool, top: int, left: int, size: tuple[int, int], fill) -> list[list]:
    """Return a flipped and cut grid of any things, by indices alone."""
    height, width = len(grid), len(grid[0])
    cut = []
    for i in range(top, top + size[0]):
        row = []
        for j in range(left, left + size[1]):
            inside = 0 <= i < height and 0 <= j < width
            row.append(grid[i][width - 1 - j if flip else j] if inside else fill)
        cut.append(row)
    return cut


@exercise(
    "losses",
    hints=(
        "First flip both along their last axis, or neither; then pad; then cut.",
        "Where the window reaches beyond the picture the image is 0 and the mask 255: nobody knows what is there.",
        "Pad below and right by how far the window reaches out: F.pad(image, (0, right, 0, below)), the mask with "
        "value=255; then [..., top : top + h, left : left + w].",
    ),
)
def flip_and_crop(random: torch.Generator) -> Iterator[Case]:
    """`flip_and_crop(image float [C, H, W], mask int64 [H, W], flip: bool, top, left, size: (h, w))` → both, cut."""
    cases = [
        (2, 3, False, 0, 0, (1, 2)),
        (2, 3, True, 0, 0, (2, 2)),
        (2, 3, False, 1, 1, (2, 2)),
        (3, 4, True, 1, 2, (2, 3)),
    ]
    for _ in range(4):
        height, width = (int(n) for n in torch.randint(3, 8, (2,), generator=random))
        top, left = int(torch.randint(height, (), generator=random)), int(torch.randint(width, (), generator=random))
        size = tuple(int(n) for n in torch.randint(2, 6, (2,), generator=random))
        cases.append((height, width, bool(torch.rand((), generator=random) < 0.6), top, left, size))
    for height, width, flip, top, left, size in cases:
        image = torch.rand(2, height, width, generator=random) * 2 - 1
        mask = torch.randint(8, (height, width), generator=random)

        def both(
            flip_image, flip_mask, *, fill=0.0, void=VOID, shift=(0, 0), image=image, mask=mask, at=(top, left, size)
        ):
            window = at[0] + shift[0], at[1] + shift[1], at[2]
            channels = [_cut(channel.tolist(), flip_image, *window, fill) for channel in image]
            return [torch.tensor(channels), torch.tensor(_cut(mask.tolist(), flip_mask, *window, void))]

        image_right, mask_right = both(flip, flip)
        crop_first = [part.flip(-1) for part in both(False, False)] if flip else both(False, False)
        upside = [part.flip(-2) for part in (image, mask)]
        swapped = both(flip, flip, at=(left, top, size))
        inside = max(0, min(top, height - size[0])), max(0, min(left, width - size[1])), size
        mistakes: dict[str, object] = {
            "You flipped the image and not the mask.": both(flip, False),
            "You flipped the mask and not the image.": both(False, flip),
            "You never flip.": both(False, False),
            "You always flip, whatever flip says.": both(True, True),
            "You cut first and flipped then; the window counts in the flipped picture.": crop_first,
            "You flipped upside down: left and right are along the last axis.": both(
                False, False, image=upside[0], mask=upside[1]
            ),
            "Beyond the picture the mask is 255: void, not class 0.": both(flip, flip, void=0),
            "Beyond the picture the image is 0, the middle grey, not -1.": both(flip, flip, fill=-1.0),
            "You took top for left: the first counts rows.": swapped,
            "You moved the window back inside the picture; it stays where it is, and beyond is void.": both(
                flip, flip, at=inside
            ),
            "size is (h, w): rows first, then columns.": both(flip, flip, at=(top, left, size[::-1])),
            "First the image is returned, then the mask.": lambda came: (
                isinstance(came, list)
                and len(came) == 2
                and all(isinstance(part, torch.Tensor) for part in came)
                and (came[0].ndim, came[1].ndim) == (2, 3)
            ),
            "The window is not cut short at the border: pad, so that it has its size.": lambda came, size=size: (
                isinstance(came, list | tuple)
                and all(isinstance(part, torch.Tensor) for part in came)
                and any(tuple(part.shape[-2:]) != size for part in came)
            ),
            "The window reached beyond the picture: pad before you cut.": (IndexError, RuntimeError),
        }
        given = {"image": image, "mask": mask, "flip": flip, "top": top, "left": left, "size": size}
        yield Case(given, [image_right, mask_right], mistakes)
