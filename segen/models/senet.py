"""SENet (Hu, Shen, Sun, CVPR 2018, 1709.01507): channels are weighed by what the whole image shows."""

import torch
from torch import nn

from segen.models.resnet import ResidualUnit, ResNet


class SqueezeExcitation(nn.Sequential):
    """Weigh each channel by a number from 0 to 1 that is computed from all their means: `[N, C, H, W]` → the same.

    Squeeze: the mean of each channel. Excitation: C → C / `reduction` (at least 1) → C, then a sigmoid. Source:
    equations 2, 3 and 4 of the paper.
    """

    def __init__(self, channels: int, reduction: int = 16) -> None:
        squeezed = max(1, channels // reduction)
        super().__init__(
            nn.AdaptiveAvgPool2d(1),
            nn.Conv2d(channels, squeezed, 1),
            nn.ReLU(inplace=True),
            nn.Conv2d(squeezed, channels, 1),
            nn.Sigmoid(),
        )

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return x * super().forward(x)


class SEUnit(ResidualUnit):
    """A residual unit whose branch is weighed before x is added, figure 3 of the paper."""

    def __init__(self, convolutions: list[nn.Conv2d], shortcut: nn.Module | None) -> None:
        super().__init__(convolutions, shortcut)
        self.branch.append(SqueezeExcitation(convolutions[-1].out_channels))


class SEResNet(ResNet):
    """ResNet whose units have squeeze and excitation, with the arguments, shapes and errors of `ResNet`.

    As in timm's `seresnet50` the 3×3 convolution of a bottleneck has the stride; in the paper, and in timm's
    `legacy_seresnet50`, the 1×1 before it.
    """

    unit = SEUnit


def se_resnet50(in_channels: int = 3, num_classes: int = 1000) -> SEResNet:
    """Return the paper's SE-ResNet-50, for images of 224×224: 28,088,024 parameters with 1,000 classes."""
    return SEResNet(in_channels, num_classes, blocks=(3, 4, 6, 3), bottleneck=True)
