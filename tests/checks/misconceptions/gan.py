"""Wrong answers to the exercises of the chapter `gan`, each one idea away from the solution: EXERCISE__idea."""

import math

import torch
from torch.nn.functional import softplus


def _losses(real, fake):
    return softplus(-real).mean() + softplus(fake).mean(), -softplus(fake).mean(), softplus(-fake).mean()


def game_losses__sigmoid(real, fake):
    """Take the logarithm of a rounded probability."""
    p, q = torch.sigmoid(real), torch.sigmoid(fake)
    return -p.log().mean() - (1 - q).log().mean(), (1 - q).log().mean(), -q.log().mean()


def game_losses__small_number(real, fake):
    """Add a small number under the logarithm."""
    p, q = torch.sigmoid(real), torch.sigmoid(fake)
    wrong = (1 - q + 1e-8).log().mean()
    return -(p + 1e-8).log().mean() - wrong, wrong, -(q + 1e-8).log().mean()


def game_losses__logits_are_probabilities(real, fake):
    """Take the logits for probabilities."""
    return -real.log().mean() - (1 - fake).log().mean(), (1 - fake).log().mean(), -fake.log().mean()


def game_losses__minimax_sign(real, fake):
    """Minimise what the generator should make large."""
    d, minimax, other = _losses(real, fake)
    return d, -minimax, other


def game_losses__nonsaturating_sign(real, fake):
    """Minimise log σ(D)."""
    d, minimax, other = _losses(real, fake)
    return d, minimax, -other


def game_losses__order(real, fake):
    """Return the non-saturating loss first."""
    d, minimax, other = _losses(real, fake)
    return d, other, minimax


def game_losses__targets_swapped(real, fake):
    """Call the real ones generated."""
    _, minimax, other = _losses(real, fake)
    return softplus(real).mean() + softplus(-fake).mean(), minimax, other


def game_losses__value(real, fake):
    """Return the value, which the discriminator makes large."""
    d, minimax, other = _losses(real, fake)
    return -d, minimax, other


def game_losses__one_loss(real, fake):
    """Know the non-saturating loss only."""
    d, _, other = _losses(real, fake)
    return d, other, other


def game_losses__whole_value(real, fake):
    """Give the generator the discriminator's loss turned round."""
    d, _, other = _losses(real, fake)
    return d, -d, other


def game_losses__halved(real, fake):
    """Halve the discriminator's loss."""
    d, minimax, other = _losses(real, fake)
    return d / 2, minimax, other


def game_losses__pooled(real, fake):
    """Take one mean over both batches."""
    _, minimax, other = _losses(real, fake)
    return torch.cat([softplus(-real), softplus(fake)]).mean(), minimax, other


def game_losses__sums(real, fake):
    """Add up over the batch."""
    return (
        softplus(-real).sum() + softplus(fake).sum(),
        -softplus(fake).sum(),
        softplus(-fake).sum(),
    )


def game_losses__of_real(real, fake):
    """Give the generator the real logits."""
    return _losses(real, fake)[0], -softplus(real).mean(), softplus(-real).mean()


def game_losses__of_the_mean(real, fake):
    """Average the logits first."""
    return _losses(real.mean(), fake.mean())


def game_losses__base_two(real, fake):
    """Take logarithms to base 2."""
    return tuple(value / math.log(2) for value in _losses(real, fake))


def _log(x, parts, *, half=0.5, scale=True, weigh=True, variance=False):
    w, m, s = parts.T
    s = s.sqrt() if variance else s
    logs = -half * ((x[:, None] - m) / s) ** 2
    return logs - s.log() * scale + w.log() * weigh


def _best(x, real, fake, **options):
    return torch.sigmoid(_log(x, real, **options).logsumexp(1) - _log(x, fake, **options).logsumexp(1))


def _densities(x, real, fake):
    return [_log(x, parts).exp().sum(1) / math.sqrt(2 * math.pi) for parts in (real, fake)]


def optimal_discriminator__densities(x, real, fake):
    """Divide the densities, which are 0 far out."""
    p, q = _densities(x, real, fake)
    return p / (p + q)


def optimal_discriminator__small_number(x, real, fake):
    """Keep from 0/0 by a small number."""
    p, q = _densities(x, real, fake)
    return p / (p + q + 1e-12)


def optimal_discriminator__turned_round(x, real, fake):
    """Return the probability that x is generated."""
    return 1 - _best(x, real, fake)


