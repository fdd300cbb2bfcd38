import pytest
import torch
from torch.nn import functional as F

from segen.models import UNet, unet_2015


def functional_unet(state, x, *, padding, batch_norm, convolutions=2, depth=4):
    """The figure of the paper, from left to right, over the tensors of a state_dict in their order."""
    tensors = [tensor for name, tensor in state.items() if not name.endswith("num_batches_tracked")]

    def take(n):
        taken, tensors[:n] = tensors[:n], []
        return taken

    def box(x):
        for _ in range(convolutions):
            if batch_norm:
                weight, gamma, beta, mean, variance = take(5)
                y = F.conv2d(x, weight, padding=padding)
                scale = gamma / torch.sqrt(variance + 1e-5)
                x = y * scale.view(1, -1, 1, 1) + (beta - mean * scale).view(1, -1, 1, 1)
            else:
                x = F.conv2d(x, *take(2), padding=padding)
            x = torch.maximum(x, torch.zeros_like(x))
        return x

    left = []
    for _ in range(depth):
        x = box(x)
        left.append(x)
        n, c, h, w = x.shape
        x = x.view(n, c, h // 2, 2, w // 2, 2).amax((3, 5))
    x = box(x)
    for grey in reversed(left):
        weight, bias = take(2)
        n, _, h, w = x.shape
        # The up-convolution writes, for each pixel, a block of 2×2: no two blocks meet.
        x = torch.einsum("nchw,coij->nohiwj", x, weight).reshape(n, -1, 2 * h, 2 * w) + bias.view(1, -1, 1, 1)
        top, left_edge = (grey.shape[2] - 2 * h) // 2, (grey.shape[3] - 2 * w) // 2
        x = box(torch.cat([grey[:, :, top : top + 2 * h, left_edge : left_edge + 2 * w], x], 1))
    x = F.conv2d(x, *take(2))
    assert not tensors
    return x


def randomise(model, seed=0):
    """Give every parameter and batch-norm statistic a value that is not its first one, and go to eval mode."""
    rng = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        for name, tensor in model.state_dict().items():
            if name.endswith("running_var") or (tensor.ndim == 1 and name.endswith("1.weight")):
                tensor.copy_(0.5 + torch.rand(tensor.shape, generator=rng))
            elif tensor.ndim == 1:
                tensor.copy_(0.2 * torch.randn(tensor.shape, generator=rng))
    return model.eval()


def compare(model, x, **style):
    """Outputs and gradients, of a weight at each end, equal those of the figure; a perturbed weight is noticed."""
    state = {k: v.detach().clone().requires_grad_(v.is_floating_point()) for k, v in model.state_dict().items()}
    ours, figure = model(x), functional_unet(state, x, **style)
    torch.testing.assert_close(ours, figure, rtol=1e-9, atol=1e-9)
    direction = torch.randn(ours.shape, generator=torch.Generator().manual_seed(1), dtype=ours.dtype)
    names = [name for name, _ in model.named_parameters()]
    chosen = [names[0], names[len(names) // 2], names[-2]]
    by_name = dict(model.named_parameters())
    mine = torch.autograd.grad((ours * direction).sum(), [by_name[n] for n in chosen])
    theirs = torch.autograd.grad((figure * direction).sum(), [state[n] for n in chosen])
    for a, b in zip(mine, theirs, strict=True):
        assert b.abs().max() > 0
        torch.testing.assert_close(a, b, rtol=1e-7, atol=1e-7)
    for name in chosen:
        changed = {k: v.detach().clone() for k, v in state.items()}
        changed[name].view(-1)[0] += 0.1
        with torch.no_grad(), pytest.raises(AssertionError):
            torch.testing.assert_close(functional_unet(changed, x, **style), ours, rtol=1e-9, atol=1e-9)


def test_the_papers_network():
    model = unet_2015()
    assert sum(p.numel() for p in model.parameters()) == 31_030_658
    assert not list(model.buffers())
    with torch.device("meta"):
        assert unet_2015()(torch.zeros(1, 1, 572, 572)).shape == (1, 2, 388, 388)


def test_the_papers_network_equals_its_figure():
    torch.manual_seed(0)
    model = UNet(1, 2, width=6, padding=False, batch_norm=False).double()
    compare(randomise(model), torch.randn(1, 1, 188, 204).double(), padding=0, batch_norm=False)
    full = [tuple(p.shape) for p in unet_2015().parameters()]
    small = [tuple(p.shape) for p in model.parameters()]
    assert len(full) == len(small) == 2 * 23  # "in total the network has 23 convolutional layers"
    assert sum(len(s) == 4 and s[2:] == (3, 3) for s in full) == 18


def test_the_papers_network_at_full_width():
    torch.manual_seed(0)
    model = randomise(unet_2015())
    x = torch.randn(1, 1, 188, 188)
    with torch.no_grad():
        ours, figure = model(x), functional_unet(model.state_dict(), x, padding=0, batch_norm=False)
        torch.testing.assert_close(ours, figure, rtol=1e-4, atol=1e-4)
        model.bottom[0][0].weight[3, 2] += 0.1
        assert not torch.allclose(model(x), figure, rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize(("width", "convolutions", "depth"), [(5, 2, 4), (8, 1, 2), (3, 3, 1)])
def test_the_padded_network_equals_its_figure(width, convolutions, depth):
    torch.manual_seed(0)
    model = randomise(UNet(3, 4, width=width, depth=depth, convolutions=convolutions).double())
    x = torch.randn(2, 3, 32, 48).double()
    compare(model, x, padding=1, batch_norm=True, convolutions=convolutions, depth=depth)


def test_skips_carry_what_the_bottom_cannot():
    torch.manual_seed(0)
    x = torch.randn(1, 3, 32, 32)
    for skips in (True, False):
        model = UNet(3, 4, width=4, skips=skips).eval()
        with torch.no_grad():
            model.bottom[-1][1].weight.zero_()  # nothing passes the bottom
            first, second = model(x), model(x.flip(3))
        assert torch.equal(first, second) is not skips


@pytest.mark.parametrize("width", [1, 3, 16])
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64, torch.bfloat16])
def test_complete_with_two_arguments_at_any_width_and_type(width, dtype):
    model = UNet(3, 8, width=width).to(dtype)
    y = model(torch.randn(2, 3, 32, 48, dtype=dtype))
    assert y.shape == (2, 8, 32, 48)
    assert y.dtype == dtype
    assert UNet(3, 8)(torch.randn(1, 3, 32, 32)).shape == (1, 8, 32, 32)


def test_every_size_that_an_unpadded_network_reads():
    for convolutions, depth in ((2, 1), (2, 2), (1, 3), (3, 2)):
        model = UNet(1, 2, width=1, depth=depth, convolutions=convolutions, padding=False, batch_norm=False)
        read = set()
        for size in range(1, 130):
            try:
                y = model(torch.zeros(1, 1, size, size))
                assert y.shape[2] == size - 2 * convolutions * (2 * 2**depth - 2 + 2**depth)
                read.add(size)
            except ValueError:
                pass
        # What comes out even at each halving and leaves at least one pixel, by walking through the figure.
        walked = set()
        for size in range(1, 130):
            s, fits = size, True
            for _ in range(depth):
                s -= 2 * convolutions
                fits &= s > 0 and s % 2 == 0
                s //= 2
            s -= 2 * convolutions
            fits &= s > 0
            for _ in range(depth):
                s = 2 * s - 2 * convolutions
                fits &= s > 0
            if fits:
                walked.add(size)
        assert read == walked
        assert len(read) > 1


def test_refuses_with_a_sentence():
    with pytest.raises(ValueError, match=r"UNet was given images of 90×120 .* 80×112 or 96×128"):
        UNet(3, 8)(torch.zeros(1, 3, 90, 120))
    with pytest.raises(ValueError, match=r"570×572 .* 16·k \+ 12 from 188 on; .* 556×572 or 572×572"):
        UNet(1, 2, width=1, padding=False)(torch.zeros(1, 1, 570, 572))
    with pytest.raises(ValueError, match="1 channels"):
        UNet(3, 8)(torch.zeros(1, 1, 32, 32))
    with pytest.raises(ValueError, match=r"torch\.uint8"):
        UNet(3, 8)(torch.zeros(1, 3, 32, 32, dtype=torch.uint8))
    for argument in ("width", "depth", "convolutions"):
        with pytest.raises(ValueError, match=f"UNet was given {argument}=0"):
            UNet(3, 8, **{argument: 0})
    with pytest.raises(TypeError):
        UNet(3, 8, 16)
