"""Wrong answers to the exercises of the chapter `progressive_growing`, each one idea away from the solution."""

import torch
import torch.nn.functional as F


def _divided(x, squares, eps):
    return x / (squares + eps).sqrt()


def pixel_norm__length(x, eps):
    """Divide by the vector's length."""
    return _divided(x, x.square().sum(1, keepdim=True), eps)


def pixel_norm__no_root(x, eps):
    """Forget the root."""
    return x / (x.square().mean(1, keepdim=True) + eps)


def pixel_norm__eps_outside(x, eps):
    """Add eps after the root."""
    return x / (x.square().mean(1, keepdim=True).sqrt() + eps)


def pixel_norm__like_batch_norm(x, eps):
    """Average over images and places."""
    return _divided(x, x.square().mean([a for a in range(x.ndim) if a != 1], keepdim=True), eps)


def pixel_norm__per_image(x, eps):
    """Average over all of an image."""
    return _divided(x, x.square().mean(tuple(range(1, x.ndim)), keepdim=True), eps)


def pixel_norm__over_images(x, eps):
    """Average over the batch."""
    return _divided(x, x.square().mean(0, keepdim=True), eps)


def pixel_norm__last_axis(x, eps):
    """Average over the last axis, right for [N, C] only."""
    return _divided(x, x.square().mean(-1, keepdim=True), eps)


def pixel_norm__centred(x, eps):
    """Subtract the mean first."""
    x = x - x.mean(1, keepdim=True)
    return _divided(x, x.square().mean(1, keepdim=True), eps)


def pixel_norm__deviation(x, eps):
    """Divide by the standard deviation."""
    return _divided(x, x.var(1, correction=0, keepdim=True), eps)


def pixel_norm__no_eps(x, eps):
    """Leave eps out."""
    return x / x.square().mean(1, keepdim=True).sqrt()


def pixel_norm__own_eps(x, eps):
    """Take 1e-8, whatever eps is."""
    return x / (x.square().mean(1, keepdim=True) + 1e-8).sqrt()


def pixel_norm__eps_in_the_sum(x, eps):
    """Add eps to the sum of the squares."""
    return x * x.shape[1] ** 0.5 / (x.square().sum(1, keepdim=True) + eps).sqrt()


def pixel_norm__over_places(x, eps):
    """Take the mean over the places of a channel."""
    places = tuple(range(2, x.ndim)) or 1
    return x / (x.square().mean(places, keepdim=True) + eps).sqrt()


def pixel_norm__greatest(x, eps):
    """Divide by the greatest channel."""
    return x / (x.abs().amax(1, keepdim=True) + eps)


def pixel_norm__too_long(x, eps):
    """Multiply by √C besides."""
    return x / (x.square().mean(1, keepdim=True) + eps).sqrt() * x.shape[1] ** 0.5


def _scaled(x, weight, bias, scale):
    return x @ (weight * scale).T + bias


def equal_linear__not_scaled(x, weight, bias, gain):
    """Leave the scale out."""
    return _scaled(x, weight, bias, 1.0)


def equal_linear__no_root(x, weight, bias, gain):
    """Divide by the number of inputs."""
    return _scaled(x, weight, bias, gain / weight.shape[1])


def equal_linear__no_gain(x, weight, bias, gain):
    """Leave the gain out."""
    return _scaled(x, weight, bias, weight.shape[1] ** -0.5)


def equal_linear__gain_under_the_root(x, weight, bias, gain):
    """Take √(gain / I)."""
    return _scaled(x, weight, bias, (gain / weight.shape[1]) ** 0.5)


def equal_linear__outputs(x, weight, bias, gain):
    """Count the outputs."""
    return _scaled(x, weight, bias, gain / weight.shape[0] ** 0.5)


def equal_linear__all_weights(x, weight, bias, gain):
    """Count all weights."""
    return _scaled(x, weight, bias, gain / weight.numel() ** 0.5)


def equal_linear__rows(x, weight, bias, gain):
    """Count the rows of the batch."""
    return _scaled(x, weight, bias, gain / len(x) ** 0.5)


def equal_linear__bias_scaled(x, weight, bias, gain):
    """Scale the bias, too."""
    scale = gain / weight.shape[1] ** 0.5
    return _scaled(x, weight, bias * scale, scale)


def equal_linear__own_length(x, weight, bias, gain):
    """Normalise the weights by what they are."""
    return _scaled(x, weight / weight.norm(dim=1, keepdim=True), bias, gain)


def equal_linear__both_sides(x, weight, bias, gain):
    """Scale as Xavier does."""
    return _scaled(x, weight, bias, gain * (2 / sum(weight.shape)) ** 0.5)


def equal_linear__no_bias(x, weight, bias, gain):
    """Forget the bias."""
    return _scaled(x, weight, 0, gain / weight.shape[1] ** 0.5)


def equal_linear__gain_alone(x, weight, bias, gain):
    """Forget the root of the inputs."""
    return x @ (gain * weight).T + bias


