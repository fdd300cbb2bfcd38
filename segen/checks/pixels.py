"""The judges of the chapter `pixels`: iou, dice_from_iou, confusion_matrix, mean_iou_of_set and decode_palette."""

import math
from collections.abc import Callable, Iterator

import torch

from segen.checks.judging import Case, exercise

VOID = 255
NAN = float("nan")


def _maps(n: int, height: int, width: int, k: int, random: torch.Generator) -> torch.Tensor:
    return torch.randint(k, (n, height, width), generator=random)


def _pairs(prediction: torch.Tensor, target: torch.Tensor) -> list[tuple[int, int]]:
    """Return (predicted, true) of each pixel."""
    return list(zip(prediction.flatten().tolist(), target.flatten().tolist(), strict=True))


def _sums(pairs: list[tuple[int, int]], c: int) -> tuple[int, int, int]:
    """Return how many pixels are c in both, in the prediction and in the target."""
    both = sum(guess == c == truth for guess, truth in pairs)
    return both, sum(guess == c for guess, _ in pairs), sum(truth == c for _, truth in pairs)


def _ratio(over: float, under: float, absent: float = NAN) -> float:
    return over / under if under else absent


def _mean(values: list[float], *, kept: Callable[[float], bool] = lambda v: not math.isnan(v)) -> float:
    values = [value for value in values if kept(value)]
    return _ratio(sum(values), len(values))


# iou ------------------------------------------------------------------------------------------------------------


@exercise(
    "pixels",
    hints=(
        "Two questions a pixel: is class c said here, and is it here? The intersection is where both are true.",
        "The union is where at least one is true: said | is_so. It is not the sum of the two counts.",
        "both = ((prediction == c) & (target == c)).sum(), either = (… | …).sum(), over the whole batch; "
        "return nan where either is 0.",
    ),
)
def iou(random: torch.Generator) -> Iterator[Case]:
    """`iou(prediction int64 [N, H, W], target int64 [N, H, W], c: int)` → float, nan if the class is in neither."""
    fixed = [
        ([[[0, 1, 1]]], [[[0, 1, 2]]], 1),
        ([[[1, 1, 1, 0]]], [[[0, 1, 2, 1]]], 1),
        ([[[0, 0]]], [[[0, 0]]], 1),
        ([[[1, 0]]], [[[0, 0]]], 1),
        ([[[0, 0]]], [[[1, 0]]], 1),
        ([[[0, 1, 0]]], [[[0, 0, 1]]], 0),
    ]
    drawn = [(1, 2, 3, 3), (2, 3, 4, 3), (3, 4, 5, 4), (5, 6, 3, 3)]
    cases = [(torch.tensor(a), torch.tensor(b), c) for a, b, c in fixed]
    for n, height, width, k in drawn:
        c = int(torch.randint(k, (), generator=random))
        cases.append((*(_maps(n, height, width, k, random) for _ in range(2)), c))
    for prediction, target, c in cases:
        pairs = _pairs(prediction, target)
        both, said, there = _sums(pairs, c)
        right = sum(guess == truth for guess, truth in pairs)
        each = [_sums(_pairs(a, b), c) for a, b in zip(prediction, target, strict=True)]
        union = said + there - both
        mistakes: dict[str, object] = {
            "You divided by the pixels of the target: that is class accuracy, false alarms are missing.": _ratio(
                both, there
            ),
            "You divided by the pixels of the prediction: that is precision, what was missed is missing.": _ratio(
                both, said
            ),
            "You divided by the sum of both counts: what they share is in it twice.": _ratio(both, said + there),
            "That is Dice, twice the intersection over the sum of both counts.": _ratio(2 * both, said + there),
            "You took the share of all pixels that are right; only class c is asked for.": right / len(pairs),
            "You counted where c is in neither map as an agreement.": (both + len(pairs) - union) / len(pairs),
            "You divided by all pixels; the union is where c is in at least one map.": both / len(pairs),
            "You averaged over images; the counts are added up over the whole batch first.": (
                _mean([_ratio(b, s + t - b) for b, s, t in each]),
                _mean([_ratio(b, s + t - b, 0.0) for b, s, t in each]),
                _mean([_ratio(b, s + t - b, 1.0) for b, s, t in each]),
            ),
        }
        if not union:
            mistakes = {
                "Where the class is in neither map there is nothing to divide; return nan.": ZeroDivisionError,
                "Where the class is in neither map there is no IoU: return nan, not 1.": 1.0,
                "Where the class is in neither map there is no IoU: return nan, not 0.": 0.0,
            }
        yield Case({"prediction": prediction, "target": target, "c": c}, _ratio(both, union), mistakes)


