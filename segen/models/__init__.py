"""Networks: one file a paper."""

from segen.models.unet import UNet, unet_2015

__all__ = ["UNet", "unet_2015"]