def equal_linear__gain_of_the_bias(x, weight, bias, gain):
    """Multiply the bias by the gain."""
    return x @ (gain * weight / weight.shape[1] ** 0.5).T + gain * bias


def equal_linear__gain_twice(x, weight, bias, gain):
    """Take He's √2 and the gain."""
    return x @ (gain * weight * (2 / weight.shape[1]) ** 0.5).T + bias


def equal_linear__always_he(x, weight, bias, gain):
    """Take √2 for the gain."""
    return x @ (weight * (2 / weight.shape[1]) ** 0.5).T + bias


def equal_linear__own_deviation(x, weight, bias, gain):
    """Bring the weights to deviation 1 first."""
    return x @ (gain * weight / weight.std() / weight.shape[1] ** 0.5).T + bias


def _append(x, numbers):
    return torch.cat([x, numbers.view(-1, 1, 1, 1).expand(len(x), 1, *x.shape[2:])], 1)


def _groups(x, group):
    return x.reshape(-1, group, *x.shape[1:])


def _spread(x, group, correction=0):
    return (_groups(x, group).var(1, correction=correction) + 1e-8).sqrt()


def grouped_deviation__whole_batch(x, group):
    """Ignore the groups."""
    return _append(x, _spread(x, len(x)).mean())


def grouped_deviation__one_less(x, group):
    """Divide by one less."""
    return _append(x, _spread(x, group, 1).mean((1, 2, 3)).repeat_interleave(group))


def grouped_deviation__variance(x, group):
    """Forget the root."""
    return _append(x, _groups(x, group).var(1, correction=0).mean((1, 2, 3)).repeat_interleave(group))


def grouped_deviation__root_of_mean(x, group):
    """Average before the root."""
    variance = _groups(x, group).var(1, correction=0).mean((1, 2, 3))
    return _append(x, (variance + 1e-8).sqrt().repeat_interleave(group))


def grouped_deviation__each_place(x, group):
    """Average over channels only."""
    return torch.cat([x, _spread(x, group).mean(1, keepdim=True).repeat_interleave(group, 0)], 1)


def grouped_deviation__within_images(x, group):
    """Take the deviation over an image's own numbers."""
    return _append(x, (x.flatten(1).var(1, correction=0) + 1e-8).sqrt())


def grouped_deviation__of_means(x, group):
    """Take the deviation of the images' means."""
    means = x.mean((1, 2, 3)).reshape(-1, group)
    return _append(x, (means.var(1, correction=0) + 1e-8).sqrt().repeat_interleave(group))


def grouped_deviation__strided(x, group):
    """Take every so many-th image."""
    spread = (x.reshape(group, -1, *x.shape[1:]).var(0, correction=0) + 1e-8).sqrt().mean((1, 2, 3))
    return _append(x, spread.repeat(group))


def grouped_deviation__wrong_images(x, group):
    """Hand the groups' numbers out in turn."""
    return _append(x, _spread(x, group).mean((1, 2, 3)).repeat(group))


def grouped_deviation__first(x, group):
    """Put the channel first."""
    return _append(x, _spread(x, group).mean((1, 2, 3)).repeat_interleave(group)).roll(1, 1)


def grouped_deviation__sum(x, group):
    """Add the deviations up."""
    return _append(x, _spread(x, group).sum((1, 2, 3)).repeat_interleave(group))


def grouped_deviation__no_epsilon(x, group):
    """Add nothing to the variance."""
    return _append(x, _groups(x, group).std(1, correction=0).mean((1, 2, 3)).repeat_interleave(group))


def grouped_deviation__epsilon_outside(x, group):
    """Add 1e-8 to the deviation."""
    return _append(x, (_groups(x, group).std(1, correction=0) + 1e-8).mean((1, 2, 3)).repeat_interleave(group))


def grouped_deviation__so_many_groups(x, group):
    """Take `group` for the number of groups."""
    size = len(x) // group
    spread = (_groups(x, size).var(1, correction=0) + 1e-8).sqrt().mean((1, 2, 3))
    return _append(x, spread.repeat_interleave(size))


def grouped_deviation__absolute(x, group):
    """Take the mean distance from the mean."""
    groups = _groups(x, group)
    off = (groups - groups.mean(1, keepdim=True)).abs()
    return _append(x, off.mean((1, 2, 3, 4)).repeat_interleave(group))


def grouped_deviation__mean_kept(x, group):
    """Do not subtract the mean."""
    squares = _groups(x, group).square().mean(1)
    return _append(x, (squares + 1e-8).sqrt().mean((1, 2, 3)).repeat_interleave(group))


def grouped_deviation__each_channel(x, group):
    """Average over places only."""
    spread = (_groups(x, group).var(1, correction=0) + 1e-8).sqrt().mean((2, 3), keepdim=True)
    return torch.cat([x, spread.repeat_interleave(group, 0).expand_as(x)], 1)


def grouped_deviation__first_group(x, group):
    """Give all images the first group's number."""
    spread = (x[:group].var(0, correction=0) + 1e-8).sqrt().mean()
    return _append(x, spread.expand(len(x)))


