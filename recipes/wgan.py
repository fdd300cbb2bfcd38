"""The stored table of the chapter WGAN: eight Gaussians, three games, five seeds.

`python recipes/wgan.py` plays the games that `segen/assets/wgan.json` lacks and adds them there, one by one
(`recipes/table.py` says how). Three games of five seeds take about three minutes of one core.
"""

import math
import time

import torch
from scipy.optimize import linear_sum_assignment
from table import fill
from torch import Tensor

from segen.losses import adversarial, gradient_penalty
from segen.models import MLPDiscriminator, MLPGenerator

STEPS, BATCH_SIZE, WIDTH, EVERY, FIRST = 4000, 256, 64, 250, 20
RADIUS, SPREAD = 2.0, 0.05
CRITIC_STEPS, PENALTY, CLIP = 5, 1.0, 0.1
SEEDS = (0, 1, 2, 3, 4)
GRID = [{"game": game} for game in ("non-saturating", "clipping", "penalty")]


def centres() -> Tensor:
    """Return where the eight Gaussians are, `[8, 2]`."""
    angle = torch.arange(8) * (math.pi / 4)
    return RADIUS * torch.stack([angle.cos(), angle.sin()], 1)


def ring(n: int, generator: torch.Generator | None = None) -> Tensor:
    """Draw `n` points of the eight Gaussians, `[n, 2]`."""
    which = torch.randint(8, (n,), generator=generator)
    return centres()[which] + SPREAD * torch.randn(n, 2, generator=generator)


def coverage(points: Tensor) -> tuple[int, float]:
    """Return how many modes have a hundredth of the points within four deviations, and which share is so near one."""
    near, which = torch.cdist(points, centres()).min(1)
    inside = near < 4 * SPREAD
    counts = which[inside].bincount(minlength=8)
    return int((counts >= len(points) / 100).sum()), inside.float().mean().item()


def earth_mover(a: Tensor, b: Tensor) -> float:
    """Return the exact earth mover's distance of two sets of as many points, `[n, d]` each."""
    distances = torch.cdist(a, b)
    return distances[linear_sum_assignment(distances)].mean().item()


def play(game: str, seed: int, steps: int = STEPS) -> tuple[MLPGenerator, dict[str, list[float]]]:
    """Play the first `steps` of a game from `seed`; return the generator and what was noted on the way.

    Each step updates the discriminator, every fifth of the Wasserstein games the generator, too. "loss" is the mean of
    the discriminator's loss without penalty since the last note, "distance" the exact one of 400 points then.
    """
    torch.manual_seed(seed)
    apart = torch.Generator().manual_seed(1000 + seed)  # measuring must not move what is drawn for training
    generator = MLPGenerator(2, 2, width=WIDTH, size=None)
    critic = MLPDiscriminator(2, width=WIDTH, size=None)
    networks = generator, critic
    if game == "clipping":
        optimizers = [torch.optim.RMSprop(network.parameters(), lr=5e-4) for network in networks]
    else:
        optimizers = [torch.optim.Adam(network.parameters(), lr=1e-3, betas=(0.5, 0.9)) for network in networks]
    of_critic, of_generator = adversarial("nonsaturating" if game == "non-saturating" else "wasserstein")
    turns = 1 if game == "non-saturating" else CRITIC_STEPS
    notes = {"loss": [], "distance": []}
    losses = []
    for step in range(1, steps + 1):
        real = ring(BATCH_SIZE)
        fake = generator(torch.randn(BATCH_SIZE, 2))
        loss = of_critic(critic(real), critic(fake.detach()))
        losses.append(loss.item())
        if game == "penalty":
            loss = loss + PENALTY * gradient_penalty(critic, real, fake)
        optimizers[1].zero_grad()
        loss.backward()
        optimizers[1].step()
        if game == "clipping":
            with torch.no_grad():
                for p in critic.parameters():
                    p.clamp_(-CLIP, CLIP)
        if step % turns == 0:
            optimizers[0].zero_grad()
            of_generator(critic(fake)).backward()
            optimizers[0].step()
        if step % EVERY == 0:
            notes["loss"].append(sum(losses) / len(losses))
            losses.clear()
            with torch.no_grad():
                drawn = generator(torch.randn(400, 2, generator=apart))
            notes["distance"].append(earth_mover(drawn, ring(400, apart)))
    notes["last"] = losses
    return generator, notes


def run(task: tuple[dict, int]) -> dict:
    """Play and score one (settings, seed); the seconds are those of the processor."""
    torch.set_num_threads(1)
    settings, seed = task
    started = time.process_time()
    _, first = play(settings["game"], seed, steps=FIRST)
    generator, notes = play(settings["game"], seed)
    with torch.no_grad():
        drawn = generator(torch.randn(1000, 2, generator=torch.Generator().manual_seed(seed)))
    modes, near = coverage(drawn)
    values = {"modes": modes, "near": near, "distance": notes["distance"][-1], "first_loss": sum(first["last"]) / FIRST}
    paths = {"losses": notes["loss"], "distances": notes["distance"]}
    return values | paths | {"seconds": time.process_time() - started}


if __name__ == "__main__":
    FIXED = {"data": "eight Gaussians", "steps": STEPS, "batch_size": BATCH_SIZE, "width": WIDTH, "every": EVERY}
    FIXED |= {"spread": SPREAD, "penalty": PENALTY, "clip": CLIP, "critic_steps": CRITIC_STEPS}
    fill("wgan", GRID, run, seeds=SEEDS, fixed=FIXED)