# dice_from_iou --------------------------------------------------------------------------------------------------


@exercise(
    "pixels",
    hints=(
        "Turn each class's IoU into its Dice first: D = 2J / (1 + J).",
        "The mean is of the Dice coefficients, and absent classes (nan) are not in it: nanmean.",
        "dice = 2 * iou / (1 + iou), and return dice, dice.nanmean().",
    ),
)
def dice_from_iou(random: torch.Generator) -> Iterator[Case]:
    """`dice_from_iou(iou float [K])` → (float [K], float): each class's Dice, and their mean without nan."""
    cases = [
        torch.tensor([0.5]),
        torch.tensor([0.0, 1.0]),
        torch.tensor([0.25, NAN, 0.6]),
        torch.tensor([NAN, NAN]),
    ]
    for k in (3, 5, 8, 11):
        values = torch.rand(k, generator=random)
        values[torch.rand(k, generator=random) < 0.25] = NAN
        values[0] = 0.3
        cases.append(values)
    for given in cases:
        numbers = given.tolist()
        present = [v for v in numbers if not math.isnan(v)]

        def both(rule: Callable[[float], float], numbers: list = numbers) -> list:
            each = [rule(v) for v in numbers]
            return [torch.tensor(each), torch.tensor(_mean(each))]

        dice, mean = both(lambda j: 2 * j / (1 + j))
        average = _ratio(sum(present), len(present))
        zeroed = dice.nan_to_num(0)
        mistakes = {
            "You turned the mean IoU into a Dice; the mean of a bent function is another: class by class first.": [
                dice,
                torch.tensor(2 * average / (1 + average)),
            ],
            "That is the way back, J = D / (2 − D).": both(lambda j: j / (2 - j)),
            "2J / (1 + J): the 2 is missing.": both(lambda j: j / (1 + j)),
            "2J / (1 + J): the 1 + is missing below.": both(lambda j: 2 * j / j if j else NAN),
            "You wrote 2 * iou / 1 + iou; put 1 + iou into brackets.": both(lambda j: 3 * j),
            "The second value is the mean of Dice, not of IoU.": [dice, torch.tensor(average)],
            "An absent class counted as 0 in the mean; leave it out.": (
                [dice, zeroed.mean()],
                [zeroed, zeroed.mean()],
            ),
            "An absent class counted as 1 in the mean; leave it out.": (
                [dice, dice.nan_to_num(1).mean()],
                [dice.nan_to_num(1), dice.nan_to_num(1).mean()],
            ),
            "One absent class makes your mean nan; leave it out.": [dice, torch.tensor(NAN)],
            "An absent class is nan in the first value too.": [zeroed, mean],
            "The absent classes are gone from the first value; keep K of them.": [
                dice[~dice.isnan()],
                mean,
            ],
        }
        yield Case({"iou": given}, [dice, mean], mistakes)


# confusion_matrix -----------------------------------------------------------------------------------------------


def _counted(pairs: list[tuple[int, int]], k: int) -> torch.Tensor:
    """Return int64 [k, k]: how many pairs (predicted, true) there are of each kind, true classes in rows."""
    matrix = torch.zeros(k, k, dtype=torch.int64)
    for guess, truth in pairs:
        if 0 <= guess < k and 0 <= truth < k:
            matrix[truth, guess] += 1
    return matrix


