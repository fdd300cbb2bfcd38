"""What does SegmentationTrainer cost over the same loop written by hand?"""

import contextlib
import io
import math
import statistics
from collections.abc import Callable

import torch
from measuring import Row, interleave, spread
from torch.nn.utils import clip_grad_norm_

from segen.data import StreetScenes, batches
from segen.losses import cross_entropy
from segen.models import UNet
from segen.training import SegmentationTrainer

LR, WARMUP, DECAY, BATCH_SIZE, EVERY = 2e-3, 20, 10_000, 8, 100


def by_hand(data, *, steps: int) -> Callable[[], None]:
    """Return a block of `steps` steps of the loop that one would write: each call goes on where the last ended."""
    torch.manual_seed(0)
    network = UNet(3, 8).to(memory_format=torch.channels_last).train()
    optimizer = torch.optim.AdamW(network.parameters(), lr=LR)
    done, history = 0, []

    def block() -> None:
        nonlocal done
        total = 0.0
        stream = batches(data, BATCH_SIZE, start=done)
        for step in range(done, done + steps):
            rise = min(1.0, (step + 1) / (WARMUP + 1))
            fall = (1 + math.cos(math.pi * min(1.0, step / DECAY))) / 2
            for group in optimizer.param_groups:
                group["lr"] = LR * rise * (0.01 + 0.99 * fall)
            images, masks = next(stream)
            loss = cross_entropy(network(images.contiguous(memory_format=torch.channels_last)), masks)
            optimizer.zero_grad()
            loss.backward()
            clip_grad_norm_(network.parameters(), 1.0)
            optimizer.step()
            total += loss.item()
            if (step + 1) % EVERY == 0:
                history.append(total / EVERY)
                total = 0.0
        done += steps

    return block


def by_trainer(data, *, steps: int) -> Callable[[], None]:
    """Return a block of `steps` steps of the trainer with the same settings, its progress bar among them."""
    torch.manual_seed(0)
    trainer = SegmentationTrainer(UNet(3, 8), lr=LR, warmup=WARMUP, decay=DECAY)

    def block() -> None:
        with contextlib.redirect_stdout(io.StringIO()):  # the bar is drawn, and paid for, where it disturbs nobody
            trainer.fit(data, steps=trainer.step_number + steps, batch_size=BATCH_SIZE, every=EVERY)

    return block


def measure(seconds: float = 120.0, *, rounds: int = 7, steps: int = 40, scenes: int = 320) -> list[Row]:
    """Return the row of the trainer's time over the hand-written loop's, in blocks of `steps` steps."""
    data = StreetScenes(scenes)
    for index in range(scenes):  # drawn before, so that neither side draws for the other
        data[index]
    sides = {"trainer": by_trainer(data, steps=steps), "hand": by_hand(data, steps=steps)}
    times = interleave(sides, seconds=seconds, rounds=rounds)
    ratios = times.ratios("trainer", "hand")
    met = statistics.median(ratios) <= 1.03
    speed = [BATCH_SIZE * steps / t for t in times.wall["trainer"]]
    return [
        Row("SegmentationTrainer over a loop by hand, time", spread(ratios, ".3f"), "at most 1.03", met, times.busy),
        Row("its U-Net on StreetScenes 64×64, images/s", spread(speed, ".0f"), busy=times.busy),
    ]
