import hashlib
import io
import os
import pickle
import threading
import zipfile
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from PIL import Image

from segen.data import camvid
from segen.data.camvid import CamVid

REAL = Path(os.environ.get("SEGEN_DATA", "nowhere"))
real = pytest.mark.skipif(
    not (REAL / "camvid_240x180.zip").is_file() or not (REAL / "camvid_480x360.zip").is_file(),
    reason="SEGEN_DATA names no folder with CamVid's two zips, so the real frames are not tested.",
)


def encoded(pixels, kind="PNG"):
    buffer = io.BytesIO()
    Image.fromarray(pixels).save(buffer, kind)
    return buffer.getvalue()


def frame(number, size=(6, 8)):
    """A picture of noise and a mask that goes through all of 0 to 11."""
    random = np.random.default_rng(number)
    mask = (np.arange(size[0] * size[1]) + number).reshape(size) % 12
    return random.integers(0, 256, (*size, 3), dtype=np.uint8), mask.astype(np.uint8)


def fill(folder, split, count=3, size=(6, 8)):
    for number in range(count):
        pixels, mask = frame(number, size)
        for part, content in ((split, pixels), (f"{split}annot", mask)):
            (folder / part).mkdir(parents=True, exist_ok=True)
            (folder / part / f"scene_{number}.png").write_bytes(encoded(content))


def fill_zip(path, splits, size, count=2):
    with zipfile.ZipFile(path, "w") as archive:
        for split in splits:
            for number in range(count):
                pixels, mask = frame(number, size)
                archive.writestr(f"{path.stem}/{split}/scene_{number}.jpg", encoded(pixels, "JPEG"))
                archive.writestr(f"{path.stem}/{split}annot/scene_{number}.png", encoded(mask))
        archive.writestr(f"{path.stem}/train.txt", "")


@pytest.fixture
def root(tmp_path):
    fill(tmp_path / "CamVid", "train")
    return tmp_path


class TestFolders:
    def test_a_sample_is_the_files_content(self, root):
        data = CamVid(root)
        assert len(data) == 3
        for number in range(3):
            image, mask = data[number]
            pixels, labels = frame(number)
            assert image.dtype == torch.float32
            assert mask.dtype == torch.int64
            assert image.shape == (3, 6, 8)
            for y, x in ((0, 0), (2, 5), (5, 7)):
                assert image[:, y, x].tolist() == pytest.approx(
                    [value / 127.5 - 1 for value in pixels[y, x].tolist()], abs=1e-6
                )
                assert mask[y, x] == (255 if labels[y, x] == 11 else labels[y, x])
        assert (data[0][1] == 255).sum() == (frame(0)[1] == 11).sum() > 0

    def test_the_root_may_be_the_folder_itself(self, root):
        assert len(CamVid(root / "CamVid")) == len(CamVid(str(root))) == 3

    def test_the_environment_names_the_root(self, root, monkeypatch):
        monkeypatch.setenv("SEGEN_DATA", str(root))
        assert len(CamVid()) == 3

    def test_the_names_decide_the_pairs(self, root):
        """Masks that are called trainannot_1 belong to images that are called train_1."""
        for part in ("train", "trainannot"):
            for number in range(3):
                file = root / "CamVid" / part / f"scene_{number}.png"
                file.rename(file.with_name(f"{part}_{number}.png"))
        assert torch.equal(
            CamVid(root)[1][1],
            torch.from_numpy(frame(1)[1]).long().masked_fill_(torch.from_numpy(frame(1)[1]) == 11, 255),
        )

    def test_a_list_decides_the_pairs(self, root):
        lines = "/SegNet/CamVid/train/scene_2.png /SegNet/CamVid/trainannot/scene_2.png\n"
        (root / "CamVid" / "train.txt").write_text(lines)
        data = CamVid(root)
        assert len(data) == 1
        assert data.pairs[0][0].endswith("scene_2.png")

    def test_indices(self, root):
        data = CamVid(root)
        assert torch.equal(data[-1][0], data[2][0])
        for index in (3, -4):
            with pytest.raises(IndexError, match="CamVid has 3 samples"):
                data[index]
        assert len(list(data)) == 3

    def test_what_is_kept_cannot_be_changed_from_outside(self, root):
        data = CamVid(root)
        image, mask = data[0]
        before = image.clone(), mask.clone()
        image.zero_()
        mask.zero_()
        assert torch.equal(data[0][0], before[0])
        assert torch.equal(data[0][1], before[1])

    def test_files_are_read_once_and_late(self, root, monkeypatch):
        reads = []
        whole = camvid.read_rgb
        monkeypatch.setattr(camvid, "read_rgb", lambda *args: reads.append(args) or whole(*args))
        data = CamVid(root)
        assert not reads
        for _ in range(3):
            data[1]
        assert len(reads) == 1

    def test_names_and_colours(self):
        assert len(CamVid.classes) == 11
        assert CamVid.palette.shape == (11, 3)
        assert CamVid.palette.dtype == np.uint8
        assert len({tuple(colour) for colour in CamVid.palette.tolist()}) == 11


