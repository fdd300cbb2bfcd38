"""Wrong answers to the exercises of the evaluation chapter, each with one idea that people have."""

import torch


def _moments(x, less=1, centred=True):
    x = x.double()
    rest = x - x.mean(0) if centred else x
    return x.mean(0), rest.T @ rest / (len(x) - less)


def _shared(one, other):
    return torch.linalg.eigvals(one @ other).real.clamp(min=0).sqrt().sum()


def _root(matrix):
    values, vectors = torch.linalg.eigh(matrix)
    return (vectors * values.clamp(min=0).sqrt()) @ vectors.T


def _frechet(a, b, shared=_shared, less=1, centred=True, factor=2):
    (mean_a, one), (mean_b, other) = _moments(a, less, centred), _moments(b, less, centred)
    return ((mean_a - mean_b).square().sum() + one.trace() + other.trace() - factor * shared(one, other)).item()


def frechet_distance__divides_by_n(a, b):
    """Divide the covariances by N."""
    return _frechet(a, b, less=0)


def frechet_distance__not_centred(a, b):
    """Take second moments for covariances."""
    return _frechet(a, b, centred=False)


def frechet_distance__no_root(a, b):
    """Forget the square root."""
    return _frechet(a, b, shared=lambda p, q: (p @ q).trace())


def frechet_distance__root_of_elements(a, b):
    """Take the root of each element of the product."""
    return _frechet(a, b, shared=lambda p, q: (p @ q).abs().sqrt().trace())


def frechet_distance__product_of_roots(a, b):
    """Multiply the roots of the covariances."""
    return _frechet(a, b, shared=lambda p, q: (_root(p) @ _root(q)).trace())


def frechet_distance__half_read(a, b):
    """Take the eigenvalues by a routine for symmetric matrices."""
    return _frechet(a, b, shared=lambda p, q: torch.linalg.eigvalsh(p @ q).clamp(min=0).sqrt().sum())


def frechet_distance__singular_values(a, b):
    """Take singular values for eigenvalues."""
    return _frechet(a, b, shared=lambda p, q: torch.linalg.svdvals(p @ q).sqrt().sum())


def frechet_distance__root_of_the_trace(a, b):
    """Take the trace first and then the root."""
    return _frechet(a, b, shared=lambda p, q: (p @ q).trace().sqrt())


def frechet_distance__products_of_eigenvalues(a, b):
    """Multiply the eigenvalues of the two covariances."""
    return _frechet(
        a, b, shared=lambda p, q: (torch.linalg.eigvalsh(p) * torch.linalg.eigvalsh(q)).clamp(min=0).sqrt().sum()
    )


def frechet_distance__diagonals(a, b):
    """Compare the features one by one."""
    return _frechet(a, b, shared=lambda p, q: (p.diagonal() * q.diagonal()).sqrt().sum())


def frechet_distance__once(a, b):
    """Subtract the shared part once."""
    return _frechet(a, b, factor=1)


def frechet_distance__means_only(a, b):
    """Compare the means only."""
    return (a.double().mean(0) - b.double().mean(0)).square().sum().item()


def frechet_distance__no_means(a, b):
    """Forget the means."""
    a, b = a.double(), b.double()
    return _frechet(a - a.mean(0), b - b.mean(0))


def frechet_distance__length_not_squared(a, b):
    """Add the distance of the means as it is."""
    gap = (a.double().mean(0) - b.double().mean(0)).norm().item()
    return frechet_distance__no_means(a, b) + gap


def frechet_distance__root_of_all(a, b):
    """Take the root at the end."""
    return max(_frechet(a, b), 0) ** 0.5


def _polynomial(x, y, degree=3, add=1.0, over=None):
    return (x.double() @ y.double().T / (over or x.shape[1]) + add) ** degree


def _unbiased(a, b, kernel=_polynomial, factor=2):
    total = -factor * kernel(a, b).mean()
    for x in (a, b):
        own = kernel(x, x)
        total = total + (own.sum() - own.trace()) / (len(x) * (len(x) - 1))
    return total.item()


