"""The one table of Part III: each GAN of the part for equal time on the same two sets, judged by the same features.

`python recipes/generation.py` trains the rows that `segen/assets/generation.json` lacks and adds them there, one by
one: three seeds on `RoadSigns` (plain view) and one on Fashion-MNIST, which is read from `$SEGEN_DATA`. `--data` asks
for one set, `--network` for one network, `--rows 3` stops after three rows, `--processes 2` runs two at a time, each
with one thread. The first seed's averaged generators of road signs are shipped, in half precision. `--speed` trains
nothing: it prints how many steps of each network fit into the time that all are given, measured interleaved; they are
written down in `STEPS`. Beside each run the time of DCGAN's step is measured, so that runs of two machines compare.
"""

import argparse
import functools
import multiprocessing
import os
import statistics
import time
from collections.abc import Callable

import torch
from table import commit, read, rounded, ship, write
from torch import Tensor, nn
from torch.nn import functional as F
from torch.utils.data import Dataset

from segen.data import FashionMNIST, RoadSigns
from segen.metrics import frechet_distance, kernel_distance, precision_recall
from segen.models import (
    BigGANDiscriminator,
    BigGANGenerator,
    DCGANDiscriminator,
    DCGANGenerator,
    MLPDiscriminator,
    MLPGenerator,
    ProGANDiscriminator,
    ProGANGenerator,
    ResNetDiscriminator,
    ResNetGenerator,
    pretrained,
)
from segen.training import GANTrainer, History

LATENT, BATCH_SIZE, AVERAGE, FIRST = 64, 32, 0.999, 20
SECONDS = 150  # of one core, for each run
TRAINING, JUDGED, RECOGNISED = 6000, 2000, 1000
CLOTHING = 8517  # of Fashion-MNIST's training pictures, the first
SEEDS = {"RoadSigns": [0, 1, 2], "FashionMNIST": [0]}
JUDGES = {"RoadSigns": "roadsigns", "FashionMNIST": "fashion"}
CHANNELS = {"RoadSigns": 3, "FashionMNIST": 1}

# How many steps of each fit into SECONDS, measured with --speed.
STEPS = {"GAN": 7200, "DCGAN": 3900, "WGAN-GP": 1600, "SN-GAN": 3700, "ProGAN": 1900, "BigGAN": 970}
# On grey pictures the outer layers of the fully connected pair are a third as large, and a step takes 0.67 of that.
GREY = STEPS | {"GAN": 10_700}


def steps_for(network: str, data: str) -> int:
    """Return how many steps a network gets on a set."""
    return (GREY if CHANNELS[data] == 1 else STEPS)[network]


def grow(step: int) -> float:
    """Return ProGAN's level: it holds 4×4, 8×8 and 16×16 for some time each, and fades from each to the next."""
    holds, fades, level = (300, 250, 400), (150, 150, 200), 0.0
    for hold, fade in zip(holds, fades, strict=True):
        level += min(1.0, max(0, step - hold) / fade)
        step -= hold + fade
    return level


# For each the pair of networks, and the game.
NETWORKS: dict[str, tuple[Callable, Callable, dict]] = {
    "GAN": (
        lambda c: MLPGenerator(LATENT, c, width=256),
        lambda c: MLPDiscriminator(c, width=256),
        {"lr": 2e-4},
    ),
    "DCGAN": (
        lambda c: DCGANGenerator(LATENT, c, width=24),
        lambda c: DCGANDiscriminator(c, width=24),
        {"lr": 1e-3},
    ),
    "WGAN-GP": (
        lambda c: ResNetGenerator(LATENT, c, width=16),
        lambda c: ResNetDiscriminator(c, width=16, spectral_norm=False),
        {"loss": "wasserstein", "penalty": 10.0, "critic_steps": 2, "lr": 1e-3, "betas": (0.0, 0.9)},
    ),
    "SN-GAN": (
        lambda c: DCGANGenerator(LATENT, c, width=24),
        lambda c: DCGANDiscriminator(c, width=24, spectral_norm=True),
        {"lr": 1e-3},
    ),
    "ProGAN": (
        lambda c: ProGANGenerator(LATENT, c, width=8),
        lambda c: ProGANDiscriminator(c, width=8),
        {"loss": "wasserstein", "penalty": 10.0, "lr": 1e-2, "betas": (0.0, 0.99), "grow": grow},
    ),
    "BigGAN": (
        lambda c: BigGANGenerator(LATENT, c, num_classes=10, width=8),
        lambda c: BigGANDiscriminator(c, num_classes=10, width=16),
        {"loss": "hinge", "lr": 2e-3},
    ),
}
# The names under which the first seed's generators of road signs are shipped.
SHIPPED = {"GAN": "gan", "DCGAN": "dcgan", "WGAN-GP": "wgan", "SN-GAN": "sngan", "ProGAN": "progan", "BigGAN": "biggan"}


