"""Fashion-MNIST: small grey pictures of ten kinds of clothing.

Xiao, Rasul and Vollgraf, "Fashion-MNIST: a novel image dataset for benchmarking machine learning algorithms", 2017.
"""

import gzip
import os
import zlib
from functools import cached_property
from math import prod
from pathlib import Path

import numpy as np

from segen.data.common import LabelDataset, absent, check_choice, downloading, root_folder


class FashionMNIST(LabelDataset):
    """Grey pictures of ten kinds of clothing: image float32 `[1, 28, 28]` in [-1, 1], label an int from 0 to 9.

    `root` (None: `data_root()`) holds the published files, `FashionMNIST/train-images-idx3-ubyte.gz` and so on, or
    torchvision's layout, `FashionMNIST/raw`; a part of the set is read as well as the whole. `split` is "train" or
    "test". `download=True` fetches the whole set where nothing is there. FileNotFoundError if there is nothing to
    read, ValueError for a damaged file.
    """

    classes = (
        "T-shirt/top",
        "Trouser",
        "Pullover",
        "Dress",
        "Coat",
        "Sandal",
        "Shirt",
        "Sneaker",
        "Bag",
        "Ankle boot",
    )

    def __init__(self, root: str | os.PathLike | None = None, split: str = "train", *, download: bool = False):
        check_choice(split, ("train", "test"), "split", "FashionMNIST")
        root = root_folder(root)
        files = _find(root, split)
        if files is None and download:
            from torchvision import datasets

            with downloading("Fashion-MNIST", root):
                datasets.FashionMNIST(str(root), download=True)
            files = _find(root, split)
        if files is None:
            raise absent(
                "Fashion-MNIST",
                root,
                "call FashionMNIST(download=True), or put the published .gz files into the folder FashionMNIST",
            )
        self.path, labels = files
        super().__init__(_read_idx(labels, 1), str(labels))

    @cached_property
    def pixels(self) -> np.ndarray:
        """Return the pictures of the split, uint8 `[N, 28, 28]`, read at the first sample."""
        pixels = _read_idx(self.path, 3)
        if len(pixels) != len(self):
            raise ValueError(
                f"{self.path} holds {len(pixels)} pictures, but there are {len(self)} labels beside it; "
                "get both files again."
            )
        return pixels


def _find(root: Path, split: str) -> tuple[Path, Path] | None:
    """Return the files of pictures and labels, or None where a folder with both is missing."""
    stem = "train" if split == "train" else "t10k"
    for folder in (root / "FashionMNIST", root / "FashionMNIST" / "raw"):
        for suffix in (".gz", ""):
            files = [folder / f"{stem}-{kind}-ubyte{suffix}" for kind in ("images-idx3", "labels-idx1")]
            if all(file.is_file() for file in files):
                return files[0], files[1]
    return None


def _read_idx(path: Path, dimensions: int) -> np.ndarray:
    """Read a file of the idx format, compressed or not: two zero bytes, the type (8 is uint8), the number of
    dimensions, each dimension as a big-endian int32, then the values, the last dimension running fastest.
    """
    try:
        with gzip.open(path) if path.suffix == ".gz" else path.open("rb") as file:
            content = file.read()
    except (gzip.BadGzipFile, EOFError, zlib.error) as error:
        raise ValueError(f"{path} is not a whole gzip file ({error}); get it again.") from error
    start = 4 + 4 * dimensions
    if content[:4] != bytes((0, 0, 8, dimensions)) or len(content) < start:
        raise ValueError(f"{path} is not an idx file of {dimensions}-dimensional uint8 data; get it again.")
    shape = tuple(int(side) for side in np.frombuffer(content[4:start], dtype=">i4"))
    if len(content) - start != prod(shape):
        raise ValueError(
            f"{path} announces {prod(shape)} values of shape {shape}, but holds {len(content) - start}; get it again."
        )
    return np.frombuffer(content, dtype=np.uint8, offset=start).reshape(shape).copy()
