"""The classifier of road signs whose features measure Part III: its stored row, and the weights that are shipped.

`python recipes/roadsigns.py` trains three seeds on signs of both views, half and half, measures each on held-out
signs of each view, stores the row as `segen/assets/roadsigns.json`, and ships the weights of the first seed (not of
the best) as `segen/assets/roadsigns.safetensors`. It takes some six minutes of one thread.
"""

import copy
import functools
import time

import torch
from table import commit, fill, rounded, ship
from torch.utils.data import ConcatDataset

from segen.data import RoadSigns
from segen.models import ResNet
from segen.training import ClassifierTrainer, History

VIEWS = ("street", "plain")
STEPS, BATCH_SIZE, LR, AVERAGE, SIGNS, HELD_OUT, FIRST = 700, 64, 4e-3, 0.99, 6000, 10_000, 10
SEEDS = (0, 1, 2)
GRID = [{"network": "ResNet", "width": 16, "blocks": [1, 1, 1]}]
FIXED = {"views": list(VIEWS), "signs_per_view": SIGNS, "data_seed": 0, "held_out": HELD_OUT, "held_out_seed": 1}
FIXED |= {"steps": STEPS, "batch_size": BATCH_SIZE, "lr": LR, "average": AVERAGE}
CARD = {
    "name": "roadsigns",
    "what": "ResNet(3, 10, width=16, blocks=(1, 1, 1), small=True), a classifier of RoadSigns at 32×32 in both views",
    "features": "network.features(x)[-1].mean((2, 3)): [N, 64], what the last layer reads",
    "trained_on": f"RoadSigns({SIGNS}, seed=0) in each of the views street and plain",
    "measured_on": f"RoadSigns({HELD_OUT}, seed=1) in each view",
    "classes": list(RoadSigns.classes),
    "licence": "MIT",
    "recipe": "recipes/roadsigns.py",
}


@functools.cache
def signs() -> ConcatDataset:
    """Return the signs to train on; what was drawn is kept for the next seed."""
    return ConcatDataset([RoadSigns(SIGNS, seed=0, view=view) for view in VIEWS])


@functools.cache
def held_out(view: str) -> RoadSigns:
    """Return the signs to measure on."""
    return RoadSigns(HELD_OUT, seed=1, view=view)


def fit(settings: dict, seed: int, *, steps: int = STEPS) -> tuple[ClassifierTrainer, History]:
    """Train a row's network from `seed` for the first `steps` of its steps; return the trainer and its history."""
    torch.manual_seed(seed)
    network = ResNet(3, 10, width=settings["width"], blocks=settings["blocks"], small=True)
    trainer = ClassifierTrainer(network, lr=LR, seed=seed, decay=STEPS, average=AVERAGE)
    history = trainer.fit(signs(), steps=steps, batch_size=BATCH_SIZE, every=FIRST, progress=False)
    return trainer, history


def score(judge: ClassifierTrainer) -> dict[str, float]:
    """Return accuracy and macro F1 of the trainer's network on the held-out signs of each view."""
    scores = {}
    for view in VIEWS:
        found = judge.evaluate(held_out(view), batch_size=500)
        scores |= {f"{name}_{view}": found[name] for name in ("accuracy", "macro_f1")}
    return scores


def run(task: tuple[dict, int]) -> dict[str, float]:
    """Train and score one (settings, seed); ship the first one."""
    torch.set_num_threads(1)
    started, (settings, seed) = time.perf_counter(), task
    trainer, history = fit(settings, seed)
    seconds = time.perf_counter() - started
    half = copy.deepcopy(trainer.averaged["model"]).half().float().requires_grad_()  # as it is shipped
    scores = score(ClassifierTrainer(half))
    if seed == SEEDS[0]:
        card = CARD | {"commit": commit(), "seed": seed} | {name: rounded(value) for name, value in scores.items()}
        ship("roadsigns", half, card)
    scores |= {f"{name}_float32": value for name, value in score(trainer).items() if name.startswith("accuracy")}
    return scores | {"first_loss": history.loss[0], "seconds": seconds}


if __name__ == "__main__":
    fill("roadsigns", GRID, run, seeds=SEEDS, fixed=FIXED)
