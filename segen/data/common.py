"""What every dataset shares: where data lies, how pixels become tensors, and how bad arguments are refused."""

import math
import operator
import os
import zlib
from contextlib import contextmanager
from http.client import HTTPException
from io import BytesIO
from numbers import Integral
from pathlib import Path
from zipfile import BadZipFile

import numpy as np
import torch
from PIL import Image
from torch.utils.data import Dataset

VOID = 255


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
    """Return `index` counted from the front; raise IndexError if it is beyond the end of `name`, or no whole number."""
    try:
        index = operator.index(index)
    except TypeError:
        raise IndexError(f"{name} was given the index {index!r}; give one whole number.") from None
    if length == 0:
        raise IndexError(f"{name} is empty, so there is no sample {index}; give it a length of 1 or more.")
    if not -length <= index < length:
        raise IndexError(f"{name} has {length} samples, so index {index} is beyond its end; use 0 to {length - 1}.")
    return index % length


def check_length(length: int, name: str) -> int:
    """Return `length`; raise ValueError if it is not a whole number of at least 0."""
    if isinstance(length, bool) or not isinstance(length, int | np.integer) or length < 0:
        raise ValueError(f"{name} was given length={length!r}; give a whole number of samples, 0 or more.")
    return int(length)


def check_numbers(**arguments: tuple[int, float]) -> None:
    """Raise ValueError if one of the named `(value, least)` is not a whole number of at least `least`."""
    for name, (value, least) in arguments.items():
        if isinstance(value, bool) or not isinstance(value, Integral) or value < least:
            range_ = "" if least == -math.inf else f", {least} or more"
            raise ValueError(f"{name}={value!r} was given; give a whole number{range_}.")


def check_choice(value: str, choices: tuple[str, ...], argument: str, name: str) -> str:
    """Return `value`; raise ValueError, naming the `choices`, if it is none of them."""
    if value not in choices:
        raise ValueError(f"{name} was given {argument}={value!r}; choose one of {', '.join(map(repr, choices))}.")
    return value


# Real sets: finding them, reading them, and one way to hand out samples.


def root_folder(root: str | os.PathLike | None) -> Path:
    """Return the folder in which a dataset looks: `root`, or `data_root()` for None."""
    return data_root() if root is None else Path(root).expanduser()


def check_size(size: tuple[int, int] | None, name: str) -> tuple[int, int] | None:
    """Return `size`; raise ValueError if it is neither None nor a (height, width) of positive whole numbers."""
    if size is None:
        return None
    whole = isinstance(size, tuple | list) and len(size) == 2 and all(type(side) is int for side in size)
    if not whole or min(size) < 1:
        raise ValueError(f"{name} was given size={size!r}; give (height, width) in pixels, or None to keep them.")
    return size[0], size[1]


def absent(what: str, folder: Path, advice: str) -> FileNotFoundError:
    """Return the error for data that are not there: one sentence that names the folder and says what to do."""
    return FileNotFoundError(f"{what} was looked for in {folder} and is not there; {advice}.")


@contextmanager
def downloading(name: str, folder: Path):
    """Turn whatever stops torchvision's download of `name` into one FileNotFoundError that says what to do."""
    try:
        yield
    except (OSError, RuntimeError, HTTPException) as error:
        raise FileNotFoundError(
            f"{name} could not be downloaded into {folder} ({error}); "
            "call it again with download=True when the network answers."
        ) from error


def write_beside(path: Path, content: bytes) -> None:
    """Write `content` to `path` so that the file is either whole or not there: beside, then renamed."""
    path.parent.mkdir(parents=True, exist_ok=True)
    part = path.with_name(f".{path.name}.{os.getpid()}.part")
    try:
        part.write_bytes(content)
        part.replace(path)
    finally:
        part.unlink(missing_ok=True)


def load_array(path: Path, key: str) -> np.ndarray:
    """Return the array `key` of an .npz file; raise ValueError if the file is damaged or lacks it."""
    try:
        with np.load(path, allow_pickle=False) as arrays:
            return arrays[key]
    except FileNotFoundError:
        raise
    except (OSError, KeyError, ValueError, EOFError, BadZipFile, zlib.error) as error:
        raise ValueError(f"{path} does not yield the array {key!r} ({error}); get the file again.") from error


def open_picture(file: str | os.PathLike | BytesIO, source: str) -> Image.Image:
    """Return a fully decoded picture; raise ValueError, naming `source`, if it is damaged."""
    try:
        with Image.open(file) as picture:
            picture.load()
            return picture
    except FileNotFoundError:
        raise
    except (OSError, SyntaxError) as error:
        raise ValueError(f"{source} is not a whole picture ({error}); delete it and get it again.") from error


def read_rgb(file: str | os.PathLike | BytesIO, source: str) -> np.ndarray:
    """Return a picture's colours, uint8 `[H, W, 3]`; a grey picture gets three equal channels."""
    return np.array(open_picture(file, source).convert("RGB"))


