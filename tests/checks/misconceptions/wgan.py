"""Wrong answers to the exercises of the chapter `wgan`, each one idea away from the solution: EXERCISE__idea."""

import torch
import torch.nn.functional as F


def _grains(x, y, *, sort=True):
    if sort:
        x, y = x.sort().values, y.sort().values
    return x.repeat_interleave(len(y)), y.repeat_interleave(len(x))


def distance_on_a_line__means(x, y):
    """Return how far the means are apart."""
    return (x.mean() - y.mean()).abs().item()


def distance_on_a_line__no_absolute_value(x, y):
    """Let ways to the left and to the right cancel."""
    a, b = _grains(x, y)
    return (a - b).mean().item()


def distance_on_a_line__not_sorted(x, y):
    """Pair the numbers as they come."""
    a = x.repeat_interleave(len(y))
    return (a - y.repeat_interleave(len(x))).abs().mean().item()


def distance_on_a_line__cut_to_the_shorter(x, y):
    """Drop the largest numbers of the longer set."""
    n = min(len(x), len(y))
    return (x.sort().values[:n] - y.sort().values[:n]).abs().mean().item()


def distance_on_a_line__sum(x, y):
    """Add up the ways of all grains."""
    a, b = _grains(x, y)
    return (a - b).abs().sum().item()


def distance_on_a_line__squared(x, y):
    """Take the mean square of the ways."""
    a, b = _grains(x, y)
    return (a - b).square().mean().item()


def distance_on_a_line__order_two(x, y):
    """Return the Wasserstein distance of order 2."""
    a, b = _grains(x, y)
    return (a - b).square().mean().sqrt().item()


def distance_on_a_line__longest_way(x, y):
    """Return the longest way."""
    a, b = _grains(x, y)
    return (a - b).abs().max().item()


def distance_on_a_line__opposite_orders(x, y):
    """Carry the smallest to the largest."""
    a, b = _grains(x, y)
    return (a - b.flip(0)).abs().mean().item()


def distance_on_a_line__whole_sets_repeated(x, y):
    """Repeat the sorted sets one after the other, and sort no more."""
    a, b = x.sort().values.repeat(len(y)), y.sort().values.repeat(len(x))
    return (a - b).abs().mean().item()


def distance_on_a_line__all_pairs(x, y):
    """Average over all pairs."""
    return (x[:, None] - y).abs().mean().item()


def distance_on_a_line__nearest(x, y):
    """Carry each x to its nearest y."""
    return (x[:, None] - y).abs().min(1).values.mean().item()


def _between(real, fake, place):
    place = place.view(-1, *[1] * (real.ndim - 1))
    return place * real + (1 - place) * fake


def _gradient(critic, x, **how):
    x = x.clone().requires_grad_()
    return torch.autograd.grad(critic(x).sum(), x, **({"create_graph": True} | how))[0]


def _penalty(critic, x, norms):
    return ((norms(_gradient(critic, x)) - 1) ** 2).mean()


def _own(gradient):
    return gradient.flatten(1).norm(dim=1)


def gradient_penalty__one_norm(critic, real, fake, place):
    """Take the norm of the whole batch's gradient."""
    return _penalty(critic, _between(real, fake, place), lambda g: g.norm())


def gradient_penalty__channels_only(critic, real, fake, place):
    """Take the norm over axis 1, right for points only."""
    x = _between(real, fake, place)
    if x.ndim == 2:
        return _penalty(critic, x, _own)
    return _penalty(critic, x, lambda g: g.norm(dim=1))


def gradient_penalty__last_axis(critic, real, fake, place):
    """Take the norm over the last axis, right for points only."""
    return _penalty(critic, _between(real, fake, place), lambda g: g.norm(dim=-1))


def gradient_penalty__over_samples(critic, real, fake, place):
    """Take the norm over axis 0 for points."""
    x = _between(real, fake, place)
    return _penalty(critic, x, lambda g: g.norm(dim=0))


def gradient_penalty__slope_zero(critic, real, fake, place):
    """Forget to subtract 1."""
    return _own(_gradient(critic, _between(real, fake, place))).square().mean()


def gradient_penalty__not_squared(critic, real, fake, place):
    """Forget the square."""
    return (_own(_gradient(critic, _between(real, fake, place))) - 1).mean()


def gradient_penalty__absolute(critic, real, fake, place):
    """Take the absolute value."""
    return (_own(_gradient(critic, _between(real, fake, place))) - 1).abs().mean()


