"""What does GANTrainer's step cost beside the loop of the well-known DCGAN example, with its networks?"""

import functools
import statistics
from collections.abc import Callable

import torch
from measuring import Row, interleave, spread
from torch import nn

from segen.models import dcgan_64
from segen.training import GANTrainer

BATCH_SIZE, LR, BETAS = 32, 2e-4, (0.5, 0.999)


class Pictures(torch.utils.data.Dataset):
    """So many pictures of noise at 64×64, made once: what they show costs no time."""

    def __init__(self, length: int) -> None:
        self.pictures = torch.rand(length, 3, 64, 64, generator=torch.Generator().manual_seed(0)) * 2 - 1

    def __len__(self) -> int:
        return len(self.pictures)

    def __getitem__(self, index: int) -> tuple[torch.Tensor, int]:
        return self.pictures[index], 0


def by_example(data: Pictures, *, steps: int) -> Callable[[], None]:
    """Return a block of `steps` steps as the example takes them.

    That is: a sigmoid and binary cross-entropy, a backward pass for the real and one for the generated images, then
    the generator's through the whole discriminator, whose own gradients are thrown away, and five numbers read each
    step. Batches come from a DataLoader.
    """
    torch.manual_seed(0)
    generator, discriminator = dcgan_64()
    loss = nn.BCELoss()
    of_d = torch.optim.Adam(discriminator.parameters(), lr=LR, betas=BETAS)
    of_g = torch.optim.Adam(generator.parameters(), lr=LR, betas=BETAS)
    loader = torch.utils.data.DataLoader(data, BATCH_SIZE, shuffle=True, drop_last=True)
    logged = []

    def block() -> None:
        done = 0
        while done < steps:
            for real, _ in loader:
                discriminator.zero_grad()
                ones, zeros = torch.ones(len(real)), torch.zeros(len(real))
                p_real = discriminator(real).sigmoid()
                loss_real = loss(p_real, ones)
                loss_real.backward()
                fake = generator(torch.randn(len(real), generator.latent))
                p_fake = discriminator(fake.detach()).sigmoid()
                loss_fake = loss(p_fake, zeros)
                loss_fake.backward()
                of_d.step()
                generator.zero_grad()
                p = discriminator(fake).sigmoid()
                loss_g = loss(p, ones)
                loss_g.backward()
                of_g.step()
                numbers = (loss_real + loss_fake, loss_g, p_real.mean(), p_fake.mean(), p.mean())
                logged.append([number.item() for number in numbers])
                done += 1
                if done == steps:
                    break

    return block


def by_trainer(data: Pictures, *, steps: int, average: float) -> Callable[[], None]:
    """Return a block of `steps` steps of the trainer with the same networks and the same game."""
    torch.manual_seed(0)
    trainer = GANTrainer(*dcgan_64(), lr=LR, betas=BETAS, average=average)

    def block() -> None:
        trainer.fit(data, steps=trainer.step_number + steps, batch_size=BATCH_SIZE, progress=False)

    return block


def measure(seconds: float = 120.0, *, rounds: int = 7, steps: int = 3) -> list[Row]:
    """Return the rows of the trainer's time over the example's, in blocks of `steps` steps."""
    data = Pictures(4 * BATCH_SIZE)
    make = functools.partial(by_trainer, data, steps=steps)
    sides = {"trainer": make(average=0.0), "example": by_example(data, steps=steps), "averaging": make(average=0.999)}
    times = interleave(sides, seconds=seconds, rounds=rounds)
    ratios = times.ratios("trainer", "example")
    averaging = times.ratios("averaging", "example")
    milliseconds = [1000 * t / steps for t in times.wall["example"]]
    met = statistics.median(ratios) <= 1.0
    return [
        Row("GANTrainer over the DCGAN example's loop, time", spread(ratios, ".3f"), "at most 1", met, times.busy),
        Row("the same with averaged weights, which the example lacks", spread(averaging, ".3f"), busy=times.busy),
        Row("the example's step at 64×64, batch 32, ms", spread(milliseconds, ".0f"), busy=times.busy),
    ]