def unbiased_mmd__with_diagonals(a, b):
    """Pair samples with themselves."""
    return (_polynomial(a, a).mean() + _polynomial(b, b).mean() - 2 * _polynomial(a, b).mean()).item()


def unbiased_mmd__divides_by_squares(a, b):
    """Leave the diagonals out of the sums and divide by N²."""
    own = [_polynomial(x, x) for x in (a, b)]
    total = sum((k.sum() - k.trace()) / k.numel() for k in own)
    return (total - 2 * _polynomial(a, b).mean()).item()


def unbiased_mmd__diagonals_kept(a, b):
    """Divide by N (N − 1), and keep the diagonals."""
    own = sum(_polynomial(x, x).sum() / (len(x) * (len(x) - 1)) for x in (a, b))
    return (own - 2 * _polynomial(a, b).mean()).item()


def unbiased_mmd__half_the_pairs(a, b):
    """Add the upper triangle up, and divide by N (N − 1)."""
    own = sum(_polynomial(x, x).triu(1).sum() / (len(x) * (len(x) - 1)) for x in (a, b))
    return (own - 2 * _polynomial(a, b).mean()).item()


def unbiased_mmd__cut(a, b):
    """Cut the longer set."""
    few = min(len(a), len(b))
    return _unbiased(a[:few], b[:few])


def unbiased_mmd__diagonal_between_sets(a, b):
    """Leave out the pairs of one index between the sets, too."""
    across = _polynomial(a, b)
    kept = across[~torch.eye(*across.shape, dtype=torch.bool)].mean()
    return _unbiased(a, b) + 2 * (across.mean() - kept).item()


def unbiased_mmd__once(a, b):
    """Subtract the mean between the sets once."""
    return _unbiased(a, b, factor=1)


def unbiased_mmd__held_at_zero(a, b):
    """Hold a distance at 0."""
    return max(_unbiased(a, b), 0.0)


def unbiased_mmd__without_sign(a, b):
    """Take the size."""
    return abs(_unbiased(a, b))


def unbiased_mmd__square(a, b):
    """Take the power 2."""
    return _unbiased(a, b, kernel=lambda x, y: _polynomial(x, y, degree=2))


def unbiased_mmd__no_one(a, b):
    """Forget the 1."""
    return _unbiased(a, b, kernel=lambda x, y: _polynomial(x, y, add=0))


def unbiased_mmd__no_division(a, b):
    """Do not divide by D."""
    return _unbiased(a, b, kernel=lambda x, y: _polynomial(x, y, over=1))


def unbiased_mmd__root_of_d(a, b):
    """Divide by the root of D, as attention does."""
    return _unbiased(a, b, kernel=lambda x, y: _polynomial(x, y, over=x.shape[1] ** 0.5))


def _kl(p, q):
    return torch.special.xlogy(p, p / q).sum(1)


def inception_score__no_exponential(p):
    """Forget the exponential."""
    return _kl(p.double(), p.double().mean(0)).mean().item()


def inception_score__exponential_first(p):
    """Take the exponential of each divergence."""
    return _kl(p.double(), p.double().mean(0)).exp().mean().item()


def inception_score__summed(p):
    """Sum over the images."""
    return _kl(p.double(), p.double().mean(0)).sum().exp().item()


def inception_score__mean_of_all(p):
    """Take the mean over images and classes."""
    return (_kl(p.double(), p.double().mean(0)) / p.shape[1]).mean().exp().item()


def inception_score__even_marginal(p):
    """Compare with even shares."""
    even = torch.full((p.shape[1],), 1 / p.shape[1], dtype=torch.float64)
    return _kl(p.double(), even).mean().exp().item()


def inception_score__marginal_only(p):
    """Look at the entropy of the mean only."""
    return torch.special.entr(p.double().mean(0)).sum().exp().item()


