"""SegNet (Badrinarayanan, Kendall, Cipolla, 1511.00561): of a pooling, only the places of its maxima are kept."""

from itertools import pairwise

import torch
from torch import nn
from torch.nn import functional as F

from segen.layers import check_float_type, check_image_batch, check_positive, convolution


def unpool(x: torch.Tensor, indices: torch.Tensor, size: tuple[int, int]) -> torch.Tensor:
    """Put each value back where it was found, among zeros: `x` and `indices [N, C, h, w]` → `[N, C, *size]`.

    `indices` are places in a map of `size`, counted row by row, as `max_pool2d` with `return_indices=True` gives
    them.
    """
    n, c = x.shape[:2]
    empty = x.new_zeros(n, c, size[0] * size[1])
    return empty.scatter(2, indices.flatten(2), x.flatten(2)).view(n, c, *size)


class SegNet(nn.Module):
    """Label each pixel: images `[N, in_channels, H, W]` in [-1, 1], of any size → logits `[N, num_classes, H, W]`.

    Each stage of the encoder has `blocks[i]` convolutions, with batch norm and ReLU, of `width · 2^i` channels, at most
    `8 · width`, and a 2×2 max pooling; each stage of the decoder first does `unpool` with the places of the same
    pooling, then mirrors the convolutions. With `basic` all stages have `width` channels, the decoder has no ReLU,
    and a 1×1 convolution gives the classes. A chapter that wants another way up overrides `up`.

    Raises ValueError for images of another type or number of channels, and `blocks` that are no numbers. Source:
    figure 2 of the paper and the authors' network definitions, where convolutions have a bias beside batch norm.
    """

    def __init__(
        self,
        in_channels: int = 3,
        num_classes: int = 8,
        *,
        width: int = 16,
        blocks: tuple[int, ...] = (2, 2, 3, 3, 3),
        kernel: int = 3,
        basic: bool = False,
    ) -> None:
        super().__init__()
        check_positive("SegNet", in_channels=in_channels, num_classes=num_classes, width=width)
        if not isinstance(blocks, tuple | list) or not blocks:
            raise ValueError(f"SegNet was given blocks={blocks!r}; give a tuple: how many there are in each stage.")
        for count in blocks:
            check_positive("SegNet", blocks=count)
        if isinstance(kernel, bool) or not isinstance(kernel, int) or kernel < 1 or kernel % 2 == 0:
            raise ValueError(f"SegNet was given kernel={kernel!r}; give an odd number, so that the size is kept.")
        self.in_channels = in_channels

        def stage(channels: list[int], *, relu: bool) -> nn.Sequential:
            layers = nn.Sequential()
            for a, b in pairwise(channels):
                layers.extend([convolution(a, b, kernel=kernel, bias=True), nn.BatchNorm2d(b)])
                layers.extend([nn.ReLU(inplace=True)] if relu else [])
            return layers

        widths = [width if basic else width * 2 ** min(i, 3) for i in range(len(blocks))]
        self.encoder, self.decoder = nn.ModuleList(), nn.ModuleList()
        for before, channels, count in zip([in_channels, *widths], widths, blocks, strict=False):
            self.encoder.append(stage([before] + [channels] * count, relu=True))
        for i in reversed(range(len(blocks))):
            # The mirror image of the first convolution gives the classes: it is the head.
            last = [widths[max(0, i - 1)]] if i > 0 or basic else []
            self.decoder.append(stage([widths[i]] * blocks[i] + last, relu=not basic))
        self.head = convolution(width, num_classes, kernel=1 if basic else kernel, bias=True)

    def up(self, x: torch.Tensor, indices: torch.Tensor, size: tuple[int, int]) -> torch.Tensor:
        """Enlarge the maps `x` to `size` with what was kept, the `indices` of the pooling."""
        return unpool(x, indices, size)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        check_image_batch(x, self.in_channels, 1, "SegNet")
        check_float_type(x, self, "SegNet")
        kept = []
        for stage in self.encoder:
            x = stage(x)
            size = x.shape[-2:]
            x, indices = F.max_pool2d(x, 2, ceil_mode=True, return_indices=True)
            kept.append((indices, size))
        for stage in self.decoder:
            x = stage(self.up(x, *kept.pop()))
        return self.head(x)


def segnet(in_channels: int = 3, num_classes: int = 11) -> SegNet:
    """Return the paper's network, VGG-16 and its mirror image: 29,449,355 parameters with 11 classes."""
    return SegNet(in_channels, num_classes, width=64)


def segnet_basic(in_channels: int = 3, num_classes: int = 11) -> SegNet:
    """Return the paper's small network, SegNet-Basic: 1,416,587 parameters with 11 classes.

    Four stages of one 7×7 convolution of 64 channels. Left out is the local response normalisation with which the
    authors' definition begins; it is made for pixels of 0 to 255.
    """
    return SegNet(in_channels, num_classes, width=64, blocks=(1, 1, 1, 1), kernel=7, basic=True)
