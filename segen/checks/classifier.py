"""The judges of the chapter `classifier`: cross_entropy, momentum_step, macro_f1, train and mean_and_std."""

import copy
import math
from collections.abc import Callable, Iterator
from decimal import Decimal

import torch
from torch import Tensor, nn
from torch.func import functional_call

from segen.checks.judging import Case, exercise

# cross_entropy --------------------------------------------------------------------------------------------------

_OVERFLOW = "e to the power of a large logit is more than a float holds; subtract each row's largest logit first."
_LOG_OF_ZERO = (
    "Your probability is rounded to 0, and its logarithm is lost: stay in logarithms, z − m − log Σ exp(z − m)."
)
_EPSILON = "A small number inside the logarithm hides how wrong the network is: here the loss is large, and must be."
_HIDDEN = "You put a number in the place of nan or infinity; that hides the overflow and is not the loss."
_ONE_MAXIMUM = "You subtracted one maximum for the whole batch; each row has its own."


def _surprise(row: list[float], label: int) -> Decimal:
    """Return −log softmax of one row by its definition, in decimal numbers that neither overflow nor vanish."""
    powers = [Decimal(z).exp() for z in row]
    return -(powers[label] / sum(powers)).ln()


def _naive_each(logits: Tensor, target: Tensor) -> Tensor:
    powers = logits.exp()
    return -(powers / powers.sum(1, keepdim=True)).gather(1, target[:, None]).log()


def _naive(logits: Tensor, target: Tensor) -> float:
    return float(_naive_each(logits, target).mean())


def _shifted_by_one_maximum(logits: Tensor, target: Tensor) -> float:
    shifted = logits - logits.max()
    return float((shifted.exp().sum(1).log() - shifted.gather(1, target[:, None])[:, 0]).mean())


@exercise(
    "classifier",
    hints=(
        "Try logits = [[1000., 0.]] by hand: what is exp(1000) in a float, and what is the answer on paper?",
        "The softmax does not change if a number is subtracted from all logits of a row. Which number helps?",
        "m = z.max(1) of each row; the loss of a row is log Σ exp(z − m) + m − z[y]. Average over the rows.",
    ),
)
def cross_entropy(random: torch.Generator) -> Iterator[Case]:
    """`cross_entropy(logits [N, K], target [N])` → a scalar, the mean of −log softmax(logits)[target], in nats."""
    fixed = [
        ([[0, 0]], [0]),
        ([[0, 2]], [0]),
        ([[1, 0, 3]], [2]),
        ([[0, 2], [3, 1]], [1, 1]),
        ([[1, 2, 4], [3, 0, 1]], [0, 2]),
        ([[1000, 999]], [0]),
        ([[1000, 0]], [1]),
        ([[-1000, -998]], [0]),
        ([[1000, 999], [0, 1]], [0, 0]),
        ([[0, 1000, -1000], [500, 2, 1], [-3, -2, -1]], [0, 1, 2]),
    ]
    tries = [(torch.tensor(rows).float(), torch.tensor(labels)) for rows, labels in fixed]
    for n, k, scale in ((1, 5, 1), (4, 3, 2), (3, 7, 30), (7, 2, 400), (6, 10, 3)):
        drawn = scale * torch.randn(n, k, generator=random)
        tries.append((drawn, torch.randint(k, (n,), generator=random)))
    for logits, target in tries:
        each = [_surprise(row, label) for row, label in zip(logits.tolist(), target.tolist(), strict=True)]
        right = float(sum(each) / len(each))
        n, k = logits.shape
        p = logits.double().softmax(1)
        own = p.gather(1, target[:, None])[:, 0]
        others = 1 - p.scatter(1, target[:, None], 0)
        down = logits.double().log_softmax(0).gather(1, target[:, None])
        mistakes = {
            "You summed over the batch; the loss is the mean over its rows.": right * n,
            "You divided by the number of classes too; the mean is over rows only.": right / k,
            "The sign is missing: the logarithm of a probability is below 0, the loss is not.": -right,
            "That is a logarithm to another base; nats take the natural one.": (
                right / math.log(2),
                right / math.log(10),
            ),
            "The logarithm is missing: that is the probability itself, or one minus it.": (
                float(own.mean()),
                float(1 - own.mean()),
                float(-own.mean()),
            ),
            "You took the softmax down the batch; it runs over the classes of one row.": float(-down.mean()),
            "z[:, y] takes every true class in every row; pair them up, z[torch.arange(N), y].": float(
                -logits.double().log_softmax(1)[:, target].mean()
            ),
            "You took the largest logit off inside the sum only; it comes off the true logit too.": float(
                right - logits.double().amax(1).mean()
            ),
            "You applied a softmax twice; logits go in as they are.": float(
                -p.log_softmax(1).gather(1, target[:, None]).mean()
            ),
        }
        mistakes["That is by how much the largest logit is above the true one; the sum has all classes in it."] = float(
            (logits.double().amax(1) - logits.double().gather(1, target[:, None])[:, 0]).mean()
        )
        yes_or_no = float(-(own.log() + others.log().sum(1)).mean())
        if math.isfinite(yes_or_no):
            mistakes["That is the loss of K yes-or-no questions; here just one class is true."] = yes_or_no
        mistakes["You kept one loss for each row; return their mean."] = torch.tensor([float(e) for e in each])
        naive = _naive(logits, target)
        if not math.isfinite(naive):
            mistakes[_OVERFLOW] = naive
            mistakes[_HIDDEN] = float(_naive_each(logits, target).nan_to_num().mean())
        logarithm = -logits.softmax(1).gather(1, target[:, None])[:, 0].log().mean()
        if not math.isfinite(logarithm):
            mistakes[_LOG_OF_ZERO] = float(logarithm)
            mistakes[_EPSILON] = tuple(
                float(-(logits.softmax(1).gather(1, target[:, None])[:, 0] + 10.0**-power).log().mean())
                for power in range(5, 39)
            )
        if not math.isfinite(_shifted_by_one_maximum(logits, target)):
            mistakes[_ONE_MAXIMUM] = _shifted_by_one_maximum(logits, target)
        yield Case({"logits": logits, "target": target}, right, mistakes)


