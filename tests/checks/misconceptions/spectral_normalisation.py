"""Wrong answers to the exercises of `spectral_normalisation`, each one idea away from the solution: EXERCISE__idea."""

import math

import torch
import torch.nn.functional as F


def _unit(x):
    return x / x.norm()


def _iterate(W, u, steps):
    before = u
    for _ in range(steps):
        before = u
        v = _unit(W.T @ u)
        u = _unit(W @ v)
    return u, v, before


def power_iteration__old_u(W, u, steps):
    """Measure σ with the u from before the last product."""
    new, v, before = _iterate(W, u, steps)
    return before @ W @ v, new, v


def power_iteration__no_unit(W, u, steps):
    """Never bring the vectors to length 1."""
    for _ in range(steps):
        v = W.T @ u
        u = W @ v
    return u @ W @ v, u, v


def power_iteration__one_step_more(W, u, steps):
    """Run one step too many."""
    u, v, _ = _iterate(W, u, steps + 1)
    return u @ W @ v, u, v


def power_iteration__one_step_less(W, u, steps):
    """Run one step too few."""
    for _ in range(1, steps):
        v = _unit(W.T @ u)
        u = _unit(W @ v)
    return u @ W @ v, u, v


def power_iteration__exact(W, u, steps):
    """Take σ from the singular value decomposition."""
    u, v, _ = _iterate(W, u, steps)
    return torch.linalg.matrix_norm(W, 2), u, v


def power_iteration__frobenius(W, u, steps):
    """Take the Frobenius norm for σ."""
    u, v, _ = _iterate(W, u, steps)
    return W.norm(), u, v


def power_iteration__squared(W, u, steps):
    """Return σ², the eigenvalue of WᵀW."""
    u, v, _ = _iterate(W, u, steps)
    return (u @ W @ v) ** 2, u, v


def power_iteration__turned_round(W, u, steps):
    """Return v before u."""
    u, v, _ = _iterate(W, u, steps)
    return u @ W @ v, v, u


def power_iteration__sigma_only(W, u, steps):
    """Return σ alone."""
    u, v, _ = _iterate(W, u, steps)
    return u @ W @ v


def power_iteration__given_u(W, u, steps):
    """Return the u that came, so that the next call begins again."""
    new, v, _ = _iterate(W, u, steps)
    return new @ W @ v, u, v


def power_iteration__of_ones(W, u, steps):
    """Begin with ones."""
    u, v, _ = _iterate(W, torch.ones_like(u), steps)
    return u @ W @ v, u, v


def power_iteration__eigenvalue(W, u, steps):
    """Multiply by W alone."""
    u = _unit(u)
    for _ in range(steps):
        u = _unit(W @ u)
    return u @ W @ u, u, u


def power_iteration__sigma_last(W, u, steps):
    """Return u, v, σ."""
    u, v, _ = _iterate(W, u, steps)
    return u, v, u @ W @ v


def power_iteration__one_step_only(W, u, steps):
    """Run one step, whatever is asked for."""
    u, v, _ = _iterate(W, u, 1)
    return u @ W @ v, u, v


def power_iteration__v_again(W, u, steps):
    """Compute v once more at the end."""
    u, _, _ = _iterate(W, u, steps)
    v = _unit(W.T @ u)
    return u @ W @ v, u, v


def _bound(layers, norm, leak=lambda a: max(1.0, abs(a)), skip=lambda f: 1 + f, join=math.prod):
    found = []
    for layer in layers:
        if isinstance(layer, list):
            found.append(skip(_bound(layer, norm, leak, skip, join)))
        elif isinstance(layer, float):
            found.append(leak(layer))
        else:
            found.append(norm(layer))
    return float(join(found))


def _sigma(W):
    return torch.linalg.matrix_norm(W, 2).item()


def lipschitz_bound__frobenius(layers):
    """Take Frobenius norms."""
    return _bound(layers, lambda W: W.norm().item())


def lipschitz_bound__largest_entry(layers):
    """Take the largest entry of each matrix."""
    return _bound(layers, lambda W: W.abs().max().item())


