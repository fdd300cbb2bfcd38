"""The classifier of Fashion-MNIST whose features measure the grey half of Part III's table, and its weights.

`python recipes/fashion.py` trains three seeds on the first `CLOTHING` training pictures (of `$SEGEN_DATA`, padded to
32×32), measures each on the first `TESTED` test pictures, stores the row as `segen/assets/fashion.json`, and ships the
weights of the first seed (not of the best) as `segen/assets/fashion.safetensors`: some five minutes of one thread.
"""

import copy
import time

import torch
from generation import CLOTHING, Padded
from table import commit, fill, rounded, ship

from segen.data import FashionMNIST
from segen.models import ResNet
from segen.training import ClassifierTrainer, History

STEPS, BATCH_SIZE, LR, AVERAGE, FIRST = 700, 64, 4e-3, 0.99, 10
TESTED = 6978
SEEDS = (0, 1, 2)
GRID = [{"network": "ResNet", "width": 16, "blocks": [1, 1, 1]}]
CARD = {
    "name": "fashion",
    "what": "ResNet(1, 10, width=16, blocks=(1, 1, 1), small=True), a classifier of Fashion-MNIST padded to 32×32",
    "features": "network.features(x)[-1].mean((2, 3)): [N, 64], what the last layer reads",
    "trained_on": f"the first {CLOTHING:,} training pictures of Fashion-MNIST",
    "measured_on": f"the first {TESTED:,} test pictures of Fashion-MNIST",
    "classes": list(FashionMNIST.classes),
    "licence": "MIT",
    "recipe": "recipes/fashion.py",
}


def fit(settings: dict, seed: int, *, steps: int = STEPS) -> tuple[ClassifierTrainer, History]:
    """Train a row's network from `seed` for the first `steps` of its steps; return the trainer and its history."""
    torch.manual_seed(seed)
    network = ResNet(1, 10, width=settings["width"], blocks=settings["blocks"], small=True)
    trainer = ClassifierTrainer(network, lr=LR, seed=seed, decay=STEPS, average=AVERAGE)
    return trainer, trainer.fit(
        Padded("train", CLOTHING), steps=steps, batch_size=BATCH_SIZE, every=FIRST, progress=False
    )


def run(task: tuple[dict, int]) -> dict[str, float]:
    """Train and score one (settings, seed); ship the first one."""
    torch.set_num_threads(1)
    settings, seed = task
    started = time.process_time()
    trainer, history = fit(settings, seed)
    seconds = time.process_time() - started
    half = copy.deepcopy(trainer.averaged["model"]).half().float().requires_grad_()  # as it is shipped
    scores = ClassifierTrainer(half).evaluate(Padded("test", TESTED), batch_size=500)
    scores = {name: scores[name] for name in ("accuracy", "macro_f1")}
    if seed == SEEDS[0]:
        card = CARD | {"commit": commit(), "seed": seed} | {name: rounded(value) for name, value in scores.items()}
        ship("fashion", half, card)
    return scores | {"first_loss": history.loss[0], "seconds": seconds}


if __name__ == "__main__":
    fixed = {"pictures": CLOTHING, "tested": TESTED, "steps": STEPS}
    fill("fashion", GRID, run, seeds=SEEDS, fixed=fixed | {"batch_size": BATCH_SIZE, "lr": LR, "average": AVERAGE})
