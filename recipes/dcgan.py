"""The stored table of the chapter DCGAN: one small GAN by all guidelines, and others that each drop one of them.

`python recipes/dcgan.py` trains the rows that `segen/assets/dcgan.json` lacks and adds them there, one by one
(`recipes/table.py` says how). Eight rows of three seeds take about eight minutes of one core.
"""

import functools
import time

import torch
from table import fill
from torch import Tensor, nn

from segen.data import RoadSigns
from segen.metrics import frechet_distance
from segen.models import pretrained
from segen.models.dcgan import draw_weights
from segen.training import GANTrainer, History

STEPS, BATCH_SIZE, LR, SIGNS, JUDGED, RECOGNISED, FIRST = 800, 32, 1e-3, 2000, 2000, 1000, 50
LATENT, WIDTH, AVERAGE = 64, 16, 0.99
SEEDS = (0, 1, 2)
DROPPED = (
    "nothing",
    "strides",
    "batch norm",
    "no hidden layer",
    "leaky ReLU",
    "tanh",
    "first weights",
    "beta1 = 0.5",
)
GRID = [{"dropped": what} for what in DROPPED]


class Generator(nn.Module):
    """Noise `[N, 64]` → signs `[N, 3, 32, 32]`, by all guidelines but the one that is `dropped`."""

    latent = LATENT

    def __init__(self, dropped: str = "nothing") -> None:
        super().__init__()
        widths = 4 * WIDTH, 2 * WIDTH, WIDTH

        def norm(layer: nn.Module) -> list[nn.Module]:
            return [] if dropped == "batch norm" else [layer]

        if dropped == "no hidden layer":
            hidden = [nn.Linear(LATENT, 4 * WIDTH, bias=False), nn.BatchNorm1d(4 * WIDTH), nn.ReLU()]
            layers = [nn.Flatten(), *hidden, nn.Linear(4 * WIDTH, 16 * widths[0], bias=False)]
            layers += [nn.Unflatten(1, (widths[0], 4, 4)), nn.BatchNorm2d(widths[0]), nn.ReLU()]
        else:
            layers = [nn.ConvTranspose2d(LATENT, widths[0], 4, bias=False), *norm(nn.BatchNorm2d(widths[0])), nn.ReLU()]
        for a, b in zip(widths, (*widths[1:], 3), strict=True):
            if dropped == "strides":
                layers += [nn.Upsample(scale_factor=2), nn.Conv2d(a, b, 3, padding=1, bias=False)]
            else:
                layers.append(nn.ConvTranspose2d(a, b, 4, 2, 1, bias=False))
            layers += [*norm(nn.BatchNorm2d(b)), nn.ReLU()] if b > 3 else []
        self.layers = nn.Sequential(*layers, nn.Sigmoid() if dropped == "tanh" else nn.Tanh())

    def forward(self, z: Tensor, labels: Tensor | None = None) -> Tensor:
        return self.layers(z[:, :, None, None])


class Discriminator(nn.Module):
    """Signs `[N, 3, 32, 32]` → logits `[N]`, by all guidelines but the one that is `dropped`."""

    def __init__(self, dropped: str = "nothing") -> None:
        super().__init__()
        layers: list[nn.Module] = []
        for a, b in zip((3, WIDTH, 2 * WIDTH), (WIDTH, 2 * WIDTH, 4 * WIDTH), strict=True):
            if dropped == "strides":
                layers += [nn.Conv2d(a, b, 3, padding=1, bias=False), nn.MaxPool2d(2)]
            else:
                layers.append(nn.Conv2d(a, b, 4, 2, 1, bias=False))
            layers += [nn.BatchNorm2d(b)] if a > 3 and dropped != "batch norm" else []
            layers.append(nn.ReLU() if dropped == "leaky ReLU" else nn.LeakyReLU(0.2))
        if dropped == "no hidden layer":
            layers += [nn.Flatten(), nn.Linear(64 * WIDTH, 4 * WIDTH, bias=False), nn.BatchNorm1d(4 * WIDTH)]
            layers += [nn.LeakyReLU(0.2), nn.Linear(4 * WIDTH, 1, bias=False)]
        else:
            layers.append(nn.Conv2d(4 * WIDTH, 1, 4, bias=False))
        self.layers = nn.Sequential(*layers)

    def forward(self, x: Tensor, labels: Tensor | None = None) -> Tensor:
        return self.layers(x).flatten()


