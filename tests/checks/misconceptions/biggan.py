"""Wrong answers to the exercises of the chapter `biggan`, each one idea away from the solution: EXERCISE__idea."""

import torch
import torch.nn.functional as F


def _norm(x, axes=(0, 2, 3), correction=0):
    mean, variance = x.mean(axes, keepdim=True), x.var(axes, correction=correction, keepdim=True)
    return (x - mean) / (variance + 1e-5).sqrt()


def _rows(table, labels):
    return table[labels][:, :, None, None]


def conditional_batch_norm__instance(x, labels, gains, biases):
    """Normalise each image by itself."""
    return _norm(x, (2, 3)) * _rows(gains, labels) + _rows(biases, labels)


def conditional_batch_norm__per_place(x, labels, gains, biases):
    """Take statistics over the batch only."""
    return _norm(x, (0,)) * _rows(gains, labels) + _rows(biases, labels)


def conditional_batch_norm__per_class(x, labels, gains, biases):
    """Take the statistics of each class by itself."""
    y = torch.empty_like(x)
    for label in labels.unique():
        y[labels == label] = _norm(x[labels == label])
    return y * _rows(gains, labels) + _rows(biases, labels)


def conditional_batch_norm__one_more(x, labels, gains, biases):
    """Divide by N·H·W − 1."""
    return _norm(x, correction=1) * _rows(gains, labels) + _rows(biases, labels)


def conditional_batch_norm__one_plus(x, labels, gains, biases):
    """Scale by 1 + gain."""
    return _norm(x) * (1 + _rows(gains, labels)) + _rows(biases, labels)


def conditional_batch_norm__shift_first(x, labels, gains, biases):
    """Shift before scaling."""
    return (_norm(x) + _rows(biases, labels)) * _rows(gains, labels)


def conditional_batch_norm__swapped(x, labels, gains, biases):
    """Scale by the biases."""
    return _norm(x) * _rows(biases, labels) + _rows(gains, labels)


def conditional_batch_norm__in_order(x, labels, gains, biases):
    """Give image i the row i."""
    order = torch.arange(len(x)) % len(gains)
    return _norm(x) * _rows(gains, order) + _rows(biases, order)


def conditional_batch_norm__first_label(x, labels, gains, biases):
    """Give all images the class of the first."""
    return _norm(x) * _rows(gains, labels[:1]) + _rows(biases, labels[:1])


def projection_logits__unconditional(features, labels, weight, bias, embeddings):
    """Leave the class out."""
    return features @ weight + bias


def projection_logits__projection_alone(features, labels, weight, bias, embeddings):
    """Leave out how real it is."""
    return (embeddings[labels] * features).sum(1)


def projection_logits__all_classes(features, labels, weight, bias, embeddings):
    """Add the fit to all classes."""
    return features @ weight + bias + (features @ embeddings.T).sum(1)


def projection_logits__best_class(features, labels, weight, bias, embeddings):
    """Take the class that fits best."""
    return features @ weight + bias + (features @ embeddings.T).max(1).values


def projection_logits__classifier(features, labels, weight, bias, embeddings):
    """Add the log-probability of the class."""
    every = (features @ embeddings.T).log_softmax(1)
    return features @ weight + bias + every.gather(1, labels[:, None])[:, 0]


def projection_logits__class_bias(features, labels, weight, bias, embeddings):
    """Add the embedding's sum, whatever the image is."""
    return features @ weight + bias + embeddings[labels].sum(1)


def projection_logits__cosine(features, labels, weight, bias, embeddings):
    """Divide by the lengths."""
    return features @ weight + bias + F.cosine_similarity(embeddings[labels], features)


def projection_logits__square(features, labels, weight, bias, embeddings):
    """Return a score for each pair of an image and an image's label."""
    return (features @ weight + bias)[:, None] + features @ embeddings[labels].T


def _attend(x, query, key, value, gamma, dim=2, scale=1.0, turn=False):
    flat = x.flatten(2)
    scores = (query @ flat).transpose(1, 2) @ (key @ flat) * scale
    weights = scores.softmax(dim)
    weights = weights if turn else weights.transpose(1, 2)
    return gamma * (value @ flat @ weights).view(x.shape)