def optimal_discriminator__logit(x, real, fake):
    """Return the logit."""
    return _log(x, real).logsumexp(1) - _log(x, fake).logsumexp(1)


def optimal_discriminator__difference(x, real, fake):
    """Take the sigmoid of p − q."""
    p, q = _densities(x, real, fake)
    return torch.sigmoid(p - q)


def optimal_discriminator__ratio(x, real, fake):
    """Return p / q."""
    return (_log(x, real).logsumexp(1) - _log(x, fake).logsumexp(1)).exp()


def optimal_discriminator__hard(x, real, fake):
    """Decide for the larger density."""
    return (_best(x, real, fake) > 0.5).float()


def optimal_discriminator__density(x, real, fake):
    """Return p."""
    return _densities(x, real, fake)[0]


def optimal_discriminator__squared(x, real, fake):
    """Square the densities."""
    return torch.sigmoid(2 * (_log(x, real).logsumexp(1) - _log(x, fake).logsumexp(1)))


def optimal_discriminator__mixture(x, real, fake):
    """Return the mixture of both."""
    p, q = _densities(x, real, fake)
    return (p + q) / 2


def optimal_discriminator__variance(x, real, fake):
    """Take the deviation for a variance."""
    return _best(x, real, fake, variance=True)


def optimal_discriminator__no_scale(x, real, fake):
    """Leave the division by the deviation out."""
    return _best(x, real, fake, scale=False)


def optimal_discriminator__no_weights(x, real, fake):
    """Leave the weights out."""
    return _best(x, real, fake, weigh=False)


def optimal_discriminator__no_half(x, real, fake):
    """Forget the half in the exponent."""
    return _best(x, real, fake, half=1.0)


def optimal_discriminator__largest_part(x, real, fake):
    """Take the largest part."""
    return torch.sigmoid(_log(x, real).amax(1) - _log(x, fake).amax(1))


def _counts(points, centres, radius):
    near, which = torch.cdist(points, centres).min(1)
    return which[near <= radius].bincount(minlength=len(centres))


def modes_covered__no_radius(points, centres, radius, share):
    """Count every point for its nearest centre, however far."""
    return int((_counts(points, centres, math.inf) >= share * len(points)).sum())


def modes_covered__one_point(points, centres, radius, share):
    """Let one point cover a mode."""
    return int((_counts(points, centres, radius) > 0).sum())


def modes_covered__more_than(points, centres, radius, share):
    """Ask for more than the share."""
    return int((_counts(points, centres, radius) > share * len(points)).sum())


def modes_covered__share_of_the_near(points, centres, radius, share):
    """Take the share of the points that are near a mode."""
    counts = _counts(points, centres, radius)
    return int((counts >= share * max(1, int(counts.sum()))).sum())


def modes_covered__share_of_an_equal_part(points, centres, radius, share):
    """Take the share of N / K."""
    return int((_counts(points, centres, radius) >= share * len(points) / len(centres)).sum())


def modes_covered__every_ball(points, centres, radius, share):
    """Count a point in each ball that it is in."""
    counts = (torch.cdist(points, centres) <= radius).sum(0)
    return int((counts >= share * len(points)).sum())


def modes_covered__squared(points, centres, radius, share):
    """Compare squared distances with the radius."""
    return int((_counts(points, centres, math.sqrt(radius)) >= share * len(points)).sum())


def modes_covered__taxi(points, centres, radius, share):
    """Add up the axes."""
    nearest = torch.cdist(points, centres).argmin(1)
    near = (points - centres[nearest]).abs().sum(1) <= radius
    return int((nearest[near].bincount(minlength=len(centres)) >= share * len(points)).sum())


def modes_covered__box(points, centres, radius, share):
    """Look at each axis by itself."""
    nearest = torch.cdist(points, centres).argmin(1)
    near = (points - centres[nearest]).abs().amax(1) <= radius
    return int((nearest[near].bincount(minlength=len(centres)) >= share * len(points)).sum())


def modes_covered__points(points, centres, radius, share):
    """Count points."""
    return int(_counts(points, centres, radius).sum())


def modes_covered__fraction(points, centres, radius, share):
    """Return the share of the modes."""
    return (_counts(points, centres, radius) >= share * len(points)).float().mean()


def modes_covered__missed(points, centres, radius, share):
    """Count the modes that are missed."""
    return int((_counts(points, centres, radius) < share * len(points)).sum())
