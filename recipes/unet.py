"""The stored table of the chapter U-Net: skips on and off, few and many streets, elastic deformation.

`python recipes/unet.py` trains the rows that `segen/assets/unet.json` lacks and adds them there, one by one, two
runs at a time with one thread each; `--rows 3` stops after three of them. Twelve rows of three seeds took about a
quarter of an hour on two cores.
"""

import functools
import time

import torch
from table import fill
from torch import Tensor
from torch.nn import functional as F

from segen.data import StreetScenes
from segen.losses import cross_entropy
from segen.metrics import ConfusionMatrix
from segen.models import UNet
from segen.training import History, SegmentationTrainer

STEPS, BATCH_SIZE, LR, WIDTH, CONVOLUTIONS, VALIDATION, FIRST = 480, 8, 1e-2, 8, 1, 128, 40
SIGMA = 2  # pixels of 64; the paper's 10 of 512 would be 1.25
SEEDS = (0, 1, 2)
FIXED = {"steps": STEPS, "batch_size": BATCH_SIZE, "lr": LR, "width": WIDTH, "validation": VALIDATION}
FIXED["convolutions"] = CONVOLUTIONS
GRID = [
    {"skips": skips, "elastic": sigma, "streets": streets}
    for skips, sigma in ((True, 0), (False, 0), (True, SIGMA))
    for streets in (512, 128, 32, 8)
]


def class_weights() -> Tensor:
    """Return float `[8]` with mean 1: one over the root of each class's share of the first 64 training streets."""
    masks = torch.stack([mask for _, mask in StreetScenes(64, seed=0)])
    share = torch.bincount(masks.flatten(), minlength=8) / masks.numel()
    return share.rsqrt() / share.rsqrt().mean()


def elastic(image: Tensor, mask: Tensor, *, sigma: float) -> tuple[Tensor, Tensor]:
    """Pull image `[C, H, W]` and mask `[H, W]` through one smooth random field of shifts.

    On a 3×3 grid the shifts are normal with a deviation of `sigma` pixels, between its points bicubic. What comes
    from beyond the border is mirrored. Source: Ronneberger et al. 2015, section 3.1.
    """
    height, width = mask.shape
    shifts = F.interpolate(sigma * torch.randn(1, 2, 3, 3), (height, width), mode="bicubic", align_corners=True)
    # grid_sample counts positions from −1 to 1, x before y.
    shifts = shifts[0].permute(1, 2, 0) * torch.tensor([2 / width, 2 / height])
    grid = F.affine_grid(torch.eye(2, 3)[None], (1, 1, height, width), align_corners=False) + shifts
    pull = functools.partial(F.grid_sample, grid=grid, padding_mode="reflection", align_corners=False)
    labels = pull(mask[None, None].float(), mode="nearest")[0, 0].long()
    return pull(image[None], mode="bilinear")[0], labels


def at_edges(masks: Tensor) -> Tensor:
    """Return where one of the eight neighbours has another class: `[N, H, W]` → bool `[N, H, W]`."""
    m = masks[:, None].float()
    return (F.max_pool2d(m, 3, 1, 1) != -F.max_pool2d(-m, 3, 1, 1))[:, 0]


def score(predicted: Tensor, masks: Tensor) -> dict[str, float]:
    """Return mean IoU, the signs' IoU, and the share of right pixels at edges and inside, of maps `[N, H, W]`."""
    matrix, edges, right = ConfusionMatrix(8), at_edges(masks), predicted == masks
    matrix.update(predicted, masks)
    return {
        "mean_iou": matrix.mean_iou(),
        "sign_iou": matrix.iou()[7].item(),
        "at_edges": right[edges].float().mean().item(),
        "inside": right[~edges].float().mean().item(),
    }


def fit(settings: dict, seed: int, *, steps: int = STEPS) -> tuple[SegmentationTrainer, History]:
    """Train a row's network from `seed` for the first `steps` of its steps; return the trainer and its history."""
    torch.manual_seed(seed)
    network = UNet(3, 8, width=WIDTH, convolutions=CONVOLUTIONS, skips=settings["skips"])
    loss = functools.partial(cross_entropy, weight=class_weights())
    trainer = SegmentationTrainer(network, loss=loss, lr=LR, seed=seed, decay=STEPS)
    augment = functools.partial(elastic, sigma=settings["elastic"]) if settings["elastic"] else None
    streets = StreetScenes(settings["streets"], seed=0)
    history = trainer.fit(streets, steps=steps, batch_size=BATCH_SIZE, every=FIRST, augment=augment, progress=False)
    return trainer, history


def run(task: tuple[dict, int]) -> dict[str, float]:
    """Train and score one (settings, seed)."""
    torch.set_num_threads(1)
    started = time.perf_counter()
    trainer, history = fit(*task)
    images, masks = map(torch.stack, zip(*StreetScenes(VALIDATION, seed=1), strict=True))
    scores = score(trainer.predict(images).argmax(1), masks)
    return scores | {"first_loss": history.loss[0], "seconds": time.perf_counter() - started}


if __name__ == "__main__":
    fill("unet", GRID, run, seeds=SEEDS, fixed=FIXED)