class TestZips:
    @pytest.fixture
    def root(self, tmp_path):
        fill_zip(tmp_path / "camvid_16x12.zip", ("train", "val"), (12, 16))
        fill_zip(tmp_path / "camvid_32x24.zip", ("train", "val"), (24, 32))
        fill_zip(tmp_path / "camvid_32x24_test.zip", ("test",), (24, 32), count=5)
        (tmp_path / "camvid_other.zip").write_bytes(b"not ours")
        return tmp_path

    @pytest.mark.parametrize(
        ("size", "name"),
        [
            (None, "camvid_32x24.zip"),
            ((12, 16), "camvid_16x12.zip"),
            ((6, 8), "camvid_16x12.zip"),
            ((20, 30), "camvid_32x24.zip"),
            ((18, 24), "camvid_32x24.zip"),  # half-way: the larger
        ],
    )
    def test_the_nearest_zip_is_read(self, root, size, name):
        data = CamVid(root, size=size)
        assert data.archive.name == name
        assert tuple(data[0][0].shape[1:]) == (size or (24, 32))

    def test_each_split(self, root):
        assert [len(CamVid(root, split)) for split in ("train", "val", "test")] == [2, 2, 5]
        assert torch.equal(CamVid(root)[1][1] == 255, torch.from_numpy(frame(1, (24, 32))[1]) == 11)

    def test_a_folder_comes_first(self, root):
        fill(root / "CamVid", "train")
        assert len(CamVid(root)) == 3

    def test_no_handle_is_held(self, root):
        data = CamVid(root)
        data[0]
        again = pickle.loads(pickle.dumps(data))
        assert not again._kept
        for index in range(2):
            assert torch.equal(again[index][0], data[index][0])
        batches = torch.utils.data.DataLoader(CamVid(root), batch_size=1, num_workers=2)
        for (image, mask), expected in zip(batches, data, strict=True):
            assert torch.equal(image[0], expected[0])
            assert torch.equal(mask[0], expected[1])

    def test_a_truncated_zip(self, root):
        for path in root.glob("camvid_32*.zip"):
            path.write_bytes(path.read_bytes()[:-100])
        with pytest.raises(ValueError, match=r"camvid_32x24\.zip is not a whole zip"):
            CamVid(root)

    def test_a_zip_damaged_inside(self, root):
        path = root / "camvid_32x24.zip"
        content = bytearray(path.read_bytes())
        with zipfile.ZipFile(path) as archive:
            start = archive.infolist()[0].header_offset
        content[start + 200] ^= 0xFF
        path.write_bytes(content)
        with pytest.raises(ValueError, match=r"camvid_32x24\.zip is damaged at camvid_32x24/train/scene_0\.jpg"):
            CamVid(root)[0]


