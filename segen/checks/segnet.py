"""The judges of the chapter `segnet`: pool_with_indices, unpool, bytes_kept and boundary_iou."""

import math
from collections.abc import Callable, Iterator
from itertools import product

import torch

from segen.checks.judging import Case, exercise


def _whole_numbers(*shape: int, random: torch.Generator) -> torch.Tensor:
    """Draw different whole numbers, some below 0, as floats: a counter-example is read more easily with them."""
    return torch.randperm(math.prod(shape), generator=random).view(shape).float() - math.prod(shape) // 2


def _drawn(low: int, high: int, random: torch.Generator) -> int:
    """Draw a whole number from `low` to `high`, both included."""
    return int(torch.randint(low, high + 1, (), generator=random))


# pool_with_indices ----------------------------------------------------------------------------------------------


def _pooled(x: torch.Tensor, k: int, *, pick: str = "greatest", ragged: bool = False) -> tuple[torch.Tensor, list]:
    """Return by loops what is picked of each window: values `[N, C, h, w]`, and for each where it was, (n, c, i, j)."""
    n, c, height, width = x.shape
    rows, columns = (-(-side // k) if ragged else side // k for side in (height, width))
    values, places = x.new_zeros(n, c, rows, columns), []
    for a, b, i, j in product(range(n), range(c), range(rows), range(columns)):
        window = product(range(i * k, min((i + 1) * k, height)), range(j * k, min((j + 1) * k, width)))
        numbers = [(float(x[a, b, row, column]), row, column) for row, column in window]
        best, row, column = numbers[0]
        for value, *place in numbers[1:]:
            if (
                (pick == "greatest" and value > best)
                or (pick == "last of the greatest" and value >= best)
                or (pick == "least" and value < best)
                or (pick == "without sign" and abs(value) > abs(best))
            ):
                best, (row, column) = value, place
        values[a, b, i, j] = best
        places.append((a, b, row, column))
    return values, places


@exercise(
    "segnet",
    hints=(
        "Work the answer out on paper for one map of 2×4 and windows of 2×2: two values and two places, 0 to 7.",
        "Bring each window's k·k values into one axis: cut the map to whole windows, view it as [N, C, h, k, w, k], "
        "move the two axes of length k to the end, flatten them, and take the maximum and its place there.",
        "If argmax gives p in the window (i, j), the row in the map is i·k + p // k and the column j·k + p % k; the "
        "index is row · W + column, with W the width of the map as it was given.",
    ),
)
def pool_with_indices(random: torch.Generator) -> Iterator[Case]:
    """`pool_with_indices(x float [N, C, H, W], k: int)` → values `[N, C, H // k, W // k]`, indices int64 of that shape.

    The index is row · W + column in its own map; of equal values the first; rows and columns left over are dropped.
    """
    shapes = [((1, 1, 2, 4), 2), ((1, 1, 4, 2), 2), ((1, 1, 4, 4), 2), ((1, 1, 3, 5), 2), ((2, 2, 4, 6), 2)]
    shapes += [((1, 2, 6, 9), 3), ((2, 3, 7, 8), 3), ((1, 1, 2, 3), 1)]
    for number, (shape, k) in enumerate(shapes):
        _, c, height, width = shape
        x = _whole_numbers(*shape, random=random)
        if number in (2, 4, 6):  # as after ReLU: many windows have several maxima
            x = (x.clamp(min=0) / 3).floor()
        values, places = _pooled(x, k)

        def indices(count: Callable, places: list = places, like: torch.Tensor = values) -> torch.Tensor:
            return torch.tensor([count(*place) for place in places], dtype=torch.int64).view(like.shape)

        def picked(pick: str, x: torch.Tensor = x, k: int = k, ragged: bool = False) -> list[torch.Tensor]:
            values, places = _pooled(x, k, pick=pick, ragged=ragged)
            where = [row * x.shape[3] + column for _, _, row, column in places]
            return [values, torch.tensor(where).view(values.shape)]

        right = indices(lambda a, b, row, column, width=width: row * width + column)
        counted = {
            "Your index says where in its window the maximum was; it must say where in the whole map.": indices(
                lambda a, b, row, column, k=k: row % k * k + column % k
            ),
            "Your index counts column by column; it counts row by row, row · W + column.": indices(
                lambda a, b, row, column, height=height: column * height + row
            ),
            "You multiply the row by the map's height; a row is as long as the map is wide.": indices(
                lambda a, b, row, column, height=height: row * height + column
            ),
            "You multiply the row by the width of the pooled map; the index counts in the large one.": indices(
                lambda a, b, row, column, small=width // k: row * small + column
            ),
            "You multiply the row by the width that whole windows cover; W is the width of the map as given.": indices(
                lambda a, b, row, column, cut=width // k * k: row * cut + column
            ),
            "Your index goes on counting from one map to the next; it begins at 0 in each map.": indices(
                lambda a, b, row, column, c=c, h=height, w=width: ((a * c + b) * h + row) * w + column
            ),
            "You counted with the channels innermost, as some libraries do; count in each map by itself.": indices(
                lambda a, b, row, column, c=c, w=width: (row * w + column) * c + b
            ),
            "Your index says in which window the maximum was; it must say at which place of the large map.": indices(
                lambda a, b, row, column, k=k, small=width // k: row // k * small + column // k
            ),
        }
        mistakes = {says: [values, index] for says, index in counted.items()}
        mistakes |= {
            "Of equal values in a window you took the last; take the first, row by row.": picked(
                "last of the greatest"
            ),
            "You picked the least of each window.": picked("least"),
            "You picked the value that is largest without its sign.": picked("without sign"),
            "The last rows or columns fill no window: there is no maximum for them.": (
                picked("greatest", ragged=True),
                RuntimeError,
            ),
            "They are turned round: the values come first, then the indices.": [right, values],
            "Only the values came; return values and indices.": values,
        }

        def floats(came: object) -> str | None:
            pair = isinstance(came, tuple | list) and len(came) == 2 and all(map(torch.is_tensor, came))
            if pair and came[0].is_floating_point() and came[1].is_floating_point():
                return "The indices are floats; a place is a whole number, int64."
            return None

        yield Case({"x": x, "k": k}, [values, right], mistakes, also=floats)


# unpool ---------------------------------------------------------------------------------------------------------


def _put_back(x: torch.Tensor, places: list, size: tuple[int, int], *, settle: Callable) -> torch.Tensor:
    """Return by loops `[N, C, *size]`; `places` are (n, c, i, j, row, column), `settle` makes one of several values."""
    large = x.new_zeros(*x.shape[:2], *size)
    come: dict[tuple, list[float]] = {}
    for n, c, i, j, row, column in places:
        if row < size[0] and column < size[1]:
            come.setdefault((n, c, row, column), []).append(float(x[n, c, i, j]))
    for place, values in come.items():
        large[place] = settle(values)
    return large


@exercise(
    "segnet",
    hints=(
        "Make a map of zeros with H·W places in a row, put each value at the place that its index names, and only then "
        "give the map its two sides.",
        "flatten(2) makes rows of x and of the indices; scatter along axis 2 writes them. Where an index occurs twice, "
        "scatter keeps either value: which, nobody promises.",
        "scatter_reduce(2, index, src, reduce='amax', include_self=False) keeps the greatest; with include_self=True "
        "the zero that was there takes part, and no negative value survives.",
    ),
)
def unpool(random: torch.Generator) -> Iterator[Case]:
    """`unpool(x float [N, C, h, w], indices int64 [N, C, h, w], size (H, W))` → float `[N, C, H, W]`.

    The index is row · W + column; a place that is named several times gets the greatest of its values; others get 0.
    """
    shapes = [((1, 1, 1, 2), (2, 4)), ((1, 1, 2, 1), (4, 2)), ((1, 1, 2, 2), (3, 5)), ((1, 2, 2, 2), (4, 5))]
    shapes += [((2, 1, 2, 3), (5, 6)), ((2, 3, 3, 2), (7, 5)), ((1, 1, 3, 3), (2, 2)), ((2, 2, 3, 3), (6, 7))]
    for number, (shape, size) in enumerate(shapes):
        x = _whole_numbers(*shape, random=random)
        area = size[0] * size[1]
        if number < 2 or number == 4:  # no place twice
            rows = [torch.randperm(area, generator=random)[: shape[2] * shape[3]] for _ in range(shape[0] * shape[1])]
            indices = torch.stack(rows).view(shape)
        else:  # as after overlapping windows
            indices = torch.randint(0, max(2, area // 2), shape, generator=random)
        every = list(product(*map(range, shape)))

        def put(
            at: Callable = lambda place, size: divmod(place, size[1]),
            settle: Callable = max,
            x: torch.Tensor = x,
            indices: torch.Tensor = indices,
            size: tuple[int, int] = size,
            every: list = every,
        ) -> torch.Tensor:
            return _put_back(x, [(*one, *at(int(indices[one]), size)) for one in every], size, settle=settle)

        right = put()
        corner = [(n, c, i, j, 2 * i, 2 * j) for n, c, i, j in every]
        mixed = [(n, c, i, j, *divmod(int(indices[0, 0, i, j]), size[1])) for n, c, i, j in every]
        mistakes = {
            "Where several values share a place, you added them; keep the greatest.": put(settle=sum),
            "Where several values share a place, you kept the last that came; keep the greatest.": put(
                settle=lambda values: values[-1]
            ),
            "Where several values share a place, you kept the first that came; keep the greatest.": put(
                settle=lambda values: values[0]
            ),
            "Where several values share a place, you kept the least; keep the greatest.": put(settle=min),
            "Where several values share a place, you took their mean; keep the greatest.": put(
                settle=lambda values: sum(values) / len(values)
            ),
            "Negative values are lost: the zero that was there is no value that came.": right.clamp(min=0),
            "You count the places column by column; they are counted row by row.": put(
                at=lambda place, size: divmod(place, size[0])[::-1]
            ),
            "You divide the index by the map's height; a row is as long as the map is wide.": (
                put(at=lambda place, size: divmod(place, size[0])),
                IndexError,
            ),
            "Height and width are turned round: size is (H, W).": right.flatten(2).unflatten(2, size[::-1]),
            "You forgot the places: each value lies at the upper left of its square.": _put_back(
                x, corner, size, settle=max
            ),
            "You used the places of the first map for all; each channel of each image has its own.": _put_back(
                x, mixed, size, settle=max
            ),
            "The map is still one row of places; view it as [N, C, H, W].": right.flatten(2),
        }
        yield Case({"x": x, "indices": indices, "size": size}, right, mistakes)


# bytes_kept -----------------------------------------------------------------------------------------------------


def _kept(
    size: tuple[int, int],
    widths: list[int],
    remember: str,
    *,
    number: int = 4,
    index: int = 8,
    bits: int = 2,
    together: bool = False,
    up: bool = True,
    shrink: bool = True,
    at_windows: bool = False,
    at_pixels: bool = False,
) -> int:
    """Count one by one what each pooling of an image leaves to be kept, in bits, and return bytes."""
    (height, width), total = size, 0
    for channels in widths:
        small = tuple(len(range(0, side if up else side - side % 2, 2)) for side in (height, width))
        places = small if (remember != "maps" or at_windows) and not at_pixels else (height, width)
        each = {"maps": 8 * number, "indices": 8 * index, "bits": bits}[remember]
        stage = sum(each for _ in range(places[0]) for _ in range(places[1])) * channels
        total += stage if together else stage + -stage % 8
        if shrink:
            height, width = small
    return -(-total // 8)


@exercise(
    "segnet",
    hints=(
        "Take one pooling of a map of 4×6 with one channel: how many numbers has the map, how many windows are there?",
        "A map keeps 4 bytes for each of its h·w numbers, indices 8 bytes and codes 2 bits for each of its "
        "⌈h/2⌉·⌈w/2⌉ windows, all times the channels. Then go on with the halved sides.",
        "Bytes of codes: (2 · windows · channels + 7) // 8, each pooling by itself. The halved side is (h + 1) // 2.",
    ),
)
def bytes_kept(random: torch.Generator) -> Iterator[Case]:
    """`bytes_kept(size (H, W), widths: list of ints, remember: str)` → int.

    `widths` are the channels of the maps that are pooled, one a pooling, 2×2 with odd sides rounded up. "maps" keeps
    the maps as float32, "indices" an int64 for each window, "bits" 2 bits for each, each pooling's in whole bytes.
    """
    fixed = [
        ((4, 4), [1]),
        ((4, 6), [2]),
        ((2, 2), [1]),
        ((8, 4), [3, 5]),
        ((5, 4), [1]),
        ((2, 2), [1, 1]),
        ((7, 9), [3, 1]),
        ((6, 10), [1, 1, 2]),
    ]
    drawn = []
    for _ in range(6):
        widths = [_drawn(1, 9, random) for _ in range(_drawn(1, 4, random))]
        drawn.append(((_drawn(3, 40, random), _drawn(3, 40, random)), widths))
    for size, widths in fixed + drawn:
        for remember in ("maps", "indices", "bits"):
            given = {"size": size, "widths": widths, "remember": remember}
            right = _kept(**given)
            windows = {"maps": 1, "indices": 8, "bits": 1}[remember]
            mistakes = {
                "Odd sides were rounded down; the last window is smaller, but it has a maximum too.": _kept(
                    **given, up=False
                ),
                "Every pooling was counted at the size of the image; each halves the sides.": _kept(
                    **given, shrink=False
                ),
                "The channels were left out: each has its own maxima.": _kept(size, [1] * len(widths), remember),
                "Only the last pooling was counted.": right - _kept(size, widths[:-1], remember),
                "Only the first pooling was counted.": _kept(size, widths[:1], remember),
            }
            if remember == "maps":
                mistakes |= {
                    "You counted the pooled maps; what is kept are the maps before the pooling.": _kept(
                        **given, at_windows=True
                    ),
                    "You counted numbers; a float32 has four bytes.": right // 4,
                    "You counted 8 bytes for a number; a float32 has four.": 2 * right,
                }
            if remember == "indices":
                mistakes |= {
                    "You counted an index for each pixel; there is one for each window.": _kept(
                        **given, at_pixels=True
                    ),
                    "You counted 4 bytes for an index; int64 has eight.": _kept(**given, index=4),
                    "You counted indices; an int64 has eight bytes.": right // windows,
                }
            if remember == "bits":
                bits = sum(
                    2 * channels * h * w for channels, (h, w) in zip(widths, _windows(size, widths), strict=True)
                )
                mistakes |= {
                    "You counted two bits for each pixel; there are two for each window.": _kept(
                        **given, at_pixels=True
                    ),
                    "You counted bits; eight of them are a byte.": bits,
                    "You put the bits of all poolings together; each pooling fills whole bytes by itself.": _kept(
                        **given, together=True
                    ),
                    "Bits that fill no whole byte were dropped; a part of a byte needs a byte.": sum(
                        2 * channels * h * w // 8
                        for channels, (h, w) in zip(widths, _windows(size, widths), strict=True)
                    ),
                    "You counted a whole byte for each window; two bits are a quarter of one.": _kept(**given, bits=8),
                    "You counted four bits for a window: one of four places needs two.": _kept(**given, bits=4),
                    "A fraction of a byte cannot be kept: round up, to an int.": bits / 8,
                }
            yield Case(given, right, mistakes)


def _windows(size: tuple[int, int], widths: list[int]) -> list[tuple[int, int]]:
    """Return how many windows, down and across, each pooling has."""
    found = []
    for _ in widths:
        size = (-(-size[0] // 2), -(-size[1] // 2))
        found.append(size)
    return found


# boundary_iou ---------------------------------------------------------------------------------------------------


def _near_contour(
    classes: list[list[int]],
    void: list[list[bool]],
    k: int,
    distance: int,
    *,
    steps: str = "king",
    edge: bool = True,
    void_outside: str = "never",
    inside: bool = True,
) -> set[tuple[int, int]]:
    """Return the pixels of region `k` that lie at most `distance` from a pixel outside it, by loops over all pairs."""
    height, width = len(classes), len(classes[0])
    region = {(i, j) for i in range(height) for j in range(width) if classes[i][j] == k}
    frame = range(-1, height + 1), range(-1, width + 1)
    outside = set()
    for i, j in product(*frame):
        if not (0 <= i < height and 0 <= j < width):
            if edge:
                outside.add((i, j))
        elif void[i][j]:
            if void_outside == "always" or (void_outside == "as any class" and (i, j) not in region):
                outside.add((i, j))
        elif (i, j) not in region:
            outside.add((i, j))
    region = {(i, j) for i, j in region if not void[i][j]}

    def far(a: tuple[int, int], b: tuple[int, int]) -> float:
        rows, columns = abs(a[0] - b[0]), abs(a[1] - b[1])
        return {"king": max(rows, columns), "rook": rows + columns, "euclid": math.hypot(rows, columns)}[steps]

    near = {p for p in region if any(far(p, q) <= distance for q in outside)}
    if not inside:  # a band on both sides
        others = {q for q in outside if 0 <= q[0] < height and 0 <= q[1] < width and not void[q[0]][q[1]]}
        near |= {q for q in others if any(far(p, q) <= distance for p in region)}
    return near


def _ratio(a: set, b: set, empty: float = math.nan) -> float:
    return len(a & b) / len(a | b) if a | b else empty


def _maps(height: int, width: int, random: torch.Generator, *, void: bool) -> tuple[torch.Tensor, torch.Tensor]:
    """Draw a target of three classes in rectangles, and a prediction that is shifted and has some wrong pixels."""
    target = torch.zeros(height, width, dtype=torch.int64)
    for k in (1, 2, 1):
        top, left = _drawn(0, height - 2, random), _drawn(0, width - 2, random)
        target[top : top + _drawn(2, height, random), left : left + _drawn(2, width - 1, random)] = k
    prediction = target.roll((_drawn(0, 1, random), _drawn(-1, 1, random)), (0, 1))
    wrong = torch.rand(height, width, generator=random) < 0.08
    prediction = prediction.where(~wrong, 1)
    if void:
        top, left = _drawn(0, height - 2, random), _drawn(0, width - 2, random)
        target[top : top + 2, left : left + 2] = 255
    return prediction, target


def _square(height: int, width: int, *corners: int) -> torch.Tensor:
    """Return zeros with a rectangle of ones: from row and column (included) to row and column (not included)."""
    top, left, bottom, right = corners
    mask = torch.zeros(height, width, dtype=torch.int64)
    mask[top:bottom, left:right] = 1
    return mask


@exercise(
    "segnet",
    hints=(
        "First write a function that finds, for one map, the pixels of region k at most `distance` steps from a pixel "
        "outside; look at what it gives for a square of 5×5.",
        "A pixel of the region is near the contour if the window of 2·distance + 1 rows and columns around it holds "
        "anything that is not region. Beyond the image nothing is region; void is neither region nor outside.",
        "With o = 1 outside the region and 0 in it and at void, pad o by `distance` with ones, and max_pool2d(o, "
        "2·distance + 1, 1) is 1 where a pixel outside is near. Then intersect with the region, leave void out, and "
        "divide; without any pixel in the union return float('nan').",
    ),
)
def boundary_iou(random: torch.Generator) -> Iterator[Case]:
    """`boundary_iou(prediction int64 [H, W], target int64 [H, W], k: int, distance: int)` → float, nan if undefined.

    P_d are the pixels of the region `prediction == k` at most `distance` steps, to any of eight neighbours, from a
    pixel outside it or beyond the image. Where `target` is 255 nothing is counted, and no contour begins.
    """
    cases = [
        (_square(5, 5, 1, 1, 4, 4), _square(5, 5, 1, 1, 4, 4), 1, 1),
        (_square(5, 6, 1, 1, 4, 4), _square(5, 6, 1, 2, 4, 5), 1, 1),
        (_square(7, 8, 1, 1, 6, 6), _square(7, 8, 1, 2, 6, 7), 1, 1),
        (_square(7, 7, 0, 0, 5, 5), _square(7, 7, 0, 0, 6, 5), 1, 1),
        (_square(4, 4, 1, 1, 3, 3), _square(4, 4, 1, 1, 3, 3), 2, 1),
        (_square(4, 4, 0, 0, 0, 0), _square(4, 4, 1, 1, 3, 3), 1, 1),
        (_square(9, 10, 0, 0, 8, 8), _square(9, 10, 0, 0, 8, 9), 1, 2),
    ]
    hidden = _square(7, 7, 1, 1, 6, 6)
    hidden[2:5, 3:7] = 255
    cases.append((_square(7, 7, 1, 1, 6, 6), hidden, 1, 1))
    cases.append((_square(7, 7, 1, 1, 5, 7), hidden, 1, 1))
    for number in range(6):
        size = _drawn(6, 9, random), _drawn(6, 9, random)
        cases.append((*_maps(*size, random, void=number > 2), _drawn(0, 2, random), _drawn(1, 2, random)))
    for prediction, target, k, distance in cases:
        guess, truth = prediction.tolist(), target.tolist()
        void = [[value == 255 for value in row] for row in truth]
        nothing = [[False] * len(row) for row in truth]

        def both(
            distance: int = distance, guess: list = guess, truth: list = truth, void: list = void, k: int = k, **how
        ) -> float:
            return _ratio(*(_near_contour(one, void, k, distance, **how) for one in (guess, truth)))

        bands = [_near_contour(one, void, k, distance) for one in (guess, truth)]
        regions = [{(i, j) for i, row in enumerate(m) for j, v in enumerate(row) if v == k} for m in (guess, truth)]
        hidden_pixels = {(i, j) for i, row in enumerate(void) for j, v in enumerate(row) if v}
        regions = [region - hidden_pixels for region in regions]
        mistakes = {
            "That is the IoU of the whole regions; only pixels near the contours count.": _ratio(*regions),
            "You count steps to four neighbours; a step may go to any of eight.": both(steps="rook"),
            "You measure straight lines; distance is counted in steps to any of eight neighbours.": both(
                steps="euclid"
            ),
            "Beyond the image nothing belongs to the region: the image's edge is a contour.": both(edge=False),
            "A contour began where region and void meet; there is none.": (
                both(void_outside="always"),
                both(void_outside="as any class"),
            ),
            "Void was taken for a class of its own: leave it out, and let no contour begin there.": both(void=nothing),
            "The band is too narrow: at most `distance` steps, that distance included.": both(distance - 1),
            "The band is too wide by a step.": both(distance + 1),
            "The band reaches outside the region; P_d holds pixels of the region only.": both(inside=False),
            "You cut both regions by the target's band; each region has its own.": _ratio(
                regions[0] & bands[1], bands[1]
            ),
            "You cut both regions by one band made of both; each region has its own.": _ratio(
                regions[0] & (bands[0] | bands[1]), regions[1] & (bands[0] | bands[1])
            ),
            "Where neither map has the class, the ratio is undefined: return float('nan').": (
                0.0,
                1.0,
                ZeroDivisionError,
            )
            if not bands[0] | bands[1]
            else _ratio(*bands),
            "You divided twice the intersection by the sum: that is the Dice coefficient.": 2
            * len(bands[0] & bands[1])
            / (len(bands[0]) + len(bands[1]))
            if bands[0] | bands[1]
            else math.nan,
        }
        yield Case({"prediction": prediction, "target": target, "k": k, "distance": distance}, _ratio(*bands), mistakes)
