"""Wrong answers to the exercises of the chapter `deeplab`, each one idea away from the solution: EXERCISE__idea."""

import itertools
import math

import torch
import torch.nn.functional as F


def _padding(weight, dilation):
    return tuple(d * (side // 2) for d, side in zip(dilation, weight.shape[2:], strict=True))


def dilated_conv2d__kernel_turned(x, weight, dilation):
    """Turn the kernel by half a turn."""
    return F.conv2d(x, weight.flip(2, 3), padding=_padding(weight, dilation), dilation=dilation)


def dilated_conv2d__neighbours(x, weight, dilation):
    """Forget the holes."""
    return F.conv2d(x, weight, padding="same")


def dilated_conv2d__one_zero_too_many(x, weight, dilation):
    """Put d zeros between neighbouring taps."""
    farther = tuple(d + 1 for d in dilation)
    return F.conv2d(x, weight, padding=_padding(weight, farther), dilation=farther)


def dilated_conv2d__rates_swapped(x, weight, dilation):
    """Take the rates of rows and columns for each other."""
    return F.conv2d(x, weight, padding=_padding(weight, dilation[::-1]), dilation=dilation[::-1])


def dilated_conv2d__one_rate(x, weight, dilation):
    """Take the rows' rate for both."""
    both = (dilation[0], dilation[0])
    return F.conv2d(x, weight, padding=_padding(weight, both), dilation=both)


def dilated_conv2d__no_padding(x, weight, dilation):
    """Let the map shrink."""
    return F.conv2d(x, weight, dilation=dilation)


def dilated_conv2d__plain_padding(x, weight, dilation):
    """Pad as for the kernel without holes."""
    return F.conv2d(x, weight, padding=_padding(weight, (1, 1)), dilation=dilation)


def dilated_conv2d__edge_repeated(x, weight, dilation):
    """Repeat the edge beyond the border."""
    rows, columns = _padding(weight, dilation)
    return F.conv2d(F.pad(x, (columns, columns, rows, rows), mode="replicate"), weight, dilation=dilation)


def dilated_conv2d__mean_over_channels(x, weight, dilation):
    """Take the mean over the input channels."""
    return F.conv2d(x, weight, padding=_padding(weight, dilation), dilation=dilation) / x.shape[1]


def dilated_conv2d__first_channel(x, weight, dilation):
    """Read the first input channel alone."""
    return F.conv2d(x[:, :1], weight[:, :1], padding=_padding(weight, dilation), dilation=dilation)


def dilated_conv2d__stride(x, weight, dilation):
    """Take the rate for a stride."""
    return F.conv2d(x, weight, padding=_padding(weight, (1, 1)), stride=dilation)


def _seen(layers):
    seen = {0}
    for kernel, stride, dilation in reversed(layers):
        seen = {p * stride + dilation * tap for p, tap in itertools.product(seen, range(kernel))}
    return seen


def _field(layers):
    return max(_seen(layers)) - min(_seen(layers)) + 1


def field_and_seen__gaps_seen(layers):
    """Take the whole field for seen."""
    return _field(layers), _field(layers)


def field_and_seen__taps_multiplied(layers):
    """Multiply the kernels, as if no two ways met."""
    return _field(layers), math.prod(kernel for kernel, _, _ in layers)


def field_and_seen__no_dilation(layers):
    """Forget the dilation."""
    plain = [(kernel, stride, 1) for kernel, stride, _ in layers]
    return _field(plain), len(_seen(plain))


def field_and_seen__no_stride(layers):
    """Forget the strides."""
    plain = [(kernel, 1, dilation) for kernel, _, dilation in layers]
    return _field(plain), len(_seen(plain))


def field_and_seen__own_stride(layers):
    """Count a layer's stride for the layer itself."""
    field = step = 1
    for kernel, stride, dilation in layers:
        step *= stride
        field += dilation * (kernel - 1) * step
    return field, len(_seen(layers))


def field_and_seen__dilation_times_kernel(layers):
    """Let a kernel span d·k pixels."""
    field = step = 1
    for kernel, stride, dilation in layers:
        field += (dilation * kernel - 1) * step
        step *= stride
    return field, len(_seen(layers))


def field_and_seen__wrong_end(layers):
    """Go through the layers from the first to the last."""
    return _field(layers[::-1]), len(_seen(layers[::-1]))


def field_and_seen__square(layers):
    """Count pixels of the square."""
    return _field(layers) ** 2, len(_seen(layers)) ** 2


def field_and_seen__swapped(layers):
    """Give what is seen first."""
    return len(_seen(layers)), _field(layers)


def field_and_seen__last_missing(layers):
    """Take the difference of the ends for the number of pixels."""
    return _field(layers) - 1, len(_seen(layers))


def _shapes(shape, channels, rates):
    n, c, h, w = shape
    looks = [(n, channels, h, w)] * (len(rates) + 1)
    joined = (len(rates) + 2) * channels
    shapes = [*looks, (n, channels, 1, 1), (n, joined, h, w), (n, channels, h, w)]
    return shapes, channels * (c * (2 + 9 * len(rates)) + joined)


def aspp_shapes__shrunk(shape, channels, rates):
    """Forget the padding of the dilated branches."""
    shapes, weights = _shapes(shape, channels, rates)
    for i, rate in enumerate(rates):
        shapes[i + 1] = (shape[0], channels, shape[2] - 2 * rate, shape[3] - 2 * rate)
    return shapes, weights


def aspp_shapes__mean_spread(shape, channels, rates):
    """List the mean after it is spread."""
    shapes, weights = _shapes(shape, channels, rates)
    return [*shapes[:-3], shapes[0], *shapes[-2:]], weights


def aspp_shapes__mean_not_joined(shape, channels, rates):
    """Forget the mean in the concatenation."""
    shapes, weights = _shapes(shape, channels, rates)
    n, _, h, w = shape
    shapes[-2] = (n, (len(rates) + 1) * channels, h, w)
    return shapes, weights - channels**2


def aspp_shapes__dilated_only(shape, channels, rates):
    """Join the dilated branches alone."""
    shapes, weights = _shapes(shape, channels, rates)
    n, _, h, w = shape
    shapes[-2] = (n, len(rates) * channels, h, w)
    return shapes, weights - 2 * channels**2


def aspp_shapes__added(shape, channels, rates):
    """Add the branches, as v2 does."""
    shapes, weights = _shapes(shape, channels, rates)
    shapes[-2] = shapes[-1]
    return shapes, weights - (len(rates) + 1) * channels**2


def aspp_shapes__holes_counted(shape, channels, rates):
    """Count the zeros between the taps."""
    shapes, weights = _shapes(shape, channels, rates)
    return shapes, weights + shape[1] * channels * sum((2 * rate + 1) ** 2 - 9 for rate in rates)


def aspp_shapes__no_weights_of_the_mean(shape, channels, rates):
    """Forget the convolution after the mean."""
    shapes, weights = _shapes(shape, channels, rates)
    return shapes, weights - shape[1] * channels


def aspp_shapes__no_weights_of_the_mix(shape, channels, rates):
    """Forget the last convolution."""
    shapes, weights = _shapes(shape, channels, rates)
    return shapes, weights - (len(rates) + 2) * channels**2


def aspp_shapes__biases(shape, channels, rates):
    """Count a bias for each output."""
    shapes, weights = _shapes(shape, channels, rates)
    return shapes, weights + (len(rates) + 3) * channels


def aspp_shapes__batch_norm(shape, channels, rates):
    """Count what batch norm learns."""
    shapes, weights = _shapes(shape, channels, rates)
    return shapes, weights + 2 * (len(rates) + 3) * channels


def aspp_shapes__transposed(shape, channels, rates):
    """Put the width before the height."""
    n, c, h, w = shape
    return _shapes((n, c, w, h), channels, rates)


def _energy(q, unary, pairs, compatibility):
    return unary + pairs @ q @ compatibility


def mean_field_step__unary_sign(q, unary, pairs, compatibility):
    """Take the unary for a score."""
    return (unary - pairs @ q @ compatibility).softmax(1)


def mean_field_step__message_sign(q, unary, pairs, compatibility):
    """Reward what costs."""
    return (pairs @ q @ compatibility - unary).softmax(1)


def mean_field_step__no_unary(q, unary, pairs, compatibility):
    """Hear the others only."""
    return (-pairs @ q @ compatibility).softmax(1)


def mean_field_step__over_pixels(q, unary, pairs, compatibility):
    """Norm along the wrong axis."""
    return (-_energy(q, unary, pairs, compatibility)).softmax(0)


def mean_field_step__equal_labels_free(q, unary, pairs, compatibility):
    """Take it that equal labels cost nothing."""
    return (-_energy(q, unary, pairs, compatibility.clone().fill_diagonal_(0))).softmax(1)


def mean_field_step__not_normed(q, unary, pairs, compatibility):
    """Stop before the norm."""
    return (-_energy(q, unary, pairs, compatibility)).exp()


def mean_field_step__one_after_the_other(q, unary, pairs, compatibility):
    """Let each pixel read what was just written."""
    q = q.clone()
    for i in range(len(q)):
        q[i] = (-unary[i] - pairs[i] @ q @ compatibility).softmax(0)
    return q


def mean_field_step__no_compatibility(q, unary, pairs, compatibility):
    """Leave out what labels cost, as if agreeing were to be punished."""
    return (-unary - pairs @ q).softmax(1)


def mean_field_step__potts(q, unary, pairs, compatibility):
    """Take 1 for the cost of all different labels."""
    return (-unary - pairs @ q @ (1 - torch.eye(q.shape[1]))).softmax(1)


def mean_field_step__hard(q, unary, pairs, compatibility):
    """Send labels instead of probabilities."""
    hard = F.one_hot(q.argmax(1), q.shape[1]).to(q)
    return (-_energy(hard, unary, pairs, compatibility)).softmax(1)


def mean_field_step__old_q_kept(q, unary, pairs, compatibility):
    """Multiply the old q by what the others say."""
    return (q.log() - pairs @ q @ compatibility).softmax(1)


def mean_field_step__halved(q, unary, pairs, compatibility):
    """Count each pair half, as in the free energy."""
    return (-unary - pairs @ q @ compatibility / 2).softmax(1)


def mean_field_step__only_later_ones(q, unary, pairs, compatibility):
    """Count each pair once: hear only the pixels after one's own."""
    return (-unary - pairs.triu() @ q @ compatibility).softmax(1)


def mean_field_step__transposed(q, unary, pairs, compatibility):
    """Give labels by pixels."""
    return (-_energy(q, unary, pairs, compatibility)).softmax(1).T
