"""Networks: one file a paper."""

from segen.models.alexnet import AlexNet, alexnet
from segen.models.biggan import BigGANDiscriminator, BigGANGenerator, biggan_128
from segen.models.crf import DenseCRF
from segen.models.dcgan import DCGANDiscriminator, DCGANGenerator, dcgan_64
from segen.models.deeplab import DeepLabV3, DeepLabV3Plus, deeplabv3_resnet50
from segen.models.densenet import DenseNet, densenet121
from segen.models.fcn import FCN, fcn_resnet50
from segen.models.gan import MLPDiscriminator, MLPGenerator
from segen.models.googlenet import GoogLeNet, googlenet
from segen.models.progan import ProGANDiscriminator, ProGANGenerator, progan_1024
from segen.models.resnet import PreActResNet, ResNet, resnet18, resnet50
from segen.models.resnet_gan import ResNetDiscriminator, ResNetGenerator, sngan_32
from segen.models.segnet import SegNet, segnet, segnet_basic
from segen.models.senet import SEResNet, se_resnet50
from segen.models.unet import UNet, unet_2015
from segen.models.vgg import VGG, vgg16
from segen.models.weights import pretrained

__all__ = [
    "FCN",
    "VGG",
    "AlexNet",
    "BigGANDiscriminator",
    "BigGANGenerator",
    "DCGANDiscriminator",
    "DCGANGenerator",
    "DeepLabV3",
    "DeepLabV3Plus",
    "DenseCRF",
    "DenseNet",
    "GoogLeNet",
    "MLPDiscriminator",
    "MLPGenerator",
    "PreActResNet",
    "ProGANDiscriminator",
    "ProGANGenerator",
    "ResNet",
    "ResNetDiscriminator",
    "ResNetGenerator",
    "SEResNet",
    "SegNet",
    "UNet",
    "alexnet",
    "biggan_128",
    "dcgan_64",
    "deeplabv3_resnet50",
    "densenet121",
    "fcn_resnet50",
    "googlenet",
    "pretrained",
    "progan_1024",
    "resnet18",
    "resnet50",
    "se_resnet50",
    "segnet",
    "segnet_basic",
    "sngan_32",
    "unet_2015",
    "vgg16",
]
