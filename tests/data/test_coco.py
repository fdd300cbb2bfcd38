import json
import sys

import numpy as np
import pytest
import torch
from PIL import Image

from segen.data.coco import COCO

pytest.importorskip("pycocotools", reason="pycocotools is not installed, so COCO's outlines cannot be read.")

CATEGORIES = [{"id": 90, "name": "toothbrush"}, {"id": 1, "name": "person"}, {"id": 13, "name": "stop sign"}]


def box(number, image, category, left, top, right, bottom, **changes):
    """An outlined rectangle, columns left to right and rows top to bottom, ends excluded."""
    outline = [[left, top, right, top, right, bottom, left, bottom]]
    area = (right - left) * (bottom - top)
    entry = {"id": number, "image_id": image, "category_id": category, "segmentation": outline}
    return entry | {"area": area, "iscrowd": 0, "bbox": [left, top, right - left, bottom - top]} | changes


def crowd(number, image, category, mask):
    """A region marked as a crowd: run lengths of zeros and ones, down the columns."""
    flat = np.concatenate([[0], np.asarray(mask).T.ravel(), [2]])
    edges = np.flatnonzero(np.diff(flat))
    counts = np.diff(np.concatenate([[0], edges])).tolist()
    coded = {"size": list(np.asarray(mask).shape), "counts": counts}
    entry = {"id": number, "image_id": image, "category_id": category, "segmentation": coded}
    return entry | {"area": int(np.sum(mask)), "iscrowd": 1, "bbox": [0, 0, 1, 1]}


def fill(folder, annotations, categories=CATEGORIES, images=((7, "b.jpg"), (3, "a.jpg"))):
    (folder / "annotations").mkdir(parents=True, exist_ok=True)
    (folder / "train2017").mkdir(exist_ok=True)
    entries = [{"id": number, "file_name": name, "height": 10, "width": 12} for number, name in images]
    for _, name in images:
        pixels = np.random.default_rng(ord(name[0])).integers(0, 256, (10, 12, 3), dtype=np.uint8)
        Image.fromarray(pixels).save(folder / "train2017" / name)
    index = {"images": entries, "annotations": annotations, "categories": categories}
    (folder / "annotations" / "instances_train2017.json").write_text(json.dumps(index))


def test_classes_follow_the_published_numbers(tmp_path):
    fill(tmp_path, [box(1, 3, 90, 0, 0, 4, 3), box(2, 3, 1, 6, 5, 12, 10)])
    data = COCO(tmp_path)
    assert data.classes == ("background", "person", "stop sign", "toothbrush")
    assert data.palette.shape == (4, 3)
    assert data.palette.dtype == np.uint8
    image, mask = data[0]  # the picture with the smallest number comes first
    expected = np.zeros((10, 12), dtype=int)
    expected[0:3, 0:4] = 3
    expected[5:10, 6:12] = 1
    assert mask.dtype == torch.int64
    assert mask.tolist() == expected.tolist()
    assert image.dtype == torch.float32
    stored = np.asarray(Image.open(tmp_path / "train2017" / "a.jpg")).astype(float)
    assert np.abs(image.permute(1, 2, 0).numpy() - (stored / 127.5 - 1)).max() < 1e-6


def test_a_picture_of_nothing_is_background(tmp_path):
    fill(tmp_path, [box(1, 3, 90, 0, 0, 4, 3)])
    assert COCO(tmp_path)[1][1].unique().tolist() == [0]
    fill(tmp_path, [])
    assert COCO(tmp_path)[0][1].unique().tolist() == [0]


@pytest.mark.parametrize("numbers", [(1, 2), (2, 1)])
def test_the_smaller_of_two_wins(tmp_path, numbers):
    fill(tmp_path, [box(numbers[0], 3, 1, 0, 0, 10, 10), box(numbers[1], 3, 13, 2, 2, 5, 5)])
    mask = COCO(tmp_path)[0][1]
    expected = np.zeros((10, 12), dtype=int)
    expected[0:10, 0:10] = 1
    expected[2:5, 2:5] = 2
    assert mask.tolist() == expected.tolist()