# momentum_step --------------------------------------------------------------------------------------------------


def _stepped(weight: Tensor, gradient: Tensor, velocity: Tensor, number: Callable) -> list[Tensor]:
    """Apply `number(w, g, v)` → (w, v) number by number, in Python's own floats."""
    lists = (weight.flatten().tolist(), gradient.flatten().tolist(), velocity.flatten().tolist())
    pairs = [number(w, g, v) for w, g, v in zip(*lists, strict=True)]
    return [torch.tensor(part, dtype=torch.float64).view(weight.shape) for part in zip(*pairs, strict=True)]


@exercise(
    "classifier",
    hints=(
        "Do one number by hand: w = 10, gradient 2, velocity 1, lr 0.1, momentum 0.5. Which comes first, v or w?",
        "First add decay · w to the gradient, then renew the velocity, then take the step, with the new velocity.",
        "g = g + decay·w; v = momentum·v + g; the step is v, or g + momentum·v with nesterov; w = w − lr·step.",
    ),
)
def momentum_step(random: torch.Generator) -> Iterator[Case]:
    """`momentum_step(weight, gradient, velocity, lr, momentum, decay, nesterov)` → (weight, velocity).

    Both new and of the weight's shape; what was given stays as it was.
    """
    torch.optim.SGD([torch.zeros(1)], lr=1)  # the first one imports much: not on the answer's clock
    settings = [
        ((1,), 0.1, 0.5, 0.0, False),
        ((2,), 1.0, 0.0, 0.0, False),
        ((2,), 0.1, 0.5, 0.5, False),
        ((2,), 0.1, 0.5, 0.0, True),
        ((2,), 0.5, 0.0, 0.25, False),
        ((3,), 0.25, 0.9, 0.125, False),
        ((3,), 0.25, 0.75, 0.125, True),
        ((2, 3), 0.01, 0.9, 0.0, False),
        ((3, 2), 0.5, 0.8, 0.25, True),
        ((2, 1, 3), 0.1, 0.9, 0.5, True),
        ((), 0.5, 0.9, 0.5, False),
    ]
    for shape, lr, m, decay, nesterov in settings:
        weight, gradient, velocity = (
            (torch.randint(1, 9, shape, generator=random) * (3 if first else 1)).float()
            for first in (True, False, False)
        )
        if len(shape) > 1:
            gradient, velocity = -gradient, velocity - 4

        def step(w, g, v, *, lr=lr, m=m, decay=decay, nesterov=nesterov, sign=1, damp=1.0):
            g = g + sign * decay * w
            new = m * v + damp * g
            return w - lr * (g + m * new if nesterov else new), new

        def changed(number: Callable, given=(weight, gradient, velocity)) -> list[Tensor]:
            return _stepped(*given, number)

        right = changed(step)
        mistakes = {
            "You moved up the slope: the step is taken against the gradient.": changed(
                lambda w, g, v, step=step: (2 * w - step(w, g, v)[0], step(w, g, v)[1])
            ),
            "You stepped with the old velocity; renew it first, then step.": changed(
                lambda w, g, v, step=step, lr=lr: (w - lr * v, step(w, g, v)[1])
            ),
            "You return the old velocity; the next step needs the new one.": [right[0], velocity],
            "The momentum is missing: the old velocity counts, times momentum.": changed(
                lambda w, g, v, step=step: step(w, g, 0.0)
            ),
            "You added the whole old velocity; it is multiplied by momentum.": changed(
                lambda w, g, v, step=step, m=m: (step(w, g, v / m if m else v)[0], step(w, g, v / m if m else v)[1])
            ),
            "You weighed the gradient by 1 − momentum, as an average does; here it counts whole.": changed(
                lambda w, g, v, step=step, m=m: step(w, g, v, damp=1 - m)
            ),
            "You put lr into the velocity; it belongs to the step, so that a change of lr acts at once.": (
                changed(
                    lambda w, g, v, lr=lr, m=m, decay=decay: (
                        w - (m * v + lr * (g + decay * w)),
                        m * v + lr * (g + decay * w),
                    )
                ),
                changed(
                    lambda w, g, v, lr=lr, m=m, decay=decay: (
                        w + m * v - lr * (g + decay * w),
                        m * v - lr * (g + decay * w),
                    )
                ),
            ),
            "You return the velocity first; the weight comes first.": right[::-1],
        }
        if not nesterov:
            mistakes["You took Nesterov's step in both cases; it is taken only if nesterov is true."] = changed(
                lambda w, g, v, step=step: step(w, g, v, nesterov=True)
            )
        if decay and not m:
            mistakes["You left the decay out where momentum is 0; it is added to the gradient all the same."] = changed(
                lambda w, g, v, step=step: step(w, g, v, decay=0.0)
            )
        elif decay:
            mistakes |= {
                "The weight decay is missing: decay · weight is added to the gradient.": changed(
                    lambda w, g, v, step=step: step(w, g, v, decay=0.0)
                ),
                "Your weight decay pushes weights away from 0; it is added to the gradient.": changed(
                    lambda w, g, v, step=step: step(w, g, v, sign=-1)
                ),
                "You took the decay off the weight itself, as AdamW does; here it joins the gradient.": changed(
                    lambda w, g, v, step=step, lr=lr, decay=decay: (
                        step(w, g, v, decay=0.0)[0] - lr * decay * w,
                        step(w, g, v, decay=0.0)[1],
                    )
                ),
            }
        if nesterov:
            mistakes |= {
                "You return the step for the velocity; Nesterov's step moves the weight and is not kept.": changed(
                    lambda w, g, v, step=step, lr=lr: (step(w, g, v)[0], (w - step(w, g, v)[0]) / lr)
                ),
                "Nesterov's step takes the gradient with the decay; yours takes it without.": changed(
                    lambda w, g, v, step=step, lr=lr, decay=decay: (
                        step(w, g, v)[0] + lr * decay * w,
                        step(w, g, v)[1],
                    )
                ),
                "You left nesterov out: its step is gradient + momentum · new velocity.": changed(
                    lambda w, g, v, step=step: step(w, g, v, nesterov=False)
                ),
                "With nesterov the gradient is added to momentum · velocity, not the velocity to itself.": changed(
                    lambda w, g, v, step=step, lr=lr, m=m: (
                        w - lr * (1 + m) * step(w, g, v)[1],
                        step(w, g, v)[1],
                    )
                ),
            }
        inputs = {"weight": weight, "gradient": gradient, "velocity": velocity}
        yield Case(inputs | {"lr": lr, "momentum": m, "decay": decay, "nesterov": nesterov}, right, mistakes)