class TestSizes:
    @pytest.mark.parametrize("size", [(3, 4), (5, 3), (12, 16), (1, 1), (6, 8)])
    def test_the_mask_takes_the_label_under_each_centre(self, root, size):
        mask = CamVid(root, size=size)[0][1]
        labels = frame(0)[1]
        for y in range(size[0]):
            for x in range(size[1]):
                label = labels[int((y + 0.5) * 6 / size[0]), int((x + 0.5) * 8 / size[1])]
                assert mask[y, x] == (255 if label == 11 else label)

    @pytest.mark.parametrize("size", [(3, 4), (5, 3), (12, 16)])
    def test_the_image_is_averaged(self, root, size):
        image = CamVid(root, size=size)[0][0]
        pixels = torch.from_numpy(frame(0)[0]).permute(2, 0, 1)[None].double()
        other = F.interpolate(pixels, size, mode="bilinear", antialias=True)[0] / 127.5 - 1
        assert (image - other).abs().max() <= 1.01 / 127.5
        plain = F.interpolate(pixels, size, mode="nearest")[0] / 127.5 - 1
        assert (image - plain).abs().max() > 0.1  # the control: noise, taken without averaging, is far away

    @pytest.mark.parametrize("size", [12, (12,), (0, 4), (3.0, 4), (True, 4), (3, 4, 3), "34"])
    def test_a_wrong_size(self, root, size):
        with pytest.raises(ValueError, match=r"CamVid was given size=.*height, width"):
            CamVid(root, size=size)


