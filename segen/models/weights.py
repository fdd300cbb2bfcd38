"""Networks that the package ships trained: their weights lie beside the tables, in half precision."""

import json
from pathlib import Path

import torch
from safetensors import safe_open
from torch import nn

from segen.models.biggan import BigGANGenerator
from segen.models.dcgan import DCGANGenerator
from segen.models.gan import MLPGenerator
from segen.models.progan import ProGANGenerator
from segen.models.resnet import ResNet
from segen.models.resnet_gan import ResNetGenerator
from segen.models.unet import UNet

ASSETS = Path(__file__).parent.parent / "assets"
NETWORKS = {
    "roadsigns": lambda: ResNet(3, 10, width=16, blocks=(1, 1, 1), small=True),
    "fashion": lambda: ResNet(1, 10, width=16, blocks=(1, 1, 1), small=True),
    "streets": lambda: UNet(3, 8, width=16, convolutions=1),
    "camvid": lambda: UNet(3, 11, width=16, convolutions=1),
    "gan": lambda: MLPGenerator(64, 3, width=256),
    "dcgan": lambda: DCGANGenerator(64, 3, width=24),
    "wgan": lambda: ResNetGenerator(64, 3, width=16),
    "sngan": lambda: DCGANGenerator(64, 3, width=24),
    "progan": lambda: ProGANGenerator(64, 3, width=8),
    "biggan": lambda: BigGANGenerator(64, 3, width=8),
}


def pretrained(name: str) -> nn.Module:
    """Return the shipped network `name`, in evaluation mode and float32, with what it is in its dict `.card`.

    `"roadsigns"` is Part I's classifier of `RoadSigns`, which Part III measures with: images `[N, 3, 32, 32]` in
    [-1, 1] → logits `[N, 10]`. Its features `[N, 64]` are `network.features(x)[-1].mean((2, 3))`, what its last layer
    reads. `"fashion"` is the same for Fashion-MNIST padded to `[N, 1, 32, 32]`.

    `"streets"` labels `StreetScenes` at 64×64 in all weathers, `"camvid"` CamVid's frames at 240×180; the sides of
    what they read are multiples of 16.

    `"gan"`, `"dcgan"`, `"wgan"`, `"sngan"`, `"progan"` and `"biggan"` are the generators of Part III's table: noise
    `[N, 64]`, and for `"biggan"` classes `[N]`, → road signs `[N, 3, 32, 32]`. Nothing is loaded from a network, and
    no random number is drawn.

    Raises ValueError, with the names there are, if no network of that name is shipped.
    """
    if name not in list(NETWORKS):
        raise ValueError(f"There is no trained network {name!r}; those shipped are: {', '.join(NETWORKS)}.")
    with safe_open(ASSETS / f"{name}.safetensors", framework="pt") as file:
        card, names = json.loads(file.metadata()["card"]), file.keys()
        weights = {name: file.get_tensor(name) for name in names}
    with torch.device("meta"):  # no memory and no chance are spent on first weights
        network = NETWORKS[name]()
    whole = {key: value.float() if value.is_floating_point() else value for key, value in weights.items()}
    network.load_state_dict(whole, assign=True)
    network.card = card
    return network.eval()
