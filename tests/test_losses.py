import itertools

import numpy as np
import pytest
import torch
from torch.nn import functional as F

from segen.losses import (
    adversarial,
    cross_entropy,
    dice_loss,
    focal_loss,
    gradient_penalty,
    lovasz_softmax_loss,
    tversky_loss,
)

LOSSES = [cross_entropy, focal_loss, dice_loss, tversky_loss, lovasz_softmax_loss]
REGIONS = [dice_loss, tversky_loss, lovasz_softmax_loss]  # pooled, from 0 to 1


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


def focal_by_hand(logits, target, weight, gamma=2.0):
    total, mass = 0.0, 0.0
    for p, y in zip(softmax_by_hand(logits), target.numpy().ravel(), strict=True):
        if y != 255:
            total -= weight[y] * (1 - p[y]) ** gamma * np.log(p[y])
            mass += weight[y]
    return total / mass


def over_classes(of_class):
    """Return the mean over the classes in the target of what is lost by one: `of_class(its p [pixels], its y)`."""

    def by_hand(logits, target, weight):
        p, y = softmax_by_hand(logits), target.numpy().ravel()
        p, y = p[y != 255], y[y != 255]
        classes = sorted(set(y.tolist()))
        losses = [of_class(p[:, k], y == k) for k in classes]
        return np.average(losses, weights=weight[classes])

    return by_hand


def dice_of_class(p, y):
    return 1 - 2 * p[y].sum() / (p.sum() + y.sum())


def tversky_of_class(p, y, alpha=0.5, beta=0.5):
    hit, vain, missed = (p * y).sum(), (p * ~y).sum(), ((1 - p) * y).sum()
    return 1 - hit / (hit + alpha * vain + beta * missed)


def lovasz_of_class(p, y):
    """The extension as an integral: one minus the IoU if the pixels with an error above t were wrong, over all t."""
    errors = np.where(y, 1 - p, p)
    levels = np.concatenate([[0.0], np.sort(errors)])
    total = 0.0
    for low, high in itertools.pairwise(levels):
        wrong = errors > low
        total += (high - low) * (1 - (y & ~wrong).sum() / (y | wrong).sum())
    return total


BY_HAND = {
    cross_entropy: cross_entropy_by_hand,
    focal_loss: focal_by_hand,
    dice_loss: over_classes(dice_of_class),
    tversky_loss: over_classes(tversky_of_class),
    lovasz_softmax_loss: over_classes(lovasz_of_class),
}


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


@pytest.mark.parametrize("loss", REGIONS)
def test_all_right_is_0_and_all_wrong_is_1(loss):
    target = torch.randint(0, 3, (2, 8, 8))  # of five classes, two are absent
    target[0, 0] = 255
    classes = target.where(target != 255, 0)
    right = 200.0 * F.one_hot(classes, 5).movedim(-1, 1)
    wrong = 200.0 * F.one_hot((classes + 1) % 5, 5).movedim(-1, 1)
    absent = 200.0 * F.one_hot(classes * 0 + 4, 5).movedim(-1, 1)
    assert loss(right, target).item() == pytest.approx(0, abs=1e-6)
    assert loss(wrong, target).item() == pytest.approx(1, abs=1e-6)
    assert loss(absent, target).item() == pytest.approx(1, abs=1e-6)
    assert focal_loss(right, target).item() == cross_entropy(right, target).item() == 0
    # All wrong, by 200 nats: neither of these two ends at 1.
    assert focal_loss(wrong, target).item() == pytest.approx(200)


@pytest.mark.parametrize("loss", REGIONS)
def test_is_pooled_over_the_batch(loss):
    logits, target, _ = example(5)
    apart = torch.stack([loss(z[None], y[None]) for z, y in zip(logits, target, strict=True)]).mean()
    assert loss(logits, target).item() != pytest.approx(apart.item(), abs=1e-4)
    order = torch.tensor([2, 0, 1])
    assert loss(logits[order], target[order]).item() == pytest.approx(loss(logits, target).item())