class Padded(Dataset):
    """The first `length` of Fashion-MNIST at 32×32: two rows and columns of its black ground are added on each side."""

    def __init__(self, split: str, length: int) -> None:
        self.pictures, self.length = FashionMNIST(split=split), length

    def __len__(self) -> int:
        return self.length

    def __getitem__(self, index: int) -> tuple[Tensor, int]:
        image, label = self.pictures[index]
        return F.pad(image, (2, 2, 2, 2), value=-1.0), label


@functools.cache
def sets(data: str) -> tuple[Dataset, Dataset]:
    """Return what is trained on, and the held-out images that samples are compared with."""
    if data == "FashionMNIST":
        return Padded("train", CLOTHING), Padded("test", JUDGED)
    return RoadSigns(TRAINING, seed=0, view="plain"), RoadSigns(JUDGED, seed=1, view="plain")


def build(network: str, data: str, seed: int) -> GANTrainer:
    """Return the trainer of a run at its start."""
    torch.manual_seed(seed)
    generator, discriminator, game = NETWORKS[network]
    return GANTrainer(generator(CHANNELS[data]), discriminator(CHANNELS[data]), **game, seed=seed, average=AVERAGE)


def fit(network: str, data: str, seed: int, *, steps: int | None = None) -> tuple[GANTrainer, History]:
    """Train a run for the first `steps` of its steps (all); return the trainer and its history."""
    trainer = build(network, data, seed)
    history = trainer.fit(
        sets(data)[0], steps=steps or steps_for(network, data), batch_size=BATCH_SIZE, every=FIRST, progress=False
    )
    return trainer, history


@torch.no_grad()
def features(images: Tensor, judge: nn.Module) -> tuple[Tensor, Tensor]:
    """Return features `[N, 64]` and probabilities `[N, 10]` of images `[N, C, 32, 32]`."""
    maps = [judge.features(part)[-1] for part in images.split(250)]
    return torch.cat([m.mean((2, 3)) for m in maps]), torch.cat([judge.head(m).softmax(1) for m in maps])


@functools.cache
def judged(data: str) -> tuple[nn.Module, Tensor]:
    """Return the feature network of a set, and the features of its held-out images."""
    judge = pretrained(JUDGES[data])
    held_out = sets(data)[1]
    return judge, features(torch.stack([held_out[i][0] for i in range(JUDGED)]), judge)[0]


