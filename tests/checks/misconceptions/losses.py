"""Wrong answers to the exercises of the chapter `losses`, each one idea away from the solution: EXERCISE__idea."""

import torch
import torch.nn.functional as F


def _kept(logits, target):
    keep = target != 255
    return logits[keep].sigmoid(), target[keep]


def dice_loss__the_coefficient(logits, target, smooth):
    """Forget the one minus."""
    p, y = _kept(logits, target)
    return (2 * (p * y).sum() + smooth) / (p.sum() + y.sum() + smooth)


def dice_loss__void_is_zero(logits, target, smooth):
    """Count void as not of the class."""
    p, y = logits.sigmoid(), (target == 1).float()
    return 1 - (2 * (p * y).sum() + smooth) / (p.sum() + y.sum() + smooth)


def dice_loss__no_sigmoid(logits, target, smooth):
    """Take logits for probabilities."""
    keep = target != 255
    p, y = logits[keep], target[keep]
    return 1 - (2 * (p * y).sum() + smooth) / (p.sum() + y.sum() + smooth)


def dice_loss__two_forgotten(logits, target, smooth):
    """Forget the 2."""
    p, y = _kept(logits, target)
    return 1 - ((p * y).sum() + smooth) / (p.sum() + y.sum() + smooth)


def dice_loss__union_below(logits, target, smooth):
    """Give the soft IoU."""
    p, y = _kept(logits, target)
    both = (p * y).sum()
    return 1 - (both + smooth) / (p.sum() + y.sum() - both + smooth)


def dice_loss__twice_over_the_union(logits, target, smooth):
    """Put the union under twice the intersection."""
    p, y = _kept(logits, target)
    both = (p * y).sum()
    return 1 - (2 * both + smooth) / (p.sum() + y.sum() - both + smooth)


def dice_loss__smooth_doubled(logits, target, smooth):
    """Double what is added too."""
    p, y = _kept(logits, target)
    return 1 - 2 * ((p * y).sum() + smooth) / (p.sum() + y.sum() + smooth)


def dice_loss__smooth_below_only(logits, target, smooth):
    """Smooth in the denominator alone."""
    p, y = _kept(logits, target)
    return 1 - 2 * (p * y).sum() / (p.sum() + y.sum() + smooth)


def dice_loss__no_smooth(logits, target, smooth):
    """Leave smooth out."""
    p, y = _kept(logits, target)
    return 1 - 2 * (p * y).sum() / (p.sum() + y.sum())


def dice_loss__squares(logits, target, smooth):
    """Square the probabilities below."""
    p, y = _kept(logits, target)
    return 1 - (2 * (p * y).sum() + smooth) / ((p**2).sum() + y.sum() + smooth)


def dice_loss__each_image(logits, target, smooth):
    """Average the images' losses."""
    losses = []
    for z, t in zip(logits, target, strict=True):
        p, y = _kept(z, t)
        losses.append(1 - (2 * (p * y).sum() + smooth) / (p.sum() + y.sum() + smooth))
    return torch.stack(losses).mean()


def dice_loss__thresholded(logits, target, smooth):
    """Decide first."""
    p, y = _kept(logits, target)
    p = (p > 0.5).float()
    return 1 - (2 * (p * y).sum() + smooth) / (p.sum() + y.sum() + smooth)


def dice_loss__a_plain_number(logits, target, smooth):
    """Return what item() gives."""
    p, y = _kept(logits, target)
    return (1 - (2 * (p * y).sum() + smooth) / (p.sum() + y.sum() + smooth)).item()


def dice_loss__size_held_fixed(logits, target, smooth):
    """Take the denominator for a constant, as a weight would be."""
    p, y = _kept(logits, target)
    return 1 - (2 * (p * y).sum() + smooth) / (p.sum() + y.sum() + smooth).detach()


def _signed(logits, target):
    keep = target != 255
    z, y = logits[keep], target[keep]
    return torch.where(y == 1, z, -z), y


def _alphas(y, alpha):
    return torch.where(y == 1, alpha, 1 - alpha)


def _mean(losses):
    return losses.mean() if losses.numel() else losses.sum()


def focal_loss__log_of_a_sigmoid(logits, target, gamma, alpha):
    """Take the log of a rounded probability."""
    s, y = _signed(logits, target)
    p = s.sigmoid()
    return _mean(_alphas(y, alpha) * (1 - p) ** gamma * -p.log())


def focal_loss__clamped(logits, target, gamma, alpha):
    """Keep the log finite by a clamp."""
    s, y = _signed(logits, target)
    p = s.sigmoid()
    return _mean(_alphas(y, alpha) * (1 - p) ** gamma * -p.clamp_min(1e-7).log())


def focal_loss__factor_of_the_mean(logits, target, gamma, alpha):
    """Weigh the mean cross-entropy, not each pixel's."""
    s, y = _signed(logits, target)
    surprise = _mean(_alphas(y, alpha) * -F.logsigmoid(s))
    return (1 - (-surprise).exp()) ** gamma * surprise


