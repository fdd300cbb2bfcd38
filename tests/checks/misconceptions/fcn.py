"""Wrong answers to the exercises of the chapter `fcn`, each one idea away from the solution: EXERCISE__idea."""

import torch
import torch.nn.functional as F


def _slide(maps, layers, size, *, kernel=None, stride=1, pad=False, rectify=True, last=False, bias=True):
    h, w = size
    for number, (weight, b) in enumerate(layers):
        if number == 0:
            weight = weight.view(len(weight), -1, h, w) if kernel is None else kernel(weight, maps.shape[1], h, w)
            above, before = (h - 1) // 2, (w - 1) // 2
            frame = (before, w - 1 - before, above, h - 1 - above) if pad else (0, 0, 0, 0)
            maps = F.conv2d(F.pad(maps, frame), weight, b if bias else None, stride=stride)
        else:
            maps = F.conv2d(maps, weight[:, :, None, None], b if bias else None)
        if last if number == len(layers) - 1 else rectify:
            maps = F.relu(maps)
    return maps


def convolutionalise__channels_last(maps, layers, size):
    """Read the weights in the order rows, columns, channels, as Keras flattens."""
    return _slide(maps, layers, size, kernel=lambda weight, c, h, w: weight.view(-1, h, w, c).permute(0, 3, 1, 2))


def convolutionalise__columns_first(maps, layers, size):
    """Read the weights column by column."""
    return _slide(maps, layers, size, kernel=lambda weight, c, h, w: weight.view(-1, c, w, h).transpose(2, 3))


def convolutionalise__flipped(maps, layers, size):
    """Turn the kernels round, as the convolution of mathematics does."""
    return _slide(maps, layers, size, kernel=lambda weight, c, h, w: weight.view(-1, c, h, w).flip(2, 3))


def convolutionalise__side_by_side(maps, layers, size):
    """Cut the maps into windows that do not overlap."""
    return _slide(maps, layers, size, stride=size)


def convolutionalise__no_rectifier(maps, layers, size):
    """Join the layers without a rectifier between them."""
    return _slide(maps, layers, size, rectify=False)


def convolutionalise__rectified_maps(maps, layers, size):
    """Begin every turn of the loop with the rectifier, the first too."""
    return _slide(F.relu(maps), layers, size)


def convolutionalise__later_biases_missing(maps, layers, size):
    """Give the kernels of 1×1 no bias."""
    return _slide(maps, layers[:1] + [(weight, 0 * bias) for weight, bias in layers[1:]], size)


def convolutionalise__rectified_scores(maps, layers, size):
    """Put a rectifier behind the last layer too."""
    return _slide(maps, layers, size, last=True)


def convolutionalise__no_bias(maps, layers, size):
    """Forget the biases."""
    return _slide(maps, layers, size, bias=False)


def convolutionalise__padded(maps, layers, size):
    """Pad, so that there are as many scores as there are places in the maps."""
    return _slide(maps, layers, size, pad=True)


def convolutionalise__first_window(maps, layers, size):
    """Cut the maps to the size that the head knows."""
    return _slide(maps[:, :, : size[0], : size[1]], layers, size)


def convolutionalise__pooled(maps, layers, size):
    """Average the scores of all places, as a classifier with a global pooling does."""
    return _slide(maps, layers, size).mean((2, 3))


def convolutionalise__first_layer(maps, layers, size):
    """Turn the first layer alone into a convolution."""
    return _slide(maps, layers[:1], size)


def transposed_convolution__flipped(x, weight, stride=1, padding=0):
    """Turn the kernel round once too often."""
    return F.conv_transpose2d(x, weight.flip(2, 3), stride=stride, padding=padding)


def transposed_convolution__overwritten(x, weight, stride=1, padding=0):
    """Write where another has written, without adding."""
    (n, _, h, w), (_, b, k, m) = x.shape, weight.shape
    canvas = x.new_zeros(n, b, (h - 1) * stride + k, (w - 1) * stride + m)
    for i in range(h):
        for j in range(w):
            top, left = i * stride, j * stride
            canvas[:, :, top : top + k, left : left + m] = torch.einsum("na,abkl->nbkl", x[:, :, i, j], weight)
    return canvas[:, :, padding : canvas.shape[2] - padding, padding : canvas.shape[3] - padding]


def transposed_convolution__no_stride(x, weight, stride=1, padding=0):
    """Leave no gap between the places where neighbours write."""
    return F.conv_transpose2d(x, weight, padding=padding)


def transposed_convolution__stride_in_rows(x, weight, stride=1, padding=0):
    """Take the stride for rows only."""
    return F.conv_transpose2d(x, weight, stride=(stride, 1), padding=padding)


def transposed_convolution__padding_left(x, weight, stride=1, padding=0):
    """Forget the padding."""
    return F.conv_transpose2d(x, weight, stride=stride)


def transposed_convolution__padding_added(x, weight, stride=1, padding=0):
    """Put the padding around the output, as a convolution puts it around its input."""
    return F.pad(F.conv_transpose2d(x, weight, stride=stride), (padding,) * 4)


def transposed_convolution__cut_at_one_side(x, weight, stride=1, padding=0):
    """Cut the padding off above and on the left only."""
    return F.conv_transpose2d(x, weight, stride=stride)[:, :, padding:, padding:]


def transposed_convolution__axes_swapped(x, weight, stride=1, padding=0):
    """Let the kernel's rows be columns."""
    return F.conv_transpose2d(x, weight.transpose(2, 3), stride=stride, padding=padding)


