import pytest
import torch
import torchvision
from torch import nn

from segen.models import VGG, vgg16


def test_equals_torchvision(assert_equals_peer):
    assert_equals_peer(vgg16, torchvision.models.vgg16, size=32, parameters=138_357_544)


def test_configuration_a_with_batch_norm_equals_torchvision(assert_equals_peer):
    def make():
        model = VGG(blocks=(1, 1, 2, 2, 2), batch_norm=True)
        model.head = nn.Flatten()
        return model

    def make_peer():
        peer = torchvision.models.vgg11_bn()
        peer.avgpool = peer.classifier = nn.Identity()
        return peer

    # Before batch norm torchvision has biases, which the norm subtracts again in training; ours has none.
    def reshape(state):
        matrices = {name.removesuffix("weight") for name, tensor in state.items() if tensor.ndim == 4}
        for name in matrices:
            state[f"{name}bias"].zero_()
        return {name: tensor for name, tensor in state.items() if name.removesuffix("bias") not in matrices}

    assert_equals_peer(make, make_peer, size=32, reshape=reshape)


def test_maps_come_before_the_pooling():
    with torch.device("meta"):
        maps = vgg16().features(torch.zeros(1, 3, 224, 224))
    assert [m.shape[-1] for m in maps] == [224, 112, 56, 28, 14, 7]


@pytest.mark.parametrize("batch_norm", [False, True])
def test_small(assert_complete, batch_norm):
    def make(*, width):
        return VGG(3, 10, width=width, blocks=(1, 2, 1, 1, 1), batch_norm=batch_norm, small=True)

    assert_complete(make, VGG, sides=[32, 16, 8, 4, 2, 1], smallest=32, full_smallest=32)


@pytest.mark.parametrize("blocks", [(), 3, (2, 0), (1.5,)])
def test_refuses_other_blocks(blocks):
    with pytest.raises(ValueError, match="VGG was given blocks="):
        VGG(3, 10, blocks=blocks)
