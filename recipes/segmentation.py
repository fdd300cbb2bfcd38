"""The one table of Part II: seven segmenters of comparable size, trained alike on streets and on CamVid.

`python recipes/segmentation.py` trains the rows that `segen/assets/segmentation.json` lacks and adds them there, one
by one; `--data StreetScenes` or `--data CamVid` trains those of one set only, `--rows 3` stops after three of them,
`--processes 2` runs two at a time, each with one thread. CamVid is read from `$SEGEN_DATA`. `--latency` trains
nothing: it times all networks, interleaved, and writes what it finds into the rows that are there; nothing else
should run meanwhile. The streets' rows of three seeds take about 30 minutes of one core, CamVid's of one about 35.
"""

import argparse
import functools
import multiprocessing
import os
import statistics
import time
from collections.abc import Callable

import torch
from table import commit, read, rounded, write
from torch import Tensor, nn
from torch.nn import functional as F
from torch.utils.data import Dataset
from torch.utils.flop_counter import FlopCounterMode

from segen.data import CamVid, StreetScenes
from segen.losses import cross_entropy
from segen.metrics import VOID, BoundaryIoU, ConfusionMatrix
from segen.models import FCN, DeepLabV3, DeepLabV3Plus, SegNet, UNet
from segen.training import History, SegmentationTrainer

# Widths for which all have between 1.6 and 2 million parameters.
NETWORKS: dict[str, Callable[[int], nn.Module]] = {
    "FCN-32s": lambda classes: FCN(3, classes, width=24, skips=0),
    "FCN-16s": lambda classes: FCN(3, classes, width=24, skips=1),
    "FCN-8s": lambda classes: FCN(3, classes, width=24, skips=2),
    "U-Net": lambda classes: UNet(3, classes, width=16),
    "SegNet": lambda classes: SegNet(3, classes, width=16),
    "DeepLabV3": lambda classes: DeepLabV3(3, classes, width=22),
    "DeepLabV3+": lambda classes: DeepLabV3Plus(3, classes, width=22),
}
# Boundary IoU's distance is 2 % of the diagonal, as its paper has it.
SETTINGS = {
    "StreetScenes": {"size": [64, 64], "steps": 900, "batch_size": 8, "seeds": [0, 1, 2], "distance": 2},
    "CamVid": {"size": [180, 240], "steps": 600, "batch_size": 4, "seeds": [0], "distance": 6},
}
CLASSES = {"StreetScenes": 8, "CamVid": 11}
LR, AVERAGE, FIRST = 4e-3, 0.99, 20
TRAINING, VALIDATION = 4000, 256  # streets; CamVid has 367 and 101 frames


class Padded(Dataset):
    """A set whose images have more rows added below, the last one repeated, and whose masks are void there.

    The sides of U-Net's images are multiples of 16; 180 rows are not, and all networks shall read the same.
    """

    def __init__(self, dataset: Dataset, rows: int) -> None:
        self.dataset, self.rows, self.classes = dataset, rows, dataset.classes

    def __len__(self) -> int:
        return len(self.dataset)

    def __getitem__(self, index: int) -> tuple[Tensor, Tensor]:
        image, mask = self.dataset[index]
        more = (0, 0, 0, self.rows)
        return F.pad(image, more, mode="replicate"), F.pad(mask, more, value=VOID)


@functools.cache  # what was drawn once is kept for the next run
def sets(data: str) -> tuple[Dataset, Dataset]:
    """Return what is trained on and what is judged."""
    if data == "StreetScenes":
        return StreetScenes(TRAINING, seed=0), StreetScenes(VALIDATION, seed=1)
    size = tuple(SETTINGS[data]["size"])
    return tuple(Padded(CamVid(split=split, size=size), -size[0] % 16) for split in ("train", "val"))


def class_weights(dataset: Dataset, classes: int) -> Tensor:
    """Return float `[classes]` with mean 1: one over the root of each class's share of the first 64 masks."""
    masks = torch.stack([dataset[i][1] for i in range(64)])
    share = torch.bincount(masks[masks != VOID], minlength=classes).clamp(min=1) / (masks != VOID).sum()
    return share.rsqrt() / share.rsqrt().mean()


def flip(image: Tensor, mask: Tensor) -> tuple[Tensor, Tensor]:
    """Mirror every second image and its mask, by chance."""
    return (image.flip(-1), mask.flip(-1)) if torch.rand(()) < 0.5 else (image, mask)


def at_edges(masks: Tensor) -> Tensor:
    """Return where one of the eight neighbours has another class: `[N, H, W]` → bool `[N, H, W]`."""
    m = masks[:, None].float()
    return (F.max_pool2d(m, 3, 1, 1) != -F.max_pool2d(-m, 3, 1, 1))[:, 0]


def fit(
    network: str, data: str, seed: int, *, steps: int | None = None, training: Dataset | None = None
) -> tuple[SegmentationTrainer, History]:
    """Train a row's network from `seed` for the first `steps` of its steps (all); return trainer and history."""
    settings = SETTINGS[data]
    training = training or sets(data)[0]
    classes = len(training.classes)
    torch.manual_seed(seed)
    model = NETWORKS[network](classes)
    loss = functools.partial(cross_entropy, weight=class_weights(training, classes))
    trainer = SegmentationTrainer(model, loss=loss, lr=LR, seed=seed, decay=settings["steps"], average=AVERAGE)
    history = trainer.fit(
        training,
        steps=steps or settings["steps"],
        batch_size=settings["batch_size"],
        augment=flip,
        every=FIRST,
        progress=False,
    )
    return trainer, history


