"""Wrong answers to the exercises of the chapter `images`, each one idea away from the solution: EXERCISE__idea."""

import torch
import torch.nn.functional as F


def conv2d__kernel_flipped(x, weight, bias, stride=1, padding=0):
    """Turn the kernel by half a turn, as the convolution of mathematics does."""
    return F.conv2d(x, weight.flip(2, 3), bias, stride, padding)


def conv2d__no_padding(x, weight, bias, stride=1, padding=0):
    """Forget the zeros around the image."""
    return F.conv2d(x, weight, bias, stride)


def conv2d__padded_afterwards(x, weight, bias, stride=1, padding=0):
    """Put the zeros around the output."""
    return F.pad(F.conv2d(x, weight, bias, stride), (padding,) * 4)


def conv2d__padded_below_and_right(x, weight, bias, stride=1, padding=0):
    """Put all the zeros at one end."""
    return F.conv2d(F.pad(x, (0, padding, 0, padding)), weight, bias, stride)


def conv2d__edge_repeated(x, weight, bias, stride=1, padding=0):
    """Repeat the edge beyond the border."""
    return F.conv2d(F.pad(x, (padding,) * 4, mode="replicate"), weight, bias, stride)


def conv2d__no_stride(x, weight, bias, stride=1, padding=0):
    """Visit every position."""
    return F.conv2d(x, weight, bias, 1, padding)


def conv2d__stride_in_rows_only(x, weight, bias, stride=1, padding=0):
    """Take the stride along one axis."""
    return F.conv2d(x, weight, bias, (stride, 1), padding)


def conv2d__stride_from_the_second(x, weight, bias, stride=1, padding=0):
    """Keep each s-th position, but not beginning with the first."""
    return F.conv2d(x, weight, bias, 1, padding)[:, :, stride - 1 :: stride, stride - 1 :: stride]


def conv2d__last_position_missing(x, weight, bias, stride=1, padding=0):
    """Stop one position early: the off-by-one of a range."""
    return F.conv2d(x, weight, bias, stride, padding)[:, :, :-1, :-1]


def conv2d__no_bias(x, weight, bias, stride=1, padding=0):
    """Forget the bias."""
    return F.conv2d(x, weight, None, stride, padding)


def conv2d__bias_for_each_channel(x, weight, bias, stride=1, padding=0):
    """Add the bias once for each input channel."""
    return F.conv2d(x, weight, bias * x.shape[1], stride, padding)


def conv2d__mean_over_channels(x, weight, bias, stride=1, padding=0):
    """Average over the input channels."""
    return F.conv2d(x, weight / x.shape[1], bias, stride, padding)


def conv2d__first_channel_only(x, weight, bias, stride=1, padding=0):
    """Look at one input channel."""
    return F.conv2d(x[:, :1], weight[:, :1], bias, stride, padding)


def _checked(n, kernel, padding, dilation):
    if dilation * (kernel - 1) + 1 > n + 2 * padding:
        raise ValueError("The kernel is larger than the padded input.")


def output_size__plus_one_missing(n, kernel, stride=1, padding=0, dilation=1):
    """Forget the first position."""
    _checked(n, kernel, padding, dilation)
    return (n + 2 * padding - dilation * (kernel - 1) - 1) // stride


