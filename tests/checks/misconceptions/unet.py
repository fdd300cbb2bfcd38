"""Wrong answers to the exercises of the chapter `unet`, each one idea away from the solution: EXERCISE__idea."""

import numpy as np
import torch
import torch.nn.functional as F
from scipy.ndimage import distance_transform_cdt, distance_transform_edt


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


def crop_and_concatenate__margin_rounded_to_even(skip, x):
    """Halve the margin with `round`, which goes to the even number: wrong only for a margin of 3, 7, 11…"""
    (height, width), (h, w) = skip.shape[-2:], x.shape[-2:]
    top, left = round((height - h) / 2), round((width - w) / 2)
    return torch.cat([skip[:, :, top : top + h, left : left + w], x], dim=1)


def crop_and_concatenate__margins_swapped(skip, x):
    """Take the rows' margin for the columns and the columns' for the rows."""
    (height, width), (h, w) = skip.shape[-2:], x.shape[-2:]
    top, left = (width - w) // 2, (height - h) // 2
    return torch.cat([skip[:, :, top : top + h, left : left + w], x], dim=1)


def crop_and_concatenate__not_cut(skip, x):
    """Join the maps as they come."""
    return torch.cat([skip, x], dim=1)


def crop_and_concatenate__x_padded(skip, x):
    """Pad the upsampled map with zeros until it is as large as the skip, as many programs do."""
    rows, columns = skip.shape[-2] - x.shape[-2], skip.shape[-1] - x.shape[-1]
    padding = (columns // 2, columns - columns // 2, rows // 2, rows - rows // 2)
    return torch.cat([skip, F.pad(x, padding)], dim=1)


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


def output_size__bottom_must_be_even(size, depth=4):
    """Refuse an odd side at the bottom, where nothing is pooled."""
    side = size
    for _ in range(depth):
        side = (side - 4) // 2
    if (side - 4) % 2:
        raise ValueError("This size does not fit.")
    return _through(size, depth)


def output_size__always_184(size, depth=4):
    """Subtract what the paper's net loses, whatever the depth."""
    return size - 184


def output_size__error_returned(size, depth=4):
    """Return the error in place of raising it."""
    try:
        return _through(size, depth)
    except ValueError as error:
        return error


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


def _weights(cells, class_weight, w0, sigma, d1, d2):
    return class_weight + w0 * torch.exp(-((d1 + d2) ** 2) / (2 * sigma**2)) * (cells == 0)


def border_weight_map__numbers_without_gaps(cells, class_weight, w0=10.0, sigma=5.0):
    """Count the cells from 1 to the largest number, as the chapter's own cell may."""
    if _fewer_than_two(cells):
        return class_weight.clone()
    each = [distance_transform_edt(cells.numpy() != number) for number in range(1, int(cells.max()) + 1)]
    d1, d2 = torch.from_numpy(np.sort(each, axis=0)[:2])
    return _weights(cells, class_weight, w0, sigma, d1, d2)


def border_weight_map__not_sorted(cells, class_weight, w0=10.0, sigma=5.0):
    """Take the first two cells for the nearest two at every pixel."""
    if _fewer_than_two(cells):
        return class_weight.clone()
    first, second = cells[cells != 0].unique()[:2]
    d1, d2 = (torch.from_numpy(distance_transform_edt(cells.numpy() != int(one))) for one in (first, second))
    return _weights(cells, class_weight, w0, sigma, d1, d2)


def border_weight_map__to_the_centres(cells, class_weight, w0=10.0, sigma=5.0):
    """Measure to the middle of a cell."""
    if _fewer_than_two(cells):
        return class_weight.clone()
    pixels = torch.cartesian_prod(*(torch.arange(side) for side in cells.shape)).double()
    middles = [pixels[cells.flatten() == number].mean(0) for number in cells[cells != 0].unique()]
    far = torch.cdist(pixels, torch.stack(middles), compute_mode="donot_use_mm_for_euclid_dist").sort(dim=1).values
    return _weights(cells, class_weight, w0, sigma, *far[:, :2].T.reshape(2, *cells.shape))


def border_weight_map__largest_step(cells, class_weight, w0=10.0, sigma=5.0):
    """Count a step across a corner as one pixel."""
    if _fewer_than_two(cells):
        return class_weight.clone()
    numbers = np.unique(cells[cells != 0])
    each = [distance_transform_cdt(cells.numpy() != number, metric="chessboard") for number in numbers]
    d1, d2 = torch.from_numpy(np.sort(each, axis=0)[:2]).double()
    return _weights(cells, class_weight, w0, sigma, d1, d2)


def border_weight_map__between_the_edges(cells, class_weight, w0=10.0, sigma=5.0):
    """Measure the gap between the pixels' edges: a pixel less for each pair of neighbours."""
    if _fewer_than_two(cells):
        return class_weight.clone()
    d1, d2 = _nearest(cells)[:2]
    return _weights(cells, class_weight, w0, sigma, d1 - 0.5, d2 - 0.5)


def border_weight_map__sigma_fixed(cells, class_weight, w0=10.0, sigma=5.0):
    """Write the paper's σ into the formula."""
    if _fewer_than_two(cells):
        return class_weight.clone()
    return _weights(cells, class_weight, w0, 5, *_nearest(cells)[:2])


def border_weight_map__w0_fixed(cells, class_weight, w0=10.0, sigma=5.0):
    """Write the paper's w0 into the formula."""
    if _fewer_than_two(cells):
        return class_weight.clone()
    return _weights(cells, class_weight, 10, sigma, *_nearest(cells)[:2])


def border_weight_map__multiplied(cells, class_weight, w0=10.0, sigma=5.0):
    """Multiply the class weight by one plus the border's."""
    if _fewer_than_two(cells):
        return class_weight.clone()
    return class_weight * _weights(cells, torch.ones_like(class_weight), w0, sigma, *_nearest(cells)[:2])


def border_weight_map__no_brackets(cells, class_weight, w0=10.0, sigma=5.0):
    """Divide by 2 and then multiply by σ²."""
    if _fewer_than_two(cells):
        return class_weight.clone()
    d1, d2 = _nearest(cells)[:2]
    return class_weight + w0 * torch.exp(-((d1 + d2) ** 2) / 2 * sigma**2) * (cells == 0)


def border_weight_map__class_weight_alone(cells, class_weight, w0=10.0, sigma=5.0):
    """Return what was given."""
    return class_weight.clone()


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


def overlap_tile__each_tile_mirrored(predict, image, tile, context):
    """Mirror each tile by itself instead of the whole image."""

    def predict_middle(part):
        middle = part[:, :, context:-context, context:-context]
        if context >= tile:  # too small to be mirrored
            return predict(part)
        return predict(F.pad(middle, (context,) * 4, mode="reflect"))

    return _put(_tiles(predict_middle, image, tile, context), image, tile)


def overlap_tile__no_batch_axis(predict, image, tile, context):
    """Give the net one square without its batch axis, which a single convolution happens to take."""
    return _put(_tiles(lambda part: predict(part[0])[None], image, tile, context), image, tile)


def overlap_tile__batch_axis_returned(predict, image, tile, context):
    """Return the batch axis too."""
    return _put(_tiles(predict, image, tile, context), image, tile)[None]


def overlap_tile__classes(predict, image, tile, context):
    """Return the best class of each pixel."""
    return _put(_tiles(predict, image, tile, context), image, tile).argmax(0)