@pytest.mark.parametrize("gamma", [0, 0.5, 1, 5])
def test_focal_with_other_powers(gamma):
    logits, target, weight = example(10)
    ours = focal_loss(logits, target, weight=weight, gamma=gamma)
    assert ours.item() == pytest.approx(focal_by_hand(logits, target, weight.numpy(), gamma), rel=1e-12)
    if gamma == 0:
        torch.testing.assert_close(ours, cross_entropy(logits, target, weight=weight))
    # A pixel that is right beyond doubt, where 1 − p is 0, has no gradient, and not nan.
    sure = torch.tensor([[300.0, 0.0], [0.0, 1.0]], requires_grad=True)
    focal_loss(sure, torch.tensor([0, 1]), gamma=gamma).backward()
    assert sure.grad.isfinite().all()
    assert (sure.grad[0] == 0).all()
    assert (sure.grad[1] != 0).all()
    logits.requires_grad_()
    assert torch.autograd.gradcheck(lambda z: focal_loss(z, target, gamma=gamma), logits)


@pytest.mark.parametrize(("alpha", "beta"), [(0.3, 0.7), (1.0, 1.0), (0.0, 1.0)])
def test_tversky_with_other_prices(alpha, beta):
    logits, target, weight = example(11)
    by_hand = over_classes(lambda p, y: tversky_of_class(p, y, alpha, beta))(logits, target, weight.numpy())
    assert tversky_loss(logits, target, weight=weight, alpha=alpha, beta=beta).item() == pytest.approx(by_hand)
    assert tversky_loss(logits, target, weight=weight, alpha=beta + 0.1, beta=alpha + 0.1).item() != by_hand
    logits.requires_grad_()
    assert torch.autograd.gradcheck(lambda z: tversky_loss(z, target, alpha=alpha, beta=beta), logits)


def test_lovasz_of_sharp_predictions_is_one_minus_iou():
    for seed in range(5):
        _, target, _ = example(seed)
        prediction = torch.randint(0, 5, target.shape, generator=torch.Generator().manual_seed(seed))
        p, y = prediction[target != 255].numpy(), target[target != 255].numpy()
        ious = [((p == k) & (y == k)).sum() / ((p == k) | (y == k)).sum() for k in set(y.tolist())]
        logits = 1000.0 * F.one_hot(prediction, 5).movedim(-1, 1)
        assert lovasz_softmax_loss(logits, target).item() == pytest.approx(1 - np.mean(ious), rel=1e-6)
        # Control: with the absent class, whose IoU is 0 here, it would be another number.
        assert lovasz_softmax_loss(logits, target).item() != pytest.approx(1 - np.mean([*ious, 0]), rel=1e-3)


def test_lovasz_is_the_best_of_all_orders():
    # One minus IoU is submodular, so its extension is the largest sum over all orders of the pixels (Lovász 1983).
    for seed in range(6):
        rng = np.random.default_rng(seed)
        p, y = rng.random(5), rng.permutation([True, True, False, False, False])
        errors = np.where(y, 1 - p, p)
        sums = []
        for order in itertools.permutations(range(5)):
            lost, total = 0.0, 0.0
            for i in range(5):
                wrong = np.isin(range(5), order[: i + 1])
                now = 1 - (y & ~wrong).sum() / (y | wrong).sum()
                total += errors[order[i]] * (now - lost)
                lost = now
            sums.append(total)
        # Two classes, of which the other one weighs nothing.
        logits = torch.tensor(np.log(np.stack([1 - p, p], 1)))
        ours = lovasz_softmax_loss(logits, torch.tensor(y.astype(int)), weight=torch.tensor([0.0, 1.0])).item()
        assert ours == pytest.approx(max(sums), rel=1e-12)
        assert min(sums) < ours - 1e-3


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
    with pytest.raises(ValueError, match="logits as dict; give one tensor"):
        loss({"out": logits}, target)
    with pytest.raises(ValueError, match="a target as ndarray; give one tensor"):
        loss(logits, target.numpy())
    with pytest.raises(ValueError, match="weight as list; give a tensor"):
        loss(logits, target, weight=weight.tolist())
    for bad in (-1.0, float("nan")):
        with pytest.raises(ValueError, match=r"weight \[.*\]; give one number of 0 or more"):
            loss(logits, target, weight=weight.clone().fill_(bad))
    with pytest.raises(ValueError, match=r"weight \[4\] for 5 classes"):
        loss(logits, target, weight=weight[:4])
    for gamma in (-1, float("nan")):
        with pytest.raises(ValueError, match=rf"focal_loss was given gamma={gamma}; give a number of 0 or more\.$"):
            focal_loss(logits, target, gamma=gamma)
    for alpha, beta in ((-0.1, 0.5), (0.5, 0)):
        with pytest.raises(ValueError, match=rf"tversky_loss was given alpha={alpha}, beta={beta}; give"):
            tversky_loss(logits, target, alpha=alpha, beta=beta)


