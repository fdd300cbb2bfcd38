"""Networks: one file a paper."""

from segen.models.alexnet import AlexNet, alexnet
from segen.models.crf import DenseCRF
from segen.models.deeplab import DeepLabV3, DeepLabV3Plus, deeplabv3_resnet50
from segen.models.densenet import DenseNet, densenet121
from segen.models.fcn import FCN, fcn_resnet50
from segen.models.googlenet import GoogLeNet, googlenet
from segen.models.resnet import PreActResNet, ResNet, resnet18, resnet50
from segen.models.segnet import SegNet, segnet, segnet_basic
from segen.models.senet import SEResNet, se_resnet50
from segen.models.unet import UNet, unet_2015
from segen.models.vgg import VGG, vgg16
from segen.models.weights import pretrained

__all__ = [
    "FCN",
    "VGG",
    "AlexNet",
    "DeepLabV3",
    "DeepLabV3Plus",
    "DenseCRF",
    "DenseNet",
    "GoogLeNet",
    "PreActResNet",
    "ResNet",
    "SEResNet",
    "SegNet",
    "UNet",
    "alexnet",
    "deeplabv3_resnet50",
    "densenet121",
    "fcn_resnet50",
    "googlenet",
    "pretrained",
    "resnet18",
    "resnet50",
    "se_resnet50",
    "segnet",
    "segnet_basic",
    "unet_2015",
    "vgg16",
]
