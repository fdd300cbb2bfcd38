"""Cityscapes: 2048×1024 photographs of the streets of 50 cities.

Cordts et al., "The Cityscapes dataset for semantic urban scene understanding", CVPR 2016.
"""

import os

import numpy as np

from segen.data.common import (
    VOID,
    MaskDataset,
    absent,
    check_choice,
    check_pairs,
    check_size,
    label_table,
    read_labels,
    read_rgb,
    relabel,
    root_folder,
)

# The 19 classes that are evaluated: name, number in the published masks, colour.
CLASSES = (
    ("road", 7, (128, 64, 128)),
    ("sidewalk", 8, (244, 35, 232)),
    ("building", 11, (70, 70, 70)),
    ("wall", 12, (102, 102, 156)),
    ("fence", 13, (190, 153, 153)),
    ("pole", 17, (153, 153, 153)),
    ("traffic light", 19, (250, 170, 30)),
    ("traffic sign", 20, (220, 220, 0)),
    ("vegetation", 21, (107, 142, 35)),
    ("terrain", 22, (152, 251, 152)),
    ("sky", 23, (70, 130, 180)),
    ("person", 24, (220, 20, 60)),
    ("rider", 25, (255, 0, 0)),
    ("car", 26, (0, 0, 142)),
    ("truck", 27, (0, 0, 70)),
    ("bus", 28, (0, 60, 100)),
    ("train", 31, (0, 80, 100)),
    ("motorcycle", 32, (0, 0, 230)),
    ("bicycle", 33, (119, 11, 32)),
)
# The published masks number 34 kinds, 0 to 33; those that are not evaluated are void.
LABELS = label_table(
    {**dict.fromkeys((*range(34), VOID), VOID), **{number: k for k, (_, number, _) in enumerate(CLASSES)}}
)


class Cityscapes(MaskDataset):
    """Streets of 50 cities in 19 classes: image float32 `[3, 1024, 2048]` in [-1, 1], mask int64 `[1024, 2048]`.

    `root` (None: `data_root()`) holds torchvision's layout, the folders `leftImg8bit` and `gtFine` or the two zip
    files of these names, or else a folder `Cityscapes` with them. `split` is "train" or "val"; the labels of the
    test split are not published. All but the 19 evaluated classes is void (255). Images are resized to `size` =
    (height, width) antialiased, masks by nearest neighbour. There is no download: the set asks for a registration.
    FileNotFoundError if it is not there, ValueError for damaged or missing files.
    """

    classes = tuple(name for name, _, _ in CLASSES)
    palette = np.array([colour for _, _, colour in CLASSES], dtype=np.uint8)

    def __init__(
        self,
        root: str | os.PathLike | None = None,
        split: str = "train",
        *,
        size: tuple[int, int] | None = None,
    ):
        from torchvision import datasets

        check_choice(split, ("train", "val"), "split", "Cityscapes")
        check_size(size, "Cityscapes")
        root = root_folder(root)
        folder = root / "Cityscapes" if (root / "Cityscapes").is_dir() else root
        try:
            published = datasets.Cityscapes(str(folder), split, mode="fine", target_type="semantic")
        except (RuntimeError, OSError) as error:
            raise absent(
                f"Cityscapes' {split} split",
                folder,
                "register at www.cityscapes-dataset.com, and put leftImg8bit_trainvaltest.zip and "
                "gtFine_trainvaltest.zip there",
            ) from error
        # A folder's order differs from machine to machine; a sample's index must not.
        masks = (target[0] for target in published.targets)
        self.pairs = sorted(zip(published.images, masks, strict=True))
        if not self.pairs:
            raise absent(f"Any picture of Cityscapes' {split} split", folder, "unpack the two zip files there again")
        check_pairs(self.pairs)
        super().__init__(len(self.pairs), size)

    def read(self, index: int) -> tuple[np.ndarray, np.ndarray, str]:
        """Return pixels `[H, W, 3]` and classes `[H, W]` as they lie in the files, uint8, and the image's name."""
        image, mask = self.pairs[index]
        return read_rgb(image, image), relabel(read_labels(mask, mask), LABELS, mask), image
