"""Training a generator and a discriminator against each other."""

import functools
from collections.abc import Callable
from contextlib import contextmanager

import torch
from accelerate import Accelerator
from torch import Tensor, nn

from segen.data.common import check_numbers
from segen.losses import adversarial, check_no_batch_norm, gradient_penalty
from segen.training.running import check_batch, describe
from segen.training.trainer import Trainer


class GANTrainer(Trainer):
    """Train `generator` and `discriminator` on a dataset of pairs (image, label), in place.

    Each step updates the discriminator on one batch of real images and as many generated ones; each
    `critic_steps`-th also updates the generator, through the same generated images. `loss` is a kind of `adversarial`;
    `penalty` is the weight of the `gradient_penalty` (0: there is none). Both networks are handed the labels of the
    real images, which those without classes do not look at. `average` is the decay of the generator's averaged
    weights, of which `sample` draws (0: there are none). `grow(step)` gives the level of networks that grow, as
    ProGAN's do; real images are then shrunk to it. The optimiser is Adam with `betas`; the other arguments are those of
    `Trainer`.

    Logged are `discriminator_loss`, `generator_loss` and `penalty`, the mean logits `real` and `fake`, and
    `gradient_norm_discriminator`, `gradient_norm_generator`.

    Raises ValueError for a `loss` that there is not, numbers out of range, and images that are not of the size that
    the generator draws.
    """

    def __init__(
        self,
        generator: nn.Module,
        discriminator: nn.Module,
        *,
        loss: str = "nonsaturating",
        critic_steps: int = 1,
        penalty: float = 0.0,
        lr: float | dict[str, float] = 2e-4,
        betas: tuple[float, float] = (0.5, 0.999),
        seed: int = 0,
        warmup: int = 0,
        decay: int | None = None,
        clip: float | None = None,
        average: float = 0.999,
        grow: Callable[[int], float] | None = None,
        channels_last: bool = True,
        accelerator: Accelerator | None = None,
    ):
        self.of_discriminator, self.of_generator = adversarial(loss)
        check_numbers(critic_steps=(critic_steps, 1))
        if not penalty >= 0:
            raise ValueError(f"penalty={penalty!r} was given; give the weight of the gradient penalty, 0 or more.")
        if penalty:
            check_no_batch_norm(discriminator)
        if not isinstance(getattr(generator, "latent", None), int):
            raise ValueError(
                f"The generator ({type(generator).__name__}) has no attribute latent; give it one: how many numbers of "
                "noise it reads."
            )
        if grow is not None and not all(hasattr(network, "level") for network in (generator, discriminator)):
            raise ValueError("grow was given, but not both networks have a level; give ProGAN's, or grow=None.")
        super().__init__(
            {"generator": generator, "discriminator": discriminator},
            lr=lr,
            seed=seed,
            optimizer=functools.partial(torch.optim.Adam, betas=tuple(map(float, betas))),
            warmup=warmup,
            decay=decay,
            clip=clip,
            averages={"generator": average} if average else None,
            channels_last=channels_last,
            accelerator=accelerator,
        )
        self.critic_steps, self.penalty, self.grow = critic_steps, penalty, grow
        self._settings |= {"loss": loss, "critic_steps": critic_steps, "penalty": penalty, "grow": describe(grow)}

    def step(self, batch: tuple[Tensor, Tensor]) -> dict[str, Tensor]:
        """Update the discriminator, and in its turn the generator, on a batch (images `[N, C, H, W]`, labels `[N]`)."""
        real, labels = self._checked(batch)
        real = real if self.grow is None else self._shrink(real)
        generators_turn = self._is_generators_turn(self.step_number)
        z = torch.randn(len(real), self.unwrapped("generator").latent, device=real.device)
        with torch.set_grad_enabled(generators_turn):
            fake = self.models["generator"](z, labels)
        if fake.shape != real.shape:
            raise ValueError(
                f"The generator draws {list(fake.shape[1:])}, and the real images are {list(real.shape[1:])}; bring "
                "the data to the size and the channels that it draws."
            )
        critic = self.models["discriminator"]
        scores = critic(real, labels), critic(fake.detach(), labels)
        loss = self.of_discriminator(*scores)
        logged = {"discriminator_loss": loss, "real": scores[0].mean(), "fake": scores[1].mean()}
        if self.penalty:
            logged["penalty"] = gradient_penalty(self._in_full_precision(), real, fake, labels=labels)
            loss = loss + self.penalty * logged["penalty"]
        logged["gradient_norm_discriminator"] = self.descend("discriminator", loss)
        if generators_turn:
            critic = self.unwrapped("discriminator")
            with frozen(critic):
                logged["generator_loss"] = loss = self.of_generator(critic(fake, labels))
                logged["gradient_norm_generator"] = self.descend("generator", loss)
        return logged

    @torch.no_grad()
    def sample(self, n: int, *, seed: int, truncation: float | None = None, labels: Tensor | None = None) -> Tensor:
        """Return `n` images drawn by the averaged generator in evaluation mode: float32 `[n, C, H, W]` on the CPU.

        The noise is normal, a function of `seed`; with `truncation` what lies further from 0 than that is drawn again.
        Without `labels`, a generator with classes draws them in turn, 0, 1, 2, …

        Raises ValueError if `n` or `truncation` is not above 0, or if there is not one label an image.
        """
        check_numbers(n=(n, 1), seed=(seed, 0))
        if truncation is not None and not truncation > 0:
            raise ValueError(f"truncation={truncation!r} was given; give the bound of the noise, above 0, or None.")
        if labels is None:
            labels = torch.arange(n) % getattr(self.unwrapped("generator"), "num_classes", 1)
        if not isinstance(labels, Tensor) or labels.shape != (n,):
            given = list(labels.shape) if isinstance(labels, Tensor) else type(labels).__name__
            raise ValueError(f"sample was asked for {n} images and given labels {given}; give a tensor [{n}].")
        generator = self.averaged.get("generator", self.unwrapped("generator"))
        if self.grow is not None:
            self._set_level(max(0, self.step_number - 1))
        z, chance = torch.empty(n, generator.latent), torch.Generator().manual_seed(seed)
        if truncation is None:
            z.normal_(generator=chance)
        else:
            nn.init.trunc_normal_(z, a=-truncation, b=truncation, generator=chance)
        was_training, device = generator.training, self.accelerator.device
        generator.eval()
        try:
            with self.accelerator.autocast():
                parts = zip(z.split(64), labels.split(64), strict=True)
                return torch.cat([generator(a.to(device), b.to(device)).float().cpu() for a, b in parts])
        finally:
            generator.train(was_training)

    def _in_full_precision(self) -> Callable:
        """Return the discriminator without the autocast that Accelerate has put around its forward."""
        critic = self.unwrapped("discriminator")
        return getattr(critic, "_original_forward", critic)

    def _is_generators_turn(self, number: int) -> bool:
        return (number + 1) % self.critic_steps == 0

    def _average(self, number: int) -> None:
        if self._is_generators_turn(number):
            super()._average(number // self.critic_steps)

    def _shrink(self, real: Tensor) -> Tensor:
        """Return real images as small as the networks are at this step."""
        from segen.models.progan import shrink

        return shrink(real, self._set_level(self.step_number))

    def _set_level(self, number: int) -> float:
        """Set the level of a step on all networks that grow, and return it: like all else, it is the step's alone."""
        level = self.grow(number)
        for network in (*map(self.unwrapped, self.models), *self.averaged.values()):
            network.level = level
        return level

    def _checked(self, batch) -> tuple[Tensor, Tensor]:
        check_batch(batch)
        if len(batch) != 2 or not batch[0].is_floating_point():
            raise ValueError(
                "A GAN's batch is a pair: images or points as floats, and labels; let the dataset give such pairs, "
                "with the label 0 where there are no classes."
            )
        return tuple(batch)


@contextmanager
def frozen(network: nn.Module):
    """Ask for no gradient of the parameters of `network` meanwhile: the discriminator's own would be thrown away."""
    trained = [p for p in network.parameters() if p.requires_grad]
    for p in trained:
        p.requires_grad_(False)
    try:
        yield
    finally:
        for p in trained:
            p.requires_grad_(True)
