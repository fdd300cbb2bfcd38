"""The judges of the chapter on losses: other right ways pass, and lazy ways that are right for easy inputs do not."""

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from torchvision.ops import sigmoid_focal_loss
from torchvision.transforms.v2 import functional as transforms

from segen.checks import losses as check
from segen.checks.judging import RIGHT, WRONG

SEEDS = range(5)


def dice_by_masking(logits, target, smooth):
    keep = (target != 255).double()
    p, y = logits.double().sigmoid() * keep, (target == 1).double()
    return 1 - (2 * (p * y).sum() + smooth) / (p + y).sum().add(smooth)


def dice_by_counts(logits, target, smooth):
    p, y = logits[target != 255].sigmoid(), target[target != 255].bool()
    hit, vain, missed = p[y].sum(), p[~y].sum(), (1 - p[y]).sum()
    return (vain + missed) / (2 * hit + vain + missed + smooth)


def dice_by_softmax(logits, target, smooth):
    keep = target != 255
    p = torch.stack([torch.zeros_like(logits), logits]).softmax(0)[1][keep]
    return 1 - (2 * p @ target[keep].float() + smooth) / (p.sum() + target[keep].sum() + smooth)


def focal_by_torchvision(logits, target, gamma, alpha):
    keep = target != 255
    losses = sigmoid_focal_loss(logits[keep].double(), target[keep].double(), alpha=alpha, gamma=gamma)
    return losses.sum() / keep.sum().clamp_min(1)


def focal_by_cross_entropy(logits, target, gamma, alpha):
    keep = (target != 255).to(logits.dtype)
    y = (target == 1).to(logits.dtype)
    surprise = F.binary_cross_entropy_with_logits(logits, y, reduction="none")
    losses = (alpha * y + (1 - alpha) * (1 - y)) * (1 - torch.exp(-surprise)) ** gamma * surprise * keep
    return losses.sum() / max(float(keep.sum()), 1.0)


def focal_by_two_logits(logits, target, gamma, alpha):
    keep = target != 255
    if not keep.any():
        return 0.0
    log_p = torch.stack([torch.zeros_like(logits), logits], -1)[keep].log_softmax(-1)
    log_p = log_p.gather(-1, target[keep][:, None])[:, 0]
    return (torch.tensor([1 - alpha, alpha])[target[keep]] * (1 - log_p.exp()) ** gamma * -log_p).mean()


def median_by_loops(masks, k):
    frequency = []
    for c in range(k):
        there = [mask[mask != 255] for mask in masks if (mask == c).any()]
        frequency.append(sum(int((m == c).sum()) for m in there) / sum(len(m) for m in there) if there else 0.0)
    middle = np.median([f for f in frequency if f])
    return torch.tensor([middle / f if f else 0.0 for f in frequency])


def median_by_bincount(masks, k):
    pixels = np.stack([np.bincount(mask.numpy().ravel(), minlength=256) for mask in masks])[:, :k].astype(float)
    room = (pixels > 0).T @ pixels.sum(1)
    frequency = np.divide(pixels.sum(0), room, out=np.full(k, np.nan), where=room > 0)
    return np.nan_to_num(np.nanmedian(frequency) / frequency)


def flip_by_torchvision(image, mask, flip, top, left, size):
    if flip:
        image, mask = transforms.hflip(image), transforms.hflip(mask[None])[0]
    cut = [transforms.crop(part, top, left, *size) for part in (image, mask[None] + 1)]
    return cut[0], torch.where(cut[1][0] == 0, 255, cut[1][0] - 1)


def flip_by_indices(image, mask, flip, top, left, size):
    rows, columns = torch.arange(top, top + size[0]), torch.arange(left, left + size[1])
    outside = (rows >= mask.shape[0])[:, None] | (columns >= mask.shape[1])
    rows, columns = rows.clamp(max=mask.shape[0] - 1), columns.clamp(max=mask.shape[1] - 1)
    columns = mask.shape[1] - 1 - columns if flip else columns
    at = rows[:, None], columns
    return [image[:, *at].masked_fill(outside, 0.0), mask[at].masked_fill(outside, 255)]


def flip_onto_a_canvas(image, mask, flip, top, left, size):
    parts = [part.numpy()[..., ::-1] if flip else part.numpy() for part in (image, mask)]
    parts = [part[..., top : top + size[0], left : left + size[1]] for part in parts]
    canvas = np.zeros((len(image), *size), np.float32), np.full(size, 255)
    for empty, part in zip(canvas, parts, strict=True):
        empty[..., : part.shape[-2], : part.shape[-1]] = part
    return canvas


WAYS = [
    dice_by_masking,
    dice_by_counts,
    dice_by_softmax,
    focal_by_torchvision,
    focal_by_cross_entropy,
    focal_by_two_logits,
    median_by_loops,
    median_by_bincount,
    flip_by_torchvision,
    flip_by_indices,
    flip_onto_a_canvas,
]
JUDGES = {
    "dice": check.dice_loss,
    "focal": check.focal_loss,
    "median": check.median_frequency_weights,
    "flip": check.flip_and_crop,
}


@pytest.mark.parametrize("answer", WAYS, ids=lambda answer: answer.__name__)
def test_other_right_ways(answer):
    judge = JUDGES[answer.__name__.partition("_")[0]]
    assert {str(judge.judge(answer, seed)) for seed in SEEDS} == {f"✓ {judge.name}: {RIGHT}."}


