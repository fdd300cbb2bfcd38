import math

import numpy as np
import pytest
import torch
from torch import nn
from torch.nn import functional as F
from torchvision.transforms.v2.functional import center_crop

from segen.layers import (
    Backbone,
    ConditionalBatchNorm2d,
    ConvReLU,
    EqualConv2d,
    EqualLinear,
    SelfAttention,
    centre_crop,
    check_float_type,
    check_image_batch,
    check_positive,
    convolution,
    minibatch_deviation,
    pixel_norm,
)
from segen.models import FCN, GoogLeNet, ResNet, SegNet, UNet


@pytest.mark.parametrize("padding", [True, False])
@pytest.mark.parametrize("stride", [1, 2])
def test_conv_relu_equals_its_formula(padding, stride):
    x = torch.randn(2, 3, 9, 8, dtype=torch.float64)
    plain = ConvReLU(3, 5, padding=padding, batch_norm=False, stride=stride).double()
    expected = F.conv2d(x, plain[0].weight, plain[0].bias, stride=stride, padding=int(padding)).clamp_min(0)
    torch.testing.assert_close(plain(x), expected)

    normed = ConvReLU(3, 5, padding=padding, stride=stride).double()
    assert normed[0].bias is None
    y = F.conv2d(x, normed[0].weight, stride=stride, padding=int(padding))
    mean, variance = y.mean((0, 2, 3), keepdim=True), y.var((0, 2, 3), keepdim=True, correction=0)
    torch.testing.assert_close(normed(x), ((y - mean) / (variance + 1e-5).sqrt()).clamp_min(0))


def test_first_weights_keep_the_variance():
    torch.manual_seed(0)
    weight = ConvReLU(64, 256, batch_norm=False)[0].weight
    assert weight.var().item() == pytest.approx(2 / (64 * 9), rel=0.02)


