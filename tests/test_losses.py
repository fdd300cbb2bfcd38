import numpy as np
import pytest
import torch
from torch.nn import functional as F

from segen.losses import cross_entropy, dice_loss

LOSSES = [cross_entropy, dice_loss]


@pytest.fixture(autouse=True)
def _seeded():
    torch.manual_seed(0)


def example(seed, k=5, shape=(3, 6, 7), dtype=torch.float64):
    rng = torch.Generator().manual_seed(seed)
    logits = 3 * torch.randn((shape[0], k, *shape[1:]), generator=rng, dtype=dtype)
    target = torch.randint(0, k - 1, shape, generator=rng)  # the last class is absent
    target[torch.rand(shape, generator=rng) < 0.3] = 255
    return logits, target, torch.rand(k, generator=rng, dtype=dtype) + 0.1


def softmax_by_hand(logits):
    """Probabilities [pixels, K], in NumPy."""
    z = np.moveaxis(logits.double().numpy(), 1, -1).reshape(-1, logits.shape[1])
    e = np.exp(z - z.max(1, keepdims=True))
    return e / e.sum(1, keepdims=True)


def cross_entropy_by_hand(logits, target, weight):
    total, mass = 0.0, 0.0
    for p, y in zip(softmax_by_hand(logits), target.numpy().ravel(), strict=True):
        if y != 255:
            total -= weight[y] * np.log(p[y])
            mass += weight[y]
    return total / mass


def dice_by_hand(logits, target, weight):
    p, y = softmax_by_hand(logits), target.numpy().ravel()
    p, y = p[y != 255], y[y != 255]
    total, mass = 0.0, 0.0
    for k in set(y.tolist()):
        total += weight[k] * (1 - 2 * p[y == k, k].sum() / (p[:, k].sum() + (y == k).sum()))
        mass += weight[k]
    return total / mass


BY_HAND = {cross_entropy: cross_entropy_by_hand, dice_loss: dice_by_hand}


@pytest.mark.parametrize("shape", [(3, 6, 7), (4,), (2, 5), (2, 3, 4, 2)])
@pytest.mark.parametrize("loss", LOSSES)
@pytest.mark.parametrize("seed", range(4))
def test_equals_a_computation_by_hand(loss, shape, seed):
    logits, target, weight = example(seed, shape=shape)
    target.view(-1)[0] = 1  # never all void
    assert float(loss(logits, target)) == pytest.approx(BY_HAND[loss](logits, target, np.ones(5)), rel=1e-12)
    weighted = float(loss(logits, target, weight=weight))
    assert weighted == pytest.approx(BY_HAND[loss](logits, target, weight.numpy()), rel=1e-12)
    # Control: void taken for a class is another number.
    assert (
        float(loss(logits, target.clamp_max(4))) != pytest.approx(float(loss(logits, target)), abs=1e-6)
        or (target != 255).all()
    )


@pytest.mark.parametrize("weighted", [False, True])
def test_cross_entropy_and_its_gradient_equal_torch(weighted):
    logits, target, weight = example(7)
    weight = weight if weighted else None
    a, b = logits.clone().requires_grad_(), logits.clone().requires_grad_()
    ours = cross_entropy(a, target, weight=weight)
    theirs = F.cross_entropy(b, target, weight=weight, ignore_index=255)
    ours.backward()
    theirs.backward()
    torch.testing.assert_close(ours, theirs)
    torch.testing.assert_close(a.grad, b.grad)


@pytest.mark.parametrize("loss", LOSSES)
def test_gradient_is_that_of_finite_differences(loss):
    logits, target, weight = example(3, k=4, shape=(2, 3, 2))
    logits.requires_grad_()
    assert torch.autograd.gradcheck(lambda z: loss(z, target), logits)
    assert torch.autograd.gradcheck(lambda z: loss(z, target, weight=weight), logits)


@pytest.mark.parametrize("loss", LOSSES)
def test_void_has_no_gradient(loss):
    logits, target, _ = example(4)
    logits.requires_grad_()
    loss(logits, target).backward()
    void = (target == 255).unsqueeze(1).expand_as(logits)
    assert (logits.grad[void] == 0).all()
    assert (logits.grad[~void] != 0).any()


@pytest.mark.parametrize("loss", LOSSES)
@pytest.mark.parametrize("dtype", [torch.float64, torch.float32, torch.bfloat16, torch.float16])
@pytest.mark.parametrize("weighted", [False, True])
def test_all_void_is_zero_with_a_zero_gradient(loss, dtype, weighted):
    logits = torch.randn(2, 3, 4, 4).to(dtype).requires_grad_()
    value = loss(logits, torch.full((2, 4, 4), 255), weight=torch.tensor([1.0, 0.0, 2.0]) if weighted else None)
    value.backward()
    assert value.dtype == dtype
    assert value.shape == ()
    assert value.item() == 0
    assert (logits.grad == 0).all()


