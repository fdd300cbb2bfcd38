"""Wrong answers to the exercises of the chapter `unet`, each one idea away from the solution: EXERCISE__idea."""

import torch
import torch.nn.functional as F


def crop_and_concatenate__upper_left_corner(skip, x):
    """Cut the skip's upper left corner, as a slice that begins at 0 does."""
    h, w = x.shape[-2:]
    return torch.cat([skip[:, :, :h, :w], x], dim=1)


def crop_and_concatenate__margin_rounded_up(skip, x):
    """Round an odd margin up: off by one pixel."""
    (height, width), (h, w) = skip.shape[-2:], x.shape[-2:]
    top, left = (height - h + 1) // 2, (width - w + 1) // 2
    return torch.cat([skip[:, :, top : top + h, left : left + w], x], dim=1)


def crop_and_concatenate__x_first(skip, x):
    """Put the upsampled map before the skip."""
    (height, width), (h, w) = skip.shape[-2:], x.shape[-2:]
    top, left = (height - h) // 2, (width - w) // 2
    return torch.cat([x, skip[:, :, top : top + h, left : left + w]], dim=1)


def crop_and_concatenate__square(skip, x):
    """Use the rows' margin for the columns as well."""
    h, w = x.shape[-2:]
    margin = (skip.shape[-2] - h) // 2
    return torch.cat([skip[:, :, margin : margin + h, margin : margin + w], x], dim=1)


def crop_and_concatenate__negative_slice(skip, x):
    """Slice from the margin to minus the margin, which keeps nothing where the margin is 0."""
    top, left = (skip.shape[-2] - x.shape[-2]) // 2, (skip.shape[-1] - x.shape[-1]) // 2
    return torch.cat([skip[:, :, top:-top, left:-left], x], dim=1)


def crop_and_concatenate__interpolated(skip, x):
    """Make the skip smaller instead of cutting it."""
    return torch.cat([F.interpolate(skip, size=x.shape[-2:]), x], dim=1)


def crop_and_concatenate__added(skip, x):
    """Add the maps, as a residual network does."""
    (height, width), (h, w) = skip.shape[-2:], x.shape[-2:]
    top, left = (height - h) // 2, (width - w) // 2
    return skip[:, :, top : top + h, left : left + w] + x


def crop_and_concatenate__along_the_batch(skip, x):
    """Concatenate along axis 0."""
    (height, width), (h, w) = skip.shape[-2:], x.shape[-2:]
    top, left = (height - h) // 2, (width - w) // 2
    return torch.cat([skip[:, :, top : top + h, left : left + w], x], dim=0)


def _through(size, depth, *, down=4, bottom=4, up=4, strict=True):
    for _ in range(depth):
        size -= down
        if size <= 0 or (strict and size % 2):
            raise ValueError("This size does not fit.")
        size //= 2
    size -= bottom
    for _ in range(depth):
        size = 2 * size - up
    if size <= 0:
        raise ValueError("Nothing is left.")
    return size


def output_size__one_pixel_a_convolution(size, depth=4):
    """Let a 3×3 convolution lose one pixel in all."""
    return _through(size, depth, down=2, bottom=2, up=2)


def output_size__no_bottom(size, depth=4):
    """Forget the two convolutions at the bottom."""
    return _through(size, depth, bottom=0)


def output_size__nothing_lost_on_the_way_up(size, depth=4):
    """Let only the contracting path lose pixels."""
    return _through(size, depth, up=0)


def output_size__padded(size, depth=4):
    """Take the net for one that pads."""
    _through(size, depth)
    return size


def output_size__odd_rows_dropped(size, depth=4):
    """Pool odd sides without a word."""
    return _through(size, depth, strict=False)


def output_size__only_the_input_is_checked(size, depth=4):
    """Ask the input to be a multiple of 2 to the depth, as for a padded net."""
    if size % 2**depth:
        raise ValueError("This size does not fit.")
    return _through(size, depth)


def output_size__negative_sides(size, depth=4):
    """Go on calculating where nothing is left."""
    for _ in range(depth):
        size -= 4
        if size % 2:
            raise ValueError("This size does not fit.")
        size //= 2
    size -= 4
    for _ in range(depth):
        size = 2 * size - 4
    return size


def _nearest(cells):
    numbers = [number for number in cells.unique().tolist() if number != 0]
    pixels = torch.cartesian_prod(*(torch.arange(side) for side in cells.shape)).double()
    each = [torch.cdist(pixels, pixels[cells.flatten() == number]).amin(1) for number in numbers]
    return [each_map.view(cells.shape) for each_map in torch.stack(each).sort(dim=0).values]


def _fewer_than_two(cells):
    return len(cells[cells != 0].unique()) < 2


def border_weight_map__sigma_squared_only(cells, class_weight, w0=10.0, sigma=5.0):
    """Forget the 2 of 2σ²."""
    if _fewer_than_two(cells):
        return class_weight.clone()
    d1, d2 = _nearest(cells)[:2]
    return class_weight + w0 * torch.exp(-((d1 + d2) ** 2) / sigma**2) * (cells == 0)


def border_weight_map__sum_of_squares(cells, class_weight, w0=10.0, sigma=5.0):
    """Square the distances before adding them."""
    if _fewer_than_two(cells):
        return class_weight.clone()
    d1, d2 = _nearest(cells)[:2]
    return class_weight + w0 * torch.exp(-(d1**2 + d2**2) / (2 * sigma**2)) * (cells == 0)


