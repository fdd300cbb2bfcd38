"""ResNet (He, Zhang, Ren, Sun, CVPR 2016, 1512.03385) and its pre-activated form (ECCV 2016, 1603.05027)."""

import torch
from torch import nn
from torch.nn import functional as F

from segen.layers import Backbone, convolution


def residual_function(
    in_channels: int, channels: int, *, stride: int, dilation: int, bottleneck: bool
) -> list[nn.Conv2d]:
    """Return the convolutions of one unit, figure 5 of the first paper: two of 3×3, or 1×1, 3×3, 1×1 to 4 · `channels`.

    As in torchvision the 3×3 convolution of a bottleneck has the stride, in the paper the 1×1 before it.
    """
    if not bottleneck:
        first = convolution(in_channels, channels, stride=stride, dilation=dilation)
        return [first, convolution(channels, channels, dilation=dilation)]
    return [
        convolution(in_channels, channels, kernel=1),
        convolution(channels, channels, stride=stride, dilation=dilation),
        convolution(channels, 4 * channels, kernel=1),
    ]


class ResidualUnit(nn.Module):
    """ReLU(F(x) + x), where F is `convolutions` with batch norm after each and ReLU between.

    `shortcut` is what x passes: nothing (`nn.Identity`), a 1×1 convolution where the shape changes (the paper's option
    B), which gets a batch norm too, or None: then the unit is the plain ReLU(F(x)).
    """

    def __init__(self, convolutions: list[nn.Conv2d], shortcut: nn.Module | None) -> None:
        super().__init__()
        layers = [m for conv in convolutions for m in (conv, nn.BatchNorm2d(conv.out_channels), nn.ReLU(inplace=True))]
        self.branch = nn.Sequential(*layers[:-1])
        if isinstance(shortcut, nn.Conv2d):
            shortcut = nn.Sequential(shortcut, nn.BatchNorm2d(shortcut.out_channels))
        self.shortcut = shortcut

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return F.relu(self.branch(x) if self.shortcut is None else self.branch(x) + self.shortcut(x))


class PreActivatedUnit(nn.Module):
    """F(x) + x, figure 1b of the second paper: batch norm and ReLU before each convolution, nothing after the sum.

    Arguments as for `ResidualUnit`; where the shape changes, x is normed before it is projected.
    """

    def __init__(self, convolutions: list[nn.Conv2d], shortcut: nn.Module | None) -> None:
        super().__init__()
        self.shortcut = shortcut
        layers = [m for conv in convolutions for m in (nn.BatchNorm2d(conv.in_channels), nn.ReLU(inplace=True), conv)]
        self.activation, self.branch = nn.Sequential(*layers[:2]), nn.Sequential(*layers[2:])

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        y = self.activation(x)
        if self.shortcut is None:
            return self.branch(y)
        return self.branch(y) + self.shortcut(y if isinstance(self.shortcut, nn.Conv2d) else x)


class ResNet(Backbone):
    """Classify: images `[N, in_channels, H, W]` in [-1, 1] → logits `[N, num_classes]`.

    `blocks[i]` units in a stage, of `width · 2^i` channels; each stage but the first halves the map. With `small`,
    for images of 32 pixels, the stem is a 3×3 convolution of stride 1, not 7×7 of stride 2 and a pooling. From where
    the map is `output_stride` times smaller than the image, units are dilated instead of halving it. `features`
    gives the stem's map (stride 2, small 1) and those of the stages (4, 8, 16, 32, small 1, 2, 4, 8). Without
    `shortcuts` it is the plain network of the paper, to compare.

    Raises ValueError if `output_stride` is none of the strides of the stages. Source: table 1 and section 4.2 of the
    paper; dilation as torchvision does it: the first unit of a stage still has the dilation of the one before.
    """

    unit: type[nn.Module] = ResidualUnit
    pre_activation = False

    def __init__(
        self,
        in_channels: int = 3,
        num_classes: int = 1000,
        *,
        width: int = 64,
        blocks: tuple[int, ...] = (2, 2, 2, 2),
        bottleneck: bool = False,
        shortcuts: bool = True,
        small: bool = False,
        output_stride: int | None = None,
    ) -> None:
        super().__init__(in_channels, num_classes, width=width, blocks=blocks)
        strides = [2**i * (1 if small else 4) for i in range(len(blocks))]
        self.smallest = strides[-1] if output_stride is None else output_stride
        if not isinstance(self.smallest, int) or self.smallest not in strides:
            raise ValueError(
                f"{type(self).__name__} was given output_stride={output_stride!r}; with these stages give one of "
                f"{', '.join(map(str, strides))}."
            )
        kernel, stride = (3, 1) if small else (7, 2)
        stem = nn.Sequential(convolution(in_channels, width, kernel=kernel, stride=stride))
        if not self.pre_activation:
            stem.extend([nn.BatchNorm2d(width), nn.ReLU(inplace=True)])
        self.stages, self.channels = nn.ModuleList([stem]), [width]
        dilation = 1
        for i, count in enumerate(blocks):
            stage = nn.Sequential() if i or small else nn.Sequential(nn.MaxPool2d(3, 2, padding=1))
            channels = self.channels[-1]
            for j in range(count):
                halve = i > 0 and j == 0 and strides[i] <= self.smallest
                style = {"stride": 1 + halve, "dilation": dilation, "bottleneck": bottleneck}
                convs = residual_function(channels, width * 2**i, **style)
                out_channels = convs[-1].out_channels
                shortcut = nn.Identity()
                if halve or channels != out_channels:
                    shortcut = convolution(channels, out_channels, kernel=1, stride=1 + halve)
                stage.append(self.unit(convs, shortcut if shortcuts else None))
                channels = out_channels
                dilation = max(1, strides[i] // self.smallest)  # from the second unit on, as in torchvision
            self.stages.append(stage)
            self.channels.append(channels)
        if self.pre_activation:
            self.stages[-1].extend([nn.BatchNorm2d(channels), nn.ReLU(inplace=True)])
        self.head = nn.Sequential(nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(channels, num_classes))


class PreActResNet(ResNet):
    """ResNet of pre-activated units, with the arguments, shapes and errors of `ResNet`.

    The stem is one convolution, and the last stage ends in batch norm and ReLU. The 1,001 layers of the second paper:
    `PreActResNet(3, 10, width=16, blocks=(111, 111, 111), bottleneck=True, small=True)`, 10,327,706 parameters.
    """

    unit = PreActivatedUnit
    pre_activation = True


def resnet18(in_channels: int = 3, num_classes: int = 1000) -> ResNet:
    """Return the paper's 18 layers, for images of 224×224: 11,689,512 parameters with 1,000 classes."""
    return ResNet(in_channels, num_classes)


def resnet50(in_channels: int = 3, num_classes: int = 1000, *, output_stride: int = 32) -> ResNet:
    """Return the paper's 50 layers, for images of 224×224: 25,557,032 parameters with 1,000 classes."""
    return ResNet(in_channels, num_classes, blocks=(3, 4, 6, 3), bottleneck=True, output_stride=output_stride)
