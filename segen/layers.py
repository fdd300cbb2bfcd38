"""The building blocks that both halves of the course share, and the checks of what goes into a network."""

from numbers import Integral

import torch
from torch import nn
from torch.nn import functional as F


def convolution(
    in_channels: int,
    out_channels: int,
    *,
    kernel: int = 3,
    stride: int = 1,
    padding: int | None = None,
    dilation: int = 1,
    groups: int = 1,
    bias: bool = False,
) -> nn.Conv2d:
    """Return a convolution: `[N, in_channels, H, W]` → `[N, out_channels, ⌈H / stride⌉, ⌈W / stride⌉]`.

    That is with an odd kernel and `padding=None`, which keeps the size at stride 1. The first weights are drawn as
    He et al. (1502.01852, equation 10) do: normal, variance 2 over the number of inputs of a unit; biases are 0.
    With `groups` each of so many equal parts of the outputs reads only its own part of the inputs.

    Raises ValueError unless both numbers of channels are multiples of `groups`.
    """
    check_positive("convolution", in_channels=in_channels, out_channels=out_channels, groups=groups)
    if in_channels % groups or out_channels % groups:
        raise ValueError(
            f"convolution was given {in_channels} channels in and {out_channels} out for {groups} groups of equal "
            f"size; give multiples of {groups}, or other groups."
        )
    padding = dilation * (kernel // 2) if padding is None else padding
    layer = nn.Conv2d(in_channels, out_channels, kernel, stride, padding, dilation, groups, bias)
    nn.init.kaiming_normal_(layer.weight, nonlinearity="relu")
    if layer.bias is not None:
        nn.init.zeros_(layer.bias)
    return layer


class ConvReLU(nn.Sequential):
    """A `convolution`, batch norm if asked for, and ReLU: `[N, in_channels, H, W]` → `[N, out_channels, H, W]`.

    Without `padding` a 3×3 `kernel` loses a row or column on each side: H − 2, W − 2. With `batch_norm` the
    convolution has no bias, since the norm would subtract it again.
    """

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        *,
        kernel: int = 3,
        padding: bool = True,
        batch_norm: bool = True,
        stride: int = 1,
        dilation: int = 1,
    ) -> None:
        style = {"kernel": kernel, "stride": stride, "padding": None if padding else 0, "dilation": dilation}
        norm = [nn.BatchNorm2d(out_channels)] if batch_norm else []
        super().__init__(
            convolution(in_channels, out_channels, **style, bias=not batch_norm), *norm, nn.ReLU(inplace=True)
        )


class Backbone(nn.Module):
    """A classifier as a row of `stages`, each with smaller maps than the one before, and a `head` that reads the last.

    Images `[N, in_channels, H, W]` in [-1, 1], H and W at least `smallest` → logits `[N, num_classes]`. A network
    sets `smallest`, `channels` (of each stage's map), `stages` and `head`.

    Raises ValueError for images of another type than the weights', another number of channels, or smaller ones.
    """

    smallest: int
    channels: list[int]
    stages: nn.ModuleList
    head: nn.Module

    def __init__(self, in_channels: int, num_classes: int, *, width: int, blocks: tuple[int, ...] = (1,)) -> None:
        super().__init__()
        name = type(self).__name__
        check_positive(name, in_channels=in_channels, num_classes=num_classes, width=width)
        if not isinstance(blocks, tuple | list) or not blocks:
            raise ValueError(f"{name} was given blocks={blocks!r}; give a tuple: how many there are in each stage.")
        for count in blocks:
            check_positive(name, blocks=count)
        self.in_channels = in_channels

    def features(self, x: torch.Tensor) -> list[torch.Tensor]:
        """Return the map of each stage, `[N, channels[i], h, w]`, finest first."""
        check_image_batch(x, self.in_channels, 1, type(self).__name__, smallest=self.smallest)
        check_float_type(x, self, type(self).__name__)
        maps = []
        for stage in self.stages:
            x = stage(x)
            maps.append(x)
        return maps

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.head(self.features(x)[-1])


