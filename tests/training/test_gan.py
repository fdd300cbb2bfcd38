"""The GAN's trainer against a loop in full view, and what it draws."""

import subprocess
import sys

import pytest
import torch
from torch import nn
from torch.nn import functional as F

from segen.data import batches
from segen.data.loading import derive_seed
from segen.models import DCGANDiscriminator, DCGANGenerator, MLPDiscriminator, MLPGenerator
from segen.training import GANTrainer


class Ring(torch.utils.data.Dataset):
    """Forty points on a circle."""

    def __len__(self):
        return 40

    def __getitem__(self, index):
        angle = torch.tensor(index / 40 * 2 * torch.pi)
        return torch.stack([angle.cos(), angle.sin()]), index % 4


def pair():
    torch.manual_seed(0)
    return MLPGenerator(3, 2, width=8, size=None), MLPDiscriminator(2, width=8, size=None)


def states(*networks):
    return [value.clone() for network in networks for value in network.state_dict().values()]


def test_it_is_the_loop_that_everybody_writes():
    """Non-saturating, one step each, by hand: the losses from torch's own binary cross-entropy."""
    generator, discriminator = pair()
    trainer = GANTrainer(generator, discriminator, lr=1e-2, seed=4, average=0.0)
    history = trainer.fit(Ring(), steps=6, batch_size=8, every=1, progress=False)

    theirs = pair()
    adam = [torch.optim.Adam(network.parameters(), lr=1e-2, betas=(0.5, 0.999)) for network in theirs]
    bce, stream = F.binary_cross_entropy_with_logits, batches(Ring(), 8, seed=4)
    for step in range(6):
        real, _ = next(stream)
        torch.manual_seed(derive_seed(4, step, 0))
        fake = theirs[0](torch.randn(8, 3))
        logits = theirs[1](real), theirs[1](fake.detach())
        loss = bce(logits[0], torch.ones(8)) + bce(logits[1], torch.zeros(8))
        adam[1].zero_grad(), loss.backward(), adam[1].step()
        assert history.discriminator_loss[step] == pytest.approx(loss.item(), rel=1e-5)
        assert history.real[step] == pytest.approx(logits[0].mean().item(), rel=1e-4, abs=1e-6)
        assert history.fake[step] == pytest.approx(logits[1].mean().item(), rel=1e-4, abs=1e-6)
        loss = bce(theirs[1](fake), torch.ones(8))
        adam[0].zero_grad(), loss.backward(), adam[0].step()
        assert history.generator_loss[step] == pytest.approx(loss.item(), rel=1e-5)
    for a, b in zip(states(generator, discriminator), states(*theirs), strict=True):
        torch.testing.assert_close(a, b, rtol=1e-4, atol=1e-6)
    assert not hasattr(history, "penalty")


def test_the_generator_waits_for_its_turn():
    generator, discriminator = pair()
    trainer, seen = GANTrainer(generator, discriminator, loss="wasserstein", penalty=10.0, critic_steps=3), []

    def look(trainer):
        seen.append([states(network)[0] for network in (generator, discriminator, trainer.averaged["generator"])])

    trainer.fit(Ring(), steps=7, batch_size=8, every=1, progress=False, callback=look)
    for a, b, number in zip(seen, seen[1:], range(1, 7), strict=False):
        turn = (number + 1) % 3 == 0
        assert torch.equal(a[0], b[0]) != turn
        assert torch.equal(a[2], b[2]) != turn, "averaged weights move with the generator only"
        assert not torch.equal(a[1], b[1])
    nan = [value != value for value in trainer.history.generator_loss]
    assert nan == [True, True, False, True, True, False, True]
    assert all(value > 0 for value in trainer.history.penalty)
    assert all(p.requires_grad for p in discriminator.parameters())


def test_frozen_weights_of_the_discriminator_stay_frozen():
    generator, discriminator = pair()
    discriminator.layers[0].weight.requires_grad_(False)
    before = discriminator.layers[0].weight.clone()
    GANTrainer(generator, discriminator).fit(Ring(), steps=2, batch_size=8, progress=False)
    assert torch.equal(discriminator.layers[0].weight, before)
    assert not discriminator.layers[0].weight.requires_grad


class Echo(nn.Module):
    """Draws its noise and its labels."""

    latent, num_classes = 4, 3

    def __init__(self):
        super().__init__()
        self.scale, self.norm = nn.Parameter(torch.ones(())), nn.BatchNorm1d(4, affine=False)

    def forward(self, z, labels=None):
        if not self.training:
            return torch.cat([self.scale * z, labels[:, None].float()], dim=1)
        return torch.cat([self.norm(z) * self.scale, labels[:, None].float()], dim=1)


def test_samples_are_a_function_of_the_seed():
    trainer = GANTrainer(Echo(), MLPDiscriminator(5, width=4, size=None))
    torch.manual_seed(9)
    before = torch.random.get_rng_state()
    drawn = trainer.sample(150, seed=1)
    assert torch.equal(torch.random.get_rng_state(), before)
    assert drawn.shape == (150, 5)
    assert drawn.device.type == "cpu"
    assert torch.equal(drawn[:, 4], torch.arange(150).float() % 3), "classes in turn"
    assert torch.equal(trainer.sample(150, seed=1), drawn)
    assert not torch.equal(trainer.sample(150, seed=2), drawn)
    labels = torch.full((150,), 2)
    assert (trainer.sample(150, seed=1, labels=labels)[:, 4] == 2).all()