def lipschitz_bound__nuclear(layers):
    """Add up the singular values."""
    return _bound(layers, lambda W: torch.linalg.svdvals(W).sum().item())


def lipschitz_bound__least(layers):
    """Take the least singular value."""
    return _bound(layers, lambda W: torch.linalg.svdvals(W).min().item())


def lipschitz_bound__no_root(layers):
    """Take eigenvalues of WᵀW without their root."""
    return _bound(layers, lambda W: _sigma(W) ** 2)


def lipschitz_bound__largest_row(layers):
    """Take the norm for the largest entry of a vector."""
    return _bound(layers, lambda W: torch.linalg.matrix_norm(W, math.inf).item())


def lipschitz_bound__largest_column(layers):
    """Take the norm for the sum of a vector's entries."""
    return _bound(layers, lambda W: torch.linalg.matrix_norm(W, 1).item())


def lipschitz_bound__sum(layers):
    """Add the layers' bounds."""
    return _bound(layers, _sigma, join=sum)


def lipschitz_bound__steepest_layer(layers):
    """Take the greatest of the layers' bounds."""
    return _bound(layers, _sigma, join=max)


def lipschitz_bound__leak_multiplies(layers):
    """Multiply by a leaky ReLU's a."""
    return _bound(layers, _sigma, leak=abs)


def lipschitz_bound__every_relu_is_one(layers):
    """Take 1 for each activation."""
    return _bound(layers, _sigma, leak=lambda a: 1.0)


def lipschitz_bound__negative_slope(layers):
    """Forget that a slope may be negative and steep."""
    return _bound(layers, _sigma, leak=lambda a: max(1.0, a))


def lipschitz_bound__no_shortcut(layers):
    """Take a residual block for its content."""
    return _bound(layers, _sigma, skip=lambda f: f)


def lipschitz_bound__steeper_way(layers):
    """Take the steeper of a block's two ways."""
    return _bound(layers, _sigma, skip=lambda f: max(1, f))


def lipschitz_bound__ways_at_right_angles(layers):
    """Add the squares of a block's two ways."""
    return _bound(layers, _sigma, skip=lambda f: math.hypot(1, f))


def lipschitz_bound__eigenvalues(layers):
    """Take the greatest eigenvalue where there are any."""
    square = lambda W: W.shape[0] == W.shape[1]  # noqa: E731
    return _bound(layers, lambda W: torch.linalg.eigvals(W).abs().max().item() if square(W) else _sigma(W))


def lipschitz_bound__never_below_one(layers):
    """Believe that a bound is at least 1."""
    return max(1.0, _bound(layers, _sigma))


def lipschitz_bound__block_is_two(layers):
    """Take 2 for each residual block, as if its layers were normalised."""
    return _bound(layers, _sigma, skip=lambda f: 2.0)


def lipschitz_bound__block_doubles(layers):
    """Double the bound of a block's content."""
    return _bound(layers, _sigma, skip=lambda f: 2 * f)


def lipschitz_bound__block_added(layers):
    """Add a block to what came before it."""
    bound = 1.0
    for layer in layers:
        if isinstance(layer, list):
            bound += lipschitz_bound__block_added(layer)
        else:
            bound *= _bound([layer], _sigma)
    return bound


def lipschitz_bound__inner_block_without_x(layers):
    """Forget the x of blocks within blocks."""
    bound = 1.0
    for layer in layers:
        if isinstance(layer, list):
            bound *= 1 + _bound(layer, _sigma, skip=lambda f: f)
        else:
            bound *= _bound([layer], _sigma)
    return bound


def lipschitz_bound__block_sums_up(layers, join=math.prod):
    """Add the layers of a block."""
    found = []
    for layer in layers:
        if isinstance(layer, list):
            found.append(1 + lipschitz_bound__block_sums_up(layer, sum))
        else:
            found.append(_bound([layer], _sigma))
    return float(join(found))


def lipschitz_bound__both_slopes(layers):
    """Add both slopes of a leaky ReLU."""
    return _bound(layers, _sigma, leak=lambda a: 1 + abs(a))


def _hinge(real, fake):
    return F.relu(1 - real).mean() + F.relu(1 + fake).mean()


