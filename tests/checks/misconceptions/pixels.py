"""Wrong answers to the exercises of the chapter `pixels`, each one idea away from the solution: EXERCISE__idea."""

import torch

NAN = float("nan")


def _both_and_either(prediction, target, c):
    said, there = prediction == c, target == c
    return (said & there).sum().item(), (said | there).sum().item()


def iou__class_accuracy(prediction, target, c):
    """Divide by the pixels of the target."""
    both, either = _both_and_either(prediction, target, c)
    there = (target == c).sum().item()
    return both / there if there else (0.0 if either else NAN)


def iou__precision(prediction, target, c):
    """Divide by the pixels of the prediction."""
    both, either = _both_and_either(prediction, target, c)
    said = (prediction == c).sum().item()
    return both / said if said else (0.0 if either else NAN)


def iou__sum_for_union(prediction, target, c):
    """Add the two counts, so that the intersection is in the union twice."""
    both, _ = _both_and_either(prediction, target, c)
    total = ((prediction == c).sum() + (target == c).sum()).item()
    return both / total if total else NAN


def iou__dice(prediction, target, c):
    """Give the other coefficient."""
    both, _ = _both_and_either(prediction, target, c)
    total = ((prediction == c).sum() + (target == c).sum()).item()
    return 2 * both / total if total else NAN


def iou__absent_is_one(prediction, target, c):
    """Call nothing over nothing perfect."""
    both, either = _both_and_either(prediction, target, c)
    return both / either if either else 1.0


def iou__absent_is_zero(prediction, target, c):
    """Call nothing over nothing a failure."""
    both, either = _both_and_either(prediction, target, c)
    return both / either if either else 0.0


def iou__absent_divides_by_zero(prediction, target, c):
    """Divide without looking."""
    both, either = _both_and_either(prediction, target, c)
    return both / either


def iou__mean_over_images(prediction, target, c):
    """Average the IoU of the images."""
    parts = [_both_and_either(a, b, c) for a, b in zip(prediction, target, strict=True)]
    scores = [both / either for both, either in parts if either]
    return sum(scores) / len(scores) if scores else NAN


def iou__all_pixels_below(prediction, target, c):
    """Divide by the number of pixels."""
    both, either = _both_and_either(prediction, target, c)
    return both / target.numel() if either else NAN


def iou__pixel_accuracy(prediction, target, c):
    """Take the share of pixels that are right."""
    return (prediction == target).float().mean().item() if ((prediction == c) | (target == c)).any() else NAN


def dice_from_iou__of_the_mean(iou):
    """Turn the mean IoU into a mean Dice."""
    mean = iou.nanmean()
    return 2 * iou / (1 + iou), 2 * mean / (1 + mean)


def dice_from_iou__way_back(iou):
    """Use the formula for the other direction."""
    dice = iou / (2 - iou)
    return dice, dice.nanmean()


def dice_from_iou__two_forgotten(iou):
    """Forget the 2."""
    dice = iou / (1 + iou)
    return dice, dice.nanmean()


def dice_from_iou__no_brackets(iou):
    """Forget the brackets of the denominator."""
    dice = 2 * iou / 1 + iou
    return dice, dice.nanmean()


def dice_from_iou__absent_is_zero(iou):
    """Count absent classes as 0 in the mean."""
    dice = 2 * iou / (1 + iou)
    return dice, dice.nan_to_num(0).mean()


def dice_from_iou__absent_is_one(iou):
    """Count absent classes as perfect in the mean."""
    dice = 2 * iou / (1 + iou)
    return dice, dice.nan_to_num(1).mean()


def dice_from_iou__plain_mean(iou):
    """Let one absent class spoil the mean."""
    dice = 2 * iou / (1 + iou)
    return dice, dice.mean()


def dice_from_iou__mean_of_iou(iou):
    """Return the mean of what was given."""
    return 2 * iou / (1 + iou), iou.nanmean()


def dice_from_iou__absent_dropped(iou):
    """Return only the classes that are there."""
    dice = 2 * iou[~iou.isnan()] / (1 + iou[~iou.isnan()])
    return dice, dice.mean()


def _counted(prediction, target, k):
    return torch.bincount(k * target + prediction, minlength=k * k).reshape(k, k)


