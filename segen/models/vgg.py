"""VGG (Simonyan and Zisserman, ICLR 2015, 1409.1556): nothing but 3×3 convolutions, and many of them."""

from torch import nn

from segen.layers import Backbone, ConvReLU


class VGG(Backbone):
    """Classify: images `[N, in_channels, H, W]` in [-1, 1], sides from 32 → logits `[N, num_classes]`.

    `blocks[i]` convolutions of `width · 2^i` channels, at most `8 · width`, then a halving. With `small`, for images
    of 32 pixels, the fully connected layers read the mean of the last map and not a grid of 7×7. `features` gives
    the map of each block at strides 1, 2, 4, 8, 16, and the last one once more, pooled, at stride 32.

    Source: table 1 of the paper, here configuration D; `batch_norm` came later, and small networks need it.
    """

    def __init__(
        self,
        in_channels: int = 3,
        num_classes: int = 1000,
        *,
        width: int = 64,
        blocks: tuple[int, ...] = (2, 2, 3, 3, 3),
        batch_norm: bool = False,
        small: bool = False,
    ) -> None:
        super().__init__(in_channels, num_classes, width=width, blocks=blocks)
        self.smallest = 2 ** len(blocks)
        self.channels = [width * 2 ** min(i, 3) for i in range(len(blocks))]
        self.stages = nn.ModuleList()
        channels = in_channels
        for count, out_channels in zip(blocks, self.channels, strict=True):
            self.stages.append(nn.Sequential(nn.MaxPool2d(2)) if self.stages else nn.Sequential())
            for _ in range(count):
                self.stages[-1].append(ConvReLU(channels, out_channels, batch_norm=batch_norm))
                channels = out_channels
        self.stages.append(nn.MaxPool2d(2))
        self.channels.append(channels)
        grid = 1 if small else 7
        self.head = nn.Sequential(
            nn.AdaptiveAvgPool2d(grid),
            nn.Flatten(),
            nn.Linear(channels * grid**2, 64 * width),
            nn.ReLU(inplace=True),
            nn.Dropout(0.5),
            nn.Linear(64 * width, 64 * width),
            nn.ReLU(inplace=True),
            nn.Dropout(0.5),
            nn.Linear(64 * width, num_classes),
        )


def vgg16(in_channels: int = 3, num_classes: int = 1000) -> VGG:
    """Return the paper's configuration D, for images of 224×224: 138,357,544 parameters with 1,000 classes."""
    return VGG(in_channels, num_classes)