def output_size__rounded_up(n, kernel, stride=1, padding=0, dilation=1):
    """Round the fraction up."""
    _checked(n, kernel, padding, dilation)
    return -(-(n + 2 * padding - dilation * (kernel - 1) - 1) // stride) + 1


def output_size__plus_one_divided(n, kernel, stride=1, padding=0, dilation=1):
    """Put the + 1 under the fraction."""
    _checked(n, kernel, padding, dilation)
    return (n + 2 * padding - dilation * (kernel - 1)) // stride


def output_size__padding_once(n, kernel, stride=1, padding=0, dilation=1):
    """Count the zeros of one end."""
    if dilation * (kernel - 1) + 1 > n + padding:
        raise ValueError("The kernel is larger than the padded input.")
    return (n + padding - dilation * (kernel - 1) - 1) // stride + 1


def output_size__dilation_times_kernel(n, kernel, stride=1, padding=0, dilation=1):
    """Let the kernel span d·k pixels."""
    if dilation * kernel > n + 2 * padding:
        raise ValueError("The kernel is larger than the padded input.")
    return (n + 2 * padding - dilation * kernel) // stride + 1


def output_size__no_dilation(n, kernel, stride=1, padding=0, dilation=1):
    """Forget the dilation."""
    _checked(n, kernel, padding, 1)
    return (n + 2 * padding - kernel) // stride + 1


def output_size__no_stride(n, kernel, stride=1, padding=0, dilation=1):
    """Forget the stride."""
    _checked(n, kernel, padding, dilation)
    return n + 2 * padding - dilation * (kernel - 1)


def output_size__padding_not_looked_at(n, kernel, stride=1, padding=0, dilation=1):
    """Refuse a kernel that is larger than the image, although the padding makes room."""
    _checked(n, kernel, 0, dilation)
    return (n + 2 * padding - dilation * (kernel - 1) - 1) // stride + 1


def output_size__nothing_refused(n, kernel, stride=1, padding=0, dilation=1):
    """Go on calculating where the kernel does not fit."""
    return (n + 2 * padding - dilation * (kernel - 1) - 1) // stride + 1


def _field(layers, *, seen=1, grow=lambda k, d: d * (k - 1), own=False):
    step = 1
    for kernel, stride, dilation in layers:
        step *= stride if own else 1
        seen += grow(kernel, dilation) * step
        step *= 1 if own else stride
    return seen


def receptive_field__begins_at_zero(layers):
    """Begin with nothing seen."""
    return _field(layers, seen=0)


def receptive_field__no_strides(layers):
    """Add the kernels up as if no layer had a stride."""
    return _field([(kernel, 1, dilation) for kernel, _, dilation in layers])


def receptive_field__own_stride_counts(layers):
    """Let a layer's own stride widen what it sees."""
    return _field(layers, own=True)


def receptive_field__product(layers):
    """Multiply the kernels."""
    product = 1
    for kernel, _, _ in layers:
        product *= kernel
    return product


def receptive_field__whole_kernels(layers):
    """Add k where k − 1 is new."""
    return _field(layers, grow=lambda k, d: d * k)


def receptive_field__no_dilation(layers):
    """Forget that taps may be apart."""
    return _field(layers, grow=lambda k, d: k - 1)


def receptive_field__from_the_wrong_end(layers):
    """Multiply the strides of the layers behind in place of those before."""
    return _field(list(layers)[::-1])


def receptive_field__last_stride_only(layers):
    """Use the stride of the layer just before, not the product of all."""
    seen, before = 1, 1
    for kernel, stride, dilation in layers:
        seen += dilation * (kernel - 1) * before
        before = stride
    return seen


def _backward(x, grad, kernel, stride, share):
    out = torch.zeros_like(x)
    for i in range(grad.shape[2]):
        for j in range(grad.shape[3]):
            rows, columns = slice(i * stride, i * stride + kernel), slice(j * stride, j * stride + kernel)
            window = x[:, :, rows, columns]
            out[:, :, rows, columns] += share(window) * grad[:, :, i : i + 1, j : j + 1]
    return out


def _winner(window):
    place = window.flatten(2).argmax(2, keepdim=True)
    return torch.zeros_like(window.flatten(2)).scatter(2, place, 1.0).view(window.shape)


def max_pool_backward__spread_evenly(x, grad, kernel=2, stride=2):
    """Give each pixel of a window its share, as average pooling does."""
    return _backward(x, grad, kernel, stride, lambda window: torch.full_like(window, 1 / kernel**2))


def max_pool_backward__overwritten(x, grad, kernel=2, stride=2):
    """Write the gradient where it should be added."""
    out = torch.zeros_like(x)
    for i in range(grad.shape[2]):
        for j in range(grad.shape[3]):
            view = out[:, :, i * stride : i * stride + kernel, j * stride : j * stride + kernel]
            won = _winner(x[:, :, i * stride : i * stride + kernel, j * stride : j * stride + kernel]) > 0
            view.copy_(torch.where(won, grad[:, :, i : i + 1, j : j + 1], view))
    return out


def max_pool_backward__all_equal_values(x, grad, kernel=2, stride=2):
    """Compare with the maximum, so that equal values all receive the gradient."""
    return _backward(x, grad, kernel, stride, lambda window: (window == window.amax((2, 3), keepdim=True)).to(x.dtype))


def max_pool_backward__equal_values_share(x, grad, kernel=2, stride=2):
    """Divide the gradient among equal values."""

    def share(window):
        won = (window == window.amax((2, 3), keepdim=True)).to(x.dtype)
        return won / won.sum((2, 3), keepdim=True)

    return _backward(x, grad, kernel, stride, share)


def max_pool_backward__upper_left_corner(x, grad, kernel=2, stride=2):
    """Give the gradient back to where each window begins."""
    out = torch.zeros_like(x)
    out[:, :, : stride * grad.shape[2] : stride, : stride * grad.shape[3] : stride] = grad
    return out


def max_pool_backward__times_the_value(x, grad, kernel=2, stride=2):
    """Multiply the gradient with the pixel that won."""
    return _backward(x, grad, kernel, stride, lambda window: _winner(window) * window)


def max_pool_backward__ones(x, grad, kernel=2, stride=2):
    """Mark the winners and leave the gradient out."""
    return _backward(x, torch.ones_like(grad), kernel, stride, _winner)


def max_pool_backward__shape_of_the_output(x, grad, kernel=2, stride=2):
    """Hand on the gradient as it came."""
    return grad.clone()
