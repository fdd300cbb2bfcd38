import zipfile

import numpy as np
import pytest
import torch
from PIL import Image
from torchvision import datasets

from segen.data.cityscapes import LABELS, Cityscapes

SCENES = [("ulm", 1), ("aachen", 2), ("aachen", 1)]
NUMBERS = (np.arange(36).reshape(4, 9) % 34).astype(np.uint8)


def fill(folder, split="train"):
    for city, number in SCENES:
        stem = f"{city}_00000{number}_000019"
        image = folder / "leftImg8bit" / split / city / f"{stem}_leftImg8bit.png"
        mask = folder / "gtFine" / split / city / f"{stem}_gtFine_labelIds.png"
        for path in (image, mask):
            path.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(np.full((4, 9, 3), len(city) + number, dtype=np.uint8)).save(image)
        Image.fromarray(np.roll(NUMBERS, number)).save(mask)


@pytest.fixture
def root(tmp_path):
    fill(tmp_path)
    return tmp_path


def file(root, pattern):
    return next(root.rglob(pattern))


def test_the_classes_are_torchvisions():
    table = [c for c in datasets.Cityscapes.classes if 0 <= c.train_id < 255]
    assert len(table) == len(Cityscapes.classes) == 19
    for entry in table:
        assert Cityscapes.classes[entry.train_id] == entry.name
        assert tuple(Cityscapes.palette[entry.train_id]) == entry.color
    for entry in datasets.Cityscapes.classes:
        if entry.id >= 0:
            assert LABELS[entry.id] == entry.train_id
    assert Cityscapes.palette.dtype == np.uint8


def test_a_sample_is_the_files_content(root):
    data = Cityscapes(root)
    meaning = {c.id: c.train_id for c in datasets.Cityscapes.classes}
    assert len(data) == 3
    for index, (city, number) in enumerate(sorted(SCENES)):  # one order on every machine
        image, mask = data[index]
        assert image.dtype == torch.float32
        assert mask.dtype == torch.int64
        assert image.unique().tolist() == pytest.approx([(len(city) + number) / 127.5 - 1])
        assert mask.tolist() == [[meaning[n] for n in row] for row in np.roll(NUMBERS, number).tolist()]
    assert torch.equal(data[-1][1], data[2][1])


def test_resized(root):
    image, mask = Cityscapes(root, size=(2, 3))[0]
    meaning = {c.id: c.train_id for c in datasets.Cityscapes.classes}
    assert image.shape == (3, 2, 3)
    assert mask.tolist() == [[meaning[n] for n in row] for row in np.roll(NUMBERS, 1)[1::2, 1::3].tolist()]


def test_other_places(tmp_path):
    fill(tmp_path / "Cityscapes", "val")
    assert len(Cityscapes(tmp_path, "val")) == 3
    fill(tmp_path / "published")
    for name in ("leftImg8bit", "gtFine"):
        with zipfile.ZipFile(tmp_path / f"{name}_trainvaltest.zip", "w") as archive:
            for path in (tmp_path / "published" / name).rglob("*.png"):
                archive.write(path, path.relative_to(tmp_path / "published"))
            archive.mkdir(f"{name}/test")
    target = tmp_path / "zips"
    target.mkdir()
    for archive in tmp_path.glob("*.zip"):
        archive.rename(target / archive.name)
    assert len(Cityscapes(target)) == 3


def test_beyond_the_end(root):
    for index in (3, -4):
        with pytest.raises(IndexError, match="Cityscapes has 3 samples"):
            Cityscapes(root)[index]


def test_wrong_arguments(root):
    with pytest.raises(ValueError, match="Cityscapes was given split='test'; choose one of 'train', 'val'"):
        Cityscapes(root, "test")
    with pytest.raises(ValueError, match="Cityscapes was given size="):
        Cityscapes(root, size=(4,))


def test_nothing_there(tmp_path):
    with pytest.raises(FileNotFoundError, match=r"register at www\.cityscapes-dataset\.com") as caught:
        Cityscapes(tmp_path)
    assert str(tmp_path) in str(caught.value)
    for name in ("leftImg8bit", "gtFine"):
        (tmp_path / name / "train").mkdir(parents=True)
    with pytest.raises(FileNotFoundError, match="Any picture of Cityscapes' train split"):
        Cityscapes(tmp_path)


def test_a_missing_mask(root):
    file(root, "aachen_000002*labelIds.png").unlink()
    with pytest.raises(ValueError, match=r"aachen_000002.*labelIds\.png is missing"):
        Cityscapes(root)


def test_masks_that_are_none(root):
    path = file(root, "aachen_000001*labelIds.png")
    mask = NUMBERS.copy()
    mask[0, 0] = 34
    Image.fromarray(mask).save(path)
    with pytest.raises(ValueError, match=r"labelIds\.png holds the label 34 in 1 "):
        Cityscapes(root)[0]
    Image.fromarray(np.zeros((4, 9, 3), dtype=np.uint8)).save(path)
    with pytest.raises(ValueError, match=r"labelIds\.png is a picture of mode 'RGB'"):
        Cityscapes(root)[0]
    Image.fromarray(NUMBERS[:3]).save(path)
    with pytest.raises(ValueError, match=r"leftImg8bit\.png is 4×9 pixels, but its mask is 3×9"):
        Cityscapes(root)[0]
