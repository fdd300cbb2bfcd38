"""Wrong answers to the exercises of `architectures`, each one idea away from the solution: EXERCISE__idea."""

import math

import torch
import torch.nn.functional as F


def residual_block__no_shortcut(x, reduce, middle, expand, projection, stride=1):
    """Forget to add x."""
    y = F.relu(F.conv2d(F.relu(F.conv2d(x, reduce)), middle, stride=stride, padding=1))
    return F.relu(F.conv2d(y, expand))


def residual_block__no_last_rectifier(x, reduce, middle, expand, projection, stride=1):
    """Leave the sum as it is, as pre-activation does."""
    y = F.relu(F.conv2d(F.relu(F.conv2d(x, reduce)), middle, stride=stride, padding=1))
    return F.conv2d(y, expand) + (x if projection is None else F.conv2d(x, projection, stride=stride))


def residual_block__rectified_before_the_sum(x, reduce, middle, expand, projection, stride=1):
    """Rectify the branch and not the sum."""
    y = F.relu(F.conv2d(F.relu(F.conv2d(x, reduce)), middle, stride=stride, padding=1))
    return F.relu(F.conv2d(y, expand)) + (x if projection is None else F.conv2d(x, projection, stride=stride))


def residual_block__nothing_between(x, reduce, middle, expand, projection, stride=1):
    """Put three convolutions after each other."""
    y = F.conv2d(F.conv2d(F.conv2d(x, reduce), middle, stride=stride, padding=1), expand)
    return F.relu(y + (x if projection is None else F.conv2d(x, projection, stride=stride)))


def residual_block__stride_in_the_first(x, reduce, middle, expand, projection, stride=1):
    """Halve in the 1×1, as the paper does."""
    y = F.relu(F.conv2d(F.relu(F.conv2d(x, reduce, stride=stride)), middle, padding=1))
    return F.relu(F.conv2d(y, expand) + (x if projection is None else F.conv2d(x, projection, stride=stride)))


def residual_block__projection_without_stride(x, reduce, middle, expand, projection, stride=1):
    """Forget the stride of the shortcut."""
    y = F.relu(F.conv2d(F.relu(F.conv2d(x, reduce)), middle, stride=stride, padding=1))
    return F.relu(F.conv2d(y, expand) + (x if projection is None else F.conv2d(x, projection)))


def residual_block__no_padding(x, reduce, middle, expand, projection, stride=1):
    """Let the 3×3 convolution shrink the map."""
    y = F.relu(F.conv2d(F.relu(F.conv2d(x, reduce)), middle, stride=stride))
    return F.relu(F.conv2d(y, expand) + (x if projection is None else F.conv2d(x, projection, stride=stride)))


def residual_block__projection_unused(x, reduce, middle, expand, projection, stride=1):
    """Add x itself, always."""
    y = F.relu(F.conv2d(F.relu(F.conv2d(x, reduce)), middle, stride=stride, padding=1))
    return F.relu(F.conv2d(y, expand) + x)


def residual_block__projection_rectified(x, reduce, middle, expand, projection, stride=1):
    """Rectify what the shortcut brings."""
    y = F.relu(F.conv2d(F.relu(F.conv2d(x, reduce)), middle, stride=stride, padding=1))
    return F.relu(F.conv2d(y, expand) + (x if projection is None else F.relu(F.conv2d(x, projection, stride=stride))))


def residual_block__pre_activated(x, reduce, middle, expand, projection, stride=1):
    """Put the rectifiers before the convolutions, and none after the sum."""
    y = F.conv2d(F.relu(F.conv2d(F.relu(x), reduce)), middle, stride=stride, padding=1)
    return F.conv2d(F.relu(y), expand) + (x if projection is None else F.conv2d(x, projection, stride=stride))


def _gates(means, w1, b1, w2, b2):
    return torch.sigmoid(torch.relu(means @ w1.T + b1) @ w2.T + b2)


def squeeze_excitation__sum(x, w1, b1, w2, b2):
    """Add over the positions."""
    return x * _gates(x.sum((2, 3)), w1, b1, w2, b2)[:, :, None, None]


def squeeze_excitation__maximum(x, w1, b1, w2, b2):
    """Squeeze by the largest value."""
    return x * _gates(x.amax((2, 3)), w1, b1, w2, b2)[:, :, None, None]


def squeeze_excitation__mean_over_the_batch(x, w1, b1, w2, b2):
    """Squeeze the whole batch to one row."""
    return x * _gates(x.mean((0, 2, 3))[None], w1, b1, w2, b2)[:, :, None, None]