def gradient_penalty__no_root(critic, real, fake, place):
    """Forget the root of the norm."""
    return _penalty(critic, _between(real, fake, place), lambda g: g.flatten(1).square().sum(1))


def gradient_penalty__sum(critic, real, fake, place):
    """Add up the samples."""
    return (_own(_gradient(critic, _between(real, fake, place))) - 1).square().sum()


def gradient_penalty__at_the_real(critic, real, fake, place):
    """Look at the real samples."""
    return _penalty(critic, real, _own)


def gradient_penalty__at_the_fake(critic, real, fake, place):
    """Look at the generated samples."""
    return _penalty(critic, fake, _own)


def gradient_penalty__turned_round(critic, real, fake, place):
    """Take 1 for the generated sample."""
    return _penalty(critic, _between(fake, real, place), _own)


def gradient_penalty__one_place(critic, real, fake, place):
    """Use one place for the whole batch."""
    return _penalty(critic, place[0] * real + (1 - place[0]) * fake, _own)


def gradient_penalty__one_sided(critic, real, fake, place):
    """Punish only what is too steep."""
    return F.relu(_own(_gradient(critic, _between(real, fake, place))) - 1).square().mean()


def gradient_penalty__mean_of_scores(critic, real, fake, place):
    """Take the gradient of the mean score."""
    return _penalty(critic, _between(real, fake, place), lambda g: _own(g) / len(real))


def gradient_penalty__mean_of_norms(critic, real, fake, place):
    """Ask the norms' mean to be 1."""
    return (_own(_gradient(critic, _between(real, fake, place))).mean() - 1) ** 2


def gradient_penalty__mean_of_gradients(critic, real, fake, place):
    """Average the gradients before the norm."""
    return (_gradient(critic, _between(real, fake, place)).mean(0).norm() - 1) ** 2


def gradient_penalty__no_graph(critic, real, fake, place):
    """Forget create_graph."""
    return (_own(_gradient(critic, _between(real, fake, place), create_graph=False)) - 1).square().mean()


def gradient_penalty__mean_square(critic, real, fake, place):
    """Divide the sum of squares by how many there are."""
    return _penalty(critic, _between(real, fake, place), lambda g: g.flatten(1).square().mean(1).sqrt())


def gradient_penalty__sum_of_absolutes(critic, real, fake, place):
    """Take the sum of absolute values for the norm."""
    return _penalty(critic, _between(real, fake, place), lambda g: g.flatten(1).abs().sum(1))


def wasserstein_losses__critic_turned(real, fake):
    """Give the critic its estimate to make smaller."""
    return real.mean() - fake.mean(), -fake.mean()


def wasserstein_losses__generator_turned(real, fake):
    """Give the generator the score to make smaller."""
    return fake.mean() - real.mean(), fake.mean()


def wasserstein_losses__both_turned(real, fake):
    """Return what each player wants large."""
    return real.mean() - fake.mean(), fake.mean()


def wasserstein_losses__same(real, fake):
    """Give both players the critic's loss."""
    return fake.mean() - real.mean(), fake.mean() - real.mean()


def wasserstein_losses__negative(real, fake):
    """Give the generator the critic's loss turned round."""
    return fake.mean() - real.mean(), real.mean() - fake.mean()


def wasserstein_losses__sums(real, fake):
    """Add up the scores."""
    return fake.sum() - real.sum(), -fake.sum()


def wasserstein_losses__logits(real, fake):
    """Take the scores for logits."""
    return F.softplus(-real).mean() + F.softplus(fake).mean(), F.softplus(-fake).mean()


def wasserstein_losses__absolute(real, fake):
    """Take the absolute value of the estimate."""
    return -(real.mean() - fake.mean()).abs(), -fake.mean()


def wasserstein_losses__order(real, fake):
    """Return the generator's loss first."""
    return -fake.mean(), fake.mean() - real.mean()


def wasserstein_losses__added(real, fake):
    """Add the two means."""
    return -(real.mean() + fake.mean()), -fake.mean()


def wasserstein_losses__real_only(real, fake):
    """Leave the generated scores out."""
    return -real.mean(), -fake.mean()


def wasserstein_losses__pooled(real, fake):
    """Divide by the number of all scores."""
    return torch.cat([fake, -real]).mean(), -fake.mean()


def wasserstein_losses__halved(real, fake):
    """Halve the sum, as is done with a discriminator's two losses."""
    return (fake.mean() - real.mean()) / 2, -fake.mean()
