import pytest
import torch
import torchvision
from torch.nn import functional as F

from segen.models import GoogLeNet, googlenet


def peer(aux_logits):
    return torchvision.models.GoogLeNet(aux_logits=aux_logits, init_weights=False)


def test_equals_torchvision(assert_equals_peer):
    assert_equals_peer(googlenet, lambda: peer(False), parameters=6_624_904)


def all_heads(network):
    """Return what reads the three heads as one row of logits, whichever of the two networks it is."""
    if isinstance(network, GoogLeNet):
        return lambda x: torch.cat(network.with_auxiliary(x), dim=1)

    def read(x):
        logits, second, first = network._forward(x)
        return torch.cat([logits, first, second], dim=1)

    def switch(x):
        # torchvision computes its heads in training only, where batch norm and drop-out would be random.
        network.training = True
        logits = read(x)
        network.training = False
        return logits

    return switch


def test_with_auxiliary_heads_equals_torchvision(assert_equals_peer):
    def make():
        return googlenet(auxiliary=True)

    assert_equals_peer(make, lambda: peer(True), parameters=13_004_888, read=all_heads)


def test_auxiliary_heads_leave_the_logits_alone():
    model = GoogLeNet(3, 10, width=4, small=True, auxiliary=True).eval()
    x = torch.randn(2, 3, 32, 32)
    logits, first, second = model.with_auxiliary(x)
    assert torch.equal(logits, model(x))
    assert first.shape == second.shape == (2, 10)
    sum(F.cross_entropy(y, torch.tensor([0, 1])) for y in (logits, 0.3 * first, 0.3 * second)).backward()
    assert all(p.grad is not None for p in model.parameters())
    with pytest.raises(ValueError, match="1 channels"):
        model.with_auxiliary(x[:, :1])
    with pytest.raises(ValueError, match="no auxiliary heads; make it with auxiliary=True"):
        GoogLeNet(3, 10, width=4, small=True).with_auxiliary(x)


def test_small(assert_complete):
    def make(*, width):
        return GoogLeNet(3, 10, width=width, small=True)

    assert_complete(make, GoogLeNet, sides=[32, 16, 8, 4], smallest=8, full_smallest=32)