def self_attention__softmax_over_queries(x, query, key, value, gamma):
    """Let the weights of all that ask add up to 1."""
    return x + _attend(x, query, key, value, gamma, dim=1)


def self_attention__scaled(x, query, key, value, gamma):
    """Divide the scores by √d."""
    return x + _attend(x, query, key, value, gamma, scale=len(query) ** -0.5)


def self_attention__no_skip(x, query, key, value, gamma):
    """Forget x."""
    return _attend(x, query, key, value, gamma)


def self_attention__no_gamma(x, query, key, value, gamma):
    """Forget gamma."""
    return x + _attend(x, query, key, value, 1.0)


def self_attention__not_transposed(x, query, key, value, gamma):
    """Collect for the place that is looked at."""
    return x + _attend(x, query, key, value, gamma, turn=True)


def self_attention__swapped(x, query, key, value, gamma):
    """Ask with keys."""
    return x + _attend(x, key, query, value, gamma)


def self_attention__torn(x, query, key, value, gamma):
    """Reshape [N, HW, C] to [N, C, H, W]."""
    flat = x.flatten(2).transpose(1, 2)
    weights = (flat @ query.T @ (flat @ key.T).transpose(1, 2)).softmax(2)
    return x + gamma * (weights @ (flat @ value.T)).reshape(x.shape)


def self_attention__across_images(x, query, key, value, gamma):
    """Look at all places of the batch."""
    n, c, h, w = x.shape
    flat = x.transpose(0, 1).reshape(1, c, n * h, w)
    return x + _attend(flat, query, key, value, gamma).view(c, n, h, w).transpose(0, 1)


def _between(u, low, high):
    return torch.special.ndtri(low + u * (high - low))


def truncated_normal__clamped(u, bound):
    """Cut off what lies beyond."""
    return torch.special.ndtri(u).clamp(-bound, bound)


def truncated_normal__narrower(u, bound):
    """Multiply by the bound."""
    return bound * torch.special.ndtri(u)


def truncated_normal__uniform(u, bound):
    """Spread evenly."""
    return (2 * u - 1) * bound


def truncated_normal__one_end(u, bound):
    """Cut off the upper end only."""
    return torch.special.ndtri(u * torch.special.ndtr(torch.tensor(bound)))


def truncated_normal__one_side(u, bound):
    """Begin at 0."""
    return _between(u, 0.5, torch.special.ndtr(torch.tensor(bound)))


def truncated_normal__folded(u, bound):
    """Bring back by the remainder."""
    return torch.fmod(torch.special.ndtri(u), bound)


def truncated_normal__zeroed(u, bound):
    """Set to 0 what lies beyond."""
    z = torch.special.ndtri(u)
    return z * (z.abs() <= bound)


def truncated_normal__turned(u, bound):
    """Count from the upper end."""
    high = torch.special.ndtr(torch.tensor(bound))
    return _between(u, high, 1 - high)


def _products(weight):
    rows = weight.flatten(1)
    return rows @ rows.T


def orthogonal_penalty__with_diagonal(weight):
    """Punish the lengths too."""
    return _products(weight).square().sum()


def orthogonal_penalty__identity(weight):
    """Ask for rows of length 1."""
    return (_products(weight) - torch.eye(len(weight))).square().sum()


def orthogonal_penalty__columns(weight):
    """Compare the columns."""
    columns = weight.flatten(1).T
    products = columns @ columns.T
    return (products - products.diag().diag()).square().sum()


def orthogonal_penalty__not_squared(weight):
    """Add up the products."""
    products = _products(weight)
    return products.sum() - products.trace()


def orthogonal_penalty__root(weight):
    """Take the norm, not its square."""
    products = _products(weight)
    return (products - products.diag().diag()).square().sum().sqrt()


def orthogonal_penalty__mean(weight):
    """Take the mean."""
    products = _products(weight)
    return (products - products.diag().diag()).square().mean()


def orthogonal_penalty__cosines(weight):
    """Bring the rows to length 1 first."""
    return orthogonal_penalty__with_diagonal(F.normalize(weight.flatten(1))) - len(weight)


def orthogonal_penalty__once(weight):
    """Count each pair once."""
    return _products(weight).triu(1).square().sum()
