import pytest
import torch
from torch.nn import functional as F

from segen.models import SegNet, segnet, segnet_basic
from segen.models.segnet import unpool

# The authors' definition: the name of each layer and its number of output channels; P halves and keeps its mask, U
# enlarges with the mask of that name.
VGG = "64 64 P1 128 128 P2 256 256 256 P3 512 512 512 P4 512 512 512 P5"
MIRROR = "U5 512 512 512 U4 512 512 256 U3 256 256 128 U2 128 64 U1 64"
DEFINITION = f"{VGG} {MIRROR}".split()
BASIC = ["64", "P1", "64", "P2", "64", "P3", "64", "P4", "U4", "64", "U3", "64", "U2", "64", "U1", "64"]


def by_definition(state, x, definition, *, classes, share=1, relu_after_up=True):
    """Walk through the definition over the tensors in their order, `share` of its channels; also count them."""
    tensors = [tensor for name, tensor in state.items() if not name.endswith("num_batches_tracked")]
    masks, decoding = {}, False

    def take(*shapes):
        taken, tensors[: len(shapes)] = tensors[: len(shapes)], []
        assert [tuple(t.shape) for t in taken] == list(shapes)
        return taken

    def convolve(x, weight, bias):
        """A convolution as a matrix product of all patches."""
        k = weight.shape[-1]
        patches = F.unfold(x, k, padding=k // 2)
        return (weight.flatten(1) @ patches).view(len(x), -1, *x.shape[2:]) + bias.view(-1, 1, 1)

    kernel = tensors[0].shape[-1]
    for layer in definition:
        n, c, h, w = x.shape
        if layer[0] == "P":
            cells = x.view(n, c, h // 2, 2, w // 2, 2).permute(0, 1, 2, 4, 3, 5).flatten(4)
            x = cells.amax(4)
            masks[layer[1:]] = F.one_hot(cells.argmax(4), 4).to(x.dtype)
        elif layer[0] == "U":
            decoding = True
            cells = x.unsqueeze(4) * masks.pop(layer[1:])
            x = cells.view(n, c, h, w, 2, 2).permute(0, 1, 2, 4, 3, 5).reshape(n, c, 2 * h, 2 * w)
        else:
            out = int(layer) // share
            weight, bias, gamma, beta, mean, variance = take((out, c, kernel, kernel), *[(out,)] * 5)
            x = convolve(x, weight, bias)
            scale = gamma / torch.sqrt(variance + 1e-5)
            x = x * scale.view(-1, 1, 1) + (beta - mean * scale).view(-1, 1, 1)
            if relu_after_up or not decoding:
                x = x * (x > 0)
    last = kernel if relu_after_up else 1
    x = convolve(x, *take((classes, x.shape[1], last, last), (classes,)))
    assert not tensors
    assert not masks
    return x


def randomise(model, seed=0):
    generator = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        for name, tensor in model.state_dict().items():
            if tensor.ndim == 1:
                tensor.uniform_(-0.5, 0.5, generator=generator)
                if name.endswith("running_var") or (name.endswith("weight")):
                    tensor.add_(1)
    return model.double().eval()


CASES = {
    "SegNet": (lambda: SegNet(3, 5, width=4), DEFINITION, {"classes": 5, "share": 16}),
    "Basic": (
        lambda: SegNet(3, 5, width=4, blocks=(1, 1, 1, 1), kernel=7, basic=True),
        BASIC,
        {"classes": 5, "share": 16, "relu_after_up": False},
    ),
}


@pytest.mark.parametrize("case", CASES)
def test_equals_the_authors_definition(case):
    make, definition, style = CASES[case]
    torch.manual_seed(0)
    model = randomise(make())
    x = torch.randn(2, 3, 64, 96, dtype=torch.float64)
    state = {k: v.detach().clone().requires_grad_(v.is_floating_point()) for k, v in model.state_dict().items()}
    ours, expected = model(x), by_definition(state, x, definition, **style)
    torch.testing.assert_close(ours, expected, rtol=1e-9, atol=1e-9)
    direction = torch.randn_like(ours)
    by_name = dict(model.named_parameters())
    names = [name for name, p in by_name.items() if p.ndim == 4]
    names = [names[0], names[len(names) // 2], names[-1]]
    mine = torch.autograd.grad((ours * direction).sum(), [by_name[name] for name in names])
    theirs = torch.autograd.grad((expected * direction).sum(), [state[name] for name in names])
    for a, b in zip(mine, theirs, strict=True):
        assert b.abs().max() > 0
        torch.testing.assert_close(a, b, rtol=1e-7, atol=1e-7)
    # Controls: a weight, a statistic, or a mask of another pooling.
    with torch.no_grad():
        for name in [*names, next(n for n in state if n.endswith("running_var"))]:
            changed = {k: v.detach().clone() for k, v in state.items()}
            changed[name].add_(0.1)
            assert (by_definition(changed, x, definition, **style) - ours).abs().max() > 1e-4 * ours.std()
        model.up = lambda x, indices, size: unpool(x, indices.flip(1), size)
        assert (model(x) - ours).abs().max() > 1e-3 * ours.std()


@pytest.mark.parametrize(
    ("make", "parameters", "definition", "style"),
    [(segnet, 29_449_355, DEFINITION, {}), (segnet_basic, 1_416_587, BASIC, {"relu_after_up": False})],
    ids=["SegNet", "Basic"],
)
def test_the_authors_networks(make, parameters, definition, style):
    with torch.device("meta"):
        model = make()
        assert sum(p.numel() for p in model.parameters()) == parameters
        # The shapes of all tensors are checked in order on the way.
        x = torch.zeros(1, 3, 64, 64)
        assert by_definition(model.state_dict(), x, definition, classes=11, **style).shape == (1, 11, 64, 64)
        assert model(torch.zeros(1, 3, 360, 480)).shape == (1, 11, 360, 480)


def test_segments(assert_segments):
    assert_segments(SegNet, sizes=[(45, 60), (90, 33), (1, 1), (360, 48)])


@pytest.mark.parametrize("size", [(6, 8), (7, 8), (5, 9), (1, 3)])
def test_unpooling_equals_torchs(size):
    torch.manual_seed(0)
    x = torch.randn(2, 3, *size, dtype=torch.float64, requires_grad=True)
    small, indices = F.max_pool2d(x, 2, ceil_mode=True, return_indices=True)
    ours = unpool(small, indices, size)
    theirs = F.max_unpool2d(small, indices, 2, output_size=size)
    torch.testing.assert_close(ours, theirs, rtol=0, atol=0)
    direction = torch.randn_like(ours)
    (a,) = torch.autograd.grad((ours * direction).sum(), x, retain_graph=True)
    (b,) = torch.autograd.grad((theirs * direction).sum(), x)
    torch.testing.assert_close(a, b, rtol=0, atol=0)
    # The maxima are where they were, all else is 0.
    where = ours != 0
    assert torch.equal(ours[where], x[where])
    assert where.sum() == small.numel()


def test_another_way_up():
    class Bilinear(SegNet):
        def up(self, x, indices, size):
            return F.interpolate(x, size=size, mode="bilinear")

    torch.manual_seed(0)
    model, other = SegNet(3, 4, width=2), Bilinear(3, 4, width=2)
    other.load_state_dict(model.state_dict())
    x = torch.randn(2, 3, 33, 64)
    assert other(x).shape == model(x).shape == (2, 4, 33, 64)
    assert (other(x) - model(x)).abs().max() > 1e-2


@pytest.mark.parametrize("blocks", [(1,), (1, 1), (3, 1, 2)])
@pytest.mark.parametrize("basic", [False, True])
def test_other_depths(blocks, basic):
    model = SegNet(2, 3, width=3, blocks=blocks, kernel=5, basic=basic)
    assert model(torch.zeros(2, 2, 21, 16)).shape == (2, 3, 21, 16)


def test_refuses_with_a_sentence():
    for blocks in ((), 3):
        with pytest.raises(ValueError, match=r"SegNet was given blocks=.*; give a tuple: how many"):
            SegNet(3, 8, blocks=blocks)
    with pytest.raises(ValueError, match=r"SegNet was given blocks=0; give a whole number, 1 or more\.$"):
        SegNet(3, 8, blocks=(2, 0))
    for kernel in (0, 2, 3.0, True):
        with pytest.raises(ValueError, match=r"SegNet was given kernel=.*; give an odd number"):
            SegNet(3, 8, kernel=kernel)