def draw_all_weights(layer: nn.Module) -> None:
    """Draw as the paper does, the weights of linear layers too."""
    draw_weights(layer)
    if isinstance(layer, nn.Linear):
        nn.init.normal_(layer.weight, 0.0, 0.02)
    elif isinstance(layer, nn.BatchNorm1d):
        nn.init.normal_(layer.weight, 1.0, 0.02)


def build(settings: dict, seed: int) -> GANTrainer:
    """Return the trainer of a run at its start."""
    torch.manual_seed(seed)
    dropped = settings["dropped"]
    pair = Generator(dropped), Discriminator(dropped)
    if dropped != "first weights":
        for network in pair:
            network.apply(draw_all_weights)
    betas = (0.9, 0.999) if dropped == "beta1 = 0.5" else (0.5, 0.999)
    return GANTrainer(*pair, lr=LR, betas=betas, average=AVERAGE, seed=seed)


@functools.cache
def signs() -> RoadSigns:
    """Return what is trained on."""
    return RoadSigns(SIGNS, seed=0, view="plain")


def fit(settings: dict, seed: int, *, steps: int = STEPS) -> tuple[GANTrainer, History]:
    """Train a run for the first `steps` of its steps; return the trainer and its history."""
    trainer = build(settings, seed)
    history = trainer.fit(signs(), steps=steps, batch_size=BATCH_SIZE, every=FIRST, progress=False)
    return trainer, history


@torch.no_grad()
def features(images: Tensor) -> tuple[Tensor, Tensor]:
    """Return features `[N, 64]` and probabilities `[N, 10]` of images `[N, 3, 32, 32]`, by Part I's classifier."""
    judge = pretrained("roadsigns")
    maps = torch.cat([judge.features(part)[-1] for part in images.split(250)])
    return maps.mean((2, 3)), judge.head(maps).softmax(1)


@functools.cache
def held_out() -> Tensor:
    """Return the features of signs that nobody was trained on, `[N, 64]`."""
    return features(torch.stack([image for image, _ in RoadSigns(JUDGED, seed=1, view="plain")]))[0]


def score(images: Tensor) -> dict:
    """Return what the table says of `JUDGED` images; a class is covered if 1 % of the first 1,000 are surely of it."""
    drawn, p = features(images)
    surest, classes = p[:RECOGNISED].max(1)
    counts = torch.bincount(classes[surest > 0.9], minlength=10)
    found = {"frechet": frechet_distance(held_out(), drawn), "recognised": int(counts.sum()) / RECOGNISED}
    return found | {"modes": int((counts >= RECOGNISED // 100).sum()), "counts": counts.tolist()}


def run(task: tuple[dict, int]) -> dict:
    """Train and score one (settings, seed); the seconds are those of the processor."""
    torch.set_num_threads(1)
    started = time.process_time()
    trainer, history = fit(*task)
    scores = score(trainer.sample(JUDGED, seed=task[1]))
    parameters = sum(p.numel() for network in trainer.models.values() for p in network.parameters())
    found = scores | {"parameters": parameters, "seconds": time.process_time() - started}
    for name in ("discriminator_loss", "generator_loss"):
        found[name] = getattr(history, name)
    return found


if __name__ == "__main__":
    FIXED = {"steps": STEPS, "batch_size": BATCH_SIZE, "lr": LR, "signs": SIGNS, "judged": JUDGED, "width": WIDTH}
    FIXED |= {"latent": LATENT, "average": AVERAGE, "features": "roadsigns", "every": FIRST}
    fill("dcgan", GRID, run, seeds=SEEDS, fixed=FIXED)
