"""Training a network that gives each pixel a class."""

from segen.metrics import ConfusionMatrix
from segen.training.supervised import SupervisedTrainer


class SegmentationTrainer(SupervisedTrainer):
    """Train a segmenter on images `[3, H, W]` and masks `[H, W]`; `evaluate` gives loss, mean IoU, pixel accuracy."""

    def scores(self, matrix: ConfusionMatrix) -> dict[str, float]:
        """Return the mean IoU over the classes that occur, and the share of pixels that are right."""
        return {"mean_iou": matrix.mean_iou(), "pixel_accuracy": matrix.pixel_accuracy()}
