"""The stored table of the chapter on progressive growing: grown against direct, at equal processor time.

`python recipes/progressive_growing.py` trains the rows that `segen/assets/progressive_growing.json` lacks and adds
them there, one by one (`recipes/table.py` says how). Two rows of three seeds take about four minutes of one core.
"""

import functools
import time

import torch
from table import fill
from torch import Tensor
from torch.nn import functional as F

from segen.data import RoadSigns
from segen.metrics import frechet_distance, kernel_distance, precision_recall
from segen.models import ProGANDiscriminator, ProGANGenerator, pretrained
from segen.training import GANTrainer, History

LATENT, WIDTH, BATCH_SIZE, SIGNS, SAMPLES = 64, 8, 32, 1024, 512
STAGE, FIRST, PENALTY, LR = 100, 20, 10.0, 1e-3
# So many steps of each take about the same time of a processor, as the rows' `times` show.
STEPS = {"direct": 255, "grown": 440}
LOOKS = 7  # how often the distance is measured on the way
SEEDS = (0, 1, 2)
GRID = [{"way": way} for way in STEPS]


def grow(step: int) -> float:
    """Return the level of a step: STAGE steps at 4×4, then in each stage as many, the first half of them fading in."""
    stage, rest = divmod(step / STAGE, 1.0)
    return 0.0 if stage == 0 else min(3.0, stage - 1 + min(1.0, 2 * rest))


def direct(step: int) -> float:
    """Return the level of a network that does not grow."""
    return 3.0


def make(way: str, seed: int) -> GANTrainer:
    """Return the trainer of a row, with fresh networks."""
    torch.manual_seed(seed)
    return GANTrainer(
        ProGANGenerator(LATENT, width=WIDTH),
        ProGANDiscriminator(width=WIDTH),
        loss="wasserstein",
        penalty=PENALTY,
        lr=LR,
        betas=(0.0, 0.99),
        average=0.98,
        grow=grow if way == "grown" else direct,
        seed=seed,
    )


@functools.cache
def signs() -> RoadSigns:
    """Return the set that all runs learn from; it keeps what it has drawn."""
    return RoadSigns(SIGNS, seed=0, view="plain")


def fit(trainer: GANTrainer, steps: int, *, every: int = FIRST) -> History:
    """Train up to step `steps` on the signs of the chapter."""
    return trainer.fit(signs(), steps=steps, batch_size=BATCH_SIZE, every=every, progress=False)


def features(images: Tensor) -> tuple[Tensor, Tensor]:
    """Return what Part I's classifier makes of images, enlarged to 32×32: features `[N, 64]` and classes `[N]`."""
    judge = pretrained("roadsigns")
    with torch.no_grad():
        large = F.interpolate(images, size=32, mode="nearest")
        return judge.features(large)[-1].mean((2, 3)), judge(large).argmax(1)


def run(task: tuple[dict, int]) -> dict:
    """Train and score one (settings, seed); all times are those of the processor, without what measuring takes."""
    torch.set_num_threads(1)
    settings, seed = task
    trainer, steps = make(settings["way"], seed), STEPS[settings["way"]]
    held_out = RoadSigns(SAMPLES, seed=1, view="plain")
    real, _ = features(torch.stack([held_out[i][0] for i in range(SAMPLES)]))
    for i in range(SIGNS):  # drawn beforehand, for the clock's sake
        signs()[i]
    first = fit(trainer, FIRST).discriminator_loss[0]
    trainer = make(settings["way"], seed)
    seconds, times, distances = 0.0, [], []
    for look in range(1, LOOKS + 1):
        started = time.process_time()
        fit(trainer, steps * look // LOOKS)
        seconds += time.process_time() - started
        drawn, classes = features(trainer.sample(SAMPLES, seed=1))
        times.append(seconds)
        distances.append(frechet_distance(real, drawn))
    precision, recall = precision_recall(real, drawn)
    counts = classes.bincount(minlength=10)
    return {
        "frechet": distances[-1],
        "kernel": kernel_distance(real, drawn)[0],
        "precision": precision,
        "recall": recall,
        "modes": int((counts >= SAMPLES / 100).sum()),
        "first_loss": first,
        "times": times,
        "distances": distances,
        "seconds": seconds,
    }


if __name__ == "__main__":
    FIXED = {"data": "RoadSigns, plain", "size": 32, "batch_size": BATCH_SIZE, "width": WIDTH, "latent": LATENT}
    FIXED |= {"samples": SAMPLES, "penalty": PENALTY, "lr": LR, "stage": STAGE, "loss": "wasserstein"}
    fill("progressive_growing", GRID, run, seeds=SEEDS, fixed=FIXED)
