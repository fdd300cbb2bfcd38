"""ProGAN against table 2 of the paper, written out as functions of its weights."""

from itertools import pairwise

import pytest
import torch
from torch.nn import functional as F

from segen.models import ProGANDiscriminator, ProGANGenerator, progan_1024
from segen.models.progan import shrink
from segen.training import GANTrainer


def doubled(x):
    return x.repeat_interleave(2, -2).repeat_interleave(2, -1)


def halved(x):
    return x.unflatten(-1, (-1, 2)).unflatten(-3, (-1, 2)).mean((-3, -1))


def normed(x):
    return x / (x.pow(2).mean(1, keepdim=True) + 1e-8).sqrt()


def convolve(x, layer, gain, padding):
    weight = layer.weight * gain / layer.weight[0].numel() ** 0.5
    return F.conv2d(x, weight, layer.bias, padding=padding)


def leaky(x):
    return torch.maximum(x, 0.2 * x)


def images_by_hand(z, network):
    """The image of every stage, none of them faded in; the first convolution as the linear layer that it is."""
    z = normed(z)
    first = network.stages[0][0]
    turned = first.weight.flip(2, 3) * (2 / first.weight[0].numel()) ** 0.5
    x = torch.einsum("nl,olhw->nohw", z, turned) + first.bias[:, None, None]
    x, drawn = normed(leaky(x)), []
    for i, stage in enumerate(network.stages):
        x = doubled(x) if i else x
        for layer in list(stage)[1 if i == 0 else 0 :]:
            x = normed(leaky(convolve(x, layer, 2**0.5, 1)))
        drawn.append(convolve(x, network.images[i], 1, 0).tanh())
    return drawn


def logits_by_hand(x, network, top, alpha):
    image, x = x, leaky(convolve(x, network.images[top], 2**0.5, 0))
    for i in reversed(range(1, top + 1)):
        for layer in network.stages[i]:
            x = leaky(convolve(x, layer, 2**0.5, 1))
        x = halved(x)
        if i == top:
            x = alpha * x + (1 - alpha) * leaky(convolve(halved(image), network.images[i - 1], 2**0.5, 0))
    spread = ((x - x.mean(0)).pow(2).mean(0) + 1e-8).sqrt().mean()
    x = torch.cat([x, spread.expand(len(x), 1, 4, 4)], 1)
    for layer, padding in zip(network.stages[0], (1, 0), strict=True):
        x = leaky(convolve(x, layer, 2**0.5, padding))
    return x.flatten(1) @ network.head.weight[0] / network.head.weight.numel() ** 0.5 + network.head.bias


def pair(dtype=torch.float64):
    torch.manual_seed(0)
    networks = ProGANGenerator(6, 3, width=3).to(dtype), ProGANDiscriminator(3, width=3).to(dtype)
    for network in networks:
        for name, p in network.named_parameters():
            if name.endswith("bias"):
                torch.nn.init.normal_(p)
    return networks


