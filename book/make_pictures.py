"""Draw the picture of the README and of the book's first page: `python book/make_pictures.py`.

Streets that the package draws, their masks, and what a small U-Net says of them after a minute of training on one core.
Nothing is downloaded; the seeds are fixed. The mean IoU on unseen streets is printed.
"""

import argparse
from pathlib import Path

import torch

from segen import show
from segen.data import StreetScenes
from segen.losses import cross_entropy
from segen.models import UNet
from segen.training import SegmentationTrainer

PICTURE = Path(__file__).parent / "_static" / "streets.png"
# The network sees streets small; they are shown larger, as the same scene drawn at three times the size.
SIZE, LARGE, SCENES, SHOWN = (96, 96), (288, 288), 1600, (0, 5, 9, 14)


def class_weights(data: StreetScenes, count: int = 64) -> torch.Tensor:
    """Return float `[8]` with mean 1: one over the root of each class's share of the first `count` streets."""
    pixels = torch.stack([data[index][1] for index in range(count)]).flatten().bincount(minlength=len(data.classes))
    weights = (pixels / pixels.sum()).rsqrt()
    return weights / weights.mean()


def main() -> None:
    """Train, predict streets that were never seen, and write the picture."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--steps", type=int, default=400, help="batches of eight streets (400)")
    steps = parser.parse_args().steps

    streets = StreetScenes(SCENES, size=SIZE, seed=0)
    unseen = StreetScenes(64, size=SIZE, seed=1)
    weight = class_weights(streets)
    torch.manual_seed(0)
    trainer = SegmentationTrainer(
        UNet(3, len(streets.classes), width=8),
        loss=lambda logits, target: cross_entropy(logits, target, weight=weight),
        lr=4e-3,
    )
    trainer.fit(streets, steps=steps, batch_size=8, every=100)
    scores = trainer.evaluate(unseen)
    print(f"mean IoU {scores['mean_iou']:.3f}, pixel accuracy {scores['pixel_accuracy']:.3f} on {len(unseen)} streets")

    images = torch.stack([unseen[index][0] for index in SHOWN])
    answers = trainer.predict(images).argmax(1).repeat_interleave(3, 1).repeat_interleave(3, 2)
    large = StreetScenes(len(unseen), size=LARGE, seed=1)
    streets, masks = map(torch.stack, zip(*(large[index] for index in SHOWN), strict=True))
    sheet = torch.cat([streets, show.colour(masks, large.palette), show.colour(answers, large.palette)])
    figure = show.images(sheet, columns=len(SHOWN), rows=["street", "mask", "predicted"])
    figure.savefig(PICTURE, bbox_inches="tight", pad_inches=0.05)


if __name__ == "__main__":
    main()
