"""Augmentation of images and masks together, by the transforms of torchvision."""

import functools
from collections.abc import Callable

import torch
from torch import Tensor

from segen.data.common import VOID

KNOWN = 123  # marks, beside the mask, what was there before: a number that nobody fills with


def joint(transform) -> Callable[[Tensor, Tensor], tuple[Tensor, Tensor]]:
    """Return `augment(image, mask)`, which moves both by one draw of `transform`, a `torchvision.transforms.v2` one.

    The image, float `[C, H, W]` in [-1, 1], is given to the transform in [0, 1], the range that those of light and
    colour expect, and comes back in [-1, 1], of the size that the transform gives. The mask, integers `[H, W]`, is
    moved by nearest neighbour, so it keeps to its classes, and what comes from beyond the border is 255 (void) in it,
    whatever the image is filled with. Draws are torch's, so `batches` and `fit(augment=…)` seed them for each sample.

    Raises ValueError for a transform of another kind; `augment` does so for an image and a mask that do not fit
    together, before the transform or after it.
    """
    from torchvision.transforms import v2  # takes half a second, and nothing else here needs it

    if not isinstance(transform, v2.Transform):
        kind = transform.__name__ if isinstance(transform, type) else type(transform).__name__
        raise ValueError(
            f"joint was given {kind}; give an instance of a transform of torchvision.transforms.v2, several as "
            "v2.Compose([…])."
        )
    return functools.partial(_move, transform=transform)  # its settings can be read, for a checkpoint to compare


def _move(image: Tensor, mask: Tensor, *, transform) -> tuple[Tensor, Tensor]:
    """Transform an image `[C, H, W]` and its mask `[H, W]`."""
    from torchvision import tv_tensors

    _check_pair(image, mask, "An augmentation of image and mask was given")
    labels = torch.stack([mask, torch.full_like(mask, KNOWN)])
    moved = transform(tv_tensors.Image((image + 1) / 2), tv_tensors.Mask(labels))
    image, (mask, known) = (value.as_subclass(Tensor) for value in moved)
    image = image * 2 - 1
    _check_pair(image, mask, f"The transform {type(transform).__name__} gave back")
    return image, mask.where(known == KNOWN, VOID)


def _check_pair(image: Tensor, mask: Tensor, what: str) -> None:
    given = [f"{list(v.shape)} of {v.dtype}" if isinstance(v, Tensor) else type(v).__name__ for v in (image, mask)]
    fit = isinstance(image, Tensor) and image.ndim == 3 and image.is_floating_point()
    fit = fit and isinstance(mask, Tensor) and mask.ndim == 2
    if not fit or mask.is_floating_point() or mask.dtype == torch.bool:
        raise ValueError(f"{what} {' and '.join(given)}; both are needed: floats [C, H, W] and class indices [H, W].")
    if image.shape[1:] != mask.shape:
        raise ValueError(f"{what} {' and '.join(given)}; bring image and mask to one height and width.")
