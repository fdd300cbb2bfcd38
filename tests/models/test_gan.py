"""The fully connected pair, against NumPy."""

import numpy as np
import pytest
import torch

from segen.models import MLPDiscriminator, MLPGenerator


def by_hand(x, layers, slope):
    """The network in NumPy: matrices, and max(x, slope · x) between them."""
    matrices = [layer for layer in layers if isinstance(layer, torch.nn.Linear)]
    for i, layer in enumerate(matrices):
        x = x @ layer.weight.detach().numpy().T + layer.bias.detach().numpy()
        x = np.maximum(x, slope * x) if i < len(matrices) - 1 else x
    return x


@pytest.mark.parametrize("size", [None, 8])
def test_the_pair_equals_numpy(size):
    torch.manual_seed(0)
    generator, discriminator = MLPGenerator(5, 2, width=7, size=size), MLPDiscriminator(2, width=7, size=size)
    generator.double(), discriminator.double()
    z = torch.randn(6, 5, dtype=torch.float64)
    drawn = by_hand(z.numpy(), generator.layers, 0.0)
    x = generator(z)
    assert tuple(x.shape) == ((6, 2) if size is None else (6, 2, 8, 8))
    expected = drawn if size is None else np.tanh(drawn)
    np.testing.assert_allclose(x.detach().numpy().reshape(6, -1), expected, atol=1e-12)
    logits = discriminator(x)
    assert logits.shape == (6,)
    np.testing.assert_allclose(logits.detach().numpy(), by_hand(expected, discriminator.layers, 0.2)[:, 0], atol=1e-12)
    assert not np.allclose(by_hand(expected, discriminator.layers, 0.1)[:, 0], logits.detach().numpy(), atol=1e-6)


def test_labels_are_not_looked_at_and_latent_is_told():
    generator = MLPGenerator(width=4)
    assert generator.latent == 128
    z = torch.randn(2, 128)
    assert torch.equal(generator(z, torch.tensor([1, 99])), generator(z))
    assert MLPDiscriminator(width=4)(generator(z), torch.tensor([1, 99])).shape == (2,)


def test_refuses_what_does_not_fit():
    generator, discriminator = MLPGenerator(4, 2, width=4, size=None), MLPDiscriminator(2, width=4, size=None)
    with pytest.raises(
        ValueError, match=r"MLPGenerator was given noise \[3, 5\] of torch.float32, but .* \[N, 4\]; draw"
    ):
        generator(torch.zeros(3, 5))
    with pytest.raises(ValueError, match=r"noise of torch.float64, but has weights of torch.float32; bring them"):
        generator(torch.zeros(3, 4).double())
    with pytest.raises(ValueError, match=r"MLPDiscriminator was given \[3, 3\] .* floats \[N, 2\]; give points"):
        discriminator(torch.zeros(3, 3))
    with pytest.raises(ValueError, match=r"of torch.int64, but was made for floats \[N, 2\]"):
        discriminator(torch.zeros(3, 2).long())
    with pytest.raises(ValueError, match="MLPGenerator was given latent=0; give a whole number"):
        MLPGenerator(0)
