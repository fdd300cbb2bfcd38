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


def conv2d__stride_in_columns_only(x, weight, bias, stride=1, padding=0):
    """Take the stride along the other axis."""
    return F.conv2d(x, weight, bias, (1, stride), padding)


def conv2d__padded_left_and_right(x, weight, bias, stride=1, padding=0):
    """Leave the rows without zeros."""
    return F.conv2d(x, weight, bias, stride, (0, padding))


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


def conv2d__whole_numbers(x, weight, bias, stride=1, padding=0):
    """Collect the sums in a tensor of whole numbers."""
    return F.conv2d(x, weight, bias, stride, padding).long()


def conv2d__rectified(x, weight, bias, stride=1, padding=0):
    """Apply the rectifier, as a block of a network does."""
    return F.conv2d(x, weight, bias, stride, padding).relu()


def _sized(n, kernel, stride, padding, dilation, ceil, *, room=None):
    room = n + 2 * padding - dilation * (kernel - 1) - 1 if room is None else room
    if room < 0:
        raise ValueError("The kernel is larger than the padded input.")
    size = room // stride + 1
    return size + 1 if ceil and room % stride and size * stride < n + padding else size


def output_size__plus_one_missing(n, kernel, stride=1, padding=0, dilation=1, ceil=False):
    """Forget the first position."""
    return _sized(n, kernel, stride, padding, dilation, ceil) - 1


def output_size__rounded_up(n, kernel, stride=1, padding=0, dilation=1, ceil=False):
    """Round the fraction up even without ceil."""
    return _sized(n, kernel, stride, padding, dilation, True)


def output_size__plus_one_divided(n, kernel, stride=1, padding=0, dilation=1, ceil=False):
    """Put the + 1 under the fraction."""
    _sized(n, kernel, stride, padding, dilation, ceil)
    return (n + 2 * padding - dilation * (kernel - 1)) // stride


def output_size__padding_once(n, kernel, stride=1, padding=0, dilation=1, ceil=False):
    """Count the zeros of one end."""
    return _sized(n, kernel, stride, padding, dilation, ceil, room=n + padding - dilation * (kernel - 1) - 1)


def output_size__dilation_times_kernel(n, kernel, stride=1, padding=0, dilation=1, ceil=False):
    """Let the kernel span d·k pixels."""
    return _sized(n, kernel, stride, padding, dilation, ceil, room=n + 2 * padding - dilation * kernel)


def output_size__no_dilation(n, kernel, stride=1, padding=0, dilation=1, ceil=False):
    """Forget the dilation."""
    return _sized(n, kernel, stride, padding, 1, ceil)


def output_size__no_stride(n, kernel, stride=1, padding=0, dilation=1, ceil=False):
    """Forget the stride."""
    return _sized(n, kernel, 1, padding, dilation, ceil)


def output_size__padding_not_looked_at(n, kernel, stride=1, padding=0, dilation=1, ceil=False):
    """Refuse a kernel that is larger than the image, although the padding makes room."""
    if dilation * (kernel - 1) + 1 > n:
        raise ValueError("The kernel is larger than the image.")
    return _sized(n, kernel, stride, padding, dilation, ceil)


def output_size__nothing_refused(n, kernel, stride=1, padding=0, dilation=1, ceil=False):
    """Go on calculating where the kernel does not fit."""
    room = n + 2 * padding - dilation * (kernel - 1) - 1
    return room // stride + 1 if room < 0 else _sized(n, kernel, stride, padding, dilation, ceil)


def output_size__just_fitting_refused(n, kernel, stride=1, padding=0, dilation=1, ceil=False):
    """Refuse a kernel that is just as large as the padded input."""
    if dilation * (kernel - 1) + 1 >= n + 2 * padding:
        raise ValueError("There is no room to move.")
    return _sized(n, kernel, stride, padding, dilation, ceil)


def output_size__remainder_refused(n, kernel, stride=1, padding=0, dilation=1, ceil=False):
    """Refuse a stride that leaves pixels over."""
    if (n + 2 * padding - dilation * (kernel - 1) - 1) % stride:
        raise ValueError("The stride does not fit.")
    return _sized(n, kernel, stride, padding, dilation, ceil)


def output_size__ceil_ignored(n, kernel, stride=1, padding=0, dilation=1, ceil=False):
    """Give what the chapter's own function gives."""
    return _sized(n, kernel, stride, padding, dilation, False)


def output_size__window_in_the_padding(n, kernel, stride=1, padding=0, dilation=1, ceil=False):
    """Round up with ceil, also where the last window would begin beyond the image."""
    size = _sized(n, kernel, stride, padding, dilation, False)
    return size + 1 if ceil and (n + 2 * padding - dilation * (kernel - 1) - 1) % stride else size


def output_size__one_more_always(n, kernel, stride=1, padding=0, dilation=1, ceil=False):
    """Add one with ceil, also where nothing is left over."""
    return _sized(n, kernel, stride, padding, dilation, False) + ceil


