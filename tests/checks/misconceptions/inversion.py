"""Wrong answers to the exercises of the chapter `inversion`, each one idea away from the solution: EXERCISE__idea."""

import torch
import torch.nn.functional as F


def _error(x, y):
    return (x - y).square().mean((1, 2, 3))


def psnr__peak_one(x, y):
    """Take images for ones in [0, 1]."""
    return 10 * torch.log10(1 / _error(x, y))


def psnr__peak_255(x, y):
    """Take images for bytes."""
    return 10 * torch.log10(255**2 / _error(x, y))


def psnr__peak_not_squared(x, y):
    """Forget to square the peak."""
    return 10 * torch.log10(2 / _error(x, y))


def psnr__turned(x, y):
    """Divide the error by the peak."""
    return 10 * torch.log10(_error(x, y) / 4)


def psnr__natural(x, y):
    """Take the natural logarithm."""
    return 10 * torch.log(4 / _error(x, y))


def psnr__twenty(x, y):
    """Take the factor that belongs to the root."""
    return 20 * torch.log10(4 / _error(x, y))


def psnr__one_mean(x, y):
    """Take the mean over the whole batch."""
    return (10 * torch.log10(4 / (x - y).square().mean())).expand(len(x))


def psnr__mean_of_batch(x, y):
    """Return the mean of all images' values."""
    return (10 * torch.log10(4 / _error(x, y))).mean()


def psnr__sum(x, y):
    """Add the squares up."""
    return 10 * torch.log10(4 / (x - y).square().sum((1, 2, 3)))


def psnr__absolute(x, y):
    """Take the mean absolute difference."""
    return 20 * torch.log10(2 / (x - y).abs().mean((1, 2, 3)))


def psnr__own_range(x, y):
    """Take the peak from the picture."""
    return 10 * torch.log10((x.amax((1, 2, 3)) - x.amin((1, 2, 3))) ** 2 / _error(x, y))


def psnr__root(x, y):
    """Take the root, and keep the factor 10."""
    return 10 * torch.log10(4 / _error(x, y).sqrt())


def psnr__squared_mean(x, y):
    """Average before squaring."""
    return 10 * torch.log10(4 / (x - y).mean((1, 2, 3)).square())


def _loop(generator, target, z, steps, lr, *, loss=None, move=None):
    z = z.clone().requires_grad_()
    for _ in range(steps):
        error = _error(generator(z), target).sum() if loss is None else loss(generator(z), target, z)
        (slope,) = torch.autograd.grad(error, z)
        step = lr * (slope if move is None else move(slope))
        z = (z - step).detach().requires_grad_()
    return z.detach()


def invert__uphill(generator, target, z, steps, lr):
    """Add the gradient."""
    return _loop(generator, target, z, steps, -lr)


def invert__mean_of_batch(generator, target, z, steps, lr):
    """Average over the batch."""
    return _loop(generator, target, z, steps, lr, loss=lambda g, t, z: F.mse_loss(g, t))


def invert__sum_of_pixels(generator, target, z, steps, lr):
    """Add up the pixels."""
    return _loop(generator, target, z, steps, lr, loss=lambda g, t, z: (g - t).square().sum())


def invert__absolute(generator, target, z, steps, lr):
    """Descend on absolute differences."""
    return _loop(generator, target, z, steps, lr, loss=lambda g, t, z: (g - t).abs().mean((1, 2, 3)).sum())


def invert__root(generator, target, z, steps, lr):
    """Descend on the root of the mean square."""
    return _loop(generator, target, z, steps, lr, loss=lambda g, t, z: _error(g, t).sqrt().sum())


def invert__one_step_for_all(generator, target, z, steps, lr):
    """Move all noises by one gradient."""
    return _loop(generator, target, z, steps, lr, move=lambda s: s.sum(0))


def invert__signs(generator, target, z, steps, lr):
    """Take the sign of the gradient."""
    return _loop(generator, target, z, steps, lr, move=torch.sign)


def invert__unit(generator, target, z, steps, lr):
    """Bring each gradient to length 1."""
    return _loop(generator, target, z, steps, lr, move=lambda s: F.normalize(s, dim=1))


def invert__first_gradient(generator, target, z, steps, lr):
    """Compute the gradient once."""
    return z + steps * (_loop(generator, target, z, 1, lr) - z)


def invert__training(generator, target, z, steps, lr):
    """Put the generator into training mode."""
    return _loop(generator.train(), target, z, steps, lr)


def invert__stops_early(generator, target, z, steps, lr):
    """Stop where the error is small."""
    for _ in range(steps):
        if _error(generator(z), target).sum() < 1e-3:
            break
        z = _loop(generator, target, z, 1, lr)
    return z


def invert__not_zeroed(generator, target, z, steps, lr):
    """Let the gradients add up."""
    z = z.clone().requires_grad_()
    for _ in range(steps):
        _error(generator(z), target).sum().backward()
        with torch.no_grad():
            z -= lr * z.grad
    return z.detach()


def invert__pulled(generator, target, z, steps, lr):
    """Add a penalty on the noise."""
    return _loop(generator, target, z, steps, lr, loss=lambda g, t, z: _error(g, t).sum() + z.square().mean(1).sum())


def invert__one_step(generator, target, z, steps, lr):
    """Take a single step."""
    return _loop(generator, target, z, 1, lr)


