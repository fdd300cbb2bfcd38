"""FCN (Long, Shelhamer, Darrell, CVPR 2015, 1411.4038): a classifier that is asked at every place."""

import copy

import torch
from torch import nn
from torch.nn import functional as F

from segen.layers import Backbone, ConvReLU, check_image_batch, check_positive
from segen.models.resnet import ResNet, resnet50


class OnBackbone(nn.Module):
    """A segmenter that reads the maps of a classifier: a network says in `decode(maps)` what becomes of them.

    Images `[N, in_channels, H, W]` in [-1, 1], of any size that the backbone reads → logits `[N, num_classes, H, W]`:
    those that `decode` gives, at a coarser size, enlarged bilinearly. Of the `backbone` a copy is kept, without its
    head; by default it is a `ResNet` of `width`, whose last map is `output_stride` times smaller than the image.

    Raises ValueError for a backbone of other channels than `in_channels`, and for images of another type, number of
    channels, or smaller than the backbone reads.
    """

    output_stride = 32

    def __init__(self, in_channels: int, num_classes: int, *, width: int, backbone: Backbone | None) -> None:
        super().__init__()
        name = type(self).__name__
        check_positive(name, in_channels=in_channels, num_classes=num_classes, width=width)
        if backbone is None:
            backbone = ResNet(in_channels, 1, width=width, output_stride=self.output_stride)
        if not isinstance(backbone, Backbone) or backbone.in_channels != in_channels:
            given = f"one of {backbone.in_channels}" if isinstance(backbone, Backbone) else type(backbone).__name__
            raise ValueError(
                f"{name} was given {given} as backbone for images of {in_channels} channels; give a classifier made "
                f"with in_channels={in_channels}, as ResNet({in_channels}, 10)."
            )
        self.backbone = copy.deepcopy(backbone)
        self.backbone.head = nn.Identity()

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        check_image_batch(x, self.backbone.in_channels, 1, type(self).__name__, smallest=self.backbone.smallest)
        logits = self.decode(self.backbone.features(x))
        return F.interpolate(logits, size=x.shape[-2:], mode="bilinear", align_corners=False)


class Fuse(nn.Module):
    """Enlarge scores twofold and add those of a finer map: `[N, K, h, w]`, `[N, channels, 2h, 2w]` → `[N, K, 2h, 2w]`.

    The enlargement is a transposed convolution that starts as bilinear interpolation and is learned (section 4.2 of
    the paper). Where halving had rounded, a row or column is cut off or added, at the end.

    Raises ValueError if the finer map is not twice as large.
    """

    def __init__(self, channels: int, num_classes: int) -> None:
        super().__init__()
        self.up = nn.ConvTranspose2d(num_classes, num_classes, 4, stride=2, padding=1, bias=False)
        row = torch.tensor([0.25, 0.75, 0.75, 0.25])
        with torch.no_grad():
            self.up.weight.copy_(torch.eye(num_classes)[:, :, None, None] * row[:, None] * row)
        self.score = nn.Conv2d(channels, num_classes, 1)

    def forward(self, x: torch.Tensor, finer: torch.Tensor) -> torch.Tensor:
        (h, w), (height, width) = x.shape[-2:], finer.shape[-2:]
        if max(abs(2 * h - height), abs(2 * w - width)) > 1:
            raise ValueError(
                f"FCN met a map of {height}×{width} above one of {h}×{w}, but can only join maps of which one is "
                "twice as large; ask for fewer skips, or for a backbone that halves its maps."
            )
        x = self.up(x, output_size=[max(2 * h, height), max(2 * w, width)])
        return x[..., :height, :width] + self.score(finer)


class FCN(OnBackbone):
    """Label each pixel: images `[N, in_channels, H, W]` in [-1, 1], of any size → logits `[N, num_classes, H, W]`.

    The last map of the `backbone`, by default a `ResNet` of `width` with maps at strides 2 to 32, is scored by two
    convolutions. `skips` finer maps are scored too and added, one after the other, each after a twofold enlargement:
    0, 1 and 2 are the paper's FCN-32s, -16s and -8s. The scores are then enlarged to the image's size, as in the
    paper bilinearly and not learned.

    Raises ValueError for what does not fit, as `OnBackbone`, and for more skips than there are maps. Source: figure 3
    of the paper; the head is torchvision's, the paper's are the fully connected layers of VGG as convolutions.
    """

    def __init__(
        self,
        in_channels: int = 3,
        num_classes: int = 8,
        *,
        width: int = 16,
        backbone: Backbone | None = None,
        skips: int = 2,
    ) -> None:
        super().__init__(in_channels, num_classes, width=width, backbone=backbone)
        *finer, last = self.backbone.channels
        if isinstance(skips, bool) or not isinstance(skips, int) or not 0 <= skips <= len(finer):
            raise ValueError(f"FCN was given skips={skips!r}; with this backbone give 0 to {len(finer)}.")
        inner = max(1, last // 4)
        self.head = nn.Sequential(ConvReLU(last, inner), nn.Dropout(0.1), nn.Conv2d(inner, num_classes, 1))
        self.fuse = nn.ModuleList(Fuse(channels, num_classes) for channels in finer[::-1][:skips])

    def decode(self, maps: list[torch.Tensor]) -> torch.Tensor:
        scores = self.head(maps.pop())
        for fuse in self.fuse:
            scores = fuse(scores, maps.pop())
        return scores


def fcn_resnet50(in_channels: int = 3, num_classes: int = 21) -> FCN:
    """Return torchvision's network, without its auxiliary head: 32,957,013 parameters with 21 classes.

    ResNet-50, dilated so that its last map is an eighth of the image, and no skips.
    """
    return FCN(in_channels, num_classes, backbone=resnet50(in_channels, 1, output_stride=8), skips=0)
