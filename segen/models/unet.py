"""U-Net (Ronneberger, Fischer, Brox, MICCAI 2015, 1505.04597): figure 1, one class a box, from left to right."""

from itertools import pairwise

import torch
from torch import nn
from torch.nn import functional as F

from segen.layers import ConvReLU, centre_crop, check_float_type, check_image_batch, check_positive


class Box(nn.Sequential):
    """The blue arrows of one level: `convolutions` times (3×3 convolution, batch norm if asked for, ReLU)."""

    def __init__(
        self, in_channels: int, out_channels: int, convolutions: int, *, padding: bool, batch_norm: bool
    ) -> None:
        channels = [in_channels] + [out_channels] * convolutions
        super().__init__(*(ConvReLU(a, b, padding=padding, batch_norm=batch_norm) for a, b in pairwise(channels)))


class Up(nn.Module):
    """A step of the expanding path: up-convolution 2×2, copy and crop, a box.

    `x [N, 2C, h, w]` and the map it meets, `skip [N, C, H, W]` with H ≥ 2h → `[N, C, 2h, 2w]` if padded.
    """

    def __init__(self, channels: int, convolutions: int, *, padding: bool, batch_norm: bool, skips: bool) -> None:
        super().__init__()
        self.skips = skips
        self.up = nn.ConvTranspose2d(2 * channels, channels, 2, stride=2)
        both = 2 * channels if skips else channels
        self.box = Box(both, channels, convolutions, padding=padding, batch_norm=batch_norm)

    def forward(self, x: torch.Tensor, skip: torch.Tensor) -> torch.Tensor:
        x = self.up(x)
        if self.skips:
            x = torch.cat([centre_crop(skip, x.shape[-2:]), x], dim=1)
        return self.box(x)


class UNet(nn.Module):
    """Label each pixel: images `[N, in_channels, H, W]` in [-1, 1] → logits `[N, num_classes, H, W]`.

    `width` is the number of channels at full size; it doubles at each of the `depth` halvings. Each level has
    `convolutions` 3×3 convolutions on either side. H and W are multiples of 2^depth; with `padding=False` every
    convolution loses a border, the logits are smaller than the image, and other sizes fit. With `skips=False`
    the maps of the contracting path are not handed over: the network without what makes it a U-Net, to compare.

    Raises ValueError for images of another type, number of channels or size. Source: figure 1 of the paper; the
    paper pads nowhere and has no batch norm (`unet_2015`).
    """

    def __init__(
        self,
        in_channels: int = 3,
        num_classes: int = 8,
        *,
        width: int = 16,
        depth: int = 4,
        convolutions: int = 2,
        padding: bool = True,
        batch_norm: bool = True,
        skips: bool = True,
    ) -> None:
        super().__init__()
        check_positive("UNet", in_channels=in_channels, num_classes=num_classes, width=width, depth=depth)
        check_positive("UNet", convolutions=convolutions)
        self.in_channels, self.stride = in_channels, 2**depth
        # What a level's convolutions lose, 2 each if not padded, fixes which sizes come out even at every halving.
        lost = 0 if padding else 2 * convolutions
        self.rest = lost * (self.stride - 1)
        self.smallest = 2 * self.rest + lost * self.stride + 1

        style = {"padding": padding, "batch_norm": batch_norm}
        widths = [width * 2**level for level in range(depth + 1)]
        self.contracting = nn.ModuleList(
            Box(a, b, convolutions, **style) for a, b in zip([in_channels, *widths[:-2]], widths[:-1], strict=True)
        )
        self.bottom = Box(widths[-2], widths[-1], convolutions, **style)
        self.expanding = nn.ModuleList(
            Up(channels, convolutions, **style, skips=skips) for channels in reversed(widths[:-1])
        )
        self.head = nn.Conv2d(width, num_classes, 1)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        check_image_batch(x, self.in_channels, self.stride, "UNet", rest=self.rest, smallest=self.smallest)
        check_float_type(x, self, "UNet")
        skips = []
        for box in self.contracting:
            x = box(x)
            skips.append(x)
            x = F.max_pool2d(x, 2)
        x = self.bottom(x)
        for up in self.expanding:
            x = up(x, skips.pop())
        return self.head(x)


def unet_2015(in_channels: int = 1, num_classes: int = 2) -> UNet:
    """Return the paper's network: 31,030,658 parameters; images `[N, 1, 572, 572]` → logits `[N, 2, 388, 388]`.

    Width 64, four halvings, no padding, no batch norm. Left out is the drop-out at the end of the contracting
    path, whose rate the paper does not give.
    """
    return UNet(in_channels, num_classes, width=64, padding=False, batch_norm=False)
