"""Training a network that gives each image a class."""

from segen.metrics import ConfusionMatrix
from segen.training.supervised import SupervisedTrainer


class ClassifierTrainer(SupervisedTrainer):
    """Train a classifier on images `[3, H, W]` and labels; `evaluate` gives loss, accuracy and macro F1."""

    def scores(self, matrix: ConfusionMatrix) -> dict[str, float]:
        """Return the share of images that are right, and the mean of the classes' F1 (which is their Dice)."""
        return {"accuracy": matrix.pixel_accuracy(), "macro_f1": matrix.dice().nanmean().item()}