# macro_f1 -------------------------------------------------------------------------------------------------------


def _counts(prediction: list[int], target: list[int], k: int) -> list[tuple[int, int, int]]:
    """Count for each class (right, predicted, present), one pair after the other."""
    pairs = list(zip(prediction, target, strict=True))
    return [(sum(p == t == c for p, t in pairs), prediction.count(c), target.count(c)) for c in range(k)]


def _mean(values: list[float]) -> float:
    return sum(values) / len(values) if values else math.nan


@exercise(
    "classifier",
    hints=(
        "Take the smallest example and write for each class: how many right, how many predicted, how many present.",
        "F1 of a class is 2 · right / (predicted + present): that is 0, not undefined, if it is never predicted.",
        "Average over the classes for which predicted + present is above 0, each class counting the same.",
    ),
)
def macro_f1(random: torch.Generator) -> Iterator[Case]:
    """`macro_f1(prediction [N], target [N], num_classes)` → the mean of F1 over the classes that occur in either."""
    tries = [
        ([0, 1, 1], [0, 1, 0], 2),
        ([0, 0, 0], [0, 1, 0], 2),
        ([0, 1, 2, 2, 2, 1, 1], [0, 1, 1, 2, 2, 0, 1], 3),
        ([0, 1, 1, 0], [0, 1, 0, 0], 3),
        ([0, 2, 1, 0], [0, 1, 1, 0], 3),
        ([0, 2, 0], [0, 1, 0], 4),
        ([2, 2], [2, 2], 4),
        ([0, 1], [1, 0], 2),
        ([0, 0, 0, 1, 3, 3], [0, 1, 1, 1, 1, 3], 5),
    ]
    for n, k in ((7, 3), (12, 4), (30, 6), (200, 10)):
        target = torch.randint(k, (n,), generator=random)
        other = torch.randint(k, (n,), generator=random)
        kept = torch.rand(n, generator=random) < 0.6
        tries.append((target.where(kept, other).tolist(), target.tolist(), k))
    for prediction, target, k in tries:
        counts = _counts(prediction, target, k)
        f1 = {c: 2 * r / (p + t) for c, (r, p, t) in enumerate(counts) if p + t}
        right = _mean(list(f1.values()))
        precision = {c: r / p if p else 0.0 for c, (r, p, t) in enumerate(counts) if p + t}
        recall = {c: r / t if t else 0.0 for c, (r, p, t) in enumerate(counts) if p + t}
        p_mean, r_mean = _mean(list(precision.values())), _mean(list(recall.values()))
        present = [c for c in f1 if counts[c][2]]
        both = [c for c in f1 if counts[c][1] and counts[c][2]]
        agree = sum(r for r, _, _ in counts) / len(target)
        weighted = sum(f1[c] * counts[c][2] for c in f1) / len(target)
        crossing = [f1[c] for c in both if counts[c][0]]
        mistakes = {
            "You divided by all classes; one that occurs neither here nor there is left out.": sum(f1.values()) / k,
            "A class that does not occur counted as perfect; it is left out.": (sum(f1.values()) + k - len(f1)) / k,
            "You return the share that is right; F1 is taken for each class, and then averaged.": agree,
            "You divided by the classes of one of the two; a class counts if it is in either.": (
                sum(f1.values()) / max(len(present), sum(1 for _, p, _ in counts if p))
            ),
            "You averaged over the classes of the target; one that is only predicted counts as 0.": _mean(
                [f1[c] for c in present]
            ),
            "A class that is never predicted, or never there, has F1 of 0; you left it out.": _mean(
                [f1[c] for c in both]
            ),
            "A class of which nothing is right has F1 of 0; yours is undefined there.": (
                math.nan if len(crossing) < len(f1) else right + 1,
                _mean(crossing),
            ),
            "That is the mean of the precisions alone; F1 has the recalls as well.": p_mean,
            "That is the mean of the recalls alone; F1 has the precisions as well.": r_mean,
            "You averaged precision and recall first; F1 is taken for each class, and then averaged.": (
                2 * p_mean * r_mean / (p_mean + r_mean) if p_mean + r_mean else math.nan
            ),
            "You took the plain mean of precision and recall; F1 is their harmonic mean.": (p_mean + r_mean) / 2,
            "You weighed the classes by how often they occur; macro means that each counts the same.": weighted,
            "The last class is missing: they go from 0 to num_classes − 1.": _mean([f1[c] for c in f1 if c < k - 1]),
            "Class 0 counts as all others; nothing is said of a background here.": _mean([f1[c] for c in f1 if c]),
            "That is the intersection over union; F1 counts what is right twice.": _mean(
                [r / (p + t - r) for r, p, t in counts if p + t]
            ),
        }
        if len(f1) < k:
            mistakes["A class that does not occur makes your mean nan; leave it out."] = math.nan
        inputs = {"prediction": torch.tensor(prediction), "target": torch.tensor(target), "num_classes": k}
        yield Case(inputs, right, mistakes)