def confusion_matrix__transposed(prediction, target, k):
    """Number the pairs the other way round."""
    counted = target != 255
    return _counted(target[counted], prediction[counted], k)


def confusion_matrix__in_bytes(prediction, target, k):
    """Keep the counts in the type of a picture."""
    counted = target != 255
    return _counted(prediction[counted], target[counted], k).to(torch.uint8)


def confusion_matrix__void_is_class_0(prediction, target, k):
    """Make void the first class."""
    return _counted(prediction.flatten(), target.where(target != 255, 0).flatten(), k)


def confusion_matrix__void_is_the_last_class(prediction, target, k):
    """Clamp void to the last class."""
    return _counted(prediction.flatten(), target.clamp(max=k - 1).flatten(), k)


def confusion_matrix__void_is_right(prediction, target, k):
    """Write the prediction over void."""
    return _counted(prediction.flatten(), target.where(target != 255, prediction).flatten(), k)


def confusion_matrix__void_kept(prediction, target, k):
    """Count void as it stands: the counts then have more than k · k places."""
    return torch.bincount((k * target + prediction).flatten(), minlength=k * k).reshape(-1, k)


def confusion_matrix__no_minlength(prediction, target, k):
    """Leave out minlength."""
    counted = target != 255
    return torch.bincount(k * target[counted] + prediction[counted]).reshape(k, k)


def confusion_matrix__flat(prediction, target, k):
    """Forget to reshape."""
    counted = target != 255
    return _counted(prediction[counted], target[counted], k).flatten()


def confusion_matrix__shares(prediction, target, k):
    """Divide each row by its sum."""
    counted = target != 255
    matrix = _counted(prediction[counted], target[counted], k)
    return matrix / matrix.sum(1, keepdim=True)


def confusion_matrix__largest_index(prediction, target, k):
    """Multiply by the largest index in place of the number of classes."""
    counted = target != 255
    return torch.bincount((k - 1) * target[counted] + prediction[counted], minlength=k * k).reshape(k, k)


def _sums(batches, k, *, void=True):
    both, either, there, said = (torch.zeros(k) for _ in range(4))
    for prediction, target in batches:
        counted = (target != 255) | (not void)
        for c in range(k):
            guess, truth = (prediction == c) & counted, target == c
            both[c] += (guess & truth).sum()
            either[c] += (guess | truth).sum()
            there[c] += truth.sum()
            said[c] += guess.sum()
    return both, either, there, said


def mean_iou_of_set__void_is_wrong(batches, k):
    """Count what is predicted under void as false alarms."""
    both, either, *_ = _sums(batches, k, void=False)
    return (both / either).nanmean().item()


def mean_iou_of_set__void_is_right(batches, k):
    """Write the prediction over void."""
    both, either, *_ = _sums([(p, t.where(t != 255, p)) for p, t in batches], k)
    return (both / either).nanmean().item()


def mean_iou_of_set__void_is_class_0(batches, k):
    """Make void the first class."""
    both, either, *_ = _sums([(p, t.where(t != 255, 0)) for p, t in batches], k)
    return (both / either).nanmean().item()


def mean_iou_of_set__absent_is_zero(batches, k):
    """Let an absent class count as 0."""
    both, either, *_ = _sums(batches, k)
    return (both / either).nan_to_num(0).mean().item()


def mean_iou_of_set__absent_is_one(batches, k):
    """Let an absent class count as 1."""
    both, either, *_ = _sums(batches, k)
    return (both / either).nan_to_num(1).mean().item()


def mean_iou_of_set__last_class_missing(batches, k):
    """End the loop one class early."""
    both, either, *_ = _sums(batches, k)
    return (both / either)[:-1].nanmean().item()


def mean_iou_of_set__class_0_left_out(batches, k):
    """Take class 0 for a background."""
    both, either, *_ = _sums(batches, k)
    return (both / either)[1:].nanmean().item()


def mean_iou_of_set__classes_of_the_target(batches, k):
    """Leave out the classes that are only predicted."""
    both, either, there, _ = _sums(batches, k)
    return (both / either)[there > 0].mean().item()


def mean_iou_of_set__over_batches(batches, k):
    """Average the batches' mean IoU."""
    scores = []
    for batch in batches:
        both, either, *_ = _sums([batch], k)
        scores.append((both / either).nanmean())
    return torch.stack(scores).nanmean().item()


