import os
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from segen.data.isbi2012 import ISBI2012

REAL = Path(os.environ.get("SEGEN_DATA", "nowhere"))
NAME = "isbi2012_em_membrane.npz"
IMAGES = np.random.default_rng(0).integers(0, 256, (30, 8, 10), dtype=np.uint8)
LABELS = np.where(np.random.default_rng(1).random((30, 8, 10)) < 0.2, 0, 255).astype(np.uint8)


def film(path, slices):
    path.parent.mkdir(exist_ok=True)
    pages = [Image.fromarray(page) for page in slices]
    pages[0].save(path, save_all=True, append_images=pages[1:])


@pytest.fixture
def root(tmp_path):
    np.savez_compressed(tmp_path / NAME, images=IMAGES, labels=LABELS)
    return tmp_path


@pytest.fixture
def films(tmp_path):
    film(tmp_path / "ISBI2012" / "train-volume.tif", IMAGES)
    film(tmp_path / "ISBI2012" / "train-labels.tif", LABELS)
    return tmp_path


@pytest.mark.parametrize("layout", ["root", "films"])
def test_a_sample_is_the_files_content(layout, request):
    folder = request.getfixturevalue(layout)
    for split, first, length in (("train", 0, 24), ("val", 24, 6)):
        data = ISBI2012(folder, split)
        assert len(data) == length
        for index in (0, 3, length - 1):
            image, mask = data[index]
            assert image.dtype == torch.float32
            assert mask.dtype == torch.int64
            assert image.shape == (1, 8, 10)
            assert image[0, 3, 7].item() == pytest.approx(int(IMAGES[first + index, 3, 7]) / 127.5 - 1, abs=1e-6)
            # 255 is cell, a class, and not void.
            assert mask.tolist() == [[int(value == 255) for value in row] for row in LABELS[first + index]]
            image.zero_()
            mask.zero_()
            assert data[index][0].abs().max() > 0.5
            assert data[index][1].max() == 1
        assert torch.equal(data[-1][0], data[length - 1][0])


def test_names_and_colours():
    assert ISBI2012.classes == ("membrane", "cell")
    assert ISBI2012.palette.tolist() == [[0, 0, 0], [255, 255, 255]]


def test_resized(root):
    image, mask = ISBI2012(root, size=(4, 5))[0]
    assert image.shape == (1, 4, 5)
    assert mask.tolist() == (LABELS[0, 1::2, 1::2] // 255).tolist()


def test_the_constructor_reads_no_pictures(root):
    assert "images" not in ISBI2012(root).__dict__


def test_beyond_the_end(root):
    for index in (24, -25):
        with pytest.raises(IndexError, match="ISBI2012 has 24 samples"):
            ISBI2012(root)[index]


def test_a_wrong_split_or_size(root):
    with pytest.raises(ValueError, match="ISBI2012 was given split='test'; choose one of 'train', 'val'"):
        ISBI2012(root, "test")
    with pytest.raises(ValueError, match="ISBI2012 was given size=64"):
        ISBI2012(root, size=64)


def test_nothing_there(tmp_path):
    with pytest.raises(FileNotFoundError, match=r"train-volume\.tif and train-labels\.tif") as caught:
        ISBI2012(tmp_path)
    assert str(tmp_path) in str(caught.value)


def test_half_of_it_there(films):
    (films / "ISBI2012" / "train-volume.tif").unlink()
    with pytest.raises(FileNotFoundError, match="ISBI 2012 was looked for"):
        ISBI2012(films)


def test_a_stray_label(root):
    labels = LABELS.copy()
    labels[25, 2, 2] = 128
    np.savez(root / NAME, images=IMAGES, labels=labels)
    ISBI2012(root, "val")[0]
    with pytest.raises(ValueError, match=r"membrane\.npz, slice 25, holds the label 128 in 1 of its pixels"):
        ISBI2012(root, "val")[1]


@pytest.mark.parametrize(
    ("images", "labels", "message"),
    [
        (IMAGES[:29], LABELS, "has images of shape"),
        (IMAGES[:, :7], LABELS, "has images of shape"),
        (IMAGES / 255, LABELS, "has images of shape .* type float64"),
        (IMAGES, LABELS[:6], "has labels of shape .* more than 6"),
        (IMAGES, LABELS[0], "has labels of shape"),
        (IMAGES, LABELS == 255, "has labels of shape .* type bool"),
    ],
)
def test_arrays_that_do_not_fit(root, images, labels, message):
    np.savez(root / NAME, images=images, labels=labels)
    with pytest.raises(ValueError, match=rf"membrane\.npz {message}"):
        ISBI2012(root)[0]


@pytest.mark.filterwarnings("ignore:Corrupt EXIF")
def test_truncated_files(root, films):
    for file in ("train-labels.tif", "train-volume.tif"):
        path = films / "ISBI2012" / file
        whole = path.read_bytes()
        path.write_bytes(whole[: len(whole) // 2])
        (root / NAME).unlink(missing_ok=True)
        with pytest.raises(ValueError, match=f"{file} is not a whole stack"):
            ISBI2012(root)[0]
        path.write_bytes(whole)
    np.savez(root / NAME, images=IMAGES, labels=LABELS)
    (root / NAME).write_bytes((root / NAME).read_bytes()[:-50])
    with pytest.raises(ValueError, match=r"membrane\.npz does not yield the array 'labels'"):
        ISBI2012(root)


@pytest.mark.skipif(not (REAL / NAME).is_file(), reason=f"SEGEN_DATA names no folder with {NAME}: not tested.")
def test_the_real_slices():
    train, val = ISBI2012(REAL), ISBI2012(REAL, "val", size=(256, 256))
    assert (len(train), len(val)) == (24, 6)
    image, mask = train[0]
    assert image.shape == (1, 512, 512)
    assert val[0][0].shape == (1, 256, 256)
    assert set(mask.unique().tolist()) == {0, 1}
    # Membranes are thin, and darker than what they enclose.
    assert 0.6 < mask.double().mean() < 0.9
    assert image[0][mask == 0].mean() < image[0][mask == 1].mean() - 0.2
