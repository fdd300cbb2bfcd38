import pytest
import torch
import torchvision

from segen.models import DenseNet, densenet121


def test_equals_torchvision(assert_equals_peer):
    assert_equals_peer(densenet121, torchvision.models.densenet121, parameters=7_978_856)


def test_each_layer_keeps_what_was_there():
    block = DenseNet(3, 10, width=4, blocks=(3, 3), small=True).eval().stages[1]
    x = torch.randn(2, 8, 16, 16)
    with torch.no_grad():
        y = block(x)
        assert y.shape == (2, 8 + 3 * 4, 16, 16)
        assert torch.equal(y[:, :8], x)
        assert torch.equal(y[:, :12], block[0](x))


def test_small(assert_complete):
    def make(*, width):
        return DenseNet(3, 10, width=width, blocks=(2, 3, 2), small=True)

    assert_complete(make, DenseNet, sides=[32, 32, 16, 8], smallest=4, full_smallest=32)


def test_refuses_other_blocks():
    with pytest.raises(ValueError, match="DenseNet was given blocks=-1; give a whole number"):
        DenseNet(3, 10, blocks=(6, -1))
