"""What is minimised: of logits `[N, K, …]` and class indices `[N, …]`, where 255 means void; and in a GAN's game."""

from collections.abc import Callable

import torch
from torch.nn import functional as F

VOID = 255


def cross_entropy(logits: torch.Tensor, target: torch.Tensor, *, weight: torch.Tensor | None = None) -> torch.Tensor:
    """Return the mean over pixels y that are not void of `−log softmax(logits)[y]`, in nats.

    `logits [N, K, …]` are floats, `target [N, …]` integers 0..K−1 or 255. With `weight [K]` it is the weighted
    mean `Σ w[y] · (−log p[y]) / Σ w[y]`. The result is a scalar of the logits' dtype, 0 or more; it is 0, with a
    zero gradient, where all is void. Half precision is summed in float32.

    Raises ValueError for shapes or types that do not fit, and on a CPU for an index that is no class (on other
    devices looking would mean waiting for them; CUDA stops by an assertion of its own).
    """
    check_target(logits, target)
    scores = _in_full_precision(logits)
    target = target.long()
    weight = _check_weight(weight, scores)
    log_p = F.log_softmax(scores, dim=1)
    try:
        total = F.nll_loss(log_p, target, weight, ignore_index=VOID, reduction="sum")
    except IndexError:
        check_indices(target, logits.shape[1])
        raise
    if weight is None:
        mass = (target != VOID).sum().clamp_min(1)
    else:
        mass = F.pad(weight, (0, VOID + 1 - len(weight))).take(target).sum()  # void weighs 0
        mass = mass.where(mass > 0, 1)
    return (total / mass).to(logits.dtype)


def focal_loss(
    logits: torch.Tensor, target: torch.Tensor, *, weight: torch.Tensor | None = None, gamma: float = 2.0
) -> torch.Tensor:
    """Return the mean over pixels y that are not void of `−(1 − p)^γ log p`, with `p = softmax(logits)[y]`, in nats.

    What is already right counts little; `gamma` 0 is `cross_entropy`. With `weight [K]` (the paper's α) it is the
    weighted mean, divided by `Σ w[y]` as in `cross_entropy`. `logits [N, K, …]` are floats, `target [N, …]` integers
    0..K−1 or 255. The result is a scalar of the logits' dtype, 0 or more; it is 0, with a zero gradient, where all
    is void. Half precision is summed in float32.

    Raises ValueError for shapes or types that do not fit, a `gamma` under 0, and on a CPU for an index that is no
    class. Source: Lin et al. 2017 (1708.02002, equations 4 and 5).
    """
    if not gamma >= 0:
        raise ValueError(f"focal_loss was given gamma={gamma!r}; give a number of 0 or more.")
    scores, weight = _prepared(logits, target, weight)
    counted = target != VOID
    index = target.long().where(counted, 0)
    log_p = scores.log_softmax(1).gather(1, index.unsqueeze(1)).squeeze(1)
    # At p = 1 a power under 1 has no slope: there the clamp stops the gradient, which would be 0 · ∞.
    wrong = (-torch.expm1(log_p)).clamp_min(torch.finfo(scores.dtype).tiny)
    mass = weight[index] * counted
    total = (mass * wrong**gamma * -log_p).sum()
    return (total / mass.sum().where(mass.sum() > 0, 1)).to(logits.dtype)


def dice_loss(logits: torch.Tensor, target: torch.Tensor, *, weight: torch.Tensor | None = None) -> torch.Tensor:
    """Return one minus the soft Dice coefficient, pooled over the batch, averaged over the classes in the target.

    For class k, with p the softmax and y the one-hot target, both summed over all pixels of the batch that are
    not void: `1 − 2 Σ p_k y_k / (Σ p_k + Σ y_k)`, which is `tversky_loss` with α = β = 1/2. All right gives 0, all
    wrong 1; no smoothing is needed since a class that is averaged has pixels. With `weight [K]` the average is
    weighted. `logits [N, K, …]` are floats, `target [N, …]` integers 0..K−1 or 255. The result is a scalar of the
    logits' dtype, 0 to 1; it is 0, with a zero gradient, where all is void. Half precision is summed in float32.

    Raises ValueError for shapes or types that do not fit, and on a CPU for an index that is no class. Source:
    Milletari et al. 2016 (1606.04797, section 3), whose denominator has squares; without them as in most use.
    """
    return tversky_loss(logits, target, weight=weight)


