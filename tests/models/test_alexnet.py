import torchvision

from segen.models import AlexNet, alexnet


def test_equals_torchvision(assert_equals_peer):
    assert_equals_peer(alexnet, torchvision.models.alexnet, size=96, parameters=61_100_840)


def test_small(assert_complete):
    def make(*, width):
        return AlexNet(3, 10, width=width, small=True)

    assert_complete(make, AlexNet, sides=[32, 15, 7, 3], smallest=15, full_smallest=63)
