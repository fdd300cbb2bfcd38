"""What the tests of the networks share: the comparison with a peer, and what every one of them must do."""

import math

import pytest
import torch
from torch import nn

TOLERANCE = 1e-6  # of what is compared, over its spread


def randomise(peer: nn.Module, seed: int = 0) -> nn.Module:
    """Draw every weight, bias and batch-norm statistic of the peer; none stays at 0 or 1."""
    generator = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        for name, tensor in peer.state_dict().items():
            if name.endswith("num_batches_tracked"):
                tensor.zero_()
            elif tensor.ndim > 1:
                bound = math.sqrt(6 / tensor[0].numel())
                tensor.uniform_(-bound, bound, generator=generator)
            elif name.endswith(("running_var", "weight")):
                tensor.uniform_(0.5, 1.5, generator=generator)
            else:
                tensor.normal_(0, 0.1, generator=generator)
    return peer.eval()


def counted(state: dict[str, torch.Tensor]) -> dict[str, torch.Tensor]:
    return {name: tensor for name, tensor in state.items() if not name.endswith("num_batches_tracked")}


def copy_in_order(state: dict[str, torch.Tensor], model: nn.Module) -> nn.Module:
    """Give the model, made on the meta device, the peer's tensors one after the other; each must have its shape."""
    mine = counted(model.state_dict())
    theirs = list(counted(state).values())
    assert [tuple(t.shape) for t in mine.values()] == [tuple(t.shape) for t in theirs]
    tensors = {name: torch.zeros((), dtype=torch.long) for name in model.state_dict()}
    tensors |= dict(zip(mine, theirs, strict=True))
    model.load_state_dict(tensors, assign=True)
    return model.eval()


