import gzip
import os
import struct
from pathlib import Path

import numpy as np
import pytest
import torch
from torchvision import datasets
from torchvision.datasets.mnist import read_image_file, read_label_file

from segen.data.fashion_mnist import FashionMNIST

REAL = Path(os.environ.get("SEGEN_DATA", "nowhere"))
PIXELS = np.random.default_rng(0).integers(0, 256, (5, 28, 28), dtype=np.uint8)
LABELS = np.array([9, 0, 3, 3, 7], dtype=np.uint8)


def idx(values):
    return struct.pack(f">BBBB{values.ndim}i", 0, 0, 8, values.ndim, *values.shape) + values.tobytes()


def fill(folder, stem="train", images=None, labels=None, *, packed=True):
    folder.mkdir(parents=True, exist_ok=True)
    images = idx(PIXELS) if images is None else images
    labels = idx(LABELS) if labels is None else labels
    for kind, content in (("images-idx3", images), ("labels-idx1", labels)):
        name = f"{stem}-{kind}-ubyte" + (".gz" if packed else "")
        (folder / name).write_bytes(gzip.compress(content) if packed else content)


@pytest.fixture
def folder(tmp_path):
    fill(tmp_path / "FashionMNIST")
    return tmp_path / "FashionMNIST"


def test_a_sample_is_the_files_content(folder):
    data = FashionMNIST(folder.parent)
    assert len(data) == 5
    for index in (0, 2, -1):
        image, label = data[index]
        assert image.dtype == torch.float32
        assert image.shape == (1, 28, 28)
        assert type(label) is int
        assert label == LABELS[index]
        assert image[0, 4, 20].item() == pytest.approx(int(PIXELS[index, 4, 20]) / 127.5 - 1, abs=1e-6)
        image.zero_()
    assert data[0][0].abs().max() > 0.5


def test_the_test_split_is_called_t10k(folder):
    fill(folder, "t10k", idx(PIXELS[:2]), idx(LABELS[:2]))
    assert len(FashionMNIST(folder.parent, "test")) == 2


@pytest.mark.parametrize("packed", [True, False])
def test_torchvisions_layout(tmp_path, packed):
    raw = tmp_path / "FashionMNIST" / "raw"
    fill(raw, packed=packed)
    data = FashionMNIST(tmp_path)
    assert [data[k][1] for k in range(5)] == LABELS.tolist()
    if not packed:  # torchvision's own reader of the same files
        assert read_label_file(raw / "train-labels-idx1-ubyte").tolist() == [label for _, label in data]
        assert torch.equal(torch.from_numpy(data.pixels), read_image_file(raw / "train-images-idx3-ubyte"))


def test_the_constructor_reads_no_pictures(folder):
    (folder / "train-images-idx3-ubyte.gz").write_bytes(b"")
    assert len(FashionMNIST(folder.parent)) == 5


def test_beyond_the_end(folder):
    for index in (5, -6):
        with pytest.raises(IndexError, match="FashionMNIST has 5 samples"):
            FashionMNIST(folder.parent)[index]


def test_the_names_are_torchvisions():
    assert list(FashionMNIST.classes) == datasets.FashionMNIST.classes


def test_a_wrong_split(folder):
    with pytest.raises(ValueError, match="FashionMNIST was given split='val'; choose one of 'train', 'test'"):
        FashionMNIST(folder.parent, "val")


def test_nothing_there(tmp_path):
    with pytest.raises(FileNotFoundError, match="download=True") as caught:
        FashionMNIST(tmp_path)
    assert str(tmp_path) in str(caught.value)


def test_one_file_of_two(folder):
    (folder / "train-labels-idx1-ubyte.gz").unlink()
    with pytest.raises(FileNotFoundError, match="Fashion-MNIST was looked for"):
        FashionMNIST(folder.parent)


def test_a_download_without_network(tmp_path, monkeypatch):
    monkeypatch.setattr(datasets.FashionMNIST, "mirrors", ["http://127.0.0.1:9/"])
    with pytest.raises(FileNotFoundError, match="could not be downloaded"):
        FashionMNIST(tmp_path, download=True)


def test_a_download_is_read(tmp_path, monkeypatch):
    monkeypatch.setattr(datasets, "FashionMNIST", lambda root, download: fill(Path(root) / "FashionMNIST" / "raw"))
    assert len(FashionMNIST(tmp_path, download=True)) == 5


@pytest.mark.parametrize("kind", ["images-idx3", "labels-idx1"])
def test_a_truncated_file(folder, kind):
    file = folder / f"train-{kind}-ubyte.gz"
    whole = file.read_bytes()
    for tenth in range(10):
        file.write_bytes(whole[: len(whole) * tenth // 10])
        with pytest.raises(ValueError, match=f"train-{kind}-ubyte.gz is not "):
            FashionMNIST(folder.parent)[0]


@pytest.mark.parametrize(
    ("images", "message"),
    [
        (idx(PIXELS)[:-1], "announces 3920 values .* but holds 3919"),
        (idx(PIXELS) + b"x", "announces 3920 values .* but holds 3921"),
        (idx(PIXELS[:4]), "holds 4 pictures, but there are 5 labels"),
        (idx(LABELS), "is not an idx file of 3-dimensional uint8 data"),
        (b"\0\0\x0d\3" + idx(PIXELS)[4:], "is not an idx file of 3-dimensional uint8 data"),
        (b"\0\0", "is not an idx file"),
    ],
)
def test_other_contents(folder, images, message):
    fill(folder, images=images)
    with pytest.raises(ValueError, match=f"train-images-idx3-ubyte.gz {message}"):
        FashionMNIST(folder.parent)[0]


@pytest.mark.parametrize("labels", [np.array([10, 0, 0, 0, 0], dtype=np.uint8), np.array([], dtype=np.uint8)])
def test_labels_out_of_range_or_none(folder, labels):
    fill(folder, labels=idx(labels))
    with pytest.raises(ValueError, match="must hold labels 0 to 9, at least one"):
        FashionMNIST(folder.parent)


@pytest.mark.skipif(
    not (REAL / "FashionMNIST" / "train-images-idx3-ubyte.gz").is_file(),
    reason="SEGEN_DATA names no folder with FashionMNIST: not tested.",
)
def test_the_real_part():
    train, test = FashionMNIST(REAL), FashionMNIST(REAL, "test")
    assert (len(train), len(test)) == (8517, 6978)
    # The first labels of the published set, and the whole set's published mean and deviation.
    assert [train[k][1] for k in range(6)] == [9, 0, 0, 3, 0, 2]
    pixels = train.pixels / 255
    assert (pixels.mean(), pixels.std()) == pytest.approx((0.286, 0.353), abs=0.005)
