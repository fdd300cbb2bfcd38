"""The experiment of the chapter on driving: what a network was shown, and in which weather it is asked.

`python recipes/shift.py` trains the rows that `segen/assets/shift.json` lacks and adds them there, one by one;
`--rows 1` stops after one of them. Four rows of three seeds take about eight minutes of one core.
"""

import functools
import time
from collections.abc import Callable

import torch
from table import fill
from torch import Tensor
from torchvision import tv_tensors
from torchvision.transforms import v2

from segen.data import StreetScenes, joint
from segen.losses import cross_entropy
from segen.metrics import ConfusionMatrix
from segen.models import UNet
from segen.training import History, SegmentationTrainer

WEATHERS = ("clear", "rain", "fog", "night")
STEPS, BATCH_SIZE, LR, WIDTH, CONVOLUTIONS, STREETS, VALIDATION, FIRST = 600, 8, 1e-2, 8, 1, 1024, 128, 20
SEEDS = (0, 1, 2)
FIXED = {"steps": STEPS, "batch_size": BATCH_SIZE, "lr": LR, "width": WIDTH, "convolutions": CONVOLUTIONS}
FIXED |= {"streets": STREETS, "validation": VALIDATION}
GRID = [
    {"trained": "clear", "augmented": "no"},
    {"trained": "clear", "augmented": "colours"},
    {"trained": "clear", "augmented": "light"},
    {"trained": "mixed", "augmented": "no"},
]


def dim(image: Tensor) -> Tensor:
    """Return an image in [0, 1] darkened by chance, down to a fifth, greyed as by haze, with a dark sensor's noise.

    That is what rain, fog and night have in common, and not how they are drawn.
    """
    light, haze, noise = torch.rand(3).tolist()
    image = image * (0.2 + 0.8 * light)
    image = image + 0.6 * haze * (image.mean() - image)
    return (image + 0.06 * noise * torch.randn_like(image)).clamp(0, 1)


def augmentation(name: str) -> Callable | None:
    """Return what is done to each street before it is learnt from."""
    flip = v2.RandomHorizontalFlip()
    if name == "no":
        return joint(flip)
    jitter = v2.ColorJitter(brightness=0.4, contrast=0.4, saturation=0.4, hue=0.05)
    if name == "colours":
        return joint(v2.Compose([flip, jitter]))
    return joint(
        v2.Compose([flip, jitter, v2.RandomApply([v2.GaussianBlur(3)], 0.3), v2.Lambda(dim, tv_tensors.Image)])
    )


@functools.cache
def drawn(length: int, seed: int, weather: str) -> StreetScenes:
    """Return so many streets, drawn before the clock starts; they are drawn once a process."""
    streets = StreetScenes(length, seed=seed, weather=weather)
    for street in range(length):
        streets[street]
    return streets


@functools.cache
def class_weights() -> Tensor:
    """Return float `[8]` with mean 1: one over the root of each class's share of the first 64 training streets."""
    masks = torch.stack([mask for _, mask in StreetScenes(64, seed=0)])
    share = torch.bincount(masks.flatten(), minlength=8) / masks.numel()
    return share.rsqrt() / share.rsqrt().mean()


def fit(settings: dict, seed: int, *, steps: int = STEPS) -> tuple[SegmentationTrainer, History]:
    """Train a row's network from `seed` for the first `steps` of its steps; return the trainer and its history."""
    torch.manual_seed(seed)
    network = UNet(3, 8, width=WIDTH, convolutions=CONVOLUTIONS)
    loss = functools.partial(cross_entropy, weight=class_weights())
    trainer = SegmentationTrainer(network, loss=loss, lr=LR, seed=seed, decay=STEPS)
    history = trainer.fit(
        drawn(STREETS, 0, settings["trained"]),
        steps=steps,
        batch_size=BATCH_SIZE,
        augment=augmentation(settings["augmented"]),
        every=FIRST,
        progress=False,
    )
    return trainer, history


def score(trainer: SegmentationTrainer, weather: str) -> tuple[float, list[float]]:
    """Return mean and per-class IoU on held-out streets of one weather: the same streets in each."""
    matrix, streets = ConfusionMatrix(8), drawn(VALIDATION, 1, weather)
    for first in range(0, VALIDATION, 16):
        images, masks = map(torch.stack, zip(*(streets[i] for i in range(first, first + 16)), strict=True))
        matrix.update(trainer.predict(images).argmax(1), masks)
    return matrix.mean_iou(), matrix.iou().tolist()


def run(task: tuple[dict, int]) -> dict:
    """Train and score one (settings, seed)."""
    torch.set_num_threads(1)
    settings, seed = task
    drawn(STREETS, 0, settings["trained"]), class_weights()
    started = time.process_time()
    trainer, history = fit(settings, seed)
    found = {"seconds": time.process_time() - started, "first_loss": history.loss[0]}
    for weather in WEATHERS:
        found[weather], found[f"{weather}_class_iou"] = score(trainer, weather)
    return found


if __name__ == "__main__":
    fill("shift", GRID, run, seeds=SEEDS, fixed=FIXED)