def tversky_loss(
    logits: torch.Tensor,
    target: torch.Tensor,
    *,
    weight: torch.Tensor | None = None,
    alpha: float = 0.5,
    beta: float = 0.5,
) -> torch.Tensor:
    """Return one minus the soft Tversky index, pooled over the batch, averaged over the classes in the target.

    For class k, with p the softmax and y the one-hot target: `1 − TP / (TP + α FP + β FN)`, `TP = Σ p_k y_k`,
    `FP = Σ p_k (1 − y_k)`, `FN = Σ (1 − p_k) y_k`, summed over all pixels of the batch that are not void. A larger
    `beta` makes what is missed dearer, a larger `alpha` what is claimed in vain. Range, void, weights, types and
    errors as for `dice_loss`, which it is with the defaults.

    Raises ValueError also for an `alpha` under 0 or a `beta` that is not above 0 (without it a class that is nowhere
    predicted would have no loss). Source: Salehi et al. 2017 (1706.05721).
    """
    if not (alpha >= 0 and beta > 0):
        raise ValueError(f"tversky_loss was given alpha={alpha!r}, beta={beta!r}; give 0 or more, and more than 0.")
    scores, weight = _prepared(logits, target, weight)
    counted = (target != VOID).unsqueeze(1)
    classes = torch.arange(logits.shape[1], device=target.device).view(-1, *[1] * (target.ndim - 1))
    y = (target.unsqueeze(1) == classes).to(scores.dtype)
    p = scores.softmax(dim=1) * counted
    pixels = [axis for axis in range(logits.ndim) if axis != 1]
    overlap, predicted, present = (p * y).sum(pixels), p.sum(pixels), y.sum(pixels)
    both = overlap + alpha * (predicted - overlap) + beta * (present - overlap)
    return _mean_of_present(1 - overlap / both.where(present > 0, 1), present, weight).to(logits.dtype)


def lovasz_softmax_loss(
    logits: torch.Tensor, target: torch.Tensor, *, weight: torch.Tensor | None = None
) -> torch.Tensor:
    """Return the Lovász extension of one minus IoU, pooled over the batch, averaged over the classes in the target.

    For class k a pixel's error is `1 − p_k` where k is right and `p_k` elsewhere. With the errors m in falling order
    the loss is `Σ m_i · (J_i − J_(i−1))`, where J_i is one minus the IoU of class k if just the first i pixels were
    wrong. For errors of 0 and 1 only it is one minus the IoU: all right gives 0, all wrong 1. Range, void, weights,
    types and errors as for `dice_loss`.

    Source: Berman, Triki, Blaschko, CVPR 2018 (1705.08790, equations 8, 9 and 11; algorithm 1).
    """
    scores, weight = _prepared(logits, target, weight)
    counted = target != VOID
    p = scores.softmax(dim=1).movedim(1, -1)[counted].T  # [K, pixels]
    y = target[counted] == torch.arange(logits.shape[1], device=target.device).view(-1, 1)
    errors, order = (y.to(p.dtype) - p).abs().sort(dim=1, descending=True, stable=True)
    y, present = y.gather(1, order), y.sum(1)
    # Of the first i pixels: a wrong pixel of the class leaves the intersection, another one joins the union. So a
    # step of J is 1 / union or intersection / (union before · union), both exact in integers.
    intersection = present.view(-1, 1) - y.cumsum(1)
    union = present.view(-1, 1) + (~y).cumsum(1)
    steps = y.to(p.dtype).where(y, intersection.to(p.dtype) / (union - 1).clamp_min(1)) / union.clamp_min(1)
    return _mean_of_present((errors * steps).sum(1), present, weight).to(logits.dtype)