def transposed_convolution__first_channel(x, weight, stride=1, padding=0):
    """Read the first channel only."""
    return F.conv_transpose2d(x[:, :1], weight[:1], stride=stride, padding=padding)


def transposed_convolution__mean_of_channels(x, weight, stride=1, padding=0):
    """Take the mean over the input channels."""
    return F.conv_transpose2d(x, weight, stride=stride, padding=padding) / x.shape[1]


def transposed_convolution__times_stride(x, weight, stride=1, padding=0):
    """Cut or fill up to stride times the size, as an enlargement by interpolation has it."""
    y = F.conv_transpose2d(x, weight, stride=stride, padding=padding)
    height, width = stride * x.shape[2], stride * x.shape[3]
    return F.pad(y, (0, width - y.shape[3], 0, height - y.shape[2]))


def _kernel(channels, row):
    return torch.eye(channels)[:, :, None, None] * (row[:, None] * row)


def _row(k, centre, half):
    return 1 - (torch.arange(k) - centre).abs() / half


def bilinear_kernel__every_pair(channels, factor):
    """Fill the kernels of all pairs of channels."""
    k = 2 * factor - factor % 2
    row = _row(k, (k - 1) / 2, factor)
    return (row[:, None] * row).expand(channels, channels, k, k).clone()


def bilinear_kernel__depthwise(channels, factor):
    """Give one kernel a channel, as a grouped convolution has it."""
    k = 2 * factor - factor % 2
    row = _row(k, (k - 1) / 2, factor)
    return (row[:, None] * row).expand(channels, 1, k, k).clone()


def bilinear_kernel__sums_to_one(channels, factor):
    """Norm the taps so that they add up to 1."""
    k = 2 * factor - factor % 2
    kernel = _kernel(channels, _row(k, (k - 1) / 2, factor))
    return kernel / kernel[0, 0].sum()


def bilinear_kernel__always_even(channels, factor):
    """Take a side of 2 · factor for odd factors too."""
    return _kernel(channels, _row(2 * factor, factor - 0.5, factor))


def bilinear_kernel__centre_on_a_tap(channels, factor):
    """Round the middle of the kernel down, which is right for odd sides only."""
    k = 2 * factor - factor % 2
    return _kernel(channels, _row(k, (k - 1) // 2, factor))


def bilinear_kernel__wide_triangle(channels, factor):
    """Let the taps fall to 0 one step behind the kernel's end."""
    k = 2 * factor - factor % 2
    return _kernel(channels, _row(k, (k - 1) / 2, (k + 1) / 2))


def bilinear_kernel__repeat(channels, factor):
    """Repeat pixels: the kernel of nearest-neighbour enlargement."""
    return _kernel(channels, torch.ones(factor))


def bilinear_kernel__cone(channels, factor):
    """Weigh by the Euclidean distance."""
    k = 2 * factor - factor % 2
    far = (torch.arange(k) - (k - 1) / 2).abs()
    cone = (1 - torch.hypot(far[:, None], far) / factor).clamp(min=0)
    return torch.eye(channels)[:, :, None, None] * cone


def _room(n, kernel, padding, dilation):
    room = n + 2 * padding - dilation * (kernel - 1) - 1
    if room < 0:
        raise ValueError("The kernel does not fit.")
    return room


def there_and_back__no_output_padding(n, kernel, stride=1, padding=0, dilation=1):
    """Trust that the way back is the way."""
    return _room(n, kernel, padding, dilation) // stride + 1, 0


def there_and_back__no_plus_one(n, kernel, stride=1, padding=0, dilation=1):
    """Forget the first position."""
    room = _room(n, kernel, padding, dilation)
    return room // stride, room % stride


def there_and_back__swapped(n, kernel, stride=1, padding=0, dilation=1):
    """Return the output padding first."""
    room = _room(n, kernel, padding, dilation)
    return room % stride, room // stride + 1


def there_and_back__rounded_up(n, kernel, stride=1, padding=0, dilation=1):
    """Round the number of steps up."""
    room = _room(n, kernel, padding, dilation)
    return -(-room // stride) + 1, room % stride


def there_and_back__rest_of_n(n, kernel, stride=1, padding=0, dilation=1):
    """Take the rest of n by the stride."""
    return _room(n, kernel, padding, dilation) // stride + 1, n % stride


def there_and_back__lacking(n, kernel, stride=1, padding=0, dilation=1):
    """Take what is lacking to another whole step."""
    room = _room(n, kernel, padding, dilation)
    return room // stride + 1, -room % stride


def there_and_back__stride_minus_one(n, kernel, stride=1, padding=0, dilation=1):
    """Write `output_padding=stride - 1`, as many programs do."""
    return _room(n, kernel, padding, dilation) // stride + 1, stride - 1


def there_and_back__no_dilation(n, kernel, stride=1, padding=0, dilation=1):
    """Forget that a dilated kernel spans more."""
    room = _room(n, kernel, padding, 1)
    return room // stride + 1, room % stride


def there_and_back__one_side(n, kernel, stride=1, padding=0, dilation=1):
    """Pad one side only."""
    room = n + padding - dilation * (kernel - 1) - 1
    if room < 0:
        raise ValueError("The kernel does not fit.")
    return room // stride + 1, room % stride


def there_and_back__never_refuses(n, kernel, stride=1, padding=0, dilation=1):
    """Go on calculating where the kernel does not fit."""
    room = n + 2 * padding - dilation * (kernel - 1) - 1
    return room // stride + 1, room % stride


def there_and_back__size_alone(n, kernel, stride=1, padding=0, dilation=1):
    """Return the size and nothing else."""
    return _room(n, kernel, padding, dilation) // stride + 1
