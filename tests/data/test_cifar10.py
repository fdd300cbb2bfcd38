import hashlib
import os
import pickle
from pathlib import Path

import numpy as np
import pytest
import torch
from torchvision import datasets

from segen.data.cifar10 import CIFAR10

REAL = Path(os.environ.get("SEGEN_DATA", "nowhere"))
NAME = "cifar10_subset_lossless.npz"


def arrays(**changes):
    random = np.random.default_rng(0)
    content = {
        "x_train": random.integers(0, 256, (7, 32, 32, 3), dtype=np.uint8),
        "y_train": np.array([3, 1, 4, 1, 5, 9, 2], dtype=np.uint8),
        "x_test": random.integers(0, 256, (4, 32, 32, 3), dtype=np.uint8),
        "y_test": np.array([0, 7, 8, 6], dtype=np.uint8),
    }
    return content | changes


@pytest.fixture
def root(tmp_path):
    np.savez_compressed(tmp_path / NAME, **arrays())
    return tmp_path


@pytest.fixture
def whole(tmp_path, monkeypatch):
    """The published layout in small: five files of the training set, one of the test set, and the names."""
    folder = tmp_path / "cifar-10-batches-py"
    folder.mkdir()
    random = np.random.default_rng(1)
    content = {}
    for name in (*(f"data_batch_{k}" for k in range(1, 6)), "test_batch"):
        content[name] = random.integers(0, 256, (2, 3072), dtype=np.uint8), random.integers(0, 10, 2).tolist()
        (folder / name).write_bytes(pickle.dumps({"data": content[name][0], "labels": content[name][1]}))
    (folder / "batches.meta").write_bytes(pickle.dumps({"label_names": list(CIFAR10.classes)}))

    def digest(name):
        return hashlib.md5((folder / name).read_bytes()).hexdigest()

    batches = datasets.CIFAR10
    monkeypatch.setattr(batches, "train_list", [(f"data_batch_{k}", digest(f"data_batch_{k}")) for k in range(1, 6)])
    monkeypatch.setattr(batches, "test_list", [("test_batch", digest("test_batch"))])
    monkeypatch.setattr(batches, "meta", batches.meta | {"md5": digest("batches.meta")})
    return content


class TestPart:
    @pytest.mark.parametrize("split", ["train", "test"])
    def test_a_sample_is_the_files_content(self, root, split):
        data = CIFAR10(root, split)
        pixels, labels = arrays()[f"x_{split}"], arrays()[f"y_{split}"]
        assert len(data) == len(labels)
        for index in (0, 2, -1):
            image, label = data[index]
            assert image.dtype == torch.float32
            assert image.shape == (3, 32, 32)
            assert type(label) is int
            assert label == labels[index]
            assert image[1, 5, 9].item() == pytest.approx(int(pixels[index, 5, 9, 1]) / 127.5 - 1, abs=1e-6)
            assert image[2, 9, 5].item() == pytest.approx(int(pixels[index, 9, 5, 2]) / 127.5 - 1, abs=1e-6)

    def test_the_constructor_reads_no_pictures(self, root):
        assert "pixels" not in CIFAR10(root).__dict__

    def test_what_is_kept_cannot_be_changed_from_outside(self, root):
        data = CIFAR10(root)
        before = data[0][0].clone()
        data[0][0].zero_()
        assert torch.equal(data[0][0], before)

    def test_beyond_the_end(self, root):
        for index in (7, -8):
            with pytest.raises(IndexError, match="CIFAR10 has 7 samples"):
                CIFAR10(root)[index]

    def test_a_part_that_is_there_is_not_downloaded(self, root):
        assert len(CIFAR10(root, download=True)) == 7


class TestWhole:
    def test_torchvisions_layout(self, tmp_path, whole):
        train, test = CIFAR10(tmp_path), CIFAR10(tmp_path, "test")
        assert (len(train), len(test)) == (10, 2)
        pixels, labels = whole["data_batch_2"]
        image, label = train[3]
        assert label == labels[1]
        assert image[2, 4, 6].item() == pytest.approx(int(pixels[1, 2 * 1024 + 4 * 32 + 6]) / 127.5 - 1, abs=1e-6)
        assert [test[k][1] for k in range(2)] == whole["test_batch"][1]

    def test_files_that_are_not_the_published_ones_are_never_unpickled(self, tmp_path, whole):
        (tmp_path / "cifar-10-batches-py" / "data_batch_1").write_bytes(b"something else")
        with pytest.raises(FileNotFoundError, match="CIFAR-10 was looked for"):
            CIFAR10(tmp_path)

    def test_a_download_without_network(self, tmp_path, monkeypatch):
        monkeypatch.setattr(datasets.CIFAR10, "url", "http://127.0.0.1:9/cifar.tar.gz")
        with pytest.raises(FileNotFoundError, match="could not be downloaded"):
            CIFAR10(tmp_path, download=True)


class TestBadInput:
    def test_a_wrong_split(self, root):
        with pytest.raises(ValueError, match="CIFAR10 was given split='val'; choose one of 'train', 'test'"):
            CIFAR10(root, "val")

    def test_nothing_there(self, tmp_path):
        with pytest.raises(FileNotFoundError, match=r"download=True.*cifar10_subset_lossless\.npz") as caught:
            CIFAR10(tmp_path)
        assert str(tmp_path) in str(caught.value)

    def test_a_truncated_file(self, root):
        whole = (root / NAME).read_bytes()
        for tenth in range(10):
            (root / NAME).write_bytes(whole[: len(whole) * tenth // 10])
            with pytest.raises(ValueError, match=r"lossless\.npz does not yield"):
                CIFAR10(root)[0]

    @pytest.mark.parametrize(
        "changes",
        [
            {"x_train": arrays()["x_train"][:6]},
            {"x_train": arrays()["x_train"].astype(np.float32)},
            {"x_train": arrays()["x_train"][:, :16]},
        ],
    )
    def test_pictures_that_do_not_fit_their_labels(self, root, changes):
        np.savez(root / NAME, **arrays(**changes))
        with pytest.raises(ValueError, match=r"lossless\.npz holds pictures of shape .* labels call for"):
            CIFAR10(root)[0]

    @pytest.mark.parametrize("labels", [np.array([10, *range(6)]), np.array([], dtype=np.uint8)])
    def test_labels_out_of_range_or_none(self, root, labels):
        np.savez(root / NAME, **arrays(y_train=labels))
        with pytest.raises(ValueError, match="must hold labels 0 to 9, at least one"):
            CIFAR10(root)


@pytest.mark.skipif(not (REAL / NAME).is_file(), reason=f"SEGEN_DATA names no folder with {NAME}: not tested.")
def test_the_real_part():
    train, test = CIFAR10(REAL), CIFAR10(REAL, "test")
    assert (len(train), len(test)) == (5085, 1017)
    with np.load(REAL / NAME) as stored:
        assert train.classes == tuple(stored["classes"])
        assert train[17][1] == stored["y_train"][17]
    # The whole set's published mean is 0.491, 0.482, 0.447; a tenth of it is near.
    mean = sum(train[k][0].mean((1, 2)) for k in range(len(train))) / len(train) / 2 + 0.5
    assert mean.tolist() == pytest.approx([0.491, 0.482, 0.447], abs=0.01)