def adversarial(kind: str) -> tuple[Callable, Callable]:
    """Return a game's two losses: `discriminator_loss(real, fake)` and `generator_loss(fake)`, both to be minimised.

    They take the discriminator's logits of real and of generated images, floats of any shape, and return a scalar of
    their dtype, a mean over the images; half precision is summed in float32. With r and f the logits and
    s(t) = log(1 + eᵗ):

    - `"minimax"`: s(−r) + s(f); −s(f). Goodfellow et al. 2014 (1406.2661, equation 1), the game as it is defined.
    - `"nonsaturating"`: s(−r) + s(f); s(−f). The same paper, section 3, where the generator would learn too slowly.
    - `"least_squares"`: ((r − 1)² + f²) / 2; (f − 1)² / 2. Mao et al. 2017 (1611.04076, equation 9).
    - `"wasserstein"`: f − r; −f. Arjovsky, Chintala, Bottou 2017 (1701.07875, equation 3); the critic must be bounded.
    - `"hinge"`: max(0, 1 − r) + max(0, 1 + f); −f. Miyato et al. 2018 (1802.05957, equations 16 and 17).

    Raises ValueError for another `kind`; the losses do for logits that are no floats or none at all.
    """
    if kind not in list(GAMES):
        raise ValueError(f"adversarial was given {kind!r}; the kinds there are: {', '.join(GAMES)}.")
    of_real, of_fake, of_generator = GAMES[kind]

    def discriminator_loss(real: torch.Tensor, fake: torch.Tensor) -> torch.Tensor:
        return _mean(of_real, real) + _mean(of_fake, fake)

    def generator_loss(fake: torch.Tensor) -> torch.Tensor:
        return _mean(of_generator, fake)

    return discriminator_loss, generator_loss


# What each kind adds up: of a real image's logit, of a generated one's, and of that again for the generator.
GAMES = {
    "minimax": (lambda r: F.softplus(-r), F.softplus, lambda f: -F.softplus(f)),
    "nonsaturating": (lambda r: F.softplus(-r), F.softplus, lambda f: F.softplus(-f)),
    "least_squares": (lambda r: (r - 1) ** 2 / 2, lambda f: f**2 / 2, lambda f: (f - 1) ** 2 / 2),
    "wasserstein": (lambda r: -r, lambda f: f, lambda f: -f),
    "hinge": (lambda r: F.relu(1 - r), lambda f: F.relu(1 + f), lambda f: -f),
}


def _mean(loss: Callable, logits: torch.Tensor) -> torch.Tensor:
    if not isinstance(logits, torch.Tensor) or not logits.is_floating_point() or logits.numel() == 0:
        given = f"{list(logits.shape)} of {logits.dtype}" if isinstance(logits, torch.Tensor) else type(logits).__name__
        raise ValueError(f"An adversarial loss was given {given}; give the discriminator's logits, floats [N].")
    return loss(_in_full_precision(logits)).mean().to(logits.dtype)


def gradient_penalty(
    critic: Callable, real: torch.Tensor, fake: torch.Tensor, *, labels: torch.Tensor | None = None
) -> torch.Tensor:
    """Return the mean over samples of `(‖∇D(x̂)‖ − 1)²`, unweighted, x̂ at a random place between real and fake.

    `real` and `fake` are floats `[N, …]` of one shape; the norm is each sample's own, over all axes but the first.
    `critic(x̂)`, or `critic(x̂, labels)` if `labels` are given, returns a score a sample. The place is drawn from
    torch's global generator. The result is a scalar, 0 or more, that can be differentiated with respect to the critic
    and not to the images; autocast is off, and half precision becomes float32.

    Raises ValueError for shapes or types that do not fit, and for a critic with batch norm: there a sample's score
    depends on the others, and its gradient is not its own. Source: Gulrajani et al. 2017 (1704.00028, algorithm 1).
    """
    check_no_batch_norm(critic)
    fit = all(isinstance(x, torch.Tensor) and x.is_floating_point() and x.ndim > 1 for x in (real, fake))
    if not fit or real.shape != fake.shape or len(real) == 0:
        what = " and ".join(
            str(list(x.shape)) if isinstance(x, torch.Tensor) else type(x).__name__ for x in (real, fake)
        )
        raise ValueError(f"gradient_penalty was given {what}; give two batches of floats [N, …] of one shape.")
    real, fake = _in_full_precision(real.detach()), _in_full_precision(fake.detach())
    place = torch.rand(len(real), *[1] * (real.ndim - 1), dtype=real.dtype, device=real.device)
    between = (place * real + (1 - place) * fake).requires_grad_()
    with torch.autocast(real.device.type, enabled=False), torch.enable_grad():
        scores = critic(between) if labels is None else critic(between, labels)
        (gradient,) = torch.autograd.grad(scores.sum(), between, create_graph=True)
    # The square root has no slope at 0, where a critic that does not yet look at its input is.
    norms = (gradient.flatten(1).square().sum(1) + torch.finfo(gradient.dtype).eps ** 2).sqrt()
    return (norms - 1).square().mean()