def focal_loss__divided_by_alphas(logits, target, gamma, alpha):
    """Divide by the sum of the weights."""
    s, y = _signed(logits, target)
    weight = _alphas(y, alpha)
    return (weight * (-s).sigmoid() ** gamma * -F.logsigmoid(s)).sum() / weight.sum().clamp_min(1e-9)


def focal_loss__sum(logits, target, gamma, alpha):
    """Add up."""
    s, y = _signed(logits, target)
    return (_alphas(y, alpha) * (-s).sigmoid() ** gamma * -F.logsigmoid(s)).sum()


def focal_loss__divided_by_all(logits, target, gamma, alpha):
    """Divide by the void pixels too."""
    s, y = _signed(logits, target)
    return (_alphas(y, alpha) * (-s).sigmoid() ** gamma * -F.logsigmoid(s)).sum() / target.numel()


def focal_loss__void_is_zero(logits, target, gamma, alpha):
    """Count void as 0."""
    y = (target == 1).long()
    s = torch.where(y == 1, logits, -logits)
    return _mean(_alphas(y, alpha) * (-s).sigmoid() ** gamma * -F.logsigmoid(s)) * float((target != 255).any())


def focal_loss__looks_at_what_is_right(logits, target, gamma, alpha):
    """Weigh by p to the gamma."""
    s, y = _signed(logits, target)
    return _mean(_alphas(y, alpha) * s.sigmoid() ** gamma * -F.logsigmoid(s))


def focal_loss__one_minus_p_always(logits, target, gamma, alpha):
    """Use the probability of 1 in the factor for zeros too."""
    s, y = _signed(logits, target)
    z = torch.where(y == 1, s, -s)
    return _mean(_alphas(y, alpha) * (-z).sigmoid() ** gamma * -F.logsigmoid(s))


def focal_loss__alpha_for_zeros(logits, target, gamma, alpha):
    """Swap the two weights."""
    s, y = _signed(logits, target)
    return _mean(_alphas(y, 1 - alpha) * (-s).sigmoid() ** gamma * -F.logsigmoid(s))


def focal_loss__alpha_for_all(logits, target, gamma, alpha):
    """Weigh everything by alpha."""
    s, _ = _signed(logits, target)
    return _mean(alpha * (-s).sigmoid() ** gamma * -F.logsigmoid(s))


def focal_loss__no_alpha(logits, target, gamma, alpha):
    """Forget the weights."""
    s, _ = _signed(logits, target)
    return _mean((-s).sigmoid() ** gamma * -F.logsigmoid(s))


def focal_loss__cross_entropy(logits, target, gamma, alpha):
    """Forget the factor."""
    s, y = _signed(logits, target)
    return _mean(_alphas(y, alpha) * -F.logsigmoid(s))


def focal_loss__factor_held_fixed(logits, target, gamma, alpha):
    """Take (1 - p) to the gamma for a constant, as a weight would be."""
    s, y = _signed(logits, target)
    return _mean(_alphas(y, alpha) * ((-s).sigmoid() ** gamma).detach() * -F.logsigmoid(s))


def focal_loss__nan_where_all_is_void(logits, target, gamma, alpha):
    """Average over nothing."""
    s, y = _signed(logits, target)
    return (_alphas(y, alpha) * (-s).sigmoid() ** gamma * -F.logsigmoid(s)).mean()


def _counts(masks, k):
    """Pixels of each class [N, k], and the pixels that are not void [N]."""
    pixels = torch.stack([(masks == c).flatten(1).sum(1) for c in range(k)], dim=1).double()
    return pixels, (masks != 255).flatten(1).sum(1).double()


def _frequency(masks, k):
    pixels, valid = _counts(masks, k)
    return pixels.sum(0) / ((pixels > 0) * valid[:, None]).sum(0)


def _weights(frequency, median):
    return torch.where(frequency > 0, median / frequency, torch.zeros_like(frequency)).float()


def median_frequency_weights__all_images(masks, k):
    """Divide by the pixels of all images."""
    pixels, valid = _counts(masks, k)
    frequency = pixels.sum(0) / valid.sum()
    return _weights(frequency, frequency[frequency > 0].quantile(0.5))


def median_frequency_weights__void_counts(masks, k):
    """Divide by all pixels, void ones too."""
    pixels, _ = _counts(masks, k)
    frequency = pixels.sum(0) / ((pixels > 0).sum(0) * masks[0].numel())
    return _weights(frequency, frequency[frequency > 0].quantile(0.5))


def median_frequency_weights__mean_of_shares(masks, k):
    """Average each class's share of an image."""
    pixels, valid = _counts(masks, k)
    shares = (pixels / valid[:, None]).sum(0) / (pixels > 0).sum(0)
    return _weights(shares, shares[shares > 0].quantile(0.5))


def median_frequency_weights__sum_of_one(masks, k):
    """Scale the weights to a sum of 1."""
    frequency = _frequency(masks, k)
    weights = _weights(frequency, frequency[frequency > 0].quantile(0.5))
    return weights / weights.sum()


def median_frequency_weights__lower_median(masks, k):
    """Use torch.median, which gives the lower of two."""
    frequency = _frequency(masks, k)
    return _weights(frequency, frequency[frequency > 0].median())


