"""DCGAN (Radford, Metz, Chintala, ICLR 2016, 1511.06434): strided convolutions, batch norm, small first weights."""

import functools
from itertools import pairwise

import torch
from torch import nn
from torch.nn.utils.parametrizations import spectral_norm as bounded

from segen.layers import check_latent, check_positive, check_shape, halvings


class DCGANGenerator(nn.Module):
    """Noise `[N, latent]` → images `[N, out_channels, size, size]` in [-1, 1]; `size` is 8, 16, 32, …

    A transposed convolution makes a map of 4×4 of the noise, each further one doubles the side and halves the
    channels, down to `width`, and the last one draws. Labels are not looked at.

    Raises ValueError for another `size`, or noise of another size or type. Source: figure 1 of the paper.
    """

    def __init__(self, latent: int = 128, out_channels: int = 3, *, width: int = 64, size: int = 32) -> None:
        super().__init__()
        check_positive("DCGANGenerator", latent=latent, out_channels=out_channels, width=width)
        self.latent = latent
        widths = [width * 2**i for i in reversed(range(halvings(size, 4, "DCGANGenerator")))]
        layers = [
            nn.ConvTranspose2d(latent, widths[0], 4, bias=False),
            nn.BatchNorm2d(widths[0]),
            nn.ReLU(inplace=True),
        ]
        for a, b in pairwise(widths):
            layers += [nn.ConvTranspose2d(a, b, 4, 2, 1, bias=False), nn.BatchNorm2d(b), nn.ReLU(inplace=True)]
        self.layers = nn.Sequential(*layers, nn.ConvTranspose2d(width, out_channels, 4, 2, 1, bias=False), nn.Tanh())
        self.apply(draw_weights)

    def forward(self, z: torch.Tensor, labels: torch.Tensor | None = None) -> torch.Tensor:
        check_latent(z, self.latent, self)
        return self.layers(z[:, :, None, None])


class DCGANDiscriminator(nn.Module):
    """Images `[N, in_channels, size, size]` in [-1, 1] → logits `[N]`; `size` is 8, 16, 32, …

    Convolutions of stride 2 down to 4×4, from `width` channels, which double, then one of 4×4. Leaky ReLU of slope
    0.2; batch norm in all layers but the first and the last. With `spectral_norm`, SN-GAN's way (1802.05957), there is
    no batch norm: all convolutions have biases, and weights divided by their spectral norm. Labels are not looked at.

    Raises ValueError for another `size`, or images of another shape or type. Source: section 3 of the paper.
    """

    def __init__(self, in_channels: int = 3, *, width: int = 64, size: int = 32, spectral_norm: bool = False) -> None:
        super().__init__()
        check_positive("DCGANDiscriminator", in_channels=in_channels, width=width)
        self.shape = (in_channels, size, size)
        widths = [width * 2**i for i in range(halvings(size, 4, "DCGANDiscriminator"))]
        Conv = functools.partial(nn.Conv2d, kernel_size=4, bias=spectral_norm)
        layers = [Conv(in_channels, width, stride=2, padding=1), nn.LeakyReLU(0.2, inplace=True)]
        for a, b in pairwise(widths):
            norm = [] if spectral_norm else [nn.BatchNorm2d(b)]
            layers += [Conv(a, b, stride=2, padding=1), *norm, nn.LeakyReLU(0.2, inplace=True)]
        self.layers = nn.Sequential(*layers, Conv(widths[-1], 1))
        self.apply(draw_weights)
        if spectral_norm:
            for layer in self.layers[::2]:
                bounded(layer)

    def forward(self, x: torch.Tensor, labels: torch.Tensor | None = None) -> torch.Tensor:
        check_shape(x, self.shape, self)
        return self.layers(x).flatten()


def draw_weights(layer: nn.Module) -> None:
    """Draw the weights of a layer from N(0, 0.02²), the scales of a batch norm from N(1, 0.02²); `network.apply` it.

    Source: section 4 of the paper, which speaks of all weights; the scales are from its authors' code.
    """
    if isinstance(layer, nn.Conv2d | nn.ConvTranspose2d):
        nn.init.normal_(layer.weight, 0.0, 0.02)
    elif isinstance(layer, nn.BatchNorm2d):
        nn.init.normal_(layer.weight, 1.0, 0.02)


def dcgan_64() -> tuple[DCGANGenerator, DCGANDiscriminator]:
    """Return the pair of PyTorch's DCGAN example for 64×64: 3,576,704 and 2,765,568 parameters; noise `[N, 100]`."""
    return DCGANGenerator(100, 3, width=64, size=64), DCGANDiscriminator(3, width=64, size=64)