def read_labels(file: str | os.PathLike | BytesIO, source: str, *, modes: tuple[str, ...] = ("L",)) -> np.ndarray:
    """Return a mask's stored numbers, uint8 `[H, W]`; raise ValueError if the picture holds colours instead."""
    picture = open_picture(file, source)
    if picture.mode not in modes:
        raise ValueError(
            f"{source} is a picture of mode {picture.mode!r}, but a mask holds one class index a pixel "
            f"(mode {' or '.join(map(repr, modes))}); save the indices, not their colours."
        )
    return np.array(picture)


def label_table(meaning: dict[int, int]) -> np.ndarray:
    """Return the int16 table `[256]` from a stored number to its class; -1 marks numbers that mean nothing."""
    table = np.full(256, -1, dtype=np.int16)
    table[list(meaning)] = list(meaning.values())
    return table


def relabel(labels: np.ndarray, table: np.ndarray, source: str) -> np.ndarray:
    """Translate stored numbers into classes, uint8 `[H, W]`; raise ValueError at a number outside the table."""
    classes = table[labels]
    stray = classes < 0
    if stray.any():
        raise ValueError(
            f"{source} holds the label {labels[stray][0]} in {stray.sum()} of its pixels, but only "
            f"{', '.join(map(str, np.flatnonzero(table >= 0)))} mean something; correct or replace the file."
        )
    return classes.astype(np.uint8)


def devkit_palette(count: int) -> np.ndarray:
    """Return `count` colours, uint8 `[count, 3]`, as the PASCAL VOC development kit assigns them.

    The lowest three bits of an index become the highest bits of red, green and blue, and so on upwards.
    """
    index = np.arange(count)
    palette = np.zeros((count, 3), dtype=np.uint8)
    for bit in range(8):
        for channel in range(3):
            palette[:, channel] |= ((index >> (3 * bit + channel) & 1) << (7 - bit)).astype(np.uint8)
    return palette


def check_pairs(pairs: list[tuple[str, str]]) -> None:
    """Raise ValueError at the first (image, mask) of which a file is missing."""
    for image, mask in pairs:
        for there, missing in ((image, mask), (mask, image)):
            if not os.path.isfile(missing):
                raise ValueError(f"{there} has no partner, {missing} is missing; put it there or get the set again.")


class LabelDataset(Dataset):
    """Small pictures with one label each; a subclass has `pixels`, uint8 `[N, H, W, C]` or `[N, H, W]`."""

    classes: tuple[str, ...]
    pixels: np.ndarray

    def __init__(self, labels: np.ndarray, source: str):
        if len(labels) == 0 or labels.max() >= len(self.classes):
            raise ValueError(
                f"{source} must hold labels 0 to {len(self.classes) - 1}, at least one, but it holds "
                f"{len(labels)} with {labels.max(initial=0)} the greatest; get the file again."
            )
        self.labels = labels

    def __len__(self) -> int:
        """Return the number of samples."""
        return len(self.labels)

    def __getitem__(self, index: int) -> tuple[torch.Tensor, int]:
        """Return the image, float32 `[C, H, W]` in [-1, 1], and its label, an int."""
        index = check_index(index, len(self), type(self).__name__)
        return as_image(self.pixels[index]), int(self.labels[index])


class MaskDataset(Dataset):
    """Images with a mask each, checked and resized alike.

    A subclass writes `read(index)`: pixels (uint8 `[H, W, 3]` or `[H, W]`), classes (uint8 `[H, W]`, 255 for
    void) and the name of the file they come from.
    """

    classes: tuple[str, ...]
    palette: np.ndarray

    def __init__(self, length: int, size: tuple[int, int] | None):
        self.length = length
        self.size = check_size(size, type(self).__name__)

    def sample(self, index: int) -> tuple[np.ndarray, np.ndarray]:
        """Return pixels and classes as uint8, both of the asked size.

        The image is averaged down (antialiased bilinear); the mask takes the label under each new pixel's
        centre, because a mean of two class indices is a third class.
        """
        pixels, labels, source = self.read(index)
        if pixels.shape[:2] != labels.shape:
            raise ValueError(
                f"{source} is {pixels.shape[0]}×{pixels.shape[1]} pixels, but its mask is "
                f"{labels.shape[0]}×{labels.shape[1]}; image and mask must be of one size."
            )
        if self.size is None or self.size == labels.shape:
            return pixels, labels
        width_first = self.size[::-1]
        pixels = Image.fromarray(pixels).resize(width_first, Image.Resampling.BILINEAR)
        labels = Image.fromarray(labels).resize(width_first, Image.Resampling.NEAREST)
        return np.array(pixels), np.array(labels)

    def __len__(self) -> int:
        """Return the number of samples."""
        return self.length

    def __getitem__(self, index: int) -> tuple[torch.Tensor, torch.Tensor]:
        """Return the image, float32 `[C, H, W]` in [-1, 1], and its mask, int64 `[H, W]` with 255 for void."""
        pixels, labels = self.sample(check_index(index, len(self), type(self).__name__))
        return as_image(pixels), torch.from_numpy(labels).long()