def clipped_focal(logits, target, gamma, alpha):
    keep = target != 255
    p = logits[keep].sigmoid().clamp(1e-6, 1 - 1e-6)
    y = target[keep]
    p = torch.where(y == 1, p, 1 - p)
    return (torch.where(y == 1, alpha, 1 - alpha) * (1 - p) ** gamma * -p.log()).sum() / max(1, len(y))


def median_weighted(masks, k, *, spare=0.0, kept=255):
    masks = masks.where(masks != kept, 255)
    return median_by_loops(masks, k) + spare


LAZY = {
    "dice_first_image": (check.dice_loss, lambda z, t, s: dice_by_masking(z[:1], t[:1], s)),
    "dice_smooth_of_one": (check.dice_loss, lambda z, t, s: dice_by_masking(z, t, 1.0)),
    "dice_smooth_and_a_little": (check.dice_loss, lambda z, t, s: dice_by_masking(z, t, s + 0.05)),
    "dice_void_is_the_class": (check.dice_loss, lambda z, t, s: dice_by_masking(z, t.clamp(max=1), s)),
    "dice_of_the_background": (
        check.dice_loss,
        lambda z, t, s: dice_by_masking(-z, torch.where(t == 255, t, 1 - t), s),
    ),
    "dice_cut_off_from_the_logits": (check.dice_loss, lambda z, t, s: dice_by_masking(z, t, s).round(decimals=1)),
    "focal_clipped": (check.focal_loss, clipped_focal),
    "focal_of_two": (check.focal_loss, lambda z, t, g, a: focal_by_torchvision(z, t, 2.0, a)),
    "focal_alpha_of_a_quarter": (check.focal_loss, lambda z, t, g, a: focal_by_torchvision(z, t, g, 0.25)),
    "focal_each_image": (
        check.focal_loss,
        lambda z, t, g, a: sum(focal_by_torchvision(x, y, g, a) for x, y in zip(z, t, strict=True)) / len(z),
    ),
    "focal_of_weights": (
        check.focal_loss,
        lambda z, t, g, a: (
            focal_by_torchvision(z, t, g, a)
            * (t != 255).sum()
            / ((t == 1) * a + (t == 0) * (1 - a)).sum().clamp_min(1e-9)
        ),
    ),
    "median_one_image": (check.median_frequency_weights, lambda m, k: median_by_loops(m[:1], k)),
    "median_as_one_image": (check.median_frequency_weights, lambda m, k: median_by_loops(m.flatten()[None], k)),
    "median_roots": (check.median_frequency_weights, lambda m, k: median_weighted(m, k).sqrt()),
    "median_normalised": (
        check.median_frequency_weights,
        lambda m, k: median_weighted(m, k) / median_weighted(m, k).sum(),
    ),
    "median_spares_absent_ones": (check.median_frequency_weights, lambda m, k: median_weighted(m, k, spare=1e-2)),
    "median_ignores_class_0": (check.median_frequency_weights, lambda m, k: median_weighted(m, k, kept=0)),
    "flip_square": (
        check.flip_and_crop,
        lambda x, y, f, i, j, size: flip_by_indices(x, y, f, i, j, (size[0], size[0])),
    ),
    "flip_from_the_corner": (check.flip_and_crop, lambda x, y, f, i, j, size: flip_by_indices(x, y, f, 0, 0, size)),
    "flip_swapped": (check.flip_and_crop, lambda *given: flip_by_indices(*given)[::-1]),
    "flip_repeats_the_border": (
        check.flip_and_crop,
        lambda x, y, f, i, j, size: flip_by_indices(
            F.pad(x[None], (0, 9, 0, 9), mode="replicate")[0, :, :, : x.shape[2] + 9],
            F.pad(y, (0, 9, 0, 9)),
            f,
            i,
            j,
            size,
        ),
    ),
    "flip_moves_the_window_inside": (
        check.flip_and_crop,
        lambda x, y, f, i, j, size: flip_by_indices(
            x, y, f, max(0, min(i, y.shape[0] - size[0])), max(0, min(j, y.shape[1] - size[1])), size
        ),
    ),
    "flip_scaled_void": (
        check.flip_and_crop,
        lambda *given: (flip_by_indices(*given)[0], flip_by_indices(*given)[1].clamp(max=8)),
    ),
}


@pytest.mark.parametrize("name", LAZY)
def test_lazy_ways_fail(name):
    judge, answer = LAZY[name]
    assert {judge.judge(answer, seed).state for seed in SEEDS} == {WRONG}


@pytest.mark.parametrize(
    ("judge", "answer"),
    [(check.dice_loss, dice_by_counts), (check.focal_loss, focal_by_two_logits)],
    ids=["dice", "focal"],
)
@pytest.mark.parametrize(
    "cut", [torch.Tensor.detach, torch.Tensor.item, lambda x: x.detach().numpy()], ids=["detach", "item", "numpy"]
)
def test_a_loss_from_which_nothing_can_be_learnt(judge, answer, cut):
    for seed in SEEDS:
        verdict = judge.judge(lambda *given: cut(torch.as_tensor(answer(*given))), seed)
        assert verdict.state == WRONG
        assert "gradient" in str(verdict)