def mean_iou_of_set__over_images(batches, k):
    """Average the images' mean IoU."""
    scores = []
    for prediction, target in batches:
        for one, other in zip(prediction, target, strict=True):
            both, either, *_ = _sums([(one, other)], k)
            scores.append((both / either).nanmean())
    return torch.stack(scores).nanmean().item()


def mean_iou_of_set__class_accuracy(batches, k):
    """Divide by the pixels of the target."""
    both, _, there, _ = _sums(batches, k)
    return (both / there).nanmean().item()


def mean_iou_of_set__pooled(batches, k):
    """Divide the sum of intersections by the sum of unions."""
    both, either, *_ = _sums(batches, k)
    return (both.sum() / either.sum()).item()


def mean_iou_of_set__dice(batches, k):
    """Average Dice."""
    both, _, there, said = _sums(batches, k)
    return (2 * both / (there + said)).nanmean().item()


def mean_iou_of_set__plain_mean(batches, k):
    """Let one absent class spoil the mean."""
    both, either, *_ = _sums(batches, k)
    return (both / either).mean().item()


def decode_palette__default_is_class_0(colours, palette):
    """Let argmax decide for colours that are in no row."""
    return (colours[:, :, None] == palette).all(-1).long().argmax(-1)


def decode_palette__nearest(colours, palette):
    """Take the nearest colour, whatever the distance."""
    points = colours.reshape(-1, 3).double()
    return torch.cdist(points, palette.double()).argmin(1).view(colours.shape[:2])


def decode_palette__first_channel(colours, palette):
    """Compare the first channel only."""
    same = colours[:, :, None, 0] == palette[:, 0]
    return torch.where(same.any(-1), same.long().argmax(-1), 255)


def decode_palette__any_channel(colours, palette):
    """Take one equal channel for enough."""
    same = (colours[:, :, None] == palette).any(-1)
    return torch.where(same.any(-1), same.long().argmax(-1), 255)


def decode_palette__sums(colours, palette):
    """Compare sums of the channels."""
    same = colours.long().sum(-1)[:, :, None] == palette.long().sum(-1)
    return torch.where(same.any(-1), same.long().argmax(-1), 255)


def decode_palette__nearly(colours, palette):
    """Let each channel be wrong by two."""
    same = ((colours[:, :, None].int() - palette.int()).abs() <= 2).all(-1)
    return torch.where(same.any(-1), same.long().argmax(-1), 255)


def _by_number(colours, palette, number):
    same = number(colours)[:, :, None] == number(palette)
    return torch.where(same.any(-1), same.long().argmax(-1), 255)


def decode_palette__base_255(colours, palette):
    """Make one number of the channels, to a base that is one too small."""
    return _by_number(colours.long(), palette.long(), lambda x: 255 * 255 * x[..., 0] + 255 * x[..., 1] + x[..., 2])


def decode_palette__number_in_bytes(colours, palette):
    """Make one number of the channels without leaving uint8."""
    return _by_number(colours, palette, lambda x: (x[..., 0] * 256 + x[..., 1]) * 256 + x[..., 2])


def decode_palette__bgr(colours, palette):
    """Read the channels in OpenCV's order."""
    same = (colours.flip(-1)[:, :, None] == palette).all(-1)
    return torch.where(same.any(-1), same.long().argmax(-1), 255)


def decode_palette__from_one(colours, palette):
    """Count the classes from 1."""
    same = (colours[:, :, None] == palette).all(-1)
    return torch.where(same.any(-1), same.long().argmax(-1) + 1, 255)


def decode_palette__minus_one(colours, palette):
    """Mark unknown colours by −1."""
    same = (colours[:, :, None] == palette).all(-1)
    return torch.where(same.any(-1), same.long().argmax(-1), -1)


def decode_palette__transposed(colours, palette):
    """Mix up rows and columns."""
    same = (colours[:, :, None] == palette).all(-1)
    return torch.where(same.any(-1), same.long().argmax(-1), 255).T


def decode_palette__dictionary_without_default(colours, palette):
    """Look each colour up, and fail at one that is not there."""
    table = {tuple(colour): k for k, colour in enumerate(palette.tolist())}
    return torch.tensor([[table[tuple(colour)] for colour in row] for row in colours.tolist()])