def score(images: Tensor, data: str) -> dict:
    """Return what the table says of `JUDGED` images; a class is covered if 1 % of the first 1,000 are surely of it."""
    judge, real = judged(data)
    fake, p = features(images, judge)
    surest, classes = p[:RECOGNISED].max(1)
    counts = torch.bincount(classes[surest > 0.9], minlength=10)
    kernel, error = kernel_distance(real, fake)
    precision, recall = precision_recall(real, fake)
    scores = {"frechet": frechet_distance(real, fake), "kernel": kernel, "kernel_error": error}
    scores |= {"precision": precision, "recall": recall, "modes": int((counts >= RECOGNISED // 100).sum())}
    return scores | {"recognised": counts.tolist()}


def step_time(network: str, data: str, *, steps: int = 40) -> float:
    """Return the processor time of one of `steps` steps in seconds: by DCGAN's, machines can be compared."""
    trainer = build(network, data, 0)
    trainer.fit(sets(data)[0], steps=5, batch_size=BATCH_SIZE, progress=False)  # warms up
    started = time.process_time()
    trainer.fit(sets(data)[0], steps=5 + steps, batch_size=BATCH_SIZE, progress=False)
    return (time.process_time() - started) / steps


def run(task: tuple[str, str, int]) -> dict:
    """Train and score one (network, data, seed); ship the generator of the first seed."""
    torch.set_num_threads(1)
    network, data, seed = task
    training = sets(data)[0]
    for sample in range(len(training)):  # drawn or read before the clock starts, and kept
        training[sample]
    before = step_time("DCGAN", data)
    started = time.process_time()
    trainer, history = fit(network, data, seed)
    trained = time.process_time() - started
    yardstick = 1000 * (before + step_time("DCGAN", data)) / 2
    scores = score(trainer.sample(JUDGED, seed=seed), data)
    if data == "RoadSigns" and seed == SEEDS[data][0]:
        generator = trainer.averaged["generator"].half().float()
        card = {"name": SHIPPED[network], "what": f"the averaged generator of {network} in recipes/generation.py"}
        card |= {"latent": LATENT, "trained_on": f'RoadSigns({TRAINING}, seed=0, view="plain")', "licence": "MIT"}
        card |= {"measured_on": f'RoadSigns({JUDGED}, seed=1, view="plain")', "features": JUDGES[data]}
        trainer.averaged["generator"] = generator
        halved = score(trainer.sample(JUDGED, seed=seed), data)
        card |= {"recipe": "recipes/generation.py", "commit": commit(), "seed": seed, "steps": STEPS[network]}
        ship(SHIPPED[network], generator, card | {name: rounded(value) for name, value in halved.items()})
    scores |= {"train_seconds": round(trained, 1), "dcgan_step_ms": round(yardstick, 1)}
    return scores | {"first_losses": history.discriminator_loss[0]}


def settings(network: str, data: str) -> dict:
    """Return a row as far as it is known before it is trained."""
    trainer = build(network, data, 0)
    sizes = {name: sum(p.numel() for p in model.parameters()) for name, model in trainer.models.items()}
    game = {"loss": "nonsaturating", "penalty": 0.0, "critic_steps": 1, "betas": (0.5, 0.999)} | NETWORKS[network][2]
    row = {
        "network": network,
        "data": data,
        "steps": steps_for(network, data),
        "batch_size": BATCH_SIZE,
        "latent": LATENT,
    }
    row |= {name: game[name] for name in ("loss", "penalty", "critic_steps", "lr", "betas")} | {"average": AVERAGE}
    row |= {"generator_parameters": sizes["generator"], "discriminator_parameters": sizes["discriminator"]}
    return row | {"judged": JUDGED, "features": JUDGES[data], "recipe": "recipes/generation.py"}


def speed(rounds: int = 7) -> None:
    """Print each network's processor time for a step, a median over interleaved `rounds`, and how many fit."""
    torch.set_num_threads(1)
    trainers = {network: build(network, "RoadSigns", 0) for network in NETWORKS}
    for trainer in trainers.values():
        trainer.grow = trainer.grow and (lambda step: 3.0)
    times: dict[str, list[float]] = {network: [] for network in NETWORKS}
    signs = RoadSigns(256, seed=0, view="plain")
    for turn in range(rounds + 1):
        for network, trainer in trainers.items():
            started = time.process_time()
            trainer.fit(signs, steps=trainer.step_number + 10, batch_size=BATCH_SIZE, progress=False)
            if turn:  # the first warms up
                times[network].append((time.process_time() - started) / 10)
    for network, values in times.items():
        step = statistics.median(values)
        print(f"{network}: {1000 * step:.1f} ms a step, {SECONDS / step:.0f} steps in {SECONDS} s", flush=True)


def order(row: dict) -> tuple[int, int]:
    """Return where a row stands in the table."""
    return list(SEEDS).index(row["data"]), list(NETWORKS).index(row["network"])


def main() -> None:
    """Train the rows that are missing and add each to the table when its seeds are done."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--data", choices=list(SEEDS), help="train the rows of this set only")
    parser.add_argument("--network", choices=list(NETWORKS), help="train the rows of this network only")
    parser.add_argument("--rows", type=int, help="stop after so many rows (all)")
    parser.add_argument("--processes", type=int, default=1, help="how many runs at a time (1)")
    parser.add_argument("--speed", action="store_true", help="train nothing, time the networks")
    asked = parser.parse_args()
    if asked.speed:
        return speed()
    rows = read("generation")
    there = {(row["data"], row["network"]) for row in rows}
    missing = [
        (data, network)
        for data in SEEDS
        for network in NETWORKS
        if (data, network) not in there and asked.data in (None, data) and asked.network in (None, network)
    ][: asked.rows]
    named = commit()
    os.environ["OMP_NUM_THREADS"] = "1"
    tasks = [(network, data, seed) for data, network in missing for seed in SEEDS[data]]
    with multiprocessing.get_context("spawn").Pool(asked.processes) as pool:
        results = pool.imap(run, tasks)
        for data, network in missing:
            runs = [next(results) for _ in SEEDS[data]]
            row = settings(network, data) | {"commit": named, "seeds": SEEDS[data]}
            row["seconds"] = round(sum(r["train_seconds"] for r in runs), 1)
            for name in runs[0]:
                row[name] = rounded([r[name] for r in runs])
            # Read again: another run of this recipe may have added a row meanwhile.
            others = [other for other in read("generation") if order(other) != order(row)]
            write("generation", sorted([*others, row], key=order))
            print(row, flush=True)


if __name__ == "__main__":
    main()