def hinge_losses__turned_scores(real, fake):
    """Want real scores low and generated ones high."""
    return F.relu(1 + real).mean() + F.relu(1 - fake).mean(), -fake.mean()


def hinge_losses__both_high(real, fake):
    """Want both kinds of scores above 1."""
    return F.relu(1 - real).mean() + F.relu(1 - fake).mean(), -fake.mean()


def hinge_losses__no_hinge(real, fake):
    """Forget the max with 0."""
    return (1 - real).mean() + (1 + fake).mean(), -fake.mean()


def hinge_losses__hinge_of_the_mean(real, fake):
    """Take the mean first."""
    return F.relu(1 - real.mean()) + F.relu(1 + fake.mean()), -fake.mean()


def hinge_losses__no_margin(real, fake):
    """Take 0 for the margin."""
    return F.relu(-real).mean() + F.relu(fake).mean(), -fake.mean()


def hinge_losses__squared(real, fake):
    """Square the hinge."""
    return F.relu(1 - real).square().mean() + F.relu(1 + fake).square().mean(), -fake.mean()


def hinge_losses__sums(real, fake):
    """Add up the samples."""
    return F.relu(1 - real).sum() + F.relu(1 + fake).sum(), -fake.sum()


def hinge_losses__one_mean(real, fake):
    """Take one mean of both sides."""
    return torch.cat([F.relu(1 - real), F.relu(1 + fake)]).mean(), -fake.mean()


def hinge_losses__halved(real, fake):
    """Halve the sum of the two means."""
    return _hinge(real, fake) / 2, -fake.mean()


def hinge_losses__generator_turned(real, fake):
    """Make the generator lower its scores."""
    return _hinge(real, fake), fake.mean()


def hinge_losses__generator_with_hinge(real, fake):
    """Give the generator a hinge as well."""
    return _hinge(real, fake), F.relu(1 - fake).mean()


def hinge_losses__generator_with_the_other_hinge(real, fake):
    """Give the generator the discriminator's term."""
    return _hinge(real, fake), F.relu(1 + fake).mean()


def hinge_losses__negative(real, fake):
    """Give the generator the discriminator's loss turned round."""
    return _hinge(real, fake), -_hinge(real, fake)


def hinge_losses__order(real, fake):
    """Return the generator's loss first."""
    return -fake.mean(), _hinge(real, fake)


def hinge_losses__real_only(real, fake):
    """Leave the generated scores out."""
    return F.relu(1 - real).mean(), -fake.mean()


def hinge_losses__wasserstein(real, fake):
    """Take the Wasserstein game's losses."""
    return fake.mean() - real.mean(), -fake.mean()


def hinge_losses__logits(real, fake):
    """Take the scores for logits."""
    return F.softplus(-real).mean() + F.softplus(fake).mean(), F.softplus(-fake).mean()


def hinge_losses__softplus(real, fake):
    """Take softplus for the discriminator, and no softplus for the generator."""
    return F.softplus(-real).mean() + F.softplus(fake).mean(), -fake.mean()


def hinge_losses__generator_with_softplus(real, fake):
    """Give the generator the non-saturating loss."""
    return _hinge(real, fake), F.softplus(-fake).mean()


def hinge_losses__aim(real, fake):
    """Return what the discriminator makes large."""
    return (real - 1).clamp(max=0).mean() + (-1 - fake).clamp(max=0).mean(), -fake.mean()


def hinge_losses__clamped_from_above(real, fake):
    """Clamp from the wrong side."""
    return (1 - real).clamp(max=0).mean() + (1 + fake).clamp(max=0).mean(), -fake.mean()


def hinge_losses__mixed_up(real, fake):
    """Take real scores for generated ones."""
    return _hinge(fake, real), -real.mean()


def hinge_losses__generator_sees_real(real, fake):
    """Let the generator make the gap between both small."""
    return _hinge(real, fake), real.mean() - fake.mean()


def hinge_losses__no_mean(real, fake):
    """Return one loss for each sample."""
    return F.relu(1 - real) + F.relu(1 + fake), -fake
