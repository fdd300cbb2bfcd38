"""Training: the loop, and one file for each kind of it."""

from segen.training.classification import ClassifierTrainer
from segen.training.segmentation import SegmentationTrainer
from segen.training.trainer import History, Trainer

__all__ = ["ClassifierTrainer", "History", "SegmentationTrainer", "Trainer"]