# train ----------------------------------------------------------------------------------------------------------


def _trained(
    model: nn.Module,
    batches: list,
    validation: tuple,
    lr: float,
    *,
    softmax: bool | str = False,
    keep: bool = False,
    training: bool = True,
    evaluating: bool = True,
    erased: bool = False,
    late: bool = False,
    summed: bool = False,
    stale: bool = False,
    once: bool = False,
    early: bool = False,
) -> list:
    """Return the losses and the validation loss of a loop with the given defects; nothing is changed in `model`."""
    weights = {name: p.detach().clone() for name, p in model.named_parameters()}
    buffers = {name: b.clone() for name, b in model.named_buffers()}
    total = {name: torch.zeros_like(p) for name, p in weights.items()}
    first = weights
    mode = model.training

    def loss_of(x: Tensor, y: Tensor, w: dict, *, by_softmax: bool = False) -> Tensor:
        logits = functional_call(model, (w, buffers), (x,))
        scores = logits.softmax(1) if by_softmax else logits
        each = -scores.log_softmax(1)[torch.arange(len(y)), y]
        return each.sum() if summed else each.mean()

    losses = []
    try:
        model.train(training)
        for x, y in batches:
            active = {name: w.clone().requires_grad_() for name, w in weights.items()}
            loss = loss_of(x, y, active, by_softmax=softmax in (True, "training"))
            slopes = dict(zip(active, torch.autograd.grad(loss, list(active.values())), strict=True))
            before = total
            total = {name: slopes[name] + (total[name] if keep else 0) for name in slopes}
            move = {name: torch.zeros_like(p) for name, p in total.items()} if erased else before if stale else total
            weights = {name: w - lr * move[name] for name, w in weights.items()}
            with torch.no_grad():
                losses.append(float(loss_of(x, y, weights) if late else loss))
            if once:
                model.eval()
        model.train(training and not evaluating)
        with torch.no_grad():
            last = first if early else weights
            return [losses, float(loss_of(*validation, last, by_softmax=softmax in (True, "validation")))]
    finally:
        model.train(mode)


