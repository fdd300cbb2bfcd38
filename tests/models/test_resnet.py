import pytest
import timm
import torch
import torchvision
from torch import nn
from torch.nn import functional as F
from torchvision.models._utils import IntermediateLayerGetter

from segen.models import PreActResNet, ResNet, resnet18, resnet50


def test_18_layers_equal_torchvision(assert_equals_peer):
    assert_equals_peer(resnet18, torchvision.models.resnet18, parameters=11_689_512)


def test_50_layers_equal_torchvision(assert_equals_peer):
    assert_equals_peer(resnet50, torchvision.models.resnet50, parameters=25_557_032)


@pytest.mark.parametrize("output_stride", [16, 8])
def test_dilated_equals_the_backbone_of_torchvisions_segmenters(assert_equals_peer, output_stride):
    def read(network):
        """Return what reads all five maps, pooled, as one row."""
        if isinstance(network, ResNet):
            maps = network.features
        else:
            names = ["relu", "layer1", "layer2", "layer3", "layer4"]
            getter = IntermediateLayerGetter(network, {name: name for name in names})

            def maps(x):
                return list(getter(x).values())

        return lambda x: torch.cat(
            [F.adaptive_avg_pool2d(m, 3).flatten(1) / m.std() for m in maps(x)] + [network(x)], 1
        )

    assert_equals_peer(
        lambda: resnet50(output_stride=output_stride),
        lambda: torchvision.models.resnet50(replace_stride_with_dilation=[False, output_stride == 8, True]),
        read=read,
    )
    with torch.device("meta"):
        maps = resnet50(output_stride=output_stride).features(torch.zeros(1, 3, 64, 96))
    assert [(64 // m.shape[2], 96 // m.shape[3]) for m in maps] == [(s, s) for s in (2, 4, 8, *[output_stride] * 2)]


def test_another_dilation_of_the_first_unit_would_be_seen():
    torch.manual_seed(0)
    model = ResNet(3, 10, width=4, small=True, output_stride=4).eval()
    x = torch.randn(1, 3, 32, 32)
    expected = model(x)
    model.stages[-1][0].branch[0].dilation = model.stages[-1][0].branch[0].padding = (2, 2)
    assert (model(x) - expected).abs().max() > 1e-3 * expected.std()


def test_pre_activated_50_layers_equal_timm(assert_equals_peer):
    # timm's pre-activated network reads its last map by a 1×1 convolution: the same numbers, another shape.
    def reshape(state):
        return state | {"head.fc.weight": state["head.fc.weight"].flatten(1)}

    assert_equals_peer(
        lambda: PreActResNet(blocks=(3, 4, 6, 3), bottleneck=True),
        lambda: timm.create_model("resnetv2_50"),
        parameters=25_549_352,
        reshape=reshape,
    )


def test_1001_layers():
    with torch.device("meta"):
        model = PreActResNet(3, 10, width=16, blocks=(111, 111, 111), bottleneck=True, small=True)
        assert model(torch.zeros(2, 3, 32, 32)).shape == (2, 10)
    total = sum(p.numel() for p in model.parameters())
    norms = sum(p.numel() for m in model.modules() if isinstance(m, nn.BatchNorm2d) for p in m.parameters())
    assert (total, total - norms) == (10_327_706, 10_178_490)
    # The layers that are counted: all convolutions but the projections of the shortcuts, and the last, linear one.
    layers = [m for name, m in model.named_modules() if isinstance(m, nn.Conv2d) and not name.endswith("shortcut")]
    assert len(layers) + 1 == 1001


@pytest.mark.parametrize(("make", "depth"), [(ResNet, 20), (ResNet, 56), (PreActResNet, 56)])
def test_without_shortcuts_it_is_plain(make, depth):
    style = {"width": 4, "blocks": ((depth - 2) // 6,) * 3, "small": True}
    plain, residual = make(3, 10, **style, shortcuts=False), make(3, 10, **style)
    assert sum(isinstance(m, nn.Conv2d) for m in plain.modules()) + 1 == depth
    assert sum(isinstance(m, nn.Conv2d) for m in residual.modules()) - 1 == depth  # two projections
    x = torch.randn(2, 3, 32, 32)
    for model, passes in ((plain, False), (residual, True)):
        # A branch whose last weights are 0 stops all that passes it; a shortcut lets x through.
        with torch.no_grad():
            convolutions = [m for m in model.stages[1][1].branch if isinstance(m, nn.Conv2d)]
            convolutions[-1].weight.zero_()
            first, second = model.eval()(x)
            assert torch.equal(first, second) is not passes


@pytest.mark.parametrize("make", [ResNet, PreActResNet])
@pytest.mark.parametrize("bottleneck", [False, True])
def test_small(assert_complete, make, bottleneck):
    def small(*, width):
        return make(3, 10, width=width, blocks=(1, 2, 1), bottleneck=bottleneck, small=True)

    assert_complete(small, make, sides=[32, 32, 16, 8], smallest=4, full_smallest=32)


def test_dilated_at_32_pixels():
    for output_stride, sides in ((1, [32] * 4), (2, [32, 32, 16, 16]), (4, [32, 32, 16, 8])):
        model = ResNet(3, 8, width=3, blocks=(1, 2, 1), small=True, output_stride=output_stride)
        assert [m.shape[-1] for m in model.features(torch.zeros(2, 3, 32, 32))] == sides


def test_refuses_with_a_sentence():
    for bad in (12, 64, 2, 0, 8.0, "8"):
        with pytest.raises(ValueError, match=r"ResNet was given output_stride=.*; .* give one of 4, 8, 16, 32\.$"):
            ResNet(3, 8, output_stride=bad)
    with pytest.raises(ValueError, match=r"output_stride=8; .* one of 1, 2, 4\."):
        PreActResNet(3, 8, blocks=(1, 1, 1), small=True, output_stride=8)
    with pytest.raises(ValueError, match=r"PreActResNet was given blocks=0; give a whole number"):
        PreActResNet(3, 8, blocks=(2, 0))
    with pytest.raises(ValueError, match=r"ResNet was given blocks=\(\); give a tuple"):
        ResNet(3, 8, blocks=())
