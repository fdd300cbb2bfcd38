"""The judges of the chapter `unet`: crop_and_concatenate, output_size, border_weight_map and overlap_tile."""

import math
from collections.abc import Callable, Iterator

import torch
from torch.nn import functional as F

from segen.checks.judging import Case, exercise


def _whole_numbers(*shape: int, random: torch.Generator) -> torch.Tensor:
    """Draw different whole numbers from 1 on, as floats: a counter-example is read more easily with them."""
    return torch.randperm(math.prod(shape), generator=random).view(shape).float() + 1


# crop_and_concatenate -------------------------------------------------------------------------------------------


_CORNER = "You kept the upper left corner of the skip; the valid convolutions lose as much on every side."
_FAR_CORNER = "You kept the lower right corner of the skip; the centre lies between."
_ROUNDED_UP = "Where the difference is odd, you put the larger margin above or on the left; round down."
_ROUNDED_TO_EVEN = "round() takes 1.5 to 2, the even number: where the difference is odd, round down, with //."
_ROWS_TWICE = "You used the margin of the rows for the columns too."
_SWAPPED = "The margins are mixed up: you used that of the columns for the rows, and the other way round."
_TURNED_ROUND = "The order is turned round: the skip's channels come first."
_INTERPOLATED = "You made the skip smaller by interpolation; its pixels must stay where they are, so crop it."
_ADDED = "You added the two maps; U-Net puts them side by side and lets the next convolution mix them."
_ENLARGED = "You made x as large as the skip; it is the skip that is cut."
_NOT_CUT = "It fails where the skip is larger than x; is the skip cut to the size of x?"
_EMPTY_SLICE = "It fails here, where nothing is to be cut; if you slice up to −margin, 0:-0 keeps nothing."


def _paste(skip: torch.Tensor, x: torch.Tensor, top: int, left: int) -> torch.Tensor:
    """Return the skip from (top, left) on, before x, pixel by pixel; a pixel beyond the skip is nan."""
    (n, a, height, width), (_, b, h, w) = skip.shape, x.shape
    out = skip.new_full((n, a + b, h, w), math.nan)
    for i in range(h):
        for j in range(w):
            if 0 <= i + top < height and 0 <= j + left < width:
                out[:, :a, i, j] = skip[:, :, i + top, j + left]
            out[:, a:, i, j] = x[:, :, i, j]
    return out