@exercise(
    "pixels",
    hints=(
        "Take away the void pixels of both maps first: keep = target != 255.",
        "Give the pair (true, predicted) the number k · true + predicted: the cells of the matrix, row by row.",
        "torch.bincount(k * target[keep] + prediction[keep], minlength=k * k).reshape(k, k).",
    ),
)
def confusion_matrix(random: torch.Generator) -> Iterator[Case]:
    """`confusion_matrix(prediction int64 [N, H, W], target int64 [N, H, W], k: int)` → int64 [k, k]; 255 is void."""
    fixed = [
        ([[[0, 1, 1]]], [[[0, 0, 1]]], 2),
        ([[[0, 2]]], [[[0, 1]]], 3),
        ([[[0, 0]]], [[[0, 0]]], 3),
        ([[[1, 0, 1]]], [[[0, 255, 1]]], 2),
        ([[[1, 1]]], [[[255, 255]]], 2),
    ]
    cases = [(torch.tensor(a), torch.tensor(b), k) for a, b, k in fixed]
    for n, height, width, k in ((1, 2, 3, 3), (2, 3, 4, 4), (3, 4, 5, 5), (2, 6, 3, 3)):
        prediction, target = (_maps(n, height, width, k, random) for _ in range(2))
        target[torch.rand(target.shape, generator=random) < 0.2] = VOID
        cases.append((prediction, target, k))
    many = _maps(1, 30, 40, 2, random)
    cases.append((many, many.where(_maps(1, 30, 40, 8, random) > 0, 1), 2))  # more of a pair than a byte holds
    for prediction, target, k in cases:
        pairs = _pairs(prediction, target)
        right = _counted(pairs, k)
        as_classes = {
            f"void_{value}": _counted([(g, value if t == VOID else t) for g, t in pairs], k) for value in (0, k - 1)
        }
        agreed = _counted([(g, g if t == VOID else t) for g, t in pairs], k)
        rows = right.sum(1, keepdim=True)
        used = [pair for pair in pairs if pair[1] != VOID]
        longest = max((k * t + g for g, t in used), default=-1) + 1
        # Numbers that are not different for different pairs: the multiplier is 1 too small.
        blurred = torch.zeros(k * k, dtype=torch.int64)
        for guess, truth in used:
            blurred[(k - 1) * truth + guess] += 1
        mistakes: dict[str, object] = {
            "The rows are the predicted classes; the true ones belong there.": right.T.clone(),
            "Void was counted as class 0: leave its pixels out of both maps.": as_classes["void_0"],
            "Void was counted as the last class: leave its pixels out of both maps.": as_classes[f"void_{k - 1}"],
            "Void was counted as right: leave its pixels out of both maps.": agreed,
            "You returned shares of the rows; counts are asked for.": torch.where(rows > 0, right / rows, NAN),
            "You returned shares of all pixels; counts are asked for.": right / max(1, len(used)),
            "Counts above 255 do not fit into a byte: count in int64.": (right % 256, (right + 128) % 256 - 128),
            "The matrix is still flat; reshape it to [k, k].": right.flatten(),
            "The matrix is too large: void (255) has a cell of its own.": lambda got, k=k: (
                isinstance(got, torch.Tensor) and got.numel() > k * k
            ),
            "Two kinds of pairs got one number; k · true + predicted tells them apart.": blurred.view(k, k),
        }
        if longest < k * k:
            mistakes["It fails where the last cells stay empty: give bincount minlength=k * k."] = RuntimeError
            mistakes["Cells that stay empty are missing at the end: give bincount minlength=k * k."] = (
                right.flatten()[:longest],
                torch.zeros(0),
            )
        elif (target == VOID).any():
            mistakes["It fails where there is void: leave its pixels out of both maps before you count."] = Exception
        yield Case({"prediction": prediction, "target": target, "k": k}, right, mistakes)


