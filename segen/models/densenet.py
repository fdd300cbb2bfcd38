"""DenseNet (Huang, Liu, van der Maaten, Weinberger, CVPR 2017, 1608.06993): every layer reads all maps before it."""

import torch
from torch import nn

from segen.layers import Backbone, convolution


def norm_relu(channels: int) -> list[nn.Module]:
    """Return batch norm and ReLU, which come before each convolution."""
    return [nn.BatchNorm2d(channels), nn.ReLU(inplace=True)]


class DenseLayer(nn.Sequential):
    """Add `growth` maps to those that are there: `[N, C, H, W]` → `[N, C + growth, H, W]`.

    The DenseNet-B of section 3: a 1×1 convolution to 4 · `growth` channels comes before the 3×3.
    """

    def __init__(self, in_channels: int, growth: int) -> None:
        bottleneck = convolution(in_channels, 4 * growth, kernel=1)
        super().__init__(*norm_relu(in_channels), bottleneck, *norm_relu(4 * growth), convolution(4 * growth, growth))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return torch.cat([x, super().forward(x)], dim=1)


class DenseNet(Backbone):
    """Classify: images `[N, in_channels, H, W]` in [-1, 1] → logits `[N, num_classes]`.

    `width` is the paper's growth rate k, `blocks[i]` the number of layers in a dense block; between blocks the
    channels and the sides are halved. With `small`, for images of 32 pixels, the stem is a 3×3 convolution of stride
    1, not 7×7 of stride 2 and a pooling. `features` gives the stem's map (stride 2, small 1) and those of the blocks
    (4, 8, 16, 32, small 1, 2, 4, 8), the last one normed.

    Source: table 1 of the paper, DenseNet-BC with a compression of 0.5.
    """

    def __init__(
        self,
        in_channels: int = 3,
        num_classes: int = 1000,
        *,
        width: int = 32,
        blocks: tuple[int, ...] = (6, 12, 24, 16),
        small: bool = False,
    ) -> None:
        super().__init__(in_channels, num_classes, width=width, blocks=blocks)
        self.smallest = 2 ** (len(blocks) - 1) * (1 if small else 4)
        channels = 2 * width
        kernel, stride = (3, 1) if small else (7, 2)
        stem = nn.Sequential(convolution(in_channels, channels, kernel=kernel, stride=stride), *norm_relu(channels))
        self.stages, self.channels = nn.ModuleList([stem]), [channels]
        for i, count in enumerate(blocks):
            stage = nn.Sequential() if i or small else nn.Sequential(nn.MaxPool2d(3, 2, padding=1))
            if i:  # the transition
                stage.extend([*norm_relu(channels), convolution(channels, channels // 2, kernel=1), nn.AvgPool2d(2)])
                channels //= 2
            for _ in range(count):
                stage.append(DenseLayer(channels, width))
                channels += width
            self.stages.append(stage)
            self.channels.append(channels)
        self.stages[-1].extend(norm_relu(channels))
        self.head = nn.Sequential(nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(channels, num_classes))


def densenet121(in_channels: int = 3, num_classes: int = 1000) -> DenseNet:
    """Return the paper's 121 layers, for images of 224×224: 7,978,856 parameters with 1,000 classes."""
    return DenseNet(in_channels, num_classes)
