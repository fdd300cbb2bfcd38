"""The baselines of Part II's table: labelling a street without a network that looks around.

`python recipes/baselines.py` fits and scores the rows that `segen/assets/baselines.json` lacks and adds them there,
one by one. Each baseline is a function of training images, their masks and a seed; it returns a function
`predict(images [N, 3, H, W]) -> masks int64 [N, H, W]`. Five rows of three seeds take some a minute of one core.

Otsu's threshold, k-means and the watershed find regions and know no names. Here a region's name is voted for by the
labels of the training streets, which is generous: whoever has no labels has no names.
"""

import functools
import time
from collections.abc import Callable

import cv2
import numpy as np
import torch
from table import fill
from torch import Tensor, nn

from segen.data import StreetScenes
from segen.losses import cross_entropy
from segen.metrics import BoundaryIoU, ConfusionMatrix
from segen.training import SegmentationTrainer

CLASSES, TRAINING, STREETS, VALIDATION = 8, 4000, 500, 256
CLUSTERS, SAMPLED = 64, 20_000  # k-means: clusters, and the pixels they are fitted to
# The per-pixel classifier is trained on every fourth pixel of every fourth row: it does not look at neighbours.
STEPS, BATCH_SIZE, LR, HIDDEN, STRIDE = 400, 16, 1e-2, 32, 4
SEEDS = (0, 1, 2)
Predict = Callable[[Tensor], Tensor]


def class_weights(masks: Tensor) -> Tensor:
    """Return float `[8]` with mean 1: one over the root of each class's share of `masks`."""
    share = torch.bincount(masks.flatten(), minlength=CLASSES).clamp(min=1) / masks.numel()
    return share.rsqrt() / share.rsqrt().mean()


def as_bytes(images: Tensor) -> np.ndarray:
    """Return images in [-1, 1] as OpenCV takes them: uint8 `[N, H, W, 3]`."""
    return ((images + 1) * 127.5).round().byte().permute(0, 2, 3, 1).contiguous().numpy()


def vote(regions: Tensor, masks: Tensor, count: int) -> Tensor:
    """Return the class of each of `count` kinds of regions: the one that most of its pixels have, int64 `[count]`.

    A pixel's vote weighs as it does in the networks' loss, or the rare classes would win nothing.
    """
    votes = torch.bincount(regions.flatten() * CLASSES + masks.flatten(), minlength=count * CLASSES)
    return (votes.view(count, CLASSES) * class_weights(masks)).argmax(1)


def majority(images: Tensor, masks: Tensor, seed: int) -> Predict:
    """Say the most frequent class of all pixels."""
    commonest = int(torch.bincount(masks.flatten(), minlength=CLASSES).argmax())
    return lambda images: torch.full((len(images), *images.shape[-2:]), commonest)


def dark_and_bright(images: Tensor) -> Tensor:
    """Split each image in two by Otsu's threshold of its grey values: 0 is dark, 1 bright, int64 `[N, H, W]`."""
    greys = [cv2.cvtColor(pixels, cv2.COLOR_RGB2GRAY) for pixels in as_bytes(images)]
    sides = [cv2.threshold(grey, 0, 1, cv2.THRESH_BINARY + cv2.THRESH_OTSU)[1] for grey in greys]
    return torch.from_numpy(np.stack(sides)).long()


def otsu(images: Tensor, masks: Tensor, seed: int) -> Predict:
    """Cut each image in two by Otsu's threshold, and name the dark side and the bright one."""
    names = vote(dark_and_bright(images), masks, 2)
    return lambda images: names[dark_and_bright(images)]


def colours(images: Tensor) -> Tensor:
    """Return the colours of all pixels, float32 `[N·H·W, 3]`."""
    return images.permute(0, 2, 3, 1).reshape(-1, 3)


def k_means(images: Tensor, masks: Tensor, seed: int, *, clusters: int = CLUSTERS) -> Predict:
    """Sort pixels by their colour into clusters, and name each cluster."""
    random = torch.Generator().manual_seed(seed)
    pixels = colours(images)
    some = pixels[torch.randperm(len(pixels), generator=random)[:SAMPLED]].numpy()
    cv2.setRNGSeed(seed)
    stop = (cv2.TERM_CRITERIA_EPS + cv2.TERM_CRITERIA_MAX_ITER, 100, 1e-4)
    centres = torch.from_numpy(cv2.kmeans(some, clusters, None, stop, 1, cv2.KMEANS_PP_CENTERS)[2])

    def nearest(images: Tensor) -> Tensor:
        found = [torch.cdist(part, centres).argmin(1) for part in colours(images).split(1 << 16)]
        return torch.cat(found).view(len(images), *images.shape[-2:])

    names = vote(nearest(images), masks, clusters)
    return lambda images: names[nearest(images)]


