"""Wrong answers to the exercises of the chapter `dcgan`, each one idea away from the solution: EXERCISE__idea."""

import math

import torch
from torch import nn
from torch.nn import functional as F
from torch.nn.utils import parameters_to_vector


def _shapes(latent, out_channels, width, size):
    n = int(math.log2(size // 4))
    maps = [(width * 2 ** (n - 1 - i), 4 * 2**i, 4 * 2**i) for i in range(n)]
    return [(latent, 1, 1), *maps, (out_channels, size, size)]


def generator_shapes__channels_turned(latent, out_channels, width, size):
    """Let the channels grow with the side."""
    maps = _shapes(latent, out_channels, width, size)
    channels = [m[0] for m in maps[1:-1]][::-1]
    return [maps[0], *((c, *m[1:]) for c, m in zip(channels, maps[1:-1], strict=True)), maps[-1]]


def generator_shapes__no_noise(latent, out_channels, width, size):
    """Leave the noise out."""
    return _shapes(latent, out_channels, width, size)[1:]


def generator_shapes__no_image(latent, out_channels, width, size):
    """Leave the image out."""
    return _shapes(latent, out_channels, width, size)[:-1]


def generator_shapes__image_of_width(latent, out_channels, width, size):
    """Give the image as many channels as the last map."""
    return [*_shapes(latent, out_channels, width, size)[:-1], (width, size, size)]


def generator_shapes__width_first(latent, out_channels, width, size):
    """Take the width for the channels of the smallest map."""
    maps = _shapes(latent, out_channels, width, size)
    inner = [(max(1, width // 2**i), *m[1:]) for i, m in enumerate(maps[1:-1])]
    return [maps[0], *inner, maps[-1]]


def generator_shapes__same_channels(latent, out_channels, width, size):
    """Keep the channels."""
    maps = _shapes(latent, out_channels, width, size)
    return [maps[0], *((width, *m[1:]) for m in maps[1:-1]), maps[-1]]


def generator_shapes__stride_from_the_start(latent, out_channels, width, size):
    """Double the side of the noise as well: 2×2 comes before 4×4."""
    maps = _shapes(latent, out_channels, width, size)
    return [maps[0], (2 * maps[1][0], 2, 2), *maps[1:]]


def generator_shapes__eight_first(latent, out_channels, width, size):
    """Begin with maps of 8×8."""
    maps = _shapes(latent, out_channels, width, size)
    return [maps[0], *maps[2:]]


def generator_shapes__channels_last(latent, out_channels, width, size):
    """Put the channels last."""
    return [(h, w, c) for c, h, w in _shapes(latent, out_channels, width, size)]


def generator_shapes__one_map_short(latent, out_channels, width, size):
    """Forget the last map before the image."""
    maps = _shapes(latent, out_channels, width, size)
    return maps[:-2] + maps[-1:]


def generator_shapes__from_the_image(latent, out_channels, width, size):
    """List from the image to the noise."""
    return _shapes(latent, out_channels, width, size)[::-1]


def generator_shapes__as_drawn(latent, out_channels, width, size):
    """Copy the picture's maps, whatever the size."""
    return [(latent, 1, 1), (4 * width, 4, 4), (2 * width, 8, 8), (width, 16, 16), (out_channels, size, size)]


def generator_shapes__four_widths_first(latent, out_channels, width, size):
    """Begin with 4 · width channels, whatever the size."""
    maps = _shapes(latent, out_channels, width, size)
    return [maps[0], *((max(1, 4 * width // 2**i), *m[1:]) for i, m in enumerate(maps[1:-1])), maps[-1]]


def generator_shapes__noise_as_map(latent, out_channels, width, size):
    """Think of the noise as a map of 4×4."""
    return [(latent, 4, 4), *_shapes(latent, out_channels, width, size)[1:]]


def generator_shapes__width_at_full_size(latent, out_channels, width, size):
    """Let one more map, as large as the image, come before it."""
    noise, *maps, image = _shapes(latent, out_channels, width, size)
    return [noise, *((2 * c, h, w) for c, h, w in maps), (width, size, size), image]


def _drawn(network, noise, *, kernel=0.02, scale=0.02, centre=1.0, shift=0.0, bias=0.0, leave=()):
    made, left = [], iter(noise)
    for module in network.modules():
        for name, p in module.named_parameters(recurse=False):
            n = next(left)
            if isinstance(module, leave):
                made.append(p.detach())
            elif isinstance(module, nn.BatchNorm2d):
                made.append(centre + scale * n if name == "weight" else shift * n)
            else:
                made.append(kernel * n if name == "weight" else bias * n)
    return made


def first_weights__variance(network, noise):
    """Take 0.02 for the variance."""
    return _drawn(network, noise, kernel=math.sqrt(0.02), scale=math.sqrt(0.02))


def first_weights__squared(network, noise):
    """Square the deviation."""
    return _drawn(network, noise, kernel=0.02**2, scale=0.02**2)


def first_weights__scales_around_zero(network, noise):
    """Draw the scales of batch norm around 0."""
    return _drawn(network, noise, centre=0.0)


def first_weights__scales_fixed(network, noise):
    """Set the scales of batch norm to 1."""
    return _drawn(network, noise, scale=0.0)


def first_weights__shifts_drawn(network, noise):
    """Draw the shifts of batch norm."""
    return _drawn(network, noise, shift=0.02)


def first_weights__biases_drawn(network, noise):
    """Draw the biases of convolutions."""
    return _drawn(network, noise, bias=0.02)


def first_weights__no_transposed(network, noise):
    """Know ordinary convolutions only."""
    return _drawn(network, noise, leave=nn.ConvTranspose2d)


def first_weights__no_batch_norm(network, noise):
    """Leave batch norm as it is."""
    return _drawn(network, noise, leave=nn.BatchNorm2d)


def first_weights__biases_left(network, noise):
    """Leave the biases of convolutions as torch drew them."""
    made = _drawn(network, noise)
    places = [
        name == "bias" and not isinstance(module, nn.BatchNorm2d)
        for module in network.modules()
        for name, _ in module.named_parameters(recurse=False)
    ]
    own = list(network.parameters())
    return [p.detach() if bias else m for p, m, bias in zip(own, made, places, strict=True)]


def first_weights__by_axes(network, noise):
    """Tell the tensors apart by their axes."""
    return [0.02 * n if n.ndim == 4 else 1 + 0.02 * n for n in noise]


def first_weights__all_alike(network, noise):
    """Draw everything from N(0, 0.02²)."""
    return [0.02 * n for n in noise]


def first_weights__one_scaled(network, noise):
    """Multiply the 1 by 0.02 as well."""
    return _drawn(network, noise, centre=0.02)


def first_weights__all_else_is_norm(network, noise):
    """Take for batch norm what is not Conv2d."""
    made = []
    for (name, p), n in zip(network.named_parameters(), noise, strict=True):
        layer = network.get_submodule(name.rpartition(".")[0])
        kernel = 0.02 * n if isinstance(layer, nn.Conv2d) else 1 + 0.02 * n
        made.append(torch.zeros_like(p) if name.endswith("bias") else kernel)
    return made


def first_weights__added(network, noise):
    """Add to the kernels in place of setting them."""
    made = _drawn(network, noise)
    return [m + p.detach() if p.ndim == 4 else m for m, p in zip(made, network.parameters(), strict=True)]


def first_weights__sorted(network, noise):
    """Give all weights first, then all biases and shifts."""
    made = list(zip(network.named_parameters(), _drawn(network, noise), strict=True))
    return [m for last in (False, True) for (name, _), m in made if name.endswith("bias") == last]


def first_weights__no_zeros(network, noise):
    """Give no tensors for what begins at 0."""
    made = zip(network.named_parameters(), _drawn(network, noise), strict=True)
    return [m for (name, _), m in made if not name.endswith("bias")]


def _turn(a, b, t):
    u, v = F.normalize(a), F.normalize(b)
    angle = (u * v).sum(1, keepdim=True).clamp(-1, 1).acos()
    safe = torch.where(angle < 1e-3, torch.ones_like(angle), angle)
    turned = (((1 - t) * safe).sin() * u + (t * safe).sin() * v) / safe.sin()
    return torch.where(angle < 1e-3, u, turned)


def _length(a, b, t):
    return (1 - t) * a.norm(dim=1, keepdim=True) + t * b.norm(dim=1, keepdim=True)


def spherical__straight(a, b, t):
    """Go straight."""
    return (1 - t) * a + t * b


def spherical__straight_then_length(a, b, t):
    """Go straight from direction to direction, and put the length right."""
    return _length(a, b, t) * F.normalize((1 - t) * F.normalize(a) + t * F.normalize(b))


def spherical__ends_turned(a, b, t):
    """Begin at b."""
    return _turn(b, a, t) * _length(b, a, t)


def spherical__length_of_a(a, b, t):
    """Keep the length of a."""
    return _turn(a, b, t) * a.norm(dim=1, keepdim=True)


def spherical__no_length(a, b, t):
    """Return directions."""
    return _turn(a, b, t)


def spherical__weights_of_the_vectors(a, b, t):
    """Weight the vectors, not their directions."""
    u, v = F.normalize(a), F.normalize(b)
    angle = (u * v).sum(1, keepdim=True).clamp(-1, 1).acos()
    safe = torch.where(angle < 1e-3, torch.ones_like(angle), angle)
    turned = (((1 - t) * safe).sin() * a + (t * safe).sin() * b) / safe.sin()
    return torch.where(angle < 1e-3, (1 - t) * a + t * b, turned)


def spherical__one_angle(a, b, t):
    """Take one angle for all rows."""
    angle = F.cosine_similarity(a.flatten(), b.flatten(), dim=0).clamp(-1, 1).acos()
    turned = (((1 - t) * angle).sin() * F.normalize(a) + (t * angle).sin() * F.normalize(b)) / angle.sin()
    return turned * _length(a, b, t)


def spherical__no_division(a, b, t):
    """Forget to divide by the sine."""
    u, v = F.normalize(a), F.normalize(b)
    angle = (u * v).sum(1, keepdim=True).clamp(-1, 1).acos()
    return (((1 - t) * angle).sin() * u + (t * angle).sin() * v) * _length(a, b, t)


def spherical__zero_by_zero(a, b, t):
    """Divide by the sine also where it is 0."""
    u, v = F.normalize(a.double()), F.normalize(b.double())
    angle = (u * v).sum(1, keepdim=True).clamp(-1, 1).acos()
    angle = torch.where(angle < 1e-4, torch.zeros_like(angle), angle)
    return (((1 - t) * angle).sin() * u + (t * angle).sin() * v) / angle.sin() * _length(a, b, t)


def spherical__zeros_for_equal(a, b, t):
    """Hide 0 by 0 behind a small number in the denominator."""
    u, v = F.normalize(a.double()), F.normalize(b.double())
    angle = (u * v).sum(1, keepdim=True).clamp(-1, 1).acos()
    angle = torch.where(angle < 1e-4, torch.zeros_like(angle), angle)
    return (((1 - t) * angle).sin() * u + (t * angle).sin() * v) / (angle.sin() + 1e-8) * _length(a, b, t)


def spherical__length_of_batch(a, b, t):
    """Forget dim=1 in each norm."""
    u, v = a / a.norm(), b / b.norm()
    angle = (u * v).sum().clamp(-1, 1).acos()
    length = (1 - t) * a.norm() + t * b.norm()
    return (((1 - t) * angle).sin() * u + (t * angle).sin() * v) / angle.sin() * length


def spherical__length_backwards(a, b, t):
    """Let the length go from |b| to |a|."""
    return _turn(a, b, t) * _length(b, a, t)


def _move(network, loss, lr):
    for p, g in zip(network.parameters(), torch.autograd.grad(loss, list(network.parameters())), strict=True):
        p.data -= lr * g


def _real_loss(discriminator, real, fake):
    return F.softplus(-discriminator(real)).mean() + F.softplus(discriminator(fake)).mean()


def _weights(generator, discriminator):
    return parameters_to_vector(generator.parameters()), parameters_to_vector(discriminator.parameters())


def _play(generator, discriminator, real, z, lr, *, judged=_real_loss, drawn=None):
    fake = generator(z)
    _move(discriminator, judged(discriminator, real, fake.detach()), lr)
    loss = F.softplus(-discriminator(fake)).mean() if drawn is None else drawn(discriminator, fake)
    _move(generator, loss, lr)
    return _weights(generator, discriminator)


def alternate_step__at_once(generator, discriminator, real, z, lr):
    """Compute both losses before anybody moves."""
    fake = generator(z)
    mine = _real_loss(discriminator, real, fake.detach())
    slopes = torch.autograd.grad(F.softplus(-discriminator(fake)).mean(), list(generator.parameters()))
    _move(discriminator, mine, lr)
    for p, g in zip(generator.parameters(), slopes, strict=True):
        p.data -= lr * g
    return _weights(generator, discriminator)


def alternate_step__no_detach(generator, discriminator, real, z, lr):
    """Forget detach, and clear no gradient in between."""
    _real_loss(discriminator, real, generator(z)).backward()
    with torch.no_grad():
        for p in discriminator.parameters():
            p -= lr * p.grad
    F.softplus(-discriminator(generator(z))).mean().backward()
    with torch.no_grad():
        for p in generator.parameters():
            p -= lr * p.grad
    return _weights(generator, discriminator)


def alternate_step__one_optimiser(generator, discriminator, real, z, lr):
    """Let the generator's loss move both networks."""
    fake = generator(z)
    _move(discriminator, _real_loss(discriminator, real, fake.detach()), lr)
    both = [*generator.parameters(), *discriminator.parameters()]
    slopes = torch.autograd.grad(F.softplus(-discriminator(fake)).mean(), both)
    for p, g in zip(both, slopes, strict=True):
        p.data -= lr * g
    return _weights(generator, discriminator)


def alternate_step__detached_twice(generator, discriminator, real, z, lr):
    """Detach in the generator's step, too."""
    fake = generator(z).detach()
    _move(discriminator, _real_loss(discriminator, real, fake), lr)
    F.softplus(-discriminator(fake)).mean().backward()
    for p in generator.parameters():
        if p.grad is not None:
            p.data -= lr * p.grad
    return _weights(generator, discriminator)


def alternate_step__aims_turned(generator, discriminator, real, z, lr):
    """Turn the discriminator's aims round."""
    return _play(generator, discriminator, real, z, lr, judged=lambda d, x, y: _real_loss(d, y, x))


def alternate_step__saturating(generator, discriminator, real, z, lr):
    """Take the saturating loss."""
    return _play(generator, discriminator, real, z, lr, drawn=lambda d, y: -F.softplus(d(y)).mean())


def alternate_step__helps(generator, discriminator, real, z, lr):
    """Let the generator help the discriminator."""
    return _play(generator, discriminator, real, z, lr, drawn=lambda d, y: F.softplus(d(y)).mean())


def alternate_step__sums(generator, discriminator, real, z, lr):
    """Add up over the batch."""
    return _play(
        generator,
        discriminator,
        real,
        z,
        lr,
        judged=lambda d, x, y: F.softplus(-d(x)).sum() + F.softplus(d(y)).sum(),
        drawn=lambda d, y: F.softplus(-d(y)).sum(),
    )


def alternate_step__halved(generator, discriminator, real, z, lr):
    """Halve the discriminator's loss."""
    return _play(generator, discriminator, real, z, lr, judged=lambda d, x, y: _real_loss(d, x, y) / 2)


def alternate_step__only_real(generator, discriminator, real, z, lr):
    """Show the discriminator real samples only."""
    return _play(generator, discriminator, real, z, lr, judged=lambda d, x, y: F.softplus(-d(x)).mean())


def alternate_step__climbs(generator, discriminator, real, z, lr):
    """Add the gradient."""
    return _play(generator, discriminator, real, z, -lr)


def alternate_step__generator_first(generator, discriminator, real, z, lr):
    """Let the generator go first."""
    _move(generator, F.softplus(-discriminator(generator(z))).mean(), lr)
    _move(discriminator, _real_loss(discriminator, real, generator(z).detach()), lr)
    return _weights(generator, discriminator)


def alternate_step__order(generator, discriminator, real, z, lr):
    """Return the discriminator's weights first."""
    return _play(generator, discriminator, real, z, lr)[::-1]


def alternate_step__one_mean(generator, discriminator, real, z, lr):
    """Take one mean over real and generated samples."""
    return _play(
        generator,
        discriminator,
        real,
        z,
        lr,
        judged=lambda d, x, y: F.softplus(torch.cat([-d(x), d(y)])).mean(),
    )


def alternate_step__bare_logits(generator, discriminator, real, z, lr):
    """Forget softplus: the game of a critic."""
    return _play(
        generator,
        discriminator,
        real,
        z,
        lr,
        judged=lambda d, x, y: d(y).mean() - d(x).mean(),
        drawn=lambda d, y: -d(y).mean(),
    )


def alternate_step__probabilities(generator, discriminator, real, z, lr):
    """Take sigmoids without their logarithm."""
    return _play(
        generator,
        discriminator,
        real,
        z,
        lr,
        judged=lambda d, x, y: (-d(x)).sigmoid().mean() + d(y).sigmoid().mean(),
        drawn=lambda d, y: (-d(y)).sigmoid().mean(),
    )


def alternate_step__adam(generator, discriminator, real, z, lr):
    """Let Adam make the steps, as the chapter does."""
    for_g, for_d = (torch.optim.Adam(n.parameters(), lr=lr) for n in (generator, discriminator))
    _real_loss(discriminator, real, generator(z).detach()).backward()
    for_d.step()
    F.softplus(-discriminator(generator(z))).mean().backward()
    for_g.step()
    return _weights(generator, discriminator)
