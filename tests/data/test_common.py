import math
import subprocess
import sys

import numpy as np
import pytest
import torch

from segen.data.common import (
    as_image,
    check_choice,
    check_index,
    check_length,
    check_numbers,
    data_root,
    devkit_palette,
    label_table,
    load_array,
    relabel,
    write_beside,
)


def test_the_root_is_the_environments_or_the_caches(monkeypatch, tmp_path):
    monkeypatch.setenv("SEGEN_DATA", str(tmp_path / "here"))
    assert data_root() == tmp_path / "here"
    monkeypatch.setenv("SEGEN_DATA", "")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    assert data_root() == tmp_path / "segen" / "data"
    assert not data_root().exists()
    monkeypatch.delenv("XDG_CACHE_HOME")
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    assert data_root() == tmp_path / "home" / ".cache" / "segen" / "data"


def test_pixels_become_an_image():
    image = as_image(np.array([[[0, 51, 255]]], dtype=np.uint8))
    assert image.dtype == torch.float32
    assert image.shape == (3, 1, 1)
    assert image.flatten().tolist() == pytest.approx([-1.0, -0.6, 1.0], abs=1e-6)
    assert as_image(np.zeros((4, 5), dtype=np.uint8)).shape == (1, 4, 5)


def test_an_index_counts_from_either_end():
    assert [check_index(i, 3, "Set") for i in (-3, -1, 0, 2)] == [0, 2, 0, 2]
    for index in (3, -4):
        with pytest.raises(IndexError, match="Set has 3 samples"):
            check_index(index, 3, "Set")
    index = check_index(torch.tensor(2), 3, "Set")
    assert (type(index), index) == (int, 2)
    for index in (1.0, "1", None, slice(2)):
        with pytest.raises(IndexError, match=r"Set was given the index .*; give one whole number"):
            check_index(index, 3, "Set")
    with pytest.raises(IndexError, match="Set is empty"):
        check_index(0, 0, "Set")


@pytest.mark.parametrize("length", [-1, 1.5, "3", True, None])
def test_a_length_is_a_whole_number(length):
    assert check_length(3, "Set") == 3
    with pytest.raises(ValueError, match="Set was given length="):
        check_length(length, "Set")


def test_whole_numbers():
    check_numbers(steps=(0, 0), seed=(-5, -math.inf), batch_size=(np.int64(3), 1))
    for value in (-1, 1.5, math.nan, "3", True, None):
        with pytest.raises(ValueError, match=r"^steps=.* was given; give a whole number, 0 or more\.$"):
            check_numbers(batch_size=(2, 1), steps=(value, 0))
    with pytest.raises(ValueError, match=r"^seed=1\.5 was given; give a whole number\.$"):
        check_numbers(seed=(1.5, -math.inf))


def test_a_choice_names_the_others():
    assert check_choice("a", ("a", "b"), "split", "Set") == "a"
    with pytest.raises(ValueError, match="Set was given split='c'; choose one of 'a', 'b'"):
        check_choice("c", ("a", "b"), "split", "Set")


def test_labels_are_translated_or_refused():
    table = label_table({0: 1, 7: 0, 9: 255})
    labels = np.array([[0, 7], [9, 0]], dtype=np.uint8)
    classes = relabel(labels, table, "file")
    assert classes.dtype == np.uint8
    assert classes.tolist() == [[1, 0], [255, 1]]
    labels[1, 1] = 8
    with pytest.raises(ValueError, match="file holds the label 8 in 1 of its pixels, but only 0, 7, 9"):
        relabel(labels, table, "file")


def test_the_devkits_colours():
    """As the development kit's manual prints them."""
    palette = devkit_palette(256)
    assert palette.dtype == np.uint8
    assert palette[:4].tolist() == [[0, 0, 0], [128, 0, 0], [0, 128, 0], [128, 128, 0]]
    assert palette[8].tolist() == [64, 0, 0]
    assert palette[15].tolist() == [192, 128, 128]
    assert palette[20].tolist() == [0, 64, 128]
    assert palette[255].tolist() == [224, 224, 192]  # the colour of void
    assert len(np.unique(palette, axis=0)) == 256


def test_a_file_is_whole_or_not_there(tmp_path, monkeypatch):
    path = tmp_path / "new" / "file"
    write_beside(path, b"first")
    write_beside(path, b"second")
    assert path.read_bytes() == b"second"

    def stop(*args):
        raise OSError("disk full")

    monkeypatch.setattr(type(path), "replace", stop)
    with pytest.raises(OSError, match="disk full"):
        write_beside(path, b"third")
    assert path.read_bytes() == b"second"
    assert [file.name for file in path.parent.iterdir()] == ["file"]


def test_a_damaged_archive_of_arrays(tmp_path):
    path = tmp_path / "arrays.npz"
    np.savez_compressed(path, a=np.arange(1000))
    assert load_array(path, "a").sum() == 499500
    with pytest.raises(ValueError, match=r"arrays\.npz does not yield the array 'b'"):
        load_array(path, "b")
    whole = path.read_bytes()
    for tenth in range(10):
        path.write_bytes(whole[: len(whole) * tenth // 10])
        with pytest.raises(ValueError, match=r"arrays\.npz does not yield the array 'a'"):
            load_array(path, "a")
    np.savez(path, a=np.array([{}], dtype=object))
    with pytest.raises(ValueError, match=r"arrays\.npz does not yield the array 'a'"):
        load_array(path, "a")
    path.unlink()
    with pytest.raises(FileNotFoundError):
        load_array(path, "a")


def test_real_sets_import_nothing_heavy():
    """Torchvision and pycocotools are imported where they are needed, so that importing all sets stays cheap."""
    sets = ["camvid", "cifar10", "cityscapes", "coco", "fashion_mnist", "isbi2012", "voc"]
    code = "import sys; " + "".join(f"import segen.data.{name}; " for name in sets)
    code += "print([m for m in ('torchvision', 'pycocotools', 'matplotlib', 'accelerate') if m in sys.modules])"
    answer = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert answer.stdout.strip() == "[]"
