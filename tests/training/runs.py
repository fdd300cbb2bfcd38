"""Runs of a small training that can be killed: a process that has torch imported forks one for each request.

It reads a JSON object a line and answers with one when the run has ended. It is a program, not a test:
to import torch anew for each of some fifty runs would take minutes.
"""

import hashlib
import json
import os
import signal
import sys
from pathlib import Path

import torch
from torch import nn

from segen.models import DCGANGenerator, ResNetDiscriminator
from segen.training import GANTrainer, SegmentationTrainer
from segen.training import checkpoint as checkpoint_module

STEPS = 24


class Noise(torch.utils.data.Dataset):
    """Twenty-two random images and masks, a function of the index."""

    def __len__(self):
        return 22

    def __getitem__(self, index):
        generator = torch.Generator().manual_seed(index)
        image = torch.rand(3, 16, 16, generator=generator) * 2 - 1
        return image, torch.randint(0, 5, (16, 16), generator=generator)


def augment(image, mask):
    """Flip by a draw from the global generator."""
    if torch.rand(()) < 0.5:
        image, mask = image.flip(-1), mask.flip(-1)
    return image + 0.1 * torch.randn_like(image), mask


def build_trainer():
    """Return a trainer whose state has all there can be: buffers, moments, an average, random draws in the network."""
    torch.manual_seed(1)
    network = nn.Sequential(
        nn.Conv2d(3, 8, 3, padding=1), nn.BatchNorm2d(8), nn.ReLU(), nn.Dropout2d(0.3), nn.Conv2d(8, 5, 1)
    )
    return SegmentationTrainer(network, lr=1e-2, seed=3, average=0.9, warmup=4, decay=STEPS)


def fit(trainer, path, **more):
    """Train to the end; the history has records at 5, 10, … and saves fall at 4, 8, …"""
    return trainer.fit(
        Noise(), steps=STEPS, batch_size=4, checkpoint=path, checkpoint_every=4, every=5, progress=False,
        augment=augment, validation=Noise(), **more,
    )  # fmt: skip


class Pictures(torch.utils.data.Dataset):
    """Twenty-two random pictures and labels, a function of the index."""

    def __len__(self):
        return 22

    def __getitem__(self, index):
        generator = torch.Generator().manual_seed(index)
        return torch.rand(3, 16, 16, generator=generator) * 2 - 1, index % 10


def build_gan():
    """Return a GAN's trainer with all there can be: batch norm, power iteration, two critic steps, a penalty."""
    torch.manual_seed(1)
    networks = DCGANGenerator(5, 3, width=2, size=16), ResNetDiscriminator(3, width=4, size=16)
    rates = {"generator": 1e-3, "discriminator": 2e-3}
    game = {"loss": "hinge", "critic_steps": 2, "penalty": 1.0, "lr": rates, "betas": (0, 0.9)}
    return GANTrainer(*networks, **game, seed=3, average=0.9, warmup=4, decay=STEPS)


def fit_gan(trainer, path, **more):
    """Train to the end, saving at odd steps too, between the two steps of the critic."""
    return trainer.fit(
        Pictures(), steps=STEPS, batch_size=4, checkpoint=path, checkpoint_every=3, every=5, progress=False, **more
    )


def digest(trainer, history) -> str:
    """Return the SHA-256 of parameters, buffers, averages, optimiser state and history, to the last bit."""
    sums = hashlib.sha256()
    for network in (*map(trainer.unwrapped, trainer.models), *trainer.averaged.values()):
        for name, tensor in network.state_dict().items():
            sums.update(name.encode() + tensor.contiguous().numpy().tobytes())
    for optimizer in trainer.optimizers.values():
        for moments in optimizer.state_dict()["state"].values():
            for name, tensor in sorted(moments.items()):
                sums.update(name.encode() + tensor.contiguous().numpy().tobytes())
    for name, column in sorted(vars(history).items()):
        sums.update(name.encode() + repr([float(value).hex() for value in column]).encode())
    return sums.hexdigest()


def die(*_):
    """End at once, as a power cut does."""
    os.kill(os.getpid(), signal.SIGKILL)


def arm(trainer, place: str, step: int) -> None:
    """Have this process killed when it reaches `place` for the first time at or after `step`."""

    def at(module, name, kill_after=False):
        original = getattr(module, name)

        def wrapped(*args, **keywords):
            due = trainer.step_number >= step
            if due and not kill_after:
                die()
            result = original(*args, **keywords)
            if due:
                die()
            return result

        setattr(module, name, wrapped)

    if place == "before backward":
        at(trainer.accelerator, "backward")
    elif place == "after backward":
        at(trainer.accelerator, "backward", kill_after=True)
    elif place == "after the optimiser's step":
        for optimizer in trainer.optimizers.values():
            at(optimizer, "step", kill_after=True)
    elif place == "before the file is flushed":
        at(checkpoint_module.os, "fsync")
    elif place == "before the file is renamed":
        at(checkpoint_module.os, "replace")
    elif place == "after the file is renamed":
        at(checkpoint_module.os, "replace", kill_after=True)
    elif place == "within the file's bytes":

        def half(state, content):
            original_save(state, content)
            if trainer.step_number >= step:
                written = content.getvalue()
                Path(f"{trainer._checkpoint.path}.partial").write_bytes(written[: len(written) // 2])
                die()

        original_save = checkpoint_module.torch.save
        checkpoint_module.torch.save = half


def run(request: dict) -> None:
    """Train, perhaps to be killed, and write {digest, first step} to `request["result"]`."""
    torch.set_num_threads(1)
    if "processes" in request:
        os.environ |= {
            "ACCELERATE_USE_CPU": "1", "MASTER_ADDR": "127.0.0.1", "MASTER_PORT": str(request["port"]),
            "WORLD_SIZE": str(request["processes"]), "RANK": str(request["rank"]), "LOCAL_RANK": str(request["rank"]),
        }  # fmt: skip
    trainer, fit_it = (build_gan(), fit_gan) if "gan" in request else (build_trainer(), fit)
    started = []
    original = trainer.step
    trainer.step = lambda batch: (started.append(trainer.step_number), original(batch))[1]
    if "place" in request:
        arm(trainer, request["place"], request["step"])
    if "interrupt" in request:
        more = {"callback": lambda t: os.kill(os.getpid(), signal.SIGINT) if t.step_number == 10 else None}
    else:
        more = {"num_workers": request.get("workers", 0)}
    history = fit_it(trainer, request["checkpoint"], **more)
    result = {"digest": digest(trainer, history), "first": started[0] if started else STEPS, "steps": len(started)}
    Path(request["result"]).write_text(json.dumps(result))


def main() -> None:
    """Serve requests until the input ends."""
    children = {}
    for line in sys.stdin:
        request = json.loads(line)
        if "wait" in request:
            status = os.waitpid(children.pop(request["wait"]), 0)[1]
            print(json.dumps({"killed": os.WIFSIGNALED(status), "status": status}), flush=True)
            continue
        pid = os.fork()
        if pid == 0:
            os.dup2(2, 1)  # what a run prints is not an answer
            try:
                run(request)
            except BaseException as error:
                Path(request["result"]).write_text(json.dumps({"error": f"{type(error).__name__}: {error}"}))
                os._exit(1)
            os._exit(0)
        children[pid] = pid
        print(json.dumps({"pid": pid}), flush=True)


if __name__ == "__main__":
    main()
