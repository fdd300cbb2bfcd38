"""ProGAN (Karras, Aila, Laine, Lehtinen, ICLR 2018, 1710.10196): a pair of networks that grows while it learns."""

import math
from itertools import pairwise

import torch
from torch import nn
from torch.nn import functional as F

from segen.layers import (
    EqualConv2d,
    EqualLinear,
    check_latent,
    check_positive,
    check_shape,
    halvings,
    minibatch_deviation,
    pixel_norm,
)


class ProGANGenerator(nn.Module):
    """Noise `[N, latent]` → images `[N, out_channels, S, S]` in [-1, 1], S = 4·2^⌈level⌉, at most `size` (8, 16, …).

    The map of 4×4 comes from a 4×4 convolution; each stage doubles the side and convolves twice; each has an image
    layer. `level`, from 0 to log2(size / 4), its value at first, says how far the network has grown: between two whole
    numbers the image is the new stage's, times the fraction, plus the one before it, enlarged, times the rest. The
    finest stage has `width` channels, each coarser one twice as many, up to 512. Labels are not looked at.

    Raises ValueError for another `size` or `level`, or noise of another size or type. Source: table 2 of the paper,
    whose image layers have no tanh.
    """

    def __init__(self, latent: int = 128, out_channels: int = 3, *, width: int = 32, size: int = 32) -> None:
        super().__init__()
        check_positive("ProGANGenerator", latent=latent, out_channels=out_channels, width=width)
        self.latent = latent
        self.level = float(halvings(size, 4, "ProGANGenerator"))
        widths = _widths(width, int(self.level))
        self.stages = nn.ModuleList([nn.ModuleList([EqualConv2d(latent, widths[0], 4, padding=3), _same(widths[0])])])
        self.stages.extend(nn.ModuleList([EqualConv2d(a, b), _same(b)]) for a, b in pairwise(widths))
        self.images = nn.ModuleList(EqualConv2d(c, out_channels, 1, gain=1.0) for c in widths)

    def forward(self, z: torch.Tensor, labels: torch.Tensor | None = None) -> torch.Tensor:
        check_latent(z, self.latent, self)
        top, alpha = _split(self.level, len(self.images) - 1, self)
        x = before = pixel_norm(z)[:, :, None, None]
        for i, stage in enumerate(self.stages[: top + 1]):
            before = x
            x = _enlarge(x) if i else x
            for layer in stage:
                x = pixel_norm(F.leaky_relu(layer(x), 0.2))
        image = self.images[top](x).tanh()
        return image if alpha == 1 else torch.lerp(_enlarge(self.images[top - 1](before).tanh()), image, alpha)


class ProGANDiscriminator(nn.Module):
    """Images `[N, in_channels, S, S]` in [-1, 1], S = 4·2^⌈level⌉ → logits `[N]`: the generator's mirror image.

    `level`, `width` and `size` are as there. While a stage fades in, its map is blended with what the stage below
    reads off the halved image. Before the last map of 4×4 the deviation over the batch is added, so that a logit
    depends on the whole batch. Labels are not looked at.

    Raises ValueError for another `size` or `level`, or images of another shape or type. Source: table 2 of the paper.
    """

    def __init__(self, in_channels: int = 3, *, width: int = 32, size: int = 32) -> None:
        super().__init__()
        check_positive("ProGANDiscriminator", in_channels=in_channels, width=width)
        self.in_channels = in_channels
        self.level = float(halvings(size, 4, "ProGANDiscriminator"))
        widths = _widths(width, int(self.level))
        last = nn.ModuleList([EqualConv2d(widths[0] + 1, widths[0]), EqualConv2d(widths[0], widths[0], 4, padding=0)])
        self.stages = nn.ModuleList([last])
        self.stages.extend(nn.ModuleList([_same(b), EqualConv2d(b, a)]) for a, b in pairwise(widths))
        self.images = nn.ModuleList(EqualConv2d(in_channels, c, 1) for c in widths)
        self.head = EqualLinear(widths[0], 1, gain=1.0)

    def forward(self, x: torch.Tensor, labels: torch.Tensor | None = None) -> torch.Tensor:
        top, alpha = _split(self.level, len(self.images) - 1, self)
        check_shape(x, (self.in_channels, 4 * 2**top, 4 * 2**top), self)
        image, x = x, F.leaky_relu(self.images[top](x), 0.2)
        for i in range(top, -1, -1):
            x = x if i else minibatch_deviation(x)
            for layer in self.stages[i]:
                x = F.leaky_relu(layer(x), 0.2)
            x = F.avg_pool2d(x, 2) if i else x
            if i == top and alpha < 1:
                x = torch.lerp(F.leaky_relu(self.images[i - 1](F.avg_pool2d(image, 2)), 0.2), x, alpha)
        return self.head(x.flatten(1)).squeeze(1)


def progan_1024() -> tuple[ProGANGenerator, ProGANDiscriminator]:
    """Return the paper's pair for 1,024 pixels, with the image layers of all stages: its generator has 23,079,115
    parameters, and 23,071,507 with the last image layer alone; noise `[N, 512]`."""
    return ProGANGenerator(512, 3, width=16, size=1024), ProGANDiscriminator(3, width=16, size=1024)


def shrink(images: torch.Tensor, level: float) -> torch.Tensor:
    """Return real images `[N, C, size, size]` as networks of this `level` see them: `[N, C, S, S]`, S = 4·2^⌈level⌉.

    Each pixel is the mean of those it stands for. While a stage fades in they are blended with themselves halved and
    enlarged again, by the same fraction as the generator's.

    Raises ValueError for images of another shape, or a `level` from which no such image can be made. Source: the
    paper's section 3 and figure 2.
    """
    if not isinstance(images, torch.Tensor) or images.ndim != 4 or images.shape[2] != images.shape[3]:
        given = list(images.shape) if isinstance(images, torch.Tensor) else type(images).__name__
        raise ValueError(f"shrink was given {given} where square images are expected; give [N, C, size, size].")
    top, alpha = _split(level, halvings(images.shape[-1], 4, "shrink"), "shrink")
    images = F.avg_pool2d(images, images.shape[-1] // (4 * 2**top))
    return images if alpha == 1 else torch.lerp(_enlarge(F.avg_pool2d(images, 2)), images, alpha)


def _widths(width: int, top: int) -> list[int]:
    """Return the channels of all stages, coarsest first: for 16 and 8 the paper's min(8192 / 2^s, 512)."""
    return [min(width * 2 ** (top - i), max(width, 512)) for i in range(top + 1)]


def _split(level: float, highest: int, of) -> tuple[int, float]:
    """Return the stage that `level` has come to, and how much of it is there: more than 0, at most 1."""
    if not isinstance(level, int | float) or not 0 <= level <= highest:
        name = of if isinstance(of, str) else type(of).__name__
        raise ValueError(f"{name} was given level={level!r}; give a number from 0 (for 4×4) to {highest}.")
    top = math.ceil(level)
    return top, 1 - (top - level)


def _same(channels: int) -> EqualConv2d:
    return EqualConv2d(channels, channels)


def _enlarge(x: torch.Tensor) -> torch.Tensor:
    return F.interpolate(x, scale_factor=2, mode="nearest")