class TestBadInput:
    def test_a_wrong_split(self, root):
        with pytest.raises(ValueError, match="CamVid was given split='trian'; choose one of 'train', 'val', 'test'"):
            CamVid(root, "trian")

    def test_nothing_there(self, tmp_path):
        with pytest.raises(FileNotFoundError, match="download=True") as caught:
            CamVid(tmp_path)
        assert str(tmp_path) in str(caught.value)

    def test_another_split_is_not_there(self, root):
        with pytest.raises(FileNotFoundError, match="CamVid's val split"):
            CamVid(root, "val")

    def test_an_empty_folder(self, tmp_path):
        for part in ("train", "trainannot"):
            (tmp_path / "CamVid" / part).mkdir(parents=True)
        with pytest.raises(FileNotFoundError, match="put pictures into train"):
            CamVid(tmp_path)

    @pytest.mark.parametrize(("part", "lacks"), [("train", "image"), ("trainannot", "mask")])
    def test_a_file_without_partner(self, root, part, lacks):
        (root / "CamVid" / part / "scene_1.png").unlink()
        with pytest.raises(ValueError, match=rf"scene_1\.png has no {lacks}"):
            CamVid(root)

    @pytest.mark.parametrize("part", ["train", "trainannot"])
    def test_two_files_of_one_name(self, root, part):
        picture = Image.open(root / "CamVid" / part / "scene_1.png")
        picture.convert("L").save(root / "CamVid" / part / "scene_1.jpg")
        with pytest.raises(ValueError, match=rf"{part}/scene_1\.png and .*scene_1\.jpg have one name"):
            CamVid(root)

    def test_a_list_with_missing_files(self, root):
        names = [f"train/scene_{k}.png trainannot/scene_{k}.png\n" for k in range(5)]
        (root / "CamVid" / "train.txt").write_text("".join(names))
        with pytest.raises(FileNotFoundError, match=r"train/scene_3\.png, one of 4 missing files of the 10"):
            CamVid(root)

    @pytest.mark.parametrize("text", ["", "<html>no</html>", "train/a.png", "val/a.png valannot/a.png"])
    def test_a_list_that_is_none(self, root, text):
        (root / "CamVid" / "train.txt").write_text(text)
        with pytest.raises(ValueError, match=r"train\.txt is not a list"):
            CamVid(root)

    @pytest.mark.parametrize("value", [12, 100, 254])
    def test_a_stray_label(self, root, value):
        mask = frame(1)[1]
        mask[2, 3] = value
        (root / "CamVid" / "trainannot" / "scene_1.png").write_bytes(encoded(mask))
        data = CamVid(root)
        data[0]
        with pytest.raises(ValueError, match=rf"trainannot.scene_1\.png holds the label {value} in 1 "):
            data[1]

    def test_colours_for_indices(self, root):
        file = root / "CamVid" / "trainannot" / "scene_1.png"
        file.write_bytes(encoded(CamVid.palette[frame(1)[1] % 11]))
        with pytest.raises(ValueError, match=r"scene_1\.png is a picture of mode 'RGB'.*one class index a pixel"):
            CamVid(root)[1]
        Image.fromarray(frame(1)[0]).quantize(12).save(file)
        with pytest.raises(ValueError, match=r"scene_1\.png is a picture of mode 'P'"):
            CamVid(root)[1]

    def test_sizes_that_differ(self, root):
        (root / "CamVid" / "trainannot" / "scene_1.png").write_bytes(encoded(frame(1, (5, 8))[1]))
        for size in (None, (3, 4)):
            with pytest.raises(ValueError, match=r"scene_1\.png is 6×8 pixels, but its mask is 5×8"):
                CamVid(root, size=size)[1]

    @pytest.mark.parametrize("part", ["train", "trainannot"])
    def test_a_truncated_picture(self, root, part):
        file = root / "CamVid" / part / "scene_1.png"
        whole = file.read_bytes()
        for length in (0, 10, len(whole) // 2):
            file.write_bytes(whole[:length])
            with pytest.raises(ValueError, match=r"scene_1\.png is not a whole picture"):
                CamVid(root)[1]


class Repository:
    """A small published CamVid behind a server on this machine."""

    def __init__(self, folder):
        fill(folder, "val", count=6)
        self.names = sorted(f"{part}/scene_{k}.png" for part in ("val", "valannot") for k in range(6))
        self.files = {name: (folder / name).read_bytes() for name in self.names}
        self.digest = hashlib.sha256(
            b"".join(
                hashlib.sha256(self.files[n]).hexdigest().encode() + b"  " + n.encode() + b"\n" for n in self.names
            )
        ).hexdigest()
        lines = "".join(f"/SegNet/CamVid/val/scene_{k}.png /SegNet/CamVid/valannot/scene_{k}.png\n" for k in range(6))
        self.files["val.txt"] = lines.encode()
        self.requests = []
        self.limit = None  # how many requests are answered
        self.cut = set()  # files of which the connection breaks half-way
        repository = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self):
                name = self.path.removeprefix("/CamVid/")
                repository.requests.append(name)
                if repository.limit is not None and len(repository.requests) > repository.limit:
                    self.send_error(503)
                    return
                content = repository.files[name]
                self.send_response(200)
                self.send_header("Content-Length", str(len(content)))
                self.end_headers()
                self.wfile.write(content[: len(content) // 2] if name in repository.cut else content)

            def log_message(self, *args):
                pass

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.address = f"http://127.0.0.1:{self.server.server_port}/CamVid"


class TestDownload:
    @pytest.fixture
    def repository(self, tmp_path, monkeypatch):
        repository = Repository(tmp_path / "published")
        monkeypatch.setattr(camvid, "ADDRESS", repository.address)
        monkeypatch.setattr(camvid, "DIGESTS", {"val": repository.digest})
        monkeypatch.setattr(camvid, "PAUSE", 0.0)
        monkeypatch.setattr(camvid, "TIMEOUT", 5.0)
        thread = threading.Thread(target=repository.server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        yield repository
        repository.server.shutdown()
        thread.join()
        repository.server.server_close()

    @pytest.fixture
    def root(self, tmp_path):
        return tmp_path / "data"

    def leftovers(self, root):
        return [str(path) for path in root.rglob("*.part")]

    def test_the_whole_split(self, repository, root):
        data = CamVid(root, "val", download=True)
        assert len(data) == 6
        for name in repository.names:
            assert (root / "CamVid" / name).read_bytes() == repository.files[name]
        assert torch.equal(data[2][1] == 255, torch.from_numpy(frame(2)[1]) == 11)
        assert len(repository.requests) == 13
        CamVid(root, "val", download=True)
        assert len(repository.requests) == 13  # nothing is fetched twice
        assert not self.leftovers(root)

    def test_interrupted_and_resumed(self, repository, root):
        repository.limit = 5
        with pytest.raises(FileNotFoundError, match=r"503.*call CamVid with download=True again to go on") as caught:
            CamVid(root, "val", download=True)
        assert str(root) in str(caught.value)
        kept = {path.name: path.stat().st_mtime_ns for path in (root / "CamVid").rglob("*.png")}
        assert len([*(root / "CamVid").rglob("*.png")]) == 4
        assert not self.leftovers(root)
        with pytest.raises(FileNotFoundError, match="missing files of the 12"):
            CamVid(root, "val")
        repository.limit = None
        repository.requests.clear()
        assert len(CamVid(root, "val", download=True)) == 6
        assert len(repository.requests) == 8
        assert all(
            path.stat().st_mtime_ns == kept[path.name]
            for path in (root / "CamVid").rglob("*.png")
            if f"{path.parent.name}/{path.name}" not in repository.requests and path.name in kept
        )

    def test_a_connection_that_breaks(self, repository, root):
        repository.cut = {"val/scene_3.png"}
        with pytest.raises(FileNotFoundError, match=r"scene_3\.png did not come \(IncompleteRead"):
            CamVid(root, "val", download=True)
        assert repository.requests.count("val/scene_3.png") == camvid.ATTEMPTS
        assert not (root / "CamVid" / "val" / "scene_3.png").exists()
        assert not self.leftovers(root)
        repository.cut = set()
        assert len(CamVid(root, "val", download=True)) == 6

    def test_no_network(self, repository, root, monkeypatch):
        monkeypatch.setattr(camvid, "ADDRESS", "http://127.0.0.1:9/CamVid")
        with pytest.raises(FileNotFoundError, match="download=True again"):
            CamVid(root, "val", download=True)

    def test_a_page_in_place_of_a_picture(self, repository, root):
        repository.files["valannot/scene_0.png"] = b"<html>Please log in</html>"
        with pytest.raises(ValueError, match=r"valannot/scene_0\.png is not a whole picture"):
            CamVid(root, "val", download=True)
        assert not (root / "CamVid" / "valannot" / "scene_0.png").exists()

    def test_a_page_in_place_of_the_list(self, repository, root):
        repository.files["val.txt"] = b"<html>Please log in</html>"
        with pytest.raises(ValueError, match=r"val\.txt is not a list"):
            CamVid(root, "val", download=True)
        assert not (root / "CamVid").exists()

    def test_a_damaged_file_is_removed_and_fetched_again(self, repository, root):
        CamVid(root, "val", download=True)
        file = root / "CamVid" / "val" / "scene_4.png"
        content = bytearray(file.read_bytes())
        content[len(content) // 2] ^= 1
        file.write_bytes(content)
        with pytest.raises(ValueError, match=r"1 damaged files .* were removed .*val/scene_4\.png"):
            CamVid(root, "val", download=True)
        assert not file.exists()
        assert len(CamVid(root, "val", download=True)) == 6

    def test_a_whole_picture_that_is_another(self, repository, root):
        CamVid(root, "val", download=True)
        (root / "CamVid" / "val" / "scene_4.png").write_bytes(encoded(frame(99)[0]))
        with pytest.raises(ValueError, match=f"not the published {repository.digest}"):
            CamVid(root, "val", download=True)

    def test_a_zip_that_is_there_is_not_downloaded(self, repository, root):
        root.mkdir()
        fill_zip(root / "camvid_16x12.zip", ("val",), (12, 16))
        assert len(CamVid(root, "val", download=True)) == 2
        assert not repository.requests


@real
class TestReal:
    """Against the frequencies and moments that are stated beside the data."""

    def test_class_frequencies(self):
        data = CamVid(REAL)
        assert len(data) == 367
        assert len(CamVid(REAL, "val")) == 101
        counts = torch.zeros(256, dtype=torch.int64)
        for _, mask in data:
            counts += torch.bincount(mask.flatten(), minlength=256)
        percent = 100 * counts.double() / counts.sum()
        stated = [16.85, 23.26, 0.98, 31.66, 4.49, 9.72, 1.17, 1.13, 5.87, 0.64, 0.29]
        assert percent[:11].tolist() == pytest.approx(stated, abs=0.006)
        assert percent[255].item() == pytest.approx(3.95, abs=0.006)

    def test_mean_and_deviation(self):
        images = [image.double() / 2 + 0.5 for image, _ in CamVid(REAL, size=(180, 240))]
        mean = sum(image.mean((1, 2)) for image in images) / len(images)
        square = sum(image.square().mean((1, 2)) for image in images) / len(images)
        assert mean.tolist() == pytest.approx([0.4116, 0.4248, 0.4324], abs=5e-4)
        assert (square - mean**2).sqrt().tolist() == pytest.approx([0.3022, 0.3066, 0.3026], abs=5e-4)

    def test_the_road_lies_below_the_sky(self):
        rows = {"Sky": [], "Road": []}
        for index in range(0, 101, 10):
            mask = CamVid(REAL, "val", size=(90, 120))[index][1]
            for name, places in rows.items():
                places += (mask == CamVid.classes.index(name)).nonzero()[:, 0].tolist()
        assert np.mean(rows["Sky"]) < 35 < 55 < np.mean(rows["Road"])