def _large(old, mode="nearest"):
    return F.interpolate(old, scale_factor=2, mode=mode)


def fade_in__turned(old, new, alpha):
    """Give alpha to the old image."""
    return alpha * _large(old) + (1 - alpha) * new


def fade_in__added(old, new, alpha):
    """Keep all of the old image."""
    return _large(old) + alpha * new


def fade_in__smooth(old, new, alpha):
    """Enlarge bilinearly."""
    return (1 - alpha) * _large(old, "bilinear") + alpha * new


def fade_in__tiled(old, new, alpha):
    """Repeat the image, not its pixels."""
    return (1 - alpha) * old.repeat(1, 1, 2, 2) + alpha * new


def fade_in__shrunk(old, new, alpha):
    """Blend at the old size."""
    return (1 - alpha) * old + alpha * F.avg_pool2d(new, 2)


def fade_in__switched(old, new, alpha):
    """Switch at one half."""
    return new if alpha >= 0.5 else _large(old)


def fade_in__mean(old, new, alpha):
    """Ignore alpha."""
    return (_large(old) + new) / 2


def fade_in__gaps(old, new, alpha):
    """Leave zeros between the pixels."""
    large = torch.zeros_like(new)
    large[:, :, ::2, ::2] = old
    return (1 - alpha) * large + alpha * new


def fade_in__whole_new(old, new, alpha):
    """Add all of the new image."""
    return (1 - alpha) * _large(old) + new


def fade_in__tanh(old, new, alpha):
    """Put the blend through tanh."""
    return ((1 - alpha) * _large(old) + alpha * new).tanh()


def fade_in__cut_off(old, new, alpha):
    """Keep the blend between -1 and 1."""
    return ((1 - alpha) * _large(old) + alpha * new).clamp(-1, 1)


def fade_in__no_new(old, new, alpha):
    """Fade the old image out only."""
    return (1 - alpha) * _large(old)


def level__fades_first(step, hold, fade, stages):
    """Fade, then hold."""
    stage, rest = divmod(step, hold + fade)
    return min(stages, stage + min(1.0, rest / fade))


def level__no_end(step, hold, fade, stages):
    """Grow for ever."""
    stage, rest = divmod(step, hold + fade)
    return stage + max(0, rest - hold) / fade


def level__jumps(step, hold, fade, stages):
    """Do not fade."""
    return float(min(stages, step // (hold + fade)))


def level__no_hold(step, hold, fade, stages):
    """Rise all the time."""
    return min(float(stages), step / (hold + fade))


def level__slow(step, hold, fade, stages):
    """Divide by the whole stage."""
    stage, rest = divmod(step, hold + fade)
    return min(float(stages), stage + max(0, rest - hold) / (hold + fade))


def level__held_once(step, hold, fade, stages):
    """Hold the first level only."""
    return min(float(stages), max(0, step - hold) / fade)


def level__one_ahead(step, hold, fade, stages):
    """Begin the fading one step early."""
    stage, rest = divmod(step, hold + fade)
    return min(float(stages), stage + max(0, rest - hold + 1) / fade)


def level__one_stage_early(step, hold, fade, stages):
    """Stop before the last stage."""
    stage, rest = divmod(step, hold + fade)
    return min(stages - 1.0, stage + max(0, rest - hold) / fade)


def level__breathes(step, hold, fade, stages):
    """Hold the stages at the end, and not the share."""
    stage, rest = divmod(step, hold + fade)
    return min(stages, stage) + max(0, rest - hold) / fade


def level__share_alone(step, hold, fade, stages):
    """Return how far the fading is."""
    return max(0, step % (hold + fade) - hold) / fade


def level__below(step, hold, fade, stages):
    """Let the share be negative."""
    stage, rest = divmod(step, hold + fade)
    return min(float(stages), stage + (rest - hold) / fade)


def level__one_behind(step, hold, fade, stages):
    """Begin the fading one step late."""
    stage, rest = divmod(step, hold + fade)
    return min(float(stages), stage + max(0, rest - hold - 1) / fade)


def level__both_ends(step, hold, fade, stages):
    """Divide by fade - 1, as if the last step had to be whole."""
    stage, rest = divmod(step, hold + fade)
    return min(float(stages), stage + max(0, rest - hold) / max(1, fade - 1))


def level__hold_only(step, hold, fade, stages):
    """Count stages of `hold` steps."""
    stage, rest = divmod(step, hold)
    return min(float(stages), stage + max(0, rest - hold) / fade)


def level__swapped(step, hold, fade, stages):
    """Hold for `fade` steps and fade for `hold`."""
    stage, rest = divmod(step, hold + fade)
    return min(float(stages), stage + max(0, rest - fade) / hold)


def level__from_one(step, hold, fade, stages):
    """Count levels from 1."""
    stage, rest = divmod(step, hold + fade)
    return min(float(stages), stage + max(0, rest - hold) / fade) + 1


def level__greater(step, hold, fade, stages):
    """Take the greater in place of the smaller."""
    stage, rest = divmod(step, hold + fade)
    return max(float(stages), stage + max(0, rest - hold) / fade)