@exercise(
    "unet",
    hints=(
        "How many rows are lost above, and how many below? Work it out on paper for 4 rows that become 2.",
        "The first row kept is (H − h) // 2, and h rows are kept from there on; the columns likewise.",
        "Slice the two last axes, skip[:, :, top : top + h, left : left + w]; torch.cat along the channels, axis 1.",
    ),
)
def crop_and_concatenate(random: torch.Generator) -> Iterator[Case]:
    """`crop_and_concatenate(skip [N, A, H, W], x [N, B, h, w])` → `[N, A + B, h, w]`.

    The centre of the skip comes first; where H − h is odd, the smaller margin is above, or on the left.
    """
    sizes = [
        (1, 1, 1, (1, 1), (1, 1)),
        (1, 1, 1, (3, 3), (1, 1)),
        (1, 1, 1, (2, 2), (1, 1)),
        (1, 1, 1, (3, 5), (1, 1)),
        (1, 1, 1, (4, 4), (1, 1)),
        (1, 1, 1, (4, 2), (2, 2)),
        (1, 2, 1, (5, 6), (3, 2)),
        (2, 2, 2, (8, 6), (3, 5)),
        (2, 3, 2, (9, 12), (4, 8)),
    ]
    for n, a, b, (height, width), (h, w) in sizes:
        skip = _whole_numbers(n, a, height, width, random=random)
        x = _whole_numbers(n, b, h, w, random=random) + 100
        top, left = (height - h) // 2, (width - w) // 2
        right = _paste(skip, x, top, left)
        centre = right[:, :a]
        small = [F.interpolate(skip, size=(h, w), mode=mode) for mode in ("nearest", "bilinear", "area")]
        mistakes = {
            _CORNER: _paste(skip, x, 0, 0),
            _FAR_CORNER: _paste(skip, x, height - h, width - w),
            _ROUNDED_UP: _paste(skip, x, -((h - height) // 2), -((w - width) // 2)),
            _ROUNDED_TO_EVEN: _paste(skip, x, round((height - h) / 2), round((width - w) / 2)),
            _ROWS_TWICE: _paste(skip, x, top, top),
            _SWAPPED: _paste(skip, x, left, top),
            _TURNED_ROUND: torch.cat([x, centre], dim=1),
            _INTERPOLATED: tuple(torch.cat([one, x], dim=1) for one in small),
        }
        if a == b:
            for axis, name in ((0, "batch"), (2, "rows"), (3, "columns")):
                mistakes[f"You concatenated along the {name}; the channels are axis 1."] = torch.cat(
                    [centre, x], dim=axis
                )
            mistakes[_ADDED] = centre + x
        if (height, width) != (h, w):
            mistakes[_NOT_CUT] = RuntimeError
            mistakes[_ENLARGED] = lambda got, skip=skip: got.shape[2:] == skip.shape[2:]
        else:
            mistakes[_EMPTY_SLICE] = RuntimeError
        yield Case({"skip": skip, "x": x}, right, mistakes)


# output_size ----------------------------------------------------------------------------------------------------


def _follow(size: int, depth: int, *, up: int = 2, down: int = 2, bottom: int = 2, lost: int = 1, strict: bool = True):
    """Follow a row of `size` pixels through the net as a list; return the length left, or ValueError.

    `lost` is what a convolution loses on each side; `strict` refuses to pool an odd row.
    """
    row = list(range(size))

    def convolve(row: list, times: int) -> list:
        for _ in range(times):
            row = row[lost : len(row) - lost] if len(row) > 2 * lost else []
        return row

    for _ in range(depth):
        row = convolve(row, down)
        if len(row) % 2 and strict:
            return ValueError
        row = list(zip(row[::2], row[1::2], strict=False))
    row = convolve(row, bottom)
    for _ in range(depth):
        row = convolve([pixel for pixel in row for _ in range(2)], up)
    return len(row) or ValueError


@exercise(
    "unet",
    hints=(
        "A 3×3 convolution without padding loses one pixel on each side, so two of them lose four in all.",
        "Write the way down as a loop (lose 4, check, halve), lose 4 at the bottom, and the way up as a loop too.",
        "Down: size −= 4; refuse it with a ValueError if it is odd or below 1; size //= 2. Up: size = 2 * size − 4. "
        "Refuse at the end what is below 1.",
    ),
)
def output_size(random: torch.Generator) -> Iterator[Case]:
    """`output_size(size: int, depth: int = 4)` → int, the side that the valid U-Net of the paper gives.

    ValueError where a pooling would meet an odd side, or where a convolution would leave nothing.
    """
    fixed = [(5, 0), (3, 0), (18, 1), (19, 1), (16, 1), (22, 1), (44, 2), (42, 2), (92, 3), (140, 4), (572, 4)]
    drawn = []
    for _ in range(12):
        depth = int(torch.randint(1, 5, (), generator=random))
        # What goes in is what comes out of the bottom, enlarged and with what each level loses.
        size = 4 + int(torch.randint(1, 20, (), generator=random))
        for _ in range(depth):
            size = 2 * size + 4
        drawn.append((size + int(torch.randint(0, 2, (), generator=random)), depth))
    for size, depth in fixed + sorted(drawn):
        right = _follow(size, depth)
        mistakes = {
            "A step takes two pixels in your count, not four: two convolutions, one pixel on each side.": _follow(
                size, depth, up=1, down=1, bottom=1
            ),
            "You left the two convolutions at the bottom out.": _follow(size, depth, bottom=0),
            "You left the convolutions of the way up out.": _follow(size, depth, up=0),
            "These convolutions do not pad: the output is smaller than the input.": size,
            "A pooling met an odd side and dropped a row without a word; raise a ValueError there.": _follow(
                size, depth, strict=False
            ),
            "You looked whether the size of the input can be halved, but poolings meet other sizes.": right
            if size % 2**depth == 0
            else ValueError,
            "A side that has become negative or 0 is no image: raise a ValueError.": _below_zero(size, depth),
            "This size fits, and your answer raises a ValueError.": ValueError,
            "184 pixels are lost at depth 4 only, and not every size fits.": size - 184,
        }
        yield Case({"size": size, "depth": depth}, right, mistakes)


def _below_zero(size: int, depth: int) -> int | type:
    """The size by arithmetic alone, which goes on below 0."""
    for _ in range(depth):
        size -= 4
        if size % 2:
            return ValueError
        size //= 2
    size -= 4
    for _ in range(depth):
        size = 2 * size - 4
    return size


# border_weight_map ----------------------------------------------------------------------------------------------


def _distances(cells: torch.Tensor) -> torch.Tensor:
    """Return by brute force the distance of each pixel to each cell, nearest first: float64 [cells, H, W]."""
    height, width = cells.shape
    members: dict[int, list[tuple[int, int]]] = {}
    for i in range(height):
        for j in range(width):
            if int(cells[i, j]):
                members.setdefault(int(cells[i, j]), []).append((i, j))
    far = torch.full((len(members), height, width), math.inf, dtype=torch.float64)
    for number, pixels in enumerate(members.values()):
        for i in range(height):
            for j in range(width):
                far[number, i, j] = min(math.hypot(i - k, j - m) for k, m in pixels)
    return far.sort(dim=0).values


def _drawn_cells(height: int, width: int, number: int, random: torch.Generator) -> torch.Tensor:
    """Draw `number` cells of up to 2×2 pixels, with gaps in their numbering; later ones may touch earlier ones."""
    cells = torch.zeros(height, width, dtype=torch.int64)
    for label in range(number):
        free = torch.nonzero(cells == 0)
        i, j = free[int(torch.randint(len(free), (), generator=random))].tolist()
        block = cells[i : i + 2, j : j + 2]
        block[block == 0] = 3 * label + 2
    return cells


@exercise(
    "unet",
    hints=(
        "Take one background pixel and one cell: the distance to the cell is the smallest distance to its pixels.",
        "Make a map of distances for each cell, stack them and sort along the cells: the first two maps are d1 and d2.",
        "w_c + w0 · exp(−(d1 + d2)² / (2 σ²)), the second term only where cells == 0; return w_c where there are fewer "
        "than two cells.",
    ),
)
def border_weight_map(random: torch.Generator) -> Iterator[Case]:
    """`border_weight_map(cells int64 [H, W], class_weight float [H, W], w0=10.0, sigma=5.0)` → float [H, W].

    Ronneberger et al. 2015, equation 2, on the background; inside cells, and with fewer than two, w_c alone.
    """
    shapes = [
        (1, 5, 2, 10.0, 3.0),
        (2, 4, 2, 10.0, 1.0),
        (4, 4, 3, 4.0, 2.0),
        (1, 3, 1, 10.0, 5.0),
        (2, 3, 0, 10.0, 5.0),
    ]
    shapes += [(6, 7, 2, 10.0, 5.0), (7, 6, 4, 3.0, 2.0), (9, 8, 5, 10.0, 3.0)]
    for number, (height, width, how_many, w0, sigma) in enumerate(shapes):
        cells = _drawn_cells(height, width, how_many, random)
        if number == 0:
            cells = torch.tensor([[2, 0, 0, 0, 5]])
        class_weight = torch.randint(1, 5, (height, width), generator=random).float() / 2
        far = _distances(cells)
        inputs = {"cells": cells, "class_weight": class_weight, "w0": w0, "sigma": sigma}
        w, ground = class_weight.double(), cells == 0
        if len(far) < 2:
            alone = far[0] if len(far) else torch.zeros_like(w)
            mistakes = {
                "With one cell there is no second nearest: d2 is not 0, it is without end.": w
                + w0 * torch.exp(-(alone**2) / (2 * sigma**2)) * ground,
                "With one cell there is no second nearest: d2 is not d1, it is without end.": w
                + w0 * torch.exp(-((2 * alone) ** 2) / (2 * sigma**2)) * ground,
            }
            yield Case(inputs, w, {**mistakes, "With fewer than two cells it fails; return w_c there.": Exception})
            continue
        d1, d2 = far[:2]
        pixel1, pixel2 = _nearest_pixels(cells)
        each = _to_each(cells, math.hypot)
        city = _to_each(cells, lambda i, j: abs(i) + abs(j)).sort(dim=0).values
        chess = _to_each(cells, lambda i, j: max(abs(i), abs(j))).sort(dim=0).values
        centre = _to_each(cells, math.hypot, centre=True).sort(dim=0).values
        counted = _up_to_the_largest(cells)

        def weights(distance: torch.Tensor, *, wide: float = 2 * sigma**2, w0: float = w0) -> torch.Tensor:
            return w0 * torch.exp(-distance / wide)

        right = w + weights((d1 + d2) ** 2) * ground
        mistakes = {
            "You divided by σ²; the equation has 2σ².": w + weights((d1 + d2) ** 2, wide=sigma**2) * ground,
            "You divided by 2σ; σ is squared too.": w + weights((d1 + d2) ** 2, wide=2 * sigma) * ground,
            "… / 2 * sigma**2 multiplies by σ²; put 2 * sigma**2 into brackets.": w
            + weights((d1 + d2) ** 2, wide=2 / sigma**2) * ground,
            "You returned w_c alone; the border's weight is missing.": w,
            "You added the squares of the distances; the equation squares their sum.": w
            + weights(d1**2 + d2**2) * ground,
            "You did not square the sum of the distances.": w + weights(d1 + d2) * ground,
            "Your d2 is the second nearest pixel, which belongs to the same cell; take the second nearest cell.": w
            + weights((pixel1 + pixel2) ** 2) * ground,
            "You used d1 alone: every border gets the weight, not only the gaps between two cells.": w
            + weights(d1**2) * ground,
            "You used d1 twice; the second distance is to the second nearest cell.": w
            + weights((2 * d1) ** 2) * ground,
            "You added the border's weight inside the cells too; it is for the background.": w
            + weights((d1 + d2) ** 2),
            "The class weight w_c is missing.": weights((d1 + d2) ** 2) * ground,
            "The class weight w_c is added to the border's, not multiplied with it.": (
                w * weights((d1 + d2) ** 2) * ground,
                w * (1 + weights((d1 + d2) ** 2) * ground),
            ),
            "The factor w0 is missing.": w + weights((d1 + d2) ** 2, w0=1.0) * ground,
            "w0 is an argument; you took 10 each time.": w + weights((d1 + d2) ** 2, w0=10.0) * ground,
            "sigma is an argument; you took 5 each time.": w + weights((d1 + d2) ** 2, wide=50.0) * ground,
            "You counted steps along rows and columns; the distance is Euclidean.": w
            + weights((city[0] + city[1]) ** 2) * ground,
            "You counted a step across a corner as 1; the distance is Euclidean, √2.": w
            + weights((chess[0] + chess[1]) ** 2) * ground,
            "You measured to the centres of the cells; the distance to a cell is that to its nearest pixel.": w
            + weights((centre[0] + centre[1]) ** 2) * ground,
            "You measured to the edges of the pixels; the distance is between their centres.": (
                w + weights((d1 + d2 - 1) ** 2) * ground,
                w + weights((d1 + d2 - 2) ** 2) * ground,
            ),
            "You took the same two cells for all pixels; which are nearest must be asked pixel by pixel.": tuple(
                w + weights((one + other) ** 2) * ground for one, other in ((each[0], each[1]), (each[-2], each[-1]))
            ),
            "You counted the cells from 1 to the largest number, but there are gaps; cells.unique() has none.": w
            + weights((counted[0] + counted[1]) ** 2) * ground,
            "The minus sign of the exponent is missing.": w + weights(-((d1 + d2) ** 2)) * ground,
        }
        yield Case(inputs, right, mistakes)


def _nearest_pixels(cells: torch.Tensor) -> torch.Tensor:
    """Return the distances to the nearest and the second nearest pixel of any cell: float64 [2, H, W]."""
    alone = torch.zeros_like(cells)
    alone[cells != 0] = torch.arange(1, int((cells != 0).sum()) + 1)
    return _distances(alone)[:2]


def _to_each(cells: torch.Tensor, far: Callable[[float, float], float], *, centre: bool = False) -> torch.Tensor:
    """Return how far each pixel is from each cell, or from its `centre`, in the cells' order: float64 [cells, H, W]."""
    height, width = cells.shape
    maps = []
    for label in cells[cells != 0].unique():
        pixels = torch.nonzero(cells == label).double()
        targets = (pixels.mean(0, keepdim=True) if centre else pixels).tolist()
        maps.append([[min(far(i - k, j - m) for k, m in targets) for j in range(width)] for i in range(height)])
    return torch.tensor(maps, dtype=torch.float64)


def _up_to_the_largest(cells: torch.Tensor) -> torch.Tensor:
    """Return the distances to each number up to the largest, nearest first: float64 [numbers, H, W].

    To a number that no pixel has, SciPy's `distance_transform_edt` takes the distance to the place (−1, 0).
    """
    rows, columns = torch.meshgrid(*(torch.arange(side) for side in cells.shape), indexing="ij")
    nowhere = torch.hypot(rows + 1.0, columns.double())
    missing = int(cells.max()) - len(cells[cells != 0].unique())
    return torch.stack([*_distances(cells), *[nowhere] * missing]).sort(dim=0).values


# overlap_tile ---------------------------------------------------------------------------------------------------


class _Net:
    """A valid net of one convolution, whose output depends on `context` pixels around; it notes what it is given."""

    def __init__(self, channels: int, classes: int, context: int, random: torch.Generator) -> None:
        side = 2 * context + 1
        self.kernel = torch.randint(1, 6, (classes, channels, side, side), generator=random).float()
        self.given: list[tuple[int, ...]] = []
        self.__name__ = f"a valid net of context {context}"

    def __call__(self, x: torch.Tensor) -> torch.Tensor:
        self.given.append(tuple(x.shape))
        return self.apply(x)

    def apply(self, x: torch.Tensor) -> torch.Tensor:
        return F.conv2d(x, self.kernel.to(x.dtype))


def _continued(image: torch.Tensor, context: int, how: str) -> torch.Tensor:
    """Return `image` with `context` more pixels on each side, index by index."""
    _, height, width = image.shape

    def inside(i: int, n: int) -> int | None:
        if how == "mirror":  # x2 x1 x0 x1 x2
            return -i if i < 0 else 2 * (n - 1) - i if i >= n else i
        if how == "mirror with the edge":  # x1 x0 x0 x1
            return -1 - i if i < 0 else 2 * n - 1 - i if i >= n else i
        if how == "edge":
            return min(max(i, 0), n - 1)
        if how == "round":
            return i % n
        return i if 0 <= i < n else None  # zeros

    out = image.new_zeros(len(image), height + 2 * context, width + 2 * context)
    for i in range(-context, height + context):
        for j in range(-context, width + context):
            k, m = inside(i, height), inside(j, width)
            if k is not None and m is not None:
                out[:, i + context, j + context] = image[:, k, m]
    return out


def _tile_by_tile(net: _Net, image: torch.Tensor, tile: int, context: int, how: str) -> torch.Tensor:
    """Return the prediction if each tile were continued by itself, its neighbours not seen."""
    whole = []
    for rows in image.split(tile, dim=1):
        row = [net.apply(_continued(part, context, how)[None])[0] for part in rows.split(tile, dim=2)]
        whole.append(torch.cat(row, dim=2))
    return torch.cat(whole, dim=1)


def _mirrored_by_itself(net: _Net, image: torch.Tensor, tile: int, context: int) -> torch.Tensor:
    """Return the prediction if each tile, the last ones moved inwards, were mirrored by itself."""
    _, height, width = image.shape
    whole = image.new_zeros(len(net.kernel), height, width)
    for row in range(0, height, tile):
        for column in range(0, width, tile):
            top, left = min(row, height - tile), min(column, width - tile)
            place = (slice(None), slice(top, top + tile), slice(left, left + tile))
            whole[place] = net.apply(_continued(image[place], context, "mirror")[None])[0]
    return whole


def _summed(whole: torch.Tensor, tile: int) -> torch.Tensor:
    """Return `whole` times how often tiles that are moved inwards cover each pixel."""
    covered = torch.zeros(whole.shape[-2:], dtype=whole.dtype)
    height, width = covered.shape
    for row in range(0, height, tile):
        for column in range(0, width, tile):
            top, left = min(row, height - tile), min(column, width - tile)
            covered[top : top + tile, left : left + tile] += 1
    return whole * covered


@exercise(
    "unet",
    hints=(
        "To predict a tile, the net must see the tile and `context` pixels of the image on each side of it.",
        "Continue the whole image by `context` pixels first (F.pad with mode='reflect'), and cut squares of "
        "tile + 2·context out of it.",
        "The square for the tile at (top, left) begins at (top, left) of the continued image. A last tile that does "
        "not fit is moved inwards, top = min(top, H − tile), and its output is written there.",
    ),
)
def overlap_tile(random: torch.Generator) -> Iterator[Case]:
    """`overlap_tile(predict, image float [C, H, W], tile: int, context: int)` → float [K, H, W].

    `predict` maps `[N, C, tile + 2·context, tile + 2·context]` to `[N, K, tile, tile]`; H, W ≥ tile + context. The
    image is continued by mirroring without repeating its edge.
    """
    shapes = [
        (1, 1, (3, 3), 2, 1),
        (1, 1, (4, 4), 2, 1),
        (1, 1, (4, 6), 2, 2),
        (2, 2, (5, 6), 3, 2),
        (2, 3, (7, 5), 2, 3),
        (3, 2, (9, 11), 4, 2),
    ]
    for channels, classes, (height, width), tile, context in shapes:
        image = _whole_numbers(channels, height, width, random=random)
        net = _Net(channels, classes, context, random)
        side = tile + 2 * context

        def whole(how: str, net: _Net = net, image: torch.Tensor = image, context: int = context) -> torch.Tensor:
            return net.apply(_continued(image, context, how)[None])[0]

        def asked(_: object, net: _Net = net, side: int = side) -> str | None:
            other = [shape for shape in net.given if len(shape) != 4 or shape[2:] != (side, side)]
            if other:
                came = "×".join(map(str, other[0]))
                if other[0][-2:] == (side, side):
                    return f"predict was called with {came}; it takes [N, C, {side}, {side}]: give it a batch axis."
                return f"predict was called with {came}; it takes squares of tile + 2·context, here {side}×{side}."
            return None if net.given else "predict was never called."

        right = whole("mirror")
        short = (height // tile * tile, width // tile * tile)
        zeroed, larger = torch.zeros_like(right), height + width
        zeroed[:, : short[0], : short[1]] = right[:, : short[0], : short[1]]
        mistakes = {
            "Beyond the border you put zeros; the image is continued by mirroring.": whole("zeros"),
            "Beyond the border you repeat the edge; the image is continued by mirroring.": whole("edge"),
            "Your mirror repeats the edge pixel; x₋₁ is x₁, not x₀.": whole("mirror with the edge"),
            "Beyond the border you go on at the other side; the image is continued by mirroring.": whole("round"),
            "Each tile was padded with zeros; inside the image its context is the image.": _tile_by_tile(
                net, image, tile, context, "zeros"
            ),
            "The last rows or columns, which fill no whole tile, are missing.": (
                zeroed,
                right[:, : short[0], : short[1]],
            ),
            "The batch axis is still there; return [K, H, W].": right[None],
            "You returned the number of the best class; return the scores of all K classes.": right.argmax(0),
            "Where tiles overlap, you added their predictions.": _summed(right, tile),
            "It is larger than the image: cut away what the last tiles hold beyond it.": lambda got, larger=larger: (
                sum(got.shape[-2:]) > larger
            ),
        }
        if context < tile:
            mistakes["Each tile was mirrored by itself; inside the image its context is the image."] = (
                _mirrored_by_itself(net, image, tile, context)
            )
        yield Case({"predict": net, "image": image, "tile": tile, "context": context}, right, mistakes, also=asked)
