"""BigGAN against tables 4 and 5 of the paper, written out as functions of its weights."""

from itertools import pairwise

import pytest
import torch
from torch import nn
from torch.nn import functional as F

from segen.models import BigGANDiscriminator, BigGANGenerator, biggan_128
from segen.training import GANTrainer


def pair(dtype=torch.float64, **options):
    torch.manual_seed(0)
    networks = (
        BigGANGenerator(12, 3, num_classes=5, width=3, **options).to(dtype),
        BigGANDiscriminator(3, num_classes=5, width=3, **options).to(dtype),
    )
    for network in networks:
        with torch.no_grad():
            for name, value in [*network.named_parameters(), *network.named_buffers()]:
                if "running" in name or name.endswith("bias"):
                    value.uniform_(0.5, 1.5)
            network.attention.gamma.fill_(0.7)
    return tuple(network.eval() for network in networks)


def attend(x, layer):
    """Self-attention by torch's own function, keys and values by a mean of maxima written out."""
    height = x.shape[2]

    def project(convolution, x):
        return torch.einsum("nchw,oc->nohw", x, convolution.weight[:, :, 0, 0])

    def pooled(x):
        return x.unflatten(3, (-1, 2)).unflatten(2, (-1, 2)).amax((3, 5))

    query, key, value = (
        m.flatten(2).transpose(1, 2)
        for m in (project(layer.query, x), pooled(project(layer.key, x)), pooled(project(layer.value, x)))
    )
    seen = F.scaled_dot_product_attention(query, key, value, scale=1.0)
    return x + layer.gamma * project(layer.out, seen.transpose(1, 2).unflatten(2, (height, -1)))