def test_of_equal_areas_the_greater_number_wins(tmp_path):
    for first, second, winner in ((1, 2, 2), (2, 1, 1)):
        fill(tmp_path, [box(first, 3, 1, 0, 0, 4, 4), box(second, 3, 13, 2, 0, 6, 4)])
        assert COCO(tmp_path)[0][1][0, 3] == winner


def test_a_crowd_is_void_beneath_single_things(tmp_path):
    region = np.zeros((10, 12), dtype=int)
    region[4:9, 1:6] = 1
    for thing in (box(1, 3, 13, 3, 3, 6, 6), box(5, 3, 13, 3, 3, 6, 6, area=1000)):
        fill(tmp_path, [crowd(3, 3, 1, region), thing])
        expected = 255 * region
        expected[3:6, 3:6] = 2
        assert COCO(tmp_path)[0][1].tolist() == expected.tolist()


def test_resized(tmp_path):
    fill(tmp_path, [box(1, 3, 90, 0, 0, 6, 5)])
    image, mask = COCO(tmp_path, size=(2, 2))[0]
    assert image.shape == (3, 2, 2)
    assert mask.tolist() == [[3, 0], [0, 0]]


def test_its_own_folder_and_indices(tmp_path, capsys):
    fill(tmp_path / "COCO", [])
    data = COCO(tmp_path)
    assert capsys.readouterr().out == ""
    assert len(data) == 2
    assert torch.equal(data[-1][0], data[1][0])
    for index in (2, -3):
        with pytest.raises(IndexError, match="COCO has 2 samples"):
            data[index]


def test_wrong_arguments(tmp_path):
    with pytest.raises(ValueError, match="COCO was given split='test'; choose one of 'train', 'val'"):
        COCO(tmp_path, "test")
    with pytest.raises(ValueError, match="COCO was given size="):
        COCO(tmp_path, size=3)


def test_nothing_there(tmp_path):
    with pytest.raises(FileNotFoundError, match=r"get train2017\.zip and annotations_trainval2017\.zip") as caught:
        COCO(tmp_path)
    assert str(tmp_path) in str(caught.value)
    fill(tmp_path, [])
    with pytest.raises(FileNotFoundError, match="COCO's val split"):
        COCO(tmp_path, "val")
    for picture in (tmp_path / "train2017").iterdir():
        picture.unlink()
    with pytest.raises(FileNotFoundError, match="COCO's train split"):
        COCO(tmp_path)


def test_a_missing_or_different_picture(tmp_path):
    fill(tmp_path, [])
    Image.fromarray(np.zeros((9, 12, 3), dtype=np.uint8)).save(tmp_path / "train2017" / "a.jpg")
    with pytest.raises(ValueError, match=r"a\.jpg is 9×12 pixels, but its mask is 10×12"):
        COCO(tmp_path)[0]
    (tmp_path / "train2017" / "a.jpg").unlink()
    with pytest.raises(ValueError, match=r"a\.jpg is named in COCO's annotations but is not there"):
        COCO(tmp_path)[0]


@pytest.mark.parametrize("text", ["", "[]", "{", '{"annotations": [1]}', '{"images": []}', "{}"])
def test_an_index_that_is_none(tmp_path, text):
    fill(tmp_path, [])
    (tmp_path / "annotations" / "instances_train2017.json").write_text(text)
    with pytest.raises(ValueError, match=r"instances_train2017\.json (is not COCO's|lists no pictures)"):
        COCO(tmp_path)


def test_a_category_that_is_not_listed(tmp_path):
    fill(tmp_path, [box(1, 3, 44, 0, 0, 4, 3)])
    with pytest.raises(ValueError, match="things of categories that it does not list"):
        COCO(tmp_path)


def test_without_pycocotools(tmp_path, monkeypatch):
    fill(tmp_path, [])
    monkeypatch.setitem(sys.modules, "pycocotools.coco", None)
    with pytest.raises(ImportError, match="pip install pycocotools"):
        COCO(tmp_path)