def score(trainer: SegmentationTrainer, validation: Dataset, *, distance: int) -> dict:
    """Return what the table says of a trained network."""
    classes = len(validation.classes)
    matrix, boundary = ConfusionMatrix(classes), BoundaryIoU(classes, distance=distance)
    right, counted = torch.zeros(2, dtype=torch.float64), torch.zeros(2, dtype=torch.float64)  # inside, at edges
    for first in range(0, len(validation), 16):
        samples = [validation[i] for i in range(first, min(first + 16, len(validation)))]
        images, masks = map(torch.stack, zip(*samples, strict=True))
        predicted = trainer.predict(images).argmax(1)
        matrix.update(predicted, masks)
        boundary.update(predicted, masks)
        place, valid = at_edges(masks).long(), masks != VOID
        counted += torch.bincount(place[valid], minlength=2)
        right += torch.bincount(place[valid & (predicted == masks)], minlength=2)
    inside, edges = (right / counted).tolist()
    return {
        "mean_iou": matrix.mean_iou(),
        "class_iou": matrix.iou().tolist(),
        "boundary_iou": boundary.mean_iou(),
        "pixel_accuracy": matrix.pixel_accuracy(),
        "at_edges": edges,
        "inside": inside,
    }


def run(task: tuple[str, str, int]) -> dict:
    """Train and score one (network, data, seed)."""
    torch.set_num_threads(1)
    network, data, seed = task
    training, validation = sets(data)
    for sample in range(len(training)):  # drawn or read before the clock starts, and kept
        training[sample]
    started = time.process_time()
    trainer, history = fit(network, data, seed, training=training)
    trained = time.process_time() - started
    scores = score(trainer, validation, distance=SETTINGS[data]["distance"])
    return scores | {"train_seconds": round(trained, 1), "first_losses": history.loss[0]}


def blank(data: str) -> Tensor:
    """Return one image `[1, 3, H, W]` of the size that the networks read."""
    height, width = SETTINGS[data]["size"]
    return torch.zeros(1, 3, height + -height % 16, width)


def costs(network: str, data: str) -> dict[str, int]:
    """Return the number of parameters, and of multiply-adds for one image."""
    classes = CLASSES[data]
    model = NETWORKS[network](classes).eval()
    with torch.no_grad(), FlopCounterMode(display=False) as counter:
        model(blank(data))
    parameters = sum(p.numel() for p in model.parameters())
    return {"parameters": parameters, "multiply_adds": counter.get_total_flops() // 2}


def latencies(data: str, *, rounds: int = 15) -> dict[str, list[float]]:
    """Return each network's milliseconds for one image on one thread: 25, 50 and 75 % of `rounds`, interleaved."""
    torch.set_num_threads(1)
    classes = CLASSES[data]
    models = {name: make(classes).eval() for name, make in NETWORKS.items()}
    image = blank(data)
    times: dict[str, list[float]] = {name: [] for name in models}
    with torch.no_grad():
        for turn in range(3 + rounds):  # three to warm up
            for name, model in models.items():
                started = time.perf_counter()
                for _ in range(4):
                    model(image)
                if turn >= 3:
                    times[name].append((time.perf_counter() - started) / 4 * 1000)
    return {name: [round(q, 2) for q in statistics.quantiles(values, n=4)] for name, values in times.items()}


def order(row: dict) -> tuple[int, int]:
    """Return where a row stands in the table."""
    return list(SETTINGS).index(row["data"]), list(NETWORKS).index(row["network"])


def main() -> None:
    """Train the rows that are missing and add each to the table when its seeds are done."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--data", choices=list(SETTINGS), help="train the rows of this set only")
    parser.add_argument("--rows", type=int, help="stop after so many rows (all)")
    parser.add_argument("--processes", type=int, default=1, help="how many runs at a time (1)")
    parser.add_argument("--latency", action="store_true", help="train nothing, time the networks")
    asked = parser.parse_args()
    rows = read("segmentation")
    if asked.latency:
        for data in dict.fromkeys(row["data"] for row in rows):
            times = latencies(data)
            for row in rows:
                if row["data"] == data:
                    low, row["latency_ms"], high = times[row["network"]]
                    row["latency_spread_ms"] = [low, high]
        write("segmentation", rows)
        return
    there = {(row["data"], row["network"]) for row in rows}
    missing = [
        (data, network)
        for data in SETTINGS
        for network in NETWORKS
        if (data, network) not in there and asked.data in (None, data)
    ][: asked.rows]
    named = commit()
    os.environ["OMP_NUM_THREADS"] = "1"
    tasks = [(network, data, seed) for data, network in missing for seed in SETTINGS[data]["seeds"]]
    with multiprocessing.get_context("spawn").Pool(asked.processes) as pool:
        results = pool.imap(run, tasks)
        for data, network in missing:
            settings = SETTINGS[data]
            runs = [next(results) for _ in settings["seeds"]]
            row = {"network": network, "data": data, **settings, "lr": LR, "average": AVERAGE, **costs(network, data)}
            row |= {"recipe": "recipes/segmentation.py", "commit": named, "latency_ms": None}
            row["seconds"] = round(sum(r["train_seconds"] for r in runs), 1)
            for name in runs[0]:
                row[name] = rounded([r[name] for r in runs])
            rows = sorted([*rows, row], key=order)
            write("segmentation", rows)
            print(
                {"data": data, "network": network, "mean_iou": row["mean_iou"], "seconds": row["seconds"]}, flush=True
            )


if __name__ == "__main__":
    main()
