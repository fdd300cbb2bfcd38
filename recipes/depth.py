"""The degradation table of the chapter on architectures: plain, residual and pre-activated, 20 and 56 layers.

`python recipes/depth.py` trains the rows that `segen/assets/depth.json` lacks and adds them there, one by one;
`--rows 3` stops after three of them. Five rows of three seeds take about three minutes of one core.
"""

import functools
import time

import torch
from table import fill
from torch import Tensor, nn
from torch.nn import functional as F

from segen.data import RoadSigns
from segen.models import PreActResNet, ResNet
from segen.training import ClassifierTrainer, History

SIZE, STEPS, BATCH_SIZE, LR, WIDTH, TRAINING, HELD_OUT, FIRST = 16, 120, 32, 4e-3, 8, 4000, 500, 10
SEEDS = (0, 1, 2)
FIXED = {"steps": STEPS, "batch_size": BATCH_SIZE, "lr": LR, "size": SIZE, "width": WIDTH, "training": TRAINING}
FIXED["held_out"] = HELD_OUT
GRID = [
    {"network": network, "depth": depth}
    for network, depth in (("plain", 20), ("plain", 56), ("residual", 20), ("residual", 56), ("pre-activated", 56))
]


def build(network: str, depth: int) -> ResNet:
    """Return the network of `depth` layers: three stages, two convolutions a unit."""
    make = PreActResNet if network == "pre-activated" else ResNet
    blocks = ((depth - 2) // 6,) * 3
    return make(3, 10, width=WIDTH, blocks=blocks, small=True, shortcuts=network != "plain")


def gradient_norms(model: nn.Module, images: Tensor, labels: Tensor) -> list[float]:
    """Return ‖∂loss/∂W‖ of each convolution on the way from image to logits, the first first; shortcuts are left out.

    In train mode, of cross-entropy over `images` `[N, 3, size, size]` and `labels` `[N]`.
    """
    model.train()
    names = [n for n, m in model.named_modules() if isinstance(m, nn.Conv2d) and "shortcut" not in n]
    weights = [model.get_submodule(name).weight for name in names]
    gradients = torch.autograd.grad(F.cross_entropy(model(images), labels), weights)
    return [g.norm().item() for g in gradients]


@functools.cache
def drawn(length: int, seed: int) -> RoadSigns:
    """Return so many signs of the recipe's size; they are drawn once a process."""
    return RoadSigns(length, size=SIZE, seed=seed)


def fit(network: str, depth: int, seed: int, *, steps: int = STEPS) -> tuple[ClassifierTrainer, History]:
    """Train a row's network from `seed` for the first `steps` of its steps; return the trainer and its history."""
    torch.manual_seed(seed)
    trainer = ClassifierTrainer(build(network, depth), lr=LR, seed=seed, decay=STEPS)
    signs = drawn(TRAINING, 0)
    return trainer, trainer.fit(signs, steps=steps, batch_size=BATCH_SIZE, every=FIRST, progress=False)


def run(task: tuple[dict, int]) -> dict:
    """Train and score one (settings, seed)."""
    torch.set_num_threads(1)
    settings, seed = task
    started = time.process_time()
    trainer, history = fit(**settings, seed=seed)
    seconds = time.process_time() - started
    scores = trainer.evaluate(drawn(HELD_OUT, 1))
    images, labels = zip(*(RoadSigns(64, size=SIZE, seed=2)[i] for i in range(64)), strict=True)
    norms = gradient_norms(trainer.model, torch.stack(images), torch.tensor(labels))
    return scores | {"losses": history.loss, "gradient_norms": norms, "seconds": seconds}


if __name__ == "__main__":
    fill("depth", GRID, run, seeds=SEEDS, fixed=FIXED)
