"""The table of the chapter on architectures: seven classifiers at 32 pixels that do about the same work an image.

`python recipes/architectures.py` trains the rows that `segen/assets/architectures.json` lacks and adds them there,
one by one; `--rows 3` stops after three of them. `--latency` trains nothing: it times all networks, interleaved, and
writes what it finds into the rows that are there; nothing else should run meanwhile, though it counts the time of
its own thread only. Seven rows of three seeds take about twelve minutes of one core.
"""

import functools
import math
import statistics
import sys
import time
from collections.abc import Callable

import torch
from table import fill, read, write
from torch import Tensor, nn

from segen.data import RoadSigns
from segen.models import VGG, AlexNet, DenseNet, GoogLeNet, PreActResNet, ResNet, SEResNet
from segen.training import ClassifierTrainer, History

# Widths and depths for which one image costs 12 to 13.4 million multiply-adds.
NETWORKS: dict[str, Callable[[], nn.Module]] = {
    "AlexNet": lambda: AlexNet(3, 10, width=16, small=True),
    "VGG": lambda: VGG(3, 10, width=16, blocks=(2, 2, 3), batch_norm=True, small=True),
    "GoogLeNet": lambda: GoogLeNet(3, 10, width=12, small=True),
    "ResNet": lambda: ResNet(3, 10, width=9, blocks=(3, 3, 3), small=True),
    "PreActResNet": lambda: PreActResNet(3, 10, width=9, blocks=(3, 3, 3), small=True),
    "DenseNet": lambda: DenseNet(3, 10, width=7, blocks=(3, 4, 5), small=True),
    "SEResNet": lambda: SEResNet(3, 10, width=9, blocks=(3, 3, 3), small=True),
}
STEPS, BATCH_SIZE, LR, FIRST = 400, 32, 2e-3, 20
TRAINING, HELD_OUT = 4000, 1000
SEEDS = (0, 1, 2)
FIXED = {"steps": STEPS, "batch_size": BATCH_SIZE, "lr": LR, "training": TRAINING, "held_out": HELD_OUT}


def multiply_adds(model: nn.Module, x: Tensor) -> int:
    """Return how many multiplications with a weight `model` makes for the images `x`, on any device.

    Each number that a convolution or linear layer puts out is a sum of (inputs of a group × kernel area) products;
    norms, rectifiers, pooling and additions are not counted. The mode, train or eval, is left as it is.
    """
    total = 0

    def count(layer: nn.Module, _: tuple, y: Tensor) -> None:
        nonlocal total
        kernel = layer.in_features if isinstance(layer, nn.Linear) else math.prod(layer.weight.shape[1:])
        total += y.numel() * kernel

    layers = [m for m in model.modules() if isinstance(m, nn.Conv2d | nn.Linear)]
    hooks = [layer.register_forward_hook(count) for layer in layers]
    with torch.no_grad():
        model(x)
    for hook in hooks:
        hook.remove()
    return total


def costs(network: str) -> dict[str, int]:
    """Return the number of parameters, and of multiply-adds for one image of 32×32; nothing is computed."""
    with torch.device("meta"):
        model = NETWORKS[network]().eval()
        work = multiply_adds(model, torch.zeros(1, 3, 32, 32))
    return {"parameters": sum(p.numel() for p in model.parameters()), "multiply_adds": work}


GRID = [{"network": network, **costs(network)} for network in NETWORKS]


def fit(network: str, seed: int, *, steps: int = STEPS, signs: RoadSigns) -> tuple[ClassifierTrainer, History]:
    """Train a row's network from `seed` for the first `steps` of its steps; return the trainer and its history."""
    torch.manual_seed(seed)
    trainer = ClassifierTrainer(NETWORKS[network](), lr=LR, seed=seed, decay=STEPS)
    return trainer, trainer.fit(signs, steps=steps, batch_size=BATCH_SIZE, every=FIRST, progress=False)


@functools.cache
def drawn(length: int, seed: int) -> RoadSigns:
    """Return so many signs, drawn before the clock starts; they are drawn once a process."""
    signs = RoadSigns(length, seed=seed)
    for sign in range(length):
        signs[sign]
    return signs


def run(task: tuple[dict, int]) -> dict:
    """Train and score one (settings, seed)."""
    torch.set_num_threads(1)
    settings, seed = task
    signs, held_out = drawn(TRAINING, 0), drawn(HELD_OUT, 1)
    started = time.process_time()
    trainer, history = fit(settings["network"], seed, signs=signs)
    seconds = time.process_time() - started
    scores = trainer.evaluate(held_out)
    return scores | {"losses": history.loss, "train_seconds": seconds, "seconds": seconds}


def latencies(*, rounds: int = 21) -> dict[str, list[float]]:
    """Return each network's milliseconds of processor time for one image: 25, 50 and 75 % of `rounds`, interleaved."""
    torch.set_num_threads(1)
    models = {name: make().eval() for name, make in NETWORKS.items()}
    image = torch.zeros(1, 3, 32, 32)
    times: dict[str, list[float]] = {name: [] for name in models}
    with torch.no_grad():
        for turn in range(3 + rounds):  # three to warm up
            for name, model in models.items():
                started = time.process_time()
                for _ in range(8):
                    model(image)
                if turn >= 3:
                    times[name].append((time.process_time() - started) / 8 * 1000)
    return {name: [round(q, 2) for q in statistics.quantiles(values, n=4)] for name, values in times.items()}


if __name__ == "__main__":
    if sys.argv[1:] == ["--latency"]:
        rows, times = read("architectures"), latencies()
        for row in rows:
            low, row["latency_ms"], high = times[row["network"]]
            row["latency_spread_ms"] = [low, high]
        write("architectures", rows)
    else:
        fill("architectures", GRID, run, seeds=SEEDS, fixed=FIXED)
