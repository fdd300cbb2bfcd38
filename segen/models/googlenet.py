"""GoogLeNet (Szegedy et al., CVPR 2015, 1409.4842): several kernels side by side, made cheap by 1×1 convolutions."""

import torch
from torch import nn

from segen.layers import Backbone, ConvReLU, check_float_type, check_image_batch

# Table 1 of the paper, a block a row: 1×1, 3×3 reduce, 3×3, 5×5 reduce, 5×5, pool proj.
STAGES = [
    [(64, 96, 128, 16, 32, 32), (128, 128, 192, 32, 96, 64)],
    [
        (192, 96, 208, 16, 48, 64),
        (160, 112, 224, 24, 64, 64),
        (128, 128, 256, 24, 64, 64),
        (112, 144, 288, 32, 64, 64),
        (256, 160, 320, 32, 128, 128),
    ],
    [(256, 160, 320, 32, 128, 128), (384, 192, 384, 48, 128, 128)],
]


class Inception(nn.Module):
    """Figure 2b: four branches side by side, their maps joined: `[N, C, H, W]` → `[N, out_channels, H, W]`."""

    def __init__(self, in_channels: int, widths: list[int]) -> None:
        super().__init__()
        one, reduce_3, three, reduce_5, five, pool = widths
        self.out_channels = one + three + five + pool
        self.branches = nn.ModuleList(
            [
                ConvReLU(in_channels, one, kernel=1),
                nn.Sequential(ConvReLU(in_channels, reduce_3, kernel=1), ConvReLU(reduce_3, three)),
                nn.Sequential(ConvReLU(in_channels, reduce_5, kernel=1), ConvReLU(reduce_5, five)),
                nn.Sequential(nn.MaxPool2d(3, 1, padding=1), ConvReLU(in_channels, pool, kernel=1)),
            ]
        )

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return torch.cat([branch(x) for branch in self.branches], dim=1)


class GoogLeNet(Backbone):
    """Classify: images `[N, in_channels, H, W]` in [-1, 1], sides from 32 → logits `[N, num_classes]`.

    `width` is the number of channels of the first convolution, the others in the paper's proportions. With `small`,
    for images of 32 pixels (from 8), one convolution of 3×3 and stride 1 is the stem, in place of three and a pooling.
    `features` gives the maps at strides 2, 4, 8, 16, 32 (small: 1, 2, 4, 8). With `auxiliary` there are two more
    heads, for `with_auxiliary`.

    Source: table 1 of the paper; as in torchvision with batch norm, 3×3 in place of 5×5, and a last pooling of 2×2.
    """

    def __init__(
        self,
        in_channels: int = 3,
        num_classes: int = 1000,
        *,
        width: int = 64,
        auxiliary: bool = False,
        small: bool = False,
    ) -> None:
        super().__init__(in_channels, num_classes, width=width)
        self.smallest = 8 if small else 32

        def scaled(channels: int) -> int:
            return max(1, channels * width // 64)

        def pool(kernel: int) -> nn.Module:
            return nn.MaxPool2d(kernel, 2, ceil_mode=True)

        if small:
            self.stages, self.channels = nn.ModuleList([ConvReLU(in_channels, scaled(192))]), [scaled(192)]
        else:
            second = nn.Sequential(pool(3), ConvReLU(width, width, kernel=1), ConvReLU(width, scaled(192)))
            self.stages = nn.ModuleList([ConvReLU(in_channels, width, kernel=7, stride=2), second])
            self.channels = [width, scaled(192)]
        for before, rows in zip([pool(3), pool(3), pool(2)], STAGES, strict=True):
            stage, channels = nn.Sequential(before), self.channels[-1]
            for row in rows:
                stage.append(Inception(channels, [scaled(number) for number in row]))
                channels = stage[-1].out_channels
            self.stages.append(stage)
            self.channels.append(channels)
        self.auxiliary = nn.ModuleList()
        for block in (self.stages[-2][1], self.stages[-2][4]) if auxiliary else ():  # 4a and 4d
            self.auxiliary.append(
                nn.Sequential(
                    nn.AdaptiveAvgPool2d(4),
                    ConvReLU(block.out_channels, scaled(128), kernel=1),
                    nn.Flatten(),
                    nn.Linear(16 * scaled(128), scaled(1024)),
                    nn.ReLU(inplace=True),
                    nn.Dropout(0.7),
                    nn.Linear(scaled(1024), num_classes),
                )
            )
        self.head = nn.Sequential(
            nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Dropout(0.4), nn.Linear(channels, num_classes)
        )
        for layer in self.modules():
            if isinstance(layer, nn.BatchNorm2d):
                layer.eps = 1e-3  # torchvision's

    def with_auxiliary(self, x: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
        """Return the logits `[N, num_classes]` of the head, and of the auxiliary ones after blocks 4a and 4d.

        The paper adds the losses of the latter, weighed by 0.3. Raises ValueError if the network has none.
        """
        if not self.auxiliary:
            raise ValueError("This GoogLeNet has no auxiliary heads; make it with auxiliary=True.")
        check_image_batch(x, self.in_channels, 1, "GoogLeNet", smallest=self.smallest)
        check_float_type(x, self, "GoogLeNet")
        *early, fourth, fifth = self.stages
        for stage in early:
            x = stage(x)
        a = fourth[:2](x)
        d = fourth[2:5](a)
        return self.head(fifth(fourth[5:](d))), self.auxiliary[0](a), self.auxiliary[1](d)


def googlenet(in_channels: int = 3, num_classes: int = 1000, *, auxiliary: bool = False) -> GoogLeNet:
    """Return torchvision's GoogLeNet, for images of 224×224: with 1,000 classes 6,624,904 parameters.

    With the `auxiliary` heads 13,004,888.
    """
    return GoogLeNet(in_channels, num_classes, auxiliary=auxiliary)