def median_frequency_weights__mean(masks, k):
    """Divide the mean."""
    frequency = _frequency(masks, k)
    return _weights(frequency, frequency[frequency > 0].mean())


def median_frequency_weights__upside_down(masks, k):
    """Give frequent classes more."""
    frequency = _frequency(masks, k)
    return torch.nan_to_num(frequency / frequency[frequency > 0].quantile(0.5)).float()


def median_frequency_weights__inverse(masks, k):
    """Leave out the median."""
    return _weights(_frequency(masks, k), 1.0)


def median_frequency_weights__absent_is_infinite(masks, k):
    """Divide by the frequency of an absent class."""
    frequency = torch.nan_to_num(_frequency(masks, k))
    return (frequency[frequency > 0].quantile(0.5) / frequency).float()


def median_frequency_weights__absent_is_one(masks, k):
    """Give an absent class the weight 1."""
    frequency = torch.nan_to_num(_frequency(masks, k))
    weights = _weights(frequency, frequency[frequency > 0].quantile(0.5))
    return torch.where(frequency > 0, weights, torch.ones_like(weights))


def median_frequency_weights__absent_in_the_median(masks, k):
    """Let absent classes into the median."""
    frequency = torch.nan_to_num(_frequency(masks, k))
    return _weights(frequency, frequency.quantile(0.5))


def _padded(image, mask, top, left, size, fill=0.0, void=255):
    below = max(0, top + size[0] - mask.shape[0])
    right = max(0, left + size[1] - mask.shape[1])
    return F.pad(image, (0, right, 0, below), value=fill), F.pad(mask, (0, right, 0, below), value=void)


def _cut(image, mask, top, left, size):
    window = (..., slice(top, top + size[0]), slice(left, left + size[1]))
    return image[window], mask[window]


def flip_and_crop__image_alone(image, mask, flip, top, left, size):
    """Flip the image only."""
    image = image.flip(-1) if flip else image
    return _cut(*_padded(image, mask, top, left, size), top, left, size)


def flip_and_crop__mask_alone(image, mask, flip, top, left, size):
    """Flip the mask only."""
    mask = mask.flip(-1) if flip else mask
    return _cut(*_padded(image, mask, top, left, size), top, left, size)


def flip_and_crop__never_flips(image, mask, flip, top, left, size):
    """Do not look at flip."""
    return _cut(*_padded(image, mask, top, left, size), top, left, size)


def flip_and_crop__always_flips(image, mask, flip, top, left, size):
    """Flip without being asked."""
    return _cut(*_padded(image.flip(-1), mask.flip(-1), top, left, size), top, left, size)


def flip_and_crop__crop_first(image, mask, flip, top, left, size):
    """Cut, then flip."""
    parts = _cut(*_padded(image, mask, top, left, size), top, left, size)
    return tuple(part.flip(-1) for part in parts) if flip else parts


def flip_and_crop__upside_down(image, mask, flip, top, left, size):
    """Flip along the rows."""
    image, mask = (image.flip(-2), mask.flip(-2)) if flip else (image, mask)
    return _cut(*_padded(image, mask, top, left, size), top, left, size)


def flip_and_crop__zero_beyond(image, mask, flip, top, left, size):
    """Fill the mask with class 0."""
    image, mask = (image.flip(-1), mask.flip(-1)) if flip else (image, mask)
    return _cut(*_padded(image, mask, top, left, size, void=0), top, left, size)


def flip_and_crop__black_beyond(image, mask, flip, top, left, size):
    """Fill the image with black."""
    image, mask = (image.flip(-1), mask.flip(-1)) if flip else (image, mask)
    return _cut(*_padded(image, mask, top, left, size, fill=-1.0), top, left, size)


def flip_and_crop__no_padding(image, mask, flip, top, left, size):
    """Let the border cut the window short."""
    image, mask = (image.flip(-1), mask.flip(-1)) if flip else (image, mask)
    return _cut(image, mask, top, left, size)


def flip_and_crop__columns_first(image, mask, flip, top, left, size):
    """Take top for left."""
    image, mask = (image.flip(-1), mask.flip(-1)) if flip else (image, mask)
    return _cut(*_padded(image, mask, left, top, size), left, top, size)


def flip_and_crop__moved_inside(image, mask, flip, top, left, size):
    """Move the window back inside the picture."""
    image, mask = (image.flip(-1), mask.flip(-1)) if flip else (image, mask)
    top, left = max(0, min(top, mask.shape[0] - size[0])), max(0, min(left, mask.shape[1] - size[1]))
    return _cut(*_padded(image, mask, top, left, size), top, left, size)


def flip_and_crop__width_first(image, mask, flip, top, left, size):
    """Take size for (w, h)."""
    image, mask = (image.flip(-1), mask.flip(-1)) if flip else (image, mask)
    return _cut(*_padded(image, mask, top, left, size[::-1]), top, left, size[::-1])


def flip_and_crop__mask_first(image, mask, flip, top, left, size):
    """Return the mask first."""
    image, mask = (image.flip(-1), mask.flip(-1)) if flip else (image, mask)
    return _cut(*_padded(image, mask, top, left, size), top, left, size)[::-1]