def output_size__padding_before_forgotten(n, kernel, stride=1, padding=0, dilation=1, ceil=False):
    """Compare the window that hangs over with n, although it is counted from the first zero of the padding."""
    size = _sized(n, kernel, stride, padding, dilation, False)
    return _sized(n, kernel, stride, padding, dilation, ceil) if size * stride < n else size


def output_size__gaps_forgotten_by_ceil(n, kernel, stride=1, padding=0, dilation=1, ceil=False):
    """Ask by the undilated kernel whether pixels are left over."""
    size = _sized(n, kernel, stride, padding, dilation, False)
    return size + 1 if ceil and (n + 2 * padding - kernel) % stride and size * stride < n + padding else size


def output_size__too_large_with_ceil(n, kernel, stride=1, padding=0, dilation=1, ceil=False):
    """Let a kernel that is too large hang over the end."""
    room = n + 2 * padding - dilation * (kernel - 1) - 1
    return 1 if ceil and -stride < room < 0 else _sized(n, kernel, stride, padding, dilation, ceil)


def _rows(layers, index, *, begin=lambda i, s, p: i * s - p, width=lambda k, d: d * (k - 1)):
    first = last = index
    for kernel, stride, padding, dilation in reversed(list(layers)):
        first, last = begin(first, stride, padding), begin(last, stride, padding) + width(kernel, dilation)
    return first, last


def receptive_field__no_padding(layers, index):
    """Forget that padding moves the windows."""
    return _rows(layers, index, begin=lambda i, s, p: i * s)


def receptive_field__padding_added(layers, index):
    """Let the padding move the windows down."""
    return _rows(layers, index, begin=lambda i, s, p: i * s + p)


def receptive_field__padding_strided(layers, index):
    """Multiply a layer's padding by its own stride."""
    return _rows(layers, index, begin=lambda i, s, p: (i - p) * s)


def receptive_field__no_strides(layers, index):
    """Go back as if no layer had a stride."""
    return _rows(layers, index, begin=lambda i, s, p: i - p)


def receptive_field__whole_kernels(layers, index):
    """Add k where k − 1 is new."""
    return _rows(layers, index, width=lambda k, d: d * k)


def receptive_field__end_of_a_range(layers, index):
    """Give the row after the last, as a range does."""
    first, last = _rows(layers, index)
    return first, last + 1


def receptive_field__no_dilation(layers, index):
    """Forget that taps may be apart."""
    return _rows(layers, index, width=lambda k, d: k - 1)


def receptive_field__dilation_times_kernel(layers, index):
    """Let a dilated kernel span d·k rows."""
    return _rows(layers, index, width=lambda k, d: d * k - 1)


def receptive_field__from_the_wrong_end(layers, index):
    """Go from the first layer to the last."""
    return _rows(list(layers)[::-1], index)


def receptive_field__paddings_unscaled(layers, index):
    """Move the window by the plain sum of all paddings."""
    first, last = _rows(layers, index, begin=lambda i, s, p: i * s)
    before = sum(padding for _, _, padding, _ in layers)
    return first - before, last - before


def receptive_field__own_stride_widens(layers, index):
    """Multiply what a layer adds by its own stride, too."""
    first, side, step = _rows(layers, index)[0], 0, 1
    for kernel, stride, _, dilation in layers:
        step *= stride
        side += dilation * (kernel - 1) * step
    return first, first + side


def receptive_field__cut_at_the_edge(layers, index):
    """Leave out the rows above the image."""
    first, last = _rows(layers, index)
    return max(0, first), last


def receptive_field__centred(layers, index):
    """Compute the side, and lay it evenly around index times all strides."""
    first, last = _rows(layers, index)
    for _, stride, _, _ in layers:
        index *= stride
    middle = index - (last - first) // 2
    return middle, middle + last - first


def receptive_field__side_only(layers, index):
    """Give what the chapter's own function gives."""
    first, last = _rows(layers, index)
    return last - first + 1


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


def _chosen(x, grad, kernel, stride, value):
    return _backward(x, grad, kernel, stride, lambda window: _winner(value(window)))


def max_pool_backward__largest_from_zero(x, grad, kernel=2, stride=2):
    """Look for the largest beginning with 0, so that a window of negative values keeps its first place."""
    return _chosen(x, grad, kernel, stride, lambda window: window.clamp(min=0))


def max_pool_backward__largest_without_sign(x, grad, kernel=2, stride=2):
    """Compare absolute values."""
    return _chosen(x, grad, kernel, stride, torch.abs)


def max_pool_backward__column_by_column(x, grad, kernel=2, stride=2):
    """Of equal values take the first when reading downwards."""

    def share(window):
        return _winner(window.transpose(2, 3)).transpose(2, 3)

    return _backward(x, grad, kernel, stride, share)


def max_pool_backward__whole_numbers(x, grad, kernel=2, stride=2):
    """Collect the gradients in a tensor of whole numbers."""
    return _backward(x, grad, kernel, stride, _winner).long()


def max_pool_backward__negative_lost(x, grad, kernel=2, stride=2):
    """Hand back positive gradients only."""
    return _backward(x, grad.relu(), kernel, stride, _winner)
