import numpy as np
import pytest
import torch
from PIL import Image
from torchvision import datasets

from segen.data.voc import VOC


def frame(number):
    """A picture and a mask of its own size, with all 21 classes and void."""
    size = (6 + number, 8)
    pixels = np.random.default_rng(number).integers(0, 256, (*size, 3), dtype=np.uint8)
    mask = (np.arange(size[0] * 8) % 22).reshape(size).astype(np.uint8)
    return pixels, np.where(mask == 21, 255, mask).astype(np.uint8)


def save_mask(path, mask):
    """As published: a palette picture, whose indices are the classes."""
    picture = Image.fromarray(mask)
    picture.putpalette([value for colour in range(256) for value in (colour, 255 - colour, 7)])
    picture.save(path)


@pytest.fixture
def root(tmp_path):
    for year in ("2007", "2012"):
        folder = tmp_path / "VOCdevkit" / f"VOC{year}"
        for part in ("JPEGImages", "SegmentationClass", "ImageSets/Segmentation"):
            (folder / part).mkdir(parents=True)
        for number in range(4):
            pixels, mask = frame(number)
            Image.fromarray(pixels).save(folder / "JPEGImages" / f"{number}.jpg", quality=95)
            save_mask(folder / "SegmentationClass" / f"{number}.png", mask)
        for split, names in (("train", "2\n0\n"), ("val", "1\n"), ("trainval", "0\n1\n2\n"), ("test", "3\n")):
            (folder / "ImageSets" / "Segmentation" / f"{split}.txt").write_text(names)
    return tmp_path


def test_a_sample_is_torchvisions(root):
    """Indices as they are stored, never colours, and the border of objects stays void."""
    data, other = VOC(root), datasets.VOCSegmentation(str(root), image_set="train")
    assert len(data) == len(other) == 2
    for index, number in ((0, 2), (1, 0), (-1, 0)):
        image, mask = data[index]
        assert image.dtype == torch.float32
        assert mask.dtype == torch.int64
        assert mask.tolist() == frame(number)[1].tolist()
        assert (mask == 255).any()
        pixels = np.asarray(other[index][0]).astype(float) / 127.5 - 1
        assert np.abs(image.permute(1, 2, 0).numpy() - pixels).max() < 1e-6


def test_splits_and_years(root):
    assert [len(VOC(root, split)) for split in ("train", "val", "trainval")] == [2, 1, 3]
    assert len(VOC(root, "test", year="2007")) == 1


def test_resized_to_one_size(root):
    batch = torch.stack([VOC(root, size=(3, 4))[k][1] for k in range(2)])
    assert batch.shape == (2, 3, 4)
    assert batch[1].tolist() == frame(0)[1][1::2, 1::2].tolist()


def test_names_and_colours():
    """Against the colours that are printed with the published masks."""
    assert len(VOC.classes) == 21
    colours = dict(zip(VOC.classes, VOC.palette.tolist(), strict=True))
    assert colours["background"] == [0, 0, 0]
    assert colours["aeroplane"] == [128, 0, 0]
    assert colours["car"] == [128, 128, 128]
    assert colours["person"] == [192, 128, 128]
    assert colours["tvmonitor"] == [0, 64, 128]


def test_beyond_the_end(root):
    for index in (2, -3):
        with pytest.raises(IndexError, match="VOC has 2 samples"):
            VOC(root)[index]


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"split": "test"}, "VOC was given split='test'; choose one of 'train', 'val', 'trainval'"),
        ({"year": "2013"}, "VOC was given year='2013'; choose one of '2007'"),
        ({"size": (0, 3)}, "VOC was given size="),
    ],
)
def test_wrong_arguments(root, options, message):
    with pytest.raises(ValueError, match=message):
        VOC(root, **options)


def test_nothing_there(tmp_path, root):
    with pytest.raises(FileNotFoundError, match="download=True") as caught:
        VOC(tmp_path / "elsewhere")
    assert str(tmp_path / "elsewhere") in str(caught.value)
    with pytest.raises(FileNotFoundError, match="PASCAL VOC 2010"):
        VOC(root, year="2010")


def test_a_download_is_asked_for_only_where_it_is_needed(root, tmp_path, monkeypatch):
    asked = []

    def fetch(*args, **options):
        asked.append(args)
        raise OSError("no route")

    monkeypatch.setattr(datasets.voc, "download_and_extract_archive", fetch)
    assert len(VOC(root, download=True)) == 2
    assert not asked
    with pytest.raises(FileNotFoundError, match=r"could not be downloaded .*no route"):
        VOC(tmp_path / "elsewhere", download=True)
    assert asked


@pytest.mark.parametrize("file", ["JPEGImages/2.jpg", "SegmentationClass/2.png"])
def test_a_missing_file(root, file):
    (root / "VOCdevkit" / "VOC2012" / file).unlink()
    with pytest.raises(ValueError, match=f"{file} is missing"):
        VOC(root)


def test_an_empty_list(root):
    (root / "VOCdevkit" / "VOC2012" / "ImageSets" / "Segmentation" / "train.txt").write_text("")
    with pytest.raises(FileNotFoundError, match="Any picture of PASCAL VOC's train split"):
        VOC(root)


def test_masks_that_are_none(root):
    file = root / "VOCdevkit" / "VOC2012" / "SegmentationClass" / "2.png"
    mask = frame(2)[1]
    for value in (21, 254):
        mask[1, 1] = value
        save_mask(file, mask)
        with pytest.raises(ValueError, match=rf"2\.png holds the label {value} in 1 "):
            VOC(root)[0]
    Image.fromarray(frame(2)[0]).save(file)
    with pytest.raises(ValueError, match=r"2\.png is a picture of mode 'RGB'"):
        VOC(root)[0]
    save_mask(file, frame(1)[1])
    with pytest.raises(ValueError, match=r"2\.jpg is 8×8 pixels, but its mask is 7×8"):
        VOC(root)[0]
