import pytest
import segmentation_models_pytorch as smp
import torch
import torchvision
from torch.nn import functional as F

from segen.models import VGG, DeepLabV3, DeepLabV3Plus, ResNet, deeplabv3_resnet50
from segen.models.deeplab import ASPP


def logits_of(network):
    return (lambda x: network(x)["out"]) if hasattr(network, "classifier") else network


def torchvisions():
    return torchvision.models.segmentation.deeplabv3_resnet50(
        weights=None, weights_backbone=None, num_classes=21, aux_loss=False
    )


def test_equals_torchvision(assert_equals_peer):
    assert_equals_peer(deeplabv3_resnet50, torchvisions, parameters=39_638_869, read=logits_of)


def test_a_network_of_the_same_count_and_shapes_is_refused(assert_equals_peer):
    # The other library's has the same tensors in the same order and dilates two blocks otherwise.
    with torch.device("meta"):
        other = smp.DeepLabV3("resnet50", encoder_weights=None, classes=21)
        shapes = [tuple(t.shape) for t in torchvisions().parameters()]
    assert sorted(tuple(t.shape) for t in other.parameters()) == sorted(shapes)
    with pytest.raises(AssertionError, match="the outputs differ by"):
        assert_equals_peer(
            deeplabv3_resnet50, lambda: smp.DeepLabV3("resnet50", encoder_weights=None, classes=21), size=64
        )


@pytest.mark.parametrize("full", [DeepLabV3, DeepLabV3Plus])
def test_segments(assert_segments, full):
    assert_segments(full, sizes=[(45, 60), (90, 33), (8, 9)], smallest=8)


def by_figure(model, x, *, rates, fine=None):
    """The figures of the papers over the backbone's maps: each dilated convolution by a kernel stuffed with zeros."""
    tensors = dict(model.named_parameters()) | dict(model.named_buffers())

    def block(x, name, rate=1):
        kernel = tensors[f"{name}.0.weight"]
        o, c, k, _ = kernel.shape
        stuffed = torch.zeros(o, c, (k - 1) * rate + 1, (k - 1) * rate + 1, dtype=x.dtype)
        stuffed[:, :, ::rate, ::rate] = kernel
        y = F.conv2d(x, stuffed, padding=(k - 1) * rate // 2)
        gamma, beta, mean, variance = (
            tensors[f"{name}.1.{part}"].view(-1, 1, 1) for part in ("weight", "bias", "running_mean", "running_var")
        )
        return ((y - mean) / torch.sqrt(variance + 1e-5) * gamma + beta).clamp_min(0)

    maps = model.backbone.features(x)
    y = maps[-1]
    parts = [block(y, "aspp.branches.0")]
    parts += [block(y, f"aspp.branches.{i}", rate) for i, rate in enumerate(rates, start=1)]
    whole = block(y.sum((2, 3), keepdim=True) / (y.shape[2] * y.shape[3]), "aspp.mean.1")
    parts.append(whole + torch.zeros_like(parts[0]))
    y = block(torch.cat(parts, 1), "aspp.project.0")
    if fine is not None:
        finer = block(maps[fine], "reduce")
        y = F.interpolate(y, size=finer.shape[2:], mode="bilinear")
        y = block(torch.cat([y, finer], 1), "join")
    y = block(y, "head.0")
    y = F.conv2d(y, tensors["head.1.weight"], tensors["head.1.bias"])
    return F.interpolate(y, size=x.shape[2:], mode="bilinear")


@pytest.mark.parametrize(("full", "fine"), [(DeepLabV3, None), (DeepLabV3Plus, 1), (DeepLabV3Plus, 0)])
def test_equals_its_figure(full, fine):
    torch.manual_seed(0)
    rates = (1, 3, 5)
    model = full(3, 5, width=4, rates=rates, **({} if fine is None else {"fine": fine})).double().eval()
    with torch.no_grad():
        for name, tensor in model.state_dict().items():
            if tensor.ndim == 1:
                tensor.copy_(torch.rand_like(tensor) + (0.5 if name.endswith(("weight", "running_var")) else -0.5))
    x = torch.randn(2, 3, 56, 72, dtype=torch.float64)
    ours, expected = model(x), by_figure(model, x, rates=rates, fine=fine)
    torch.testing.assert_close(ours, expected, rtol=1e-9, atol=1e-9)
    direction = torch.randn_like(ours)
    chosen = [model.backbone.stages[0][0].weight, model.aspp.branches[2][0].weight, model.head[1].weight]
    if fine is not None:
        chosen += [model.reduce[0].weight, model.join[0].weight]
    mine = torch.autograd.grad((ours * direction).sum(), chosen)
    theirs = torch.autograd.grad((expected * direction).sum(), chosen)
    for a, b in zip(mine, theirs, strict=True):
        torch.testing.assert_close(a, b, rtol=1e-7, atol=1e-7)
    # Control: other rates are another answer.
    assert (by_figure(model, x, rates=(1, 3, 4), fine=fine) - ours).abs().max() > 1e-3 * ours.std()


def test_aspp_sees_as_far_as_its_rates():
    torch.manual_seed(0)
    aspp = ASPP(2, 3, (2, 5)).double().eval()
    aspp.mean = torch.nn.Sequential(torch.nn.AdaptiveAvgPool2d(1), torch.nn.Conv2d(2, 3, 1)).double()
    torch.nn.init.zeros_(aspp.mean[1].weight)  # without the mean, which sees everything
    for norm in (m for m in aspp.modules() if isinstance(m, torch.nn.BatchNorm2d)):
        torch.nn.init.constant_(norm.bias, 5.0)  # every unit is on
    x = torch.randn(1, 2, 15, 15, dtype=torch.float64, requires_grad=True)
    aspp(x)[0, :, 7, 7].sum().backward()
    seen = x.grad.abs().sum((0, 1)) > 0
    expected = {(7 + a * r, 7 + b * r) for r in (0, 2, 5) for a in (-1, 0, 1) for b in (-1, 0, 1)}
    assert {tuple(p) for p in seen.nonzero().tolist()} == expected


def test_other_backbones():
    backbone = VGG(3, 10, width=2, batch_norm=True, small=True)
    model = DeepLabV3Plus(3, 4, width=4, backbone=backbone, fine=2).eval()
    assert model(torch.zeros(1, 3, 70, 64)).shape == (1, 4, 70, 64)
    assert not [name for name in model.state_dict() if name.startswith("backbone.head")]
    assert model.reduce[0].in_channels == backbone.channels[2]


def test_refuses_with_a_sentence():
    for rates in ((0,), (2, -1), (1.5,), (True,)):
        with pytest.raises(ValueError, match=r"DeepLabV3 was given rates=.*; give a whole number, 1 or more\.$"):
            DeepLabV3(3, 8, rates=rates)
    for fine in (-1, 5, 1.0, True):
        with pytest.raises(ValueError, match=r"DeepLabV3Plus was given fine=.*; with this backbone give 0 to 4\.$"):
            DeepLabV3Plus(3, 8, fine=fine)
    with pytest.raises(ValueError, match=r"DeepLabV3 was given one of 1 as backbone .* 3 channels"):
        DeepLabV3(3, 8, backbone=ResNet(1, 10, width=2))


def test_one_image_in_training_is_refused_with_a_sentence():
    network, image = DeepLabV3(3, 8, width=2), torch.zeros(1, 3, 32, 32)
    with pytest.raises(ValueError, match=r"batch of one image in training, .*; give two or more"):
        network(image)
    network.aspp.mean.eval()  # with that norm frozen one is enough
    assert network(image).shape == (1, 8, 32, 32)
