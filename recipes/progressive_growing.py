"""The stored table of the chapter on progressive growing: grown against direct, at equal processor time.

`python recipes/progressive_growing.py` trains the rows that `segen/assets/progressive_growing.json` lacks and adds
them there, one by one (`recipes/table.py` says how). Two rows of three seeds take about seven minutes of one slow core.
"""

import functools
import time

import torch
from table import fill
from torch import Tensor
from torch.nn import functional as F

from segen.data import RoadSigns
from segen.metrics import frechet_distance
from segen.models import ProGANDiscriminator, ProGANGenerator, pretrained
from segen.training import GANTrainer, History

LATENT, WIDTH, BATCH_SIZE, SIGNS, SAMPLES = 64, 8, 32, 1024, 512
HOLD, FADE, FIRST = 70, 40, 20
GAME = {"loss": "wasserstein", "penalty": 10.0, "lr": 1e-2, "betas": (0.0, 0.99), "average": 0.98}
# So many steps of each take about the same time of a processor, as the rows' `times` show.
STEPS = {"direct": 260, "grown": 390}
LOOKS = 5  # how often the distance is measured on the way
SEEDS = (0, 1, 2)
GRID = [{"way": way} for way in STEPS]


def grow(step: int) -> float:
    """Return the level of a step: HOLD steps at each, then FADE to the next; the last one is held for good."""
    stage, rest = divmod(step, HOLD + FADE)
    return float(min(3, stage + max(0, rest - HOLD) / FADE))


def direct(step: int) -> float:
    """Return the level of a network that does not grow."""
    return 3.0


def make(way: str, seed: int) -> GANTrainer:
    """Return the trainer of a row, with fresh networks."""
    torch.manual_seed(seed)
    pair = ProGANGenerator(LATENT, width=WIDTH), ProGANDiscriminator(width=WIDTH)
    return GANTrainer(*pair, **GAME, grow=grow if way == "grown" else direct, seed=seed)


@functools.cache
def signs() -> RoadSigns:
    """Return the set that all runs learn from; it keeps what it has drawn."""
    return RoadSigns(SIGNS, seed=0, view="plain")


def fit(trainer: GANTrainer, steps: int) -> History:
    """Train up to step `steps` on the signs of the chapter."""
    return trainer.fit(signs(), steps=steps, batch_size=BATCH_SIZE, every=FIRST, progress=False)


@torch.no_grad()
def features(images: Tensor) -> tuple[Tensor, Tensor]:
    """Return what Part I's classifier makes of images, enlarged to 32×32: features `[N, 64]`, probabilities `[N]`."""
    judge = pretrained("roadsigns")
    maps = judge.features(F.interpolate(images, size=32, mode="nearest"))[-1]
    return maps.mean((2, 3)), judge.head(maps).softmax(1)


def run(task: tuple[dict, int]) -> dict:
    """Train and score one (settings, seed); all times are those of the processor, without what measuring takes."""
    torch.set_num_threads(1)
    settings, seed = task
    trainer, steps = make(settings["way"], seed), STEPS[settings["way"]]
    held_out = RoadSigns(SAMPLES, seed=1, view="plain")
    real, _ = features(torch.stack([held_out[i][0] for i in range(SAMPLES)]))
    for i in range(SIGNS):  # drawn beforehand, for the clock's sake
        signs()[i]
    seconds, times, distances = 0.0, [], []
    for look in range(1, LOOKS + 1):
        started = time.process_time()
        history = fit(trainer, steps * look // LOOKS)
        seconds += time.process_time() - started
        drawn, probabilities = features(trainer.sample(SAMPLES, seed=1))
        times.append(seconds)
        distances.append(frechet_distance(real, drawn))
    surest, classes = probabilities.max(1)
    counts = classes[surest > 0.9].bincount(minlength=10)
    return {
        "steps": steps,
        "frechet": distances[-1],
        "modes": int((counts >= SAMPLES // 100).sum()),
        "recognised": counts.tolist(),
        "first_loss": history.discriminator_loss[0],
        "times": times,
        "distances": distances,
        "seconds": seconds,
    }


if __name__ == "__main__":
    FIXED = {"data": "RoadSigns, plain", "size": 32, "batch_size": BATCH_SIZE, "width": WIDTH, "latent": LATENT}
    FIXED |= {"samples": SAMPLES, "hold": HOLD, "fade": FADE, "loss": GAME["loss"], "lr": GAME["lr"]}
    fill("progressive_growing", GRID, run, seeds=SEEDS, fixed=FIXED)