@pytest.mark.parametrize("kernel", [1, 3, 5, 7])
@pytest.mark.parametrize("stride", [1, 2])
@pytest.mark.parametrize("dilation", [1, 2])
def test_convolution_keeps_the_size_at_stride_1(kernel, stride, dilation):
    x = torch.randn(1, 2, 16, 15, dtype=torch.float64)
    layer = convolution(2, 3, kernel=kernel, stride=stride, dilation=dilation, bias=True).double()
    assert layer(x).shape == (1, 3, math.ceil(16 / stride), math.ceil(15 / stride))
    assert not layer.bias.any()
    around = dilation * (kernel // 2)
    padded = F.pad(x, (around,) * 4)
    torch.testing.assert_close(layer(x), F.conv2d(padded, layer.weight, stride=stride, dilation=dilation))
    assert convolution(2, 3).bias is None
    assert convolution(2, 3, kernel=5, padding=0)(x.float()).shape == (1, 3, 12, 11)
    assert ConvReLU(2, 3, kernel=kernel, stride=stride)(x.float()).shape == layer(x).shape


@pytest.mark.parametrize("groups", [1, 2, 3, 6])
def test_each_group_is_a_convolution_of_its_own(groups):
    x = torch.randn(2, 6, 9, 8, dtype=torch.float64)
    layer = convolution(6, 12, groups=groups, bias=True).double()
    nn.init.normal_(layer.bias)
    parts = zip(x.chunk(groups, 1), layer.weight.chunk(groups), layer.bias.chunk(groups), strict=True)
    torch.testing.assert_close(layer(x), torch.cat([F.conv2d(a, w, b, padding=1) for a, w, b in parts], 1))
    assert layer.weight.numel() == 12 * 6 * 9 // groups


@pytest.mark.parametrize(("channels", "groups"), [((4, 6), 3), ((6, 4), 3), ((3, 96), 2), ((1, 1), 2)])
def test_channels_that_the_groups_do_not_divide_are_refused_with_a_sentence(channels, groups):
    given = rf"^convolution was given {channels[0]} channels in and {channels[1]} out for {groups} groups"
    with pytest.raises(ValueError, match=rf"{given} of equal size; give multiples of {groups}, or other groups\.$"):
        convolution(*channels, groups=groups)
    for bad in (0, -1, 1.5, True):
        with pytest.raises(ValueError, match=r"convolution was given groups=.*; give a whole number, 1 or more\.$"):
            convolution(4, 4, groups=bad)


def two_stages(in_channels=3, num_classes=8, *, width=2, blocks=(1,)):
    class Two(Backbone):
        def __init__(self):
            super().__init__(in_channels, num_classes, width=width, blocks=blocks)
            self.smallest, self.channels = 4, [width, width]
            self.stages = nn.ModuleList([convolution(in_channels, width), convolution(width, width, stride=2)])
            self.head = nn.Sequential(nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(width, num_classes))

    return Two()


def test_backbone_gives_the_map_of_each_stage():
    model, x = two_stages(), torch.randn(2, 3, 6, 4)
    first, second = model.features(x)
    assert torch.equal(first, model.stages[0](x))
    assert torch.equal(second, model.stages[1](first))
    assert torch.equal(model(x), model.head(second))
    with pytest.raises(ValueError, match=r"Two was given images of 3×9 .* sides that are at least 4; .* to 4×9\.$"):
        model(x.new_zeros(1, 3, 3, 9))


def test_backbone_refuses_other_numbers():
    for argument in ("in_channels", "num_classes", "width"):
        with pytest.raises(ValueError, match=f"Two was given {argument}=-1; give a whole number"):
            two_stages(**{argument: -1})
    for blocks in ((), 3, None):
        with pytest.raises(ValueError, match=r"Two was given blocks=.*; give a tuple"):
            two_stages(blocks=blocks)
    with pytest.raises(ValueError, match="Two was given blocks=0; give a whole number"):
        two_stages(blocks=(1, 0))


@pytest.mark.parametrize("size", [(1, 1), (4, 3), (5, 6), (7, 6), (2, 2)])
def test_centre_crop_equals_torchvision(size):
    x = torch.randn(2, 3, 7, 6)
    # Where the rest is odd torchvision rounds half to even; ours always loses the odd row below, as slices do.
    ours = centre_crop(x, size)
    assert ours.shape[-2:] == size
    if all((a - b) % 2 == 0 for a, b in zip((7, 6), size, strict=True)):
        assert torch.equal(ours, center_crop(x, list(size)))
    assert centre_crop(torch.arange(4).view(1, 1, 1, 4), (1, 3)).flatten().tolist() == [0, 1, 2]


def test_centre_crop_refuses_to_enlarge():
    with pytest.raises(ValueError, match="maps of 4×4, from which 5×4 cannot be cut"):
        centre_crop(torch.zeros(1, 1, 4, 4), (5, 4))


def test_what_a_network_reads():
    check_image_batch(torch.zeros(2, 3, 32, 48), 3, 16, "Net")
    check_image_batch(torch.zeros(0, 3, 32, 48, dtype=torch.float16), 3, 16, "Net")
    check_image_batch(torch.full((1, 1, 572, 188), float("nan")), 1, 16, "Net", rest=60, smallest=185)


@pytest.mark.parametrize(
    ("x", "sentence"),
    [
        (torch.zeros(3, 32, 32), r"Net was given \[3, 32, 32\] where .*\[N, 3, H, W\]"),
        ("an image", r"Net was given str where"),
        (torch.zeros(1, 3, 32, 32, dtype=torch.uint8), r"images of torch.uint8 where floats in \[-1, 1\]"),
        (torch.zeros(1, 1, 32, 32), r"images of 1 channels, .* made for 3; .*in_channels=1"),
        (torch.zeros(1, 3, 90, 120), r"images of 90×120 .* multiples of 16; .* 80×112 or 96×128\."),
        (torch.zeros(1, 3, 32, 40), r"32×40 .* 32×32 or 32×48\."),
        (torch.zeros(1, 3, 7, 7), r"7×7 .* to 16×16\."),
        (torch.zeros(1, 3, 0, 16), r"0×16 .* to 16×16\."),
    ],
)
def test_refuses_with_a_sentence(x, sentence):
    with pytest.raises(ValueError, match=sentence):
        check_image_batch(x, 3, 16, "Net")


def test_sizes_that_are_named_do():
    for rest, smallest in ((0, 1), (60, 185), (14, 20)):
        for size in range(1, 300):
            x = torch.zeros(1, 1, size, size)
            try:
                check_image_batch(x, 1, 16, "Net", rest=rest, smallest=smallest)
                assert size >= smallest
                assert (size - rest) % 16 == 0
            except ValueError as error:
                named = str(error).removesuffix(".").split(" to ")[-1].split(" or ")
                for text in named:
                    height, width = map(int, text.split("×"))
                    assert abs(height - size) < 16 or len(named) == 1
                    check_image_batch(torch.zeros(1, 1, height, width), 1, 16, "Net", rest=rest, smallest=smallest)


@pytest.mark.parametrize("value", [0, -1, 2.0, True, None, "4"])
def test_check_positive(value):
    check_positive("Net", width=1, depth=np.int64(2))
    with pytest.raises(ValueError, match=r"Net was given width=.*; give a whole number"):
        check_positive("Net", depth=1, width=value)


def test_float_types_that_meet():
    network = nn.Linear(2, 2)
    check_float_type(torch.zeros(2), network, "Net")
    check_float_type(torch.zeros(2, dtype=torch.float64), nn.ReLU(), "Net")  # it has no weights
    with torch.autocast("cpu", torch.bfloat16):
        check_float_type(torch.zeros(2, dtype=torch.bfloat16), network, "Net")
        with pytest.raises(
            ValueError, match=r"Net was given images of torch\.float64, but has weights of torch\.float32"
        ):
            check_float_type(torch.zeros(2, dtype=torch.float64), network, "Net")
    with pytest.raises(
        ValueError, match=r"bfloat16, .*; bring them .* with \.to\(torch\.float32\), or .*\.to\(torch\.bfloat16\)"
    ):
        check_float_type(torch.zeros(2, dtype=torch.bfloat16), network, "Net")


@pytest.mark.parametrize("make", [ResNet, GoogLeNet, FCN, UNet, SegNet])
def test_a_network_refuses_images_of_another_float_type(make):
    network, images = make(3, 8, width=2).eval(), torch.zeros(1, 3, 64, 64, dtype=torch.float64)
    with pytest.raises(ValueError, match=r"was given images of torch\.float64, but has weights of torch\.float32"):
        network(images)
    assert len(network.double()(images)) == 1


@pytest.mark.parametrize("make", [EqualConv2d, EqualLinear])
@pytest.mark.parametrize("inputs", [2, 16, 128])
def test_equalised_layers_keep_the_variance(make, inputs):
    """1 with gain 1, 2 with √2, the gain meant for a rectifier; over many draws of the weights, at any width."""
    for gain in (1.0, 2**0.5):
        torch.manual_seed(0)
        outputs = 4096 // inputs
        if make is EqualLinear:
            layers = [EqualLinear(inputs, 64, gain=gain) for _ in range(20)]
            x, count = torch.randn(512, inputs, dtype=torch.float64), inputs
        else:
            layers = [EqualConv2d(inputs, outputs, 3, padding=0, gain=gain) for _ in range(10)]
            x, count = torch.randn(512, inputs, 3, 3, dtype=torch.float64), 9 * inputs
        for layer in layers:
            assert not layer.bias.any()
            assert layer.scale == pytest.approx(gain / count**0.5)
        y = torch.cat([layer.double()(x).flatten() for layer in layers])
        assert y.var().item() == pytest.approx(gain**2, rel=0.15)
    with torch.no_grad():
        layer.bias.fill_(3.0)
    operation = F.linear if make is EqualLinear else F.conv2d
    torch.testing.assert_close(layer(x), operation(x, layer.weight * layer.scale) + 3)


def test_equal_convolutions_keep_the_size():
    assert EqualConv2d(2, 3)(torch.zeros(1, 2, 5, 6)).shape == (1, 3, 5, 6)
    assert EqualConv2d(2, 3, 1)(torch.zeros(1, 2, 5, 6)).shape == (1, 3, 5, 6)
    assert EqualConv2d(2, 3, 4, padding=3)(torch.zeros(1, 2, 1, 1)).shape == (1, 3, 4, 4)


def test_pixel_norm_gives_each_place_a_mean_square_of_1():
    x = torch.randn(3, 5, 4, 2, dtype=torch.float64) * 7 + 2
    torch.testing.assert_close(pixel_norm(x).square().mean(1), torch.ones(3, 4, 2, dtype=torch.float64))
    torch.testing.assert_close(pixel_norm(x), F.normalize(x, dim=1) * 5**0.5)
    torch.testing.assert_close(pixel_norm(x.flatten(1)), F.rms_norm(x.flatten(1), (40,), eps=1e-8))
    assert not pixel_norm(torch.zeros(1, 3, 2, 2)).any()
    torch.testing.assert_close(pixel_norm(torch.tensor([[3.0, 4.0]])), torch.tensor([[3.0, 4.0]]) / 12.5**0.5)
    half = pixel_norm(torch.full((1, 4, 1, 1), 1000.0).half())  # whose squares half precision does not hold
    assert half.dtype == torch.float16
    assert half.flatten().tolist() == [1.0] * 4


def test_minibatch_deviation_by_hand():
    x = torch.tensor([[[[0.0, 1.0]], [[5.0, 5.0]]], [[[2.0, 5.0]], [[5.0, 9.0]]]], dtype=torch.float64)
    y = minibatch_deviation(x)  # deviations 1 and 2 of the first channel, 0 and 2 of the second: their mean is 1.25
    assert y.shape == (2, 3, 1, 2)
    assert torch.equal(y[:, :2], x)
    torch.testing.assert_close(y[:, 2], torch.full((2, 1, 2), 1.25, dtype=torch.float64), rtol=0, atol=1e-4)
    big = torch.randn(6, 3, 4, 5, dtype=torch.float64)
    spread = np.std(big.numpy(), axis=0).mean()
    torch.testing.assert_close(minibatch_deviation(big)[:, 3], torch.full((6, 4, 5), spread, dtype=torch.float64))
    alike = big[:1].expand(4, -1, -1, -1).clone().requires_grad_()
    minibatch_deviation(alike)[:, 3].sum().backward()
    assert alike.grad.isfinite().all(), "a batch of copies has a gradient"
    assert minibatch_deviation(big.half()).dtype == torch.float16


@pytest.mark.parametrize("channels", [1, 8, 24])
def test_self_attention_equals_torchs(channels):
    torch.manual_seed(0)
    layer, x = SelfAttention(channels).double(), torch.randn(2, channels, 6, 4, dtype=torch.float64)
    assert torch.equal(layer(x), x), "gamma starts at 0"
    with torch.no_grad():
        layer.gamma.fill_(0.3)
    query, key, value, out = (
        getattr(layer, name).weight[:, :, 0, 0].detach() for name in ("query", "key", "value", "out")
    )

    def rows(x, weight, pool):
        y = torch.einsum("nchw,oc->nohw", x, weight)
        y = y.unflatten(3, (-1, 2)).unflatten(2, (-1, 2)).amax((3, 5)) if pool else y
        return y.flatten(2).transpose(1, 2)

    q, k, v = rows(x, query, False), rows(x, key, True), rows(x, value, True)
    seen = F.scaled_dot_product_attention(q, k, v, scale=1.0)
    expected = x + 0.3 * (seen @ out.T).transpose(1, 2).unflatten(2, (6, 4))
    torch.testing.assert_close(layer(x), expected)
    # The control: torch's usual division by a root, where there is more than one channel to a key.
    scaled = F.scaled_dot_product_attention(q, k, v)
    assert torch.allclose(seen, scaled) == (q.shape[2] == 1)


def test_self_attention_equals_multihead_attention():
    """With as many channels for keys and values as for the maps, and no pooling, it is torch's module, of one head."""
    torch.manual_seed(0)
    c = 4
    layer, theirs = SelfAttention(c).double(), nn.MultiheadAttention(c, 1, bias=False, batch_first=True).double()
    for name in ("query", "key", "value", "out"):
        setattr(layer, name, nn.Conv2d(c, c, 1, bias=False).double())
    with torch.no_grad():
        layer.gamma.fill_(1.0)
        weights = [getattr(layer, name).weight[:, :, 0, 0] for name in ("query", "key", "value")]
        theirs.in_proj_weight.copy_(torch.cat([weights[0] * c**0.5, *weights[1:]]))  # it divides by the root
        theirs.out_proj.weight.copy_(layer.out.weight[:, :, 0, 0])
    # Pixels in twos and fours, so that pooling takes nothing away: each 2×2 square is of one colour.
    small = torch.randn(2, c, 3, 2, dtype=torch.float64)
    x = small.repeat_interleave(2, 2).repeat_interleave(2, 3)
    sequence = small.flatten(2).transpose(1, 2)
    seen = theirs(sequence, sequence, sequence)[0].transpose(1, 2).unflatten(2, (3, 2))
    torch.testing.assert_close(layer(x), x + seen.repeat_interleave(2, 2).repeat_interleave(2, 3))


def test_conditional_batch_norm_with_equal_embeddings_is_batch_norm():
    torch.manual_seed(0)
    layer, plain = ConditionalBatchNorm2d(3, 5).double(), nn.BatchNorm2d(3).double()
    assert sum(p.numel() for p in layer.parameters()) == 2 * 3 * 5
    one, x = torch.randn(5, dtype=torch.float64), torch.randn(4, 3, 6, 2, dtype=torch.float64) * 3 + 1
    with torch.no_grad():
        plain.weight.copy_(1 + layer.scale.weight @ one)
        plain.bias.copy_(layer.shift.weight @ one)
    same = one.expand(4, 5)
    for _ in range(3):
        torch.testing.assert_close(layer(x, same), plain(x))
    torch.testing.assert_close(layer.running_var, plain.running_var)
    layer.eval(), plain.eval()
    torch.testing.assert_close(layer(x, same), plain(x))
    # Without a condition only the norm is left; with another one for each image, each has its own scale and shift.
    torch.testing.assert_close(
        layer(x, torch.zeros_like(same)), nn.functional.batch_norm(x, plain.running_mean, plain.running_var)
    )
    several = torch.randn(4, 5, dtype=torch.float64)
    y = layer(x, several)
    for i in range(4):
        torch.testing.assert_close(y[i : i + 1], layer(x[i : i + 1], several[i : i + 1]))
    assert not torch.allclose(y, plain(x))