def squeeze_excitation__first_image(x, w1, b1, w2, b2):
    """Compute the weights of one image and give them to all."""
    return x * _gates(x[:1].mean((2, 3)), w1, b1, w2, b2)[:, :, None, None]


def squeeze_excitation__first_bias_missing(x, w1, b1, w2, b2):
    """Add the second bias only."""
    return x * _gates(x.mean((2, 3)), w1, torch.zeros_like(b1), w2, b2)[:, :, None, None]


def squeeze_excitation__no_rectifier(x, w1, b1, w2, b2):
    """Put the two layers after each other."""
    return x * torch.sigmoid((x.mean((2, 3)) @ w1.T + b1) @ w2.T + b2)[:, :, None, None]


def squeeze_excitation__no_sigmoid(x, w1, b1, w2, b2):
    """Multiply by the logits."""
    return x * (torch.relu(x.mean((2, 3)) @ w1.T + b1) @ w2.T + b2)[:, :, None, None]


def squeeze_excitation__softmax(x, w1, b1, w2, b2):
    """Let the channels compete."""
    return x * (torch.relu(x.mean((2, 3)) @ w1.T + b1) @ w2.T + b2).softmax(1)[:, :, None, None]


def squeeze_excitation__weights_only(x, w1, b1, w2, b2):
    """Return the channels' weights."""
    return _gates(x.mean((2, 3)), w1, b1, w2, b2)


def squeeze_excitation__added(x, w1, b1, w2, b2):
    """Add the weights to the channels."""
    return x + _gates(x.mean((2, 3)), w1, b1, w2, b2)[:, :, None, None]


def squeeze_excitation__columns_weighed(x, w1, b1, w2, b2):
    """Let [N, C] meet [N, C, H, W] as it is."""
    return x * _gates(x.mean((2, 3)), w1, b1, w2, b2)


