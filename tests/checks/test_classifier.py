"""The judges of the chapter on the classifier: other right ways pass, and their oracles agree with known libraries."""

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from sklearn.metrics import f1_score

from segen.checks import classifier as check

SEEDS = range(4)
torch.optim.SGD([torch.zeros(1)], lr=1)  # the first one imports much, which is not to count as an answer's time


def verdicts(exercise, answer) -> set[str]:
    return {str(exercise.judge(answer, seed)) for seed in SEEDS}


def loss_by_torch(logits, target):
    return F.cross_entropy(logits, target)


def loss_in_numpy(logits, target):
    z = logits.double().numpy()
    return float(np.mean(np.logaddexp.reduce(z, axis=1) - z[np.arange(len(z)), target.numpy()]))


@pytest.mark.parametrize("answer", [loss_by_torch, loss_in_numpy])
def test_other_ways_to_the_loss(answer):
    assert verdicts(check.cross_entropy, answer) == {"✓ cross_entropy: right."}


def step_by_torch(weight, gradient, velocity, lr, momentum=0.9, decay=0.0, nesterov=False):
    w = weight.clone().requires_grad_()
    w.grad = gradient.clone()
    sgd = torch.optim.SGD([w], lr=lr, momentum=momentum or 1e-12, weight_decay=decay, nesterov=nesterov)
    sgd.state[w]["momentum_buffer"] = velocity.clone()
    sgd.step()
    return [w.detach(), sgd.state[w]["momentum_buffer"]]


def test_the_step_is_torchs():
    assert verdicts(check.momentum_step, step_by_torch) == {"✓ momentum_step: right."}


def test_macro_f1_is_scikit_learns():
    def answer(prediction, target, num_classes):
        return f1_score(target.numpy(), prediction.numpy(), average="macro", zero_division=0)

    assert verdicts(check.macro_f1, answer) == {"✓ macro_f1: right."}


def test_a_loop_by_hand_passes():
    def answer(model, batches, validation, lr):
        model.train()
        losses = []
        for x, y in batches:
            loss = F.nll_loss(model(x).log_softmax(1), y)
            slopes = torch.autograd.grad(loss, list(model.parameters()))
            with torch.no_grad():
                for p, slope in zip(model.parameters(), slopes, strict=True):
                    p -= lr * slope
            losses.append(loss.detach())
        with torch.inference_mode():
            return losses, F.cross_entropy(model.eval()(validation[0]), validation[1])

    assert verdicts(check.train, answer) == {"✓ train: right."}


def test_statistics_in_numpy_pass():
    def answer(batches):
        pixels = np.concatenate([np.moveaxis(b.numpy(), 1, 0).reshape(b.shape[1], -1) for b in batches], axis=1)
        return pixels.mean(1), pixels.std(1)

    assert verdicts(check.mean_and_std, answer) == {"✓ mean_and_std: right."}


@pytest.mark.parametrize(
    "answer",
    [
        lambda logits, target: F.cross_entropy(logits.clamp(-100, 100), target),
        lambda logits, target: F.cross_entropy(logits / 2, target),
        lambda logits, target: F.cross_entropy(logits[:1], target[:1]),
        lambda logits, target: F.cross_entropy(logits, logits.argmax(1)),
    ],
)
def test_near_misses_of_the_loss_fail(answer):
    assert all(check.cross_entropy.judge(answer, seed).state == "wrong" for seed in SEEDS)
