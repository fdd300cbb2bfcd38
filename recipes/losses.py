"""The stored table of the chapter on losses: one network, one set of streets, six losses.

`python recipes/losses.py` trains the rows that `segen/assets/losses.json` lacks and adds them there, one by one;
`--rows 2` stops after two of them. Six rows of three seeds take about eight minutes of one core.
"""

import functools
import time
from collections.abc import Callable

import torch
from table import fill
from torch import Tensor

from segen.data import StreetScenes
from segen.losses import cross_entropy, dice_loss, focal_loss, lovasz_softmax_loss, tversky_loss
from segen.metrics import CalibrationError, ConfusionMatrix
from segen.models import UNet
from segen.training import History, SegmentationTrainer

STEPS, BATCH_SIZE, LR, WIDTH, CONVOLUTIONS, STREETS, VALIDATION, FIRST = 480, 8, 1e-2, 8, 1, 512, 128, 20
SEEDS = (0, 1, 2)
FIXED = {"steps": STEPS, "batch_size": BATCH_SIZE, "lr": LR, "width": WIDTH, "convolutions": CONVOLUTIONS}
FIXED |= {"streets": STREETS, "validation": VALIDATION}


@functools.cache
def median_frequency() -> Tensor:
    """Return float `[8]`: the median of the classes' frequencies over each one's, as Eigen and Fergus define them.

    A class's frequency is its pixels over all pixels of the images in which it occurs (1411.4734, section 6.3.2).
    """
    masks = torch.stack([mask for _, mask in StreetScenes(STREETS, seed=0)])
    pixels = torch.stack([(masks == c).flatten(1).sum(1) for c in range(8)]).double()  # [8, images]
    frequency = pixels.sum(1) / ((pixels > 0).sum(1) * masks[0].numel())
    return (frequency.median() / frequency).float()


def weighted(logits: Tensor, target: Tensor) -> Tensor:
    """Return the cross-entropy in which each class weighs by median frequency."""
    return cross_entropy(logits, target, weight=median_frequency())


LOSSES: dict[str, Callable] = {
    "cross-entropy": cross_entropy,
    "weighted": weighted,
    "focal": focal_loss,
    "Dice": dice_loss,
    "Tversky": functools.partial(tversky_loss, alpha=0.3, beta=0.7),
    "Lovász": lovasz_softmax_loss,
}
GRID = [{"loss": name} for name in LOSSES]


@functools.cache
def drawn(length: int, seed: int) -> StreetScenes:
    """Return so many streets, drawn before the clock starts; they are drawn once a process."""
    streets = StreetScenes(length, seed=seed)
    for street in range(length):
        streets[street]
    return streets


def fit(settings: dict, seed: int, *, steps: int = STEPS) -> tuple[SegmentationTrainer, History]:
    """Train a row's network from `seed` for the first `steps` of its steps; return the trainer and its history."""
    torch.manual_seed(seed)
    network = UNet(3, 8, width=WIDTH, convolutions=CONVOLUTIONS)
    trainer = SegmentationTrainer(network, loss=LOSSES[settings["loss"]], lr=LR, seed=seed, decay=STEPS)
    streets = drawn(STREETS, 0)
    return trainer, trainer.fit(streets, steps=steps, batch_size=BATCH_SIZE, every=FIRST, progress=False)


def score(trainer: SegmentationTrainer) -> dict:
    """Return what the table says of a trained network."""
    matrix, calibration = ConfusionMatrix(8), CalibrationError()
    streets = drawn(VALIDATION, 1)
    for first in range(0, VALIDATION, 16):
        images, masks = map(torch.stack, zip(*(streets[i] for i in range(first, first + 16)), strict=True))
        logits = trainer.predict(images)
        matrix.update(logits.argmax(1), masks)
        calibration.update(logits, masks)
    confidence, right = calibration.reliability()
    scores = {"mean_iou": matrix.mean_iou(), "class_iou": matrix.iou().tolist()}
    scores |= {"class_accuracy": matrix.class_accuracy().tolist(), "pixel_accuracy": matrix.pixel_accuracy()}
    known = right.isfinite().tolist()
    scores["reliability"] = [
        [c, r] if k else None for c, r, k in zip(confidence.tolist(), right.tolist(), known, strict=True)
    ]
    return scores | {"calibration": calibration.error()}


def run(task: tuple[dict, int]) -> dict:
    """Train and score one (settings, seed)."""
    torch.set_num_threads(1)
    settings, seed = task
    drawn(STREETS, 0), drawn(VALIDATION, 1), median_frequency()
    started = time.process_time()
    trainer, history = fit(settings, seed)
    seconds = time.process_time() - started
    return score(trainer) | {"first_loss": history.loss[0], "seconds": seconds}


if __name__ == "__main__":
    fill("losses", GRID, run, seeds=SEEDS, fixed=FIXED)
