"""CIFAR-10: small colour pictures of ten kinds of things.

Krizhevsky, "Learning multiple layers of features from tiny images", technical report, 2009.
"""

import os
from functools import cached_property

import numpy as np

from segen.data.common import LabelDataset, absent, check_choice, downloading, load_array, root_folder


class CIFAR10(LabelDataset):
    """Colour pictures of ten kinds: image float32 `[3, 32, 32]` in [-1, 1], label an int from 0 to 9.

    `root` (None: `data_root()`) holds `cifar10_subset_lossless.npz` (`x_train`, `y_train`, `x_test`, `y_test`), a
    part of the set, or else the whole set as torchvision lays it out, `cifar-10-batches-py`. `split` is "train"
    or "test". `download=True` fetches the whole set where neither is there. FileNotFoundError if there is
    nothing to read, ValueError for a damaged file.
    """

    classes = ("airplane", "automobile", "bird", "cat", "deer", "dog", "frog", "horse", "ship", "truck")

    def __init__(self, root: str | os.PathLike | None = None, split: str = "train", *, download: bool = False):
        self.split = check_choice(split, ("train", "test"), "split", "CIFAR10")
        root = root_folder(root)
        self.path = root / "cifar10_subset_lossless.npz"
        if self.path.is_file():
            super().__init__(load_array(self.path, f"y_{split}"), str(self.path))
            return
        whole = self._whole(root, download)
        self.path = root / whole.base_folder
        self.pixels = whole.data
        super().__init__(np.array(whole.targets), str(self.path))

    @cached_property
    def pixels(self) -> np.ndarray:
        """Return the pictures of the split, uint8 `[N, 32, 32, 3]`, read at the first sample."""
        pixels = load_array(self.path, f"x_{self.split}")
        if pixels.shape != (len(self), 32, 32, 3) or pixels.dtype != np.uint8:
            raise ValueError(
                f"{self.path} holds pictures of shape {pixels.shape} and type {pixels.dtype}, but its labels call "
                f"for uint8 {(len(self), 32, 32, 3)}; get the file again."
            )
        return pixels

    def _whole(self, root, download):
        """Return torchvision's dataset, which checks its files' digests before it unpickles them."""
        from torchvision import datasets

        try:
            return datasets.CIFAR10(str(root), train=self.split == "train")
        except RuntimeError as error:
            if not download:
                raise absent(
                    "CIFAR-10",
                    root,
                    "call CIFAR10(download=True), or put cifar10_subset_lossless.npz or the folder "
                    "cifar-10-batches-py there",
                ) from error
        with downloading("CIFAR-10", root):
            return datasets.CIFAR10(str(root), train=self.split == "train", download=True)