@pytest.mark.parametrize("bound", [0.3, 1.0])
def test_truncated_noise_is_noise_that_was_drawn_again(bound):
    """Against the same by hand: draw until it lies within; both have the truncated normal's deviation."""
    trainer = GANTrainer(Echo(), MLPDiscriminator(5, width=4, size=None), average=0.0)
    z = trainer.sample(20_000, seed=3, truncation=bound)[:, :4]
    assert z.abs().max() <= bound
    again = torch.randn(2_000_000, generator=torch.Generator().manual_seed(0))
    again = again[again.abs() <= bound]
    assert z.std().item() == pytest.approx(again.std().item(), rel=0.01)
    assert abs(z.mean().item()) < 0.01 * bound * 3
    assert trainer.sample(20_000, seed=3)[:, :4].std().item() == pytest.approx(1.0, rel=0.01)


def test_images_are_drawn_in_evaluation_mode_by_the_average():
    torch.manual_seed(0)
    generator = DCGANGenerator(5, 3, width=2, size=8)
    trainer = GANTrainer(generator, DCGANDiscriminator(3, width=2, size=8), lr=1e-2)

    class Pictures(Ring):
        def __getitem__(self, index):
            return torch.full((3, 8, 8), index / 40), 0

    drawn = []
    trainer.fit(
        Pictures(), steps=3, batch_size=8, progress=False, every=3, callback=lambda t: drawn.append(t.sample(5, seed=0))
    )
    assert drawn[0].shape == (5, 3, 8, 8)
    averaged = trainer.averaged["generator"]
    z = torch.empty(5, 5).normal_(generator=torch.Generator().manual_seed(0))
    torch.testing.assert_close(averaged(z), drawn[0])
    assert (generator(z) - drawn[0]).abs().max() > 1e-4
    assert not averaged.training
    alone = trainer.sample(2, seed=0)
    torch.testing.assert_close(
        alone[:1], averaged(torch.empty(2, 5).normal_(generator=torch.Generator().manual_seed(0)))[:1]
    )


def test_the_penalty_stays_in_float32_under_bf16():
    """In a process of its own: a precision is chosen once."""
    code = """
import torch
from accelerate import Accelerator
from segen.models import MLPDiscriminator, MLPGenerator
from segen.training import GANTrainer
from segen.training import gan
seen = []
class Critic(MLPDiscriminator):
    def forward(self, x, labels=None):
        y = super().forward(x)
        seen.append((y.dtype, torch.is_autocast_enabled("cpu")))
        return y
accelerator = Accelerator(mixed_precision="bf16", cpu=True)
trainer = GANTrainer(MLPGenerator(3, 2, width=8, size=None), Critic(2, width=8, size=None), loss="wasserstein",
                     penalty=10.0, accelerator=accelerator)
trainer.fit([(torch.randn(2), 0)] * 8, steps=1, batch_size=4, progress=False)
print(seen)
print(trainer.sample(2, seed=0).dtype)
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=300)
    half, whole = "(torch.bfloat16, True)", "(torch.float32, False)"
    assert done.stdout.splitlines() == [f"[{half}, {half}, {whole}, {half}]", "torch.float32"], (
        done.stdout + done.stderr
    )


def test_refuses_what_does_not_fit():
    generator, discriminator = pair()
    for bad, message in [
        ({"loss": "hinges"}, "adversarial was given 'hinges'; the kinds there are"),
        ({"critic_steps": 0}, "critic_steps=0 was given; give a whole number, 1 or more"),
        ({"penalty": -1.0}, r"penalty=-1\.0 was given; give the weight of the gradient penalty"),
        ({"penalty": float("nan")}, "penalty=nan was given"),
        ({"grow": lambda step: 1.0}, "not both networks have a level"),
        ({"lr": {"generator": 1e-3}}, "give one rate above 0, or one for each of generator, discriminator"),
    ]:
        with pytest.raises(ValueError, match=message):
            GANTrainer(generator, discriminator, **bad)
    with pytest.raises(ValueError, match=r"The generator \(Linear\) has no attribute latent"):
        GANTrainer(nn.Linear(2, 2), discriminator)
    with pytest.raises(ValueError, match="DCGANDiscriminator, which has batch norm"):
        GANTrainer(DCGANGenerator(4, width=1), DCGANDiscriminator(width=1), loss="wasserstein", penalty=10.0)
    trainer = GANTrainer(generator, discriminator)
    with pytest.raises(ValueError, match=r"The generator draws \[2\], and the real images are \[3\]; bring the data"):
        trainer.fit([(torch.zeros(3), 0)] * 4, steps=1, batch_size=2, progress=False)
    with pytest.raises(ValueError, match=r"A GAN's batch is a pair: .* label 0 where"):
        trainer.fit([(torch.zeros(2).long(), 0)] * 4, steps=1, batch_size=2, progress=False)
    for bad, message in [
        ({"n": 0}, "n=0 was given"),
        ({"n": 2, "truncation": 0.0}, r"truncation=0\.0 was given; give the bound"),
        ({"n": 2, "labels": torch.zeros(3).long()}, r"sample was asked for 2 images and given labels \[3\]"),
        ({"n": 2, "labels": [0, 1]}, "given labels list"),
    ]:
        with pytest.raises(ValueError, match=message):
            trainer.sample(**bad, seed=0)
