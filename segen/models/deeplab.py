"""DeepLabV3 (Chen, Papandreou, Schroff, Adam, 1706.05587) and V3+ (ECCV 2018, 1802.02611): see far, stay large."""

import torch
from torch import nn
from torch.nn import functional as F

from segen.layers import Backbone, ConvReLU, check_positive
from segen.models.fcn import OnBackbone
from segen.models.resnet import resnet50


class ASPP(nn.Module):
    """Atrous spatial pyramid pooling: `[N, in_channels, h, w]` → `[N, channels, h, w]`, figure 5 of the first paper.

    Side by side a 1×1 convolution, a 3×3 one for each of `rates`, its dilation, and the mean of the whole map; a 1×1
    convolution joins them. In training the mean's batch norm needs two images or more; of one it raises ValueError.
    """

    def __init__(self, in_channels: int, channels: int, rates: tuple[int, ...]) -> None:
        super().__init__()
        self.branches = nn.ModuleList([ConvReLU(in_channels, channels, kernel=1)])
        self.branches.extend(ConvReLU(in_channels, channels, dilation=rate) for rate in rates)
        self.mean = nn.Sequential(nn.AdaptiveAvgPool2d(1), ConvReLU(in_channels, channels, kernel=1))
        joined = (len(rates) + 2) * channels
        self.project = nn.Sequential(ConvReLU(joined, channels, kernel=1), nn.Dropout(0.5))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        if len(x) == 1 and any(isinstance(layer, nn.BatchNorm2d) and layer.training for layer in self.mean.modules()):
            raise ValueError(
                "DeepLab was given a batch of one image in training, where batch norm needs the means of two; "
                "give two or more, or call eval() first."
            )
        mean = self.mean(x).expand(-1, -1, *x.shape[-2:])
        return self.project(torch.cat([*(branch(x) for branch in self.branches), mean], dim=1))


class DeepLabV3(OnBackbone):
    """Label each pixel: images `[N, in_channels, H, W]` in [-1, 1], of any size → logits `[N, num_classes, H, W]`.

    The `backbone`, by default a `ResNet` of `width`, is dilated so that its last map is an eighth of the image. On it
    `ASPP` and one more convolution, of `4 · width` channels, then the classes. The default `rates` are for maps of
    some eight pixels, the paper's (6, 12, 18) for 33, doubled at an eighth. In training give two images or more.

    Raises ValueError as `OnBackbone`, and for `rates` that are no whole numbers of 1 or more. Source: section 3.3 of
    the paper; the convolution between ASPP and the classes is torchvision's.
    """

    output_stride = 8

    def __init__(
        self,
        in_channels: int = 3,
        num_classes: int = 8,
        *,
        width: int = 16,
        backbone: Backbone | None = None,
        rates: tuple[int, ...] = (2, 4, 6),
    ) -> None:
        super().__init__(in_channels, num_classes, width=width, backbone=backbone)
        for rate in rates:
            check_positive(type(self).__name__, rates=rate)
        self.aspp = ASPP(self.backbone.channels[-1], 4 * width, rates)
        self.head = nn.Sequential(ConvReLU(4 * width, 4 * width), nn.Conv2d(4 * width, num_classes, 1))

    def decode(self, maps: list[torch.Tensor]) -> torch.Tensor:
        return self.head(self.aspp(maps[-1]))


class DeepLabV3Plus(DeepLabV3):
    """DeepLabV3 with a decoder: what ASPP gives meets a finer map of the backbone, `features(x)[fine]`, a quarter's.

    Arguments, shapes and errors as for `DeepLabV3`. The finer map is reduced to `48/64 · width` channels by a 1×1
    convolution, the other one enlarged to its size; two 3×3 convolutions read both. Source: figure 2 and section 4.1
    of the paper, which takes 48 channels beside 256.
    """

    def __init__(
        self,
        in_channels: int = 3,
        num_classes: int = 8,
        *,
        width: int = 16,
        backbone: Backbone | None = None,
        rates: tuple[int, ...] = (2, 4, 6),
        fine: int = 1,
    ) -> None:
        super().__init__(in_channels, num_classes, width=width, backbone=backbone, rates=rates)
        channels = self.backbone.channels
        if isinstance(fine, bool) or not isinstance(fine, int) or not 0 <= fine < len(channels):
            raise ValueError(
                f"DeepLabV3Plus was given fine={fine!r}; with this backbone give 0 to {len(channels) - 1}."
            )
        self.fine, reduced = fine, max(1, 48 * width // 64)
        self.reduce = ConvReLU(channels[fine], reduced, kernel=1)
        self.join = ConvReLU(4 * width + reduced, 4 * width)

    def decode(self, maps: list[torch.Tensor]) -> torch.Tensor:
        finer = self.reduce(maps[self.fine])
        coarse = F.interpolate(self.aspp(maps[-1]), size=finer.shape[-2:], mode="bilinear", align_corners=False)
        return self.head(self.join(torch.cat([coarse, finer], dim=1)))


def deeplabv3_resnet50(in_channels: int = 3, num_classes: int = 21) -> DeepLabV3:
    """Return torchvision's network, without its auxiliary head: 39,638,869 parameters with 21 classes."""
    backbone = resnet50(in_channels, 1, output_stride=8)
    return DeepLabV3(in_channels, num_classes, width=64, backbone=backbone, rates=(12, 24, 36))