@pytest.mark.parametrize("loss", LOSSES)
def test_classes_of_no_weight_only(loss):
    logits = torch.randn(2, 3, 4, 4, requires_grad=True)
    value = loss(logits, torch.zeros(2, 4, 4, dtype=torch.long), weight=torch.tensor([0.0, 1.0, 1.0]))
    value.backward()
    assert value.item() == 0
    assert (logits.grad == 0).all()


@pytest.mark.parametrize("loss", LOSSES)
@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16])
def test_half_precision_neither_overflows_nor_loses_the_sum(loss, dtype):
    logits = (4 * torch.randn(4, 8, 128, 128)).to(dtype)  # Σ of 65,536 pixels: beyond float16's largest number
    target = torch.randint(0, 8, (4, 128, 128))
    value = loss(logits, target)
    assert value.dtype == dtype
    assert float(value) == pytest.approx(float(loss(logits.double(), target)), rel=1e-2)


def test_dice_of_all_right_is_0_and_of_all_wrong_is_1():
    target = torch.randint(0, 3, (2, 8, 8))  # of five classes, two are absent
    target[0, 0] = 255
    classes = target.where(target != 255, 0)
    right = 200.0 * F.one_hot(classes, 5).movedim(-1, 1)
    wrong = 200.0 * F.one_hot((classes + 1) % 5, 5).movedim(-1, 1)
    absent = 200.0 * F.one_hot(classes * 0 + 4, 5).movedim(-1, 1)
    assert dice_loss(right, target).item() == pytest.approx(0, abs=1e-6)
    assert dice_loss(wrong, target).item() == pytest.approx(1, abs=1e-6)
    assert dice_loss(absent, target).item() == pytest.approx(1, abs=1e-6)


def test_dice_is_pooled_over_the_batch():
    logits, target, _ = example(5)
    apart = torch.stack([dice_loss(z[None], y[None]) for z, y in zip(logits, target, strict=True)]).mean()
    assert dice_loss(logits, target).item() != pytest.approx(apart.item(), abs=1e-4)
    order = torch.tensor([2, 0, 1])
    assert dice_loss(logits[order], target[order]).item() == pytest.approx(dice_loss(logits, target).item())


@pytest.mark.parametrize("loss", LOSSES)
def test_large_logits_stay_finite(loss):
    logits = (1e4 * torch.randn(2, 4, 5, 5)).requires_grad_()
    value = loss(logits, torch.randint(0, 4, (2, 5, 5)))
    value.backward()
    assert value.isfinite()
    assert logits.grad.isfinite().all()


@pytest.mark.parametrize("loss", LOSSES)
def test_layout_and_integer_type_do_not_matter(loss):
    logits, target, _ = example(6)
    expected = loss(logits, target)
    torch.testing.assert_close(loss(logits.contiguous(memory_format=torch.channels_last), target), expected)
    for dtype in (torch.uint8, torch.int16, torch.int32):
        assert loss(logits, target.to(dtype)) == expected


@pytest.mark.parametrize("loss", LOSSES)
@pytest.mark.parametrize("wrong", [5, 254, -1, 256])
def test_refuses_what_is_no_class(loss, wrong):
    logits, target, _ = example(8)
    target[2, 3, 4] = wrong
    with pytest.raises(ValueError, match=rf"class index {wrong}, .*0..4, and 255 for void"):
        loss(logits, target)


@pytest.mark.parametrize("loss", LOSSES)
def test_refuses_what_does_not_fit(loss):
    logits, target, weight = example(9)
    with pytest.raises(ValueError, match=r"logits \[3, 6, 7\] of torch.int64 .*neither argmax"):
        loss(target, target)
    with pytest.raises(ValueError, match=r"target of torch.float32 where class indices"):
        loss(logits, target.float())
    with pytest.raises(ValueError, match=r"target of torch.bool"):
        loss(logits, target > 0)
    with pytest.raises(ValueError, match=r"target \[3, 6, 6\], but .* to be \[3, 6, 7\]"):
        loss(logits, target[..., :-1])
    with pytest.raises(ValueError, match="logits of 256 classes, but has room for 255"):
        loss(torch.zeros(2, 256), torch.zeros(2).long())
    with pytest.raises(ValueError, match=r"weight \[4\] for 5 classes"):
        loss(logits, target, weight=weight[:4])