class EqualConv2d(nn.Conv2d):
    """A convolution with equalised learning rate: `[N, in_channels, H, W]` → `[N, out_channels, …]`.

    Its weights are drawn from N(0, 1) and multiplied by `gain` / √(inputs of a unit) whenever they are used, so that
    the variance is kept as He's first weights keep it (gain √2 before a rectifier, 1 before none), and Adam, whose
    steps do not depend on the gradient's size, moves all layers alike. Source: Karras et al. (1710.10196, section 4.1).
    """

    def __init__(
        self, in_channels: int, out_channels: int, kernel: int = 3, *, padding: int | None = None, gain: float = 2**0.5
    ) -> None:
        super().__init__(in_channels, out_channels, kernel, padding=kernel // 2 if padding is None else padding)
        self.scale = _equalise(self, gain)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return F.conv2d(x, self.weight * self.scale, self.bias, padding=self.padding)


class EqualLinear(nn.Linear):
    """A linear layer with equalised learning rate, `[N, in_features]` → `[N, out_features]`, as `EqualConv2d` is."""

    def __init__(self, in_features: int, out_features: int, *, gain: float = 2**0.5) -> None:
        super().__init__(in_features, out_features)
        self.scale = _equalise(self, gain)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return F.linear(x, self.weight * self.scale, self.bias)


def _equalise(layer, gain: float) -> float:
    nn.init.normal_(layer.weight)
    nn.init.zeros_(layer.bias)
    return gain / layer.weight[0].numel() ** 0.5


def pixel_norm(x: torch.Tensor) -> torch.Tensor:
    """Divide the channels at each place of `x [N, C, …]` by the root of their mean square; 1e-8 is added under it.

    In half precision the squares are taken in float32. Source: Karras et al. (1710.10196, section 4.2).
    """
    squares = x.to(torch.promote_types(x.dtype, torch.float32)).square()
    return x * (squares.mean(1, keepdim=True) + 1e-8).rsqrt().to(x.dtype)


def minibatch_deviation(x: torch.Tensor) -> torch.Tensor:
    """Add to maps a channel that says how the batch varies: `[N, C, H, W]` → `[N, C + 1, H, W]`.

    It holds one number everywhere: the standard deviation over the batch (divided by N; 1e-8 is added under the root),
    averaged over channels and places. In half precision it is taken in float32. Source: Karras et al. (1710.10196,
    section 3), whose code takes it in groups of four images, as this one does not.
    """
    wide = x.to(torch.promote_types(x.dtype, torch.float32))
    deviation = (wide.var(0, correction=0) + 1e-8).sqrt().mean().to(x.dtype)
    return torch.cat([x, deviation.expand(len(x), 1, *x.shape[2:])], dim=1)


class SelfAttention(nn.Module):
    """Let each place look at all others: maps `[N, C, H, W]`, H and W even, → maps of the same shape.

    Queries and keys have C/8 channels, values C/2, keys and values are pooled 2×2; products are not divided by a root.
    What is seen is added to the maps, times `gamma`, which starts at 0. `norm` wraps each 1×1 convolution. Source:
    Zhang et al. (1805.08318, equations 1 to 3); the pooling is from their code.
    """

    def __init__(self, channels: int, *, norm=nn.Identity()) -> None:  # noqa: B008 (it has no state)
        super().__init__()
        few, half = max(1, channels // 8), max(1, channels // 2)
        shapes = {"query": (channels, few), "key": (channels, few), "value": (channels, half), "out": (half, channels)}
        for name, (a, b) in shapes.items():
            layer = nn.Conv2d(a, b, 1, bias=False)
            nn.init.orthogonal_(layer.weight)
            setattr(self, name, norm(layer))
        self.gamma = nn.Parameter(torch.zeros(()))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        query = self.query(x).flatten(2)
        key, value = (F.max_pool2d(layer(x), 2).flatten(2) for layer in (self.key, self.value))
        weights = (query.transpose(1, 2) @ key).softmax(2)  # [N, HW, HW / 4]
        return x + self.gamma * self.out((value @ weights.transpose(1, 2)).unflatten(2, x.shape[2:]))


class ConditionalBatchNorm2d(nn.BatchNorm2d):
    """Batch norm whose scale and shift are read off a vector for each image: `[N, C, H, W]`, `[N, D]` → `[N, C, H, W]`.

    The scale is 1 plus a linear function of it, the shift another one, both without bias. `norm` wraps both. Source:
    Brock et al. (1809.11096, appendix B), after de Vries et al. (1707.00683).
    """

    def __init__(self, channels: int, conditions: int, *, norm=nn.Identity()) -> None:  # noqa: B008 (it has no state)
        super().__init__(channels, affine=False)
        scale, shift = (nn.Linear(conditions, channels, bias=False) for _ in range(2))
        for layer in (scale, shift):
            nn.init.orthogonal_(layer.weight)
        self.scale, self.shift = norm(scale), norm(shift)

    def forward(self, x: torch.Tensor, condition: torch.Tensor) -> torch.Tensor:
        scale, shift = (layer(condition)[:, :, None, None] for layer in (self.scale, self.shift))
        return super().forward(x) * (1 + scale) + shift


def centre_crop(x: torch.Tensor, size: tuple[int, int]) -> torch.Tensor:
    """Return the middle of the maps `x [N, C, H, W]`, of `size` (height, width); an odd rest is lost below and right.

    Raises ValueError if `size` is larger than the maps.
    """
    height, width = size
    if height > x.shape[-2] or width > x.shape[-1]:
        raise ValueError(
            f"centre_crop was given maps of {x.shape[-2]}×{x.shape[-1]}, from which {height}×{width} cannot be cut; "
            "ask for a size that is not larger."
        )
    top, left = (x.shape[-2] - height) // 2, (x.shape[-1] - width) // 2
    return x[..., top : top + height, left : left + width]


def check_positive(name: str, **arguments: int) -> None:
    """Raise ValueError if one of the named `arguments` of `name` is not a whole number of at least 1."""
    for argument, value in arguments.items():
        if isinstance(value, bool) or not isinstance(value, Integral) or value < 1:
            raise ValueError(f"{name} was given {argument}={value!r}; give a whole number, 1 or more.")


def halvings(size: int, smallest: int, name: str) -> int:
    """Return how often an image of `size` is halved down to `smallest`, once or more.

    Raises ValueError, in the name of a network, for a size that is not `smallest` times a power of two, 2 or more.
    """
    count = (size // smallest).bit_length() - 1 if isinstance(size, int) else 0
    if count < 1 or size != smallest * 2**count:
        raise ValueError(
            f"{name} was given size={size!r}; give a power of two, {2 * smallest} or more, as {4 * smallest}, for its "
            f"maps double from {smallest}×{smallest}."
        )
    return count


def check_latent(z: torch.Tensor, latent: int, model: nn.Module) -> None:
    """Raise ValueError unless `z` is noise that the generator `model` can read: floats `[N, latent]` of its type."""
    name = type(model).__name__
    if not isinstance(z, torch.Tensor) or not z.is_floating_point() or z.ndim != 2 or z.shape[1] != latent:
        given = f"{list(z.shape)} of {z.dtype}" if isinstance(z, torch.Tensor) else type(z).__name__
        raise ValueError(
            f"{name} was given noise {given}, but was made for floats [N, {latent}]; draw them with "
            f"torch.randn(N, {latent})."
        )
    check_float_type(z, model, name, what="noise")


def check_labels(labels: torch.Tensor | None, count: int, num_classes: int, model: nn.Module) -> None:
    """Raise ValueError unless `labels` are classes 0 to `num_classes` - 1 for `count` images: int64 `[count]`."""
    name = type(model).__name__
    if not isinstance(labels, torch.Tensor) or labels.dtype != torch.int64 or labels.shape != (count,):
        given = "none" if labels is None else type(labels).__name__
        given = f"{list(labels.shape)} of {labels.dtype}" if isinstance(labels, torch.Tensor) else given
        raise ValueError(f"{name} was given labels {given}; give a class for each of {count} images, int64 [{count}].")
    if count and not labels.is_meta and (labels.min() < 0 or labels.max() >= num_classes):
        raise ValueError(
            f"{name} was given labels from {labels.min()} to {labels.max()}, but knows the classes 0 to "
            f"{num_classes - 1}; give those, or make it with another num_classes."
        )


def check_shape(x: torch.Tensor, shape: tuple[int, ...], model: nn.Module) -> None:
    """Raise ValueError unless `x` is a batch that the discriminator `model` can read: floats `[N, *shape]`."""
    name, expected = type(model).__name__, ", ".join(map(str, shape))
    if not isinstance(x, torch.Tensor) or not x.is_floating_point() or tuple(x.shape[1:]) != shape:
        given = f"{list(x.shape)} of {x.dtype}" if isinstance(x, torch.Tensor) else type(x).__name__
        cure = "resize the images" if len(shape) == 3 else "give points"
        raise ValueError(
            f"{name} was given {given}, but was made for floats [N, {expected}]; {cure}, or make the network for yours."
        )
    check_float_type(x, model, name)


def check_float_type(x: torch.Tensor, model: nn.Module, name: str, *, what: str = "images") -> None:
    """Raise ValueError if `x` (`what` they are) is of another float type than the weights of `model`.

    Under autocast, which brings both to one type, only float64 is refused beside another.
    """
    weights = next((p.dtype for p in model.parameters() if p.is_floating_point()), x.dtype)
    if not x.is_floating_point() or x.dtype == weights:
        return
    if torch.float64 in (x.dtype, weights) or not torch.is_autocast_enabled(x.device.type):
        raise ValueError(
            f"{name} was given {what} of {x.dtype}, but has weights of {weights}; bring them to that type with "
            f".to({weights}), or the network to theirs with .to({x.dtype})."
        )


def check_image_batch(
    x: torch.Tensor, channels: int, stride: int, name: str, *, rest: int = 0, smallest: int = 1
) -> None:
    """Raise ValueError unless `x` is a batch of images that the network `name` can read.

    That is: floats `[N, channels, H, W]`, H and W at least `smallest` and of the form `stride · k + rest`. Values
    are not looked at.
    """
    given = f"{list(x.shape)}" if isinstance(x, torch.Tensor) else type(x).__name__
    if not isinstance(x, torch.Tensor) or x.ndim != 4:
        raise ValueError(
            f"{name} was given {given} where a batch of images [N, {channels}, H, W] is expected; "
            "stack images into a batch, or add the first axis of a single one with image[None]."
        )
    if not x.is_floating_point():
        raise ValueError(
            f"{name} was given images of {x.dtype} where floats in [-1, 1] are expected; "
            "for pixels from 0 to 255 use x.float() / 127.5 - 1."
        )
    if x.shape[1] != channels:
        raise ValueError(
            f"{name} was given images of {x.shape[1]} channels, in a batch {given}, but was made for {channels}; "
            f"give [N, {channels}, H, W] or make the network with in_channels={x.shape[1]}."
        )
    bad = [size for size in x.shape[2:] if size < smallest or (size - rest) % stride]
    if bad:
        first = smallest + (rest - smallest) % stride  # the smallest size that does
        below = [max(first, size - (size - rest) % stride) for size in x.shape[2:]]
        above = [max(first, size + (rest - size) % stride) for size in x.shape[2:]]
        sizes = " or ".join(dict.fromkeys([f"{below[0]}×{below[1]}", f"{above[0]}×{above[1]}"]))
        rule = f"multiples of {stride}" if rest % stride == 0 else f"{stride}·k + {rest % stride}"
        if first > stride:
            rule += f" from {first} on"
        cure = f"resize or crop them, or pad them and crop the output, to {sizes}"
        if stride == 1:
            rule, cure = f"at least {first}", f"resize or pad them to {sizes}"
        raise ValueError(
            f"{name} was given images of {x.shape[2]}×{x.shape[3]} (height × width), but can only read sides that "
            f"are {rule}; {cure}."
        )
