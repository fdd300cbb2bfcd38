"""The judges of the U-Net chapter: other right ways pass, and their oracles agree with independent ones."""

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from scipy.ndimage import distance_transform_edt

from segen.checks import unet as check
from segen.checks.judging import RIGHT
from segen.models import UNet

SEEDS = range(5)


def crop_by_negative_padding(skip, x):
    rows, columns = skip.shape[-2] - x.shape[-2], skip.shape[-1] - x.shape[-1]
    cut = (-(columns // 2), -(columns - columns // 2), -(rows // 2), -(rows - rows // 2))
    return torch.cat((F.pad(skip, cut), x), 1).double()


def crop_in_numpy(skip, x):
    i, j = ((a - b) // 2 for a, b in zip(skip.shape[2:], x.shape[2:], strict=True))
    return np.concatenate([skip.numpy()[:, :, i:, j:][:, :, : x.shape[2], : x.shape[3]], x.numpy()], axis=1)


@pytest.mark.parametrize("answer", [crop_by_negative_padding, crop_in_numpy])
def test_other_ways_to_crop(answer):
    assert [check.crop_and_concatenate.judge(answer, seed).state for seed in SEEDS] == [RIGHT] * 5


def size_by_formula(size, depth):
    bottom = size / 2**depth - 4 * (1 - 2**-depth) - 4
    if bottom != int(bottom):
        raise ValueError
    out = bottom * 2**depth - 4 * (2**depth - 1)
    if out < 1:
        raise ValueError
    return int(out)


def size_by_convolving(size, depth):
    net = UNet(1, 2, width=1, depth=depth, padding=False, batch_norm=False) if depth else None
    if net is None:  # two convolutions only
        if size < 5:
            raise ValueError
        return size - 4
    return net(torch.zeros(1, 1, size, size)).shape[-1]


@pytest.mark.parametrize("answer", [size_by_formula, size_by_convolving])
def test_other_ways_to_the_size(answer):
    with torch.no_grad():
        verdicts = [check.output_size.judge(answer, seed) for seed in SEEDS[: 5 if answer is size_by_formula else 1]]
    assert {str(verdict) for verdict in verdicts} == {"✓ output_size: right."}


def weights_by_scipy(cells, class_weight, w0=10.0, sigma=5.0):
    cells = cells.numpy()
    far = [distance_transform_edt(cells != number) for number in np.unique(cells[cells != 0])]
    if len(far) < 2:
        return class_weight
    d = np.sort(far, axis=0)
    border = w0 * np.exp(-((d[0] + d[1]) ** 2) / 2 / sigma**2)
    return torch.where(torch.from_numpy(cells == 0), class_weight + torch.from_numpy(border), class_weight)


def weights_with_endless_distances(cells, class_weight, w0=10.0, sigma=5.0):
    far = [torch.full(cells.shape, torch.inf, dtype=torch.float64)] * 2
    pixels = torch.nonzero(torch.ones_like(cells)).double()
    for number in range(1, int(cells.max()) + 1):
        if (cells == number).any():
            d = torch.cdist(pixels, torch.nonzero(cells == number).double()).min(1).values
            far.append(d.reshape(cells.shape))
    d1, d2 = torch.stack(far).topk(2, dim=0, largest=False).values
    return (class_weight + w0 * torch.exp(-((d1 + d2) ** 2) / (2 * sigma**2)) * (cells == 0)).float()


@pytest.mark.parametrize("answer", [weights_by_scipy, weights_with_endless_distances])
def test_other_ways_to_the_weights(answer):
    assert [str(check.border_weight_map.judge(answer, seed)) for seed in SEEDS] == ["✓ border_weight_map: right."] * 5


def tiles_padded_to_a_multiple(predict, image, tile, context):
    _, height, width = image.shape
    below, right = -height % tile, -width % tile
    padded = np.pad(image, ((0, 0), (context, context + below), (context, context + right)), mode="reflect")
    side = tile + 2 * context
    rows = []
    for top in range(0, height, tile):
        row = [
            predict(torch.from_numpy(padded[None, :, top : top + side, left : left + side].copy()))
            for left in range(0, width, tile)
        ]
        rows.append(torch.cat(row, dim=3))
    return torch.cat(rows, dim=2)[0, :, :height, :width]


def tiles_in_one_batch_each_pixel_its_own(predict, image, tile, context):
    _, height, width = image.shape
    padded = F.pad(image[None], [context] * 4, mode="reflect")
    side = tile + 2 * context
    tops, lefts = range(height - tile + 1), range(width - tile + 1)
    batch = torch.cat([padded[:, :, i : i + side, j : j + side] for i in tops for j in lefts])
    parts = iter(predict(batch))
    total, seen = torch.zeros(1), torch.zeros(1, height, width)
    for i in tops:
        for j in lefts:
            total = total + F.pad(next(parts), (j, width - tile - j, i, height - tile - i))
            seen[:, i : i + tile, j : j + tile] += 1
    return total / seen


@pytest.mark.parametrize("answer", [tiles_padded_to_a_multiple, tiles_in_one_batch_each_pixel_its_own])
def test_other_ways_to_tile(answer):
    assert [str(check.overlap_tile.judge(answer, seed)) for seed in SEEDS] == ["✓ overlap_tile: right."] * 5


def test_the_papers_size():
    assert check._follow(572, 4) == 388
