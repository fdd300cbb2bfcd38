"""Training a network that gives each image a class."""

from segen.metrics import ConfusionMatrix
from segen.training.supervised import SupervisedTrainer


class ClassifierTrainer(SupervisedTrainer):
    """Train a classifier on images `[3, H, W]` and labels; `evaluate` gives loss, accuracy and macro F1.

    Labels are whole numbers 0..K−1; an image with the label 255 does not count. Macro F1 is the mean of
    `2 TP / (2 TP + FP + FN)` over the classes that are in the labels or the predictions, as in scikit-learn's
    `f1_score(labels, predictions, average="macro")`; given all classes as `labels=`, scikit-learn also averages those
    that occur in neither, as 0. The matrix behind both is `confusion(data)`.
    """

    def scores(self, matrix: ConfusionMatrix) -> dict[str, float]:
        """Return the share of images that are right, and the mean of the classes' F1 (which is their Dice)."""
        return {"accuracy": matrix.pixel_accuracy(), "macro_f1": matrix.dice().nanmean().item()}
