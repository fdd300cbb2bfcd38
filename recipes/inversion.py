"""The stored table of the chapter on inversion: generators of other latent sizes, and one that never saw a stop sign.

`python recipes/inversion.py` trains the rows that `segen/assets/inversion.json` lacks and adds them there, one by one
(`recipes/table.py` says how). Four rows of three seeds take about eight minutes of one slow core.
"""

import functools
import time

import torch
from table import fill
from torch import Tensor, nn
from torch.func import jacfwd, vmap
from torch.utils.data import Dataset

from segen.data import RoadSigns
from segen.metrics import frechet_distance
from segen.models import DCGANDiscriminator, DCGANGenerator, pretrained
from segen.training import GANTrainer, History

STEPS, BATCH_SIZE, LR, SIGNS, JUDGED, FIRST = 400, 32, 1e-3, 2000, 1000, 50
WIDTH, AVERAGE = 16, 0.99
STARTS, DESCENT, RATE, EACH = 2, 100, 0.1, 6  # inverting: starts, steps of Adam, its first rate, signs of each class
FEW, DAMPED = 4, 30  # by Levenberg and Marquardt: drawn images, steps
STOP = 1  # the class that one row leaves out
SEEDS = (0, 1, 2)
GRID = [{"latent": latent, "left_out": None} for latent in (2, 8, 64)] + [{"latent": 64, "left_out": STOP}]


class Some(Dataset):
    """The road signs of all classes but the one that is `left_out`."""

    def __init__(self, left_out: int | None) -> None:
        self.signs = RoadSigns(SIGNS, seed=0, view="plain")
        self.kept = [i for i in range(SIGNS) if self.signs[i][1] != left_out]

    def __len__(self) -> int:
        return len(self.kept)

    def __getitem__(self, index: int) -> tuple[Tensor, int]:
        return self.signs[self.kept[index]]


@functools.cache
def signs(left_out: int | None) -> Some:
    """Return what is trained on."""
    return Some(left_out)


@functools.cache
def targets() -> Tensor:
    """Return held-out signs to be found again, `EACH` of each class, class by class."""
    found: list[list[Tensor]] = [[] for _ in range(10)]
    for image, label in RoadSigns(40 * EACH, seed=1, view="plain"):
        found[label].append(image)
    return torch.cat([torch.stack(images[:EACH]) for images in found])


def fit(settings: dict, seed: int, *, steps: int = STEPS) -> tuple[GANTrainer, History]:
    """Train a run for the first `steps` of its steps; return the trainer and its history."""
    torch.manual_seed(seed)
    pair = DCGANGenerator(settings["latent"], 3, width=WIDTH), DCGANDiscriminator(3, width=WIDTH)
    trainer = GANTrainer(*pair, lr=LR, average=AVERAGE, seed=seed)
    data = signs(settings["left_out"])
    history = trainer.fit(data, steps=steps, batch_size=BATCH_SIZE, every=FIRST, progress=False)
    return trainer, history


def invert(generator: nn.Module, images: Tensor, starts: Tensor, steps: int = DESCENT) -> tuple[Tensor, Tensor]:
    """Follow each start `[N, latent]` downhill to its image `[N, C, H, W]`; return noises and PSNR `[N]`."""
    z = starts.clone().requires_grad_()
    adam = torch.optim.Adam([z], lr=RATE)
    for step in range(steps):
        adam.param_groups[0]["lr"] = RATE * (1 - step / steps)
        error = (generator(z) - images).square().mean((1, 2, 3))
        (z.grad,) = torch.autograd.grad(error.sum(), z)
        adam.step()
    with torch.no_grad():
        error = (generator(z) - images).square().mean((1, 2, 3))
    return z.detach(), 10 * torch.log10(4 / error)


def best(generator: nn.Module, images: Tensor, seed: int) -> Tensor:
    """Return the best PSNR `[N]` that one of `STARTS` starts reaches for each image."""
    starts = torch.randn(STARTS * len(images), generator.latent, generator=torch.Generator().manual_seed(seed))
    _, found = invert(generator, images.repeat(STARTS, 1, 1, 1), starts)
    return found.view(STARTS, -1).max(0).values


@torch.no_grad()
def damped(generator: nn.Module, images: Tensor, starts: Tensor, steps: int = DAMPED) -> Tensor:
    """Return the PSNR `[N]` that Levenberg's and Marquardt's steps reach from each start `[N, latent]`."""
    jacobian = vmap(jacfwd(lambda z: generator(z[None]).flatten()))
    z, damping = starts.clone(), torch.ones(len(starts))
    rest = (generator(z) - images).flatten(1)
    for _ in range(steps):
        J = jacobian(z)
        normal = J.mT @ J + damping[:, None, None] * torch.eye(z.shape[1])
        tried = z - torch.linalg.solve(normal, J.mT @ rest[:, :, None])[:, :, 0]
        left = (generator(tried) - images).flatten(1)
        better = left.square().sum(1) < rest.square().sum(1)
        z, rest = torch.where(better[:, None], tried, z), torch.where(better[:, None], left, rest)
        damping = torch.where(better, damping / 3, damping * 3).clamp(1e-6, 1e6)
    return 10 * torch.log10(4 / rest.square().mean(1).clamp(min=1e-15))


@torch.no_grad()
def features(images: Tensor) -> Tensor:
    """Return features `[N, 64]` of images by Part I's classifier of road signs."""
    judge = pretrained("roadsigns")
    return torch.cat([judge.features(part)[-1].mean((2, 3)) for part in images.split(250)])


@functools.cache
def held_out() -> Tensor:
    return features(torch.stack([image for image, _ in RoadSigns(JUDGED, seed=2, view="plain")]))


def run(task: tuple[dict, int]) -> dict:
    """Train a generator, and invert what it drew and what it never saw; the seconds are those of the processor."""
    torch.set_num_threads(1)
    settings, seed = task
    started = time.process_time()
    trainer, history = fit(settings, seed)
    generator = trainer.averaged["generator"].eval().requires_grad_(False)
    own = trainer.sample(4 * EACH, seed=seed)
    real = best(generator, targets(), seed)
    starts = torch.randn(FEW * STARTS, generator.latent, generator=torch.Generator().manual_seed(seed + 2))
    exact = damped(generator, own[:FEW].repeat(STARTS, 1, 1, 1), starts).view(STARTS, -1).max(0).values
    return {
        "damped": exact.tolist(),
        "own": best(generator, own, seed + 1).median().item(),
        "real": real.median().item(),
        "classes": real.view(10, EACH).median(1).values.tolist(),
        "frechet": frechet_distance(held_out(), features(trainer.sample(JUDGED, seed=seed))),
        "parameters": sum(p.numel() for p in generator.parameters()),
        "first_losses": history.discriminator_loss[0],
        "seconds": time.process_time() - started,
    }


if __name__ == "__main__":
    FIXED = {"steps": STEPS, "batch_size": BATCH_SIZE, "lr": LR, "signs": SIGNS, "judged": JUDGED, "width": WIDTH}
    FIXED |= {"starts": STARTS, "descent": DESCENT, "rate": RATE, "each": EACH, "few": FEW}
    FIXED |= {"damped_steps": DAMPED, "features": "roadsigns"}
    fill("inversion", GRID, run, seeds=SEEDS, fixed=FIXED)