def inception_score__rows_only(p):
    """Look at how sure each row is only."""
    return (-torch.special.entr(p.double()).sum(1).mean()).exp().item()


def inception_score__nan(p):
    """Write the formula as it stands."""
    p = p.double()
    return (p * (p.log() - p.mean(0).log())).sum(1).mean().exp().item()


def inception_score__softmax(p):
    """Take the probabilities for logits."""
    p = p.double().softmax(1)
    return (p * (p.log() - p.mean(0).log())).sum(1).mean().exp().item()


def inception_score__large_constant(p):
    """Add a constant that is too large."""
    p = p.double()
    return (p * ((p + 1e-3).log() - (p.mean(0) + 1e-3).log())).sum(1).mean().exp().item()


def inception_score__turned_round(p):
    """Take the divergence the other way."""
    p = p.double()
    q = p.mean(0).expand_as(p)
    return torch.special.xlogy(q, q / p).sum(1).mean().exp().item()


def inception_score__bits(p):
    """Take the logarithm to base 2 and the exponential to base e."""
    p = p.double()
    return (_kl(p, p.mean(0)) / torch.log(torch.tensor(2.0))).mean().exp().item()


def _distances(x, y):
    return (x.double()[:, None] - y.double()[None]).norm(dim=2)


def _radius(x, k):
    return _distances(x, x).sort(1).values[:, min(k, len(x) - 1)]


def _both(real, fake, radius, inside=lambda gaps, r: (gaps <= r[:, None]).any(0)):
    gaps = _distances(real, fake)
    precision = inside(gaps, radius(real, fake)).double().mean().item()
    return precision, inside(gaps.T, radius(fake, real)).double().mean().item()


def precision_recall__turned_round(real, fake, k):
    """Return recall first."""
    return _both(real, fake, lambda x, _: _radius(x, k))[::-1]


def precision_recall__itself(real, fake, k):
    """Count a sample as its own first neighbour."""
    return _both(real, fake, lambda x, _: _radius(x, k - 1))


def precision_recall__too_far(real, fake, k):
    """Go one neighbour too far."""
    return _both(real, fake, lambda x, _: _radius(x, k + 1))


def precision_recall__open_balls(real, fake, k):
    """Leave the sphere out."""
    return _both(real, fake, lambda x, _: _radius(x, k), lambda gaps, r: (gaps < r[:, None]).any(0))


def precision_recall__nearest_centre(real, fake, k):
    """Look at the nearest centre's ball only."""

    def inside(gaps, r):
        least, which = gaps.min(0)
        return least <= r[which]

    return _both(real, fake, lambda x, _: _radius(x, k), inside)


def precision_recall__one_radius(real, fake, k):
    """Give all balls the mean radius."""
    return _both(real, fake, lambda x, _: _radius(x, k).mean().expand(len(x)))


def precision_recall__all_balls(real, fake, k):
    """Ask for points that lie in every ball."""
    return _both(real, fake, lambda x, _: _radius(x, k), lambda gaps, r: (gaps <= r[:, None]).all(0))


def precision_recall__pairs(real, fake, k):
    """Average over pairs of a point and a ball."""
    return _both(real, fake, lambda x, _: _radius(x, k), lambda gaps, r: (gaps <= r[:, None]).double().mean(0))


def precision_recall__other_set(real, fake, k):
    """Reach to the k-th neighbour in the other set."""
    return _both(real, fake, lambda x, y: _distances(x, y).sort(1).values[:, min(k, len(y)) - 1])


def precision_recall__own_balls(real, fake, k):
    """Draw the ball around the point that is judged."""
    gaps = _distances(real, fake)
    precision = (gaps.amin(0) <= _radius(fake, k)).double().mean().item()
    return precision, (gaps.amin(1) <= _radius(real, k)).double().mean().item()


def precision_recall__counts(real, fake, k):
    """Return counts."""
    precision, recall = _both(real, fake, lambda x, _: _radius(x, k))
    return round(precision * len(fake)), round(recall * len(real))
