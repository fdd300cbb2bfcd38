"""The stored table of the chapter SegNet: five ways up, all else alike.

`python recipes/segnet.py` trains the rows that `segen/assets/segnet.json` lacks and adds them there, one by one
(`recipes/table.py` says how). Five rows of three seeds take about eight minutes of one core.
"""

import functools
import time

import torch
from table import fill
from torch import Tensor, nn
from torch.nn import functional as F

from segen.data import StreetScenes
from segen.losses import cross_entropy
from segen.metrics import BoundaryIoU, ConfusionMatrix
from segen.models import SegNet
from segen.training import History, SegmentationTrainer

STEPS, BATCH_SIZE, LR, STREETS, VALIDATION, FIRST = 480, 8, 1e-2, 512, 128, 20
WIDTH, BLOCKS = 8, (2, 2, 2, 2)
SEEDS = (0, 1, 2)
GRID = [{"way": way} for way in ("unpool", "corner", "bilinear", "transposed", "skips")]


class Corner(SegNet):
    """Unpooling that has forgotten the places: each value goes to the upper left of its square, among zeros."""

    def up(self, x: Tensor, indices: Tensor, size: tuple[int, int]) -> Tensor:
        large = x.new_zeros(*x.shape[:2], *size)
        large[:, :, ::2, ::2] = x
        return large


class Bilinear(SegNet):
    """Nothing is remembered: the maps are interpolated."""

    def up(self, x: Tensor, indices: Tensor, size: tuple[int, int]) -> Tensor:
        return F.interpolate(x, size=size, mode="bilinear")


class Transposed(SegNet):
    """Nothing is remembered: a learnt kernel paints a 2×2 square for each position."""

    def __init__(self, in_channels: int = 3, num_classes: int = 8, *, width: int = 8, blocks: tuple[int, ...] = BLOCKS):
        super().__init__(in_channels, num_classes, width=width, blocks=blocks)
        widths = [width * 2**i for i in range(len(blocks))]
        self.ups = nn.ModuleDict({str(c): nn.ConvTranspose2d(c, c, 2, stride=2) for c in widths})

    def up(self, x: Tensor, indices: Tensor, size: tuple[int, int]) -> Tensor:
        return self.ups[str(x.shape[1])](x)


class Skips(SegNet):
    """All is remembered: the maps are interpolated, and the map before the pooling is added to them."""

    def forward(self, x: Tensor) -> Tensor:
        kept = []
        for stage in self.encoder:
            kept.append(stage(x))
            x = F.max_pool2d(kept[-1], 2)
        for stage in self.decoder:
            x = F.interpolate(x, scale_factor=2, mode="bilinear")
            x = stage(x + kept.pop())
        return self.head(x)


WAYS = {"unpool": SegNet, "corner": Corner, "bilinear": Bilinear, "transposed": Transposed, "skips": Skips}


def class_weights() -> Tensor:
    """Return float `[8]` with mean 1: one over the root of each class's share of the first 64 training streets."""
    masks = torch.stack([mask for _, mask in StreetScenes(64, seed=0)])
    share = torch.bincount(masks.flatten(), minlength=8) / masks.numel()
    return share.rsqrt() / share.rsqrt().mean()


def at_edges(masks: Tensor) -> Tensor:
    """Return where one of the eight neighbours has another class: `[N, H, W]` → bool `[N, H, W]`."""
    m = masks[:, None].float()
    return (F.max_pool2d(m, 3, 1, 1) != -F.max_pool2d(-m, 3, 1, 1))[:, 0]


def score(predicted: Tensor, masks: Tensor) -> dict[str, float]:
    """Return mean IoU, boundary IoU, the signs' IoU, and the share that is right at edges and inside."""
    matrix, boundary = ConfusionMatrix(8), BoundaryIoU(8)
    matrix.update(predicted, masks)
    boundary.update(predicted, masks)
    edges, right = at_edges(masks), predicted == masks
    return {
        "mean_iou": matrix.mean_iou(),
        "boundary_iou": boundary.mean_iou(),
        "sign_iou": matrix.iou()[7].item(),
        "at_edges": right[edges].float().mean().item(),
        "inside": right[~edges].float().mean().item(),
    }


def fit(settings: dict, seed: int, *, steps: int = STEPS) -> tuple[SegmentationTrainer, History]:
    """Train a row's network from `seed` for the first `steps` of its steps; return the trainer and its history."""
    torch.manual_seed(seed)
    network = WAYS[settings["way"]](3, 8, width=WIDTH, blocks=BLOCKS)
    loss = functools.partial(cross_entropy, weight=class_weights())
    trainer = SegmentationTrainer(network, loss=loss, lr=LR, seed=seed, decay=STEPS)
    streets = StreetScenes(STREETS, seed=0)
    history = trainer.fit(streets, steps=steps, batch_size=BATCH_SIZE, every=FIRST, progress=False)
    return trainer, history


def run(task: tuple[dict, int]) -> dict:
    """Train and score one (settings, seed); the seconds are those of the processor."""
    torch.set_num_threads(1)
    started = time.process_time()
    trainer, history = fit(*task)
    images, masks = map(torch.stack, zip(*StreetScenes(VALIDATION, seed=1), strict=True))
    scores = score(trainer.predict(images).argmax(1), masks)
    parameters = sum(p.numel() for p in trainer.model.parameters())
    seconds = time.process_time() - started
    return scores | {"first_losses": history.loss[0], "parameters": parameters, "seconds": seconds}


if __name__ == "__main__":
    FIXED = {"steps": STEPS, "batch_size": BATCH_SIZE, "lr": LR, "streets": STREETS, "validation": VALIDATION}
    FIXED |= {"width": WIDTH, "blocks": list(BLOCKS)}
    fill("segnet", GRID, run, seeds=SEEDS, fixed=FIXED)
