"""COCO: 123,000 photographs in which 80 kinds of things are outlined one by one.

Lin et al., "Microsoft COCO: common objects in context", ECCV 2014.
"""

import json
import os
from contextlib import redirect_stdout
from io import StringIO
from pathlib import Path

import numpy as np

from segen.data.common import (
    VOID,
    MaskDataset,
    absent,
    check_choice,
    check_size,
    devkit_palette,
    read_rgb,
    root_folder,
)


class COCO(MaskDataset):
    """Photographs with 80 kinds of things and background: image float32 `[3, H, W]` in [-1, 1], mask int64 `[H, W]`.

    `root` (None: `data_root()`) holds, there or in a folder `COCO`, `train2017`, `val2017` and
    `annotations/instances_train2017.json`, `annotations/instances_val2017.json`; `split` is "train" or "val".
    The mask is drawn from the outlines of the single things: class 0 is background, classes 1 to 80 follow the
    order of the published category numbers. Regions marked as a crowd are void (255) and lie beneath; above them
    things are drawn from the largest to the smallest, so where two overlap the *smaller* one wins (of equal areas
    the one with the greater annotation number). Without `size` = (height, width) pictures keep their own, unequal
    sizes; with it images are resized antialiased and masks by nearest neighbour. There is no download (20 GB).
    ImportError without pycocotools, FileNotFoundError if the set is not there, ValueError for damaged files.
    """

    def __init__(
        self,
        root: str | os.PathLike | None = None,
        split: str = "train",
        *,
        size: tuple[int, int] | None = None,
    ):
        check_choice(split, ("train", "val"), "split", "COCO")
        check_size(size, "COCO")
        root = root_folder(root)
        folder = root / "COCO" if (root / "COCO").is_dir() else root
        index = folder / "annotations" / f"instances_{split}2017.json"
        self.folder = folder / f"{split}2017"
        if not index.is_file() or not self.folder.is_dir() or not any(self.folder.iterdir()):
            raise absent(
                f"COCO's {split} split",
                folder,
                f"get {split}2017.zip and annotations_trainval2017.zip from cocodataset.org and unpack them there",
            )
        self.annotations = _open_index(index)
        self.ids = sorted(self.annotations.imgs)
        categories = sorted(self.annotations.cats.values(), key=lambda category: category["id"])
        self.classes = ("background", *(category["name"] for category in categories))
        self.palette = devkit_palette(len(self.classes))
        # The published numbers run from 1 to 90 with gaps.
        self._class_of = {category["id"]: k for k, category in enumerate(categories, start=1)}
        super().__init__(len(self.ids), size)

    def read(self, index: int) -> tuple[np.ndarray, np.ndarray, str]:
        """Return pixels `[H, W, 3]` and classes `[H, W]`, uint8, and the image's name."""
        entry = self.annotations.imgs[self.ids[index]]
        path = self.folder / entry["file_name"]
        if not path.is_file():
            raise ValueError(f"{path} is named in COCO's annotations but is not there; unpack its zip file again.")
        mask = np.zeros((entry["height"], entry["width"]), dtype=np.uint8)
        things = self.annotations.imgToAnns.get(entry["id"], [])
        for thing in sorted(things, key=lambda a: (not a["iscrowd"], -a["area"], a["id"])):
            label = VOID if thing["iscrowd"] else self._class_of[thing["category_id"]]
            mask[self.annotations.annToMask(thing).astype(bool)] = label
        return read_rgb(path, str(path)), mask, str(path)


def _open_index(path: Path):
    """Return pycocotools' index of an annotation file; raise ValueError if it is not one."""
    try:
        from pycocotools.coco import COCO as Index
    except ImportError as error:
        raise ImportError("COCO's outlines are read by pycocotools; install it: pip install pycocotools.") from error
    try:
        with redirect_stdout(StringIO()):  # it reports its progress, unasked
            index = Index(str(path))
    except (json.JSONDecodeError, UnicodeDecodeError, AssertionError, KeyError, TypeError) as error:
        raise ValueError(f"{path} is not COCO's annotation file ({error!r}); get it again.") from error
    if not index.imgs or not index.cats or any(a["category_id"] not in index.cats for a in index.anns.values()):
        raise ValueError(
            f"{path} lists no pictures, or things of categories that it does not list; "
            "get annotations_trainval2017.zip again."
        )
    return index
