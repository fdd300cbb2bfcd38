"""AlexNet (Krizhevsky, Sutskever, Hinton, NIPS 2012): a convolutional network, made large, with ReLU and drop-out."""

from torch import nn

from segen.layers import Backbone, ConvReLU, convolution


class AlexNet(Backbone):
    """Classify: images `[N, in_channels, H, W]` in [-1, 1], sides from 63 → logits `[N, num_classes]`.

    `width` is the number of channels of the first convolution. With `small`, for images of 32 pixels (from 15), that
    convolution is 3×3 of stride 1 and not 11×11 of stride 4. `features` gives four maps, at strides 4, 8, 16 and 32
    (small: 1, 2, 4, 8); the last is pooled.

    Source: section 3 of the paper; as in torchvision it is the one-tower variant (1404.5997): 64, 192, 384, 256,
    256 channels and not two towers of 96, 256, 384, 384, 256 in all, no local response normalisation.
    """

    def __init__(self, in_channels: int = 3, num_classes: int = 1000, *, width: int = 64, small: bool = False) -> None:
        super().__init__(in_channels, num_classes, width=width)
        self.smallest, grid = (15, 3) if small else (63, 6)
        self.channels = [width, 3 * width, 4 * width, 4 * width]
        kernel, stride, padding = (3, 1, 1) if small else (11, 4, 2)
        first = convolution(in_channels, width, kernel=kernel, stride=stride, padding=padding, bias=True)
        self.stages = nn.ModuleList(
            [
                nn.Sequential(first, nn.ReLU(inplace=True)),
                nn.Sequential(nn.MaxPool2d(3, 2), ConvReLU(width, 3 * width, kernel=5, batch_norm=False)),
                nn.Sequential(
                    nn.MaxPool2d(3, 2),
                    ConvReLU(3 * width, 6 * width, batch_norm=False),
                    ConvReLU(6 * width, 4 * width, batch_norm=False),
                    ConvReLU(4 * width, 4 * width, batch_norm=False),
                ),
                nn.MaxPool2d(3, 2),
            ]
        )
        self.head = nn.Sequential(
            nn.AdaptiveAvgPool2d(grid),
            nn.Flatten(),
            nn.Dropout(0.5),
            nn.Linear(4 * width * grid**2, 64 * width),
            nn.ReLU(inplace=True),
            nn.Dropout(0.5),
            nn.Linear(64 * width, 64 * width),
            nn.ReLU(inplace=True),
            nn.Linear(64 * width, num_classes),
        )


def alexnet(in_channels: int = 3, num_classes: int = 1000) -> AlexNet:
    """Return torchvision's AlexNet, for images of 224×224: 61,100,840 parameters with 1,000 classes."""
    return AlexNet(in_channels, num_classes)
