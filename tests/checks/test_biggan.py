"""The judges of the chapter on BigGAN: other right ways pass, and lazy ways that are right for easy inputs do not."""

import pytest
import torch
from scipy.stats import truncnorm
from torch import nn
from torch.nn import functional as F

from segen.checks import biggan as check
from segen.checks.judging import RIGHT, WRONG
from segen.layers import ConditionalBatchNorm2d, SelfAttention

SEEDS = range(5)


def norm_by_torch(x, labels, gains, biases):
    y = F.batch_norm(x, None, None, training=True)
    return torch.addcmul(biases[labels][..., None, None], y, gains[labels][..., None, None])


def norm_by_the_layer(x, labels, gains, biases):
    """Use the package's layer, conditioned on one-hot vectors."""
    layer = ConditionalBatchNorm2d(x.shape[1], len(gains))
    with torch.no_grad():
        layer.scale.weight.copy_(gains.T - 1)
        layer.shift.weight.copy_(biases.T)
        return layer(x, F.one_hot(labels, len(gains)).float())


def norm_image_by_image(x, labels, gains, biases):
    rows = x.transpose(0, 1).flatten(1).double()
    mean, variance = rows.mean(1), rows.var(1, correction=0)
    images = []
    for image, label in zip(x, labels.tolist(), strict=True):
        y = (image - mean[:, None, None]) / (variance[:, None, None] + 1e-5).sqrt()
        images.append(gains[label][:, None, None] * y + biases[label][:, None, None])
    return torch.stack(images)


def logits_by_one_hot(features, labels, weight, bias, embeddings):
    return features @ weight + bias + (F.one_hot(labels, len(embeddings)) * (features @ embeddings.T)).sum(1)


def logits_by_shifted_weights(features, labels, weight, bias, embeddings):
    return torch.einsum("nd,nd->n", features, weight + embeddings[labels]) + bias


def logits_one_by_one(features, labels, weight, bias, embeddings):
    return torch.stack([h @ (weight + embeddings[c]) + bias for h, c in zip(features, labels, strict=True)])


def attention_by_torch(x, query, key, value, gamma):
    rows = x.flatten(2).transpose(1, 2)
    seen = F.scaled_dot_product_attention(rows @ query.T, rows @ key.T, rows @ value.T, scale=1.0)
    return x + gamma * seen.transpose(1, 2).reshape(x.shape)


def attention_place_by_place(x, query, key, value, gamma):
    out = x.clone().contiguous()
    for image, result in zip(x, out, strict=True):
        places = image.flatten(1).T
        for i, place in enumerate(places):
            weights = torch.stack([(query @ place) @ (key @ other) for other in places]).softmax(0)
            result.view(len(result), -1)[:, i] += gamma * (value @ places.T @ weights)
    return out


def normal_by_scipy(u, bound):
    return truncnorm(-bound, bound).ppf(u.numpy())


def normal_by_error_function(u, bound):
    reach = torch.erf(torch.tensor(bound / 2**0.5, dtype=torch.float64))
    return 2**0.5 * torch.erfinv((2 * u.double() - 1) * reach)


def orthogonal_by_pairs(weight):
    rows = list(weight.flatten(1))
    return 2 * sum((a @ b) ** 2 for i, a in enumerate(rows) for b in rows[:i])


def orthogonal_by_mask(weight):
    rows = weight.flatten(1)
    return torch.linalg.matrix_norm(rows @ rows.T * (1 - torch.eye(len(rows)))) ** 2


WAYS = [
    (check.conditional_batch_norm, norm_by_torch),
    (check.conditional_batch_norm, norm_by_the_layer),
    (check.conditional_batch_norm, norm_image_by_image),
    (check.projection_logits, logits_by_one_hot),
    (check.projection_logits, logits_by_shifted_weights),
    (check.projection_logits, logits_one_by_one),
    (check.self_attention, attention_by_torch),
    (check.self_attention, attention_place_by_place),
    (check.truncated_normal, normal_by_scipy),
    (check.truncated_normal, normal_by_error_function),
    (check.orthogonal_penalty, orthogonal_by_pairs),
    (check.orthogonal_penalty, orthogonal_by_mask),
]


@pytest.mark.parametrize(("judge", "answer"), WAYS, ids=[answer.__name__ for _, answer in WAYS])
def test_other_right_ways(judge, answer):
    assert {str(judge.judge(answer, seed)) for seed in SEEDS} == {f"✓ {judge.name}: {RIGHT}."}


def running(x, labels, gains, biases):
    """Use fresh running statistics, 0 and 1."""
    layer = nn.BatchNorm2d(x.shape[1], affine=False).eval()
    return layer(x) * gains[labels][..., None, None] + biases[labels][..., None, None]


def own_chance(u, bound):
    """Draw, and look at the shape of u only."""
    return nn.init.trunc_normal_(torch.empty(u.shape), a=-bound, b=bound)


def pooled(x, query, key, value, gamma):
    """Use the package's layer, whose keys and values are pooled, where it can be."""
    layer = SelfAttention(x.shape[1])
    layer.query, layer.key, layer.value, layer.out = (
        lambda t, m=m: torch.einsum("dc,nchw->ndhw", m, t) for m in (query, key, value, torch.eye(len(value)))
    )
    layer.gamma.data = gamma
    with torch.no_grad():
        return layer(x)


LAZY = {
    "norm_running": (check.conditional_batch_norm, running),
    "norm_last_label": (
        check.conditional_batch_norm,
        lambda x, labels, *tables: norm_by_torch(x, labels[-1:].expand(len(x)), *tables),
    ),
    "norm_in_place": (check.conditional_batch_norm, lambda x, *given: x.copy_(norm_by_torch(x, *given))),
    "logits_first_class": (
        check.projection_logits,
        lambda h, labels, *given: logits_by_one_hot(h, torch.zeros_like(labels), *given),
    ),
    "logits_probabilities": (check.projection_logits, lambda *given: logits_by_one_hot(*given).sigmoid()),
    "attention_pooled": (check.self_attention, pooled),
    "attention_first_image": (
        check.self_attention,
        lambda x, *given: attention_by_torch(x[:1], *given).expand_as(x),
    ),
    "normal_own_chance": (check.truncated_normal, own_chance),
    "normal_one_bound": (check.truncated_normal, lambda u, bound: normal_by_scipy(u, 1.0)),
    "orthogonal_a_number": (check.orthogonal_penalty, lambda weight: orthogonal_by_mask(weight).item()),
    "orthogonal_first_pair": (
        check.orthogonal_penalty,
        lambda weight: 2 * (weight.flatten(1)[0] @ weight.flatten(1)[1]) ** 2,
    ),
    "orthogonal_rows_only": (check.orthogonal_penalty, lambda weight: orthogonal_by_mask(weight[:, :1])),
}


@pytest.mark.parametrize("name", LAZY)
def test_lazy_ways_fail(name):
    judge, answer = LAZY[name]
    assert {judge.judge(answer, seed).state for seed in SEEDS} == {WRONG}
