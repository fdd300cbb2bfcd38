"""PASCAL VOC: photographs from the web with 20 kinds of objects, the field's benchmark for a decade.

Everingham et al., "The PASCAL visual object classes challenge: a retrospective", IJCV 2015.
"""

import os
from pathlib import Path

import numpy as np

from segen.data.common import (
    VOID,
    MaskDataset,
    absent,
    check_choice,
    check_pairs,
    check_size,
    devkit_palette,
    downloading,
    label_table,
    read_labels,
    read_rgb,
    relabel,
    root_folder,
)

LABELS = label_table({**{k: k for k in range(21)}, VOID: VOID})


class VOC(MaskDataset):
    """Photographs with 20 kinds of objects and background: image float32 `[3, H, W]` in [-1, 1], mask int64 `[H, W]`.

    `root` (None: `data_root()`) holds torchvision's layout, `VOCdevkit/VOC2012`. `split` is "train", "val" or
    "trainval" (for 2007 also "test"), `year` "2007" to "2012". The borders of objects are void (255), as they are
    published. Without `size` = (height, width) pictures keep their own, unequal sizes; with it images are resized
    antialiased and masks by nearest neighbour. `download=True` fetches the set, 2 GB, where it is not there.
    FileNotFoundError if it is not there, ValueError for damaged or missing files.
    """

    classes = (
        "background",
        "aeroplane",
        "bicycle",
        "bird",
        "boat",
        "bottle",
        "bus",
        "car",
        "cat",
        "chair",
        "cow",
        "diningtable",
        "dog",
        "horse",
        "motorbike",
        "person",
        "pottedplant",
        "sheep",
        "sofa",
        "train",
        "tvmonitor",
    )
    palette = devkit_palette(21)

    def __init__(
        self,
        root: str | os.PathLike | None = None,
        split: str = "train",
        *,
        size: tuple[int, int] | None = None,
        download: bool = False,
        year: str = "2012",
    ):
        check_choice(year, tuple(str(y) for y in range(2007, 2013)), "year", "VOC")
        splits = ("train", "val", "trainval", *(("test",) if year == "2007" else ()))
        check_choice(split, splits, "split", "VOC")
        check_size(size, "VOC")
        voc = _files(root_folder(root), year, split, download)
        self.pairs = list(zip(voc.images, voc.masks, strict=True))
        if not self.pairs:
            raise absent(f"Any picture of PASCAL VOC's {split} split", voc.root, "unpack the published archive there")
        check_pairs(self.pairs)
        super().__init__(len(self.pairs), size)

    def read(self, index: int) -> tuple[np.ndarray, np.ndarray, str]:
        """Return pixels `[H, W, 3]` and classes `[H, W]` as they lie in the files, uint8, and the image's name."""
        image, mask = self.pairs[index]
        # The masks are palette pictures: their indices are the classes, their colours only for the eye.
        return read_rgb(image, image), relabel(read_labels(mask, mask, modes=("P", "L")), LABELS, mask), image


def _files(root: Path, year: str, split: str, download: bool):
    """Return torchvision's dataset, which knows where the files of each year and split are."""
    from torchvision import datasets

    try:
        return datasets.VOCSegmentation(str(root), year=year, image_set=split)
    except (RuntimeError, FileNotFoundError) as error:
        if not download:
            raise absent(
                f"PASCAL VOC {year}, split {split},",
                root,
                f"call VOC(year={year!r}, split={split!r}, download=True), or put the folder VOCdevkit there",
            ) from error
    with downloading(f"PASCAL VOC {year}", root):
        return datasets.VOCSegmentation(str(root), year=year, image_set=split, download=True)
