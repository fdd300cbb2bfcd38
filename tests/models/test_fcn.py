import pytest
import torch
import torchvision
from torch import nn
from torch.nn import functional as F

from segen.models import FCN, VGG, AlexNet, DenseNet, GoogLeNet, ResNet, fcn_resnet50
from segen.models.fcn import Fuse


def logits_of(network):
    return (lambda x: network(x)["out"]) if isinstance(network, torchvision.models.segmentation.FCN) else network


def test_equals_torchvision(assert_equals_peer):
    assert_equals_peer(
        fcn_resnet50,
        lambda: torchvision.models.segmentation.fcn_resnet50(
            weights=None, weights_backbone=None, num_classes=21, aux_loss=False
        ),
        parameters=32_957_013,
        read=logits_of,
    )


@pytest.mark.parametrize("skips", [0, 1, 2])
def test_segments(assert_segments, skips):
    class FCNs(FCN):
        def __init__(self, in_channels=3, num_classes=8, *, width=16):
            super().__init__(in_channels, num_classes, width=width, skips=skips)

    FCNs.__name__ = "FCN"
    assert_segments(FCNs if skips != 2 else FCN, sizes=[(45, 60), (90, 33), (32, 47)], smallest=32)


def interpolation(size, enlarged):
    """The matrix of bilinear interpolation: a pixel's centre, seen in the small map, lies between two of its own."""
    matrix = torch.zeros(enlarged, size, dtype=torch.float64)
    for i in range(enlarged):
        place = min(max((i + 0.5) * size / enlarged - 0.5, 0), size - 1)
        low = min(int(place), size - 2) if size > 1 else 0
        matrix[i, low] += 1 - (place - low)
        if size > 1:
            matrix[i, low + 1] += place - low
    return matrix


def figure(model, x, skips):
    """Figure 3 of the paper, over the maps of the backbone, as sums of matrix products."""
    maps = model.backbone.features(x)
    conv, norm = model.head[0][0], model.head[0][1]
    y = F.conv2d(F.pad(maps[-1], (1, 1, 1, 1)), conv.weight)
    y = (y - norm.running_mean.view(-1, 1, 1)) / torch.sqrt(norm.running_var.view(-1, 1, 1) + 1e-5)
    y = torch.relu(y * norm.weight.view(-1, 1, 1) + norm.bias.view(-1, 1, 1))
    y = torch.einsum("nchw,kc->nkhw", y, model.head[2].weight[:, :, 0, 0]) + model.head[2].bias.view(-1, 1, 1)
    for i in range(skips):
        finer, fuse = maps[-2 - i], model.fuse[i]
        n, k, h, w = y.shape
        # The transposed convolution as the sum of what each pixel writes, a block of 4×4 each, on a larger canvas.
        canvas = torch.zeros(n, k, 2 * h + 2, 2 * w + 2, dtype=y.dtype)
        for a in range(4):
            for b in range(4):
                canvas[:, :, a : a + 2 * h : 2, b : b + 2 * w : 2] += torch.einsum(
                    "nkhw,kl->nlhw", y, fuse.up.weight[:, :, a, b]
                )
        y = canvas[:, :, 1 : 1 + finer.shape[2], 1 : 1 + finer.shape[3]]
        y = y + torch.einsum("nchw,kc->nkhw", finer, fuse.score.weight[:, :, 0, 0]) + fuse.score.bias.view(-1, 1, 1)
    rows, columns = interpolation(y.shape[2], x.shape[2]), interpolation(y.shape[3], x.shape[3])
    return torch.einsum("ih,nkhw,jw->nkij", rows, y, columns)


