"""Wrong answers to the exercises of the chapter `segnet`, each one idea away from the solution: EXERCISE__idea."""

import math

import torch
import torch.nn.functional as F


def _pool(x, k, count, *, last=False, sign=1):
    n, c, height, width = x.shape
    h, w = height // k, width // k
    windows = x[:, :, : h * k, : w * k].reshape(n, c, h, k, w, k).transpose(3, 4).reshape(n, c, h, w, k * k)
    place = (sign * windows).argmax(-1)
    if last:
        place = k * k - 1 - windows.flip(-1).argmax(-1)
    values = windows.gather(-1, place[..., None])[..., 0]
    i, j = torch.arange(h)[:, None], torch.arange(w)
    return values, count(i * k + place // k, j * k + place % k, place)


def pool_with_indices__place_in_the_window(x, k):
    """Return argmax as it is: the place in the window."""
    return _pool(x, k, lambda row, column, place: place)


def pool_with_indices__column_by_column(x, k):
    """Count down the columns."""
    return _pool(x, k, lambda row, column, place: column * x.shape[2] + row)


def pool_with_indices__row_times_height(x, k):
    """Multiply the row by the height, right for square maps only."""
    return _pool(x, k, lambda row, column, place: row * x.shape[2] + column)


def pool_with_indices__pooled_width(x, k):
    """Multiply the row by the width of the small map."""
    return _pool(x, k, lambda row, column, place: row * (x.shape[3] // k) + column)


def pool_with_indices__cut_width(x, k):
    """Cut the map to whole windows first, and count in what is left."""
    return _pool(x, k, lambda row, column, place: row * (x.shape[3] // k * k) + column)


def pool_with_indices__last_of_equals(x, k):
    """Take the last of several maxima, as a loop with >= does."""
    return _pool(x, k, lambda row, column, place: row * x.shape[3] + column, last=True)


def pool_with_indices__minimum(x, k):
    """Take argmin."""
    return _pool(x, k, lambda row, column, place: row * x.shape[3] + column, sign=-1)


def pool_with_indices__through_all_maps(x, k):
    """Count on from map to map, as a flat index of the whole tensor does."""
    n, c, height, width = x.shape
    before = torch.arange(n * c).view(n, c, 1, 1) * height * width
    return _pool(x, k, lambda row, column, place: before + row * width + column)


def pool_with_indices__channels_innermost(x, k):
    """Count as libraries do that keep the channels innermost."""
    channel = torch.arange(x.shape[1])[:, None, None]
    return _pool(x, k, lambda row, column, place: (row * x.shape[3] + column) * x.shape[1] + channel)


def pool_with_indices__ragged_windows(x, k):
    """Pool the rows and columns left over, too."""
    return F.max_pool2d(x, k, ceil_mode=True, return_indices=True)


def pool_with_indices__turned_round(x, k):
    """Return the indices first."""
    return F.max_pool2d(x, k, return_indices=True)[::-1]


def pool_with_indices__values_only(x, k):
    """Return no indices."""
    return F.max_pool2d(x, k)


def _empty(x, size):
    return x.new_zeros(*x.shape[:2], size[0] * size[1])


def unpool__added(x, indices, size):
    """Add the values that share a place."""
    large = _empty(x, size).scatter_add(2, indices.flatten(2), x.flatten(2))
    return large.unflatten(2, size)


def unpool__last_one_wins(x, indices, size):
    """Write one value after the other."""
    large = _empty(x, size)
    flat, where = x.flatten(2), indices.flatten(2)
    for place in range(flat.shape[2]):
        large.scatter_(2, where[:, :, place : place + 1], flat[:, :, place : place + 1])
    return large.unflatten(2, size)


def unpool__mean(x, indices, size):
    """Take the mean of the values that share a place."""
    large = _empty(x, size).scatter_reduce(2, indices.flatten(2), x.flatten(2), "mean", include_self=False)
    return large.unflatten(2, size)


def unpool__zero_takes_part(x, indices, size):
    """Let the zeros compete, so that no negative value survives."""
    large = _empty(x, size).scatter_reduce(2, indices.flatten(2), x.flatten(2), "amax", include_self=True)
    return large.unflatten(2, size)


def _greatest(x, indices, size):
    large = _empty(x, size)
    return large.scatter_reduce(2, indices.flatten(2), x.flatten(2), "amax", include_self=False)


def unpool__sides_turned_round(x, indices, size):
    """View the row of places as [W, H]."""
    return _greatest(x, indices, size).unflatten(2, size[::-1])


def unpool__column_by_column(x, indices, size):
    """Take an index apart column by column."""
    return _greatest(x, indices % size[0] * size[1] + indices // size[0], size).unflatten(2, size)


def unpool__divided_by_the_height(x, indices, size):
    """Take the row for index // H and the column for index % H."""
    large = torch.full((*x.shape[:2], *size), -torch.inf)
    for n, c, i, j in torch.cartesian_prod(*map(torch.arange, x.shape)).tolist():
        row, column = divmod(int(indices[n, c, i, j]), size[0])
        large[n, c, row, column] = max(large[n, c, row, column], x[n, c, i, j])
    return large.where(large.isfinite(), 0)


def unpool__corners(x, indices, size):
    """Forget the places and write to the upper left of each 2×2 square."""
    large = x.new_zeros(*x.shape[:2], *size)
    h, w = large[:, :, ::2, ::2].shape[2:]
    large[:, :, : 2 * x.shape[2] : 2, : 2 * x.shape[3] : 2] = x[:, :, :h, :w]
    return large


def unpool__first_map_for_all(x, indices, size):
    """Use the places of the first channel of the first image everywhere."""
    return _greatest(x, indices[:1, :1].expand_as(indices), size).unflatten(2, size)


def unpool__still_flat(x, indices, size):
    """Forget to give the map its sides."""
    return _greatest(x, indices, size)


def _bytes(size, widths, remember, *, windows=lambda side: (side + 1) // 2, whole=lambda bits: -(-bits // 8)):
    (height, width), total = size, 0
    for channels in widths:
        small = windows(height), windows(width)
        area = channels * small[0] * small[1]
        total += {"maps": 4 * channels * height * width, "indices": 8 * area, "bits": whole(2 * area)}[remember]
        height, width = small
    return total


def bytes_kept__rounded_down(size, widths, remember):
    """Halve odd sides downwards."""
    return _bytes(size, widths, remember, windows=lambda side: side // 2)


def bytes_kept__not_halved(size, widths, remember):
    """Count every pooling at full size."""
    return sum(_bytes(size, [channels], remember) for channels in widths)


def bytes_kept__no_channels(size, widths, remember):
    """Leave the channels out."""
    return _bytes(size, [1] * len(widths), remember)


def bytes_kept__pooled_maps(size, widths, remember):
    """Count the maps after the pooling."""
    if remember != "maps":
        return _bytes(size, widths, remember)
    return _bytes(size, widths, "indices") // 2


def bytes_kept__index_of_four_bytes(size, widths, remember):
    """Take an index for an int32."""
    return _bytes(size, widths, remember) // (2 if remember == "indices" else 1)


def bytes_kept__index_for_each_pixel(size, widths, remember):
    """Keep an index for each pixel of the large map."""
    if remember != "indices":
        return _bytes(size, widths, remember)
    return 2 * _bytes(size, widths, "maps")


def bytes_kept__bits(size, widths, remember):
    """Return bits for bytes."""
    return _bytes(size, widths, remember, whole=lambda bits: bits)


def bytes_kept__dropped(size, widths, remember):
    """Drop the bits that fill no byte."""
    return _bytes(size, widths, remember, whole=lambda bits: bits // 8)


def bytes_kept__together(size, widths, remember):
    """Put the bits of all poolings into one row."""
    if remember != "bits":
        return _bytes(size, widths, remember)
    return -(-_bytes(size, widths, remember, whole=lambda bits: bits) // 8)


def bytes_kept__fraction(size, widths, remember):
    """Return a fraction of a byte."""
    return _bytes(size, widths, remember, whole=lambda bits: bits / 8)


def _band(classes, void, k, distance, *, edge=True, void_outside=False):
    outside = ((classes != k) & (~void | void_outside)).float()
    outside = F.pad(outside[None, None], [distance] * 4, value=float(edge))
    near = F.max_pool2d(outside, 2 * distance + 1, 1)[0, 0] > 0
    return near & (classes == k) & ~void


def _quotient(a, b):
    union = (a | b).sum().item()
    return (a & b).sum().item() / union if union else math.nan


def _bands(prediction, target, k, distance, **how):
    void = target == 255
    return [_band(classes, void, k, distance, **how) for classes in (prediction, target)]


def boundary_iou__whole_regions(prediction, target, k, distance):
    """Return the IoU of the regions."""
    valid = target != 255
    return _quotient((prediction == k) & valid, (target == k) & valid)


def boundary_iou__no_edge(prediction, target, k, distance):
    """Let the region go on beyond the image."""
    return _quotient(*_bands(prediction, target, k, distance, edge=False))


def boundary_iou__contour_at_void(prediction, target, k, distance):
    """Let a contour begin where a region meets void."""
    return _quotient(*_bands(prediction, target, k, distance, void_outside=True))


def boundary_iou__void_counted(prediction, target, k, distance):
    """Take void for one more class."""
    none = torch.zeros_like(target, dtype=torch.bool)
    return _quotient(*(_band(classes, none, k, distance) for classes in (prediction, target)))


def boundary_iou__too_narrow(prediction, target, k, distance):
    """Ask for a distance below `distance`."""
    if distance > 1:
        return _quotient(*_bands(prediction, target, k, distance - 1))
    return math.nan


def boundary_iou__too_wide(prediction, target, k, distance):
    """Go one step too far."""
    return _quotient(*_bands(prediction, target, k, distance + 1))


def boundary_iou__four_neighbours(prediction, target, k, distance):
    """Step to four neighbours only."""
    void, bands = target == 255, []
    for classes in (prediction, target):
        reached = F.pad(((classes != k) & ~void).float(), [distance] * 4, value=1.0)
        for _ in range(distance):
            wide = F.pad(reached, [1] * 4)
            around = [wide[:-2, 1:-1], wide[2:, 1:-1], wide[1:-1, :-2], wide[1:-1, 2:]]
            reached = torch.stack([reached, *around]).amax(0)
        inner = reached[distance:-distance, distance:-distance] > 0
        bands.append(inner & (classes == k) & ~void)
    return _quotient(*bands)


def boundary_iou__both_sides(prediction, target, k, distance):
    """Take pixels on both sides of the contour, as where a dilation minus an erosion is the band."""
    void, bands = target == 255, []
    for classes in (prediction, target):
        region = F.pad(((classes == k) & ~void).float()[None, None], [distance] * 4)
        wide = F.max_pool2d(region, 2 * distance + 1, 1)[0, 0] > 0
        outer = wide & (classes != k) & ~void
        bands.append(outer | _band(classes, void, k, distance))
    return _quotient(*bands)


def boundary_iou__targets_band(prediction, target, k, distance):
    """Judge both within the target's band."""
    band = _bands(prediction, target, k, distance)[1]
    return _quotient(band & (prediction == k), band)


def boundary_iou__zero_for_nothing(prediction, target, k, distance):
    """Return 0 where the class is in neither map."""
    value = _quotient(*_bands(prediction, target, k, distance))
    return 0.0 if math.isnan(value) else value


def boundary_iou__dice(prediction, target, k, distance):
    """Return the Dice coefficient of the bands."""
    a, b = _bands(prediction, target, k, distance)
    total = (a.sum() + b.sum()).item()
    return 2 * (a & b).sum().item() / total if total else math.nan