# ---- The two sides of a GAN, from the papers' formulas with probabilities, in NumPy.


def sigmoid(z):
    return 1 / (1 + np.exp(-z))


GAMES = {
    "minimax": lambda r, f: (-np.log(sigmoid(r)).mean() - np.log(1 - sigmoid(f)).mean(), np.log(1 - sigmoid(f)).mean()),
    "nonsaturating": lambda r, f: (
        -np.log(sigmoid(r)).mean() - np.log(1 - sigmoid(f)).mean(),
        -np.log(sigmoid(f)).mean(),
    ),
    "least_squares": lambda r, f: (np.mean((r - 1) ** 2) / 2 + np.mean(f**2) / 2, np.mean((f - 1) ** 2) / 2),
    "wasserstein": lambda r, f: (f.mean() - r.mean(), -f.mean()),
    "hinge": lambda r, f: (-np.minimum(0, r - 1).mean() - np.minimum(0, -f - 1).mean(), -f.mean()),
}


@pytest.mark.parametrize("kind", GAMES)
def test_a_game_is_its_papers(kind):
    real, fake = (3 * torch.randn(7, dtype=torch.float64) for _ in range(2))
    of_discriminator, of_generator = adversarial(kind)
    expected = GAMES[kind](real.numpy(), fake.numpy())
    assert of_discriminator(real, fake).item() == pytest.approx(expected[0], rel=1e-12)
    assert of_generator(fake).item() == pytest.approx(expected[1], rel=1e-12)
    assert of_generator(-fake).item() != pytest.approx(expected[1], rel=1e-3)
    sides = [side.clone().requires_grad_() for side in (real, fake)]
    assert torch.autograd.gradcheck(of_discriminator, sides)
    assert torch.autograd.gradcheck(of_generator, sides[1:])


@pytest.mark.parametrize("kind", GAMES)
def test_a_game_bears_large_logits_half_precision_and_batches_of_two_sizes(kind):
    of_discriminator, of_generator = adversarial(kind)
    real = torch.tensor([300.0, -300.0], requires_grad=True)
    fake = torch.tensor([-300.0, 300.0, 5.0], requires_grad=True)
    (of_discriminator(real, fake) + of_generator(fake)).backward()
    assert real.grad.isfinite().all()
    assert fake.grad.isfinite().all()
    half = of_generator(torch.full((4096,), 3.0, dtype=torch.bfloat16))
    assert half.dtype == torch.bfloat16
    assert half.item() == pytest.approx(of_generator(torch.full((4096,), 3.0)).item(), rel=1e-2)


def test_the_generator_learns_most_where_it_is_worst_with_one_game_and_least_with_the_other():
    steep = {}
    for kind in ("minimax", "nonsaturating"):
        fake = torch.tensor([-8.0], requires_grad=True)
        adversarial(kind)[1](fake).backward()
        steep[kind] = -fake.grad.item()
    assert steep["minimax"] == pytest.approx(sigmoid(-8.0), rel=1e-5)
    assert steep["nonsaturating"] == pytest.approx(1 - sigmoid(-8.0), rel=1e-5)


def test_a_game_refuses_what_is_none():
    with pytest.raises(ValueError, match=r"was given 'relativistic'; the kinds there are: minimax, .*hinge"):
        adversarial("relativistic")
    of_discriminator, of_generator = adversarial("hinge")
    with pytest.raises(ValueError, match=r"\[3\] of torch.int64; give the discriminator's logits, floats"):
        of_generator(torch.zeros(3).long())
    with pytest.raises(ValueError, match="was given list; give"):
        of_discriminator(torch.zeros(3), [0.0])
    with pytest.raises(ValueError, match=r"\[0\] of torch.float32; give"):
        of_generator(torch.zeros(0))