def invert__one_more(generator, target, z, steps, lr):
    """Take one step too many."""
    return _loop(generator, target, z, steps + 1, lr)


def invert__from_zero(generator, target, z, steps, lr):
    """Begin at 0."""
    return _loop(generator, target, torch.zeros_like(z), steps, lr)


def invert__a_copy(generator, target, z, steps, lr):
    """Move a copy, and return what was given."""
    _loop(generator, target, z, steps, lr)
    return z.clone()


def invert__images(generator, target, z, steps, lr):
    """Return the images."""
    return generator(_loop(generator, target, z, steps, lr)).detach()


def invert__in_place(generator, target, z, steps, lr):
    """Move the reader's own start."""
    z.copy_(_loop(generator, target, z, max(steps, 1), lr))
    return z


def _solved(z, J, rest, matrix):
    return z - torch.linalg.pinv(matrix) @ (J.T @ rest)


def damped_step__added(z, J, rest, damping):
    """Add the step."""
    return z + torch.linalg.solve(J.T @ J + damping * torch.eye(len(z)), J.T @ rest)


def damped_step__undamped(z, J, rest, damping):
    """Leave the damping out."""
    return _solved(z, J, rest, J.T @ J)


def damped_step__gradient(z, J, rest, damping):
    """Take a step along the gradient."""
    return z - J.T @ rest


def damped_step__marquardt(z, J, rest, damping):
    """Scale the diagonal."""
    return _solved(z, J, rest, J.T @ J + damping * torch.diag((J.T @ J).diagonal()))


def damped_step__every_entry(z, J, rest, damping):
    """Add the damping to the whole matrix."""
    return _solved(z, J, rest, J.T @ J + damping)


def damped_step__subtracted(z, J, rest, damping):
    """Subtract the damping."""
    return _solved(z, J, rest, J.T @ J - damping * torch.eye(len(z)))


def damped_step__squared(z, J, rest, damping):
    """Square the damping."""
    return _solved(z, J, rest, J.T @ J + damping**2 * torch.eye(len(z)))


def damped_step__delta(z, J, rest, damping):
    """Return the step alone."""
    return torch.linalg.solve(J.T @ J + damping * torch.eye(len(z)), J.T @ rest)


def damped_step__diagonal(z, J, rest, damping):
    """Look at the diagonal only."""
    return z - (J.T @ rest) / ((J.T @ J).diagonal() + damping)


def damped_step__inverse_damped(z, J, rest, damping):
    """Add the damping to the inverse."""
    return z - (torch.linalg.pinv(J.T @ J) + damping * torch.eye(len(z))) @ (J.T @ rest)


def damped_step__means(z, J, rest, damping):
    """Take means over the rows for sums."""
    return _solved(z, J, rest / len(J), J.T @ J / len(J) + damping * torch.eye(len(z)))


def damped_step__not_inverted(z, J, rest, damping):
    """Multiply by the matrix."""
    return z - (J.T @ J + damping * torch.eye(len(z))) @ (J.T @ rest)


def step_along__other_way(z, absent, present, amount):
    """Go from those with it to those without."""
    return z + amount * F.normalize(absent.mean(0) - present.mean(0), dim=0)


def step_along__not_a_unit(z, absent, present, amount):
    """Forget to divide by the length."""
    return z + amount * (present.mean(0) - absent.mean(0))


def step_along__never_back(z, absent, present, amount):
    """Lose the sign of the amount."""
    return z + abs(amount) * F.normalize(present.mean(0) - absent.mean(0), dim=0)


def step_along__unit_means(z, absent, present, amount):
    """Divide each mean by its length, and not their difference."""
    return z + amount * (F.normalize(present.mean(0), dim=0) - F.normalize(absent.mean(0), dim=0))


def step_along__one_number(z, absent, present, amount):
    """Average over everything."""
    way = present.mean() - absent.mean()
    return z + amount * way / way.norm()


def step_along__squared_norm(z, absent, present, amount):
    """Divide by the squared length."""
    way = present.mean(0) - absent.mean(0)
    return z + amount * way / way.square().sum()


def step_along__absolute(z, absent, present, amount):
    """Divide by the sum of absolute values."""
    return z + amount * F.normalize(present.mean(0) - absent.mean(0), p=1, dim=0)


def step_along__sums(z, absent, present, amount):
    """Take sums for means."""
    return z + amount * F.normalize(present.sum(0) - absent.sum(0), dim=0)


def step_along__from_zero(z, absent, present, amount):
    """Take the mean of those with it for the direction."""
    return z + amount * F.normalize(present.mean(0), dim=0)


def step_along__direction_only(z, absent, present, amount):
    """Return the step alone."""
    return amount * F.normalize(present.mean(0) - absent.mean(0), dim=0)


def step_along__on_the_sphere(z, absent, present, amount):
    """Keep the length of each noise."""
    moved = z + amount * F.normalize(present.mean(0) - absent.mean(0), dim=0)
    return F.normalize(moved, dim=1) * z.norm(dim=1, keepdim=True)


def step_along__towards(z, absent, present, amount):
    """Walk towards the mean of those with it."""
    return z + amount * F.normalize(present.mean(0) - z, dim=1)


def step_along__pairs(z, absent, present, amount):
    """Cut the longer set."""
    few = min(len(absent), len(present))
    return z + amount * F.normalize((present[:few] - absent[:few]).mean(0), dim=0)
