"""What every dataset shares: where data lies, how pixels become tensors, and how bad arguments are refused."""

import os
from pathlib import Path

import numpy as np
import torch


def data_root() -> Path:
    """Return the folder in which real datasets are looked for: `$SEGEN_DATA`, or the user's cache folder.

    The cache folder is `$XDG_CACHE_HOME/segen/data`, or `~/.cache/segen/data`. It is not created.
    """
    if os.environ.get("SEGEN_DATA"):
        return Path(os.environ["SEGEN_DATA"]).expanduser()
    cache = os.environ.get("XDG_CACHE_HOME") or "~/.cache"
    return Path(cache).expanduser() / "segen" / "data"


def as_image(pixels: np.ndarray) -> torch.Tensor:
    """Turn uint8 pixels `[H, W, C]` or `[H, W]`, 0 to 255, into an image: float32 `[C, H, W]` in [-1, 1]."""
    if pixels.ndim == 2:
        pixels = pixels[:, :, None]
    channels_first = np.ascontiguousarray(pixels.transpose(2, 0, 1))
    return torch.from_numpy(channels_first).float().div_(127.5).sub_(1.0)


def check_index(index: int, length: int, name: str) -> int:
    """Return `index` counted from the front; raise IndexError if it is beyond the end of `name`."""
    if not -length <= index < length:
        raise IndexError(f"{name} has {length} samples, so index {index} is beyond its end; use 0 to {length - 1}.")
    return index % length


def check_length(length: int, name: str) -> int:
    """Return `length`; raise ValueError if it is not a whole number of at least 0."""
    if isinstance(length, bool) or not isinstance(length, int | np.integer) or length < 0:
        raise ValueError(f"{name} was given length={length!r}; give a whole number of samples, 0 or more.")
    return int(length)


def check_choice(value: str, choices: tuple[str, ...], argument: str, name: str) -> str:
    """Return `value`; raise ValueError, naming the `choices`, if it is none of them."""
    if value not in choices:
        raise ValueError(f"{name} was given {argument}={value!r}; choose one of {', '.join(map(repr, choices))}.")
    return value
