"""Training: the loop, and one file for each kind of it."""

from segen.training.classification import ClassifierTrainer
from segen.training.gan import GANTrainer
from segen.training.segmentation import SegmentationTrainer
from segen.training.trainer import History, Trainer

__all__ = ["ClassifierTrainer", "GANTrainer", "History", "SegmentationTrainer", "Trainer"]
