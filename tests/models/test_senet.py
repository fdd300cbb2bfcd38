import pytest
import timm
import torch

from segen.models import SEResNet, se_resnet50
from segen.models.senet import SqueezeExcitation


def test_equals_timm(assert_equals_peer):
    assert_equals_peer(se_resnet50, lambda: timm.create_model("seresnet50"), parameters=28_088_024)


def test_timms_other_network_of_the_same_shapes_is_another(assert_equals_peer):
    with pytest.raises(AssertionError, match="the outputs differ by"):
        assert_equals_peer(se_resnet50, lambda: timm.create_model("legacy_seresnet50"), parameters=28_088_024)


@pytest.mark.parametrize("channels", [1, 15, 16, 48])
def test_squeeze_and_excitation_equals_the_equations(channels):
    torch.manual_seed(0)
    module = SqueezeExcitation(channels).double()
    x = torch.randn(3, channels, 5, 4, dtype=torch.float64)
    first, b1, second, b2 = (p.detach() for p in module.parameters())
    assert first.shape[0] == max(1, channels // 16)
    z = x.sum((2, 3)) / 20
    s = 1 / (1 + torch.exp(-((z @ first[:, :, 0, 0].T + b1).clamp_min(0) @ second[:, :, 0, 0].T + b2)))
    torch.testing.assert_close(module(x), x * s[:, :, None, None])


def test_small(assert_complete):
    def make(*, width):
        return SEResNet(3, 10, width=width, blocks=(1, 2, 1), small=True)

    assert_complete(make, SEResNet, sides=[32, 32, 16, 8], smallest=4, full_smallest=32)
