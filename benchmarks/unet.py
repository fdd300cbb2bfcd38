"""Which U-Net learns most of CamVid in equal time: ours, segmentation-models-pytorch's or MONAI's?

All networks get the same: frames at 120×90, padded by 4 columns and 3 rows on each side to 128×96 (the next size
that five halvings divide, which the deepest of them needs; the border is void, so it is neither learned nor
counted), batches of 8 in one order, horizontal flips, cross-entropy weighted by the root of inverse frequency,
AdamW, channels_last, one seed. Each is given the best of the same three learning rates, found by short runs of
equal time. The plain loop has a constant rate and nothing else; SegmentationTrainer adds warm-up, cosine decay,
clipping and averaged weights, for our network, so that network and loop are told apart.
"""

import contextlib
import functools
import io
import time
from collections.abc import Callable
from dataclasses import dataclass

import torch
from measuring import Row, interleave, spread
from torch import Tensor, nn
from torch.nn import functional as F

from segen.data import CamVid, batches
from segen.losses import VOID, cross_entropy
from segen.metrics import ConfusionMatrix
from segen.models import UNet
from segen.training import SegmentationTrainer

SIZE, PADDING, BATCH_SIZE, CLASSES = (90, 120), (4, 4, 3, 3), 8, len(CamVid.classes)
RATES = (3e-4, 1e-3, 3e-3)
SEARCH = 0.15  # the length of a run that tries a rate, over that of a run that counts
AVERAGE = 0.99  # of some 1,500 steps, the last hundred
OURS, SMP, MONAI = "segen UNet", 'smp Unet("resnet18")', "MONAI BasicUNet"


def ours() -> nn.Module:
    """Return our network in the setting that learns fastest here."""
    return UNet(3, CLASSES, width=16, convolutions=1)


def smp() -> nn.Module:
    """Return segmentation-models-pytorch's U-Net, its encoder not pretrained."""
    from segmentation_models_pytorch import Unet

    return Unet("resnet18", encoder_weights=None, classes=CLASSES)


def monai() -> nn.Module:
    """Return MONAI's U-Net with its own settings."""
    from monai.networks.nets import BasicUNet

    return BasicUNet(spatial_dims=2, in_channels=3, out_channels=CLASSES)


NETWORKS = {OURS: ours, SMP: smp, MONAI: monai}


class Frames(torch.utils.data.Dataset):
    """A split of CamVid, decoded and padded beforehand: images `[N, 3, 96, 128]`, masks `[N, 96, 128]`."""

    def __init__(self, split: str):
        images, masks = map(torch.stack, zip(*CamVid(split=split, size=SIZE), strict=True))
        self.images, self.masks = F.pad(images, PADDING), F.pad(masks, PADDING, value=VOID)

    def __len__(self) -> int:
        return len(self.images)

    def __getitem__(self, index: int) -> tuple[Tensor, Tensor]:
        return self.images[index], self.masks[index]


@dataclass
class Run:
    """What one training came to: its score on the validation split, and what it took."""

    mean_iou: float
    pixel_accuracy: float
    steps: int
    seconds: float
    busy: float


def flip(image: Tensor, mask: Tensor) -> tuple[Tensor, Tensor]:
    """Mirror image and mask, one time in two."""
    return (image.flip(-1), mask.flip(-1)) if torch.rand(()) < 0.5 else (image, mask)


def weighted_loss(frames: Frames) -> Callable[[Tensor, Tensor], Tensor]:
    """Return cross-entropy with weights of mean 1, one over the root of each class's share of the pixels."""
    counts = torch.bincount(frames.masks[frames.masks != VOID], minlength=CLASSES).clamp_min(1)
    weight = counts.rsqrt()
    return functools.partial(cross_entropy, weight=weight / weight.mean())


def score(predict: Callable[[Tensor], Tensor], frames: Frames) -> tuple[float, float]:
    """Return the mean IoU and the pixel accuracy of `predict`, images → logits, over all frames."""
    matrix = ConfusionMatrix(CLASSES)
    for images, masks in zip(frames.images.split(16), frames.masks.split(16), strict=True):
        matrix.update(predict(images).argmax(1), masks)
    return matrix.mean_iou(), matrix.pixel_accuracy()


