"""The residual networks of WGAN-GP (1704.00028) and SN-GAN (Miyato et al., ICLR 2018, 1802.05957), for small images."""

import functools

import torch
from torch import nn
from torch.nn import functional as F
from torch.nn.utils.parametrizations import spectral_norm as bounded

from segen.layers import check_latent, check_positive, check_shape, halvings


class UpBlock(nn.Module):
    """A residual block that doubles the side: `[N, C_in, H, W]` → `[N, C_out, 2H, 2W]`, batch norm before each ReLU."""

    def __init__(self, in_channels: int, out_channels: int) -> None:
        super().__init__()
        self.norm1, self.norm2 = nn.BatchNorm2d(in_channels), nn.BatchNorm2d(out_channels)
        self.conv1 = _glorot(nn.Conv2d(in_channels, out_channels, 3, padding=1), 2**0.5)
        self.conv2 = _glorot(nn.Conv2d(out_channels, out_channels, 3, padding=1), 2**0.5)
        self.shortcut = _glorot(nn.Conv2d(in_channels, out_channels, 1))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        y = self.conv1(_enlarge(F.relu(self.norm1(x))))
        # A 1×1 convolution and an enlargement that repeats pixels may change places; this way it has less to do.
        return self.conv2(F.relu(self.norm2(y))) + _enlarge(self.shortcut(x))


class DownBlock(nn.Module):
    """A residual block without batch norm: `[N, C_in, H, W]` → `[N, C_out, H, W]`, or H/2, W/2 with `down`.

    The `first` block of a network reads an image, to which no ReLU is applied. Without `down` and with as many
    channels as before, the shortcut is the identity. `norm` wraps each convolution.
    """

    def __init__(self, in_channels: int, out_channels: int, norm, *, down: bool, first: bool = False) -> None:
        super().__init__()
        self.down, self.first = down, first
        self.conv1 = norm(_glorot(nn.Conv2d(in_channels, out_channels, 3, padding=1), 2**0.5))
        self.conv2 = norm(_glorot(nn.Conv2d(out_channels, out_channels, 3, padding=1), 2**0.5))
        learnt = down or in_channels != out_channels
        self.shortcut = norm(_glorot(nn.Conv2d(in_channels, out_channels, 1))) if learnt else nn.Identity()

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        y = self.conv2(F.relu(self.conv1(x if self.first else F.relu(x))))
        if not self.down:
            return y + self.shortcut(x)
        # The mean of four and a 1×1 convolution change places without a trace.
        return F.avg_pool2d(y, 2) + self.shortcut(F.avg_pool2d(x, 2))


class ResNetGenerator(nn.Module):
    """Noise `[N, latent]` → images `[N, out_channels, size, size]` in [-1, 1]; `size` is 8, 16, 32, …

    A linear layer makes a map of 4×4, an `UpBlock` for each doubling keeps its `width` channels. Labels are not
    looked at.

    Raises ValueError for another `size`, or noise of another size or type. Source: table 4 of SN-GAN's paper.
    """

    def __init__(self, latent: int = 128, out_channels: int = 3, *, width: int = 64, size: int = 32) -> None:
        super().__init__()
        check_positive("ResNetGenerator", latent=latent, out_channels=out_channels, width=width)
        self.latent = latent
        self.seed = _glorot(nn.Linear(latent, 16 * width))
        self.blocks = nn.Sequential(*(UpBlock(width, width) for _ in range(halvings(size, 4, "ResNetGenerator"))))
        self.norm, self.head = nn.BatchNorm2d(width), _glorot(nn.Conv2d(width, out_channels, 3, padding=1))

    def forward(self, z: torch.Tensor, labels: torch.Tensor | None = None) -> torch.Tensor:
        check_latent(z, self.latent, self)
        x = self.blocks(self.seed(z).unflatten(1, (-1, 4, 4)))
        return self.head(F.relu(self.norm(x))).tanh()


class ResNetDiscriminator(nn.Module):
    """Images `[N, in_channels, size, size]` in [-1, 1] → logits `[N]`; `size` is 16, 32, 64, …

    A `DownBlock` for each halving to 8×8, two more, and a linear layer of the sum over places, all of `width`
    channels. With `spectral_norm` no layer lengthens a vector (nearly: see the chapter); without it, it is WGAN-GP's
    critic, which has the mean over places in place of the sum. Labels are not looked at.

    Raises ValueError for another `size`, or images of another shape or type. Source: table 4 of SN-GAN's paper.
    """

    def __init__(self, in_channels: int = 3, *, width: int = 64, size: int = 32, spectral_norm: bool = True) -> None:
        super().__init__()
        check_positive("ResNetDiscriminator", in_channels=in_channels, width=width)
        self.shape = (in_channels, size, size)
        norm = bounded if spectral_norm else nn.Identity()
        Block = functools.partial(DownBlock, width, width, norm)
        downs = halvings(size, 8, "ResNetDiscriminator")
        self.blocks = nn.Sequential(
            DownBlock(in_channels, width, norm, down=True, first=True),
            *(Block(down=True) for _ in range(downs - 1)),
            Block(down=False),
            Block(down=False),
        )
        self.head = norm(_glorot(nn.Linear(width, 1)))

    def forward(self, x: torch.Tensor, labels: torch.Tensor | None = None) -> torch.Tensor:
        check_shape(x, self.shape, self)
        return self.head(F.relu(self.blocks(x)).sum((2, 3))).squeeze(1)


def sngan_32() -> tuple[ResNetGenerator, ResNetDiscriminator]:
    """Return the paper's pair for CIFAR-10: 4,276,739 and 1,053,825 parameters, 128 numbers of noise."""
    return ResNetGenerator(128, 3, width=256, size=32), ResNetDiscriminator(3, width=128, size=32)


def _glorot(layer, gain: float = 1.0):
    nn.init.xavier_uniform_(layer.weight, gain)
    nn.init.zeros_(layer.bias)
    return layer


def _enlarge(x: torch.Tensor) -> torch.Tensor:
    return F.interpolate(x, scale_factor=2, mode="nearest")
