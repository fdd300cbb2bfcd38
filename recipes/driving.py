"""The networks that ship for the chapter `driving`, and its experiment: which streets a network was shown, and how.

`python recipes/driving.py streets`, `camvid` and `clear` each train one U-Net (about 12, 32 and 12 minutes of one
core) and store its row in `segen/assets/driving.json`; the weights of the first two, averaged and in half precision,
go to `segen/assets/streets.safetensors` and `camvid.safetensors`. A run that was stopped goes on from its checkpoint
in `_build/recipes`. CamVid is read from `$SEGEN_DATA`. `python recipes/shift.py` is the experiment.
"""

import argparse
import functools
import time
from collections.abc import Callable
from pathlib import Path

import torch
from table import ROOT, commit, read, rounded, ship, write
from torch import Tensor, nn
from torch.nn import functional as F
from torch.utils.data import Dataset
from torchvision.transforms import v2

from segen.data import CamVid, StreetScenes, joint
from segen.losses import cross_entropy
from segen.metrics import VOID, ConfusionMatrix
from segen.models import UNet
from segen.training import SegmentationTrainer

WEATHERS = ("clear", "rain", "fog", "night")
WIDTH, CONVOLUTIONS, SEED, LR, VALIDATION = 16, 1, 0, 4e-3, 256
# The crop of CamVid is of images of 240×180; its sides are multiples of 16, as U-Net's must be.
SETTINGS = {
    "streets": {"data": "StreetScenes", "weather": "mixed", "training": 8000, "steps": 8000, "batch_size": 8},
    "clear": {"data": "StreetScenes", "weather": "clear", "training": 8000, "steps": 8000, "batch_size": 8},
    "camvid": {"data": "CamVid", "crop": [160, 192], "training": 367, "steps": 6500, "batch_size": 4},
}
CARDS = {
    "streets": {
        "name": "streets",
        "what": "UNet(3, 8, width=16, convolutions=1), which labels StreetScenes at 64×64 in all weathers",
        "trained_on": 'StreetScenes(8000, seed=0, weather="mixed")',
        "measured_on": "StreetScenes(256, seed=1) in each weather",
        "classes": list(StreetScenes.classes),
        "licence": "MIT",
    },
    "camvid": {
        "name": "camvid",
        "what": "UNet(3, 11, width=16, convolutions=1), which labels CamVid's frames at 240×180",
        "trained_on": "CamVid's training split (367 frames), 240×180",
        "measured_on": "CamVid's validation split (101 frames), logits enlarged to its labels' 480×360",
        "classes": list(CamVid.classes),
        "licence": "for research, as CamVid itself (CC BY-NC 4.0 as its source states)",
    },
}


def class_weights(dataset: Dataset) -> Tensor:
    """Return float `[K]` with mean 1: one over the root of each class's share of the first 256 masks."""
    masks = torch.stack([dataset[i][1] for i in range(256)])
    share = torch.bincount(masks[masks != VOID], minlength=len(dataset.classes)) / (masks != VOID).sum()
    return share.rsqrt() / share.rsqrt().mean()


def flip(image: Tensor, mask: Tensor) -> tuple[Tensor, Tensor]:
    """Mirror every second image and its mask, by chance."""
    return (image.flip(-1), mask.flip(-1)) if torch.rand(()) < 0.5 else (image, mask)


def vary(crop: list[int]) -> Callable:
    """Return an augmentation: mirror, scale by 0.75 to 1.75, crop, and change the colours of the image alone."""
    return joint(
        v2.Compose([
            v2.RandomHorizontalFlip(),
            v2.ScaleJitter((180, 240), scale_range=(0.75, 1.75), antialias=True),
            v2.RandomCrop(crop, pad_if_needed=True),
            v2.ColorJitter(brightness=0.3, contrast=0.3, saturation=0.3),
        ])
    )  # fmt: skip