def test_1024_pixels_have_the_papers_parameters():
    """Against table 2 by a closed formula: stages 1 to 9 of min(8192 / 2^s, 512) channels, 512 numbers of noise."""
    with torch.device("meta"):
        generator, discriminator = progan_1024()
        generator.level = 0.5
        assert generator(torch.zeros(2, 512)).shape == (2, 3, 8, 8)
        assert discriminator(torch.zeros(2, 3, 1024, 1024)).shape == (2,)
    c = [min(8192 // 2**s, 512) for s in range(1, 10)]
    assert c == [512, 512, 512, 512, 256, 128, 64, 32, 16]
    body = 16 * 512 * c[0] + 9 * c[0] ** 2 + 2 * c[0]
    body += sum(9 * a * b + 9 * b * b + 2 * b for a, b in pairwise(c))
    layers = [3 * n + 3 for n in c]
    assert sum(p.numel() for p in generator.parameters()) == body + sum(layers) == 23_079_115
    earlier = sum(p.numel() for image in generator.images[:-1] for p in image.parameters())
    assert 23_079_115 - earlier == body + layers[-1] == 23_071_507
    # The mirror image: one channel more before the last map, a linear layer of one output, image layers of 3 inputs.
    mirrored = 9 * (c[0] + 1) * c[0] + 16 * c[0] ** 2 + 2 * c[0] + c[0] + 1
    mirrored += sum(9 * b * b + b + 9 * a * b + a for a, b in pairwise(c)) + sum(4 * n for n in c)
    assert sum(p.numel() for p in discriminator.parameters()) == mirrored


def test_the_generator_equals_the_papers_table():
    generator, _ = pair()
    z = torch.randn(4, 6, dtype=torch.float64)
    drawn = images_by_hand(z, generator)
    for level, expected in enumerate(drawn):
        generator.level = level
        torch.testing.assert_close(generator(z), expected, rtol=0, atol=1e-12)
    for level, alpha in ((0.25, 0.25), (1.3, 0.3), (2.9, 0.9)):
        generator.level, low = level, int(level)
        mixed = (1 - alpha) * doubled(drawn[low]) + alpha * drawn[low + 1]
        torch.testing.assert_close(generator(z), mixed, rtol=0, atol=1e-12)
        assert generator(z).abs().max() <= 1
        assert (generator(z) - drawn[low + 1]).abs().max() > 1e-2


@pytest.mark.parametrize(("level", "alpha"), [(0, 1), (0.25, 0.25), (1, 1), (1.5, 0.5), (2.75, 0.75), (3, 1)])
def test_the_discriminator_is_the_mirror_image(level, alpha):
    _, discriminator = pair()
    discriminator.level, top = level, -int(-level // 1)
    x = torch.randn(4, 3, 4 * 2**top, 4 * 2**top, dtype=torch.float64)
    logits, expected = discriminator(x), logits_by_hand(x, discriminator, top, alpha)
    torch.testing.assert_close(logits, expected, rtol=1e-10, atol=1e-12)
    assert expected.std() > 1e-3
    # The deviation over the batch is in each logit.
    assert not torch.allclose(discriminator(x[:2]), logits[:2], rtol=1e-4)


def test_fading_in_is_continuous_at_0_and_1():
    """Just above a whole level: the old image, enlarged, and what the old network says. Just below: the new one."""
    generator, discriminator = pair()
    z, x = torch.randn(4, 6, dtype=torch.float64), torch.randn(4, 3, 32, 32, dtype=torch.float64)
    for low in range(3):
        generator.level = discriminator.level = low
        image, logits = generator(z), discriminator(shrink(x, low))
        generator.level = discriminator.level = low + 1e-9
        torch.testing.assert_close(generator(z), doubled(image), rtol=0, atol=1e-7)
        torch.testing.assert_close(halved(shrink(x, low + 1e-9)), shrink(x, low), rtol=0, atol=1e-12)
        torch.testing.assert_close(discriminator(shrink(x, low + 1e-9)), logits, rtol=0, atol=1e-7)
        generator.level = discriminator.level = low + 1 - 1e-9
        below = generator(z), discriminator(shrink(x, low + 1 - 1e-9))
        generator.level = discriminator.level = low + 1
        torch.testing.assert_close(below, (generator(z), discriminator(shrink(x, low + 1))), rtol=0, atol=1e-7)


def test_shrinking():
    x = torch.arange(64, dtype=torch.float32).view(1, 1, 8, 8)
    assert torch.equal(shrink(x, 1), x)
    assert torch.equal(shrink(x, 0), halved(x))
    torch.testing.assert_close(shrink(x, 0.25), 0.25 * x + 0.75 * doubled(halved(x)))
    large = torch.randn(2, 3, 32, 32)
    torch.testing.assert_close(shrink(large, 0), large.unflatten(3, (4, 8)).unflatten(2, (4, 8)).mean((3, 5)))


def test_any_width_and_float_type():
    for width in (1, 5, 600):
        with torch.device("meta"):
            generator, discriminator = ProGANGenerator(6, 1, width=width), ProGANDiscriminator(1, width=width)
            assert discriminator(generator(torch.zeros(3, 6))).shape == (3,)
            assert generator.stages[-1][-1].out_channels == width
    for dtype in (torch.float16, torch.bfloat16, torch.float64):
        generator, discriminator = pair(dtype)
        for level in (0, 1.3, 3):
            generator.level = discriminator.level = level
            x = generator(torch.randn(4, 6).to(dtype))
            logits = discriminator(x)
            assert x.dtype == logits.dtype == dtype
            assert logits.isfinite().all()
        assert generator(torch.zeros(2, 6, dtype=dtype)).isfinite().all()
        assert discriminator(torch.zeros(2, 3, 32, 32, dtype=dtype)).isfinite().all()
    assert ProGANGenerator(6, 3, width=2, size=64)(torch.zeros(2, 6)).shape == (2, 3, 64, 64)


def test_it_grows_in_training():
    generator, discriminator = pair(torch.float32)
    x = torch.randn(16, 3, 32, 32)
    data = [(image, 0) for image in x.clamp(-1, 1)]
    levels = []

    def grow(step):
        return min(3.0, step / 2)

    trainer = GANTrainer(generator, discriminator, grow=grow, penalty=10.0, loss="wasserstein", betas=(0.0, 0.99))

    def look(trainer):
        levels.append(trainer.sample(2, seed=0).shape[-1])

    trainer.fit(data, steps=7, batch_size=4, every=1, progress=False, callback=look)
    assert levels == [4, 8, 8, 16, 16, 32, 32]
    assert generator.level == discriminator.level == 3
    assert all(p.grad is not None for p in generator.images[-1].parameters())


def test_refuses_what_does_not_fit():
    for full, name in ((ProGANGenerator, "ProGANGenerator"), (ProGANDiscriminator, "ProGANDiscriminator")):
        for size in (4, 24, 32.0):
            with pytest.raises(ValueError, match=rf"{name} was given size={size}; give a power of two, 8 or more"):
                full(size=size)
        with pytest.raises(ValueError, match=rf"{name} was given width=0; give a whole number"):
            full(width=0)
    generator, discriminator = pair(torch.float32)
    with pytest.raises(ValueError, match=r"ProGANGenerator was given noise \[2, 7\]"):
        generator(torch.zeros(2, 7))
    with pytest.raises(ValueError, match=r"ProGANDiscriminator was given \[2, 3, 16, 16\] .* \[N, 3, 32, 32\]; resize"):
        discriminator(torch.zeros(2, 3, 16, 16))
    for level in (-0.1, 3.01, float("nan"), "full"):
        generator.level = discriminator.level = level
        with pytest.raises(ValueError, match=r"ProGANGenerator was given level=.*; give a number from 0 .* to 3\.$"):
            generator(torch.zeros(2, 6))
        with pytest.raises(ValueError, match=r"ProGANDiscriminator was given level=.*; give a number from 0"):
            discriminator(torch.zeros(2, 3, 32, 32))
        with pytest.raises(ValueError, match=r"shrink was given level="):
            shrink(torch.zeros(2, 3, 32, 32), level)
    with pytest.raises(ValueError, match=r"shrink was given \[3, 32, 32\] where square images"):
        shrink(torch.zeros(3, 32, 32), 1)
    with pytest.raises(ValueError, match="shrink was given size=24; give a power of two"):
        shrink(torch.zeros(1, 3, 24, 24), 1)