def critic_64():
    """A critic whose score is not linear, in float64."""
    torch.manual_seed(3)
    layers = torch.nn.Conv2d(2, 6, 3), torch.nn.Tanh(), torch.nn.Flatten(), torch.nn.Linear(6 * 4, 1)
    return torch.nn.Sequential(*layers).double()


def test_the_penalty_equals_finite_differences():
    critic, real, fake = critic_64(), torch.randn(3, 2, 4, 4).double(), torch.randn(3, 2, 4, 4).double()
    torch.manual_seed(5)
    found = gradient_penalty(critic, real, fake)
    torch.manual_seed(5)
    place = torch.rand(3, dtype=torch.float64)
    total, h = 0.0, 1e-5
    for r, f, t in zip(real, fake, place, strict=True):
        x, squares = t * r + (1 - t) * f, 0.0
        for i in range(x.numel()):
            step = torch.zeros(x.numel(), dtype=torch.float64)
            step[i] = h
            up, down = (critic((x + s.view_as(x))[None]).item() for s in (step, -step))
            squares += ((up - down) / (2 * h)) ** 2
        total += (squares**0.5 - 1) ** 2 / 3
    assert found.item() == pytest.approx(total, rel=1e-7)


def test_the_penalty_of_a_linear_critic_is_known():
    """The gradient of w·x is w everywhere: (|w| − 1)² for any batch. Over the batch the norm would be √N times that."""
    weight = torch.tensor([3.0, 4.0])
    for n in (1, 4, 50):
        found = gradient_penalty(lambda x: x @ weight, torch.randn(n, 2), torch.randn(n, 2))
        assert found.item() == pytest.approx(16.0, rel=1e-5)


def test_the_penalty_can_be_learnt_from():
    critic = critic_64()
    gradient_penalty(critic, torch.randn(3, 2, 4, 4).double(), torch.randn(3, 2, 4, 4).double()).backward()
    assert critic[0].weight.grad.abs().max() > 0
    flat = torch.zeros(2, requires_grad=True)
    gradient_penalty(lambda x: x @ flat, torch.randn(4, 2), torch.randn(4, 2)).backward()
    assert flat.grad.isfinite().all()
    real = torch.randn(4, 2, requires_grad=True)
    gradient_penalty(lambda x: (x**2).sum(1) * (1 + flat.sum()), real, torch.randn(4, 2)).backward()
    assert real.grad is None


def test_the_penalty_is_in_full_precision_and_hands_labels_on():
    seen = []

    def critic(x, labels):
        seen.append((x.dtype, labels))
        return (x @ torch.ones(2, 1)).squeeze(1) * labels

    with torch.autocast("cpu", dtype=torch.bfloat16):
        half = torch.randn(4, 2).bfloat16()
        labels = torch.tensor([1.0, 2.0, 3.0, 4.0])
        found = gradient_penalty(critic, half, half, labels=labels)
    assert seen == [(torch.float32, labels)]
    assert found.item() == pytest.approx(((2**0.5 * labels - 1) ** 2).mean().item(), rel=1e-5)


def test_the_penalty_refuses_batch_norm_and_what_does_not_fit():
    bad = torch.nn.Sequential(torch.nn.Linear(2, 4), torch.nn.BatchNorm1d(4), torch.nn.Linear(4, 1))
    with pytest.raises(ValueError, match=r"Sequential, which has batch norm: .* whole batch"):
        gradient_penalty(bad, torch.zeros(4, 2), torch.zeros(4, 2))
    with pytest.raises(ValueError, match=r"\[4, 2\] and \[3, 2\]; give two batches"):
        gradient_penalty(torch.nn.Linear(2, 1), torch.zeros(4, 2), torch.zeros(3, 2))
    with pytest.raises(ValueError, match=r"list and \[3, 2\]; give two batches"):
        gradient_penalty(torch.nn.Linear(2, 1), [0.0], torch.zeros(3, 2))
    with pytest.raises(ValueError, match="give two batches of floats"):
        gradient_penalty(torch.nn.Linear(2, 1), torch.zeros(3, 2).long(), torch.zeros(3, 2).long())