# mean_iou_of_set ------------------------------------------------------------------------------------------------


def _ious(pairs: list[tuple[int, int]], k: int, *, absent: float = NAN) -> list[float]:
    return [_ratio(b, s + t - b, absent) for b, s, t in (_sums(pairs, c) for c in range(k))]


@exercise(
    "pixels",
    hints=(
        "Keep two sums for each class, of the intersections and of the unions, and add to them batch by batch.",
        "A void pixel belongs neither to an intersection nor to a union, even if class c was predicted there.",
        "At the end: (both / either).nanmean(). 0/0 gives nan, and nanmean leaves it out.",
    ),
)
def mean_iou_of_set(random: torch.Generator) -> Iterator[Case]:
    """`mean_iou_of_set(batches: list of (prediction, target), each int64 [N, H, W], k: int)` → float.

    255 in a target is void; a class in neither is left out of the mean; nan if no pixel counts.
    """
    fixed = [
        ([([[[0, 1, 1]]], [[[0, 0, 1]]])], 2),
        ([([[[0, 1, 1]]], [[[0, 0, 1]]])], 3),
        ([([[[0, 1]]], [[[0, 0]]])], 3),
        ([([[[0, 1, 1]]], [[[0, 0, 255]]])], 2),
        ([([[[1, 1, 0, 1]]], [[[0, 1, 255, 1]]])], 3),
        ([([[[1, 0]]], [[[255, 255]]])], 2),
        ([([[[0, 1]]], [[[0, 0]]]), ([[[1, 1], [1, 0]]], [[[1, 1], [0, 0]]])], 2),
        ([([[[0, 1, 1, 0]]], [[[1, 1, 1, 0]]])], 2),
    ]
    cases = [([(torch.tensor(a), torch.tensor(b)) for a, b in batches], k) for batches, k in fixed]
    for number, sizes in enumerate(([1], [1, 2], [2, 1, 3], [3, 3])):
        k, batches = 3 + number, []
        for n in sizes:
            target = _maps(n, 3, 4, k - 1, random)  # the last class occurs nowhere
            prediction = torch.where(
                torch.rand(target.shape, generator=random) < 0.6, target, _maps(n, 3, 4, k - 1, random)
            )
            target[torch.rand(target.shape, generator=random) < 0.2] = VOID
            batches.append((prediction, target))
        cases.append((batches, k))
    for batches, k in cases:
        every = [pair for batch in batches for pair in _pairs(*batch)]
        used = [pair for pair in every if pair[1] != VOID]
        images = [image for batch in batches for image in zip(*batch, strict=True)]
        by_batch = [[pair for pair in _pairs(*batch) if pair[1] != VOID] for batch in batches]
        by_image = [[pair for pair in _pairs(*image) if pair[1] != VOID] for image in images]
        sums = [_sums(used, c) for c in range(k)]
        union = [s + t - b for b, s, t in sums]
        right = _mean(_ious(used, k))
        mistakes: dict[str, object] = {
            "Void under a prediction was counted as a false alarm: leave those pixels out altogether.": _mean(
                _ious(every, k)
            ),
            "Void was counted as right: leave those pixels out altogether.": _mean(
                _ious([(g, g if t == VOID else t) for g, t in every], k)
            ),
            "Void was taken for class 0: leave those pixels out altogether.": _mean(
                _ious([(g, 0 if t == VOID else t) for g, t in every], k)
            ),
            "An absent class counted as 0; leave it out of the mean.": _mean(_ious(used, k, absent=0.0)),
            "An absent class counted as 1; leave it out of the mean.": _mean(_ious(used, k, absent=1.0)),
            "You left out a class that is predicted but never there: its IoU is 0, and it is in the mean.": _mean(
                [_ratio(b, s + t - b) if t else NAN for b, s, t in sums]
            ),
            "You averaged over batches; add up the counts of the whole set and divide once.": _mean(
                [_mean(_ious(pairs, k)) for pairs in by_batch]
            ),
            "You averaged over images; add up the counts of the whole set and divide once.": _mean(
                [_mean(_ious(pairs, k)) for pairs in by_image]
            ),
            "That is the mean class accuracy: false alarms are missing below.": _mean(
                [_ratio(b, t) for b, _, t in sums]
            ),
            "You pooled the classes; each has its own IoU, and the mean is of these.": _ratio(
                sum(b for b, _, _ in sums), sum(union)
            ),
            "The last class is missing: they go from 0 to k − 1.": _mean(_ious(used, k)[:-1]),
            "Class 0 counts as all others; nothing is said of a background here.": _mean(_ious(used, k)[1:]),
            "That is the mean Dice.": _mean([_ratio(2 * b, s + t) for b, s, t in sums]),
            "That is the share of pixels that are right.": _ratio(sum(b for b, _, _ in sums), len(used)),
            "It divides by zero where a class is absent, or where no pixel counts.": ZeroDivisionError,
        }
        if math.isnan(right):
            mistakes["If no pixel counts there is no score: return nan, not 0."] = 0.0
        elif 0 in union:
            mistakes["One absent class makes your mean nan; leave it out."] = NAN
        yield Case({"batches": batches, "k": k}, right, mistakes)