def regions(pixels: np.ndarray) -> np.ndarray:
    """Cut one image, uint8 `[H, W, 3]`, into regions by the watershed: int32 `[H, W]`, a number from 0 for each.

    The water rises from the calm places, the half of the image whose gradient is the lower one.
    """
    smooth = cv2.GaussianBlur(pixels, (3, 3), 0).astype(np.float32)
    steep = np.hypot(*(cv2.Sobel(smooth, -1, dx, 1 - dx) for dx in (0, 1))).max(-1)
    calm = (steep <= np.median(steep)).astype(np.uint8)
    found = cv2.watershed(pixels, cv2.connectedComponents(calm)[1])
    while (found < 1).any():  # the dams, one pixel broad, go to a neighbour
        beside = cv2.dilate(found.astype(np.float32), np.ones((3, 3), np.uint8)).astype(np.int32)
        found = np.where(found < 1, beside, found)
    return found - 1


def watershed(images: Tensor, masks: Tensor, seed: int) -> Predict:
    """Cut images into regions by the watershed; in each, the names that k-means gives its pixels are counted."""
    named = k_means(images, masks, seed)

    def predict(images: Tensor) -> Tensor:
        answers = []
        for pixels, names in zip(as_bytes(images), named(images), strict=True):
            found = torch.from_numpy(regions(pixels)).long()
            votes = torch.bincount((found * CLASSES + names).flatten(), minlength=(int(found.max()) + 1) * CLASSES)
            answers.append(votes.view(-1, CLASSES).argmax(1)[found])
        return torch.stack(answers)

    return predict


def pixel_network() -> nn.Module:
    """Return three 1×1 convolutions: each pixel is labelled by its own colour and nothing else."""
    layers = [nn.Conv2d(3, HIDDEN, 1), nn.ReLU(), nn.Conv2d(HIDDEN, HIDDEN, 1), nn.ReLU()]
    return nn.Sequential(*layers, nn.Conv2d(HIDDEN, CLASSES, 1))


def per_pixel(images: Tensor, masks: Tensor, seed: int) -> Predict:
    """Train a classifier of single pixels by the networks' weighted cross-entropy."""
    torch.manual_seed(seed)
    loss = functools.partial(cross_entropy, weight=class_weights(masks))
    trainer = SegmentationTrainer(pixel_network(), loss=loss, lr=LR, seed=seed, decay=STEPS)
    pairs = torch.utils.data.TensorDataset(images[..., ::STRIDE, ::STRIDE], masks[..., ::STRIDE, ::STRIDE])
    trainer.fit(pairs, steps=STEPS, batch_size=BATCH_SIZE, progress=False)
    return lambda images: torch.cat([trainer.predict(part).argmax(1) for part in images.split(32)])


BASELINES = {
    "majority class": majority,
    "Otsu": otsu,
    "k-means": k_means,
    "watershed": watershed,
    "per-pixel classifier": per_pixel,
}
GRID = [{"network": name, "data": "StreetScenes"} for name in BASELINES]
FIXED = {"size": [64, 64], "streets": STREETS, "validation": VALIDATION, "clusters": CLUSTERS, "steps": STEPS}


def training_streets(seed: int) -> tuple[Tensor, Tensor]:
    """Return the images and masks of 500 of the 4,000 training streets; the seed says which."""
    some = torch.randperm(TRAINING, generator=torch.Generator().manual_seed(seed))[:STREETS]
    streets = StreetScenes(TRAINING, seed=0)
    return tuple(map(torch.stack, zip(*(streets[i] for i in some.tolist()), strict=True)))


def score(predict: Predict) -> dict:
    """Return what the table says of a baseline, on the streets on which the networks are judged."""
    images, masks = map(torch.stack, zip(*StreetScenes(VALIDATION, seed=1), strict=True))
    predicted, matrix, boundary = predict(images), ConfusionMatrix(CLASSES), BoundaryIoU(CLASSES, distance=2)
    matrix.update(predicted, masks)
    boundary.update(predicted, masks)
    return {
        "mean_iou": matrix.mean_iou(),
        "class_iou": matrix.iou().tolist(),
        "boundary_iou": boundary.mean_iou(),
        "pixel_accuracy": matrix.pixel_accuracy(),
    }


def run(task: tuple[dict, int]) -> dict:
    """Fit and score one (settings, seed); the seconds are those of the processor, without drawing the streets."""
    torch.set_num_threads(1)
    cv2.setNumThreads(1)
    settings, seed = task
    images, masks = training_streets(seed)
    started = time.process_time()
    predict = BASELINES[settings["network"]](images, masks, seed)
    seconds = time.process_time() - started
    return score(predict) | {"seconds": seconds}


if __name__ == "__main__":
    fill("baselines", GRID, run, seeds=SEEDS, fixed=FIXED)
