"""The stored table of the chapter on spectral normalisation: learning rates and bounds of the discriminator.

`python recipes/spectral_normalisation.py` trains the rows that `segen/assets/spectral_normalisation.json` lacks and
adds them there, one by one (`recipes/table.py` says how). Fifteen rows of three seeds take about ten minutes of one
core.
"""

import time

import torch
from scipy.optimize import linear_sum_assignment
from table import fill
from torch import Tensor, nn
from torch.nn import functional as F
from torch.nn.utils.parametrizations import spectral_norm

from segen.data import RoadSigns
from segen.models import DCGANGenerator, pretrained
from segen.training import GANTrainer, History

STEPS, BATCH_SIZE, FIRST, SIGNS, SAMPLES = 1000, 32, 20, 1024, 512
LATENT, WIDTH, SIZE = 32, 16, 16
PENALTY, CLIP = 10.0, 0.1
SEEDS = (0, 1, 2)
RATES = (2e-4, 1e-3, 5e-3)
BOUNDS = ("none", "clipping", "penalty", "spectral", "batch norm")
GRID = [{"bound": bound, "lr": lr} for bound in BOUNDS for lr in RATES]


class Critic(nn.Module):
    """Images `[N, 3, 16, 16]` → scores `[N]`: three convolutions, with batch norm or spectral norm if asked for."""

    def __init__(self, bound: str) -> None:
        super().__init__()
        convolutions = [
            nn.Conv2d(3, WIDTH, 4, 2, 1),
            nn.Conv2d(WIDTH, 2 * WIDTH, 4, 2, 1),
            nn.Conv2d(2 * WIDTH, 1, 4),
        ]
        if bound == "spectral":
            convolutions = [spectral_norm(convolution) for convolution in convolutions]
        norm = [nn.BatchNorm2d(2 * WIDTH)] if bound == "batch norm" else []
        first, second, last = convolutions
        self.layers = nn.Sequential(first, nn.LeakyReLU(0.2), second, *norm, nn.LeakyReLU(0.2), last)

    def forward(self, x: Tensor, labels: Tensor | None = None) -> Tensor:
        return self.layers(x).flatten()


class Clipping(GANTrainer):
    """A `GANTrainer` that brings all weights of the discriminator back into [-CLIP, CLIP] after each step."""

    def step(self, batch: tuple[Tensor, Tensor]) -> dict[str, Tensor]:
        logged = super().step(batch)
        with torch.no_grad():
            for p in self.models["discriminator"].parameters():
                p.clamp_(-CLIP, CLIP)
        return logged


def fit(settings: dict, seed: int, *, steps: int = STEPS) -> tuple[GANTrainer, History]:
    """Train a row's pair from `seed` for the first `steps` of its steps; return the trainer and its history."""
    bound = settings["bound"]
    torch.manual_seed(seed)
    trainer = (Clipping if bound == "clipping" else GANTrainer)(
        DCGANGenerator(LATENT, 3, width=WIDTH, size=SIZE),
        Critic(bound),
        loss="hinge",
        penalty=PENALTY if bound == "penalty" else 0.0,
        lr=settings["lr"],
        average=0.98,
        seed=seed,
    )
    signs = RoadSigns(SIGNS, size=SIZE, seed=0, view="plain")
    return trainer, trainer.fit(signs, steps=steps, batch_size=BATCH_SIZE, every=FIRST, progress=False)


def looked_at(images: Tensor) -> tuple[Tensor, Tensor]:
    """Return what Part I's classifier makes of the images, enlarged to 32×32: features `[N, 64]`, classes `[N]`."""
    classifier = pretrained("roadsigns").eval()
    with torch.no_grad():
        large = F.interpolate(images, size=32, mode="bilinear")
        return classifier.features(large)[-1].mean((2, 3)), classifier(large).argmax(1)


def slope(critic: nn.Module, real: Tensor, fake: Tensor) -> float:
    """Return the mean norm of the critic's gradient halfway between real and drawn images."""
    between = ((real + fake) / 2).requires_grad_()
    (gradient,) = torch.autograd.grad(critic(between).sum(), between)
    return gradient.flatten(1).norm(dim=1).mean().item()


def run(task: tuple[dict, int]) -> dict:
    """Train and score one (settings, seed); the seconds are those of the processor."""
    torch.set_num_threads(1)
    started = time.process_time()
    trainer, history = fit(*task)
    seconds = time.process_time() - started
    drawn = trainer.sample(SAMPLES, seed=1).clamp(-1, 1)
    held_out = RoadSigns(SAMPLES, size=SIZE, seed=1, view="plain")
    real = torch.stack([held_out[i][0] for i in range(SAMPLES)])
    (features, classes), (others, _) = looked_at(drawn), looked_at(real)
    distances = torch.cdist(features, others)
    counts = classes.bincount(minlength=10)
    return {
        "distance": distances[linear_sum_assignment(distances)].mean().item(),
        "modes": int((counts >= SAMPLES / 100).sum()),
        "slope": slope(trainer.models["discriminator"].eval(), real, drawn),
        "real": history.real[-1],
        "fake": history.fake[-1],
        "first_loss": history.discriminator_loss[0],
        "seconds": seconds,
    }


if __name__ == "__main__":
    FIXED = {"data": "RoadSigns, plain", "size": SIZE, "steps": STEPS, "batch_size": BATCH_SIZE, "width": WIDTH}
    FIXED |= {"samples": SAMPLES, "penalty": PENALTY, "clip": CLIP, "loss": "hinge"}
    fill("spectral_normalisation", GRID, run, seeds=SEEDS, fixed=FIXED)
