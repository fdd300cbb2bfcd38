"""An exponential average of a network's weights, which often draws and labels better than the last ones."""

import torch
from torch import nn


@torch.no_grad()
def update_average(average: nn.Module, model: nn.Module, decay: float) -> None:
    """Move `average`, a copy of `model`, to `decay · average + (1 − decay) · model`, in place.

    Floating-point parameters and buffers are averaged, batch norm's statistics among them, since they belong to the
    averaged weights; integer buffers (batch norm's counter) have no average and are copied.
    """
    theirs = model.state_dict()
    for name, mine in average.state_dict().items():
        if mine.is_floating_point():
            mine.lerp_(theirs[name].to(mine.dtype), 1.0 - decay)
        else:
            mine.copy_(theirs[name])