def train_plainly(make: Callable, train: Frames, val: Frames, *, lr: float, seconds: float) -> Run:
    """Train `make()` in the plainest of loops until `seconds` have passed, at least one step."""
    torch.manual_seed(0)
    network, loss = make().to(memory_format=torch.channels_last).train(), weighted_loss(train)
    optimizer = torch.optim.AdamW(network.parameters(), lr=lr)
    stream, steps = batches(train, BATCH_SIZE, augment=flip), 0
    wall, processor = time.perf_counter(), time.process_time()
    while steps == 0 or time.perf_counter() - wall < seconds:
        images, masks = next(stream)
        optimizer.zero_grad()
        loss(network(images.contiguous(memory_format=torch.channels_last)), masks).backward()
        optimizer.step()
        steps += 1
    wall, processor = time.perf_counter() - wall, time.process_time() - processor
    with torch.no_grad():
        scores = score(network.eval(), val)
    return Run(*scores, steps, wall, processor / wall)


def train_by_trainer(make: Callable, train: Frames, val: Frames, *, lr: float, seconds: float, steps: int) -> Run:
    """Train `make()` with our trainer for `steps` steps, stopped before their end when `seconds` have passed."""
    torch.manual_seed(0)
    trainer = SegmentationTrainer(make(), loss=weighted_loss(train), lr=lr, decay=steps, average=AVERAGE)
    wall, processor = time.perf_counter(), time.process_time()

    def stop_in_time(_) -> None:
        if time.perf_counter() - wall > seconds:
            raise KeyboardInterrupt  # what the stop button does: the trainer ends in order

    with contextlib.redirect_stdout(io.StringIO()):  # it would say that it was interrupted
        trainer.fit(
            train, steps=steps, batch_size=BATCH_SIZE, every=5, augment=flip, callback=stop_in_time, progress=False
        )
    wall, processor = time.perf_counter() - wall, time.process_time() - processor
    return Run(*score(trainer.predict, val), trainer.step_number, wall, processor / wall)


def throughput(*, seconds: float, rounds: int, steps: int = 2) -> list[Row]:
    """Return the rows of images a second in training, and of ours over each peer's, on one and the same batch."""
    images = torch.randn(BATCH_SIZE, 3, 96, 128).contiguous(memory_format=torch.channels_last)
    masks = torch.randint(CLASSES, (BATCH_SIZE, 96, 128))

    def block(make):
        network = make().to(memory_format=torch.channels_last).train()
        optimizer = torch.optim.AdamW(network.parameters())

        def run():
            for _ in range(steps):
                optimizer.zero_grad()
                cross_entropy(network(images), masks).backward()
                optimizer.step()

        return run

    times = interleave({name: block(make) for name, make in NETWORKS.items()}, seconds=seconds, rounds=rounds)
    rows = []
    for name in NETWORKS:
        speed = spread([BATCH_SIZE * steps / t for t in times.wall[name]], ".1f")
        rows.append(Row(f"{name}, training at 128×96, images/s", speed, busy=times.busy))
    for name in (SMP, MONAI):
        rows.append(Row(f"{OURS} over {name}, images/s", spread(times.ratios(name, OURS)), busy=times.busy))
    return rows


def measure(seconds: float = 300.0, *, rounds: int = 7) -> list[Row]:
    """Return the rows of throughput, and of each network after `seconds` of training; CamVid is in `data_root()`."""
    rows = throughput(seconds=0.2 * seconds, rounds=rounds)
    try:
        train, val = Frames("train"), Frames("val")
    except FileNotFoundError as error:
        return [*rows, Row("U-Nets on CamVid after equal time", f"not measured: {error}")]

    def best_rate(make) -> float:
        tried = {lr: train_plainly(make, train, val, lr=lr, seconds=SEARCH * seconds) for lr in RATES}
        return max(RATES, key=lambda lr: tried[lr].mean_iou)

    rates = {name: best_rate(make) for name, make in NETWORKS.items()}
    runs = {
        f"{name}, plain loop": train_plainly(make, train, val, lr=rates[name], seconds=seconds)
        for name, make in NETWORKS.items()
    }
    # A few steps fewer than the plain loop came to, so that the cosine ends before the time does.
    steps = max(1, int(0.95 * runs[f"{OURS}, plain loop"].steps))
    runs[f"{OURS}, SegmentationTrainer"] = train_by_trainer(
        ours, train, val, lr=rates[OURS], seconds=seconds, steps=steps
    )
    peers = max(runs[f"{name}, plain loop"].mean_iou for name in (SMP, MONAI))
    for name, run in runs.items():
        lr = rates[name.partition(",")[0]]
        result = f"{run.mean_iou:.3f} (accuracy {run.pixel_accuracy:.3f}; lr {lr:g}, {run.steps} steps)"
        is_ours = name.startswith(OURS)
        asked, met = ("ahead of both peers", run.mean_iou > peers) if is_ours else ("", None)
        rows.append(Row(f"{name}, CamVid val mean IoU after {run.seconds:.0f} s", result, asked, met, run.busy))
    return rows
