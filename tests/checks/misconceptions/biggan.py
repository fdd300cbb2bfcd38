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


def conditional_batch_norm__no_epsilon(x, labels, gains, biases):
    """Add nothing to the variance."""
    mean, variance = x.mean((0, 2, 3), keepdim=True), x.var((0, 2, 3), correction=0, keepdim=True)
    return (x - mean) / variance.sqrt() * _rows(gains, labels) + _rows(biases, labels)


def conditional_batch_norm__epsilon_outside(x, labels, gains, biases):
    """Add 1e-5 to the deviation."""
    mean, variance = x.mean((0, 2, 3), keepdim=True), x.var((0, 2, 3), correction=0, keepdim=True)
    return (x - mean) / (variance.sqrt() + 1e-5) * _rows(gains, labels) + _rows(biases, labels)


def conditional_batch_norm__norm_last(x, labels, gains, biases):
    """Scale and shift before normalising."""
    return _norm(x * _rows(gains, labels) + _rows(biases, labels))


def conditional_batch_norm__mean_kept(x, labels, gains, biases):
    """Divide without subtracting the mean."""
    deviation = (x.var((0, 2, 3), correction=0, keepdim=True) + 1e-5).sqrt()
    return x / deviation * _rows(gains, labels) + _rows(biases, labels)


def conditional_batch_norm__mean_only(x, labels, gains, biases):
    """Subtract the mean without dividing."""
    return (x - x.mean((0, 2, 3), keepdim=True)) * _rows(gains, labels) + _rows(biases, labels)


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


def projection_logits__column(features, labels, weight, bias, embeddings):
    """Keep the axis that was summed over."""
    return (features * (weight + embeddings[labels])).sum(1, keepdim=True) + bias


def projection_logits__added_to_features(features, labels, weight, bias, embeddings):
    """Add the embedding to the features."""
    return (features + embeddings[labels]) @ weight + bias


def projection_logits__times_weight(features, labels, weight, bias, embeddings):
    """Multiply the embedding into the weight."""
    return (features * embeddings[labels]) @ weight + bias


def projection_logits__batch_sum(features, labels, weight, bias, embeddings):
    """Sum over the batch as well."""
    return features @ weight + bias + (embeddings[labels] * features).sum()


def projection_logits__first_label(features, labels, weight, bias, embeddings):
    """Give all images the class of the first."""
    return features @ weight + bias + features @ embeddings[labels[0]]


def projection_logits__scaled(features, labels, weight, bias, embeddings):
    """Divide by √D."""
    return features @ weight + bias + (embeddings[labels] * features).sum(1) / features.shape[1] ** 0.5


def projection_logits__probability(features, labels, weight, bias, embeddings):
    """Put the logit through a sigmoid."""
    return (features @ weight + bias + (embeddings[labels] * features).sum(1)).sigmoid()


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


def self_attention__cut(x, query, key, value, gamma):
    """Reshape [N, C, H, W] to [N, HW, C]."""
    n, c, h, w = x.shape
    flat = x.reshape(n, h * w, c)
    weights = (flat @ query.T @ (flat @ key.T).transpose(1, 2)).softmax(2)
    return x + gamma * (weights @ (flat @ value.T)).transpose(1, 2).reshape(x.shape)


def self_attention__gamma_of_x(x, query, key, value, gamma):
    """Multiply x by gamma, not what is seen."""
    return gamma * x + _attend(x, query, key, value, 1.0)


def _weighted(x, query, key, value, gamma, weigh):
    flat = x.flatten(2)
    weights = weigh((query @ flat).transpose(1, 2) @ (key @ flat))
    return x + gamma * (value @ flat @ weights.transpose(1, 2)).view(x.shape)


def self_attention__softmax_over_images(x, query, key, value, gamma):
    """Let the weights of the batch add up to 1."""
    return _weighted(x, query, key, value, gamma, lambda scores: scores.softmax(0))


def self_attention__sigmoid(x, query, key, value, gamma):
    """Take a sigmoid in place of the softmax."""
    return _weighted(x, query, key, value, gamma, torch.sigmoid)


def self_attention__not_itself(x, query, key, value, gamma):
    """Keep a place from looking at itself."""

    def weigh(scores):
        return scores.masked_fill(torch.eye(scores.shape[1], dtype=torch.bool), -torch.inf).softmax(2)

    return _weighted(x, query, key, value, gamma, weigh)


def self_attention__added_to_values(x, query, key, value, gamma):
    """Add what is seen to the values."""
    return torch.einsum("dc,nchw->ndhw", value, x) + _attend(x, query, key, value, gamma)


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


def truncated_normal__from_zero(u, bound):
    """Forget to add Φ(−bound)."""
    high = torch.special.ndtr(torch.tensor(bound))
    return torch.special.ndtri(u * (2 * high - 1))


def truncated_normal__too_long(u, bound):
    """Add Φ(−bound) to u itself."""
    return torch.special.ndtri(torch.special.ndtr(torch.tensor(-bound)) + u)


def truncated_normal__bounds_as_probabilities(u, bound):
    """Spread u between the bounds and take that for a probability."""
    return torch.special.ndtri((2 * u - 1) * bound)


def truncated_normal__squeezed(u, bound):
    """Squeeze by tanh."""
    return bound * (torch.special.ndtri(u) / bound).tanh()


def truncated_normal__by_the_greatest(u, bound):
    """Divide by the greatest number that came."""
    z = torch.special.ndtri(u)
    return z / z.abs().max() * bound


def truncated_normal__left_out(u, bound):
    """Leave out what lies beyond."""
    z = torch.special.ndtri(u)
    return z[z.abs() <= bound]


def truncated_normal__drawn_again(u, bound):
    """Draw again what lies beyond, as the chapter does."""
    z = torch.special.ndtri(u)
    while (beyond := z.abs() > bound).any():
        z[beyond] = torch.randn(int(beyond.sum()))
    return z


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


def _off(matrices):
    products = matrices @ matrices.mT
    return products - torch.diag_embed(products.diagonal(dim1=-2, dim2=-1))


def orthogonal_penalty__square_of_sum(weight):
    """Square after adding up."""
    return _off(weight.flatten(1)).sum().square()


def orthogonal_penalty__sum_of_each_row(weight):
    """Add up over one axis."""
    return _off(weight.flatten(1)).square().sum(1)


def orthogonal_penalty__number_by_number(weight):
    """Multiply the matrix with itself number by number."""
    return (weight * weight).sum()


def orthogonal_penalty__single_kernels(weight):
    """Take each kernel for a filter."""
    return _off(weight.reshape(weight.shape[0] * weight.shape[1], -1)).square().sum()


def orthogonal_penalty__place_by_place(weight):
    """Compare the filters at each place of the kernel."""
    return _off(weight.reshape(*weight.shape[:2], -1).permute(2, 0, 1)).square().sum()


def orthogonal_penalty__kernels_summed(weight):
    """Add up over the kernel's places."""
    return _off(weight.reshape(*weight.shape[:2], -1).sum(2)).square().sum()


def orthogonal_penalty__greatest(weight):
    """Take the greatest product."""
    return _off(weight.flatten(1)).square().max()


def orthogonal_penalty__with_beta(weight):
    """Multiply by the paper's β."""
    return 1e-4 * _off(weight.flatten(1)).square().sum()
