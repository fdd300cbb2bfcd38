"""Datasets: what goes into the networks, in both halves of the course."""

from segen.data.camvid import CamVid
from segen.data.cifar10 import CIFAR10
from segen.data.cityscapes import Cityscapes
from segen.data.coco import COCO
from segen.data.common import data_root
from segen.data.fashion_mnist import FashionMNIST
from segen.data.isbi2012 import ISBI2012
from segen.data.loading import batches
from segen.data.signs import RoadSigns
from segen.data.streets import StreetDrive, StreetScenes
from segen.data.transforms import joint
from segen.data.voc import VOC

__all__ = [
    "CIFAR10",
    "COCO",
    "ISBI2012",
    "VOC",
    "CamVid",
    "Cityscapes",
    "FashionMNIST",
    "RoadSigns",
    "StreetDrive",
    "StreetScenes",
    "batches",
    "data_root",
    "joint",
]