def conv(x, layer):
    return F.conv2d(x, layer.weight, layer.bias, padding=layer.weight.shape[-1] // 2)


def draw_by_hand(z, labels, network):
    def norm(x, layer, scale, shift):
        mean, var = (t.view(-1, 1, 1) for t in (layer.running_mean, layer.running_var))
        return (x - mean) / (var + 1e-5).sqrt() * scale[..., None, None] + shift[..., None, None]

    def conditioned(x, layer, c):
        return norm(x, layer, 1 + c @ layer.scale.weight.T, c @ layer.shift.weight.T)

    parts = z.chunk(len(network.blocks) + 1, dim=1)
    x = (parts[0] @ network.seed.weight.T + network.seed.bias).view(len(z), -1, 4, 4)
    for i, block in enumerate(network.blocks):
        if i == len(network.blocks) - 1:
            x = attend(x, network.attention)
        c = torch.cat([network.embedding.weight[labels], parts[i + 1]], 1)
        y = conditioned(x, block.norm1, c).relu().repeat_interleave(2, 2).repeat_interleave(2, 3)
        y = conditioned(conv(y, block.conv1), block.norm2, c).relu()
        x = conv(y, block.conv2) + conv(x.repeat_interleave(2, 2).repeat_interleave(2, 3), block.shortcut)
    return conv(norm(x, network.norm, network.norm.weight, network.norm.bias).relu(), network.head).tanh()


def judge_by_hand(x, labels, network):
    def halved(x):
        return x.unflatten(3, (-1, 2)).unflatten(2, (-1, 2)).mean((3, 5))

    for i, block in enumerate(network.blocks):
        y = conv(conv(x if i == 0 else x.relu(), block.conv1).relu(), block.conv2)
        x = y + x if i == len(network.blocks) - 1 else halved(y) + halved(conv(x, block.shortcut))
        x = attend(x, network.attention) if i == 0 else x
    seen = x.relu().flatten(2).sum(2)
    one_hot = F.one_hot(labels, network.num_classes).to(x.dtype)
    weights = network.head.weight + one_hot @ network.embedding.weight  # a row for each image
    return (weights * seen).sum(1) + network.head.bias


def test_128_pixels_have_the_reference_parameters():
    """Against tables 4 and 5 by a closed formula, with a shared embedding of 128 and parts of 20 numbers of noise."""
    with torch.device("meta"):
        generator, discriminator = biggan_128()
        labels = torch.zeros(2, dtype=torch.long)
        assert generator(torch.zeros(2, 120), labels).shape == (2, 3, 128, 128)
        assert discriminator(torch.zeros(2, 3, 128, 128), labels).shape == (2,)
    up = [96 * n for n in (16, 16, 8, 4, 2, 1)]
    count = 1000 * 128 + 21 * 16 * up[0] + 2 * up[-1] + 9 * up[-1] * 3 + 3
    for a, b in pairwise(up):
        count += 2 * 148 * (a + b) + 9 * a * b + b + 9 * b * b + b + a * b + b

    def attention(c):
        return 2 * c * c // 8 + 2 * c * c // 2 + 1

    count += attention(192)
    assert sum(p.numel() for p in generator.parameters()) == count == 70_433_988
    down = [3] + [96 * n for n in (1, 2, 4, 8, 16)]
    count = 1000 * down[-1] + down[-1] + 1 + attention(96) + 2 * (9 * down[-1] ** 2 + down[-1])
    count += sum(9 * a * b + b + 9 * b * b + b + a * b + b for a, b in pairwise(down))
    assert sum(p.numel() for p in discriminator.parameters()) == count == 87_982_370


@pytest.mark.parametrize("size", [16, 32])
def test_the_pair_equals_the_papers_tables(size):
    generator, discriminator = pair(size=size)
    z, labels = torch.randn(4, 12, dtype=torch.float64, requires_grad=True), torch.tensor([0, 4, 2, 2])
    x, expected = generator(z, labels), draw_by_hand(z, labels, generator)
    assert x.std() > 0.05
    torch.testing.assert_close(x, expected, rtol=0, atol=1e-12)
    logits, by_hand = discriminator(x, labels), judge_by_hand(expected, labels, discriminator)
    assert ((logits - by_hand).abs() / by_hand.std()).max() < 1e-9
    gradients = [torch.autograd.grad(y.sum(), z)[0] for y in (logits, by_hand)]
    torch.testing.assert_close(*gradients, rtol=1e-9, atol=1e-12)
    other = (labels + 1) % 5
    assert (generator(z, other) - x).abs().max() > 1e-3
    assert (discriminator(x, other) - logits).abs().max() > 1e-3


def test_first_weights_are_orthogonal_and_bounded():
    torch.manual_seed(0)
    networks = BigGANGenerator(width=8), BigGANDiscriminator(width=8)
    for network in networks:
        for name, layer in network.named_modules():
            if isinstance(layer, nn.Conv2d | nn.Linear):
                assert torch.nn.utils.parametrize.is_parametrized(layer, "weight"), name
                w = layer.parametrizations.weight.original.flatten(1)
                w = w if w.shape[0] <= w.shape[1] else w.T
                torch.testing.assert_close(w @ w.T, torch.eye(len(w)), rtol=0, atol=1e-5)
        assert network.attention.gamma.item() == 0
    assert not torch.nn.utils.parametrize.is_parametrized(networks[0].embedding)
    assert torch.nn.utils.parametrize.is_parametrized(networks[1].embedding, "weight")


def test_any_width_and_float_type():
    labels = torch.tensor([0, 1, 2, 4])
    for dtype in (torch.float16, torch.bfloat16, torch.float64):
        generator, discriminator = (network.train() for network in pair(dtype))
        x = generator(torch.randn(4, 12).to(dtype), labels)
        logits = discriminator(x, labels)
        assert x.dtype == logits.dtype == dtype
        assert logits.isfinite().all()
    with torch.device("meta"):
        labels = torch.zeros(4, dtype=torch.long)
        for width in (1, 5):
            x = BigGANGenerator(8, 1, width=width)(torch.zeros(4, 8), labels)
            assert BigGANDiscriminator(1, width=width)(x, labels).shape == (4,)
        assert BigGANGenerator(10, width=2, size=64)(torch.zeros(4, 10), labels).shape == (4, 3, 64, 64)


def test_it_learns_with_its_labels():
    torch.manual_seed(0)
    generator, discriminator = BigGANGenerator(8, num_classes=4, width=2), BigGANDiscriminator(num_classes=4, width=2)
    data = [(torch.full((3, 32, 32), i / 4 - 0.5), i) for i in range(4)] * 4
    trainer = GANTrainer(generator, discriminator, loss="hinge", betas=(0.0, 0.999))
    trainer.fit(data, steps=2, batch_size=4, progress=False)
    assert trainer.sample(5, seed=0).shape == (5, 3, 32, 32)
    gradients = [p.grad for network in (generator, discriminator) for p in network.parameters()]
    assert all(g is not None and g.isfinite().all() for g in gradients)
    assert generator.embedding.weight.grad.abs().sum() > 0


def test_refuses_what_does_not_fit():
    for full, name in ((BigGANGenerator, "BigGANGenerator"), (BigGANDiscriminator, "BigGANDiscriminator")):
        for size in (8, 24):
            with pytest.raises(ValueError, match=rf"{name} was given size={size}; give a power of two, 16 or more"):
                full(size=size)
        for argument in ("num_classes", "width"):
            with pytest.raises(ValueError, match=rf"{name} was given {argument}=0; give a whole number"):
                full(**{argument: 0})
    with pytest.raises(ValueError, match=r"was given latent=10, which it would cut in 4 equal parts; .* of 4\.$"):
        BigGANGenerator(10)
    generator, discriminator = pair(torch.float32)
    z, x, labels = torch.zeros(2, 12), torch.zeros(2, 3, 32, 32), torch.tensor([0, 4])
    with pytest.raises(ValueError, match=r"BigGANGenerator was given noise \[2, 7\]"):
        generator(torch.zeros(2, 7), labels)
    with pytest.raises(ValueError, match=r"BigGANDiscriminator was given \[2, 1, 32, 32\]"):
        discriminator(x[:, :1], labels)
    for network, given in ((generator, z), (discriminator, x)):
        name = type(network).__name__
        for wrong, sentence in (
            (None, r"labels none; give a class for each of 2 images, int64 \[2\]\.$"),
            (labels[:1], r"labels \[1\] of torch.int64; give"),
            (labels.float(), r"labels \[2\] of torch.float32; give"),
            ([0, 1], "labels list; give"),
            (labels + 1, "labels from 1 to 5, but knows the classes 0 to 4; give those"),
            (labels - 1, "labels from -1 to 3, but knows the classes 0 to 4"),
        ):
            with pytest.raises(ValueError, match=f"{name} was given {sentence}"):
                network(given, wrong)