def check_no_batch_norm(critic: Callable) -> None:
    """Raise ValueError if `critic` is a network with batch norm, of which `gradient_penalty` would mean nothing."""
    layers = critic.modules() if isinstance(critic, torch.nn.Module) else ()
    if any(isinstance(layer, torch.nn.modules.batchnorm._BatchNorm) for layer in layers):
        raise ValueError(
            f"gradient_penalty was given {type(critic).__name__}, which has batch norm: a sample's score then depends "
            "on the whole batch, and the norm of one sample's gradient means nothing; take a critic without it."
        )


def check_target(logits: torch.Tensor, target: torch.Tensor, *, name: str = "The loss") -> None:
    """Raise ValueError unless `logits [N, K, …]` are floats and `target [N, …]` integers, of one size."""
    for what, given in (("logits", logits), ("a target", target)):
        if not isinstance(given, torch.Tensor):
            raise ValueError(
                f"{name} was given {what} as {type(given).__name__}; give one tensor (of a network that answers with "
                "a dict, the entry with the logits; of an array, torch.from_numpy)."
            )
    if not logits.is_floating_point() or logits.ndim < 2:
        raise ValueError(
            f"{name} was given logits {list(logits.shape)} of {logits.dtype} where floats [N, K, …] are expected; "
            "give the network's output as it is, neither argmax nor a mask."
        )
    if logits.shape[1] > VOID:
        raise ValueError(
            f"{name} was given logits of {logits.shape[1]} classes, but has room for {VOID}, as the index {VOID} is "
            f"void; use torch's own for more."
        )
    if target.is_floating_point() or target.is_complex() or target.dtype == torch.bool:
        raise ValueError(
            f"{name} was given a target of {target.dtype} where class indices are expected; "
            "give integers 0..K−1, or 255 for void, as target.long() does."
        )
    if target.shape != logits.shape[:1] + logits.shape[2:]:
        expected = [logits.shape[0], *logits.shape[2:]]
        raise ValueError(
            f"{name} was given logits {list(logits.shape)} and a target {list(target.shape)}, but expects the "
            f"target to be {expected}; bring mask and image to one size (a mask by nearest neighbour)."
        )


def check_indices(target: torch.Tensor, num_classes: int) -> None:
    """Raise ValueError, naming them, if `target` has indices outside 0..num_classes−1 that are not 255."""
    bad = target[(target < 0) | ((target >= num_classes) & (target != VOID))]
    if bad.numel():
        names = ", ".join(str(index) for index in bad.unique()[:5].tolist())
        raise ValueError(
            f"The target has the class index {names}, but of {num_classes} classes the indices are "
            f"0..{num_classes - 1}, and 255 for void; map the target to these, or give the network more classes."
        )


def _in_full_precision(logits: torch.Tensor) -> torch.Tensor:
    return logits if logits.dtype == torch.float64 else logits.float()


def _prepared(
    logits: torch.Tensor, target: torch.Tensor, weight: torch.Tensor | None
) -> tuple[torch.Tensor, torch.Tensor]:
    """Check the arguments; return the logits in the precision of the sums, and a weight for each class."""
    check_target(logits, target)
    if target.device.type == "cpu":
        check_indices(target, logits.shape[1])
    scores = _in_full_precision(logits)
    weight = _check_weight(weight, scores)
    return scores, scores.new_ones(logits.shape[1]) if weight is None else weight


def _mean_of_present(losses: torch.Tensor, present: torch.Tensor, weight: torch.Tensor) -> torch.Tensor:
    """Return the weighted mean of the classes' losses `[K]` over those that have pixels; 0 if there are none."""
    weight = weight * (present > 0)
    mass = weight.sum()
    return (weight * losses).sum() / mass.where(mass > 0, 1)


def _check_weight(weight: torch.Tensor | None, scores: torch.Tensor) -> torch.Tensor | None:
    if weight is None:
        return None
    if not isinstance(weight, torch.Tensor):
        raise ValueError(f"The loss was given weight as {type(weight).__name__}; give a tensor, one number a class.")
    if weight.shape != scores.shape[1:2]:
        raise ValueError(
            f"The loss was given weight {list(weight.shape)} for {scores.shape[1]} classes; "
            f"give one number a class, [{scores.shape[1]}]."
        )
    if weight.device.type == "cpu" and not (weight >= 0).all():
        raise ValueError(f"The loss was given weight {weight.tolist()}; give one number of 0 or more a class.")
    return weight.to(scores)
