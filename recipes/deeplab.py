"""The stored table of the chapter DeepLab: dilation rates, output stride, and the dense CRF on and off.

`python recipes/deeplab.py` trains the rows that `segen/assets/deeplab.json` lacks and adds them there, one by one,
two runs at a time with one thread each; `--rows 3` stops after three of them. Four rows of three seeds take about three
and a half minutes of one core, a third of them for the CRF.
"""

import functools
import itertools
import time

import torch
from segmentation import at_edges, class_weights
from table import fill
from torch import Tensor

from segen.data import StreetScenes
from segen.losses import cross_entropy
from segen.metrics import BoundaryIoU, ConfusionMatrix
from segen.models import DeepLabV3, DenseCRF, ResNet
from segen.training import History, SegmentationTrainer

STEPS, BATCH_SIZE, LR, WIDTH, STREETS, VALIDATION, FIRST = 240, 8, 4e-3, 12, 512, 128, 20
SWEEPS, TUNED_ON, JUDGED_ON = 5, 2, 8  # of the CRF: updates of all pixels, streets to choose w1, theta_beta; to judge
THETA_ALPHA, THETA_GAMMA, W2 = 4.0, 1.0, 0.5
CHOICES = tuple(itertools.product((1.0, 3.0), (0.05, 0.1)))  # w1, theta_beta
SEEDS = (0, 1, 2)
FIXED = {"steps": STEPS, "batch_size": BATCH_SIZE, "lr": LR, "width": WIDTH, "streets": STREETS}
FIXED |= {"validation": VALIDATION, "crf_streets": JUDGED_ON}
# At stride 32 a rate of 1 is the least there is; in pixels of the image it reaches as far as 4 at stride 8.
WITH_CRF = [{"stride": 8, "rates": [2, 4, 6]}, {"stride": 32, "rates": [1, 1, 1]}]
GRID = WITH_CRF + [{"stride": 8, "rates": list(rates)} for rates in ((1, 1, 1), (6, 12, 18))]


@functools.cache
def streets(length: int, seed: int) -> StreetScenes:
    """Return so many streets, which are drawn once for all runs of a process."""
    return StreetScenes(length, seed=seed)


def score(predicted: Tensor, masks: Tensor) -> dict[str, float]:
    """Return mean IoU, boundary IoU, and the share of right pixels at edges and inside, of maps `[N, H, W]`."""
    matrix, boundary = ConfusionMatrix(8), BoundaryIoU(8, distance=2)
    matrix.update(predicted, masks)
    boundary.update(predicted, masks)
    edges, right = at_edges(masks), predicted == masks
    return {
        "mean_iou": matrix.mean_iou(),
        "boundary_iou": boundary.mean_iou(),
        "at_edges": right[edges].float().mean().item(),
        "inside": right[~edges].float().mean().item(),
    }


def fit(settings: dict, seed: int, *, steps: int = STEPS) -> tuple[SegmentationTrainer, History]:
    """Train a row's network from `seed` for the first `steps` of its steps; return the trainer and its history."""
    torch.manual_seed(seed)
    backbone = ResNet(3, 1, width=WIDTH, output_stride=settings["stride"])
    network = DeepLabV3(3, 8, width=WIDTH, backbone=backbone, rates=tuple(settings["rates"]))
    loss = functools.partial(cross_entropy, weight=class_weights(streets(STREETS, 0), 8))
    trainer = SegmentationTrainer(network, loss=loss, lr=LR, seed=seed, decay=STEPS)
    history = trainer.fit(streets(STREETS, 0), steps=steps, batch_size=BATCH_SIZE, every=FIRST, progress=False)
    return trainer, history


@functools.cache
def smoothness(height: int, width: int) -> Tensor:
    """Return the part of the CRF's pairs that no colour enters, `[H·W, H·W]`: the same for all images of a size."""
    blank = torch.zeros(3, height, width)
    return DenseCRF(blank, blank, w1=0.0, w2=W2, theta_gamma=THETA_GAMMA).pairs


def sharpened(logits: Tensor, image: Tensor, choices: tuple[tuple[float, float], ...]) -> list[Tensor]:
    """Return the labels `[H, W]` after the CRF's sweeps, for each (w1, theta_beta) of `choices`."""
    colour = {}
    near = smoothness(*image.shape[1:])
    labels = []
    for w1, theta_beta in choices:
        if theta_beta not in colour:
            colour[theta_beta] = DenseCRF(logits, image, w1=1.0, w2=0.0, theta_alpha=THETA_ALPHA, theta_beta=theta_beta)
        crf = colour[theta_beta]
        pairs, crf.pairs, crf.q = crf.pairs, w1 * crf.pairs + near, (-crf.unary).exp()
        for _ in range(SWEEPS):
            crf.update()
        labels.append(crf.probabilities().argmax(0))
        crf.pairs = pairs
    return labels


def with_crf(trainer: SegmentationTrainer) -> dict:
    """Choose w1 and theta_beta on streets that nothing was trained on, and judge with and without the CRF on others."""
    later = streets(STREETS + TUNED_ON, 0)
    images, masks = map(torch.stack, zip(*(later[STREETS + i] for i in range(TUNED_ON)), strict=True))
    tried = [sharpened(*pair, CHOICES) for pair in zip(trainer.predict(images), images, strict=True)]
    scores = [score(torch.stack(labels), masks)["mean_iou"] for labels in zip(*tried, strict=True)]
    best = CHOICES[scores.index(max(scores))]
    images, masks = map(torch.stack, zip(*streets(JUDGED_ON, 1), strict=True))
    logits = trainer.predict(images)
    after = torch.stack([sharpened(*pair, (best,))[0] for pair in zip(logits, images, strict=True)])
    before = logits.argmax(1)
    gain = [
        score(a[None], m[None])["mean_iou"] - score(b[None], m[None])["mean_iou"]
        for a, b, m in zip(after, before, masks, strict=True)
    ]
    return {
        "crf_w1": best[0],
        "crf_theta_beta": best[1],
        "crf_off": score(before, masks),
        "crf_on": score(after, masks),
        "crf_gains": gain,
    }


def run(task: tuple[dict, int]) -> dict:
    """Train and score one (settings, seed)."""
    torch.set_num_threads(1)
    settings, _ = task
    started = time.process_time()
    trainer, history = fit(*task)
    images, masks = map(torch.stack, zip(*streets(VALIDATION, 1), strict=True))
    values = score(trainer.predict(images).argmax(1), masks) | {"first_loss": history.loss[0]}
    if settings in WITH_CRF:
        found = with_crf(trainer)
        for when in ("crf_off", "crf_on"):
            values |= {f"{when}_{name}": value for name, value in found.pop(when).items()}
        values |= found
    return values | {"seconds": time.process_time() - started}


if __name__ == "__main__":
    fill("deeplab", GRID, run, seeds=SEEDS, fixed=FIXED)
