"""DCGAN against the networks of PyTorch's example, written out layer by layer."""

import numpy as np
import pytest
import torch
from torch.nn import functional as F

from segen.models import DCGANDiscriminator, DCGANGenerator, dcgan_64


def batch_norm(x, weight, bias, mean, var):
    return (x - mean.view(-1, 1, 1)) / (var.view(-1, 1, 1) + 1e-5).sqrt() * weight.view(-1, 1, 1) + bias.view(-1, 1, 1)


def draw_by_hand(z, state):
    """The example's generator as functions of its weights in their order: 4×4, then doublings, tanh at the end."""
    x, state = z[:, :, None, None], list(state)
    for i in range(5):
        x = F.conv_transpose2d(x, state.pop(0), stride=1 if i == 0 else 2, padding=0 if i == 0 else 1)
        if i < 4:
            x = batch_norm(x, *(state.pop(0) for _ in range(4))).relu()
    assert not state
    return x.tanh()


def judge_by_hand(x, state):
    """The example's discriminator, before the sigmoid."""
    state = list(state)
    for i in range(5):
        x = F.conv2d(x, state.pop(0), stride=1 if i == 4 else 2, padding=0 if i == 4 else 1)
        if 0 < i < 4:
            x = batch_norm(x, *(state.pop(0) for _ in range(4)))
        x = torch.where(x > 0, x, 0.2 * x) if i < 4 else x
    assert not state
    return x.flatten()


def weights(network):
    return [value for name, value in network.state_dict().items() if not name.endswith("num_batches_tracked")]


def random_statistics(network, x):
    """Give batch norms statistics of the size of what arrives there for `x`, moved by chance, so that no layer dies."""
    network.double().train()(x)
    network(x)
    for layer in network.modules():
        if isinstance(layer, torch.nn.BatchNorm2d):
            layer.running_var.copy_((layer.running_var - 0.81) / 0.19).clamp_(min=1e-4).mul_(torch.rand(()) + 0.5)
            layer.running_mean.copy_(layer.running_var.sqrt() * torch.randn(layer.num_features) / 3)
    return network.eval()


def test_dcgan_64_equals_the_example():
    torch.manual_seed(0)
    pair = dcgan_64()
    assert [sum(p.numel() for p in network.parameters()) for network in pair] == [3_576_704, 2_765_568]
    z = torch.randn(3, 100, dtype=torch.float64, requires_grad=True)
    generator = random_statistics(pair[0], z.detach())
    x = generator(z)
    assert x.shape == (3, 3, 64, 64)
    assert 0.01 < x.std() < 0.9
    discriminator = random_statistics(pair[1], x.detach())
    expected = draw_by_hand(z, weights(generator))
    torch.testing.assert_close(x, expected, rtol=0, atol=1e-9)
    logits, by_hand = discriminator(x), judge_by_hand(expected, weights(discriminator))
    spread = by_hand.std()
    assert ((logits - by_hand).abs() / spread).max() < 1e-9
    for a, b in zip(*(torch.autograd.grad(y.sum(), z) for y in (logits, by_hand)), strict=True):
        assert (a - b).abs().max() < 1e-9 * b.abs().max()
    with torch.no_grad():
        generator.layers[3].weight[0, 0, 0, 0] += 0.1
    assert (generator(z) - expected).abs().max() > 1e-6


def test_first_weights_are_drawn_as_the_paper_does():
    torch.manual_seed(1)
    for network in dcgan_64():
        for name, value in network.named_parameters():
            if value.ndim == 4 and value.numel() > 5000:
                assert value.std().item() == pytest.approx(0.02, rel=0.05), name
                assert abs(value.mean().item()) < 1e-3
            elif name.endswith("weight") and value.ndim == 1:
                assert abs(value.mean().item() - 1) < 0.01
                assert 0.01 < value.std().item() < 0.03
            elif name.endswith("bias"):
                assert not value.any()


@pytest.mark.parametrize("size", [8, 16, 32, 128])
@pytest.mark.parametrize("width", [1, 3])
def test_any_power_of_two_and_any_width(size, width):
    x = DCGANGenerator(6, 1, width=width, size=size)(torch.randn(2, 6))
    assert x.shape == (2, 1, size, size)
    assert DCGANDiscriminator(1, width=width, size=size)(x).shape == (2,)


def test_refuses_what_does_not_fit():
    for size in (4, 24, 0, 31, 32.0):
        for network in (DCGANGenerator, DCGANDiscriminator):
            with pytest.raises(
                ValueError, match=rf"{network.__name__} was given size={size}; give a power of two, 8 or"
            ):
                network(size=size)
    with pytest.raises(ValueError, match=r"DCGANGenerator was given noise \[2, 7\] .* floats \[N, 6\]; draw them with"):
        DCGANGenerator(6, width=1)(torch.zeros(2, 7))
    with pytest.raises(ValueError, match=r"DCGANDiscriminator was given \[2, 3, 16, 16\] .* \[N, 3, 32, 32\]; resize"):
        DCGANDiscriminator(width=1)(torch.zeros(2, 3, 16, 16))


def test_spectral_norm_takes_the_place_of_batch_norm():
    """Weights divided by their largest singular value (NumPy's), biases, leaky ReLU; batch norm is gone."""
    torch.manual_seed(2)
    network = DCGANDiscriminator(3, width=4, size=16, spectral_norm=True).double()
    x = torch.rand(5, 3, 16, 16, dtype=torch.float64) * 2 - 1
    for _ in range(300):  # each call in training mode is one step of the power iteration
        network(x)
    network.eval()
    y = x
    convolutions = network.layers[::2]
    for i, layer in enumerate(convolutions):
        kernel = layer.parametrizations.weight.original
        largest = float(np.linalg.norm(kernel.detach().flatten(1).numpy(), 2))
        assert layer.bias is not None
        y = F.conv2d(y, kernel / largest, layer.bias, stride=1 if i == 2 else 2, padding=0 if i == 2 else 1)
        y = torch.where(y > 0, y, 0.2 * y) if i < 2 else y
    assert len(convolutions) == 3
    torch.testing.assert_close(network(x), y.flatten(), rtol=0, atol=1e-8)
    assert not any(isinstance(layer, torch.nn.BatchNorm2d) for layer in network.modules())
    with torch.no_grad():
        convolutions[1].parametrizations.weight.original.mul_(3)
    torch.testing.assert_close(network(x), y.flatten(), rtol=0, atol=1e-8)  # lengths are divided out