def fit(name: str, *, steps: int | None = None, checkpoint: Path | None = None) -> SegmentationTrainer:
    """Train a network for the first `steps` of its steps (all), on from `checkpoint` if there is one."""
    settings = SETTINGS[name]
    if settings["data"] == "CamVid":
        training, augment = CamVid(split="train", size=(180, 240)), vary(settings["crop"])
    else:
        training, augment = StreetScenes(settings["training"], seed=0, weather=settings["weather"]), flip
    torch.manual_seed(SEED)
    model = UNet(3, len(training.classes), width=WIDTH, convolutions=CONVOLUTIONS)
    loss = functools.partial(cross_entropy, weight=class_weights(training))
    trainer = SegmentationTrainer(model, loss=loss, lr=LR, seed=SEED, decay=settings["steps"], average=0.995)
    trainer.fit(
        training,
        steps=steps or settings["steps"],
        batch_size=settings["batch_size"],
        augment=augment,
        checkpoint=checkpoint,
        every=20 if steps else 500,
        progress=False,
        callback=lambda trainer: print(name, trainer.history.step[-1], trainer.history.loss[-1], flush=True),
    )
    return trainer


@torch.no_grad()
def on_streets(predict, weather: str) -> dict:
    """Return the scores of the logits `predict(images)` on held-out streets of one weather."""
    matrix = ConfusionMatrix(len(StreetScenes.classes))
    streets = StreetScenes(VALIDATION, seed=1, weather=weather)
    for first in range(0, VALIDATION, 16):
        images, masks = map(torch.stack, zip(*(streets[i] for i in range(first, first + 16)), strict=True))
        matrix.update(predict(images).argmax(1), masks)
    return {"mean_iou": matrix.mean_iou(), "class_iou": matrix.iou().tolist()}


@torch.no_grad()
def on_camvid(predict, split: str = "val") -> dict:
    """Return the scores on CamVid at the size of its labels, 480×360, of logits for images of 240×180, enlarged."""
    matrix, small, large = ConfusionMatrix(11), CamVid(split=split, size=(180, 240)), CamVid(split=split)
    for index in range(len(small)):
        image, mask = small[index][0][None], large[index][1][None]
        logits = predict(F.pad(image, (0, 0, 0, 12), mode="replicate"))[..., :180, :]
        logits = F.interpolate(logits, mask.shape[-2:], mode="bilinear", align_corners=False)
        matrix.update(logits.argmax(1), mask)
    return {"mean_iou": matrix.mean_iou(), "class_iou": matrix.iou().tolist()}


def score(name: str, network: nn.Module) -> dict[str, dict]:
    """Return the scores of a network that was trained as `name`, by where they were taken."""
    if SETTINGS[name]["data"] == "CamVid":
        return {"val": on_camvid(network)}
    return {weather: on_streets(network, weather) for weather in WEATHERS}


def main() -> None:
    """Train the named network, score it, and store its row."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("name", choices=list(SETTINGS), help="which network to train")
    name = parser.parse_args().name
    torch.set_num_threads(1)
    folder = ROOT / "_build" / "recipes"
    folder.mkdir(parents=True, exist_ok=True)
    named, started = commit(), time.process_time()
    trainer = fit(name, checkpoint=folder / f"{name}.ckpt")
    row = {"name": name, **SETTINGS[name], "width": WIDTH, "convolutions": CONVOLUTIONS, "lr": LR}
    row |= {"recipe": "recipes/driving.py", "commit": named, "seeds": [SEED]}
    row["seconds"] = round(time.process_time() - started, 1)
    before = next((other for other in read("driving") if other["name"] == name), None)
    if before is not None:  # what was trained already is only scored and shipped again: its time and commit stay
        row |= {key: before[key] for key in ("seconds", "commit")}
    network = trainer.averaged["model"].half().float()  # as it is shipped
    scores = score(name, network)
    row |= {where: {what: rounded(value) for what, value in found.items()} for where, found in scores.items()}
    if name in CARDS:
        card = CARDS[name] | {"recipe": row["recipe"], "commit": row["commit"], "seed": SEED}
        ship(name, network, card | {where: rounded(found["mean_iou"]) for where, found in scores.items()})
    others = [other for other in read("driving") if other["name"] != name]
    write("driving", sorted([*others, row], key=lambda row: list(SETTINGS).index(row["name"])))
    print(row, flush=True)


if __name__ == "__main__":
    main()