@pytest.mark.parametrize("skips", [0, 1, 2, 3])
def test_equals_its_figure(skips):
    torch.manual_seed(0)
    model = FCN(3, 5, width=4, skips=skips).double().eval()
    with torch.no_grad():
        for name, tensor in model.state_dict().items():
            if tensor.ndim == 1:
                tensor.copy_(torch.rand_like(tensor) + (0.5 if name.endswith(("weight", "running_var")) else -0.5))
        for fuse in model.fuse:
            fuse.up.weight.normal_(0, 0.3)
    x = torch.randn(2, 3, 64, 96, dtype=torch.float64)
    ours, expected = model(x), figure(model, x, skips)
    torch.testing.assert_close(ours, expected, rtol=1e-9, atol=1e-9)
    direction = torch.randn_like(ours)
    chosen = [model.backbone.stages[0][0].weight, model.head[2].weight, *(f.up.weight for f in model.fuse)]
    mine = torch.autograd.grad((ours * direction).sum(), chosen)
    theirs = torch.autograd.grad((expected * direction).sum(), chosen)
    for a, b in zip(mine, theirs, strict=True):
        torch.testing.assert_close(a, b, rtol=1e-7, atol=1e-7)
    if skips:
        # Control: one skip fewer, or the border cut on the other side, is another answer.
        assert (figure(model, x, skips - 1) - ours).abs().max() > 1e-3 * ours.std()
        with torch.no_grad():
            model.fuse[0].up.weight.copy_(model.fuse[0].up.weight.flip(2))
            assert (model(x) - ours).abs().max() > 1e-3 * ours.std()


def test_enlargement_starts_bilinear():
    fuse = Fuse(3, 4)
    with torch.no_grad():
        fuse.score.weight.zero_()
        fuse.score.bias.zero_()
        x = torch.randn(2, 4, 6, 7)
        ours = fuse(x, torch.zeros(2, 3, 12, 14))
        expected = F.interpolate(x, scale_factor=2, mode="bilinear", align_corners=False)
        # At the border the convolution meets zeros, interpolation repeats the last pixel.
        torch.testing.assert_close(ours[..., 1:-1, 1:-1], expected[..., 1:-1, 1:-1])
        assert (ours - expected).abs().max() > 1e-3
        # Where halving had rounded, the map is cut or grows at the end, and stays where it was.
        for height, width in ((11, 14), (12, 13), (13, 14), (11, 15)):
            other = fuse(x, torch.zeros(2, 3, height, width))
            assert other.shape == (2, 4, height, width)
            torch.testing.assert_close(other[..., :11, :13], ours[..., :11, :13])


@pytest.mark.parametrize(
    ("backbone", "skips"),
    [
        (lambda: VGG(3, 10, width=2, small=True, batch_norm=True), 5),
        (lambda: GoogLeNet(3, 10, width=4), 4),
        (lambda: DenseNet(3, 10), 2),
        (lambda: ResNet(3, 10, width=2, small=True), 2),
        (lambda: AlexNet(3, 10, width=4), 0),
    ],
    ids=["VGG", "GoogLeNet", "DenseNet", "ResNet", "AlexNet"],
)
def test_any_backbone(backbone, skips):
    torch.manual_seed(0)
    classifier = backbone()
    weights = {name: tensor.clone() for name, tensor in classifier.state_dict().items()}
    model = FCN(3, 4, backbone=classifier, skips=skips).eval()
    x = torch.randn(1, 3, 75, 90)
    with torch.no_grad():
        assert model(x).shape == (1, 4, 75, 90)
        # The classifier's maps are read, its head is not carried, and it stays as it was.
        for a, b in zip(model.backbone.features(x), classifier.eval().features(x), strict=True):
            assert torch.equal(a, b)
    assert not [name for name in model.state_dict() if name.startswith("backbone.head")]
    assert {name: t.shape for name, t in classifier.state_dict().items()} == {n: t.shape for n, t in weights.items()}
    assert isinstance(classifier.head, nn.Sequential)


def test_refuses_with_a_sentence():
    for skips in (-1, 5, 1.0, True):
        with pytest.raises(ValueError, match=r"FCN was given skips=.*; with this backbone give 0 to 4\.$"):
            FCN(3, 8, skips=skips)
    with pytest.raises(ValueError, match=r"FCN was given one of 1 as backbone .* 3 channels; .* in_channels=3, as"):
        FCN(3, 8, backbone=ResNet(1, 10, width=2))
    with pytest.raises(ValueError, match=r"FCN was given Linear as backbone"):
        FCN(3, 8, backbone=nn.Linear(2, 2))
    model = FCN(3, 8, backbone=ResNet(3, 10, width=2, output_stride=8), skips=1)
    with pytest.raises(ValueError, match=r"FCN met a map of 8×8 above one of 8×8, .* ask for fewer skips"):
        model(torch.zeros(2, 3, 64, 64))