# decode_palette -------------------------------------------------------------------------------------------------


def _decoded(colours: torch.Tensor, name: Callable[[tuple[int, ...]], int]) -> torch.Tensor:
    """Return int64 [H, W]: `name` of each pixel's colour."""
    return torch.tensor([[name(tuple(colour)) for colour in row] for row in colours.tolist()])


def _apart(a: tuple[int, ...], b: tuple[int, ...]) -> int:
    return max(abs(x - y) for x, y in zip(a, b, strict=True))


def _weighed(colour: tuple[int, ...], weights: tuple[int, ...]) -> int:
    return sum(w * c for w, c in zip(weights, colour, strict=True))


@exercise(
    "pixels",
    hints=(
        "Ask for one class: where are all three channels those of its colour? (colours == palette[k]).all(-1)",
        "Start from a map full of 255, and write k where class k's colour is.",
        "Or all at once: (colours[:, :, None] == palette).all(-1) is [H, W, K]; mind that subtracting uint8 wraps.",
    ),
)
def decode_palette(random: torch.Generator) -> Iterator[Case]:
    """`decode_palette(colours uint8 [H, W, 3], palette uint8 [K, 3])` → int64 [H, W]; unknown colours are 255."""
    red_and_blue = [[200, 10, 0], [0, 10, 200]]
    fixed = [
        ([[[0, 0, 0], [200, 10, 0]]], [[0, 0, 0], [200, 10, 0]]),
        ([[[200, 10, 0]], [[0, 10, 200]]], red_and_blue),
        ([[[200, 10, 0], [1, 2, 3], [0, 10, 200]]], red_and_blue),
        ([[[200, 10, 7], [0, 10, 200]]], red_and_blue),
        ([[[0, 0, 0], [128, 0, 0]]], [[128, 0, 0], [64, 0, 0]]),
        ([[[200, 10, 0], [201, 10, 0], [0, 12, 200]]], red_and_blue),
        ([[[0, 1, 0], [0, 0, 255]], [[0, 0, 100], [0, 0, 10]]], [[0, 1, 0], [0, 0, 10], [0, 0, 100], [0, 0, 255]]),
        ([[[1, 1, 0], [0, 0, 1]], [[3, 0, 0], [1, 0, 1]]], [[3, 0, 0], [1, 1, 0], [0, 0, 1]]),
        ([[[30, 20, 10], [10, 20, 30]], [[20, 20, 20], [30, 20, 10]]], [[10, 20, 30], [20, 20, 20], [30, 20, 10]]),
    ]
    cases = [tuple(torch.tensor(part, dtype=torch.uint8) for part in pair) for pair in fixed]
    for k, height, width in ((3, 2, 4), (5, 4, 3), (8, 6, 7), (12, 9, 5)):
        palette = torch.randperm(1 << 12, generator=random)[:k]
        # Few values a channel, so that colours share channels and sums; all are different.
        palette = torch.stack([palette >> 8 & 15, palette >> 4 & 15, palette & 15], dim=1) * 16
        which = torch.randint(k, (height, width), generator=random)
        colours = palette[which]
        unknown = torch.rand(height, width, generator=random) < 0.2
        colours[unknown] = torch.randint(256, (int(unknown.sum()), 3), generator=random) | 1
        cases.append((colours.byte(), palette.byte()))
    for colours, palette in cases:
        table = {tuple(colour): k for k, colour in enumerate(palette.tolist())}
        rows = palette.tolist()

        def grey(colour: tuple[int, ...]) -> int:
            return round(0.299 * colour[0] + 0.587 * colour[1] + 0.114 * colour[2])

        def first(colour: tuple[int, ...], alike: Callable, rows: list = rows, default: int = VOID) -> int:
            return next((k for k, row in enumerate(rows) if alike(colour, tuple(row))), default)

        def last(colour: tuple[int, ...], alike: Callable, rows: list = rows, default: int = VOID) -> int:
            return next((k for k in reversed(range(len(rows))) if alike(colour, tuple(rows[k]))), default)

        def nearest(colour: tuple[int, ...], rows: list = rows) -> int:
            distances = [sum((a - b) ** 2 for a, b in zip(colour, row, strict=True)) for row in rows]
            return distances.index(min(distances))

        def both(alike: Callable, colours: torch.Tensor = colours) -> tuple[torch.Tensor, torch.Tensor]:
            return tuple(_decoded(colours, lambda c, way=way: way(c, alike)) for way in (first, last))

        right = _decoded(colours, lambda colour, table=table: table.get(colour, VOID))
        mistakes: dict[str, object] = {
            "A colour that is in no row became class 0; it is void, 255.": _decoded(
                colours, lambda colour, table=table: table.get(colour, 0)
            ),
            "A colour that is in no row became −1; void is 255.": _decoded(
                colours, lambda colour, table=table: table.get(colour, -1)
            ),
            "You took the nearest colour; one that is in no row is void, 255.": _decoded(colours, nearest),
            "You compared the first channel only; all three must agree.": both(lambda a, b: a[0] == b[0]),
            "One equal channel is not enough: .all(-1), not .any(-1).": both(
                lambda a, b: any(x == y for x, y in zip(a, b, strict=True))
            ),
            "You compared sums of the channels; different colours can have one sum.": both(
                lambda a, b: sum(a) == sum(b)
            ),
            "You let colours differ a little; what is only near a colour is in no row, and void.": tuple(
                one for far in (1, 2, 3, 4, 5, 8, 10) for one in both(lambda a, b, far=far: _apart(a, b) <= far)
            ),
            "You made one number of three channels, and several colours get the same; 256 is the base.": tuple(
                one
                for weights in ((1, 2, 3), (3, 2, 1), *((b * b, b, 1) for b in (10, 16, 100, 128, 255)))
                for one in both(lambda a, b, weights=weights: _weighed(a, weights) == _weighed(b, weights))
            ),
            "Only the last channel counts in yours; in uint8, 256 times a number is 0: go to long first.": both(
                lambda a, b: a[2] == b[2]
            ),
            "Red and blue are mixed up.": _decoded(colours, lambda colour, table=table: table.get(colour[::-1], VOID)),
            "You returned brightness; the row number of the colour is asked for.": _decoded(colours, grey),
            "Rows and columns are mixed up.": right.T.clone(),
            "Classes count from 0; yours begin at 1.": torch.where(right == VOID, VOID, right + 1),
            "It fails at a colour that is in no row; that is void, 255.": (KeyError, IndexError, StopIteration),
        }
        yield Case({"colours": colours, "palette": palette}, right, mistakes)
