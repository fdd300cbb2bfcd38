"""A GAN of fully connected layers (Goodfellow et al., NeurIPS 2014, 1406.2661), for points and for images."""

from math import prod

import torch
from torch import nn

from segen.layers import check_latent, check_positive, check_shape


class MLPGenerator(nn.Module):
    """Noise `[N, latent]` → points `[N, out_channels]`, or images `[N, out_channels, size, size]` in [-1, 1].

    Three hidden layers of `width` units with ReLU. With `size=None` there is no tanh at the end, since points lie
    anywhere. Labels are not looked at.

    Raises ValueError for noise of another size or type. Source: section 5 of the paper, which has other widths.
    """

    def __init__(self, latent: int = 128, out_channels: int = 3, *, width: int = 128, size: int | None = 32) -> None:
        super().__init__()
        check_positive("MLPGenerator", latent=latent, out_channels=out_channels, width=width, size=size or 1)
        self.latent = latent
        self.shape = (out_channels,) if size is None else (out_channels, size, size)
        self.layers = _mlp(latent, width, prod(self.shape), nn.ReLU)
        self.squash = nn.Identity() if size is None else nn.Tanh()

    def forward(self, z: torch.Tensor, labels: torch.Tensor | None = None) -> torch.Tensor:
        check_latent(z, self.latent, self)
        return self.squash(self.layers(z)).unflatten(1, self.shape)


class MLPDiscriminator(nn.Module):
    """Points `[N, in_channels]`, or images `[N, in_channels, size, size]`, → logits `[N]`.

    Three hidden layers of `width` units with leaky ReLU. `size=None` is for points. Labels are not looked at.

    Raises ValueError for another shape or type. Source: as `MLPGenerator`; the paper's hidden units are maxout.
    """

    def __init__(self, in_channels: int = 3, *, width: int = 128, size: int | None = 32) -> None:
        super().__init__()
        check_positive("MLPDiscriminator", in_channels=in_channels, width=width, size=size or 1)
        self.shape = (in_channels,) if size is None else (in_channels, size, size)
        self.layers = _mlp(prod(self.shape), width, 1, lambda: nn.LeakyReLU(0.2))

    def forward(self, x: torch.Tensor, labels: torch.Tensor | None = None) -> torch.Tensor:
        check_shape(x, self.shape, self)
        return self.layers(x.flatten(1)).squeeze(1)


def _mlp(inputs: int, width: int, outputs: int, activation) -> nn.Sequential:
    layers = [nn.Linear(inputs, width), activation()]
    for _ in range(2):
        layers += [nn.Linear(width, width), activation()]
    return nn.Sequential(*layers, nn.Linear(width, outputs))
