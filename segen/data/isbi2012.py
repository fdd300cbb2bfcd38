"""ISBI 2012: a fly's nerve cord under the electron microscope, the set on which U-Net was first shown.

Arganda-Carreras et al., "Crowdsourcing the creation of image segmentation algorithms for connectomics", Frontiers
in Neuroanatomy 2015. Only the challenge's training volume has public labels: 30 slices of one block of tissue.
"""

import os
from functools import cached_property
from pathlib import Path

import numpy as np
from PIL import Image, ImageSequence

from segen.data.common import (
    MaskDataset,
    absent,
    check_choice,
    check_size,
    label_table,
    load_array,
    relabel,
    root_folder,
)

HELD_OUT = 6
LABELS = label_table({0: 0, 255: 1})  # here 255 is a class, cell, and nothing is void


class ISBI2012(MaskDataset):
    """Slices of nerve tissue, cell against membrane: image float32 `[1, 512, 512]` in [-1, 1], mask int64 of 0, 1.

    `root` (None: `data_root()`) holds `isbi2012_em_membrane.npz` (`images`, `labels`, uint8 `[30, 512, 512]`), or
    else the challenge's own `ISBI2012/train-volume.tif` and `ISBI2012/train-labels.tif`. `split` "train" is the
    first 24 slices and "val" the last 6: neighbouring slices are alike, so a random choice would leak. Images are
    resized to `size` = (height, width) antialiased, masks by nearest neighbour. FileNotFoundError if there is
    nothing to read, ValueError for a damaged file.
    """

    classes = ("membrane", "cell")
    palette = np.array([[0, 0, 0], [255, 255, 255]], dtype=np.uint8)

    def __init__(
        self,
        root: str | os.PathLike | None = None,
        split: str = "train",
        *,
        size: tuple[int, int] | None = None,
    ):
        check_choice(split, ("train", "val"), "split", "ISBI2012")
        check_size(size, "ISBI2012")
        root = root_folder(root)
        self.path = root / "isbi2012_em_membrane.npz"
        folder = root / "ISBI2012"
        if self.path.is_file():
            labels = load_array(self.path, "labels")
        elif all((folder / f"train-{kind}.tif").is_file() for kind in ("volume", "labels")):
            self.path = folder / "train-volume.tif"
            labels = _read_film(folder / "train-labels.tif")
        else:
            raise absent(
                "ISBI 2012",
                root,
                "get train-volume.tif and train-labels.tif from the challenge's page and put them into the folder "
                "ISBI2012, or put isbi2012_em_membrane.npz there",
            )
        if labels.ndim != 3 or labels.dtype != np.uint8 or len(labels) <= HELD_OUT:
            raise ValueError(
                f"{self.path} has labels of shape {labels.shape} and type {labels.dtype}, but more than {HELD_OUT} "
                "slices of uint8 are needed; get the file again."
            )
        self._all_labels = labels
        self.first = 0 if split == "train" else len(labels) - HELD_OUT
        super().__init__(len(labels) - HELD_OUT if split == "train" else HELD_OUT, size)

    @cached_property
    def images(self) -> np.ndarray:
        """Return all slices, uint8 `[30, 512, 512]`, read at the first sample."""
        images = load_array(self.path, "images") if self.path.suffix == ".npz" else _read_film(self.path)
        if images.shape != self._all_labels.shape or images.dtype != np.uint8:
            raise ValueError(
                f"{self.path} has images of shape {images.shape} and type {images.dtype}, but its labels call for "
                f"uint8 {self._all_labels.shape}; get the file again."
            )
        return images

    def read(self, index: int) -> tuple[np.ndarray, np.ndarray, str]:
        """Return pixels `[512, 512]` and classes `[512, 512]`, uint8, and the name of the slice."""
        slice_ = self.first + index
        source = f"{self.path}, slice {slice_},"
        return self.images[slice_], relabel(self._all_labels[slice_], LABELS, source), source


def _read_film(path: Path) -> np.ndarray:
    """Return the pages of a TIFF file, uint8 `[N, H, W]`; raise ValueError if it is damaged or of mixed sizes."""
    try:
        with Image.open(path) as film:
            return np.stack([np.array(page) for page in ImageSequence.Iterator(film)])
    except (OSError, SyntaxError, TypeError, ValueError) as error:
        raise ValueError(f"{path} is not a whole stack of slices ({error}); get it again.") from error
