"""SN-GAN's residual networks against table 4 of the paper, written out as functions of their weights."""

import pytest
import torch
from torch.nn import functional as F

from segen.models import ResNetDiscriminator, ResNetGenerator, sngan_32


def doubled(x):
    return x.repeat_interleave(2, 2).repeat_interleave(2, 3)


def draw_by_hand(z, network):
    """The generator in the order of the paper's figure: enlarge, then the 1×1 convolution."""
    state = network.state_dict()

    def norm(x, name):
        mean, var, weight, bias = (
            state[f"{name}.{part}"].view(-1, 1, 1) for part in ("running_mean", "running_var", "weight", "bias")
        )
        return (x - mean) / (var + 1e-5).sqrt() * weight + bias

    def conv(x, name, padding=1):
        return F.conv2d(x, state[f"{name}.weight"], state[f"{name}.bias"], padding=padding)

    x = (z @ state["seed.weight"].T + state["seed.bias"]).view(len(z), -1, 4, 4)
    for i in range(len(network.blocks)):
        block = f"blocks.{i}"
        y = conv(doubled(norm(x, f"{block}.norm1").relu()), f"{block}.conv1")
        y = conv(norm(y, f"{block}.norm2").relu(), f"{block}.conv2")
        x = y + conv(doubled(x), f"{block}.shortcut", padding=0)
    return conv(norm(x, "norm").relu(), "head").tanh()


def judge_by_hand(x, network):
    """The discriminator with the normalised weights, the shortcut's convolution before its pooling but in the first."""
    for i, block in enumerate(network.blocks):
        convolve = [
            lambda x, c=c, p=p: F.conv2d(x, c.weight, c.bias, padding=p)
            for c, p in ((block.conv1, 1), (block.conv2, 1))
        ]
        y = convolve[1](convolve[0](x if i == 0 else x.relu()).relu())
        if i < 2:
            shortcut = F.conv2d(x, block.shortcut.weight, block.shortcut.bias)
            halves = [t.unflatten(3, (-1, 2)).unflatten(2, (-1, 2)).mean((3, 5)) for t in (y, shortcut)]
            x = halves[0] + halves[1]
        else:
            x = y + x
    return x.relu().flatten(2).sum(2) @ network.head.weight[0] + network.head.bias


def test_sngan_32_has_the_papers_parameters():
    with torch.device("meta"):
        generator, discriminator = sngan_32()
    assert sum(p.numel() for p in generator.parameters()) == 4_276_739
    assert sum(p.numel() for p in discriminator.parameters()) == 1_053_825


def test_the_pair_equals_the_papers_table():
    torch.manual_seed(0)
    generator, discriminator = ResNetGenerator(6, 3, width=5).double(), ResNetDiscriminator(3, width=4).double()
    for name, value in [*generator.state_dict().items(), *discriminator.state_dict().items()]:
        if "running" in name or name.endswith("bias"):
            value.uniform_(0.5, 1.5)
    generator.eval(), discriminator.eval()
    z = torch.randn(4, 6, dtype=torch.float64, requires_grad=True)
    x, expected = generator(z), draw_by_hand(z, generator)
    assert x.std() > 0.05
    torch.testing.assert_close(x, expected, rtol=0, atol=1e-12)
    logits, by_hand = discriminator(x), judge_by_hand(expected, discriminator)
    assert ((logits - by_hand).abs() / by_hand.std()).max() < 1e-9
    gradients = [torch.autograd.grad(y.sum(), z)[0] for y in (logits, by_hand)]
    torch.testing.assert_close(*gradients, rtol=1e-9, atol=1e-12)
    with torch.no_grad():
        generator.blocks[1].shortcut.weight[0, 0] += 0.1
    assert (generator(z) - expected).abs().max() > 1e-4


def test_spectral_norm_bounds_each_matrix_and_can_be_left_out():
    torch.manual_seed(0)
    bounded, free = ResNetDiscriminator(width=8), ResNetDiscriminator(width=8, spectral_norm=False)
    for _ in range(40):  # in train mode each pass is a step of power iteration
        bounded(torch.randn(2, 3, 32, 32))
    bounded.eval()
    matrices = [m.weight.flatten(1) for m in bounded.modules() if isinstance(m, torch.nn.Conv2d | torch.nn.Linear)]
    largest = torch.stack([torch.linalg.matrix_norm(m, 2) for m in matrices])
    torch.testing.assert_close(largest, torch.ones_like(largest), rtol=0, atol=0.02)
    names = [name for name, _ in free.named_parameters()]
    assert not any("parametrizations" in name for name in names)
    assert sum(p.numel() for p in free.parameters()) == sum(p.numel() for p in bounded.parameters())


@pytest.mark.parametrize("size", [16, 64])
def test_other_sizes(size):
    x = ResNetGenerator(6, 1, width=3, size=size)(torch.randn(2, 6))
    assert x.shape == (2, 1, size, size)
    assert ResNetDiscriminator(1, width=3, size=size)(x).shape == (2,)


def test_refuses_what_does_not_fit():
    with pytest.raises(ValueError, match="ResNetGenerator was given size=24; give a power of two, 8 or more"):
        ResNetGenerator(size=24)
    with pytest.raises(ValueError, match="ResNetDiscriminator was given size=8; give a power of two, 16 or more"):
        ResNetDiscriminator(size=8)
    with pytest.raises(ValueError, match=r"ResNetGenerator was given noise \[2, 7\]"):
        ResNetGenerator(6, width=1)(torch.zeros(2, 7))
    with pytest.raises(ValueError, match=r"ResNetDiscriminator was given \[2, 1, 32, 32\] .* \[N, 3, 32, 32\]; resize"):
        ResNetDiscriminator(width=1)(torch.zeros(2, 1, 32, 32))
