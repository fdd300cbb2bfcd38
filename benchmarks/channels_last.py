"""Does storing channels innermost pay? A training step of U-Net at 64×64, with and without."""

from collections.abc import Callable

import torch
from measuring import Row, interleave, spread

from segen.losses import cross_entropy
from segen.models import UNet


def training(memory_format: torch.memory_format, *, steps: int) -> Callable[[], None]:
    """Return a block of `steps` training steps with images and weights in that format."""
    torch.manual_seed(0)
    network = UNet(3, 8).to(memory_format=memory_format).train()
    optimizer = torch.optim.AdamW(network.parameters())
    images = torch.randn(8, 3, 64, 64).contiguous(memory_format=memory_format)
    masks = torch.randint(8, (8, 64, 64))

    def block() -> None:
        for _ in range(steps):
            optimizer.zero_grad()
            cross_entropy(network(images), masks).backward()
            optimizer.step()

    return block


def measure(seconds: float = 40.0, *, rounds: int = 7, steps: int = 15) -> list[Row]:
    """Return the row of the time without over the time with `channels_last`."""
    formats = {"without": torch.contiguous_format, "with": torch.channels_last}
    sides = {name: training(memory_format, steps=steps) for name, memory_format in formats.items()}
    times = interleave(sides, seconds=seconds, rounds=rounds)
    ratios = times.ratios("without", "with")
    return [Row("U-Net step without channels_last over with, time", spread(ratios), busy=times.busy)]