def _holds_graph(came) -> str | None:
    """Return a sentence if what came holds on to what backward needs."""
    nested = came if isinstance(came, tuple | list) else [came]
    values = [one for part in nested for one in (part if isinstance(part, tuple | list) else [part])]
    if any(isinstance(value, Tensor) and value.requires_grad for value in values):
        return (
            "Your losses hold on to all that backward needs, step after step, until memory is full: keep loss.item()."
        )
    return None


class Network(nn.Sequential):
    """A network that keeps the last copy made of it: the one that an answer was given."""

    def __deepcopy__(self, memo: dict) -> nn.Sequential:
        made = nn.Sequential(*copy.deepcopy(list(self), memo))
        made.training = self.training
        self.copies = [made]  # in a list, or it would become a part of the network
        return made

    def stayed(self) -> bool:
        """Return whether the weights of that copy are still the first ones."""
        return all(torch.equal(a, b) for a, b in zip(self.parameters(), self.copies[0].parameters(), strict=True))


@exercise(
    "classifier",
    hints=(
        "Compare the loop line by line with the chapter's. Which lines of the chapter's are not there, or not alike?",
        "Four things are amiss: what is given to the loss, what is left from the last step, and two modes.",
        "model.train() first; F.cross_entropy of the logits; zero_grad() each step; then model.eval() and no_grad().",
    ),
)
def train(random: torch.Generator) -> Iterator[Case]:
    """`train(model, batches, validation, lr)` → (losses, validation loss), by plain gradient descent.

    `losses` has the training loss of each batch before its step; the model is given in any mode.
    """

    def made(*sizes: tuple[int, int]) -> list[tuple[Tensor, Tensor]]:
        return [
            (torch.randn(n, 1, 2, side, generator=random), torch.randint(3, (n,), generator=random))
            for n, side in sizes
        ]

    def network(*, norm: bool, hidden: int = 4) -> Network:
        layers = [nn.Flatten(), nn.Linear(4, hidden), nn.ReLU(), nn.Linear(hidden, 3)]
        if norm:
            layers.insert(2, nn.BatchNorm1d(hidden))
        model = Network(*layers)
        with torch.no_grad():
            for p in model.parameters():
                p.copy_(torch.randn(p.shape, generator=random))
            if norm:
                model[2].running_mean.copy_(torch.randn(hidden, generator=random))
                model[2].running_var.copy_(torch.rand(hidden, generator=random) + 0.5)
        return model

    torch.optim.SGD(network(norm=False).parameters(), lr=1)  # the first one imports much: not on the answer's clock
    settings = [
        (network(norm=False), 1, 0.25, True),
        (network(norm=False), 3, 0.25, True),
        (network(norm=True), 1, 0.25, False),
        (network(norm=True), 3, 0.1, True),
        (network(norm=True, hidden=6), 4, 0.5, False),
    ]
    for model, count, lr, mode in settings:
        model.train(mode)
        batches = made(*[(4 + i, 2) for i in range(count)])
        (validation,) = made((5, 2))
        given = (model, batches, validation, lr)
        right = _trained(*given)
        told = {
            "You gave probabilities to a loss that takes a softmax itself; give it the logits.": {"softmax": True},
            "The softmax is still in the training; give cross_entropy the logits there too.": {"softmax": "training"},
            "The softmax is still in the validation; give cross_entropy the logits there too.": {
                "softmax": "validation"
            },
            "You validated before the training; the loss is asked for at the end.": {"early": True},
            "After the first batch you stay in evaluation mode: call model.train() again.": {"once": True},
            "The gradients of the steps before are still there: call zero_grad() in each step.": {"keep": True},
            "You erased the gradients before they were used: zero_grad() comes before backward().": {"erased": True},
            "Your losses are those after the step; take them before it.": {"late": True},
            "You summed the losses of a batch; cross-entropy is their mean.": {"summed": True},
            "You took the step before backward(): it uses the gradient of the batch before.": {"stale": True},
            "You validated in training mode: call model.eval() first.": {"evaluating": False},
            "You trained in the mode in which the model came: call model.train() first.": {"training": mode},
            "You never left evaluation mode: training needs model.train().": {"training": False},
        }
        mistakes = {says: _trained(*given, **defect) for says, defect in told.items()}
        mistakes = {says: value for says, value in mistakes.items() if value != right}
        mistakes["You return the validation loss first; the losses of the steps come first."] = right[::-1]
        inputs = {"model": model, "batches": batches, "validation": validation, "lr": lr}

        def amiss(came, model=model, right=right) -> str | None:
            if says := _holds_graph(came):
                return says
            last = came[1] if isinstance(came, tuple | list) and len(came) == 2 else None
            last = last.item() if isinstance(last, Tensor) and last.numel() == 1 else last
            if isinstance(last, float) and math.isclose(last, right[1], rel_tol=1e-4) and model.stayed():
                return "You trained a copy; the model that you are given is to learn itself."
            return None

        yield Case(inputs, right, mistakes, also=amiss)


