"""BigGAN (Brock, Donahue, Simonyan, ICLR 2019, 1809.11096): a class is asked for, and judged by a projection."""

from itertools import pairwise

import torch
from torch import nn
from torch.nn import functional as F
from torch.nn.utils.parametrizations import spectral_norm

from segen.layers import (
    ConditionalBatchNorm2d,
    SelfAttention,
    check_labels,
    check_latent,
    check_positive,
    check_shape,
    halvings,
)
from segen.models.resnet_gan import DownBlock

EMBEDDING = 128  # the numbers by which all blocks of the generator know a class


class ConditionalUpBlock(nn.Module):
    """A residual block that doubles the side: `[N, C_in, H, W]`, `[N, D]` → `[N, C_out, 2H, 2W]`.

    Both batch norms are conditioned on the vectors. Source: figure 15 (b) of the paper.
    """

    def __init__(self, in_channels: int, out_channels: int, conditions: int) -> None:
        super().__init__()
        self.norm1 = ConditionalBatchNorm2d(in_channels, conditions, norm=spectral_norm)
        self.norm2 = ConditionalBatchNorm2d(out_channels, conditions, norm=spectral_norm)
        self.conv1 = bounded(nn.Conv2d(in_channels, out_channels, 3, padding=1))
        self.conv2 = bounded(nn.Conv2d(out_channels, out_channels, 3, padding=1))
        self.shortcut = bounded(nn.Conv2d(in_channels, out_channels, 1))

    def forward(self, x: torch.Tensor, condition: torch.Tensor) -> torch.Tensor:
        y = self.conv1(_enlarge(F.relu(self.norm1(x, condition))))
        # A 1×1 convolution and an enlargement that repeats pixels may change places; this way it has less to do.
        return self.conv2(F.relu(self.norm2(y, condition))) + _enlarge(self.shortcut(x))


class BigGANGenerator(nn.Module):
    """Noise `[N, latent]`, labels `[N]` → images `[N, out_channels, size, size]` in [-1, 1]; `size` is 16, 32, …

    The noise is cut in as many parts as there are blocks, and one more. The first makes a map of 4×4; each other one,
    with the embedding of the class, conditions the batch norms of its block. The last block has `width` channels, each
    before it twice as many, the first one as many as its output. Self-attention stands before the last block.

    Raises ValueError for another `size`, a `latent` that cannot be cut, noise of another size or type, and labels that
    are missing, of another length or type, or no classes. Source: tables 4 and 5 of the paper.
    """

    def __init__(
        self, latent: int = 128, out_channels: int = 3, *, num_classes: int = 10, width: int = 32, size: int = 32
    ) -> None:
        super().__init__()
        name = "BigGANGenerator"
        check_positive(name, latent=latent, out_channels=out_channels, num_classes=num_classes, width=width)
        count = halvings(size, 8, name) + 1
        if latent % (count + 1):
            raise ValueError(
                f"{name} was given latent={latent}, which it would cut in {count + 1} equal parts; give a multiple of "
                f"{count + 1}."
            )
        self.latent, self.num_classes, self.part = latent, num_classes, latent // (count + 1)
        widths = [width * 2 ** (count - 1), *(width * 2**i for i in reversed(range(count)))]
        self.embedding = _orthogonal(nn.Embedding(num_classes, EMBEDDING))
        self.seed = bounded(nn.Linear(self.part, 16 * widths[0]))
        self.blocks = nn.ModuleList(ConditionalUpBlock(a, b, EMBEDDING + self.part) for a, b in pairwise(widths))
        self.attention = SelfAttention(widths[-2], norm=spectral_norm)
        self.norm, self.head = nn.BatchNorm2d(width), bounded(nn.Conv2d(width, out_channels, 3, padding=1))

    def forward(self, z: torch.Tensor, labels: torch.Tensor | None = None) -> torch.Tensor:
        check_latent(z, self.latent, self)
        check_labels(labels, len(z), self.num_classes, self)
        first, *parts = z.split(self.part, dim=1)
        x, of_class = self.seed(first).unflatten(1, (-1, 4, 4)), self.embedding(labels)
        for block, part in zip(self.blocks, parts, strict=True):
            x = self.attention(x) if block is self.blocks[-1] else x
            x = block(x, torch.cat([of_class, part], dim=1))
        return self.head(F.relu(self.norm(x))).tanh()


class BigGANDiscriminator(nn.Module):
    """Images `[N, in_channels, size, size]` in [-1, 1], labels `[N]` → logits `[N]`; `size` is 16, 32, …

    A `DownBlock` for each halving to 4×4, the first of `width` channels, each further one of twice as many, and one
    more; self-attention after the first. Of the sum over places h the logit is `w·h + b + e(label)·h`: how real it is,
    and how much of the class (the projection of Miyato and Koyama, 1802.05637, equation 3).

    Raises ValueError for another `size`, images of another shape or type, and labels that are missing, of another
    length or type, or no classes. Source: tables 4 and 5 of the paper.
    """

    def __init__(self, in_channels: int = 3, *, num_classes: int = 10, width: int = 32, size: int = 32) -> None:
        super().__init__()
        check_positive("BigGANDiscriminator", in_channels=in_channels, num_classes=num_classes, width=width)
        self.shape, self.num_classes = (in_channels, size, size), num_classes
        widths = [in_channels, *(width * 2**i for i in range(halvings(size, 8, "BigGANDiscriminator") + 1))]
        self.blocks = nn.ModuleList(
            DownBlock(a, b, bounded, down=True, first=i == 0) for i, (a, b) in enumerate(pairwise(widths))
        )
        self.blocks.append(DownBlock(widths[-1], widths[-1], bounded, down=False))
        self.attention = SelfAttention(width, norm=spectral_norm)
        self.head = bounded(nn.Linear(widths[-1], 1))
        self.embedding = bounded(nn.Embedding(num_classes, widths[-1]))

    def forward(self, x: torch.Tensor, labels: torch.Tensor | None = None) -> torch.Tensor:
        check_shape(x, self.shape, self)
        check_labels(labels, len(x), self.num_classes, self)
        x = self.attention(self.blocks[0](x))
        for block in self.blocks[1:]:
            x = block(x)
        seen = F.relu(x).sum((2, 3))
        return self.head(seen).squeeze(1) + (self.embedding(labels) * seen).sum(1)


def biggan_128() -> tuple[BigGANGenerator, BigGANDiscriminator]:
    """Return the paper's pair for ImageNet at 128×128: 70,433,988 and 87,982,370 parameters; noise `[N, 120]`."""
    pair = {"num_classes": 1000, "width": 96, "size": 128}
    return BigGANGenerator(120, 3, **pair), BigGANDiscriminator(3, **pair)


def bounded(layer):
    """Draw a layer's weights as an orthogonal matrix, its biases as 0, and keep it from lengthening vectors."""
    return spectral_norm(_orthogonal(layer))


def _orthogonal(layer):
    nn.init.orthogonal_(layer.weight)
    if getattr(layer, "bias", None) is not None:
        nn.init.zeros_(layer.bias)
    return layer


def _enlarge(x: torch.Tensor) -> torch.Tensor:
    return F.interpolate(x, scale_factor=2, mode="nearest")