def _costs(layers, channels, size, bias=1, bias_work=0, factor=1, linear=None, grow=True, pools=True, up=False):
    (h, w), total, work = size, 0, 0
    for kind, *numbers in layers:
        if kind == "linear":
            inputs = channels * h * w if linear is None else linear(channels, h, w)
            total += (inputs + bias) * numbers[0]
            work += factor * (inputs + bias_work) * numbers[0]
            channels, h, w = numbers[0], 1, 1
            continue
        k, s, p = (*numbers, 0) if kind == "pool" else numbers[1:]
        if kind == "conv" or pools:
            h, w = (math.ceil((n + 2 * p - k) / s) + 1 if up else (n + 2 * p - k) // s + 1 for n in (h, w))
        if kind == "conv":
            total += (channels * k * k + bias) * numbers[0]
            work += factor * h * w * numbers[0] * (channels * k * k + bias_work)
            channels = numbers[0] if grow else channels
    return total, work


def network_costs__no_bias(layers, channels, size):
    """Count the kernels alone."""
    return _costs(layers, channels, size, bias=0)


def network_costs__operations_counted_twice(layers, channels, size):
    """Count multiplications and additions."""
    return _costs(layers, channels, size, factor=2)


def network_costs__biases_in_the_work(layers, channels, size):
    """Count the addition of a bias as one more product."""
    return _costs(layers, channels, size, bias_work=1)


def network_costs__linear_reads_channels(layers, channels, size):
    """Forget the positions when a linear layer reads a map."""
    return _costs(layers, channels, size, linear=lambda c, h, w: c)


def network_costs__poolings_ignored(layers, channels, size):
    """Skip what has no weights."""
    return _costs(layers, channels, size, pools=False)


def network_costs__square_image(layers, channels, size):
    """Follow the height alone."""
    return _costs(layers, channels, (size[0], size[0]))


def network_costs__pooling_divides(layers, channels, size):
    """Divide the sides by a pooling's stride, as if its kernel were as large."""
    return _costs([("pool", n[1], n[1]) if kind == "pool" else (kind, *n) for kind, *n in layers], channels, size)


def network_costs__pooling_by_its_kernel(layers, channels, size):
    """Let a pooling step by its kernel."""
    return _costs([("pool", n[0], n[0]) if kind == "pool" else (kind, *n) for kind, *n in layers], channels, size)


def network_costs__rounded_up(layers, channels, size):
    """Give the kernel a place where it does not fit."""
    return _costs(layers, channels, size, up=True)


def network_costs__two_and_one_changed_places(layers, channels, size):
    """Return the work first."""
    return _costs(layers, channels, size)[::-1]


def network_costs__sides_of_the_input(layers, channels, size):
    """Multiply by the positions that go in."""
    (h, w), total, work = size, 0, 0
    for kind, *numbers in layers:
        if kind == "linear":
            total, work = total + (channels * h * w + 1) * numbers[0], work + channels * h * w * numbers[0]
            channels, h, w = numbers[0], 1, 1
            continue
        k, s, p = (*numbers, 0) if kind == "pool" else numbers[1:]
        if kind == "conv":
            total += (channels * k * k + 1) * numbers[0]
            work += h * w * numbers[0] * channels * k * k
            channels = numbers[0]
        h, w = ((n + 2 * p - k) // s + 1 for n in (h, w))
    return total, work


def dense_channels__growth_once_a_block(channels, growth, blocks, compression=0.5):
    """Let a block grow once."""
    found = []
    for _ in blocks:
        channels += growth
        found.append(channels)
        channels = int(compression * channels)
    return found


def dense_channels__no_transition(channels, growth, blocks, compression=0.5):
    """Keep all channels between the blocks."""
    found = []
    for count in blocks:
        channels += count * growth
        found.append(channels)
    return found


def dense_channels__after_the_transitions(channels, growth, blocks, compression=0.5):
    """Note the channels after each transition."""
    found = []
    for count in blocks:
        channels = int(compression * (channels + count * growth))
        found.append(channels)
    return found


def dense_channels__transition_after_the_last(channels, growth, blocks, compression=0.5):
    """Compress what the head reads."""
    found = dense_channels__no_transition(channels, growth, blocks[:1])
    for count in blocks[1:]:
        found.append(int(compression * found[-1]) + count * growth)
    return [*found[:-1], int(compression * found[-1])]


def dense_channels__transition_first(channels, growth, blocks, compression=0.5):
    """Compress before each block."""
    found = []
    for count in blocks:
        channels = int(compression * channels) + count * growth
        found.append(channels)
    return found


def dense_channels__rounded_up(channels, growth, blocks, compression=0.5):
    """Keep the half channel."""
    found = []
    for count in blocks:
        channels += count * growth
        found.append(channels)
        channels = math.ceil(compression * channels)
    return found


def _compressed(channels, growth, blocks, compress):
    found = []
    for count in blocks:
        channels += count * growth
        found.append(channels)
        channels = compress(channels)
    return found


def dense_channels__always_halved(channels, growth, blocks, compression=0.5):
    """Halve, whatever the compression."""
    return _compressed(channels, growth, blocks, lambda c: c // 2)


def dense_channels__divided_by_a_whole_number(channels, growth, blocks, compression=0.5):
    """Divide by 1 / compression, made a whole number: right for 1, 1/2, 1/4, and nothing between."""
    return _compressed(channels, growth, blocks, lambda c: c // int(1 / compression))


def dense_channels__share_thrown_away(channels, growth, blocks, compression=0.5):
    """Take the compression for the share that goes."""
    return _compressed(channels, growth, blocks, lambda c: int((1 - compression) * c))


def dense_channels__input_forgotten(channels, growth, blocks, compression=0.5):
    """Give the new maps alone."""
    return [count * growth for count in blocks]


def fold_batch_norm__no_root(weight, mean, variance, gamma, beta, eps):
    """Divide by the variance."""
    a = gamma / (variance + eps)
    return weight * a[:, None, None, None], beta - a * mean


def fold_batch_norm__eps_outside_the_root(weight, mean, variance, gamma, beta, eps):
    """Add eps to the deviation."""
    a = gamma / (variance.sqrt() + eps)
    return weight * a[:, None, None, None], beta - a * mean


def fold_batch_norm__no_eps(weight, mean, variance, gamma, beta, eps):
    """Leave eps out."""
    a = gamma / variance.sqrt()
    return weight * a[:, None, None, None], beta - a * mean


def fold_batch_norm__mean_forgotten(weight, mean, variance, gamma, beta, eps):
    """Do not centre."""
    return weight * (gamma / (variance + eps).sqrt())[:, None, None, None], beta


def fold_batch_norm__mean_not_scaled(weight, mean, variance, gamma, beta, eps):
    """Subtract the mean after the scaling."""
    return weight * (gamma / (variance + eps).sqrt())[:, None, None, None], beta - mean


def fold_batch_norm__no_gamma(weight, mean, variance, gamma, beta, eps):
    """Norm, and do not scale."""
    a = 1 / (variance + eps).sqrt()
    return weight * a[:, None, None, None], beta - a * mean


def fold_batch_norm__no_beta(weight, mean, variance, gamma, beta, eps):
    """Forget what is added at the end."""
    a = gamma / (variance + eps).sqrt()
    return weight * a[:, None, None, None], -a * mean


def fold_batch_norm__input_channels_scaled(weight, mean, variance, gamma, beta, eps):
    """Scale the axis that is read."""
    a = gamma / (variance + eps).sqrt()
    return weight * a[None, :, None, None], beta - a * mean