def border_weight_map__second_nearest_pixel(cells, class_weight, w0=10.0, sigma=5.0):
    """Take the second nearest pixel of any cell for the second nearest cell."""
    if _fewer_than_two(cells):
        return class_weight.clone()
    pixels = torch.cartesian_prod(*(torch.arange(side) for side in cells.shape)).double()
    d1, d2 = torch.cdist(pixels, pixels[cells.flatten() != 0]).sort(dim=1).values[:, :2].T
    border = w0 * torch.exp(-((d1 + d2) ** 2) / (2 * sigma**2))
    return class_weight + border.view(cells.shape) * (cells == 0)


def border_weight_map__inside_the_cells_too(cells, class_weight, w0=10.0, sigma=5.0):
    """Add the border's weight to the pixels of cells as well."""
    if _fewer_than_two(cells):
        return class_weight.clone()
    d1, d2 = _nearest(cells)[:2]
    return class_weight + w0 * torch.exp(-((d1 + d2) ** 2) / (2 * sigma**2))


def border_weight_map__no_class_weight(cells, class_weight, w0=10.0, sigma=5.0):
    """Return the border's weight alone."""
    if _fewer_than_two(cells):
        return class_weight.clone()
    d1, d2 = _nearest(cells)[:2]
    return w0 * torch.exp(-((d1 + d2) ** 2) / (2 * sigma**2)) * (cells == 0)


def border_weight_map__one_cell_counts_twice(cells, class_weight, w0=10.0, sigma=5.0):
    """Take the only cell for the second nearest as well."""
    if not cells.any():
        return class_weight.clone()
    each = _nearest(cells)
    d1, d2 = each[0], each[min(1, len(each) - 1)]
    return class_weight + w0 * torch.exp(-((d1 + d2) ** 2) / (2 * sigma**2)) * (cells == 0)


def border_weight_map__two_cells_needed(cells, class_weight, w0=10.0, sigma=5.0):
    """Fail where there is no second cell."""
    d1, d2 = _nearest(cells)[:2]
    return class_weight + w0 * torch.exp(-((d1 + d2) ** 2) / (2 * sigma**2)) * (cells == 0)


def _tiles(predict, image, tile, context, *, mode="reflect"):
    height, width = image.shape[-2:]
    padded = F.pad(image[None], (context,) * 4, mode=mode)
    for row in range(0, height, tile):
        for column in range(0, width, tile):
            top, left = min(row, height - tile), min(column, width - tile)
            side = tile + 2 * context
            yield top, left, predict(padded[:, :, top : top + side, left : left + side])[0]


def _put(parts, image, tile, *, add=False):
    whole = None
    for top, left, part in parts:
        if whole is None:
            whole = part.new_zeros(len(part), *image.shape[-2:])
        old = whole[:, top : top + tile, left : left + tile]
        old.copy_(old + part if add else part)
    return whole


def overlap_tile__zeros_beyond_the_border(predict, image, tile, context):
    """Continue the image with zeros."""
    return _put(_tiles(predict, image, tile, context, mode="constant"), image, tile)


def overlap_tile__edge_repeated(predict, image, tile, context):
    """Continue the image with its last row and column."""
    return _put(_tiles(predict, image, tile, context, mode="replicate"), image, tile)


def overlap_tile__mirror_repeats_the_edge(predict, image, tile, context):
    """Mirror with the edge pixel twice (NumPy's `symmetric`): the off-by-one of a padding."""
    padded = image
    for axis in (-2, -1):
        first = padded.narrow(axis, 0, context).flip(axis)
        last = padded.narrow(axis, padded.shape[axis] - context, context).flip(axis)
        padded = torch.cat([first, padded, last], dim=axis)
    side, parts = tile + 2 * context, []
    height, width = image.shape[-2:]
    for row in range(0, height, tile):
        for column in range(0, width, tile):
            top, left = min(row, height - tile), min(column, width - tile)
            parts.append((top, left, predict(padded[None, :, top : top + side, left : left + side])[0]))
    return _put(parts, image, tile)


def overlap_tile__each_tile_by_itself(predict, image, tile, context):
    """Pad each tile with zeros instead of showing the net its neighbours."""
    height, width = image.shape[-2:]
    parts = []
    for row in range(0, height, tile):
        for column in range(0, width, tile):
            piece = image[None, :, row : row + tile, column : column + tile]
            below, right = tile - piece.shape[-2], tile - piece.shape[-1]
            padded = F.pad(piece, (context, context + right, context, context + below))
            part = predict(padded)[0, :, : tile - below, : tile - right]
            parts.append((row, column, part))
    whole = parts[0][2].new_zeros(len(parts[0][2]), height, width)
    for row, column, part in parts:
        whole[:, row : row + tile, column : column + tile] = part
    return whole


def overlap_tile__last_tiles_missing(predict, image, tile, context):
    """Visit full tiles only."""
    full = [side // tile * tile for side in image.shape[-2:]]
    parts = _tiles(predict, image, tile, context)
    return _put(
        (
            (top, left, part)
            for top, left, part in parts
            if top % tile == left % tile == 0 and top < full[0] and left < full[1]
        ),
        image,
        tile,
    )


def overlap_tile__overlaps_added(predict, image, tile, context):
    """Add up what tiles that are moved inwards predict twice."""
    return _put(_tiles(predict, image, tile, context), image, tile, add=True)


def overlap_tile__whole_image_at_once(predict, image, tile, context):
    """Give the net the whole image, which was to be avoided."""
    return predict(F.pad(image[None], (context,) * 4, mode="reflect"))[0]