# mean_and_std ---------------------------------------------------------------------------------------------------


@exercise(
    "classifier",
    hints=(
        "Two batches of one pixel, 0 and 1, and of three pixels, all 1: the mean is 4/5. What gives a mean of means?",
        "Carry three numbers for each channel: how many pixels, their sum, and the sum of their squares.",
        "mean = sum / count; the variance is squares / count − mean²; the standard deviation its square root.",
    ),
)
def mean_and_std(random: torch.Generator) -> Iterator[Case]:
    """`mean_and_std(batches)`, a list of `[n, C, H, W]` of different n, H and W → (mean [C], std [C]) over all pixels.

    The standard deviation divides by the number of pixels.
    """
    settings = [
        (1, [(1, 1, 2)]),
        (2, [(1, 1, 2)]),
        (1, [(1, 1, 1), (1, 1, 3)]),
        (1, [(1, 1, 2), (2, 1, 2)]),
        (2, [(1, 2, 2), (3, 2, 2)]),
        (3, [(2, 2, 3), (1, 4, 1)]),
        (3, [(4, 3, 5), (2, 6, 4), (1, 2, 7)]),
    ]
    for c, sizes in settings:
        offsets = torch.randn(len(sizes), c, generator=random)
        batches = [
            (torch.randint(-8, 9, (n, c, h, w), generator=random) / 8 + offset.view(c, 1, 1)).float()
            for (n, h, w), offset in zip(sizes, offsets, strict=True)
        ]
        pixels = [[value for b in batches for value in b[:, channel].flatten().tolist()] for channel in range(c)]

        def mean(values: list[float]) -> float:
            return math.fsum(values) / len(values)

        def spread(values: list[float], *, less: int = 0, mean=mean) -> float:
            middle = mean(values)
            return math.sqrt(math.fsum((v - middle) ** 2 for v in values) / max(len(values) - less, 1))

        def each(of: Callable, lists=pixels) -> Tensor:
            return torch.tensor([of(values) for values in lists], dtype=torch.float64)

        right = [each(mean), each(spread)]
        together = [value for values in pixels for value in values]
        one = [torch.tensor(mean(together)), torch.tensor(spread(together))]
        b_means = torch.stack([b.double().mean((0, 2, 3)) for b in batches])
        b_stds = torch.stack([b.double().var((0, 2, 3), correction=0).sqrt() for b in batches])
        b_sizes = torch.tensor([b.numel() / c for b in batches], dtype=torch.float64)[:, None]
        b_less = b_stds * (b_sizes / (b_sizes - 1)).sqrt()  # not a number for a batch of one pixel
        images = [image for b in batches for image in b.double()]
        i_means = torch.stack([i.mean((1, 2)) for i in images])
        i_stds = torch.stack([i.var((1, 2), correction=0).sqrt() for i in images])
        i_squares = (i_stds**2 + i_means**2).mean(0)
        within = ((b_stds**2 * b_sizes).sum(0) / b_sizes.sum()).sqrt()
        of_squares = each(lambda values: mean([v * v for v in values]))
        mistakes = {
            "That is the variance; the standard deviation is its square root.": [right[0], right[1] ** 2],
            "You divided by the number of pixels less one; divide by the number of pixels.": [
                right[0],
                each(lambda values, spread=spread: spread(values, less=1)),
            ],
            "The square of the mean is missing: the variance is the mean of the squares less mean².": [
                right[0],
                of_squares.sqrt(),
            ],
            "You return the two in the wrong order; the mean comes first.": right[::-1],
        }
        mistakes["You mixed the channels; each has a mean and a standard deviation of its own."] = (
            (one, [value.expand(c) for value in one]) if c > 1 else one
        )
        if len(batches) > 1:
            mistakes |= {
                "You averaged the means of the batches; a larger batch counts more.": (
                    [b_means.mean(0), right[1]],
                    [b_means.mean(0), b_stds.mean(0)],
                    [b_means.mean(0), b_less.mean(0)],
                ),
                "You averaged the standard deviations of the batches; that leaves out how their means differ.": (
                    [right[0], b_stds.mean(0)],
                    [right[0], b_less.mean(0)],
                    [right[0], within],
                    [right[0], (b_stds * b_sizes).sum(0) / b_sizes.sum()],
                ),
                "You counted each image alike; they have different sizes, and each pixel counts alike.": (
                    [i_means.mean(0), right[1]],
                    [i_means.mean(0), i_stds.mean(0)],
                ),
                "Your sums are of each image's means: take them over pixels, since a larger image has more.": [
                    i_means.mean(0),
                    (i_squares - i_means.mean(0) ** 2).sqrt(),
                ],
                "You averaged means and mean squares of the batches; a batch with more pixels counts more.": [
                    b_means.mean(0),
                    ((b_stds**2 + b_means**2).mean(0) - b_means.mean(0) ** 2).sqrt(),
                ],
                "You looked at one batch only; all of them count.": tuple(
                    [b_means[i], b_stds[i]] for i in (0, len(batches) - 1)
                ),
            }
        yield Case({"batches": batches}, right, mistakes)