def run(model: nn.Module, x: torch.Tensor, *, read=None) -> tuple[torch.Tensor, list[torch.Tensor]]:
    """Return the logits, and one gradient by the first, middle and last of the weights that are matrices."""
    weights = [p for p in model.parameters() if p.ndim > 1]
    chosen = [weights[0], weights[len(weights) // 2], weights[-1]]
    model.requires_grad_(False)
    for weight in chosen:
        weight.requires_grad_(True)
    logits = (read or model)(x)
    generator = torch.Generator().manual_seed(1)
    direction = torch.randn(logits.shape, generator=generator, dtype=logits.dtype)
    return logits.detach(), list(torch.autograd.grad((logits * direction).sum(), chosen))


def spread_error(ours: torch.Tensor, theirs: torch.Tensor) -> float:
    """Return the largest difference over the mean spread of the outputs over the batch."""
    spread = theirs.std(dim=0).mean().item()
    assert spread > 0
    return (ours - theirs).abs().max().item() / spread


@pytest.fixture
def assert_equals_peer():
    """Assert that a network is its peer: shapes in order, logits, gradients; and that a changed number would be seen.

    `make()` builds ours, `make_peer()` the peer, both on the meta device; `size` is that of the images.
    """

    def compare(make, make_peer, *, size: int = 64, parameters: int | None = None, reshape=None, read=None) -> None:
        with torch.device("meta"):
            model, peer = make(), make_peer()
        if parameters is not None:
            assert sum(p.numel() for p in model.parameters()) == parameters
        peer = randomise(peer.double().to_empty(device="cpu"))
        state = peer.state_dict()
        model = copy_in_order(reshape(state) if reshape else state, model)
        x = torch.randn(2, 3, size, size, dtype=torch.float64, generator=torch.Generator().manual_seed(2))
        read = read or (lambda network: network)
        logits, gradients = run(model, x, read=read(model))
        expected, expected_gradients = run(peer, x, read=read(peer))
        error = spread_error(logits, expected)
        gradient_error = max(
            ((a - b.view_as(a)).abs().max() / b.std()).item()
            for a, b in zip(gradients, expected_gradients, strict=True)
        )
        assert error < TOLERANCE, f"the outputs differ by {error}"
        assert gradient_error < TOLERANCE, f"the gradients differ by {gradient_error}"
        # A weight that matters, changed by a tenth of their spread; the statistics of one layer, by a tenth.
        weights = [p for p in model.parameters() if p.requires_grad]
        statistics = [b for b in model.buffers() if b.ndim]
        middle = len(statistics) // 2
        changed = [(w.data.view(-1)[g.abs().argmax()], 0.1 * w.std()) for w, g in zip(weights, gradients, strict=True)]
        changed += [(s, 0.1) for s in statistics[middle : middle + 2]]
        controls = []
        for number, by in changed:
            kept = number.clone()
            number.add_(by.detach() if isinstance(by, torch.Tensor) else by)
            with torch.no_grad():
                controls.append(spread_error(read(model)(x), expected))
            number.copy_(kept)
        print(f"error {error:.1e}, gradient {gradient_error:.1e}, controls {', '.join(f'{c:.1e}' for c in controls)}")
        assert min(controls) > 10 * TOLERANCE

    return compare


def refuses(model: nn.Module, smallest: int) -> None:
    name = type(model).__name__
    few, large = smallest - 1, 2 * smallest
    with pytest.raises(ValueError, match=rf"{name} was given images of {few}×{large} .*, but can only read sides that"):
        model(torch.zeros(1, 3, few, large))
    with pytest.raises(ValueError, match=rf"at least {smallest}; resize or pad them to {smallest}×{large}\.$"):
        model.features(torch.zeros(1, 3, few, large))
    with pytest.raises(ValueError, match=rf"{name} was given images of 1 channels, .* in_channels=1\.$"):
        model(torch.zeros(1, 1, large, large))
    with pytest.raises(ValueError, match=rf"{name} was given images of torch.uint8 where floats .*/ 127\.5 - 1\.$"):
        model(torch.zeros(1, 3, large, large, dtype=torch.uint8))
    with pytest.raises(ValueError, match=rf"{name} was given \[3, {large}, {large}\] where a batch"):
        model(torch.zeros(3, large, large))


@pytest.fixture
def assert_complete():
    """Assert what every classifier does: any width and float type, maps as announced, a sentence for bad input.

    `make(width=…)` builds the version for 32 pixels with 3 channels and 10 classes, whose maps have the given sides;
    `full` is the class, complete with two arguments.
    """

    def check(make, full, *, sides: list[int], smallest: int, full_smallest: int) -> None:
        generator = torch.Generator().manual_seed(0)
        x = torch.randn(4, 3, 32, 32, generator=generator)
        for width in (1, 5, 8):
            model = make(width=width)
            maps = model.features(x)
            assert [tuple(m.shape) for m in maps] == [
                (4, c, side, side) for c, side in zip(model.channels, sides, strict=True)
            ]
            logits = model(x)
            assert logits.shape == (4, 10)
            logits.sum().backward()
            assert all(p.grad is not None and p.grad.isfinite().all() for p in model.parameters())
            model.eval()
            with torch.no_grad():
                torch.testing.assert_close(model.head(model.features(x)[-1]), model(x), rtol=0, atol=0)
                # What one image gives does not depend on its batch, nor the maps on what is read after them.
                torch.testing.assert_close(model(x)[:1], model(x[:1]), rtol=1e-4, atol=1e-4)
                maps = model.features(x)
                kept = [m.clone() for m in maps]
                model.head(maps[-1])
                assert all(torch.equal(a, b) for a, b in zip(maps, kept, strict=True))
                assert model(torch.zeros(2, 3, smallest, smallest + 3)).shape == (2, 10)
                for dtype in (torch.float16, torch.bfloat16, torch.float64):
                    y = model.to(dtype)(x.to(dtype))
                    assert y.dtype == dtype
                    assert y.isfinite().all()
            model.float().train()
        refuses(make(width=2), smallest)
        with torch.device("meta"):
            assert full(3, 8)(torch.zeros(2, 3, 96, 128)).shape == (2, 8)
            assert full(1, 8)(torch.zeros(2, 1, 64, 64)).shape == (2, 8)
            refuses(full(3, 8), full_smallest)
        for argument in ("in_channels", "num_classes", "width"):
            with pytest.raises(ValueError, match=rf"{full.__name__} was given {argument}=0; give a whole number"):
                full(**{argument: 0})
        with pytest.raises(TypeError):
            full(3, 8, 16)

    return check


@pytest.fixture
def assert_segments():
    """Assert what every segmenter does: logits of the image's size, at any width, in any float type; good sentences.

    `full` is the class, complete with two arguments; `sizes` are sizes that it reads beside 64×64, `smallest` the
    smallest, or None where there is none.
    """

    def check(full, *, sizes: list[tuple[int, int]], smallest: int | None = None) -> None:
        generator = torch.Generator().manual_seed(0)
        x = torch.randn(2, 3, 64, 64, generator=generator)
        for width in (1, 5):
            torch.manual_seed(0)
            model = full(3, 8, width=width)
            logits = model(x)
            assert logits.shape == (2, 8, 64, 64)
            logits.square().sum().backward()
            assert all(p.grad is not None and p.grad.isfinite().all() for p in model.parameters())
            model.eval()
            with torch.no_grad():
                # What one image gives does not depend on its batch.
                torch.testing.assert_close(model(x)[:1], model(x[:1]), rtol=1e-4, atol=1e-4)
                for size in sizes:
                    assert model(torch.zeros(1, 3, *size)).shape == (1, 8, *size)
                for dtype in (torch.float16, torch.bfloat16, torch.float64):
                    y = model.to(dtype)(x.to(dtype))
                    assert y.dtype == dtype
                    assert y.shape == (2, 8, 64, 64)
                    assert y.isfinite().all()
        with torch.device("meta"):
            assert full(3, 8)(torch.zeros(2, 3, 96, 128)).shape == (2, 8, 96, 128)
            assert full(1, 5)(torch.zeros(2, 1, 64, 64)).shape == (2, 5, 64, 64)
            model, name = full(3, 8), full.__name__
            if smallest is not None:
                with pytest.raises(ValueError, match=rf"{name} was given .* at least {smallest}; resize or pad them"):
                    model(torch.zeros(1, 3, smallest - 1, 64))
            with pytest.raises(ValueError, match=rf"{name} was given images of 1 channels, .* in_channels=1\.$"):
                model(torch.zeros(1, 1, 64, 64))
            with pytest.raises(ValueError, match=rf"{name} was given images of torch.uint8 where floats"):
                model(torch.zeros(1, 3, 64, 64, dtype=torch.uint8))
            with pytest.raises(ValueError, match=rf"{name} was given \[3, 64, 64\] where a batch"):
                model(torch.zeros(3, 64, 64))
            for argument in ("in_channels", "num_classes", "width"):
                with pytest.raises(ValueError, match=rf"{name} was given {argument}=0; give a whole number"):
                    full(**{argument: 0})
            with pytest.raises(TypeError):
                full(3, 8, 16)

    return check
